#include "collect/ga4_time_zone.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace shoplake::collect {

namespace {

// Header of a TZif block: magic, version, 15 unused bytes, six counts of four bytes.
constexpr std::size_t kHeaderBytes = 44;
constexpr std::size_t kTransitionsMax = 10'000;

std::uint32_t big_endian_32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

std::int64_t big_endian_64(std::string_view bytes, std::size_t at) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(big_endian_32(bytes, at)) << 32 |
                                   big_endian_32(bytes, at + 4));
}

struct Counts {
  std::uint64_t utc_flags, standard_flags, leap_seconds, transitions, types, designation_bytes;

  std::uint64_t block_bytes(std::uint64_t time_bytes) const {
    return transitions * time_bytes + transitions + types * 6 + designation_bytes + leap_seconds * (time_bytes + 4) +
           standard_flags + utc_flags;
  }
};

bool read_header(std::string_view bytes, Counts& counts) {
  if (bytes.size() < kHeaderBytes || bytes.substr(0, 4) != "TZif") {
    return false;
  }
  counts = {big_endian_32(bytes, 20), big_endian_32(bytes, 24), big_endian_32(bytes, 28),
            big_endian_32(bytes, 32), big_endian_32(bytes, 36), big_endian_32(bytes, 40)};
  return true;
}

base::Error bad_time_zone(std::string_view why) {
  return base::make_error(base::ErrorKind::usage, "collect.bad_time_zone",
                          "The bytes of the time zone are no TZif file: " + std::string(why) + ".",
                          "Give the name of a time zone of this machine's tzdata, like Europe/Berlin.");
}

// The POSIX text at the end of a file, like "CET-1CEST,M3.5.0,M10.5.0/3".
class Footer {
 public:
  explicit Footer(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  char peek() const { return text_.empty() ? '\0' : text_.front(); }
  bool take(char c) {
    if (peek() != c) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }
  bool designation() {
    const std::size_t size = take('<') ? std::min(text_.find('>'), text_.size())
                                       : std::min(text_.find_first_of("+-,0123456789"), text_.size());
    const bool quoted = size < text_.size() && text_[size] == '>';
    const bool there = size >= 1;
    text_.remove_prefix(size + (quoted ? 1 : 0));
    return there;
  }
  bool number(int limit, int& value) {
    if (peek() < '0' || peek() > '9') {
      return false;
    }
    value = 0;
    while (peek() >= '0' && peek() <= '9' && value <= limit) {
      value = value * 10 + (peek() - '0');
      text_.remove_prefix(1);
    }
    return value <= limit;
  }
  // [+-]hh[:mm[:ss]]
  bool time(std::int32_t& seconds) {
    const int sign = take('-') ? -1 : 1;
    if (sign == 1) {
      take('+');
    }
    int hours = 0, minutes = 0, rest = 0;
    if (!number(167, hours) || (take(':') && (!number(59, minutes) || (take(':') && !number(59, rest))))) {
      return false;
    }
    seconds = sign * (hours * 3600 + minutes * 60 + rest);
    return true;
  }

 private:
  std::string_view text_;
};

}  // namespace

base::Result<TimeZone> TimeZone::parse(std::string_view tzif) {
  Counts counts{};
  if (!read_header(tzif, counts)) {
    return bad_time_zone("it does not begin like one");
  }
  if (tzif[4] < '2') {
    return bad_time_zone("version 1 has no times after 2037");
  }
  const std::uint64_t skipped = kHeaderBytes + counts.block_bytes(4);
  if (skipped > tzif.size() || !read_header(tzif = tzif.substr(skipped), counts)) {
    return bad_time_zone("it ends too early");
  }
  if (counts.transitions > kTransitionsMax || counts.types == 0 || counts.types > 256 ||
      kHeaderBytes + counts.block_bytes(8) > tzif.size()) {
    return bad_time_zone("its counts are not those of its length");
  }
  const std::size_t times = kHeaderBytes;
  const std::size_t types_of = times + counts.transitions * 8;
  const std::size_t types = types_of + counts.transitions;
  const auto offset_of = [&](std::size_t type) {
    return static_cast<std::int32_t>(big_endian_32(tzif, types + type * 6));
  };
  TimeZone zone;
  for (std::size_t type = 0; type < counts.types; ++type) {
    if (offset_of(type) < -93'600 || offset_of(type) > 93'600) {  // RFC 9636: within -25 and +26 hours
      return bad_time_zone("an offset is more than a day");
    }
  }
  zone.first_offset_ = zone.standard_offset_ = offset_of(0);
  for (std::size_t i = 0; i < counts.transitions; ++i) {
    const std::size_t type = static_cast<unsigned char>(tzif[types_of + i]);
    const std::int64_t at = big_endian_64(tzif, times + i * 8);
    if (type >= counts.types || (i > 0 && at <= zone.transitions_.back())) {
      return bad_time_zone("its transitions are out of order");
    }
    zone.transitions_.push_back(at);
    zone.offsets_.push_back(offset_of(type));
    zone.standard_offset_ = offset_of(type);
  }
  std::string_view footer = tzif.substr(kHeaderBytes + counts.block_bytes(8));
  if (footer.size() >= 2 && footer.front() == '\n' && footer.back() == '\n') {
    footer = footer.substr(1, footer.size() - 2);
    if (!footer.empty() && !zone.parse_footer(footer)) {
      return bad_time_zone("its rule for the years to come is malformed");
    }
  }
  return zone;
}

