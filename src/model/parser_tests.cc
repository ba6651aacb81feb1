// Generic tests: what the entries of models, seeds, snapshots and sources list under `data_tests`.
#include "model/parser_steps.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "model/config.h"
#include "model/documentation.h"
#include "model/generic_tests.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

constexpr std::array kTestConfigKeys{"severity", "tags",     "enabled",   "where",          "limit",
                                     "warn_if",  "error_if", "fail_calc", "store_failures", "store_failures_as",
                                     "meta",     "database", "schema",    "group",          "alias"};

struct TestTarget {
  std::string unique_id;   // of the model or source
  std::string display;     // "stg_x", or "raw_events" for sources
  std::string expression;  // ref('stg_x')
  bool is_source = false;
  std::string file_key_name;
};

Result<void> read_generic_test(Parsing& parsing, const Property& property, const std::string& below, const Json& entry,
                               const TestTarget& target, const Json* column) {
  std::string test_name;
  Json arguments = Json::object();
  if (entry.is_string()) {
    test_name = entry.get<std::string>();
  } else if (entry.is_object() && entry.contains("test_name")) {
    test_name = scalar_text(entry["test_name"]);
    arguments = entry;
    arguments.erase("test_name");
  } else if (entry.is_object() && !entry.empty()) {
    test_name = entry.items().begin().key();
    const Json& given = entry.items().begin().value();
    if (!given.is_null() && !given.is_object())
      return property_error(property.place(below),
                            fmt::format("the arguments of the test {} must be a mapping", test_name));
    if (given.is_object())
      arguments = given;
    for (const auto& [key, value] : entry.items()) {
      if (key != test_name)
        arguments[key] = value;  // config beside the test's name
    }
  } else {
    return property_error(property.place(below), "a test must be a name, or a name with arguments",
                          "For example `- not_null`.");
  }

  TestMetadata test;
  test.name = test_name;
  if (const auto dot = test_name.find('.'); dot != std::string::npos) {
    test.name_space = test_name.substr(0, dot);
    test.name = test_name.substr(dot + 1);
  }
  const std::string place = property.place(below);
  if (!parsing.macro_names.contains("test_" + test.name)) {
    return property_error(
        place, fmt::format("there is no test named {}", test_name),
        fmt::format(
            "Write one as {{% test {}(model, column_name) %}} in a macro file, or install the package that has it.",
            test.name));
  }
  std::string custom_name, description;
  Json config = Json::object();
  if (arguments.contains("config")) {
    config = SHOPLAKE_TRY(render_values(parsing.renderer, arguments["config"], place));
    arguments.erase("config");
  }
  for (const char* key : kTestConfigKeys) {
    if (!arguments.contains(key))
      continue;
    Json value = SHOPLAKE_TRY(render_values(parsing.renderer, arguments[key], place));
    merge_config(config, Json{{key, std::move(value)}});
    arguments.erase(key);
  }
  if (arguments.contains("name")) {
    custom_name = scalar_text(arguments["name"]);
    arguments.erase("name");
  }
  if (arguments.contains("description")) {
    description = resolve_docs(scalar_text(arguments["description"]), parsing.manifest, property.package->name);
    arguments.erase("description");
  }
  if (arguments.contains("arguments") && arguments["arguments"].is_object()) {
    const Json inner = arguments["arguments"];
    arguments.erase("arguments");
    for (const auto& [key, value] : inner.items())
      arguments[key] = value;
  }
  std::string column_name;
  if (column != nullptr) {
    column_name = scalar_text((*column)["name"]);
    if (config_flag(*column, "quote", false))
      column_name = "\"" + column_name + "\"";
    if (!arguments.contains("column_name"))
      arguments["column_name"] = column_name;
  }

  std::string type = target.is_source ? "source_" + test.name : test.name;
  if (test.name_space)
    type = *test.name_space + "_" + type;
  TestName name = generic_test_name(type, target.display, arguments);
  if (!custom_name.empty())
    name = {custom_name, custom_name};

  Node node;
  node.type = ResourceType::test;
  node.package = property.package->name;
  node.package_directory = property.package->directory;
  node.name = name.full_name;
  node.path = name.short_name + ".sql";
  node.original_file_path = property.file;
  node.line = property.line(below);
  node.description = description;
  test.arguments = arguments;
  test.arguments["model"] = fmt::format("{{{{ get_where_subquery({}) }}}}", target.expression);
  node.unique_id = generic_test_id(node.package, node.name, test);
  node.fqn = make_fqn(node.package, property.path_in_folder, {node.name});
  node.column_name = column_name;
  node.attached_node = target.unique_id;
  node.file_key_name = target.file_key_name;
  node.raw_code = generic_test_template(test, fmt::format("get_where_subquery({})", target.expression));
  node.test = std::move(test);
  if (!config.contains("alias") && name.short_name != name.full_name)
    config["alias"] = name.short_name;
  if (config.contains("severity") && config["severity"].is_string()) {
    std::string severity = config["severity"].get<std::string>();
    std::transform(severity.begin(), severity.end(), severity.begin(), [](unsigned char c) { return std::toupper(c); });
    config["severity"] = severity;
  }
  if (column != nullptr && column->contains("tags"))
    merge_config(config, Json{{"tags", (*column)["tags"]}});
  // The test's own configuration decides `where` while the template is parsed, so it lies below and above config()
  // calls.
  SHOPLAKE_TRY(complete(parsing, node, {&config}, &config).within(place));
  if (parsing.manifest.nodes.contains(node.unique_id)) {
    return base::make_error(base::ErrorKind::usage, "model.duplicate",
                            fmt::format("{}: the test {} stands there a second time", place, node.name),
                            "Remove one of the two, or give one another `name`.");
  }
  return keep(parsing, std::move(node), "tests");
}

