#include "deliver/object_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace shoplake::deliver {

std::string_view name(Compression compression) { return compression == Compression::gzip ? "gzip" : "none"; }

std::string object_name(const ObjectName& name) {
  using std::chrono::floor;
  const std::chrono::sys_time<std::chrono::microseconds> moment{
      std::chrono::microseconds(name.first_received_at_micros)};
  const auto day = floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(floor<std::chrono::seconds>(moment) - day);
  const int year = static_cast<int>(date.year());
  const auto month = static_cast<unsigned>(date.month());
  const auto day_of_month = static_cast<unsigned>(date.day());
  return fmt::format(
      "{0}year={2:04}/month={3:02}/day={4:02}/{1}-1-{2:04}-{3:02}-{4:02}-{5:02}-{6:02}-{7:02}-{8:020}{9}", name.prefix,
      name.stream, year, month, day_of_month, time.hours().count(), time.minutes().count(), time.seconds().count(),
      name.first, name.compression == Compression::gzip ? ".gz" : "");
}

std::string default_prefix(std::string_view stream) { return fmt::format("raw/{}/", stream); }

bool is_safe_prefix(std::string_view prefix) {
  if (prefix.empty() || !prefix.ends_with('/') ||
      std::ranges::any_of(prefix, [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return false;
  }
  while (!prefix.empty()) {
    const std::size_t slash = prefix.find('/');
    const std::string_view part = prefix.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) {
      return false;
    }
    prefix.remove_prefix(slash + 1);
  }
  return true;
}

}  // namespace shoplake::deliver
