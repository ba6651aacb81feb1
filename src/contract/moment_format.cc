#include "contract/moment_format.h"

#include <array>
#include <set>

#include <fmt/format.h>

#include "base/moment.h"

namespace shoplake::contract {

namespace {

using base::ErrorKind;
using base::make_error;

constexpr std::string_view kDirectives = "YymdbHIpMSfzs%";
constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};

base::Error wrong(std::string_view format, std::string_view what) {
  return make_error(ErrorKind::usage, "contract.format", fmt::format("the format \"{}\" {}", format, what),
                    "docs/formats/contract.md describes the formats of days and times.");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); }

// What the directives said.
struct Parts {
  int year = 1970;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  std::int64_t micros = 0;
  std::int64_t zone_seconds = 0;
  std::optional<bool> is_afternoon;
  std::optional<std::int64_t> epoch;
};

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  bool take(char c) {
    if (at_end() || text_[at_] != c)
      return false;
    ++at_;
    return true;
  }
  // `least` to `most` digits, as many as there are.
  bool number(int least, int most, int& value) {
    value = 0;
    int taken = 0;
    while (taken < most && !at_end() && is_digit(text_[at_])) {
      value = value * 10 + (text_[at_++] - '0');
      ++taken;
    }
    return taken >= least;
  }
  bool month_name(int& month) {
    for (std::size_t index = 0; index < kMonths.size(); ++index) {
      if (takes(kMonths[index])) {
        month = static_cast<int>(index) + 1;
        return true;
      }
    }
    return false;
  }
  bool takes(std::string_view word) {
    if (text_.size() - at_ < word.size())
      return false;
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (lower(text_[at_ + i]) != word[i])
        return false;
    }
    at_ += word.size();
    return true;
  }
  bool fraction(std::int64_t& micros) {
    std::int64_t unit = base::kMicrosPerSecond / 10;
    int taken = 0;
    micros = 0;
    for (; taken < 9 && !at_end() && is_digit(text_[at_]); ++taken, ++at_) {
      micros += (text_[at_] - '0') * unit;
      unit /= 10;
    }
    return taken > 0;
  }
  bool zone(std::int64_t& seconds) {
    if (take('Z') || take('z')) {
      seconds = 0;
      return true;
    }
    const bool minus = take('-');
    int hours = 0;
    int minutes = 0;
    if ((!minus && !take('+')) || !number(2, 2, hours))
      return false;
    if (take(':') || (!at_end() && is_digit(text_[at_]))) {
      if (!number(2, 2, minutes))
        return false;
    }
    seconds = (hours * 3600 + minutes * 60) * (minus ? -1 : 1);
    return hours <= 18 && minutes <= 59;
  }
  bool epoch(std::int64_t& seconds) {
    const bool minus = take('-');
    seconds = 0;
    int taken = 0;
    for (; taken < 12 && !at_end() && is_digit(text_[at_]); ++taken)
      seconds = seconds * 10 + (text_[at_++] - '0');
    seconds = minus ? -seconds : seconds;
    return taken > 0;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

bool take_directive(char directive, Scanner& scanner, Parts& parts) {
  switch (directive) {
    case 'Y': return scanner.number(4, 4, parts.year);
    case 'y':
      if (!scanner.number(2, 2, parts.year))
        return false;
      parts.year += parts.year >= 69 ? 1900 : 2000;
      return true;
    case 'm': return scanner.number(1, 2, parts.month);
    case 'd': return scanner.number(1, 2, parts.day);
    case 'b': return scanner.month_name(parts.month);
    case 'H': return scanner.number(1, 2, parts.hour) && parts.hour <= 23;
    case 'I': return scanner.number(1, 2, parts.hour) && parts.hour >= 1 && parts.hour <= 12;
    case 'p': parts.is_afternoon = scanner.takes("pm"); return *parts.is_afternoon || scanner.takes("am");
    case 'M': return scanner.number(1, 2, parts.minute) && parts.minute <= 59;
    case 'S': return scanner.number(1, 2, parts.second) && parts.second <= 60;
    case 'f': return scanner.fraction(parts.micros);
    case 'z': return scanner.zone(parts.zone_seconds);
    case 's': {
      std::int64_t seconds = 0;
      if (!scanner.epoch(seconds))
        return false;
      parts.epoch = seconds;
      return true;
    }
    default: return scanner.take('%');
  }
}

}  // namespace

base::Result<MomentFormat> MomentFormat::parse(std::string_view text) {
  std::set<char> seen;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%')
      continue;
    if (++at == text.size())
      return wrong(text, "ends with a percent sign");
    if (kDirectives.find(text[at]) == std::string_view::npos)
      return wrong(text, fmt::format("has the unknown directive %{}", text[at]));
    if (text[at] != '%' && !seen.insert(text[at]).second)
      return wrong(text, fmt::format("has %{} twice", text[at]));
  }
  const auto has = [&](std::string_view any) {
    return any.find_first_of(std::string(seen.begin(), seen.end())) != std::string_view::npos;
  };
  if (!has("s")) {
    if (!has("Yy") || !has("mb") || !has("d"))
      return wrong(text, "needs a year (%Y), a month (%m or %b) and a day (%d)");
    if (has("I") != has("p"))
      return wrong(text, "needs %I and %p together");
  }
  MomentFormat format;
  format.text_ = text;
  format.has_time_ = has("HIMSs");
  return format;
}

std::optional<std::int64_t> MomentFormat::micros(std::string_view value) const {
  Scanner scanner(value);
  Parts parts;
  for (std::size_t at = 0; at < text_.size(); ++at) {
    const bool taken = text_[at] == '%' ? take_directive(text_[++at], scanner, parts) : scanner.take(text_[at]);
    if (!taken)
      return std::nullopt;
  }
  if (!scanner.at_end())
    return std::nullopt;
  std::int64_t seconds = 0;
  if (parts.epoch) {
    seconds = *parts.epoch;
  } else {
    const auto days = base::days_of(parts.year, parts.month, parts.day);
    if (!days)
      return std::nullopt;
    if (parts.is_afternoon)
      parts.hour = parts.hour % 12 + (*parts.is_afternoon ? 12 : 0);
    seconds = *days * 86'400 + parts.hour * 3600 + parts.minute * 60 + parts.second;
  }
  return base::in_calendar((seconds - parts.zone_seconds) * base::kMicrosPerSecond + parts.micros);
}

}  // namespace shoplake::contract
