// A data contract: what a dataset's records look like, which fields must be there, which hold personal data and what is
// done with it, and how the records are kept apart in the lake. One YAML file a dataset, datasets/<name>.yml; its
// schema is docs/formats/contract.md.
//
// A Contract is a value, checked when it is read: types are known, names are unique within their parent, the partition
// column and the fields of the event identity exist, expressions have types.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/decimal.h"
#include "contract/expectation.h"
#include "contract/expression.h"
#include "contract/moment_format.h"
#include "contract/pattern.h"
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
  hash,          // the text becomes its HMAC-SHA-256 under the home's key, in lowercase hex
  truncate_ip,   // an IPv4 address loses its last byte, an IPv6 address all but its first 48 bits; else [removed]
  drop,          // not written at all: the table has no such column
};

// What the values of a field must be, beside their type. A record with another value is rejected.
struct Limits {
  // Of a long, timestamp (µs), date (days) or decimal (in its last digit).
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  double real_min = -std::numeric_limits<double>::infinity();  // of a double; NaN is outside of any limit
  double real_max = std::numeric_limits<double>::infinity();
  std::uint32_t length_min = 0;  // of a string: code points
  std::uint32_t length_max = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::string> values;    // of a string, or a long as the contract spells it; empty: any
  std::vector<std::int64_t> numbers;  // the same of a long; sorted
  std::optional<Pattern> pattern;     // of a string

  bool limits_text() const { return length_min > 0 || length_max != kLengthAny || !values.empty() || pattern; }
  bool limits_real() const { return real_min > -kInfinity || real_max < kInfinity; }

  static constexpr std::uint32_t kLengthAny = std::numeric_limits<std::uint32_t>::max();
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
};

struct Field {
  std::string name;
  Type type = Type::text;
  DecimalShape decimal;   // of a decimal
  bool required = false;  // a record without it is rejected; top level only
  bool is_date = false;   // format: yyyymmdd, a valid day as eight digits
  MomentFormat format;    // of a date or timestamp; empty: the spellings of base/moment.h
  // Other places in a record that the value may come from: "ip_address", "utm.source". Top level only.
  std::vector<std::string> also;
  Limits limits;
  PiiClass pii = PiiClass::none;
  Treatment treatment = Treatment::keep;
  std::vector<std::string> tags;
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

// How CSV files of the dataset are spelled.
struct CsvOptions {
  enum class Encoding { automatic, utf8, windows_1252, latin_1 };
  char delimiter = '\0';  // none: found by the names in the header
  char quote = '"';
  Encoding encoding = Encoding::automatic;  // UTF-8, or windows-1252 where the text is not
  NumberSpelling numbers;
  bool has_header = true;          // else the columns are the contract's fields, in their order
  std::vector<std::string> nulls;  // words that mean NULL outside quotes; an empty cell always does
};

// How a table is divided. A partition has a name: the value of a text, else a day (2026-11-21) or a month (2026-11).
struct Partitioning {
  enum class By { nothing, text, day, month };
  enum class Part { whole, year, month, day };
  By by = By::nothing;
  std::vector<std::string> columns;  // of the table, identity transforms
  std::vector<Part> parts;           // of each column: what it holds of the name
  std::string source;                // the required field that names the partition or has its time
};
// The values of the partition's columns, as Iceberg's partition paths spell them.
std::vector<std::string> partition_values(const Partitioning& partitioning, std::string_view partition);

struct Retention {
  std::optional<int> raw_days;
  std::optional<int> processed_days;
  std::optional<int> quarantine_days;
};

enum class Classification { unclassified, public_data, internal, confidential, restricted };

struct Contract {
  std::string dataset;  // "events"
  std::string table;    // "processed.events"
  std::string description;
  std::string owner;
  std::vector<std::string> tags;
  Classification classification = Classification::unclassified;
  Partitioning partitioning;
  std::vector<Field> fields;
  std::vector<ComputedField> computed;      // in the order of the columns
  std::vector<std::size_t> computed_order;  // in an order in which they can be computed
  EventIdentity event_identity = EventIdentity::none;
  std::vector<std::string>
      client_event_id;                // names of top-level fields or event parameters that name the event and win
  std::string unknown_fields_column;  // JSON object of fields that the contract does not name
  Treatment unknown_fields_treatment = Treatment::mask;  // keep, mask or drop
  std::uint64_t record_bytes_max = 0;
  std::uint64_t file_bytes_max = 0;  // as it is stored; a larger file is rejected
  CsvOptions csv;
  // Top-level fields that name a record together. A second record with the key in a file is kept, or rejected.
  std::vector<std::string> key;
  enum class DuplicateKey { keep, reject };
  DuplicateKey duplicate_key = DuplicateKey::keep;
  // A file of the same day and name with another content is a file more, or takes the place of the one before.
  enum class ChangedFile { add, replace };
  ChangedFile changed_file = ChangedFile::add;
  Retention retention;
  std::vector<Expectation> expectations;
  // Key of Treatment::hash, of the home: not part of the file. Set by who loads records.
  std::string hash_key;

  const Field* find(std::string_view field_name) const;  // top level
  const ComputedField* find_computed(std::string_view field_name) const;
  // The timestamp whose day or month is the partition; null where there is none.
  const Field* partition_time() const;
  // The column that names the event: _shoplake_event_id, or the field of event_identity client_id.
  std::string_view event_id_column() const;
  // Whether that is a column that shoplake computes.
  bool has_computed_event_id() const {
    return event_identity == EventIdentity::canonical || event_identity == EventIdentity::user_name_time;
  }
  // Whether a field is hashed, so that hash_key is needed.
  bool needs_hash_key() const;
};

// The column of computed event identities.
inline constexpr std::string_view kEventIdColumn = "_shoplake_event_id";

inline constexpr std::uint64_t kRecordBytesMaxDefault = 16ULL << 20;
inline constexpr std::uint64_t kRecordBytesMaxLimit = 256ULL << 20;
inline constexpr std::uint64_t kFileBytesMaxDefault = 64ULL << 30;

// Errors: contract.invalid (kind usage), "<path>:<line>:<column>: what is wrong".
Result<Contract> parse_contract(std::string_view yaml_text, std::string_view path);

// Reads one contract; its dataset must be called as the file is (events.yml: events).
Result<Contract> read_contract(io::Env& env, const std::string& path);

// Reads <directory>/<dataset>.yml. Errors: contract.unknown_dataset (kind usage) names the datasets that there are.
Result<Contract> load_contract(io::Env& env, const std::string& directory, const std::string& dataset);

}  // namespace shoplake::contract
