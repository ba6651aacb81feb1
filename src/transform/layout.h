// Layout: a table's columns laid out for writing: the tree of the contract's fields flattened into nodes, with
// Parquet's definition and repetition levels, the Iceberg field ids, and what the event identity needs to know.
// Immutable; made once a load.
//
// Level streams. Every node has one entry ("slot") for each slot of its level stream. Stream 0 has one slot a record;
// each list opens a stream with one slot for each element, and one for each list that is absent or empty, exactly as
// Parquet's repetition levels count. Source: Dremel, Melnik et al. 2010;
// https://parquet.apache.org/docs/file-format/nestedencoding/
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/contract.h"

namespace shoplake::transform {

using base::Result;

enum class ColumnType : std::uint8_t {
  boolean,
  integer,
  real,
  text,
  timestamp,  // microseconds since 1970-01-01 UTC, in an integer
  date,       // days since 1970-01-01, in an integer
  decimal,    // in its last digit, in an integer
};

// What a value means for the event identity.
enum class Role : std::uint8_t {
  none,
  stream_id,
  user_id,
  user_pseudo_id,
  event_name,
  event_timestamp,
  batch_page_id,
  batch_ordering_id,
  batch_event_index,
  params,  // the list
  param_key,
  param_string,
  param_int,
  param_real,
  client_event_id,
};

// What every value needs stands together, in the first bytes.
struct alignas(64) Node {
  enum class Kind : std::uint8_t {
    leaf,
    structure,
    list,
    dropped,  // a field of records that is no column; a type as of a leaf
  };

  Kind kind = Kind::leaf;
  ColumnType type = ColumnType::text;  // of a leaf
  Role role = Role::none;
  contract::Treatment treatment = contract::Treatment::keep;
  bool required = false;  // checked, not encoded: every column is optional in the file
  bool is_date = false;
  bool is_computed = false;  // of the record's other values: no field of records
  bool is_unique = false;    // nearly every record has its own value
  bool is_element = false;   // of a list
  std::uint8_t level = 0;    // definition level of "present"; a list: present but empty; with elements it is level + 1
  std::int16_t parent = -1;  // node; -1: the record
  std::uint16_t stream = 0;  // whose slots this node has
  std::uint16_t child_stream = 0;  // of a list
  std::int16_t leaf = -1;          // index among leaves, in file order
  std::int32_t field_id = 0;
  std::int64_t min = std::numeric_limits<std::int64_t>::min();  // of an integer, timestamp, date or decimal
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  std::vector<std::uint16_t> children;  // of a struct: in declared order; of a list: its element
  std::string name;
  std::string path;                                // "event_params.element.value.string_value": Iceberg's spelling
  std::string json_path;                           // "event_params[].value.string_value": for messages
  contract::DecimalShape decimal;                  // of a decimal
  contract::MomentFormat format;                   // of a timestamp or date
  std::shared_ptr<const contract::Limits> limits;  // null: `min` and `max` are all
};

struct Stream {
  std::uint16_t parent = 0;   // stream that the list's slots are in
  std::int16_t list = -1;     // node; -1 for stream 0
  std::uint16_t element = 0;  // node whose levels this stream's entries are
  std::uint8_t repetition_level = 0;
};

// Metadata columns that shoplake adds, in this order, after the contract's fields and the column of unknown fields.
using contract::kEventIdColumn;
inline constexpr std::string_view kSourceObjectColumn = "_shoplake_source_object";
inline constexpr std::string_view kLineColumn = "_shoplake_line";
inline constexpr std::string_view kIngestedAtColumn = "_shoplake_ingested_at";

struct Layout {
  std::vector<Node> nodes;               // parents before children
  std::vector<Stream> streams;           // parents before children
  std::vector<std::uint16_t> top_level;  // nodes of the record's own fields and of the added columns, in column order
  std::vector<std::uint16_t> leaves;     // node of each leaf
  std::vector<std::uint16_t> fields;     // node of each field of the contract, by its number in expressions
  std::int16_t partition_source = -1;    // node of the required field that names the partition or has its time
  contract::Partitioning::By partition_by = contract::Partitioning::By::nothing;
  // Nodes that the record builder itself fills; -1 where the table has none.
  std::int16_t unknown_fields = -1;
  std::int16_t event_id = -1;
  std::int16_t source_object = -1;
  std::int16_t line = -1;
  std::int16_t ingested_at = -1;
};

// A column's shape, for tables that have no contract (quarantine) and for the catalog's schema of those that have.
struct Column {
  std::string name;
  contract::Type type = contract::Type::text;
  std::vector<Column> children;
  contract::DecimalShape decimal = {};
};

// The columns of the contract's table: its fields but the dropped ones, the computed and the unknown fields, the
// metadata columns.
std::vector<Column> table_columns(const contract::Contract& contract);

// The Iceberg field id of a path ("device.web_info.browser", "items.element.price"); 0 if the table has no such column.
using FieldIds = std::function<std::int32_t(std::string_view path)>;

// A dropped field that the table has all the same, from before it was dropped, stays a column, of NULLs.
// Errors: transform.schema_mismatch (kind failed) names the first column of the contract that the table lacks.
Result<Layout> make_layout(const contract::Contract& contract, const FieldIds& field_ids);
Result<Layout> make_layout(const std::vector<Column>& columns, const FieldIds& field_ids);

}  // namespace shoplake::transform
