// The configuration of nodes, as the dbt_project.yml files and their own entries and files say it together.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/manifest.h"
#include "model/project.h"
#include "model/renderer.h"

namespace shoplake::model {

// Renders the strings that hold Jinja; hooks are templates of their own and stay. `place` is for messages.
// Errors: model.jinja.
Result<Json> render_values(const Renderer& renderer, const Json& value, const std::string& place);

// The configuration trees of all packages, rendered.
class ProjectConfig {
 public:
  ProjectConfig(const Project& project, const Renderer& renderer) : project_(project), renderer_(renderer) {}

  // Takes the trees of a package's dbt_project.yml; of each package before configure(). Errors: model.jinja.
  Result<void> read(const Package& package);

  // default ⊕ the package's dbt_project.yml ⊕ layers ⊕ (for a package's node) the project's dbt_project.yml.
  Json configure(ResourceType type, const std::string& package, const std::vector<std::string>& fqn,
                 const std::vector<const Json*>& layers) const;

 private:
  struct Trees {
    Json models, seeds, snapshots, data_tests, unit_tests, sources, exposures;
  };
  static const Json& tree_of(const Trees& trees, ResourceType type);

  const Project& project_;
  const Renderer& renderer_;
  std::map<std::string, Trees> trees_;  // by package
};

}  // namespace shoplake::model
