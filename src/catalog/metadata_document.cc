// Table metadata documents: made, completed, upgraded, and changed by shoplake's own commits.
#include <algorithm>
#include <map>
#include <set>

#include "catalog/metadata_json.h"
#include "catalog/metadata_update.h"
#include "catalog/partition.h"

namespace shoplake::catalog {

using namespace metadata_json;

namespace metadata_json {

json without(json value, const char* key) {
  value.erase(key);
  if (value.contains("identifier-field-ids") && value["identifier-field-ids"].empty()) {
    value.erase("identifier-field-ids");
  }
  return value;
}

std::int32_t add_schema_json(json& document, json schema) {
  json& schemas = list_of(document, "schemas");
  std::int64_t highest = -1;
  const json comparable = without(schema, "schema-id");
  for (const json& existing : schemas) {
    const std::int64_t id = integer_or(existing, "schema-id", 0);
    if (without(existing, "schema-id") == comparable) {
      return static_cast<std::int32_t>(id);
    }
    highest = std::max(highest, id);
  }
  const std::int64_t wanted = integer_or(schema, "schema-id", highest + 1);
  const std::int64_t id = wanted > highest ? wanted : highest + 1;
  schema["schema-id"] = id;
  schemas.push_back(std::move(schema));
  return static_cast<std::int32_t>(id);
}

}  // namespace metadata_json

namespace {

// Field objects by id, anywhere in a schema.
void index_fields(const json& value, std::map<std::int64_t, const json*>& index) {
  if (value.is_object()) {
    if (value.contains("id") && value.contains("name") && value["id"].is_number_integer()) {
      index[value["id"].get<std::int64_t>()] = &value;
    }
    for (const auto& [key, item] : value.items()) {
      index_fields(item, index);
    }
  } else if (value.is_array()) {
    for (const json& item : value) {
      index_fields(item, index);
    }
  }
}

void inherit_attributes(json& value, const std::map<std::int64_t, const json*>& old) {
  if (value.is_object()) {
    if (value.contains("id") && value.contains("name") && value["id"].is_number_integer()) {
      if (const auto same = old.find(value["id"].get<std::int64_t>()); same != old.end()) {
        for (const auto& [key, item] : same->second->items()) {
          if (!value.contains(key)) {
            value[key] = item;
          }
        }
      }
    }
    for (auto& [key, item] : value.items()) {
      inherit_attributes(item, old);
    }
  } else if (value.is_array()) {
    for (json& item : value) {
      inherit_attributes(item, old);
    }
  }
}

struct FreshIds {
  std::map<std::int64_t, std::int64_t> ids;
  std::int64_t next = 0;

  void take(json& object, const char* key) {
    const std::int64_t old = integer_or(object, key, -1);
    object[key] = ++next;
    if (old >= 0) {
      ids[old] = next;
    }
  }

