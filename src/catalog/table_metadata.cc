#include "catalog/table_metadata.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using nlohmann::json;

constexpr std::int64_t kFormatVersionMax = 3;

base::Error invalid(const std::string& what) {
  return make_error(ErrorKind::input, "catalog.invalid_metadata", "the table metadata is not valid: " + what,
                    "Restore the metadata file, or register an older one (\"metadata-log\" names them).");
}

Result<std::int64_t> integer(const json& document, const char* key) {
  const auto found = document.find(key);
  if (found == document.end() || !found->is_number_integer()) {
    return invalid("\"" + std::string(key) + "\" is missing or not an integer");
  }
  return found->get<std::int64_t>();
}

Result<std::string> text(const json& document, const char* key) {
  const auto found = document.find(key);
  if (found == document.end() || !found->is_string()) {
    return invalid("\"" + std::string(key) + "\" is missing or not a string");
  }
  return found->get<std::string>();
}

Result<const json*> array(const json& document, const char* key) {
  const auto found = document.find(key);
  if (found == document.end() || !found->is_array()) {
    return invalid("\"" + std::string(key) + "\" is missing or not a list");
  }
  return &*found;
}

Result<Snapshot> snapshot_from_json(const json& item) {
  if (!item.is_object()) {
    return invalid("a snapshot is not an object");
  }
  Snapshot snapshot;
  snapshot.id = SHOPLAKE_TRY(integer(item, "snapshot-id"));
  snapshot.timestamp_ms = SHOPLAKE_TRY(integer(item, "timestamp-ms"));
  if (item.contains("parent-snapshot-id") && !item["parent-snapshot-id"].is_null()) {
    snapshot.parent_id = SHOPLAKE_TRY(integer(item, "parent-snapshot-id"));
  }
  if (item.contains("sequence-number")) {
    snapshot.sequence_number = SHOPLAKE_TRY(integer(item, "sequence-number"));
  }
  if (item.contains("schema-id") && !item["schema-id"].is_null()) {
    snapshot.schema_id = static_cast<std::int32_t>(SHOPLAKE_TRY(integer(item, "schema-id")));
  } else {
    snapshot.schema_id = -1;  // not recorded; the caller falls back to the current schema
  }
  if (item.contains("manifest-list")) {
    snapshot.manifest_list = SHOPLAKE_TRY(text(item, "manifest-list"));
  } else if (!item.contains("manifests")) {
    return invalid("snapshot " + std::to_string(snapshot.id) + " has no \"manifest-list\"");
  }
  if (const auto summary = item.find("summary"); summary != item.end()) {
    if (!summary->is_object()) {
      return invalid("the summary of snapshot " + std::to_string(snapshot.id) + " is not an object");
    }
    if (summary->contains("operation")) {
      snapshot.operation = SHOPLAKE_TRY(text(*summary, "operation"));
    }
  }
  return snapshot;
}

}  // namespace

struct TableMetadata::State {
  json document;
  std::int32_t format_version = 2;
  std::string uuid;
  std::string location;
  std::int32_t last_column_id = 0;
  std::int64_t last_sequence_number = 0;
  std::int64_t last_updated_ms = 0;
  std::vector<Schema> schemas;
  std::size_t current_schema = 0;
  std::vector<PartitionSpec> specs;
  std::size_t default_spec = 0;
  std::optional<std::int64_t> current_snapshot_id;
  std::vector<Snapshot> snapshots;
  std::unordered_map<std::int64_t, std::size_t> snapshot_index;
  std::vector<std::pair<std::int64_t, std::int64_t>> log;  // timestamp, snapshot id; in the document's order

  Result<void> read() {
    if (!document.is_object()) {
      return invalid("it is not a JSON object");
    }
    const std::int64_t version = SHOPLAKE_TRY(integer(document, "format-version"));
    if (version < 1 || version > kFormatVersionMax) {
      return make_error(ErrorKind::input, "catalog.unsupported_format_version",
                        "the table has format version " + std::to_string(version) + "; versions 1 to " +
                            std::to_string(kFormatVersionMax) + " can be read",
                        "Read it with a newer shoplake.");
    }
    format_version = static_cast<std::int32_t>(version);
    location = SHOPLAKE_TRY(text(document, "location"));
    last_updated_ms = SHOPLAKE_TRY(integer(document, "last-updated-ms"));
    const std::int64_t last_column = SHOPLAKE_TRY(integer(document, "last-column-id"));
    if (last_column < 0 || last_column > INT32_MAX) {
      return invalid("\"last-column-id\" is out of range");
    }
    last_column_id = static_cast<std::int32_t>(last_column);
    if (version >= 2 || document.contains("table-uuid")) {
      uuid = SHOPLAKE_TRY(text(document, "table-uuid"));
    }
    if (version >= 2) {
      last_sequence_number = SHOPLAKE_TRY(integer(document, "last-sequence-number"));
      SHOPLAKE_TRY(integer(document, "last-partition-id"));
    }
    SHOPLAKE_TRY(read_schemas());
    SHOPLAKE_TRY(read_specs());
    SHOPLAKE_TRY(read_sort_orders());
    SHOPLAKE_TRY(read_properties());
    SHOPLAKE_TRY(read_snapshots());
    return {};
  }

