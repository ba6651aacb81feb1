#include "ingest/file_name.h"

#include <algorithm>
#include <array>

#include "base/moment.h"

namespace shoplake::ingest {

namespace {

constexpr std::size_t kDayBytes = 10;

bool is_day(std::string_view text) { return text.size() == kDayBytes && base::parse_date(text).has_value(); }

}  // namespace

std::string file_date(std::string_view path, std::int64_t now_micros) {
  constexpr std::string_view kFolder = "/date=";
  const std::size_t slash = path.rfind('/');
  const std::size_t folder = slash == std::string_view::npos ? slash : path.rfind(kFolder, slash);
  if (folder != std::string_view::npos) {
    const std::string_view day = path.substr(folder + kFolder.size(), kDayBytes);
    if (is_day(day) && path.substr(folder + kFolder.size() + kDayBytes).starts_with('/'))
      return std::string(day);
  }
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  for (std::size_t at = 0; at + kDayBytes <= name.size(); ++at) {
    if (is_day(name.substr(at, kDayBytes)))
      return std::string(name.substr(at, kDayBytes));
  }
  return base::date_text(base::day_of(now_micros));
}

bool is_unfinished_name(std::string_view name) {
  constexpr std::array<std::string_view, 8> kEndings = {"~",           ".tmp",      ".part", ".partial",
                                                        ".crdownload", ".filepart", ".swp",  ".inprogress"};
  return name.empty() || name.front() == '.' || name.front() == '_' ||
         std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

}  // namespace shoplake::ingest
