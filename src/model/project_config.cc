#include "model/project_config.h"

#include <utility>

#include "model/config.h"
#include "model/template_text.h"

namespace shoplake::model {

Result<Json> render_values(const Renderer& renderer, const Json& value, const std::string& place) {
  if (value.is_string()) {
    if (!has_jinja(value.get_ref<const std::string&>()))
      return value;
    return renderer.render_yaml(value).within(place);
  }
  if (value.is_object()) {
    Json rendered = Json::object();
    for (const auto& [key, inner] : value.items()) {
      const bool is_template = key.ends_with("pre-hook") || key.ends_with("post-hook") || key.ends_with("pre_hook") ||
                               key.ends_with("post_hook");
      rendered[key] = is_template ? inner : SHOPLAKE_TRY(render_values(renderer, inner, place));
    }
    return rendered;
  }
  if (value.is_array()) {
    Json rendered = Json::array();
    for (const Json& inner : value)
      rendered.push_back(SHOPLAKE_TRY(render_values(renderer, inner, place)));
    return rendered;
  }
  return value;
}

Result<void> ProjectConfig::read(const Package& package) {
  const std::string& place = package.document.path();
  Trees trees;
  trees.models = SHOPLAKE_TRY(render_values(renderer_, package.models, place));
  trees.seeds = SHOPLAKE_TRY(render_values(renderer_, package.seeds, place));
  trees.snapshots = SHOPLAKE_TRY(render_values(renderer_, package.snapshots, place));
  trees.data_tests = SHOPLAKE_TRY(render_values(renderer_, package.data_tests, place));
  trees.unit_tests = SHOPLAKE_TRY(render_values(renderer_, package.unit_tests, place));
  trees.sources = SHOPLAKE_TRY(render_values(renderer_, package.sources, place));
  trees.exposures = SHOPLAKE_TRY(render_values(renderer_, package.exposures, place));
  trees_[package.name] = std::move(trees);
  return {};
}

const Json& ProjectConfig::tree_of(const Trees& trees, ResourceType type) {
  switch (type) {
    case ResourceType::seed: return trees.seeds;
    case ResourceType::snapshot: return trees.snapshots;
    case ResourceType::test: return trees.data_tests;
    case ResourceType::unit_test: return trees.unit_tests;
    case ResourceType::source: return trees.sources;
    case ResourceType::exposure: return trees.exposures;
    default: return trees.models;
  }
}

Json ProjectConfig::configure(ResourceType type, const std::string& package, const std::vector<std::string>& fqn,
                              const std::vector<const Json*>& layers) const {
  Json config = default_config(type);
  merge_config(config, tree_config(tree_of(trees_.at(package), type), fqn));
  for (const Json* layer : layers)
    merge_config(config, *layer);
  if (package != project_.root.name)
    merge_config(config, tree_config(tree_of(trees_.at(project_.root.name), type), fqn));
  return config;
}

}  // namespace shoplake::model
