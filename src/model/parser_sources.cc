// Sources: tables that a project reads and does not make.
#include "model/parser_steps.h"

#include <utility>

#include <fmt/format.h>

#include "model/config.h"
#include "model/documentation.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

// A freshness rule laid over its source's; null means none.
Json merge_freshness(const Json& outer, const Json& inner, bool inner_given) {
  if (inner_given && inner.is_null())
    return nullptr;
  if (!inner.is_object())
    return outer;
  Json merged = outer.is_object() ? outer : Json::object();
  for (const auto& [key, value] : inner.items())
    merged[key] = value;
  return merged;
}

}  // namespace

Result<void> read_source(Parsing& parsing, const Property& property) {
  const Json& block = property.block;
  const std::string source_name = block["name"].get<std::string>();
  const Json outer_config =
      block.contains("config") && block["config"].is_object()
          ? SHOPLAKE_TRY(render_values(parsing.renderer, block["config"], property.place("/config")))
          : Json::object();
  const auto text = [&](const Json& object, const char* key) -> Result<std::string> {
    if (!object.contains(key) || object[key].is_null())
      return std::string();
    return scalar_text(
        SHOPLAKE_TRY(render_values(parsing.renderer, object[key], property.place(fmt::format("/{}", key)))));
  };
  const std::string schema = SHOPLAKE_TRY(text(block, "schema"));
  const std::string database = SHOPLAKE_TRY(text(block, "database"));
  const std::string loader = SHOPLAKE_TRY(text(block, "loader"));
  const std::string loaded_at_field = SHOPLAKE_TRY(text(block, "loaded_at_field"));
  Json freshness = merge_freshness(nullptr, outer_config.value("freshness", Json()), false);
  freshness = merge_freshness(freshness, block.value("freshness", Json()), block.contains("freshness"));
  if (!block.contains("tables") || block["tables"].is_null())
    return {};
  if (!block["tables"].is_array())
    return property_error(property.place("/tables"), "tables must be a list");
  for (std::size_t index = 0; index < block["tables"].size(); ++index) {
    const Json& entry = block["tables"][index];
    const std::string below = fmt::format("/tables/{}", index);
    if (!entry.is_object() || !entry.contains("name"))
      return property_error(property.place(below), "a table of a source has no name");
    Source source;
    source.package = property.package->name;
    source.source_name = source_name;
    source.name = scalar_text(entry["name"]);
    source.unique_id = fmt::format("source.{}.{}.{}", source.package, source_name, source.name);
    source.original_file_path = property.file;
    source.line = property.line(below);
    source.fqn = make_fqn(source.package, property.path_in_folder, {source_name, source.name});
    source.schema = schema.empty() ? source_name : schema;
    source.database = database;
    source.identifier = SHOPLAKE_TRY(text(entry, "identifier"));
    if (source.identifier.empty())
      source.identifier = source.name;
    source.loader = loader;
    const Json inner_config =
        entry.contains("config") && entry["config"].is_object()
            ? SHOPLAKE_TRY(render_values(parsing.renderer, entry["config"], property.place(below + "/config")))
            : Json::object();
    source.loaded_at_field = SHOPLAKE_TRY(text(entry, "loaded_at_field"));
    if (source.loaded_at_field.empty())
      source.loaded_at_field = config_text(inner_config, "loaded_at_field");
    if (source.loaded_at_field.empty())
      source.loaded_at_field = loaded_at_field.empty() ? config_text(outer_config, "loaded_at_field") : loaded_at_field;
    source.freshness =
        merge_freshness(freshness, inner_config.value("freshness", Json()), inner_config.contains("freshness"));
    source.freshness = merge_freshness(source.freshness, entry.value("freshness", Json()), entry.contains("freshness"));
    if (block.contains("description"))
      source.source_description = resolve_docs(scalar_text(block["description"]), parsing.manifest, source.package);
    if (entry.contains("description"))
      source.description = resolve_docs(scalar_text(entry["description"]), parsing.manifest, source.package);
    source.config =
        parsing.config.configure(ResourceType::source, source.package, source.fqn, {&outer_config, &inner_config});
    if (block.contains("meta"))
      source.source_meta = block["meta"];
    Json labels = Json::object();
    for (const Json* from : {&block, &outer_config, &entry, &inner_config}) {
      for (const char* key : {"tags", "meta"}) {
        if (from->contains(key))
          merge_config(labels, Json{{key, (*from)[key]}});
      }
    }
    source.tags = config_list(labels, "tags");
    if (labels.contains("meta"))
      source.meta = labels["meta"];
    if (entry.contains("columns"))
      source.columns = SHOPLAKE_TRY(read_columns(parsing.manifest, property, below, entry["columns"]));
    if (!config_flag(source.config, "enabled", true)) {
      parsing.disabled.insert(source.unique_id);
      continue;
    }
    if (auto other = parsing.manifest.sources.find(source.unique_id); other != parsing.manifest.sources.end()) {
      return base::make_error(
          base::ErrorKind::usage, "model.duplicate",
          fmt::format("{}: source {}.{} is declared a second time; the first is in {}:{}", property.place(below),
                      source_name, source.name, other->second.original_file_path, other->second.line));
    }
    parsing.source_entries.push_back({property, below, entry, source.unique_id});
    parsing.manifest.sources.emplace(source.unique_id, std::move(source));
  }
  return {};
}

}  // namespace shoplake::model
