#include "catalog/metadata_update.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "catalog/partition.h"

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using nlohmann::json;

constexpr std::int32_t kFirstPartitionId = 1000;

base::Error bad_request(const std::string& what) { return make_error(ErrorKind::input, "catalog.bad_request", what); }

Result<std::int64_t> integer(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) {
    return bad_request("\"" + std::string(key) + "\" is missing or not an integer");
  }
  return found->get<std::int64_t>();
}

Result<std::string> text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) {
    return bad_request("\"" + std::string(key) + "\" is missing or not a string");
  }
  return found->get<std::string>();
}

Result<const json*> part(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || (!found->is_object() && !found->is_array())) {
    return bad_request("\"" + std::string(key) + "\" is missing or neither an object nor a list");
  }
  return &*found;
}

json& list_of(json& document, const char* key) {
  json& list = document[key];
  if (!list.is_array()) {
    list = json::array();
  }
  return list;
}

json* find_by(json& list, const char* key, std::int64_t id) {
  for (json& item : list) {
    if (item.is_object() && item.contains(key) && item[key].is_number_integer() &&
        item[key].get<std::int64_t>() == id) {
      return &item;
    }
  }
  return nullptr;
}

std::int64_t integer_or(const json& document, const char* key, std::int64_t fallback) {
  const auto found = document.find(key);
  return found == document.end() || !found->is_number_integer() ? fallback : found->get<std::int64_t>();
}

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

// Without its id: what makes two schemas, specs or orders the same.
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

Result<void> add_schema_update(json& document, const json& update, UpdateContext& context) {
  const json& given = *SHOPLAKE_TRY(part(update, "schema"));
  const Schema schema = SHOPLAKE_TRY(schema_from_json(given));
  json copy = given;
  copy["type"] = "struct";
  context.last_added_schema = add_schema_json(document, std::move(copy));
  document["last-column-id"] =
      std::max({integer_or(document, "last-column-id", 0), static_cast<std::int64_t>(schema.highest_field_id()),
                integer_or(update, "last-column-id", 0)});
  return {};
}

Result<void> add_spec_update(json& document, const json& update, UpdateContext& context) {
  json given = *SHOPLAKE_TRY(part(update, "spec"));
  bool ids_missing = false;
  std::int64_t highest = integer_or(document, "last-partition-id", kFirstPartitionId - 1);
  if (given.is_object() && given.contains("fields") && given["fields"].is_array()) {
    for (json& field : given["fields"]) {
      ids_missing = ids_missing || !field.is_object() || !field.contains("field-id");
    }
  }
  PartitionSpec spec = SHOPLAKE_TRY(partition_spec_from_json(given));
  std::set<std::string> names;
  for (PartitionField& field : spec.fields) {
    if (!names.insert(field.name).second) {
      return bad_request("two partition fields are named \"" + field.name + "\"");
    }
    if (ids_missing) {
      field.field_id = 0;
    }
    highest = std::max<std::int64_t>(highest, field.field_id);
  }
  if (ids_missing) {
    context.last_added_spec = add_spec(document, std::move(spec));
    return {};
  }
  json& specs = list_of(document, "partition-specs");
  std::int64_t last_id = -1;
  const json fields = to_json(spec)["fields"];
  for (const json& existing : specs) {
    if (existing["fields"] == fields) {
      context.last_added_spec = static_cast<std::int32_t>(integer_or(existing, "spec-id", 0));
      return {};
    }
    last_id = std::max(last_id, integer_or(existing, "spec-id", 0));
  }
  spec.id = static_cast<std::int32_t>(given.contains("spec-id") && spec.id > last_id ? spec.id : last_id + 1);
  specs.push_back(to_json(spec));
  document["last-partition-id"] = highest;
  context.last_added_spec = spec.id;
  return {};
}

