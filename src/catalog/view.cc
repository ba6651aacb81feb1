// Iceberg views (view spec): metadata files on the lake; the pointer, and a copy of the DuckDB SQL, in the control
// plane. Source: https://iceberg.apache.org/view-spec/
#include <nlohmann/json.hpp>

#include "catalog/metadata_update.h"
#include "catalog/storage.h"
#include "catalog/view.h"

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using nlohmann::json;

constexpr std::size_t kVersionsKept = 10;

base::Error invalid(const std::string& what) {
  return make_error(ErrorKind::input, "catalog.invalid_view", "the view metadata is not valid: " + what);
}

const json* current_version(const json& document) {
  for (const json& version : document["versions"]) {
    if (version["version-id"] == document["current-version-id"]) {
      return &version;
    }
  }
  return nullptr;
}

}  // namespace

Result<void> check_view_document(const json& document) {
  if (!document.is_object()) {
    return invalid("it is not a JSON object");
  }
  for (const char* key : {"view-uuid", "location"}) {
    if (!document.contains(key) || !document[key].is_string()) {
      return invalid(std::string("\"") + key + "\" is missing or not a string");
    }
  }
  if (!document.contains("format-version") || document["format-version"] != 1) {
    return invalid("only format version 1 can be read");
  }
  for (const char* key : {"versions", "schemas"}) {
    if (!document.contains(key) || !document[key].is_array()) {
      return invalid(std::string("\"") + key + "\" is missing or not a list");
    }
  }
  if (!document.contains("current-version-id") || !document["current-version-id"].is_number_integer()) {
    return invalid("\"current-version-id\" is missing");
  }
  for (const json& version : document["versions"]) {
    if (!version.is_object() || !version.contains("version-id") || !version["version-id"].is_number_integer() ||
        !version.contains("representations") || !version["representations"].is_array()) {
      return invalid("a version has no id or no representations");
    }
    for (const json& representation : version["representations"]) {
      if (!representation.is_object() || !representation.contains("type") || !representation["type"].is_string() ||
          (representation["type"] == "sql" &&
           (!representation.contains("sql") || !representation["sql"].is_string() ||
            !representation.contains("dialect") || !representation["dialect"].is_string()))) {
        return invalid("a representation has no type, SQL or dialect");
      }
    }
  }
  if (document.contains("properties") && !document["properties"].is_object()) {
    return invalid("\"properties\" is not an object");
  }
  if (current_version(document) == nullptr) {
    return invalid("the current version is not among its versions");
  }
  return {};
}

Result<json> read_view_document(const Storage& storage, const std::string& location) {
  const std::string text = SHOPLAKE_TRY(storage.read(location).within("view metadata"));
  json document = json::parse(text, nullptr, false);
  if (document.is_discarded()) {
    return invalid(location + " is not JSON");
  }
  SHOPLAKE_TRY(check_view_document(document).within(location));
  return document;
}

std::string view_sql(const json& document) {
  const json* version = current_version(document);
  if (version == nullptr) {
    return {};
  }
  const json* best = nullptr;
  for (const json& representation : (*version)["representations"]) {
    if (representation["type"] != "sql") {
      continue;
    }
    if (best == nullptr || representation["dialect"] == "duckdb") {
      best = &representation;
    }
  }
  return best == nullptr ? std::string() : (*best)["sql"].get<std::string>();
}

Result<void> add_view_version(json& document, json version, std::int64_t now_ms) {
  json& versions = document["versions"];
  std::int64_t highest = 0;
  for (const json& existing : versions) {
    highest = std::max(highest, existing["version-id"].get<std::int64_t>());
  }
  version["version-id"] = highest + 1;
  if (!version.contains("timestamp-ms")) {
    version["timestamp-ms"] = now_ms;
  }
  versions.push_back(std::move(version));
  while (versions.size() > kVersionsKept) {
    versions.erase(versions.begin());
  }
  return {};
}

void set_current_view_version(json& document, std::int64_t version_id, std::int64_t now_ms) {
  document["current-version-id"] = version_id;
  json& log = document["version-log"];
  if (!log.is_array()) {
    log = json::array();
  }
  log.push_back({{"version-id", version_id}, {"timestamp-ms", now_ms}});
}