Result<void> read_test_list(Parsing& parsing, const Property& property, const std::string& below, const Json& list,
                            const TestTarget& target, const Json* column) {
  if (list.is_null())
    return {};
  if (!list.is_array())
    return property_error(property.place(below), "tests must be a list");
  for (std::size_t index = 0; index < list.size(); ++index) {
    SHOPLAKE_TRY(read_generic_test(parsing, property, fmt::format("{}/{}", below, index), list[index], target, column));
  }
  return {};
}

Result<void> read_tests_of(Parsing& parsing, const Property& property, const std::string& below, const Json& block,
                           const TestTarget& target) {
  for (const char* key : {"data_tests", "tests"}) {
    if (block.contains(key))
      SHOPLAKE_TRY(read_test_list(parsing, property, fmt::format("{}/{}", below, key), block[key], target, nullptr));
  }
  if (!block.contains("columns") || !block["columns"].is_array())
    return {};
  for (std::size_t index = 0; index < block["columns"].size(); ++index) {
    const Json& column = block["columns"][index];
    for (const char* key : {"data_tests", "tests"}) {
      if (column.contains(key)) {
        SHOPLAKE_TRY(read_test_list(parsing, property, fmt::format("{}/columns/{}/{}", below, index, key), column[key],
                                    target, &column));
      }
    }
  }
  return {};
}

}  // namespace

Result<void> read_node_tests(Parsing& parsing, const PropertyKey& key, const Property& property) {
  if (key.type != ResourceType::model && key.type != ResourceType::seed && key.type != ResourceType::snapshot)
    return {};
  const std::string id = fmt::format("{}.{}.{}", model::name(key.type), key.package, key.name);
  auto node = parsing.manifest.nodes.find(id);
  if (node == parsing.manifest.nodes.end()) {
    bool in_package = false;
    for (const Package& package : parsing.project.packages) {
      const std::string other = fmt::format("{}.{}.{}", model::name(key.type), package.name, key.name);
      if (parsing.manifest.nodes.contains(other)) {
        node = parsing.manifest.nodes.find(other);
        in_package = true;
      }
    }
    if (!in_package) {
      if (!parsing.disabled.contains(id)) {
        parsing.manifest.warn(fmt::format("{}: there is no {} named {}; its description and tests were passed over",
                                          property.place(), model::name(key.type), key.name));
      }
      return {};
    }
  }
  TestTarget target;
  target.unique_id = node->first;
  target.display = key.name;
  target.expression = fmt::format("ref('{}')", key.name);
  target.file_key_name = fmt::format("{}s.{}", model::name(key.type), key.name);
  return read_tests_of(parsing, property, "", property.block, target);
}

Result<void> read_source_tests(Parsing& parsing) {
  for (const SourceEntry& entry : parsing.source_entries) {
    const Source& source = parsing.manifest.sources.at(entry.unique_id);
    TestTarget target;
    target.unique_id = source.unique_id;
    target.display = source.source_name + "_" + source.name;
    target.expression = fmt::format("source('{}', '{}')", source.source_name, source.name);
    target.is_source = true;
    target.file_key_name = fmt::format("sources.{}", source.source_name);
    SHOPLAKE_TRY(read_tests_of(parsing, entry.property, entry.below, entry.block, target));
  }
  return {};
}

}  // namespace shoplake::model
