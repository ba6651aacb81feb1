// Iceberg schemas and table metadata (table spec v2) as values, with their JSON form. Fields that shoplake does not use
// are kept as they came, so that a commit by another engine loses nothing. Source:
// https://iceberg.apache.org/spec/#table-metadata
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace shoplake::catalog {

struct Field;

// An Iceberg type. Primitive names are the specification's: boolean int long float double date time timestamp
// timestamptz string uuid binary fixed[N] decimal(P,S); nested: struct list map.
struct Type {
  std::string name;           // "long", "struct", "list", "map", "decimal(18,6)"
  std::vector<Field> fields;  // struct: its fields; list: one field "element"; map: "key" and "value"

  bool is_primitive() const { return fields.empty() && name != "struct"; }
  static Type primitive(std::string name);
  static Type structure(std::vector<Field> fields);
  static Type list(Type element);         // optional elements
  static Type map(Type key, Type value);  // optional values
  friend bool operator==(const Type&, const Type&);
};

struct Field {
  std::int32_t id = 0;  // 0: to be assigned
  std::string name;
  Type type;
  bool required = false;
  std::string doc;
  friend bool operator==(const Field&, const Field&);
};

struct Schema {
  std::int32_t id = 0;
  std::vector<Field> fields;
  friend bool operator==(const Schema&, const Schema&);

  const Field* find(std::string_view name) const;     // top level
  const Field* find_id(std::int32_t field_id) const;  // any depth
  std::int32_t highest_field_id() const;
};

// Gives every field whose id is 0 the next id after `last`, outer fields before inner ones; returns the last id used.
std::int32_t assign_field_ids(Schema& schema, std::int32_t last);

struct PartitionField {
  std::int32_t source_id = 0;
  std::int32_t field_id = 0;  // from 1000
  std::string name;
  std::string transform;  // "identity", "day", "bucket[16]", "void" …
};

struct PartitionSpec {
  std::int32_t id = 0;
  std::vector<PartitionField> fields;
};

struct Snapshot {
  std::int64_t id = 0;
  std::optional<std::int64_t> parent_id;
  std::int64_t sequence_number = 0;
  std::int64_t timestamp_ms = 0;
  std::string manifest_list;
  std::string operation;  // append, replace, overwrite, delete
  std::int32_t schema_id = 0;
};

// Immutable once loaded. The JSON document is the truth; the accessors are views of it.
class TableMetadata {
 public:
  // Error catalog.invalid_metadata (kind input) names the field that is missing or wrong;
  // catalog.unsupported_format_version.
  static base::Result<std::shared_ptr<const TableMetadata>> parse(std::string_view json_text);
  static base::Result<std::shared_ptr<const TableMetadata>> from_document(nlohmann::json document);
  ~TableMetadata();

  const nlohmann::json& document() const;
  std::string uuid() const;
  std::string location() const;
  std::int32_t format_version() const;
  std::int32_t last_column_id() const;
  std::int64_t last_sequence_number() const;  // 0 in version 1
  std::int64_t last_updated_ms() const;
  const Schema& current_schema() const;
  const Schema* schema(std::int32_t schema_id) const;
  const PartitionSpec& default_spec() const;
  const PartitionSpec* spec(std::int32_t spec_id) const;
  std::optional<std::int64_t> current_snapshot_id() const;
  const Snapshot* current_snapshot() const;
  const Snapshot* snapshot(std::int64_t snapshot_id) const;
  // The snapshot that was current at a moment (milliseconds since 1970), from the snapshot log.
  const Snapshot* snapshot_at(std::int64_t timestamp_ms) const;
  const std::vector<Snapshot>& snapshots() const;
  std::optional<std::string> property(std::string_view name) const;

 private:
  TableMetadata();
  struct State;
  std::unique_ptr<State> state_;
};

// JSON of schemas and partition specs (REST and metadata form).
nlohmann::json to_json(const Schema& schema);
base::Result<Schema> schema_from_json(const nlohmann::json& json);
nlohmann::json to_json(const PartitionSpec& spec);
base::Result<PartitionSpec> partition_spec_from_json(const nlohmann::json& json);

// The ids that `wanted` has in a table with the schema `current` and `last_column_id`: a field keeps the id of the
// current field of the same name if its type is the same or a legal promotion of it (int to long, float to double, a
// wider decimal; structs, lists and maps by their parts); every other field gets a new id. The answer holds exactly the
// fields of `wanted`, in their order. `last_column_id` is raised to the last id given.
Schema plan_replacement(const Schema& current, const Schema& wanted, std::int32_t& last_column_id);

// The union of `current` and `wanted` by name: current fields stay (promoted where `wanted` is wider), new fields come
// last and are optional, their ids as plan_replacement() gives them. Error catalog.incompatible_schema names the column
// whose type cannot become the wanted one.
base::Result<Schema> plan_evolution(const Schema& current, const Schema& wanted, std::int32_t& last_column_id);

}  // namespace shoplake::catalog
