// One value of a primitive Iceberg type as bytes ("single-value serialization", table spec, Appendix D): what bounds
// and, in shoplake, partition values are held as. Pure functions.
//
//   boolean 1 byte · int, date 4 bytes LE · long, time, timestamp(tz) 8 bytes LE (microseconds) · float 4, double 8
//   bytes LE · string UTF-8 · uuid 16 bytes BE · fixed, binary as they are · decimal: unscaled two's complement,
//   big-endian, shortest
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace shoplake::catalog {

// From text: numbers and booleans as in JSON (also "t"/"f"), dates YYYY-MM-DD, times HH:MM:SS[.ffffff], timestamps with
// 'T' or a blank between and an optional zone ("Z", "+02", "+02:30"), uuids in canonical form. Error
// catalog.invalid_value (input).
base::Result<std::string> single_value_from_text(const std::string& type, std::string_view text);

// The text that Iceberg puts into partition paths (before URL encoding): "42", "2026-11-21", "2026-11-21T10:00:00".
base::Result<std::string> single_value_to_text(const std::string& type, std::string_view bytes);

// Whether `bytes` has the length that the type needs.
bool is_single_value(const std::string& type, std::string_view bytes);

// <0, 0, >0 in the type's order; bytes must be valid single values. NaN sorts last.
int compare_single_values(const std::string& type, std::string_view left, std::string_view right);

bool is_nan(const std::string& type, std::string_view bytes);

// A value of type `from` as one of `to`, a legal promotion (int to long, float to double); others unchanged.
std::string promote_single_value(const std::string& from, const std::string& to, std::string_view bytes);

// String bounds cut to `length` code points: a lower bound is simply cut; an upper bound is cut and its last code point
// raised, or is none where no greater string of that length exists.
std::string truncated_lower_bound(std::string_view text, std::size_t length);
std::optional<std::string> truncated_upper_bound(std::string_view text, std::size_t length);

std::string encode_int(std::int32_t value);
std::string encode_long(std::int64_t value);
std::int32_t decode_int(std::string_view bytes);   // 4 bytes
std::int64_t decode_long(std::string_view bytes);  // 8 bytes

// Precision and scale of "decimal(9,2)"; none for other types.
struct DecimalType {
  int precision = 0;
  int scale = 0;
  int fixed_size() const;  // bytes that hold every value of this precision (Avro's fixed)
};
std::optional<DecimalType> decimal_type(std::string_view type);
// The length of "fixed[16]".
std::optional<int> fixed_length(std::string_view type);

}  // namespace shoplake::catalog
