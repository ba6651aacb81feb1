#include "model/freshness.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/config.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

// {"count": 2, "period": "day"} in seconds.
std::optional<double> limit_seconds(const Json& freshness, const char* key) {
  const auto rule = freshness.find(key);
  if (rule == freshness.end() || !rule->is_object() || !rule->contains("count") || !(*rule)["count"].is_number())
    return std::nullopt;
  const std::string period = config_text(*rule, "period");
  const double unit = period == "minute" ? 60.0 : period == "hour" ? 3600.0 : 86400.0;
  return (*rule)["count"].get<double>() * unit;
}

catalog::TableIdentifier identifier(const std::string& schema, const std::string& name) { return {{{schema}}, name}; }

Result<std::optional<std::int64_t>> newest_us(const Source& source, Lake& lake, engine::Session& session) {
  if (source.loaded_at_field.empty()) {
    const catalog::Table table = SHOPLAKE_TRY(lake.catalog().load_table(identifier(source.schema, source.identifier)));
    const catalog::Snapshot* snapshot = table.metadata->current_snapshot();
    return snapshot == nullptr ? std::optional<std::int64_t>() : std::optional(snapshot->timestamp_ms * 1000);
  }
  const std::string filter = source.freshness.is_object() ? config_text(source.freshness, "filter") : "";
  const std::string sql =
      fmt::format("SELECT epoch_us(newest) FROM (SELECT max({}) AS newest FROM {}{})", source.loaded_at_field,
                  relation_name(source.schema, source.identifier), filter.empty() ? "" : " WHERE " + filter);
  SHOPLAKE_TRY(lake.prepare(session, sql));
  const engine::ResultSet answer = SHOPLAKE_TRY(session.query(sql));
  if (answer.value(0, 0).is_null())
    return std::optional<std::int64_t>();
  return std::optional(answer.integer(0, 0));
}

}  // namespace

FreshnessResult check_freshness(const Source& source, Lake& lake, engine::Session& session, io::Env& env) {
  FreshnessResult result;
  result.unique_id = source.unique_id;
  result.started_us = env.now_micros();
  const auto rule = [&](const char* key) {
    return source.freshness.value(key, Json{{"count", nullptr}, {"period", nullptr}});
  };
  result.criteria = {{"warn_after", rule("warn_after")},
                     {"error_after", rule("error_after")},
                     {"filter", source.freshness.value("filter", Json())}};
  const Result<std::optional<std::int64_t>> newest = newest_us(source, lake, session);
  result.finished_us = env.now_micros();
  if (!newest.ok()) {
    result.status = "runtime error";
    result.error = newest.error().message;
    return result;
  }
  result.snapshotted_at = iso8601(result.started_us);
  if (!*newest) {
    result.status = "runtime error";
    result.error = fmt::format("the source {}.{} has no rows to tell its age by", source.source_name, source.name);
    return result;
  }
  result.max_loaded_at = iso8601(**newest);
  result.age_seconds = static_cast<double>(result.started_us - **newest) / 1e6;
  const std::optional<double> warn = limit_seconds(source.freshness, "warn_after"),
                              error = limit_seconds(source.freshness, "error_after");
  result.status = error && result.age_seconds > *error ? "error" : warn && result.age_seconds > *warn ? "warn" : "pass";
  return result;
}

Result<std::vector<CatalogEntry>> describe_catalog(const Manifest& manifest, Lake& lake, engine::Session& session) {
  std::vector<CatalogEntry> entries;
  const auto add = [&](const std::string& id, const std::string& schema, const std::string& name,
                       const std::vector<ColumnDocument>& documents) -> Result<void> {
    const std::optional<Lake::Kind> kind = lake.kind({schema, name});
    if (!kind)
      return {};
    CatalogEntry entry;
    entry.unique_id = id;
    entry.schema = schema;
    entry.name = name;
    entry.is_view = *kind == Lake::Kind::view;
    Result<std::vector<engine::Column>> columns =
        lake.describe(session, "SELECT * FROM " + relation_name(schema, name));
    if (!columns.ok())
      return {};  // a view of something that is gone
    for (const engine::Column& column : *columns) {
      const auto document = std::find_if(documents.begin(), documents.end(),
                                         [&](const ColumnDocument& each) { return each.name == column.name; });
      entry.columns.push_back({column.name, column.type, document == documents.end() ? "" : document->description});
    }
    if (!entry.is_view) {
      const Result<catalog::Table> table = lake.catalog().load_table(identifier(schema, name));
      if (table.ok() && table->metadata->current_snapshot() != nullptr) {
        entry.last_modified = iso8601(table->metadata->current_snapshot()->timestamp_ms * 1000);
        const Result<std::vector<transform::DataFile>> files = lake.catalog().list_files(*table);
        if (files.ok()) {
          entry.row_count = 0;
          entry.size_bytes = 0;
          for (const transform::DataFile& file : *files) {
            *entry.size_bytes += file.file_size_bytes;
            if (file.content == transform::DataFile::Content::data)
              *entry.row_count += file.record_count;
            if (file.content == transform::DataFile::Content::position_deletes)
              *entry.row_count -= file.record_count;
          }
        }
      }
    }
    entries.push_back(std::move(entry));
    return {};
  };
  for (const auto& [id, node] : manifest.nodes) {
    if (node.is_refable())
      SHOPLAKE_TRY(add(id, node.schema, node.alias, node.columns));
  }
  for (const auto& [id, source] : manifest.sources)
    SHOPLAKE_TRY(add(id, source.schema, source.identifier, source.columns));
  return entries;
}

}  // namespace shoplake::model
