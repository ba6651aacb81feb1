#include "model/manifest.h"

#include <algorithm>
#include <utility>

namespace shoplake::model {

std::string_view name(ResourceType type) {
  switch (type) {
    case ResourceType::model: return "model";
    case ResourceType::seed: return "seed";
    case ResourceType::snapshot: return "snapshot";
    case ResourceType::test: return "test";
    case ResourceType::unit_test: return "unit_test";
    case ResourceType::source: return "source";
    case ResourceType::exposure: return "exposure";
    case ResourceType::operation: return "operation";
    case ResourceType::analysis: return "analysis";
  }
  return "model";
}

Relation Node::relation() const {
  Relation relation;
  relation.schema = schema;
  relation.identifier = alias;
  const std::string kind = materialized();
  relation.type = kind == "view" ? "view" : kind == "ephemeral" ? "cte" : "table";
  return relation;
}

Relation Source::relation() const {
  Relation relation;
  relation.schema = schema;
  relation.identifier = identifier;
  relation.type = "table";
  return relation;
}

void Manifest::warn(std::string text) {
  if (std::find(warnings.begin(), warnings.end(), text) == warnings.end())
    warnings.push_back(std::move(text));
}

void Manifest::index() {
  refable_.clear();
  source_index_.clear();
  for (const auto& [id, node] : nodes) {
    if (node.is_refable())
      refable_.emplace(node.name, id);
  }
  for (const auto& [id, source] : sources)
    source_index_.emplace(std::pair(source.source_name, source.name), id);
}

const Node* Manifest::find_ref(const RefCall& call, std::string_view package) const {
  const Node* found = nullptr;
  const auto [begin, end] = refable_.equal_range(call.name);
  for (auto at = begin; at != end; ++at) {
    const Node& node = nodes.at(at->second);
    if (!call.package.empty()) {
      if (node.package == call.package)
        return &node;
      continue;
    }
    if (node.package == package)
      return &node;
    if (found == nullptr || node.package == project_name)
      found = &node;
  }
  return found;
}

const Source* Manifest::find_source(const SourceCall& call, std::string_view package) const {
  const Source* found = nullptr;
  const auto [begin, end] = source_index_.equal_range(std::pair(call.source, call.table));
  for (auto at = begin; at != end; ++at) {
    const Source& source = sources.at(at->second);
    if (source.package == package)
      return &source;
    if (found == nullptr || source.package == project_name)
      found = &source;
  }
  return found;
}

std::string_view Manifest::resource_type(const std::string& unique_id) const {
  if (auto node = nodes.find(unique_id); node != nodes.end())
    return model::name(node->second.type);
  return std::string_view(unique_id).substr(0, unique_id.find('.'));
}

const std::vector<std::string>* Manifest::depends_on(const std::string& unique_id) const {
  if (auto node = nodes.find(unique_id); node != nodes.end())
    return &node->second.depends_on;
  if (auto test = unit_tests.find(unique_id); test != unit_tests.end())
    return &test->second.depends_on;
  if (auto exposure = exposures.find(unique_id); exposure != exposures.end())
    return &exposure->second.depends_on;
  return nullptr;
}

}  // namespace shoplake::model
