// Nodes that are files: models, seeds, snapshots, singular tests, analyses; and hooks, which are lines of a file.
#include "model/parser_steps.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/digest.h"
#include "model/config.h"
#include "model/reference.h"
#include "model/snapshot.h"
#include "model/template_text.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

std::string folder_of(const Property& property) {
  return property.file.substr(0, property.file.size() - property.path_in_folder.size() - 1);
}

Result<void> complete_snapshot(Parsing& parsing, Node node) {
  const Json config = SHOPLAKE_TRY(apply_property(parsing, node));
  SHOPLAKE_TRY(complete(parsing, node, {&config}));
  if (const std::string schema = config_text(node.config, "target_schema"); !schema.empty())
    node.schema = schema;
  if (config_flag(node.config, "enabled", true))
    SHOPLAKE_TRY(snapshot_plan(node));
  return keep(parsing, std::move(node), "snapshots");
}

}  // namespace

Result<void> read_models(Parsing& parsing, const Package& package) {
  for (const ProjectFile& file : SHOPLAKE_TRY(read_files(parsing.env, package, package.model_paths, {".sql", ".py"}))) {
    if (file.path.ends_with(".py")) {
      return base::make_error(
          base::ErrorKind::usage, "model.unsupported",
          fmt::format("{}: Python models are not supported", io::join_path(package.directory, file.path)),
          "Write it as SQL, or disable it by moving it out of the model paths.");
    }
    Node node = new_node(ResourceType::model, package, file);
    node.raw_code = trimmed(file.text);
    const Json config = SHOPLAKE_TRY(apply_property(parsing, node));
    SHOPLAKE_TRY(complete(parsing, node, {&config}));
    static const std::set<std::string> known{"view", "table", "incremental", "ephemeral"};
    const bool enabled = config_flag(node.config, "enabled", true);
    if (enabled && !known.contains(node.materialized())) {
      return base::make_error(
          base::ErrorKind::usage, "model.unsupported",
          fmt::format("{}: materialized is '{}'; view, table, incremental and ephemeral are supported", file.path,
                      node.materialized()));
    }
    SHOPLAKE_TRY(keep(parsing, std::move(node), "models"));
  }
  return {};
}

Result<void> read_seeds(Parsing& parsing, const Package& package) {
  for (const ProjectFile& file : SHOPLAKE_TRY(read_files(parsing.env, package, package.seed_paths, {".csv"}))) {
    Node node = new_node(ResourceType::seed, package, file);
    const Json config = SHOPLAKE_TRY(apply_property(parsing, node));
    SHOPLAKE_TRY(complete(parsing, node, {&config}));
    SHOPLAKE_TRY(keep(parsing, std::move(node), "seeds"));
  }
  return {};
}

Result<void> read_snapshots(Parsing& parsing, const Package& package) {
  for (const ProjectFile& file : SHOPLAKE_TRY(read_files(parsing.env, package, package.snapshot_paths, {".sql"}))) {
    for (SnapshotBlock& block : SHOPLAKE_TRY(snapshot_blocks(file.text, file.path))) {
      Node node = new_node(ResourceType::snapshot, package, file);
      node.name = block.name;
      node.unique_id = fmt::format("snapshot.{}.{}", package.name, node.name);
      node.fqn = make_fqn(package.name, without_extension(node.path) + "/" + node.name, {node.name});
      node.raw_code = trimmed(block.text);
      SHOPLAKE_TRY(complete_snapshot(parsing, std::move(node)));
    }
  }
  for (const auto& [key, property] : parsing.properties.nodes) {
    if (key.type != ResourceType::snapshot || key.package != package.name || !property.block.contains("relation"))
      continue;
    const std::string relation = scalar_text(property.block["relation"]);
    const Reference reference = SHOPLAKE_TRY(parse_reference(relation).within(property.place("/relation")));
    if (reference.self)
      return property_error(property.place("/relation"), fmt::format("the snapshot {} is of itself", key.name));
    Node node = new_node(ResourceType::snapshot, package, {property.file, folder_of(property), ""});
    node.name = key.name;
    node.unique_id = fmt::format("snapshot.{}.{}", package.name, node.name);
    node.path = io::join_path(property.path_in_folder, node.name + ".sql");
    node.fqn = make_fqn(package.name, property.path_in_folder, {node.name});
    node.line = property.line();
    node.raw_code = fmt::format("select * from {{{{ {} }}}}", relation);
    node.checksum = base::sha256_hex(node.raw_code);
    SHOPLAKE_TRY(complete_snapshot(parsing, std::move(node)));
  }
  return {};
}

Result<void> read_singular_tests(Parsing& parsing, const Package& package) {
  for (const ProjectFile& file : SHOPLAKE_TRY(read_files(parsing.env, package, package.test_paths, {".sql"}))) {
    const std::string inner = file.path_in_folder();
    if (inner.starts_with("generic/") || inner.starts_with("fixtures/"))
      continue;
    Node node = new_node(ResourceType::test, package, file);
    node.raw_code = trimmed(file.text);
    const Json config = SHOPLAKE_TRY(apply_property(parsing, node));
    SHOPLAKE_TRY(complete(parsing, node, {&config}));
    SHOPLAKE_TRY(keep(parsing, std::move(node), "tests"));
  }
  return {};
}

Result<void> read_analyses(Parsing& parsing, const Package& package) {
  for (const ProjectFile& file : SHOPLAKE_TRY(read_files(parsing.env, package, package.analysis_paths, {".sql"}))) {
    Node node = new_node(ResourceType::analysis, package, file);
    node.fqn = make_fqn(package.name, node.path, {node.name});
    node.fqn.insert(node.fqn.begin() + 1, "analysis");
    node.raw_code = trimmed(file.text);
    const Json config = SHOPLAKE_TRY(apply_property(parsing, node));
    SHOPLAKE_TRY(complete(parsing, node, {&config}));
    SHOPLAKE_TRY(keep(parsing, std::move(node), "analyses"));
  }
  return {};
}

void read_hooks(Parsing& parsing, const Package& package) {
  const auto add = [&](const std::vector<std::string>& hooks, const char* when) {
    for (std::size_t index = 0; index < hooks.size(); ++index) {
      Node node;
      node.type = ResourceType::operation;
      node.package = package.name;
      node.package_directory = package.directory;
      node.name = fmt::format("{}-{}-{}", package.name, when, index);
      node.unique_id = fmt::format("operation.{}.{}", package.name, node.name);
      node.path = fmt::format("hooks/{}.sql", node.name);
      node.original_file_path = "./dbt_project.yml";
      node.fqn = {package.name, "hooks", node.name};
      node.alias = node.name;
      node.raw_code = hooks[index];
      node.config = default_config(ResourceType::operation);
      node.tags = {when};
      node.config["tags"] = Json::array({when});
      parsing.manifest.nodes.emplace(node.unique_id, std::move(node));
    }
  };
  add(package.on_run_start, "on-run-start");
  add(package.on_run_end, "on-run-end");
}

}  // namespace shoplake::model
