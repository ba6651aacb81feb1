// Views of the REST catalog.
#include "catalog/metadata_update.h"
#include "catalog/rest_call.h"
#include "catalog/view.h"

namespace shoplake::catalog {

using base::ErrorKind;
using base::make_error;
using nlohmann::json;

namespace {

json view_result(const std::string& metadata_location, const json& metadata) {
  return {{"metadata-location", metadata_location}, {"metadata", metadata}, {"config", json::object()}};
}

struct ViewUpdateContext {
  std::int64_t now_ms = 0;
  std::int64_t last_added_version = -1;
  std::int64_t last_added_schema = -1;
};

// Adds a schema, or finds the same one; its id.
std::int64_t add_view_schema(json& document, json schema) {
  std::int64_t highest = -1;
  schema.erase("schema-id");
  for (const json& existing : document["schemas"]) {
    json comparable = existing;
    comparable.erase("schema-id");
    if (comparable == schema) {
      return existing.value("schema-id", std::int64_t{0});
    }
    highest = std::max(highest, existing.value("schema-id", std::int64_t{0}));
  }
  schema["schema-id"] = highest + 1;
  document["schemas"].push_back(std::move(schema));
  return highest + 1;
}

Result<void> apply_view_update(json& document, const json& update, ViewUpdateContext& context) {
  const std::string action = SHOPLAKE_TRY(text_member(update, "action"));
  if (action == "assign-uuid") {
    if (json(SHOPLAKE_TRY(text_member(update, "uuid"))) != document["view-uuid"]) {
      return bad_request("the uuid of an existing view cannot change");
    }
  } else if (action == "upgrade-format-version") {
    if (!update.contains("format-version") || update["format-version"] != 1) {
      return bad_request("views have format version 1 only");
    }
  } else if (action == "add-schema") {
    if (!update.contains("schema")) {
      return bad_request("\"schema\" is missing");
    }
    SHOPLAKE_TRY(schema_from_json(update["schema"]));
    context.last_added_schema = add_view_schema(document, update["schema"]);
  } else if (action == "set-location") {
    document["location"] = SHOPLAKE_TRY(text_member(update, "location"));
  } else if (action == "set-properties") {
    for (const auto& [name, value] : SHOPLAKE_TRY(properties_member(update, "updates"))) {
      document["properties"][name] = value;
    }
  } else if (action == "remove-properties") {
    if (update.contains("removals") && update["removals"].is_array()) {
      for (const json& name : update["removals"]) {
        if (name.is_string() && document.contains("properties")) {
          document["properties"].erase(name.get<std::string>());
        }
      }
    }
  } else if (action == "add-view-version") {
    if (!update.contains("view-version") || !update["view-version"].is_object()) {
      return bad_request("\"view-version\" is missing or not an object");
    }
    json version = update["view-version"];
    if (version.value("schema-id", std::int64_t{-1}) == -1) {
      version["schema-id"] = context.last_added_schema >= 0
                                 ? context.last_added_schema
                                 : document["schemas"].back().value("schema-id", std::int64_t{0});
    }
    SHOPLAKE_TRY(add_view_version(document, std::move(version), context.now_ms));
    context.last_added_version = document["versions"].back()["version-id"].get<std::int64_t>();
  } else if (action == "set-current-view-version") {
    if (!update.contains("view-version-id") || !update["view-version-id"].is_number_integer()) {
      return bad_request("\"view-version-id\" is missing or not an integer");
    }
    std::int64_t id = update["view-version-id"].get<std::int64_t>();
    if (id == -1) {
      id = context.last_added_version;
    }
    set_current_view_version(document, id, context.now_ms);
  } else {
    return bad_request("unknown view update \"" + action + "\"");
  }
  return {};
}

}  // namespace

Result<RestResponse> RestCall::create_view(const Namespace& name_space) {
  const json request = SHOPLAKE_TRY(body());
  const std::string name = SHOPLAKE_TRY(text_member(request, "name"));
  const TableIdentifier view{name_space, name};
  SHOPLAKE_TRY(check_identifier(view));
  if (!request.contains("view-version") || !request["view-version"].is_object()) {
    return bad_request("\"view-version\" is missing or not an object");
  }
  if (!request.contains("schema")) {
    return bad_request("\"schema\" is missing");
  }
  SHOPLAKE_TRY(schema_from_json(request["schema"]));
  const Properties properties = SHOPLAKE_TRY(properties_member(request, "properties"));
  const std::int64_t now_ms = state_.storage.now_ms();
  auto database = SHOPLAKE_TRY(state_.connect());
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  const bool has_namespace = SHOPLAKE_TRY(state_.has_namespace(*database, name_space));
  if (!has_namespace) {
    return no_such_namespace(name_space);
  }
  const auto before = SHOPLAKE_TRY(state_.find_relation(*database, view));
  if (before) {
    return exists_already(view, before->kind);
  }
  const auto given = request.find("location");
  const std::string location = given != request.end() && given->is_string()
                                   ? SHOPLAKE_TRY(checked_location(given->get<std::string>()))
                                   : SHOPLAKE_TRY(state_.default_location(*database, view));
  json document = {{"view-uuid", state_.storage.env().new_uuid()},
                   {"format-version", 1},
                   {"location", location},
                   {"schemas", json::array()},
                   {"versions", json::array()},
                   {"version-log", json::array()},
                   {"properties", properties}};
  json version = request["view-version"];
  version["schema-id"] = add_view_schema(document, request["schema"]);
  SHOPLAKE_TRY(add_view_version(document, std::move(version), now_ms));
  set_current_view_version(document, 1, now_ms);
  const std::string path = SHOPLAKE_TRY(store_view(state_, *database, view, before, document));
  SHOPLAKE_TRY(transaction.commit());
  return json_response(view_result(path, document));
}

Result<RestResponse> RestCall::load_view(const TableIdentifier& view) {
  const View loaded = SHOPLAKE_TRY(catalog_.load_view(view));
  if (is("HEAD")) {
    return no_content();
  }
  return json_response(view_result(loaded.metadata_location,
                                   SHOPLAKE_TRY(read_view_document(state_.storage, loaded.metadata_location))));
}

Result<RestResponse> RestCall::replace_view(const TableIdentifier& view) {
  const json request = SHOPLAKE_TRY(body());
  auto database = SHOPLAKE_TRY(state_.connect());
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  const auto before = SHOPLAKE_TRY(state_.find_relation(*database, view));
  if (!before || before->kind != Relation::Kind::view) {
    return no_such_view(view);
  }
  json document = SHOPLAKE_TRY(read_view_document(state_.storage, before->metadata_location));
  if (request.contains("requirements") && request["requirements"].is_array()) {
    for (const json& requirement : request["requirements"]) {
      const std::string type = SHOPLAKE_TRY(text_member(requirement, "type"));
      if (type != "assert-view-uuid") {
        return bad_request("unknown view requirement \"" + type + "\"");
      }
      if (json(SHOPLAKE_TRY(text_member(requirement, "uuid"))) != document["view-uuid"]) {
        return make_error(ErrorKind::conflict, "catalog.requirement_failed",
                          "requirement failed: the uuid of view " + to_string(view) + " is another");
      }
    }
  }
  if (!request.contains("updates") || !request["updates"].is_array()) {
    return bad_request("\"updates\" is missing or not a list");
  }
  ViewUpdateContext context;
  context.now_ms = state_.storage.now_ms();
  for (const json& update : request["updates"]) {
    SHOPLAKE_TRY(apply_view_update(document, update, context));
  }
  document["location"] = SHOPLAKE_TRY(checked_location(document["location"].get<std::string>()));
  const std::string path = SHOPLAKE_TRY(store_view(state_, *database, view, before, document));
  SHOPLAKE_TRY(transaction.commit());
  return json_response(view_result(path, document));
}

}  // namespace shoplake::catalog
