// What the beginning of an object tells: its format, and the columns of its first records. Reads at most
// kSampleBytesMax of inflated data, whatever the object's size; memory and time are bounded by that. Files are
// strangers' bytes: nothing here fails on them, what cannot be understood has a reason instead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crawl/columns.h"
#include "io/env.h"

namespace shoplake::crawl {

inline constexpr std::size_t kSampleBytesMax = 64 << 10;
inline constexpr std::size_t kSampleRecordsMax = 500;

enum class Format { unknown, ndjson, json_array, csv, parquet };
std::string_view name(Format format);
Format format_named(std::string_view name);

struct Sample {
  Format format = Format::unknown;
  bool is_gzip = false;
  char delimiter = ',';             // of CSV
  bool has_header = true;           // of CSV
  Columns columns;                  // of Parquet: none, its footer is read by the engine
  std::int64_t records = 0;         // that were looked at
  std::vector<Conflict> conflicts;  // within the object
  std::string problem;              // why the format is unknown
};

// `bytes`: the inflated beginning; `is_whole`: that is all there is.
Sample sample_bytes(std::string_view bytes, bool is_whole);

// Errors: those of Env only.
Result<Sample> sample_object(io::Env& env, const std::string& path);

}  // namespace shoplake::crawl