Result<std::string> store_view(CatalogState& state, io::Database& database, const TableIdentifier& identifier,
                               const std::optional<Relation>& before, const json& document) {
  SHOPLAKE_TRY(check_view_document(document));
  const Storage& storage = state.storage;
  const std::string location = SHOPLAKE_TRY(plain_path(document["location"].get<std::string>()));
  SHOPLAKE_TRY(storage.make_folder(io::join_path(location, "metadata")));
  const bool replaces_view = before && before->kind == Relation::Kind::view;
  const std::string path = next_metadata_path(storage, location, replaces_view ? before->metadata_location : "");
  SHOPLAKE_TRY(storage.write(path, dump_json(document)));
  SHOPLAKE_TRY(storage.sync_folder(io::join_path(location, "metadata")));
  const std::string properties = document.contains("properties") ? dump_json(document["properties"]) : "{}";
  if (before) {
    auto update = SHOPLAKE_TRY(
        database.prepare("UPDATE catalog_relations SET kind = 'view', previous_metadata_location = metadata_location, "
                         "metadata_location = ?1, location = ?2, sql = ?3, properties = ?4 "
                         "WHERE namespace = ?5 AND name = ?6"));
    update.bind(1, path)
        .bind(2, location)
        .bind(3, view_sql(document))
        .bind(4, properties)
        .bind(5, encode_namespace(identifier.name_space))
        .bind(6, identifier.name);
    SHOPLAKE_TRY(update.run());
  } else {
    auto insert =
        SHOPLAKE_TRY(database.prepare("INSERT INTO catalog_relations (namespace, name, kind, metadata_location, "
                                      "location, sql, properties) VALUES (?1, ?2, 'view', ?3, ?4, ?5, ?6)"));
    insert.bind(1, encode_namespace(identifier.name_space))
        .bind(2, identifier.name)
        .bind(3, path)
        .bind(4, location)
        .bind(5, view_sql(document))
        .bind(6, properties);
    SHOPLAKE_TRY(insert.run());
  }
  return path;
}

Result<void> Catalog::replace_view(const TableIdentifier& view, const std::string& sql, const Properties& properties,
                                   bool replaces_table) {
  auto database = SHOPLAKE_TRY(state_->connect());
  // Views are small and rare: the whole change runs under the write lock.
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  const bool has_namespace = SHOPLAKE_TRY(state_->has_namespace(*database, view.name_space));
  if (!has_namespace) {
    return no_such_namespace(view.name_space);
  }
  const auto before = SHOPLAKE_TRY(state_->find_relation(*database, view));
  if (before && before->kind == Relation::Kind::table && !replaces_table) {
    return make_error(ErrorKind::already_exists, "catalog.table_exists", to_string(view) + " is a table",
                      "Drop the table first.");
  }
  const std::int64_t now_ms = state_->storage.now_ms();
  json document;
  if (before && before->kind == Relation::Kind::view) {
    if (before->sql == sql && before->properties == dump_json(json(properties))) {
      return {};  // nothing to write
    }
    document = SHOPLAKE_TRY(read_view_document(state_->storage, before->metadata_location));
  } else {
    const std::string location = SHOPLAKE_TRY(state_->default_location(*database, view));
    document = {{"view-uuid", state_->storage.env().new_uuid()},
                {"format-version", 1},
                {"location", location},
                {"schemas", json::array({{{"type", "struct"}, {"schema-id", 0}, {"fields", json::array()}}})},
                {"versions", json::array()},
                {"version-log", json::array()}};
  }
  document["properties"] = properties;
  json version = {{"timestamp-ms", now_ms},
                  {"schema-id", document["schemas"].back().value("schema-id", 0)},
                  {"summary", {{"engine-name", "shoplake"}}},
                  {"default-namespace", view.name_space.levels},
                  {"representations", json::array({{{"type", "sql"}, {"sql", sql}, {"dialect", "duckdb"}}})}};
  SHOPLAKE_TRY(add_view_version(document, std::move(version), now_ms));
  set_current_view_version(document, document["versions"].back()["version-id"].get<std::int64_t>(), now_ms);
  SHOPLAKE_TRY(store_view(*state_, *database, view, before, document));
  return transaction.commit();
}

}  // namespace shoplake::catalog
