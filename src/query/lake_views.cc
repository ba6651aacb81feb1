#include "query/lake_views.h"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

#include "catalog/table_metadata.h"
#include "model/direct_read.h"
#include "query/guard.h"

namespace shoplake::query {
namespace {

using base::ErrorKind;

const std::vector<std::string> kSearchOrder = {"marts",     "intermediate", "staging",   "curated",
                                               "processed", "raw",          "quarantine"};
const std::set<std::string, std::less<>> kEngineSchemas = {"information_schema", "pg_catalog", "main", "temp",
                                                           "system"};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string qualified(std::string_view schema, std::string_view name) {
  return engine::quote_identifier(schema) + "." + engine::quote_identifier(name);
}

// Whether a statement asks what tables there are, so that all of them must be.
bool lists_tables(const nlohmann::json& node) {
  if (node.is_object()) {
    const auto kind = node.find("type");
    const std::string type = kind != node.end() && kind->is_string() ? kind->get<std::string>() : "";
    if (type == "SHOW_REF" && node.value("query", nlohmann::json()).is_null()) {
      return true;
    }
    if (type == "BASE_TABLE") {
      const std::string schema = lower(node.value("schema_name", ""));
      const std::string table = lower(node.value("table_name", ""));
      if (kEngineSchemas.contains(schema) || table.starts_with("duckdb_") || table.starts_with("pragma_") ||
          table.starts_with("sqlite_")) {
        return true;
      }
    }
    if (type == "TABLE_FUNCTION" && node.contains("function")) {
      const std::string function = lower(node["function"].value("function_name", ""));
      if (function.starts_with("duckdb_") || function.starts_with("pragma_")) {
        return true;
      }
    }
  }
  return node.is_structured() && std::any_of(node.begin(), node.end(), lists_tables);
}

// Since when a table is known to be there: its creation, unless its log of metadata files was cut.
std::int64_t known_since_ms(const catalog::TableMetadata& metadata) {
  const auto log = metadata.document().find("metadata-log");
  const bool has_log = log != metadata.document().end() && log->is_array() && !log->empty();
  return has_log ? log->front().value("timestamp-ms", metadata.last_updated_ms()) : metadata.last_updated_ms();
}

// Whether the first snapshot that the metadata has is the first that there ever was, so that none has been forgotten.
bool knows_first_snapshot(const catalog::TableMetadata& metadata) {
  const auto& all = metadata.snapshots();
  const auto first = std::ranges::min_element(all, {}, &catalog::Snapshot::sequence_number);
  return first == all.end() ? metadata.last_sequence_number() == 0 : !first->parent_id;
}

}  // namespace

Result<LakeViews> LakeViews::open(engine::Session& session, catalog::Catalog& catalog, std::optional<PointInTime> at,
                                  TableReader reader) {
  LakeViews views(session, catalog);
  views.reader_ = reader;
  const catalog::Catalog::Snapshot snapshot = SHOPLAKE_TRY(catalog.snapshot());
  std::vector<std::string> schemas = kSearchOrder;
  const auto add = [&](const catalog::TableIdentifier& identifier, Entry entry) {
    entry.schema = catalog::to_string(identifier.name_space);
    entry.name = identifier.name;
    if (std::ranges::find(schemas, entry.schema) == schemas.end()) {
      schemas.push_back(entry.schema);
    }
    std::string key = lower(entry.schema + "." + entry.name);
    views.entries_.emplace(std::move(key), std::move(entry));
  };
  for (const auto& [identifier, metadata_location] : snapshot.tables) {
    add(identifier, {.schema = {}, .name = {}, .metadata_location = metadata_location, .sql = {}});
  }
  for (const catalog::View& view : snapshot.views) {
    add(view.identifier, {.schema = {}, .name = {}, .metadata_location = {}, .sql = view.sql});
  }
  std::sort(schemas.begin() + static_cast<std::ptrdiff_t>(kSearchOrder.size()), schemas.end());
  SHOPLAKE_TRY(views.create_schemas(schemas));
  if (at) {
    if (const auto* id = std::get_if<SnapshotId>(&*at)) {
      SHOPLAKE_TRY(views.resolve_snapshot(*id));
    } else {
      views.at_ = std::get<Moment>(*at);
    }
  }
  return views;
}

Result<void> LakeViews::create_schemas(const std::vector<std::string>& schemas) {
  std::string sql;
  std::string path = "main";
  for (const std::string& schema : schemas) {
    search_path_.push_back(lower(schema));
    if (kEngineSchemas.contains(lower(schema))) {
      continue;
    }
    sql.append("CREATE SCHEMA IF NOT EXISTS ").append(engine::quote_identifier(schema)).append("; ");
    path.append(",").append(engine::quote_identifier(schema));
  }
  return session_->execute(sql + "SET search_path = " + engine::quote_literal(path));
}

Result<void> LakeViews::resolve_snapshot(SnapshotId snapshot) {
  for (const auto& [key, entry] : entries_) {
    if (entry.metadata_location.empty()) {
      continue;
    }
    const std::string text = SHOPLAKE_TRY(catalog_->options().env->read_file(entry.metadata_location));
    const auto metadata = SHOPLAKE_TRY(catalog::TableMetadata::parse(text));
    if (const catalog::Snapshot* found = metadata->snapshot(snapshot.value); found != nullptr) {
      at_ = Moment{found->timestamp_ms};
      exact_ = {entry.metadata_location, snapshot.value};
      return {};
    }
  }
  return base::make_error(ErrorKind::not_found, "query.no_such_snapshot",
                          "no table has a snapshot " + std::to_string(snapshot.value),
                          "`shoplake catalog history TABLE` lists a table's snapshots; expired ones are gone.");
}

std::vector<std::string> LakeViews::names() const {
  std::vector<std::string> names;
  for (const auto& [key, entry] : entries_) {
    names.push_back(entry.schema + "." + entry.name);
  }
  return names;
}

LakeViews::Entry* LakeViews::find(std::string_view name) {
  std::vector<std::string> parts = engine::split_name(lower(std::string(name)));
  if (parts.size() == 3 && (parts[0] == "memory" || parts[0] == "lake")) {
    parts.erase(parts.begin());
  }
  if (parts.size() == 2) {
    const auto found = entries_.find(parts[0] + "." + parts[1]);
    return found == entries_.end() ? nullptr : &found->second;
  }
  if (parts.size() == 1) {
    for (const std::string& schema : search_path_) {
      if (const auto found = entries_.find(schema + "." + parts[0]); found != entries_.end()) {
        return &found->second;
      }
    }
  }
  return nullptr;
}

Result<void> LakeViews::prepare(std::string_view sql) {
  const auto tree = session_->syntax_tree(sql);
  if (tree.ok() && lists_tables(nlohmann::json::parse(*tree))) {
    for (auto& [key, entry] : entries_) {
      SHOPLAKE_TRY(create(entry));
    }
    return {};
  }
  const std::vector<std::string> names = SHOPLAKE_TRY(session_->table_names(sql));
  for (const std::string& name : names) {
    if (Entry* entry = find(name); entry != nullptr) {
      SHOPLAKE_TRY(create(*entry));
    }
  }
  return {};
}

Result<std::vector<std::string>> LakeViews::unknown_tables(std::string_view sql) {
  std::vector<std::string> names = SHOPLAKE_TRY(session_->table_names(sql));
  std::erase_if(names, [&](const std::string& name) {
    const std::vector<std::string> parts = engine::split_name(lower(name));
    return find(name) != nullptr || (parts.size() > 1 && kEngineSchemas.contains(parts[parts.size() - 2]));
  });
  return names;
}

Result<void> LakeViews::create(Entry& entry) {
  if (entry.is_created) {
    return {};
  }
  entry.is_created = true;  // set first: a view that names itself must end, with the engine's own error
  const std::string name = entry.schema + "." + entry.name;
  std::string body;
  if (entry.sql.empty()) {
    body = SHOPLAKE_TRY(scan_of(entry));
  } else {
    SHOPLAKE_TRY(check_view(*session_, entry.sql, catalog_->options().lake_root).within("view " + name));
    SHOPLAKE_TRY(prepare(entry.sql).within("view " + name));
    body = entry.sql;
    while (!body.empty() && (body.back() == ';' || std::isspace(static_cast<unsigned char>(body.back())))) {
      body.pop_back();
    }
  }
  return session_->execute("CREATE VIEW " + qualified(entry.schema, entry.name) + " AS " + body)
      .within((entry.sql.empty() ? "table " : "view ") + name);
}

Result<std::string> LakeViews::scan_of(const Entry& entry) {
  if (reader_ == TableReader::files && !at_) {
    const catalog::TableIdentifier table =
        SHOPLAKE_TRY(catalog::parse_table_identifier(entry.schema + "." + entry.name));
    const auto files =
        model::direct_read(*catalog_, *session_, table, entry.metadata_location, model::DeletedRows::left_out);
    if (files)
      return "SELECT * FROM " + *files;
  }
  std::string scan = "SELECT * FROM iceberg_scan(" + engine::quote_literal(entry.metadata_location);
  if (exact_ && exact_->first == entry.metadata_location) {
    scan.append(", snapshot_from_id = ").append(std::to_string(exact_->second));
  } else if (at_) {
    const std::string text = SHOPLAKE_TRY(catalog_->options().env->read_file(entry.metadata_location));
    const auto metadata = SHOPLAKE_TRY(catalog::TableMetadata::parse(text));
    const catalog::Snapshot* snapshot = metadata->snapshot_at(at_->milliseconds);
    if (snapshot == nullptr && at_->milliseconds >= known_since_ms(*metadata) && knows_first_snapshot(*metadata)) {
      return scan + ") WHERE false";  // the table was there, and had no rows yet
    }
    if (snapshot == nullptr) {
      const auto& all = metadata->snapshots();
      return base::make_error(
          ErrorKind::not_found, "query.no_such_snapshot",
          entry.schema + "." + entry.name + " has no snapshot of " + format_moment(*at_) + " or before",
          all.empty() ? "The table has never held a row."
                      : "Its first snapshot is of " + format_moment({all.front().timestamp_ms}) + ".");
    }
    scan.append(", snapshot_from_id = ").append(std::to_string(snapshot->id));
  }
  return scan + ")";
}

}  // namespace shoplake::query
