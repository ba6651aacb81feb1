// The name of a raw object that a stream's records are delivered as: Amazon Data Firehose's form, with the offset of
// its first record in the place of the UUID, so that it leads back to the log and the same records get the same name.
//   <prefix>year=2026/month=11/day=21/<stream>-1-2026-11-21-05-46-00-00000000000000001234.gz
// Times are UTC, of the first record's receipt. Format: docs/formats/raw_objects.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wal/segment.h"

namespace shoplake::deliver {

enum class Compression { gzip, none };

std::string_view name(Compression compression);  // "gzip", "none"

struct ObjectName {
  std::string_view prefix;  // ends with '/' or is empty
  std::string_view stream;
  std::int64_t first_received_at_micros = 0;
  wal::Offset first = 0;
  Compression compression = Compression::gzip;
};

// Below the lake's root.
std::string object_name(const ObjectName& name);

// "raw/<stream>/"
std::string default_prefix(std::string_view stream);
// A path below the lake's root that stays there: relative, no "." or "..", no empty part but the last, no control
// characters.
bool is_safe_prefix(std::string_view prefix);

}  // namespace shoplake::deliver