Result<void> add_sort_order_update(json& document, const json& update, UpdateContext& context) {
  json order = *SHOPLAKE_TRY(part(update, "sort-order"));
  if (!order.is_object() || !order.contains("fields") || !order["fields"].is_array()) {
    return bad_request("the sort order has no \"fields\"");
  }
  json& orders = list_of(document, "sort-orders");
  std::int64_t highest = 0;
  for (const json& existing : orders) {
    if (existing["fields"] == order["fields"]) {
      context.last_added_sort_order = static_cast<std::int32_t>(integer_or(existing, "order-id", 0));
      return {};
    }
    highest = std::max(highest, integer_or(existing, "order-id", 0));
  }
  // 0 is the unsorted order, and only that.
  const std::int64_t wanted = integer_or(order, "order-id", highest + 1);
  order["order-id"] = order["fields"].empty() ? 0 : (wanted > highest ? wanted : highest + 1);
  context.last_added_sort_order = static_cast<std::int32_t>(order["order-id"].get<std::int64_t>());
  orders.push_back(std::move(order));
  return {};
}

Result<std::int32_t> resolve_last(std::int64_t id, const std::optional<std::int32_t>& last, const char* what) {
  if (id != -1) {
    return static_cast<std::int32_t>(id);
  }
  if (!last) {
    return bad_request(std::string("-1 means the last added ") + what + ", but this commit adds none");
  }
  return *last;
}

Result<void> add_snapshot_update(json& document, const json& update, UpdateContext& context) {
  json snapshot = *SHOPLAKE_TRY(part(update, "snapshot"));
  const std::int64_t id = SHOPLAKE_TRY(integer(snapshot, "snapshot-id"));
  SHOPLAKE_TRY(text(snapshot, "manifest-list"));
  SHOPLAKE_TRY(part(snapshot, "summary"));
  const std::int64_t timestamp = SHOPLAKE_TRY(integer(snapshot, "timestamp-ms"));
  json& snapshots = list_of(document, "snapshots");
  if (find_by(snapshots, "snapshot-id", id) != nullptr) {
    return bad_request("snapshot " + std::to_string(id) + " exists already");
  }
  const std::int64_t last = integer_or(document, "last-sequence-number", 0);
  const std::int64_t sequence = integer_or(snapshot, "sequence-number", 0);
  const std::int64_t version = integer_or(document, "format-version", 2);
  if (version >= 2) {
    // Somebody else's commit took the number first: the client must read again.
    if (sequence <= last && (snapshot.contains("parent-snapshot-id") || last > 0)) {
      return make_error(ErrorKind::conflict, "catalog.requirement_failed",
                        "the snapshot's sequence number " + std::to_string(sequence) +
                            " is not after the table's last, " + std::to_string(last));
    }
    document["last-sequence-number"] = std::max(last, sequence);
  }
  if (version >= 3) {
    const std::int64_t first_row = SHOPLAKE_TRY(integer(snapshot, "first-row-id"));
    const std::int64_t next_row = integer_or(document, "next-row-id", 0);
    if (first_row < next_row) {
      return make_error(ErrorKind::conflict, "catalog.requirement_failed",
                        "the snapshot's first-row-id " + std::to_string(first_row) +
                            " is before the table's next-row-id " + std::to_string(next_row));
    }
    document["next-row-id"] = first_row + integer_or(snapshot, "added-rows", 0);
  }
  document["last-updated-ms"] = std::max(integer_or(document, "last-updated-ms", 0), timestamp);
  context.now_ms = std::max(context.now_ms, timestamp);
  snapshots.push_back(std::move(snapshot));
  return {};
}

Result<void> set_ref_update(json& document, const json& update, const UpdateContext& context) {
  const std::string name = SHOPLAKE_TRY(text(update, "ref-name"));
  const std::int64_t id = SHOPLAKE_TRY(integer(update, "snapshot-id"));
  const std::string type = SHOPLAKE_TRY(text(update, "type"));
  json* snapshot = find_by(list_of(document, "snapshots"), "snapshot-id", id);
  if (snapshot == nullptr) {
    return bad_request("ref \"" + name + "\" names an unknown snapshot " + std::to_string(id));
  }
  if (type != "branch" && type != "tag") {
    return bad_request("ref \"" + name + "\" is neither a branch nor a tag");
  }
  json ref = update;
  ref.erase("action");
  ref.erase("ref-name");
  if (!document["refs"].is_object()) {
    document["refs"] = json::object();
  }
  document["refs"][name] = std::move(ref);
  if (name == "main") {
    if (integer_or(document, "current-snapshot-id", -1) != id) {
      document["current-snapshot-id"] = id;
      json& log = list_of(document, "snapshot-log");
      std::int64_t stamp = integer_or(*snapshot, "timestamp-ms", context.now_ms);
      if (!log.empty() && integer_or(log.back(), "timestamp-ms", 0) > stamp) {
        stamp = std::max(context.now_ms, integer_or(log.back(), "timestamp-ms", 0));  // a rollback happens now
      }
      log.push_back({{"snapshot-id", id}, {"timestamp-ms", stamp}});
    }
  }
  return {};
}

