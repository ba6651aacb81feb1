// Formats of days and times that a contract declares, in the notation of strptime: "%d/%m/%Y %H:%M". All times are UTC
// unless the format has %z. Immutable; any thread may parse.
//
//   %Y year (4 digits)   %y year (2 digits: 69 to 99 are 19.., else 20..)   %m month   %d day   %b month's name (Jan)
//   %H hour 0 to 23      %I hour 1 to 12   %p AM or PM   %M minute   %S second   %f fraction of a second, 1 to 9 digits
//   %z Z, +hh, +hhmm or +hh:mm   %s seconds since 1970-01-01   %% a percent sign
//
// %m %d %H %I %M %S take one digit, too. Names of months and AM, PM are English, in any case. Everything else stands
// for itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace shoplake::contract {

class MomentFormat {
 public:
  MomentFormat() = default;  // empty: the spellings of base/moment.h

  // Errors: contract.format (kind usage): an unknown directive, or one that is missing (a day needs year, month, day).
  static base::Result<MomentFormat> parse(std::string_view text);

  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }
  bool has_time() const { return has_time_; }

  // Microseconds since 1970-01-01; nothing if the text does not follow the format or names no moment.
  std::optional<std::int64_t> micros(std::string_view value) const;

 private:
  std::string text_;
  bool has_time_ = false;
};

}  // namespace shoplake::contract