  void run(json& type) {
    if (!type.is_object()) {
      return;
    }
    const std::string kind = type.value("type", "");
    if (kind == "struct") {
      for (json& field : type["fields"]) {
        take(field, "id");
      }
      for (json& field : type["fields"]) {
        run(field["type"]);
      }
    } else if (kind == "list") {
      take(type, "element-id");
      run(type["element"]);
    } else if (kind == "map") {
      take(type, "key-id");
      take(type, "value-id");
      run(type["key"]);
      run(type["value"]);
    }
  }
};

}  // namespace

std::string dump_json(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

json empty_document(std::string_view uuid, std::int64_t now_ms) {
  return {{"format-version", 2},
          {"table-uuid", uuid},
          {"location", ""},
          {"last-sequence-number", 0},
          {"last-updated-ms", now_ms},
          {"last-column-id", 0},
          {"schemas", json::array()},
          {"current-schema-id", -1},
          {"partition-specs", json::array()},
          {"default-spec-id", -1},
          {"last-partition-id", kFirstPartitionId - 1},
          {"sort-orders", json::array()},
          {"default-sort-order-id", 0},
          {"properties", json::object()},
          {"current-snapshot-id", -1},
          {"refs", json::object()},
          {"snapshots", json::array()},
          {"snapshot-log", json::array()},
          {"metadata-log", json::array()}};
}

void complete_document(json& document) {
  if (list_of(document, "partition-specs").empty()) {
    document["partition-specs"].push_back({{"spec-id", 0}, {"fields", json::array()}});
  }
  if (integer_or(document, "default-spec-id", -1) < 0) {
    document["default-spec-id"] = integer_or(document["partition-specs"].back(), "spec-id", 0);
  }
  if (list_of(document, "sort-orders").empty()) {
    document["sort-orders"].push_back({{"order-id", 0}, {"fields", json::array()}});
  }
  if (integer_or(document, "current-schema-id", -1) < 0 && !list_of(document, "schemas").empty()) {
    document["current-schema-id"] = integer_or(document["schemas"].back(), "schema-id", 0);
  }
}

void upgrade_document(json& document, std::string_view uuid_if_absent) {
  if (integer_or(document, "format-version", 1) >= 2) {
    return;
  }
  if (!document.contains("table-uuid") && !uuid_if_absent.empty()) {
    document["table-uuid"] = uuid_if_absent;
  }
  if (list_of(document, "schemas").empty()) {
    json schema = document["schema"];
    schema["schema-id"] = 0;
    document["schemas"].push_back(std::move(schema));
    document["current-schema-id"] = 0;
  }
  document.erase("schema");
  if (list_of(document, "partition-specs").empty()) {
    const auto spec =
        partition_spec_from_json({{"spec-id", 0}, {"fields", document.value("partition-spec", json::array())}});
    document["partition-specs"].push_back(spec.ok() ? to_json(*spec) : json{{"spec-id", 0}, {"fields", json::array()}});
    document["default-spec-id"] = 0;
  }
  document.erase("partition-spec");
  if (!document.contains("last-partition-id")) {
    std::int64_t highest = kFirstPartitionId - 1;
    for (const json& spec : document["partition-specs"]) {
      for (const json& field : spec["fields"]) {
        highest = std::max(highest, integer_or(field, "field-id", 0));
      }
    }
    document["last-partition-id"] = highest;
  }
  if (list_of(document, "sort-orders").empty()) {
    document["sort-orders"].push_back({{"order-id", 0}, {"fields", json::array()}});
    document["default-sort-order-id"] = 0;
  }
  document["last-sequence-number"] = 0;
  for (json& snapshot : list_of(document, "snapshots")) {
    if (!snapshot.contains("sequence-number")) {
      snapshot["sequence-number"] = 0;
    }
    if (!snapshot.contains("summary")) {
      snapshot["summary"] = {{"operation", "append"}};
    }
  }
  const std::int64_t current = integer_or(document, "current-snapshot-id", -1);
  if (current >= 0 && !document.contains("refs")) {
    document["refs"] = {{"main", {{"snapshot-id", current}, {"type", "branch"}}}};
  }
  document["format-version"] = 2;
}
std::int32_t add_schema(json& document, const Schema& schema) {
  json value = to_json(schema);
  value.erase("schema-id");
  if (json* current =
          find_by(list_of(document, "schemas"), "schema-id", integer_or(document, "current-schema-id", -1))) {
    std::map<std::int64_t, const json*> old;
    index_fields(*current, old);
    inherit_attributes(value, old);
    if (current->contains("identifier-field-ids")) {
      json kept = json::array();
      for (const json& id : (*current)["identifier-field-ids"]) {
        const Field* field =
            id.is_number_integer() ? schema.find_id(static_cast<std::int32_t>(id.get<std::int64_t>())) : nullptr;
        if (field != nullptr && field->required) {
          kept.push_back(id);
        }
      }
      value["identifier-field-ids"] = std::move(kept);
    }
  }
  document["last-column-id"] =
      std::max(integer_or(document, "last-column-id", 0), static_cast<std::int64_t>(schema.highest_field_id()));
  return add_schema_json(document, std::move(value));
}

void set_current_schema(json& document, std::int32_t schema_id) { document["current-schema-id"] = schema_id; }

std::int32_t add_spec(json& document, PartitionSpec spec) {
  json& specs = list_of(document, "partition-specs");
  std::int64_t last_id = -1;
  for (const json& existing : specs) {
    last_id = std::max(last_id, integer_or(existing, "spec-id", 0));
    const auto parsed = partition_spec_from_json(existing);
    if (!parsed.ok() || parsed->fields.size() != spec.fields.size()) {
      continue;
    }
    const bool same = std::equal(parsed->fields.begin(), parsed->fields.end(), spec.fields.begin(),
                                 [](const PartitionField& left, const PartitionField& right) {
                                   return left.source_id == right.source_id && left.transform == right.transform &&
                                          left.name == right.name;
                                 });
    if (same) {
      return parsed->id;
    }
  }
  // A partition field of an older spec with the same source and transform keeps its id.
  std::int64_t highest =
      std::max<std::int64_t>(integer_or(document, "last-partition-id", kFirstPartitionId - 1), kFirstPartitionId - 1);
  for (PartitionField& field : spec.fields) {
    field.field_id = 0;
    for (const json& existing : specs) {
      for (const json& old : existing["fields"]) {
        if (integer_or(old, "source-id", -1) == field.source_id && old.value("transform", "") == field.transform &&
            old.value("name", "") == field.name) {
          field.field_id = static_cast<std::int32_t>(integer_or(old, "field-id", 0));
        }
      }
    }
    if (field.field_id == 0) {
      field.field_id = static_cast<std::int32_t>(++highest);
    }
  }
  spec.id = static_cast<std::int32_t>(last_id + 1);
  document["last-partition-id"] = highest;
  specs.push_back(to_json(spec));
  return spec.id;
}

void set_default_spec(json& document, std::int32_t spec_id) { document["default-spec-id"] = spec_id; }

void add_current_snapshot(json& document, json snapshot) {
  const std::int64_t id = snapshot["snapshot-id"].get<std::int64_t>();
  const std::int64_t timestamp = snapshot["timestamp-ms"].get<std::int64_t>();
  document["last-sequence-number"] = snapshot["sequence-number"];
  document["last-updated-ms"] = std::max(integer_or(document, "last-updated-ms", 0), timestamp);
  list_of(document, "snapshots").push_back(std::move(snapshot));
  document["current-snapshot-id"] = id;
  if (!document.contains("refs") || !document["refs"].is_object()) {
    document["refs"] = json::object();
  }
  json& main = document["refs"]["main"];
  main["snapshot-id"] = id;
  main["type"] = "branch";
  list_of(document, "snapshot-log").push_back({{"snapshot-id", id}, {"timestamp-ms", timestamp}});
}

void set_property(json& document, const std::string& name, const std::string& value) {
  if (!document.contains("properties") || !document["properties"].is_object()) {
    document["properties"] = json::object();
  }
  document["properties"][name] = value;
}

std::vector<std::string> add_metadata_log(json& document, const std::string& previous_location,
                                          std::int64_t previous_updated_ms) {
  json& log = list_of(document, "metadata-log");
  log.push_back({{"metadata-file", previous_location}, {"timestamp-ms", previous_updated_ms}});
  std::size_t limit = 100;
  if (document.contains("properties") && document["properties"].is_object()) {
    const std::string wanted = document["properties"].value("write.metadata.previous-versions-max", "");
    if (!wanted.empty() && wanted.size() < 10 && wanted.find_first_not_of("0123456789") == std::string::npos) {
      limit = std::max<std::size_t>(1, std::stoul(wanted));
    }
  }
  std::vector<std::string> dropped;
  while (log.size() > limit) {
    if (log.front().is_object()) {
      dropped.push_back(log.front().value("metadata-file", ""));
    }
    log.erase(log.begin());
  }
  return dropped;
}

Result<void> assign_fresh_ids(json& schema, json& spec, json& sort_order) {
  // Checks the shape first: everything below relies on it. Requests may leave ids out, or repeat them.
  FreshIds fresh;
  const auto has_ids = schema_from_json(schema);
  if (!has_ids.ok()) {
    return has_ids.error();
  }
  fresh.run(schema);
  const auto follow = [&](json& list, const char* what) -> Result<void> {
    if (!list.is_object() || !list.contains("fields") || !list["fields"].is_array()) {
      return {};
    }
    for (json& field : list["fields"]) {
      const std::int64_t old = SHOPLAKE_TRY(integer(field, "source-id"));
      const auto found = fresh.ids.find(old);
      if (found == fresh.ids.end()) {
        return bad_request(std::string("the ") + what + " names an unknown source-id " + std::to_string(old));
      }
      field["source-id"] = found->second;
    }
    return {};
  };
  SHOPLAKE_TRY(follow(spec, "partition spec"));
  SHOPLAKE_TRY(follow(sort_order, "sort order"));
  if (schema.contains("identifier-field-ids") && schema["identifier-field-ids"].is_array()) {
    for (json& id : schema["identifier-field-ids"]) {
      const auto found = id.is_number_integer() ? fresh.ids.find(id.get<std::int64_t>()) : fresh.ids.end();
      if (found == fresh.ids.end()) {
        return bad_request("\"identifier-field-ids\" names an unknown field");
      }
      id = found->second;
    }
  }
  schema["schema-id"] = 0;
  return {};
}

}  // namespace shoplake::catalog
