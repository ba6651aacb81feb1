#include "app/catalog.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/nearest_name.h"

namespace shoplake::app {
namespace {

using base::Result;
using nlohmann::json;

std::string utc(std::int64_t timestamp_ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(timestamp_ms)};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     (time - seconds).count());
}

std::vector<std::pair<std::string, std::string>> texts(const json& object) {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (object.is_object()) {
    for (const auto& [name, value] : object.items()) {
      if (value.is_string()) {
        pairs.emplace_back(name, value.get<std::string>());
      }
    }
  }
  return pairs;
}

const json* summary_of(const catalog::TableMetadata& metadata, std::int64_t snapshot_id) {
  const auto snapshots = metadata.document().find("snapshots");
  if (snapshots == metadata.document().end()) {
    return nullptr;
  }
  for (const json& snapshot : *snapshots) {
    if (snapshot["snapshot-id"] == snapshot_id && snapshot.contains("summary")) {
      return &snapshot["summary"];
    }
  }
  return nullptr;
}

std::optional<std::int64_t> counter(const json& summary, const char* name) {
  const auto found = summary.find(name);
  if (found == summary.end() || !found->is_string()) {
    return {};
  }
  const std::string& text = found->get_ref<const std::string&>();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

RelationSummary summarize(const std::string& name, const catalog::TableMetadata& metadata) {
  RelationSummary summary;
  summary.name = name;
  summary.snapshots = static_cast<std::int64_t>(metadata.snapshots().size());
  summary.updated_at = utc(metadata.last_updated_ms());
  const catalog::Snapshot* current = metadata.current_snapshot();
  if (current == nullptr) {
    summary.rows = summary.files = summary.bytes = 0;
  } else if (const json* totals = summary_of(metadata, current->id)) {
    summary.rows = counter(*totals, "total-records");
    if (summary.rows) {
      *summary.rows = std::max<std::int64_t>(0, *summary.rows - counter(*totals, "total-position-deletes").value_or(0));
    }
    summary.files = counter(*totals, "total-data-files");
    summary.bytes = counter(*totals, "total-files-size");
  }
  return summary;
}

std::string spell(const catalog::Type& type) {
  if (type.name == "struct") {
    std::string text = "struct<";
    for (const catalog::Field& field : type.fields) {
      text += fmt::format("{}{}: {}", text.size() > 7 ? ", " : "", field.name, spell(field.type));
    }
    return text + ">";
  }
  if (type.name == "list" && !type.fields.empty()) {
    return fmt::format("list<{}>", spell(type.fields[0].type));
  }
  if (type.name == "map" && type.fields.size() == 2) {
    return fmt::format("map<{}, {}>", spell(type.fields[0].type), spell(type.fields[1].type));
  }
  return type.name;
}

std::string spell(const catalog::PartitionField& field, const catalog::Schema& schema) {
  const catalog::Field* source = schema.find_id(field.source_id);
  const std::string column = source != nullptr ? source->name : fmt::format("column {}", field.source_id);
  return field.transform == "identity" ? column : fmt::format("{}({})", field.transform, column);
}

// The table, or an error that says what was probably meant.
Result<catalog::Table> load_table(catalog::Catalog& catalog, const catalog::TableIdentifier& identifier) {
  auto table = catalog.load_table(identifier);
  if (table.ok() || table.error().code != "catalog.no_such_table") {
    return table;
  }
  const auto snapshot = SHOPLAKE_TRY(catalog.snapshot());
  std::vector<std::string> names;
  for (const auto& [known, metadata_location] : snapshot.tables) {
    names.push_back(catalog::to_string(known));
  }
  for (const catalog::View& view : snapshot.views) {
    names.push_back(catalog::to_string(view.identifier));
  }
  base::Error error = std::move(table).error();
  if (const std::string meant = base::nearest_name(catalog::to_string(identifier), names); !meant.empty()) {
    error.advice = fmt::format("Did you mean {}? {}", meant, error.advice);
  }
  return error;
}

}  // namespace

std::string SnapshotDescription::summary_value(const std::string& name) const {
  const auto found = std::find_if(summary.begin(), summary.end(), [&](const auto& pair) { return pair.first == name; });
  return found == summary.end() ? std::string() : found->second;
}

std::string SnapshotDescription::source_object() const { return summary_value("shoplake.source-object"); }

std::string SnapshotDescription::committed_by() const {
  if (const std::string task = summary_value("shoplake.maintenance"); !task.empty()) {
    return task;
  }
  if (const std::string node = summary_value("shoplake.node"); !node.empty()) {
    return "build " + node;
  }
  if (const std::string live = summary_value("shoplake.live"); !live.empty()) {
    return live == "compaction" ? "live compaction" : "live";
  }
  if (!source_object().empty()) {
    return "load";
  }
  for (const char* name : {"engine-name", "spark.app.id", "trino_query_id", "created-by"}) {
    if (const std::string engine = summary_value(name); !engine.empty()) {
      return name == std::string_view("spark.app.id")     ? "spark " + engine
             : name == std::string_view("trino_query_id") ? "trino " + engine
                                                          : engine;
    }
  }
  return "another engine";
}

