#include "cli/format.h"

#include <fmt/format.h>

#include <cmath>

#include "base/moment.h"

namespace shoplake::cli {

namespace {

std::string with_separators(std::string digits) {
  const std::size_t start = !digits.empty() && digits[0] == '-' ? 1 : 0;
  std::size_t end = digits.find('.');
  if (end == std::string::npos) {
    end = digits.size();
  }
  for (std::size_t position = end; position > start + 3;) {
    position -= 3;
    digits.insert(position, ",");
  }
  return digits;
}

// Two significant figures: 0.41, 4.1, 41, 410 (whole above 10).
std::string two_figures(double value) {
  if (value < 0.995) {
    return fmt::format("{:.2f}", value);
  }
  return value < 9.95 ? fmt::format("{:.1f}", value) : fmt::format("{:.0f}", value);
}

}  // namespace

std::string format_count(std::int64_t count) { return with_separators(fmt::format("{}", count)); }

std::string format_amount(double amount, int decimals) {
  return with_separators(fmt::format("{:.{}f}", amount, decimals));
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1024) {
    return fmt::format("{} B", bytes);
  }
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_duration(std::int64_t micros) {
  const double seconds = static_cast<double>(micros) / 1e6;
  if (seconds < 0.0995) {
    return two_figures(seconds * 1e3) + " ms";
  }
  if (seconds < 99.5) {
    return two_figures(seconds) + " s";
  }
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 3600) {
    return fmt::format("{} min {} s", whole / 60, whole % 60);
  }
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string format_rate(std::uint64_t amount, std::int64_t micros, const char* unit) {
  if (micros <= 0) {
    return {};
  }
  const double rate = static_cast<double>(amount) * 1e6 / static_cast<double>(micros);
  if (unit[0] == 'B' && unit[1] == '\0') {
    return format_bytes(static_cast<std::uint64_t>(rate)) + "/s";
  }
  return fmt::format("{} {}/s", format_count(std::llround(rate)), unit);
}

std::string format_minute(std::int64_t micros) {
  std::string text = base::timestamp_text(micros).substr(0, 16);
  text[10] = ' ';
  return text;
}

std::string format_percent(double share, bool with_sign) {
  const double percent = std::round(share * 1000) / 10 + 0.0;  // adding zero takes the sign off a zero
  return with_sign && percent != 0 ? fmt::format("{:+.1f} %", percent) : fmt::format("{:.1f} %", percent);
}

std::string format_noun(std::int64_t count, const char* noun) {
  return fmt::format("{} {}{}", format_count(count), noun, count == 1 ? "" : "s");
}

}  // namespace shoplake::cli