bool TimeZone::parse_footer(std::string_view text) {
  Footer footer(text);
  std::int32_t west = 0;
  if (!footer.designation() || !footer.time(west)) {
    return false;
  }
  standard_offset_ = -west;
  if (footer.at_end()) {
    return true;
  }
  summer_offset_ = standard_offset_ + 3600;
  if (!footer.designation()) {
    return false;
  }
  if (footer.peek() != ',') {
    if (!footer.time(west)) {
      return false;
    }
    summer_offset_ = -west;
  }
  for (YearlyRule* rule : {&summer_begins_, &summer_ends_}) {
    if (!footer.take(',')) {
      return false;
    }
    if (footer.take('M')) {
      rule->form = YearlyRule::Form::week_of_month;
      if (!footer.number(12, rule->month) || rule->month == 0 || !footer.take('.') || !footer.number(5, rule->week) ||
          rule->week == 0 || !footer.take('.') || !footer.number(6, rule->day)) {
        return false;
      }
    } else {
      rule->form = footer.take('J') ? YearlyRule::Form::day_of_year_without_leap : YearlyRule::Form::day_of_year;
      if (!footer.number(365, rule->day)) {
        return false;
      }
    }
    rule->seconds = 2 * 3600;
    if (footer.take('/') && !footer.time(rule->seconds)) {
      return false;
    }
  }
  has_summer_time_ = footer.at_end();
  return has_summer_time_;
}

std::int64_t TimeZone::YearlyRule::at(int year) const {
  using namespace std::chrono;
  sys_days found{};
  switch (form) {
    case Form::week_of_month: {
      const year_month in{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month))};
      const weekday wanted(static_cast<unsigned>(day));
      found = week == 5 ? sys_days(in / wanted[last]) : sys_days(in / wanted[static_cast<unsigned>(week)]);
      break;
    }
    case Form::day_of_year: found = sys_days(std::chrono::year(year) / January / 1) + days(day); break;
    case Form::day_of_year_without_leap: {
      const int leap = std::chrono::year(year).is_leap() && day >= 60 ? 1 : 0;
      found = sys_days(std::chrono::year(year) / January / 1) + days(day - 1 + leap);
      break;
    }
  }
  return found.time_since_epoch().count() * std::int64_t{86'400} + seconds;
}

std::int32_t TimeZone::offset_seconds(std::int64_t at_seconds) const {
  if (!transitions_.empty() && at_seconds < transitions_.back()) {
    const auto next = std::upper_bound(transitions_.begin(), transitions_.end(), at_seconds);
    return next == transitions_.begin() ? first_offset_
                                        : offsets_[static_cast<std::size_t>(next - transitions_.begin()) - 1];
  }
  if (!has_summer_time_) {
    return standard_offset_;
  }
  const std::chrono::sys_days day = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_seconds(std::chrono::seconds(at_seconds + standard_offset_)));
  const int year = static_cast<int>(std::chrono::year_month_day(day).year());
  const std::int64_t begins = summer_begins_.at(year) - standard_offset_;
  const std::int64_t ends = summer_ends_.at(year) - summer_offset_;
  const bool summer = begins < ends ? at_seconds >= begins && at_seconds < ends
                                    : at_seconds >= begins || at_seconds < ends;  // of the southern half
  return summer ? summer_offset_ : standard_offset_;
}

}  // namespace shoplake::collect