  Result<void> read_schemas() {
    if (format_version == 1 && !document.contains("schemas")) {
      const auto schema = document.find("schema");
      if (schema == document.end()) {
        return invalid("\"schema\" is missing");
      }
      schemas.push_back(SHOPLAKE_TRY(schema_from_json(*schema)));
      return {};
    }
    for (const json& item : *SHOPLAKE_TRY(array(document, "schemas"))) {
      schemas.push_back(SHOPLAKE_TRY(schema_from_json(item)));
    }
    const std::int64_t wanted = SHOPLAKE_TRY(integer(document, "current-schema-id"));
    const auto found =
        std::find_if(schemas.begin(), schemas.end(), [&](const Schema& schema) { return schema.id == wanted; });
    if (found == schemas.end()) {
      return invalid("the current schema " + std::to_string(wanted) + " is not among its schemas");
    }
    current_schema = static_cast<std::size_t>(found - schemas.begin());
    return {};
  }

  Result<void> read_specs() {
    if (format_version == 1 && !document.contains("partition-specs")) {
      json wrapped = {{"spec-id", 0}, {"fields", document.value("partition-spec", json::array())}};
      specs.push_back(SHOPLAKE_TRY(partition_spec_from_json(wrapped)));
      return {};
    }
    for (const json& item : *SHOPLAKE_TRY(array(document, "partition-specs"))) {
      specs.push_back(SHOPLAKE_TRY(partition_spec_from_json(item)));
    }
    const std::int64_t wanted = SHOPLAKE_TRY(integer(document, "default-spec-id"));
    const auto found =
        std::find_if(specs.begin(), specs.end(), [&](const PartitionSpec& spec) { return spec.id == wanted; });
    if (found == specs.end()) {
      return invalid("the default partition spec " + std::to_string(wanted) + " is not among its partition specs");
    }
    default_spec = static_cast<std::size_t>(found - specs.begin());
    return {};
  }

  Result<void> read_sort_orders() {
    if (format_version == 1 && !document.contains("sort-orders")) {
      return {};
    }
    const json& orders = *SHOPLAKE_TRY(array(document, "sort-orders"));
    const std::int64_t wanted = SHOPLAKE_TRY(integer(document, "default-sort-order-id"));
    bool found = wanted == 0;  // the unsorted order need not be listed
    for (const json& order : orders) {
      if (!order.is_object() || !order.contains("order-id") || !order["order-id"].is_number_integer() ||
          !order.contains("fields") || !order["fields"].is_array()) {
        return invalid("a sort order has no \"order-id\" or no \"fields\"");
      }
      found = found || order["order-id"].get<std::int64_t>() == wanted;
    }
    if (!found) {
      return invalid("the default sort order " + std::to_string(wanted) + " is not among its sort orders");
    }
    return {};
  }

  Result<void> read_properties() {
    const auto properties = document.find("properties");
    if (properties == document.end() || properties->is_null()) {
      return {};
    }
    if (!properties->is_object()) {
      return invalid("\"properties\" is not an object");
    }
    for (const auto& [key, value] : properties->items()) {
      if (!value.is_string()) {
        return invalid("property \"" + key + "\" is not a string");
      }
    }
    return {};
  }

