#include "s3/location.h"

#include <algorithm>
#include <cctype>

namespace shoplake::s3 {
namespace {

constexpr std::size_t kKeyBytesMax = 1024;

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and what older buckets may have.
bool is_bucket_name(std::string_view name) {
  return name.size() >= 3 && name.size() <= 255 && std::ranges::all_of(name, [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
         });
}

}  // namespace

bool is_s3(std::string_view path) { return path.starts_with(kScheme); }

base::Result<Location> parse_location(std::string_view path) {
  const auto bad = [&](const std::string& why) {
    return base::make_error(base::ErrorKind::usage, "s3.bad_location", "\"" + std::string(path) + "\" " + why,
                            "Write it as s3://bucket/prefix.");
  };
  if (!is_s3(path))
    return bad("is no place in an object store");
  const std::string_view rest = path.substr(kScheme.size());
  const std::size_t slash = rest.find('/');
  const std::string_view bucket = rest.substr(0, slash);
  if (!is_bucket_name(bucket))
    return bad("names no bucket");
  std::string_view key = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  while (key.ends_with('/'))
    key.remove_suffix(1);
  if (key.size() > kKeyBytesMax)
    return bad("is longer than a key may be");
  return Location{std::string(bucket), std::string(key)};
}

std::string to_string(const Location& location) {
  return std::string(kScheme) + location.bucket + (location.key.empty() ? "" : "/" + location.key);
}

}  // namespace shoplake::s3
