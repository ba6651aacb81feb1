// A data contract: what a dataset's records look like, which fields must be there, which hold personal data and what is
// done with it, and how the records are kept apart in the lake. One YAML file a dataset, datasets/<name>.yml; its
// schema is docs/formats/contract.md.
//
// A Contract is a value, checked when it is read: types are known, names are unique within their parent, the partition
// column and the fields of the event identity exist, expressions have types.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/expression.h"
#include "contract/type.h"
#include "io/env.h"

namespace shoplake::contract {

using base::Result;

// Whose data a field holds.
enum class PiiClass {
  none,
  pseudonymous,  // identifies a device or an account, a person only with other data
  direct,        // names a person or may do so in free text: e-mail addresses in URLs
};

// What happens to a value before it is written to the processed zone. The raw zone keeps the bytes as received.
enum class Treatment {
  keep,
  mask,          // e-mail addresses in the text become [email]
  pseudonymize,  // e-mail addresses in the text become email:<hash>, so that equal ones stay equal
  hash,          // the text becomes its SHA-256 in lowercase hex
  drop,          // not written at all: the table has no such column
};

struct Field {
  std::string name;
  Type type = Type::text;
  bool required = false;  // a record without it is rejected; top level only
  bool is_date = false;   // format: yyyymmdd, a valid day as eight digits
  // Other places in a record that the value may come from: "ip_address", "utm.source". Top level only.
  std::vector<std::string> also;
  // Of an integer or timestamp: a record with a value outside is rejected.
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  PiiClass pii = PiiClass::none;
  Treatment treatment = Treatment::keep;
  std::string description;
  std::vector<Field> fields;  // of a struct; of a list: one field, "element"
};

// A column that is computed of the record's other values, as they are written.
struct ComputedField {
  std::string name;
  std::string text;       // as the contract spells it
  Expression expression;  // field numbers: of Contract::fields, then on from them of Contract::computed
};

// What makes two records the same event. Byte form: docs/formats/event_identity.md.
enum class EventIdentity {
  none,
  canonical,
  user_name_time,
  client_id,  // the value of the field that client_event_id names, as it is
};

struct Contract {
  std::string dataset;  // "events"
  std::string table;    // "processed.events"
  std::string description;
  // A required top-level string of format yyyymmdd, or a computed field that is the date of a required timestamp.
  std::string partition_by;
  std::vector<Field> fields;
  std::vector<ComputedField> computed;      // in the order of the columns
  std::vector<std::size_t> computed_order;  // in an order in which they can be computed
  EventIdentity event_identity = EventIdentity::none;
  std::vector<std::string>
      client_event_id;                // names of top-level fields or event parameters that name the event and win
  std::string unknown_fields_column;  // JSON object of fields that the contract does not name
  Treatment unknown_fields_treatment = Treatment::mask;  // keep or mask
  std::uint64_t record_bytes_max = 0;

  const Field* find(std::string_view field_name) const;  // top level
  const ComputedField* find_computed(std::string_view field_name) const;
  // Where partition_by is a computed field: the timestamp that it is the date of; else null.
  const Field* partition_time() const;
  // The column that names the event: _shoplake_event_id, or the field of event_identity client_id.
  std::string_view event_id_column() const;
};

// The column of computed event identities.
inline constexpr std::string_view kEventIdColumn = "_shoplake_event_id";

inline constexpr std::uint64_t kRecordBytesMaxDefault = 16ULL << 20;
inline constexpr std::uint64_t kRecordBytesMaxLimit = 256ULL << 20;

// Errors: contract.invalid (kind usage), "<path>:<line>: what is wrong".
Result<Contract> parse_contract(std::string_view yaml_text, std::string_view path);

// Reads one contract; its dataset must be called as the file is (events.yml: events).
Result<Contract> read_contract(io::Env& env, const std::string& path);

// Reads <directory>/<dataset>.yml. Errors: contract.unknown_dataset (kind usage) names the datasets that there are.
Result<Contract> load_contract(io::Env& env, const std::string& directory, const std::string& dataset);

}  // namespace shoplake::contract
