// JsonReader: JSON records into a RecordBuilder, by contract.
//
// simdjson finds the structure of a whole run of records at once (its stage 1: UTF-8, strings, structural characters);
// a walker of our own follows the contract over those positions. Keys are guessed from the record before, texts are
// views of the input, nothing is allocated for a record. The walker checks the full JSON grammar (RFC 8259), also of
// fields that the contract does not name: a malformed record never loads in part.
//
// Coercions (docs/formats/contract.md): long from a number or text that is integral; double from a number or numeric
// text, "NaN", "Infinity", "-Infinity"; string from a number or boolean, by its spelling; boolean from true, false and
// their texts; timestamp and date as base/moment.h reads them. null and absent are NULL; of a field that is dropped
// any value is passed over. Anything else rejects the record. Not thread safe.
//
// A span may hold several records, as senders and Firehose put them together: objects one after another with or without
// white space between them, or in arrays of objects. Each is accepted or rejected by itself. What cannot be told apart
// from the record before it (a brace too many) is rejected with it, up to the end of the line.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contract/contract.h"
#include "transform/record_builder.h"

namespace shoplake::transform {

// Why a record was rejected: stable codes, the column reason_code of quarantine.events.
namespace reason {
inline constexpr std::string_view kMalformed = "json.malformed";
inline constexpr std::string_view kInvalidUtf8 = "json.invalid_utf8";
inline constexpr std::string_view kNotAnObject = "json.not_an_object";
inline constexpr std::string_view kDuplicateField = "json.duplicate_field";
inline constexpr std::string_view kTooLarge = "record.too_large";
inline constexpr std::string_view kMissingField = "contract.missing_field";
inline constexpr std::string_view kWrongType = "contract.wrong_type";
inline constexpr std::string_view kInvalidDate = "contract.invalid_date";
inline constexpr std::string_view kInvalidTimestamp = "contract.invalid_timestamp";
inline constexpr std::string_view kOutOfRange = "contract.out_of_range";
inline constexpr std::string_view kTooManyPartitions = "contract.too_many_partitions";
}  // namespace reason

struct Rejection {
  std::string_view reason;
  std::string message;
};

// Where a record (or several, see JsonReader) stands in its object, uncompressed.
struct RecordSpan {
  std::uint32_t offset = 0;  // in the block
  std::uint32_t length = 0;
  std::uint32_t line = 0;  // counted from the block's first line
  // Of a record of the log; 0 where one moment is all records'.
  std::int64_t received_at_micros = 0;
};

// Bytes of whole records; at least kBlockPadding readable bytes follow `size`.
inline constexpr std::size_t kBlockPadding = 64;

// Fields that the contract does not name, by path and type of value.
class Drift {
 public:
  // Names beyond this many are only counted.
  static constexpr std::size_t kNamesMax = 1'000;

  void add(std::string_view path, std::string_view type);
  struct Entry {
    std::string path;
    std::string type;
    std::int64_t count = 0;
  };
  std::vector<Entry> entries() const;  // by path, then type
  std::int64_t unlisted() const { return unlisted_; }

 private:
  std::map<std::pair<std::string, std::string>, std::int64_t> counts_;
  std::int64_t unlisted_ = 0;
};

// A day as eight digits that is in the calendar, 1900 to 2999.
bool is_yyyymmdd(std::string_view text);

class JsonReader {
 public:
  using OnRejection = std::function<void(const RecordSpan& span, const Rejection& rejection)>;

  JsonReader(const contract::Contract& contract, RecordBuilder& builder, Drift& drift);
  ~JsonReader();

  // Reads the records of a block in order; `first_line` is the number of the block's first line.
  void read(const char* block, const std::vector<RecordSpan>& records, std::int64_t first_line,
            const OnRejection& on_rejection);
  std::int64_t accepted() const;
  std::int64_t duplicates() const;  // that the builder's filter left out

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::transform
