// `shoplake inspect`: what is in a file of the log or in a raw object, read-only and without a home. Damage is told,
// not an error; files may be in use.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::app {

// Offsets [first, end) that cannot be read.
struct InspectedLoss {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  std::string reason;
};

struct InspectedSegment {
  std::string path;
  bool is_readable = false;  // false: neither its header nor its name says how to read it, or the file cannot be read
  std::string problem;       // why not
  bool is_header_damaged = false;  // what is below comes from its name then
  std::uint32_t sequence = 0;
  std::uint64_t first = 0;        // offset of its first record
  std::uint64_t end = 0;          // behind its last readable one
  std::string created_at;         // UTC; empty if the header is damaged
  std::string first_received_at;  // UTC, of its records; empty without any
  std::string last_received_at;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  std::uint64_t payload_bytes = 0;
  std::map<std::string, std::uint64_t> streams;  // records of each
  std::vector<InspectedLoss> lost;
  std::uint64_t bytes_damaged = 0;  // between records
  std::uint64_t tail_bytes = 0;     // behind the last record that counts: torn, given up or damaged
};

struct InspectedLog {
  std::vector<InspectedSegment> segments;  // oldest first
  std::vector<InspectedLoss> missing;      // between segments
};

struct InspectedRecord {
  std::uint64_t offset = 0;
  std::string_view stream;
  std::string received_at;  // UTC
  std::string_view payload;
};

struct InspectOptions {
  std::uint64_t from = 0;   // records before it are not shown
  std::uint64_t limit = 0;  // of records shown
  std::string stream{};     // only this one's; empty: all
  std::function<void(const InspectedRecord&)> show{};
};

// `path` is the folder of a log or one segment. Errors: inspect.no_such_path, inspect.not_a_log (usage), and Env's if
// the folder cannot be listed.
base::Result<InspectedLog> inspect_wal(io::Env& env, const std::string& path, const InspectOptions& options);

struct InspectedObject {
  std::string path;
  std::uint64_t bytes = 0;
  std::string md5;
  std::string format;               // "gzip", "parquet", "plain"
  std::string problem;              // why it cannot be read to its end; empty: it can
  std::uint64_t payload_bytes = 0;  // inflated, as far as it can be read; 0 for Parquet
  std::uint64_t records = 0;        // lines that are not blank
  std::string first_record;         // at most kInspectedRecordBytes of each
  std::string last_record;
  // From the name of a delivered object.
  std::string stream;
  std::optional<std::uint64_t> first_offset;
};

inline constexpr std::size_t kInspectedRecordBytes = 64 << 10;

// Errors: inspect.no_such_path, inspect.is_directory (usage), and Env's.
base::Result<InspectedObject> inspect_object(io::Env& env, const std::string& path);

}  // namespace shoplake::app
