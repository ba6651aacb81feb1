// Unit tests of models, as properties files declare them.
#include "model/parser_steps.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "model/config.h"
#include "model/documentation.h"
#include "model/reference.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

Result<void> depend(Parsing& parsing, UnitTest& test, const Reference& reference, const std::string& place) {
  std::string id;
  if (reference.self)
    return {};
  if (reference.ref) {
    const Node* node = parsing.manifest.find_ref(*reference.ref, test.package);
    if (node == nullptr)
      return property_error(
          place, fmt::format("the unit test {} is given {}, which does not exist", test.name, reference.ref->name));
    id = node->unique_id;
  } else {
    const Source* source = parsing.manifest.find_source(*reference.source, test.package);
    if (source == nullptr) {
      return property_error(place, fmt::format("the unit test {} is given source {}.{}, which does not exist",
                                               test.name, reference.source->source, reference.source->table));
    }
    id = source->unique_id;
  }
  if (std::find(test.depends_on.begin(), test.depends_on.end(), id) == test.depends_on.end())
    test.depends_on.push_back(id);
  return {};
}

// Rows in a file of their own: <test path>/fixtures/**/<name>.csv or .sql.
Result<void> read_fixture(Parsing& parsing, const Property& property, const std::string& below,
                          const std::string& fixture, const std::string& format, Json& rows) {
  if (fixture.empty())
    return {};
  const std::string name = without_extension(fixture) + "." + format;
  for (const ProjectFile& file :
       SHOPLAKE_TRY(read_files(parsing.env, *property.package, property.package->test_paths, {"." + format}))) {
    if (file.path_in_folder().starts_with("fixtures/") && io::file_name(file.path) == name) {
      rows = file.text;
      return {};
    }
  }
  return property_error(property.place(below), fmt::format("the fixture {} was not found", name),
                        "Fixtures are files below tests/fixtures/.");
}

Result<void> check_rows(const Property& property, const std::string& below, const std::string& format, const Json& rows,
                        const std::string& fixture) {
  if (format != "dict" && format != "csv" && format != "sql") {
    return property_error(property.place(below), fmt::format("format is '{}'; it must be dict, csv or sql", format));
  }
  if (format == "dict") {
    if (!rows.is_null() && !rows.is_array())
      return property_error(property.place(below), "rows must be a list of mappings");
    for (const Json& row : rows.is_array() ? rows : Json::array()) {
      if (!row.is_object())
        return property_error(property.place(below), "rows must be a list of mappings, such as {id: 1, name: a}");
    }
  } else if (fixture.empty() && !rows.is_string()) {
    return property_error(property.place(below),
                          fmt::format("rows must be text in the format {}, or a fixture must be named", format));
  }
  return {};
}

}  // namespace

Result<void> read_unit_test(Parsing& parsing, const Property& property) {
  const Json& block = property.block;
  UnitTest test;
  test.name = block["name"].get<std::string>();
  test.package = property.package->name;
  test.package_directory = property.package->directory;
  test.original_file_path = property.file;
  test.line = property.line();
  if (!block.contains("model"))
    return property_error(property.place(), fmt::format("the unit test {} names no model", test.name));
  test.model_name = scalar_text(block["model"]);
  test.unique_id = fmt::format("unit_test.{}.{}.{}", test.package, test.model_name, test.name);
  test.fqn = make_fqn(test.package, property.path_in_folder, {test.model_name, test.name});
  if (block.contains("description"))
    test.description = resolve_docs(scalar_text(block["description"]), parsing.manifest, test.package);
  const Json config = block.contains("config") && block["config"].is_object() ? block["config"] : Json::object();
  test.config = parsing.config.configure(ResourceType::unit_test, test.package, test.fqn, {&config});
  test.tags = config_list(test.config, "tags");
  const Node* model = parsing.manifest.find_ref({"", test.model_name, {}}, test.package);
  if (!config_flag(test.config, "enabled", true))
    return {};
  if (model == nullptr) {
    if (parsing.disabled.contains(fmt::format("model.{}.{}", test.package, test.model_name)))
      return {};
    return property_error(property.place("/model"), fmt::format("the unit test {} is of model {}, which does not exist",
                                                                test.name, test.model_name));
  }
  test.model_id = model->unique_id;
  test.depends_on.push_back(model->unique_id);
  if (block.contains("given") && !block["given"].is_null()) {
    if (!block["given"].is_array())
      return property_error(property.place("/given"), "given must be a list");
    for (std::size_t index = 0; index < block["given"].size(); ++index) {
      const Json& entry = block["given"][index];
      const std::string below = fmt::format("/given/{}", index);
      if (!entry.is_object() || !entry.contains("input"))
        return property_error(property.place(below), "an entry of given has no input");
      UnitTest::Given given;
      given.input = scalar_text(entry["input"]);
      given.format = entry.contains("format") ? scalar_text(entry["format"]) : "dict";
      given.rows = entry.value("rows", Json());
      given.fixture = config_text(entry, "fixture");
      SHOPLAKE_TRY(check_rows(property, below, given.format, given.rows, given.fixture));
      SHOPLAKE_TRY(read_fixture(parsing, property, below, given.fixture, given.format, given.rows));
      const Reference reference = SHOPLAKE_TRY(parse_reference(given.input).within(property.place(below)));
      SHOPLAKE_TRY(depend(parsing, test, reference, property.place(below)));
      test.given.push_back(std::move(given));
    }
  }
  if (!block.contains("expect") || !block["expect"].is_object())
    return property_error(property.place(), fmt::format("the unit test {} expects nothing", test.name));
  const Json& expect = block["expect"];
  test.expect_format = expect.contains("format") ? scalar_text(expect["format"]) : "dict";
  test.expect_rows = expect.value("rows", Json());
  test.expect_fixture = config_text(expect, "fixture");
  SHOPLAKE_TRY(check_rows(property, "/expect", test.expect_format, test.expect_rows, test.expect_fixture));
  SHOPLAKE_TRY(read_fixture(parsing, property, "/expect", test.expect_fixture, test.expect_format, test.expect_rows));
  if (block.contains("overrides") && block["overrides"].is_object())
    test.overrides = block["overrides"];
  if (parsing.manifest.unit_tests.contains(test.unique_id)) {
    return base::make_error(
        base::ErrorKind::usage, "model.duplicate",
        fmt::format("{}: {} has two unit tests of the name {}", property.place(), test.model_name, test.name));
  }
  parsing.manifest.unit_tests.emplace(test.unique_id, std::move(test));
  return {};
}

}  // namespace shoplake::model