void remove_ref(json& document, const std::string& name) {
  if (document.contains("refs") && document["refs"].is_object()) {
    document["refs"].erase(name);
  }
  if (name == "main") {
    document["current-snapshot-id"] = -1;
  }
}

Result<void> remove_snapshots_update(json& document, const json& update) {
  const json& ids = *SHOPLAKE_TRY(part(update, "snapshot-ids"));
  std::set<std::int64_t> gone;
  for (const json& id : ids) {
    if (!id.is_number_integer()) {
      return bad_request("\"snapshot-ids\" holds something that is not an integer");
    }
    gone.insert(id.get<std::int64_t>());
  }
  const auto prune = [&](const char* key) {
    if (document.contains(key) && document[key].is_array()) {
      json kept = json::array();
      for (json& item : document[key]) {
        if (!gone.contains(integer_or(item, "snapshot-id", -1))) {
          kept.push_back(std::move(item));
        }
      }
      document[key] = std::move(kept);
    }
  };
  prune("snapshots");
  prune("statistics");
  prune("partition-statistics");
  // History before a removed entry can no longer be told truly.
  if (document.contains("snapshot-log") && document["snapshot-log"].is_array()) {
    json kept = json::array();
    for (json& item : document["snapshot-log"]) {
      if (gone.contains(integer_or(item, "snapshot-id", -1))) {
        kept = json::array();
      } else {
        kept.push_back(std::move(item));
      }
    }
    document["snapshot-log"] = std::move(kept);
  }
  if (document.contains("refs") && document["refs"].is_object()) {
    std::vector<std::string> dangling;
    for (const auto& [name, ref] : document["refs"].items()) {
      if (gone.contains(integer_or(ref, "snapshot-id", -1))) {
        dangling.push_back(name);
      }
    }
    for (const std::string& name : dangling) {
      remove_ref(document, name);
    }
  }
  return {};
}

Result<void> remove_by_ids(json& document, const json& update, const char* ids_key, const char* list_key,
                           const char* id_key, std::int64_t in_use) {
  const json& ids = *SHOPLAKE_TRY(part(update, ids_key));
  json kept = json::array();
  for (json& item : list_of(document, list_key)) {
    const std::int64_t id = integer_or(item, id_key, 0);
    const bool remove = std::any_of(ids.begin(), ids.end(), [&](const json& wanted) {
      return wanted.is_number_integer() && wanted.get<std::int64_t>() == id;
    });
    if (remove && id == in_use) {
      return bad_request(std::string(id_key) + " " + std::to_string(id) + " is in use and cannot be removed");
    }
    if (!remove) {
      kept.push_back(std::move(item));
    }
  }
  document[list_key] = std::move(kept);
  return {};
}

Result<void> set_statistics(json& document, const json& update, const char* value_key, const char* list_key) {
  const json& given = *SHOPLAKE_TRY(part(update, value_key));
  const std::int64_t id = SHOPLAKE_TRY(integer(given, "snapshot-id"));
  json& list = list_of(document, list_key);
  if (json* existing = find_by(list, "snapshot-id", id)) {
    *existing = given;
  } else {
    list.push_back(given);
  }
  return {};
}

void remove_statistics(json& document, std::int64_t snapshot_id, const char* list_key) {
  json kept = json::array();
  for (json& item : list_of(document, list_key)) {
    if (integer_or(item, "snapshot-id", -1) != snapshot_id) {
      kept.push_back(std::move(item));
    }
  }
  document[list_key] = std::move(kept);
}

