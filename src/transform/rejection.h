// Why a record is rejected: stable codes, the column reason_code of quarantine tables, and their messages. Messages
// show a value only where docs/formats/quarantine.md says so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "transform/layout.h"

namespace shoplake::transform {

namespace reason {
inline constexpr std::string_view kMalformed = "json.malformed";
inline constexpr std::string_view kInvalidUtf8 = "json.invalid_utf8";
inline constexpr std::string_view kNotAnObject = "json.not_an_object";
inline constexpr std::string_view kDuplicateField = "json.duplicate_field";
inline constexpr std::string_view kCsvMalformed = "csv.malformed";
inline constexpr std::string_view kCsvRagged = "csv.ragged_row";
inline constexpr std::string_view kCsvInvalidUtf8 = "csv.invalid_utf8";
inline constexpr std::string_view kCsvNul = "csv.nul_byte";
inline constexpr std::string_view kCsvDuplicateField = "csv.duplicate_field";
inline constexpr std::string_view kTooLarge = "record.too_large";
inline constexpr std::string_view kMissingField = "contract.missing_field";
inline constexpr std::string_view kWrongType = "contract.wrong_type";
inline constexpr std::string_view kInvalidDate = "contract.invalid_date";
inline constexpr std::string_view kInvalidTimestamp = "contract.invalid_timestamp";
inline constexpr std::string_view kOutOfRange = "contract.out_of_range";
inline constexpr std::string_view kNotAllowed = "contract.value_not_allowed";
inline constexpr std::string_view kPattern = "contract.pattern_mismatch";
inline constexpr std::string_view kLength = "contract.invalid_length";
inline constexpr std::string_view kDuplicateKey = "contract.duplicate_key";
inline constexpr std::string_view kTooManyKeys = "contract.too_many_keys";
inline constexpr std::string_view kTooManyPartitions = "contract.too_many_partitions";
}  // namespace reason

struct Rejection {
  std::string_view reason;
  std::string message;
};

// "decimal(12,2)": the type that a value of the node must have.
std::string expected_type(const Node& node);

Rejection wrong_type(const Node& node, std::string_view found);
Rejection out_of_range(const Node& node, std::int64_t value);
Rejection out_of_range(const Node& node, double value);
Rejection invalid_date(const Node& node, std::string_view text);
Rejection invalid_timestamp(const Node& node, std::string_view text);
Rejection missing_field(std::string_view name);

}  // namespace shoplake::transform
