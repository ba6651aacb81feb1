// Where an object is: "s3://bucket/key". A key is any UTF-8 of 1 to 1024 bytes; an empty one names the whole bucket.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace shoplake::s3 {

inline constexpr std::string_view kScheme = "s3://";

struct Location {
  std::string bucket;
  std::string key;
};

// Whether a path names a place in an object store.
bool is_s3(std::string_view path);

// Slashes at the end of the key are taken away. Error s3.bad_location (kind usage).
base::Result<Location> parse_location(std::string_view path);

std::string to_string(const Location& location);

}  // namespace shoplake::s3