  Result<void> read_snapshots() {
    if (document.contains("snapshots") && !document["snapshots"].is_null()) {
      const json& list = *SHOPLAKE_TRY(array(document, "snapshots"));
      snapshots.reserve(list.size());
      for (const json& item : list) {
        snapshots.push_back(SHOPLAKE_TRY(snapshot_from_json(item)));
        snapshot_index[snapshots.back().id] = snapshots.size() - 1;
      }
    }
    if (document.contains("current-snapshot-id") && !document["current-snapshot-id"].is_null()) {
      const std::int64_t id = SHOPLAKE_TRY(integer(document, "current-snapshot-id"));
      if (id != -1) {  // what version 1 writers put for "none"
        if (!snapshot_index.contains(id)) {
          return invalid("the current snapshot " + std::to_string(id) + " is not among its snapshots");
        }
        current_snapshot_id = id;
      }
    }
    if (document.contains("snapshot-log") && !document["snapshot-log"].is_null()) {
      for (const json& item : *SHOPLAKE_TRY(array(document, "snapshot-log"))) {
        if (!item.is_object()) {
          return invalid("an entry of \"snapshot-log\" is not an object");
        }
        log.emplace_back(SHOPLAKE_TRY(integer(item, "timestamp-ms")), SHOPLAKE_TRY(integer(item, "snapshot-id")));
      }
    }
    if (document.contains("metadata-log") && !document["metadata-log"].is_null()) {
      SHOPLAKE_TRY(array(document, "metadata-log"));
    }
    if (document.contains("refs") && !document["refs"].is_null()) {
      if (!document["refs"].is_object()) {
        return invalid("\"refs\" is not an object");
      }
      for (const auto& [name, ref] : document["refs"].items()) {
        if (!ref.is_object()) {
          return invalid("ref \"" + name + "\" is not an object");
        }
        SHOPLAKE_TRY(integer(ref, "snapshot-id").within("ref \"" + name + "\""));
      }
    }
    return {};
  }
};

TableMetadata::TableMetadata() : state_(std::make_unique<State>()) {}
TableMetadata::~TableMetadata() = default;

Result<std::shared_ptr<const TableMetadata>> TableMetadata::parse(std::string_view json_text) {
  json document = json::parse(json_text.begin(), json_text.end(), nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return invalid("it is not JSON (" + std::to_string(json_text.size()) + " bytes; cut off or damaged)");
  }
  return from_document(std::move(document));
}

Result<std::shared_ptr<const TableMetadata>> TableMetadata::from_document(json document) {
  std::shared_ptr<TableMetadata> metadata(new TableMetadata());
  metadata->state_->document = std::move(document);
  SHOPLAKE_TRY(metadata->state_->read());
  return std::shared_ptr<const TableMetadata>(std::move(metadata));
}

const json& TableMetadata::document() const { return state_->document; }
std::string TableMetadata::uuid() const { return state_->uuid; }
std::string TableMetadata::location() const { return state_->location; }
std::int32_t TableMetadata::format_version() const { return state_->format_version; }
std::int32_t TableMetadata::last_column_id() const { return state_->last_column_id; }
std::int64_t TableMetadata::last_sequence_number() const { return state_->last_sequence_number; }
std::int64_t TableMetadata::last_updated_ms() const { return state_->last_updated_ms; }
const Schema& TableMetadata::current_schema() const { return state_->schemas[state_->current_schema]; }

const Schema* TableMetadata::schema(std::int32_t schema_id) const {
  for (const Schema& schema : state_->schemas) {
    if (schema.id == schema_id) {
      return &schema;
    }
  }
  return nullptr;
}

const PartitionSpec& TableMetadata::default_spec() const { return state_->specs[state_->default_spec]; }

const PartitionSpec* TableMetadata::spec(std::int32_t spec_id) const {
  for (const PartitionSpec& spec : state_->specs) {
    if (spec.id == spec_id) {
      return &spec;
    }
  }
  return nullptr;
}

std::optional<std::int64_t> TableMetadata::current_snapshot_id() const { return state_->current_snapshot_id; }

const Snapshot* TableMetadata::current_snapshot() const {
  return state_->current_snapshot_id ? snapshot(*state_->current_snapshot_id) : nullptr;
}

const Snapshot* TableMetadata::snapshot(std::int64_t snapshot_id) const {
  const auto found = state_->snapshot_index.find(snapshot_id);
  return found == state_->snapshot_index.end() ? nullptr : &state_->snapshots[found->second];
}

const Snapshot* TableMetadata::snapshot_at(std::int64_t timestamp_ms) const {
  const Snapshot* result = nullptr;
  for (const auto& [since, id] : state_->log) {
    if (since <= timestamp_ms) {
      result = snapshot(id);
    }
  }
  return result;
}

const std::vector<Snapshot>& TableMetadata::snapshots() const { return state_->snapshots; }

std::optional<std::string> TableMetadata::property(std::string_view name) const {
  const auto properties = state_->document.find("properties");
  if (properties == state_->document.end() || !properties->is_object()) {
    return {};
  }
  const auto found = properties->find(std::string(name));
  if (found == properties->end()) {
    return {};
  }
  return found->get<std::string>();
}

}  // namespace shoplake::catalog
