#include "model/relation_names.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "model/config.h"
#include "model/node_context.h"
#include "model/parse_host.h"
#include "model/template_text.h"
#include "model/yaml.h"

namespace shoplake::model {

// Does the answer of a naming macro depend on nothing but the configured value? That is so of shoplake's own, and of
// one of the project that calls nothing and names nothing else. A project has hundreds of nodes (each test is one)
// and a handful of such values, so that rendering the macro for each node would be half of the time of parsing.
bool RelationNames::depends_on_value_only(const std::string& macro) const {
  const MacroInfo* own = nullptr;
  for (const MacroInfo& each : renderer_.macros()) {
    if (each.package == "dbt" || (each.name != macro && !each.name.ends_with("__" + macro)))
      continue;
    if (own != nullptr || each.name != macro || each.package != project_.root.name)
      return false;
    own = &each;
  }
  if (own == nullptr)
    return true;
  const std::size_t body = own->original_text.find("%}");
  if (body == std::string::npos)
    return false;
  const std::string_view text = std::string_view(own->original_text).substr(body);
  static constexpr std::string_view kOtherInputs[] = {"(",      "node",   "model", "this",   "kwargs", "varargs",
                                                      "caller", "config", "graph", "import", "include"};
  return std::none_of(std::begin(kOtherInputs), std::end(kOtherInputs),
                      [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

bool RelationNames::is_builtin(const std::string& macro) const {
  return std::none_of(renderer_.macros().begin(), renderer_.macros().end(), [&](const MacroInfo& each) {
    return each.package != "dbt" && (each.name == macro || each.name.ends_with("__" + macro));
  });
}

Result<std::string> RelationNames::schema_name(const Json& custom, const Node& node, const std::string& otherwise) {
  if (!schema_by_value_)
    schema_by_value_ = depends_on_value_only("generate_schema_name");
  if (!*schema_by_value_)
    return naming_macro("generate_schema_name", custom, node, otherwise);
  const std::string key = custom.dump();
  if (const auto known = schema_names_.find(key); known != schema_names_.end())
    return known->second;
  return schema_names_[key] = SHOPLAKE_TRY(naming_macro("generate_schema_name", custom, node, otherwise));
}

Result<std::string> RelationNames::alias_name(const Json& custom, const Node& node, const std::string& otherwise) {
  if (!alias_is_builtin_)
    alias_is_builtin_ = is_builtin("generate_alias_name");
  if (!*alias_is_builtin_ || !(custom.is_null() || custom.is_string()))
    return naming_macro("generate_alias_name", custom, node, otherwise);
  return custom.is_null() || custom == "" ? node.name : trimmed(custom.get<std::string>());
}

Result<std::string> RelationNames::naming_macro(const char* macro, const Json& custom, const Node& node,
                                                std::string otherwise) const {
  if (!renderer_.has_macro(macro))
    return otherwise;
  NodeContext context = context_of(node);
  context.execute = true;
  ParseHost host;
  const Json answer =
      SHOPLAKE_TRY(renderer_.call_macro(macro, Json::array({custom}), Json{{"node", context.model}}, context, host)
                       .within(fmt::format("{} of {}", macro, node.unique_id)));
  return answer.is_null() ? otherwise : trimmed(scalar_text(answer));
}

Result<void> RelationNames::name(Node& node) {
  const Json target = SHOPLAKE_TRY(default_schema());
  const Json& custom_schema = node.config["schema"];
  const Json& custom_alias = node.config["alias"];
  const std::string default_name = target.get<std::string>();
  node.alias = node.test ? config_text(node.config, "alias") : node.name;
  if (node.alias.empty())
    node.alias = node.name;
  if (node.type == ResourceType::analysis || node.type == ResourceType::operation) {
    node.schema = default_name;
    return {};
  }
  node.schema = SHOPLAKE_TRY(
      schema_name(custom_schema, node,
                  custom_schema.is_string() ? default_name + "_" + custom_schema.get<std::string>() : default_name));
  node.alias = SHOPLAKE_TRY(alias_name(node.test ? Json(node.alias) : custom_alias, node,
                                       custom_alias.is_string() ? custom_alias.get<std::string>() : node.alias));
  if (node.schema.empty() || node.alias.empty()) {
    return base::make_error(base::ErrorKind::usage, "model.property",
                            fmt::format("{}: schema or name came out empty", node.original_file_path),
                            "Look at the macros generate_schema_name and generate_alias_name.");
  }
  return {};
}

Result<Json> RelationNames::default_schema() {
  if (default_schema_.is_null())
    default_schema_ = SHOPLAKE_TRY(renderer_.render_yaml(Json("{{ target.schema }}")));
  return default_schema_;
}

}  // namespace shoplake::model
