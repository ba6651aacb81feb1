// Tables of the REST catalog.
#include <algorithm>
#include <set>

#include "catalog/metadata_update.h"
#include "catalog/partition.h"
#include "catalog/rest_call.h"

namespace shoplake::catalog {

using base::ErrorKind;
using base::make_error;
using nlohmann::json;

namespace {

// What is not a client's to set as a property, because it lives elsewhere in the metadata.
void take_reserved_properties(Properties& properties, json& document) {
  const auto version = properties.find("format-version");
  if (version != properties.end()) {
    document["format-version"] = version->second == "3" ? 3 : 2;
    if (version->second == "3") {
      document["next-row-id"] = 0;
    }
    properties.erase(version);
  }
}

Result<void> check_specs(const TableMetadata& metadata) {
  for (const PartitionField& field : metadata.default_spec().fields) {
    const Field* source = metadata.current_schema().find_id(field.source_id);
    if (source == nullptr) {
      if (field.transform == "void") {
        continue;
      }
      return bad_request("partition field \"" + field.name + "\" names column id " + std::to_string(field.source_id) +
                         ", which the schema does not have");
    }
    SHOPLAKE_TRY(check_transform(field.transform, source->type));
  }
  return {};
}

json table_result(const std::string& metadata_location, const json& metadata) {
  json result = {{"metadata", metadata}, {"config", json::object()}};
  if (!metadata_location.empty()) {
    result["metadata-location"] = metadata_location;
  }
  return result;
}

// Only the snapshots that branches and tags name.
json with_referenced_snapshots(json metadata) {
  std::set<std::int64_t> wanted;
  if (metadata.contains("refs")) {
    for (const auto& [name, ref] : metadata["refs"].items()) {
      wanted.insert(ref.value("snapshot-id", std::int64_t{-1}));
    }
  }
  if (metadata.contains("current-snapshot-id") && metadata["current-snapshot-id"].is_number_integer()) {
    wanted.insert(metadata["current-snapshot-id"].get<std::int64_t>());
  }
  json kept = json::array();
  if (metadata.contains("snapshots")) {
    for (json& snapshot : metadata["snapshots"]) {
      if (wanted.contains(snapshot["snapshot-id"].get<std::int64_t>())) {
        kept.push_back(std::move(snapshot));
      }
    }
  }
  metadata["snapshots"] = std::move(kept);
  return metadata;
}

}  // namespace

Result<std::string> RestCall::checked_location(const std::string& location) const {
  std::string path = SHOPLAKE_TRY(plain_path(location));
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  const std::string inside = state_.options.lake_root + "/";
  const std::string below = "/" + path.substr(std::min(path.size(), inside.size()));
  const bool climbs = below.find("/../") != std::string::npos || below.ends_with("/..") ||
                      below.find("/./") != std::string::npos || below.find("//") != std::string::npos;
  if (path.compare(0, inside.size(), inside) != 0 || climbs) {
    return bad_request("the location " + location + " does not lie below the lake " + state_.options.lake_root);
  }
  return path;
}

Result<RestResponse> RestCall::list_relations_of(const Namespace& name_space, Relation::Kind kind) {
  auto database = SHOPLAKE_TRY(state_.connect());
  const bool exists = SHOPLAKE_TRY(state_.has_namespace(*database, name_space));
  if (!exists) {
    return no_such_namespace(name_space);
  }
  std::vector<std::pair<std::string, json>> items;
  for (const TableIdentifier& table : SHOPLAKE_TRY(list_relations(*database, name_space, kind))) {
    items.emplace_back(table.name, json{{"namespace", table.name_space.levels}, {"name", table.name}});
  }
  return page("identifiers", std::move(items));
}

Result<RestResponse> RestCall::create_table(const Namespace& name_space) {
  const json request = SHOPLAKE_TRY(body());
  const std::string name = SHOPLAKE_TRY(text_member(request, "name"));
  const TableIdentifier table{name_space, name};
  SHOPLAKE_TRY(check_identifier(table));
  Properties properties = SHOPLAKE_TRY(properties_member(request, "properties"));
  const bool is_staged =
      request.contains("stage-create") && request["stage-create"].is_boolean() && request["stage-create"].get<bool>();
  if (!request.contains("schema")) {
    return bad_request("\"schema\" is missing");
  }
  json schema = request["schema"];
  json spec =
      request.contains("partition-spec") && !request["partition-spec"].is_null() ? request["partition-spec"] : json();
  json order = request.contains("write-order") && !request["write-order"].is_null() ? request["write-order"] : json();
  SHOPLAKE_TRY(assign_fresh_ids(schema, spec, order));

  const auto prepare = [&](io::Database& database, std::vector<std::string>&) -> Result<std::vector<TableDraft>> {
    std::vector<TableDraft> drafts;
    drafts.push_back(SHOPLAKE_TRY(open_draft(state_, database, table)));
    TableDraft& draft = drafts[0];
    if (draft.before) {
      return exists_already(table, draft.before->kind);
    }
    json& document = *draft.document;
    Properties stored = properties;
    take_reserved_properties(stored, document);
    UpdateContext context{state_.storage.now_ms(), {}, {}, {}};
    std::vector<json> updates = {{{"action", "add-schema"}, {"schema", schema}},
                                 {{"action", "set-current-schema"}, {"schema-id", -1}}};
    if (!spec.is_null()) {
      spec.erase("spec-id");
      updates.push_back({{"action", "add-spec"}, {"spec", spec}});
      updates.push_back({{"action", "set-default-spec"}, {"spec-id", -1}});
    }
    if (!order.is_null()) {
      updates.push_back({{"action", "add-sort-order"}, {"sort-order", order}});
      updates.push_back({{"action", "set-default-sort-order"}, {"sort-order-id", -1}});
    }
    updates.push_back({{"action", "set-properties"}, {"updates", stored}});
    for (const json& update : updates) {
      SHOPLAKE_TRY(apply_update(document, update, context));
    }
    const auto location = request.find("location");
    document["location"] = location != request.end() && location->is_string()
                               ? SHOPLAKE_TRY(checked_location(location->get<std::string>()))
                               : SHOPLAKE_TRY(state_.default_location(database, table));
    complete_document(document);
    const auto metadata = SHOPLAKE_TRY(TableMetadata::from_document(document));
    SHOPLAKE_TRY(check_specs(*metadata));
    return drafts;
  };

  if (!is_staged) {
    const auto drafts = SHOPLAKE_TRY(swap_pointers(state_, prepare, {}));
    return json_response(table_result(drafts[0].metadata_location, drafts[0].metadata->document()));
  }
  // The table exists once the client commits; its folders exist now, because writers on a local file system need them.
  auto database = SHOPLAKE_TRY(state_.connect());
  std::vector<std::string> written;
  const auto drafts = SHOPLAKE_TRY(prepare(*database, written));
  const json& document = *drafts[0].document;
  const std::string location = document["location"].get<std::string>();
  SHOPLAKE_TRY(state_.storage.make_folder(io::join_path(location, "metadata")));
  SHOPLAKE_TRY(state_.storage.make_folder(io::join_path(location, "data")));
  return json_response(table_result("", document));
}

Result<RestResponse> RestCall::load_table(const TableIdentifier& table) {
  const Table loaded = SHOPLAKE_TRY(catalog_.load_table(table));
  if (is("HEAD")) {
    return no_content();
  }
  const bool referenced_only = query("snapshots") == "refs";
  const std::string tag = "\"" + io::file_name(loaded.metadata_location) + (referenced_only ? "-refs\"" : "\"");
  const auto known = request_.headers.find("if-none-match");
  if (known != request_.headers.end() && known->second == tag) {
    RestResponse unchanged;
    unchanged.status = 304;
    unchanged.headers["ETag"] = tag;
    return unchanged;
  }
  const json& document = loaded.metadata->document();
  RestResponse response = json_response(
      table_result(loaded.metadata_location, referenced_only ? with_referenced_snapshots(document) : document));
  response.headers["ETag"] = tag;
  return response;
}

Result<void> RestCall::apply_commit(io::Database& database, const json& request, TableDraft& draft) {
  const auto list = [&](const char* key) -> Result<json> {
    const auto found = request.find(key);
    if (found == request.end() || !found->is_array()) {
      return bad_request("\"" + std::string(key) + "\" is missing or not a list");
    }
    return *found;
  };
  const json requirements = SHOPLAKE_TRY(list("requirements"));
  const json updates = SHOPLAKE_TRY(list("updates"));
  const bool exists = draft.before_metadata != nullptr;
  const bool creates = std::any_of(requirements.begin(), requirements.end(), [](const json& one) {
    return one.is_object() && one.value("type", "") == "assert-create";
  });
  if (!exists && !creates) {
    return no_such_table(draft.identifier);
  }
  for (const json& requirement : requirements) {
    SHOPLAKE_TRY(check_requirement(exists ? draft.document.get() : nullptr, requirement)
                     .within("table " + to_string(draft.identifier)));
  }
  if (draft.replaces_view) {
    return exists_already(draft.identifier, Relation::Kind::view);
  }
  UpdateContext context{state_.storage.now_ms(), {}, {}, {}};
  json& document = *draft.document;
  const std::int64_t version_before = document.value("format-version", std::int64_t{2});
  const std::string location_before = document.value("location", "");
  for (const json& update : updates) {
    SHOPLAKE_TRY(apply_update(document, update, context).within("table " + to_string(draft.identifier)));
  }
  if (exists && document["format-version"] == 1 && version_before == 1) {
    upgrade_document(document, state_.storage.env().new_uuid());
  }
  const std::string location = document.value("location", "");
  if (location.empty()) {
    document["location"] = SHOPLAKE_TRY(state_.default_location(database, draft.identifier));
  } else if (location != location_before) {
    document["location"] = SHOPLAKE_TRY(checked_location(location));
  }
  complete_document(document);
  const auto metadata = TableMetadata::from_document(document);
  if (!metadata.ok()) {
    return bad_request("after these updates " + metadata.error().message);
  }
  return check_specs(**metadata);
}

Result<RestResponse> RestCall::commit_table(const TableIdentifier& table) {
  const json request = SHOPLAKE_TRY(body());
  const auto drafts = SHOPLAKE_TRY(
      swap_pointers(state_,
                    [&](io::Database& database, std::vector<std::string>&) -> Result<std::vector<TableDraft>> {
                      std::vector<TableDraft> list;
                      list.push_back(SHOPLAKE_TRY(open_draft(state_, database, table)));
                      SHOPLAKE_TRY(apply_commit(database, request, list[0]));
                      return list;
                    },
                    {}));
  return json_response(
      {{"metadata-location", drafts[0].metadata_location}, {"metadata", drafts[0].metadata->document()}});
}

Result<RestResponse> RestCall::commit_transaction() {
  const json request = SHOPLAKE_TRY(body());
  const auto changes = request.find("table-changes");
  if (changes == request.end() || !changes->is_array()) {
    return bad_request("\"table-changes\" is missing or not a list");
  }
  std::vector<TableIdentifier> tables;
  for (const json& change : *changes) {
    if (!change.is_object()) {
      return bad_request("a table change is not an object");
    }
    tables.push_back(SHOPLAKE_TRY(identifier_member(change, "identifier")));
    if (std::count(tables.begin(), tables.end(), tables.back()) > 1) {
      return bad_request("table " + to_string(tables.back()) + " is changed twice in one transaction");
    }
  }
  SHOPLAKE_TRY(swap_pointers(state_,
                             [&](io::Database& database, std::vector<std::string>&) -> Result<std::vector<TableDraft>> {
                               std::vector<TableDraft> list;
                               for (std::size_t index = 0; index < tables.size(); ++index) {
                                 list.push_back(SHOPLAKE_TRY(open_draft(state_, database, tables[index])));
                                 SHOPLAKE_TRY(apply_commit(database, (*changes)[index], list.back()));
                               }
                               return list;
                             },
                             {}));
  return no_content();
}

Result<RestResponse> RestCall::register_table(const Namespace& name_space) {
  const json request = SHOPLAKE_TRY(body());
  const std::string name = SHOPLAKE_TRY(text_member(request, "name"));
  const TableIdentifier table{name_space, name};
  SHOPLAKE_TRY(check_identifier(table));
  const std::string given = SHOPLAKE_TRY(text_member(request, "metadata-location"));
  const std::string path = SHOPLAKE_TRY(checked_location(given));
  const bool overwrites =
      request.contains("overwrite") && request["overwrite"].is_boolean() && request["overwrite"].get<bool>();
  auto loaded = state_.load_metadata(path);
  if (!loaded.ok()) {
    return bad_request("the metadata file " + given + " cannot be used: " + loaded.error().message);
  }
  SHOPLAKE_TRY(checked_location((*loaded)->location()));
  auto database = SHOPLAKE_TRY(state_.connect());
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  const bool has_namespace = SHOPLAKE_TRY(state_.has_namespace(*database, name_space));
  if (!has_namespace) {
    return no_such_namespace(name_space);
  }
  const auto before = SHOPLAKE_TRY(state_.find_relation(*database, table));
  if (before && (!overwrites || before->kind == Relation::Kind::view)) {
    return exists_already(table, before->kind);
  }
  auto insert =
      SHOPLAKE_TRY(database->prepare("INSERT OR REPLACE INTO catalog_relations (namespace, name, kind, "
                                     "metadata_location, location) VALUES (?1, ?2, 'table', ?3, ?4)"));
  insert.bind(1, encode_namespace(name_space))
      .bind(2, table.name)
      .bind(3, path)
      .bind(4, SHOPLAKE_TRY(plain_path((*loaded)->location())));
  SHOPLAKE_TRY(insert.run());
  SHOPLAKE_TRY(transaction.commit());
  return json_response(table_result(path, (*loaded)->document()));
}

Result<RestResponse> RestCall::rename(Relation::Kind kind) {
  const json request = SHOPLAKE_TRY(body());
  const TableIdentifier source = SHOPLAKE_TRY(identifier_member(request, "source"));
  const TableIdentifier destination = SHOPLAKE_TRY(identifier_member(request, "destination"));
  SHOPLAKE_TRY(kind == Relation::Kind::table ? catalog_.rename_table(source, destination)
                                             : catalog_.rename_view(source, destination));
  return no_content();
}

}  // namespace shoplake::catalog
