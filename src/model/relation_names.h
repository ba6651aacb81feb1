// Schema and name of the relations that nodes become: dbt's macros generate_schema_name and generate_alias_name, the
// project's own or the built-in ones. Source: https://docs.getdbt.com/docs/build/custom-schemas
#pragma once

#include <map>
#include <optional>
#include <string>

#include "model/manifest.h"
#include "model/project.h"
#include "model/renderer.h"

namespace shoplake::model {

class RelationNames {
 public:
  RelationNames(const Project& project, const Renderer& renderer) : project_(project), renderer_(renderer) {}

  // Sets schema and alias of a node whose configuration is complete.
  // Errors: model.property (kind usage: one of them came out empty), model.jinja.
  Result<void> name(Node& node);

 private:
  bool depends_on_value_only(const std::string& macro) const;
  bool is_builtin(const std::string& macro) const;
  Result<std::string> schema_name(const Json& custom, const Node& node, const std::string& otherwise);
  Result<std::string> alias_name(const Json& custom, const Node& node, const std::string& otherwise);
  Result<std::string> naming_macro(const char* macro, const Json& custom, const Node& node,
                                   std::string otherwise) const;
  Result<Json> default_schema();

  const Project& project_;
  const Renderer& renderer_;
  std::optional<bool> schema_by_value_, alias_is_builtin_;
  std::map<std::string, std::string> schema_names_;  // by the configured value, as JSON
  Json default_schema_;
};

}  // namespace shoplake::model
