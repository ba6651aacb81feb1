// Requirements and updates of the REST catalog, applied to a metadata document.
#include "catalog/metadata_update.h"

#include <algorithm>
#include <map>
#include <set>

#include "catalog/metadata_json.h"
#include "catalog/partition.h"

namespace shoplake::catalog {

using namespace metadata_json;
namespace {

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
}  // namespace

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
}  // namespace shoplake::catalog