Result<void> upgrade_version(json& document, const json& update) {
  const std::int64_t version = SHOPLAKE_TRY(integer(update, "format-version"));
  const std::int64_t current = integer_or(document, "format-version", 2);
  const bool is_new = list_of(document, "schemas").empty();
  if (version < 1 || version > 3 || (version < current && !is_new)) {
    return bad_request("the table cannot go from format version " + std::to_string(current) + " to " +
                       std::to_string(version));
  }
  if (current == 1 && version > 1) {
    upgrade_document(document, "");
  }
  // New tables are never written in version 1, which cannot hold what this catalog keeps.
  document["format-version"] = std::max<std::int64_t>(version, 2);
  if (version >= 3 && !document.contains("next-row-id")) {
    document["next-row-id"] = 0;
  }
  return {};
}

base::Error failed(const std::string& what) {
  return make_error(ErrorKind::conflict, "catalog.requirement_failed", "requirement failed: " + what,
                    "Load the table again and retry.");
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

Result<void> check_requirement(const json* document, const json& requirement) {
  if (!requirement.is_object()) {
    return bad_request("a requirement is not an object");
  }
  const std::string type = SHOPLAKE_TRY(text(requirement, "type"));
  if (type == "assert-create") {
    return document == nullptr ? Result<void>() : failed("the table exists already");
  }
  static const std::map<std::string, std::pair<const char*, const char*>> kNumbers = {
      {"assert-last-assigned-field-id", {"last-assigned-field-id", "last-column-id"}},
      {"assert-current-schema-id", {"current-schema-id", "current-schema-id"}},
      {"assert-last-assigned-partition-id", {"last-assigned-partition-id", "last-partition-id"}},
      {"assert-default-spec-id", {"default-spec-id", "default-spec-id"}},
      {"assert-default-sort-order-id", {"default-sort-order-id", "default-sort-order-id"}}};
  if (const auto number = kNumbers.find(type); number != kNumbers.end()) {
    const std::int64_t expected = SHOPLAKE_TRY(integer(requirement, number->second.first));
    if (document == nullptr) {
      return failed("the table does not exist");
    }
    const std::int64_t actual = integer_or(*document, number->second.second, 0);
    return actual == expected ? Result<void>()
                              : failed(std::string(number->second.second) + " is " + std::to_string(actual) +
                                       ", expected " + std::to_string(expected));
  }
  if (type == "assert-table-uuid") {
    const std::string expected = SHOPLAKE_TRY(text(requirement, "uuid"));
    if (document == nullptr) {
      return failed("the table does not exist");
    }
    const std::string actual = document->value("table-uuid", "");
    const auto same = [](char left, char right) {
      return std::tolower(static_cast<unsigned char>(left)) == std::tolower(static_cast<unsigned char>(right));
    };
    return std::equal(actual.begin(), actual.end(), expected.begin(), expected.end(), same)
               ? Result<void>()
               : failed("the table's uuid is " + actual + ", expected " + expected);
  }
  if (type == "assert-ref-snapshot-id") {
    const std::string name = SHOPLAKE_TRY(text(requirement, "ref"));
    std::optional<std::int64_t> expected;
    if (requirement.contains("snapshot-id") && !requirement["snapshot-id"].is_null()) {
      expected = SHOPLAKE_TRY(integer(requirement, "snapshot-id"));
    }
    std::optional<std::int64_t> actual;
    if (document != nullptr) {
      if (const auto refs = document->find("refs");
          refs != document->end() && refs->is_object() && refs->contains(name)) {
        actual = integer_or((*refs)[name], "snapshot-id", -1);
      } else if (name == "main" && integer_or(*document, "current-snapshot-id", -1) >= 0) {
        actual = integer_or(*document, "current-snapshot-id", -1);
      }
    }
    if (actual == expected) {
      return {};
    }
    const auto spell = [](const std::optional<std::int64_t>& id) {
      return id ? "at snapshot " + std::to_string(*id) : std::string("absent");
    };
    return failed("branch or tag " + name + " is " + spell(actual) + ", expected " + spell(expected));
  }
  return bad_request("unknown requirement \"" + type + "\"");
}

Result<void> apply_update(json& document, const json& update, UpdateContext& context) {
  if (!update.is_object()) {
    return bad_request("an update is not an object");
  }
  const std::string action = SHOPLAKE_TRY(text(update, "action"));
  document["last-updated-ms"] = std::max(integer_or(document, "last-updated-ms", 0), context.now_ms);
  if (action == "assign-uuid") {
    const std::string uuid = SHOPLAKE_TRY(text(update, "uuid"));
    if (!list_of(document, "schemas").empty() && document.value("table-uuid", "") != uuid) {
      return bad_request("the uuid of an existing table cannot change");
    }
    document["table-uuid"] = uuid;
    return {};
  }
  if (action == "upgrade-format-version") {
    return upgrade_version(document, update);
  }
  if (action == "add-schema") {
    return add_schema_update(document, update, context);
  }
  if (action == "set-current-schema") {
    const std::int64_t given = SHOPLAKE_TRY(integer(update, "schema-id"));
    const std::int32_t id = SHOPLAKE_TRY(resolve_last(given, context.last_added_schema, "schema"));
    if (find_by(list_of(document, "schemas"), "schema-id", id) == nullptr) {
      return bad_request("the table has no schema " + std::to_string(id));
    }
    document["current-schema-id"] = id;
    return {};
  }
  if (action == "add-spec") {
    return add_spec_update(document, update, context);
  }
  if (action == "set-default-spec") {
    const std::int64_t given = SHOPLAKE_TRY(integer(update, "spec-id"));
    const std::int32_t id = SHOPLAKE_TRY(resolve_last(given, context.last_added_spec, "partition spec"));
    if (find_by(list_of(document, "partition-specs"), "spec-id", id) == nullptr) {
      return bad_request("the table has no partition spec " + std::to_string(id));
    }
    document["default-spec-id"] = id;
    return {};
  }
  if (action == "add-sort-order") {
    return add_sort_order_update(document, update, context);
  }
  if (action == "set-default-sort-order") {
    const std::int64_t given = SHOPLAKE_TRY(integer(update, "sort-order-id"));
    const std::int32_t id = SHOPLAKE_TRY(resolve_last(given, context.last_added_sort_order, "sort order"));
    if (id != 0 && find_by(list_of(document, "sort-orders"), "order-id", id) == nullptr) {
      return bad_request("the table has no sort order " + std::to_string(id));
    }
    document["default-sort-order-id"] = id;
    return {};
  }
  if (action == "add-snapshot") {
    return add_snapshot_update(document, update, context);
  }
  if (action == "set-snapshot-ref") {
    return set_ref_update(document, update, context);
  }
  if (action == "remove-snapshots") {
    return remove_snapshots_update(document, update);
  }
  if (action == "remove-snapshot-ref") {
    remove_ref(document, SHOPLAKE_TRY(text(update, "ref-name")));
    return {};
  }
  if (action == "set-location") {
    document["location"] = SHOPLAKE_TRY(text(update, "location"));
    return {};
  }
  if (action == "set-properties") {
    const json& updates = *SHOPLAKE_TRY(part(update, "updates"));
    for (const auto& [name, value] : updates.items()) {
      if (!value.is_string()) {
        return bad_request("property \"" + name + "\" is not a string");
      }
      set_property(document, name, value.get<std::string>());
    }
    return {};
  }
  if (action == "remove-properties") {
    for (const json& name : *SHOPLAKE_TRY(part(update, "removals"))) {
      if (name.is_string() && document.contains("properties") && document["properties"].is_object()) {
        document["properties"].erase(name.get<std::string>());
      }
    }
    return {};
  }
  if (action == "set-statistics") {
    return set_statistics(document, update, "statistics", "statistics");
  }
  if (action == "set-partition-statistics") {
    return set_statistics(document, update, "partition-statistics", "partition-statistics");
  }
  if (action == "remove-statistics" || action == "remove-partition-statistics") {
    remove_statistics(document, SHOPLAKE_TRY(integer(update, "snapshot-id")),
                      action == "remove-statistics" ? "statistics" : "partition-statistics");
    return {};
  }
  if (action == "remove-partition-specs") {
    return remove_by_ids(document, update, "spec-ids", "partition-specs", "spec-id",
                         integer_or(document, "default-spec-id", 0));
  }
  if (action == "remove-schemas") {
    return remove_by_ids(document, update, "schema-ids", "schemas", "schema-id",
                         integer_or(document, "current-schema-id", 0));
  }
  return bad_request("unknown table update \"" + action + "\"");
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
