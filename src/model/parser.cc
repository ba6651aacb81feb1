#include "model/parser.h"

#include <utility>
#include <vector>

#include "model/documentation.h"
#include "model/parser_steps.h"

namespace shoplake::model {
namespace {

std::vector<const Package*> packages(const Project& project) {
  std::vector<const Package*> all;
  for (const Package& package : project.packages)
    all.push_back(&package);
  all.push_back(&project.root);
  return all;
}

}  // namespace

Result<Manifest> parse_project(io::Env& env, const Project& project, const Renderer& renderer) {
  Parsing parsing(env, project, renderer);
  parsing.manifest.project_name = project.root.name;
  for (const MacroInfo& macro : renderer.macros())
    parsing.macro_names.insert(macro.name);
  for (const Package* package : packages(project)) {
    SHOPLAKE_TRY(parsing.config.read(*package));
    SHOPLAKE_TRY(read_documentation(env, *package, parsing.manifest));
  }
  for (const Package* package : packages(project))
    SHOPLAKE_TRY(read_properties(env, *package, parsing.properties, parsing.manifest));
  for (const Package* package : packages(project)) {
    SHOPLAKE_TRY(read_models(parsing, *package));
    SHOPLAKE_TRY(read_seeds(parsing, *package));
    SHOPLAKE_TRY(read_snapshots(parsing, *package));
    SHOPLAKE_TRY(read_singular_tests(parsing, *package));
    SHOPLAKE_TRY(read_analyses(parsing, *package));
  }
  for (const Property& property : parsing.properties.sources)
    SHOPLAKE_TRY(read_source(parsing, property));
  parsing.manifest.index();
  for (const auto& [key, property] : parsing.properties.nodes)
    SHOPLAKE_TRY(read_node_tests(parsing, key, property));
  for (const Property& property : parsing.properties.unit_tests)
    SHOPLAKE_TRY(read_unit_test(parsing, property));
  for (const Property& property : parsing.properties.exposures)
    SHOPLAKE_TRY(read_exposure(parsing, property));
  for (const Package* package : packages(project))
    read_hooks(parsing, *package);
  SHOPLAKE_TRY(resolve_dependencies(parsing));
  SHOPLAKE_TRY(check_relations(parsing.manifest));
  parsing.manifest.index();
  return std::move(parsing.manifest);
}

}  // namespace shoplake::model
