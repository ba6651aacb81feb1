// The objects below a folder of the lake, and what their paths say: key=value partitions, and the pattern of paths that
// a scan of all like them would name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::crawl {

using base::Result;

inline constexpr std::size_t kObjectsMax = 2'000'000;  // of one table

struct Object {
  std::string path;  // below the table's folder: "date=2026-11-21/a.ndjson.gz"
  std::uint64_t bytes = 0;
  std::int64_t modified_micros = 0;
  std::string entity_tag;
};

struct PartitionValue {
  std::string key;
  std::string value;  // decoded: %20 is a space
};

// All objects, by path; names that begin with '.' or '_', temporary ones (*.tmp) and empty ones are none. Error
// crawl.too_many_objects (failed).
Result<std::vector<Object>> list_objects(io::Env& env, const std::string& folder);

// The key=value folders of an object's path, in order.
std::vector<PartitionValue> partition_of(const std::string& path);
// "date=2026-11-21", as the folders spell it; empty if there is none.
std::string partition_folder(const std::string& path);

// A glob for this object and others that lie and end like it: "date=*/[!._]*.ndjson.gz". Folders that are no key=value
// stay as they are.
std::string pattern_of(const std::string& path);
// A glob for this object alone.
std::string exact_pattern(const std::string& path);

}  // namespace shoplake::crawl
