// Dependencies: what ref() and source() of the nodes mean, and that no two nodes become one relation.
#include "model/parser_steps.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace shoplake::model {
namespace {

bool is_disabled(const Manifest& manifest, const RefCall& call) {
  return std::any_of(manifest.disabled.begin(), manifest.disabled.end(),
                     [&](const Node& node) { return node.is_refable() && node.name == call.name; });
}

// A test of what is disabled is disabled with it; a model that refers to nothing is an error.
Result<void> unresolved(const Node& node, const std::string& call, bool disabled, bool& keep_node) {
  const std::string place =
      node.line > 0 && node.test ? fmt::format("{}:{}", node.original_file_path, node.line) : node.original_file_path;
  if (node.type == ResourceType::test && disabled) {
    keep_node = false;
    return {};
  }
  return base::make_error(base::ErrorKind::usage, "model.unresolved",
                          fmt::format("{}: {} depends on {}, which {}", place, node.unique_id, call,
                                      disabled ? "is disabled" : "was not found"),
                          disabled ? "Enable it, or disable what depends on it."
                                   : "Look at the spelling; models and seeds are referred to by file name, snapshots "
                                     "by their own name, sources by source and table name.");
}

}  // namespace

Result<void> resolve_dependencies(Parsing& parsing) {
  SHOPLAKE_TRY(read_source_tests(parsing));
  std::vector<std::string> dropped;
  for (auto& [id, node] : parsing.manifest.nodes) {
    bool keep_node = true;
    const auto add = [&](const std::string& dependency) {
      if (std::find(node.depends_on.begin(), node.depends_on.end(), dependency) == node.depends_on.end())
        node.depends_on.push_back(dependency);
    };
    for (const RefCall& call : node.refs) {
      if (const Node* target = parsing.manifest.find_ref(call, node.package)) {
        add(target->unique_id);
      } else {
        SHOPLAKE_TRY(
            unresolved(node, fmt::format("ref('{}')", call.name), is_disabled(parsing.manifest, call), keep_node));
      }
    }
    for (const SourceCall& call : node.sources) {
      if (const Source* target = parsing.manifest.find_source(call, node.package)) {
        add(target->unique_id);
      } else {
        SHOPLAKE_TRY(
            unresolved(node, fmt::format("source('{}', '{}')", call.source, call.table),
                       parsing.disabled.contains(fmt::format("source.{}.{}.{}", node.package, call.source, call.table)),
                       keep_node));
      }
    }
    if (!keep_node)
      dropped.push_back(id);
  }
  for (const std::string& id : dropped) {
    parsing.manifest.disabled.push_back(std::move(parsing.manifest.nodes.at(id)));
    parsing.manifest.nodes.erase(id);
  }
  return {};
}

Result<void> check_relations(const Manifest& manifest) {
  std::map<std::string, const Node*> relations;
  for (const auto& [id, node] : manifest.nodes) {
    if (!node.is_refable() || node.materialized() == "ephemeral")
      continue;
    const auto [at, added] = relations.emplace(fmt::format("{}.{}", node.schema, node.alias), &node);
    if (!added) {
      return base::make_error(base::ErrorKind::usage, "model.duplicate",
                              fmt::format("{} and {} would both be built as {}", at->second->original_file_path,
                                          node.original_file_path, at->first),
                              "Give one of them another schema or alias.");
    }
  }
  return {};
}

}  // namespace shoplake::model
