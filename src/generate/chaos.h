// What real exports contain on bad days, planted on purpose: lines that no contract may accept and lines that look odd
// but are fine. Each is made from a good line; the manifest counts them, so that a test can compare what a load reports
// with what was planted.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "generate/dataset.h"
#include "generate/random.h"

namespace shoplake::generate {

enum class Oddity : std::uint8_t {
  // A load must reject these.
  cut_in_the_middle,
  not_an_object,
  wrong_type,  // the timestamp is a word
  missing_timestamp,
  impossible_date,  // the 45th of month 13
  invalid_utf8,
  raw_control_character,
  text_after_the_end,
  unquoted_keys,
  integer_overflow,  // the timestamp is beyond 64 bits
  // A load must accept these, one row each.
  unknown_fields,
  huge_text,  // 256 KiB
  naughty_text,
  numbers_and_nulls,  // the other spelling: INT64 as numbers, NULLs written out
  exact_duplicate,
  out_of_order,  // three days earlier
  windows_line_end,
  empty_objects,
  deep_nesting,  // an unknown field 40 levels deep
  // A load must pass over these: no row, no reject.
  blank_line,
};
inline constexpr std::size_t kOddities = static_cast<std::size_t>(Oddity::blank_line) + 1;
enum class Outcome : std::uint8_t { rejected, accepted, ignored };

std::string_view oddity_name(Oddity oddity);
Outcome expected_outcome(Oddity oddity);

// How many of each were planted.
struct Planted {
  std::array<std::uint64_t, kOddities> count{};
  std::uint64_t with_outcome(Outcome outcome) const;
  void add(const Planted& other);
};

// Appends one odd line, made from `good_line` (with its line end), to `text`.
void append_oddity(Dataset dataset, Oddity oddity, std::string_view good_line, Random& random, std::string& text);

// The UTF-8 byte order mark that a chaotic file begins with.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace shoplake::generate