Result<std::vector<RelationSummary>> list_relations(App& app, const std::string& name_space) {
  catalog::Catalog& catalog = *SHOPLAKE_TRY(app.catalog());
  if (!name_space.empty()) {
    const catalog::TableIdentifier parsed = SHOPLAKE_TRY(catalog::parse_table_identifier(name_space + ".x"));
    SHOPLAKE_TRY(catalog.load_namespace(parsed.name_space));  // says what is wrong if there is none
  }
  const auto snapshot = SHOPLAKE_TRY(catalog.snapshot());
  std::vector<RelationSummary> relations;
  for (const auto& [identifier, metadata_location] : snapshot.tables) {
    if (!name_space.empty() && to_string(identifier.name_space) != name_space) {
      continue;
    }
    const auto table = catalog.load_table(identifier);
    if (table.ok()) {
      relations.push_back(summarize(to_string(identifier), *table->metadata));
    } else if (table.error().kind != base::ErrorKind::not_found) {  // dropped since
      RelationSummary broken;
      broken.name = to_string(identifier);
      broken.error = table.error().message;
      relations.push_back(std::move(broken));
    }
  }
  for (const catalog::View& view : snapshot.views) {
    if (name_space.empty() || to_string(view.identifier.name_space) == name_space) {
      RelationSummary summary;
      summary.name = to_string(view.identifier);
      summary.is_view = true;
      relations.push_back(std::move(summary));
    }
  }
  std::sort(relations.begin(), relations.end(),
            [](const auto& left, const auto& right) { return left.name < right.name; });
  return relations;
}

Result<RelationDescription> describe_relation(App& app, const std::string& name) {
  catalog::Catalog& catalog = *SHOPLAKE_TRY(app.catalog());
  const catalog::TableIdentifier identifier = SHOPLAKE_TRY(catalog::parse_table_identifier(name));
  RelationDescription description;
  if (const auto view = catalog.load_view(identifier); view.ok()) {
    description.summary.name = name;
    description.summary.is_view = true;
    description.metadata_location = view->metadata_location;
    description.sql = view->sql;
    description.properties.assign(view->properties.begin(), view->properties.end());
    return description;
  }
  const catalog::Table table = SHOPLAKE_TRY(load_table(catalog, identifier));
  const catalog::TableMetadata& metadata = *table.metadata;
  description.summary = summarize(name, metadata);
  description.metadata_location = table.metadata_location;
  description.uuid = metadata.uuid();
  description.format_version = metadata.format_version();
  description.location = metadata.location();
  description.snapshot_id = metadata.current_snapshot_id();
  if (metadata.document().contains("properties")) {
    description.properties = texts(metadata.document()["properties"]);
  }
  for (const catalog::Field& field : metadata.current_schema().fields) {
    description.columns.push_back({field.id, field.name, spell(field.type), field.required, field.doc});
  }
  for (const catalog::PartitionField& field : metadata.default_spec().fields) {
    description.partitioned_by.push_back(spell(field, metadata.current_schema()));
  }
  if (description.snapshot_id) {
    if (const json* summary = summary_of(metadata, *description.snapshot_id)) {
      description.delete_files = counter(*summary, "total-delete-files").value_or(0);
    }
  }
  return description;
}

Result<std::vector<SnapshotDescription>> table_history(App& app, const std::string& name) {
  catalog::Catalog& catalog = *SHOPLAKE_TRY(app.catalog());
  const catalog::TableIdentifier identifier = SHOPLAKE_TRY(catalog::parse_table_identifier(name));
  const catalog::Table table = SHOPLAKE_TRY(load_table(catalog, identifier));
  const catalog::TableMetadata& metadata = *table.metadata;
  std::map<std::int64_t, std::vector<std::string>> references;
  if (metadata.document().contains("refs") && metadata.document()["refs"].is_object()) {
    for (const auto& [reference, target] : metadata.document()["refs"].items()) {
      if (target.contains("snapshot-id") && target["snapshot-id"].is_number_integer()) {
        references[target["snapshot-id"].get<std::int64_t>()].push_back(reference);
      }
    }
  }
  std::vector<SnapshotDescription> history;
  for (const catalog::Snapshot& snapshot : metadata.snapshots()) {
    SnapshotDescription description;
    description.id = snapshot.id;
    description.parent_id = snapshot.parent_id;
    description.sequence_number = snapshot.sequence_number;
    description.committed_at = utc(snapshot.timestamp_ms);
    description.operation = snapshot.operation;
    description.is_current = metadata.current_snapshot_id() == snapshot.id;
    description.references = references[snapshot.id];
    if (const json* summary = summary_of(metadata, snapshot.id)) {
      description.summary = texts(*summary);
    }
    history.push_back(std::move(description));
  }
  std::reverse(history.begin(), history.end());
  return history;
}

}  // namespace shoplake::app
