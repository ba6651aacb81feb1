#include "model/invocation.h"

#include <utility>

#include <fmt/format.h>

namespace shoplake::model {

RendererOptions Invocation::renderer_options(const Json& vars) const {
  RendererOptions renderer;
  renderer.project_name = project_.root.name;
  renderer.vars = vars;
  renderer.target = {{"name", options_.target_name},
                     {"schema", options_.target_schema},
                     {"type", "duckdb"},
                     {"threads", options_.threads},
                     {"database", "memory"},
                     {"profile_name", project_.root.name},
                     {"target_name", options_.target_name}};
  renderer.env = options_.environment;
  renderer.invocation_id = metadata_.invocation_id;
  renderer.run_started_at = iso8601(started_us_);
  renderer.flags = {{"FULL_REFRESH", options_.full_refresh},
                    {"WHICH", options_.command},
                    {"STORE_FAILURES", options_.store_failures},
                    {"EMPTY", false}};
  for (const Json& entry : project_.root.dispatch) {
    if (entry.is_object() && entry.contains("macro_namespace") && entry.contains("search_order")) {
      renderer.dispatch[scalar_text(entry["macro_namespace"])] = entry["search_order"];
    }
  }
  return renderer;
}

Result<std::unique_ptr<Invocation>> Invocation::load(const InvocationOptions& options) {
  std::unique_ptr<Invocation> invocation(new Invocation());
  invocation->options_ = options;
  invocation->started_us_ = options.env->now_micros();
  invocation->project_ = SHOPLAKE_TRY(load_project(*options.env, options.project_directory));
  for (const auto& [key, value] : invocation->project_.root.vars.items()) {
    if (value == "auto" && !options.vars.contains(key))
      invocation->options_.vars[key] = options.decide_automatic ? SHOPLAKE_TRY(options.decide_automatic(key)) : false;
  }
  invocation->metadata_.invocation_id = options.env->new_uuid();
  invocation->metadata_.generated_at = iso8601(invocation->started_us_);
  invocation->metadata_.project_name = invocation->project_.root.name;
  invocation->macros_ = SHOPLAKE_TRY(read_macros(*options.env, invocation->project_));
  invocation->renderer_ = SHOPLAKE_TRY(Renderer::create(
      invocation->renderer_options(invocation->project_.merged_vars(invocation->options_.vars)), invocation->macros_));
  invocation->manifest_ = SHOPLAKE_TRY(parse_project(*options.env, invocation->project_, *invocation->renderer_));
  invocation->graph_ = SHOPLAKE_TRY(Graph::create(invocation->manifest_));
  return invocation;
}

Result<std::unique_ptr<Renderer>> Invocation::renderer_with(const Json& overrides) const {
  Json vars = project_.merged_vars(options_.vars);
  if (overrides.contains("vars") && overrides["vars"].is_object()) {
    for (const auto& [key, value] : overrides["vars"].items())
      vars[key] = value;
  }
  RendererOptions renderer = renderer_options(vars);
  if (overrides.contains("env_vars") && overrides["env_vars"].is_object()) {
    for (const auto& [key, value] : overrides["env_vars"].items())
      renderer.env[key] = scalar_text(value);
  }
  std::vector<MacroFile> macros = macros_;
  if (overrides.contains("macros") && overrides["macros"].is_object()) {
    // A macro of the project with the same name hides the one it overrides, wherever that comes from.
    for (const auto& [key, value] : overrides["macros"].items()) {
      const auto dot = key.find('.');
      const std::string name = dot == std::string::npos ? key : key.substr(dot + 1);
      std::string package = dot == std::string::npos ? project_.root.name : key.substr(0, dot);
      std::string arguments;
      for (const MacroInfo& macro : renderer_->macros()) {
        if (macro.name != name || (dot != std::string::npos && macro.package != package))
          continue;
        arguments.clear();
        for (const std::string& argument : macro.arguments)
          arguments += fmt::format("{}{}=none", arguments.empty() ? "" : ", ", argument);
        if (dot == std::string::npos)
          break;
      }
      if (package == "dbt")
        package = project_.root.name;
      const std::string literal = value.is_null() ? "none" : value.dump();
      const std::string text =
          fmt::format("{{% macro {}({}) %}}{{{{ return({}) }}}}{{% endmacro %}}", name, arguments, literal);
      // Its own definition goes, so that there is one of the name.
      for (MacroFile& file : macros) {
        if (file.package != package)
          continue;
        for (const char* opening : {"macro ", "macro  "}) {
          const auto at = file.text.find(opening + name + "(");
          if (at != std::string::npos)
            file.text.insert(at + std::string_view(opening).size(), "overridden_");
        }
      }
      macros.push_back({package, "unit_test_overrides.sql", text});
    }
  }
  return Renderer::create(std::move(renderer), macros);
}

Result<void> Invocation::write_artifact(const std::string& name, const Json& json) const {
  io::Env& env = *options_.env;
  SHOPLAKE_TRY(env.create_directories(options_.target_directory));
  const std::string path = io::join_path(options_.target_directory, name);
  const std::string temporary = path + "." + env.new_uuid() + ".tmp";
  {
    const std::unique_ptr<io::WritableFile> file = SHOPLAKE_TRY(env.create_file(temporary));
    SHOPLAKE_TRY(file->append(json.dump(-1, ' ', false, Json::error_handler_t::replace)));
    SHOPLAKE_TRY(file->close());
  }
  return env.rename(temporary, path);
}

Result<void> Invocation::write_manifest() const {
  return write_artifact("manifest.json", manifest_to_json(manifest_, graph_, *renderer_, metadata_));
}

}  // namespace shoplake::model
