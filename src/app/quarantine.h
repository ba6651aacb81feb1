// `shoplake quarantine`: what loads rejected, from the tables quarantine.<dataset>. Read-only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/app.h"
#include "base/result.h"

namespace shoplake::app {

struct QuarantineFilter {
  std::string dataset;        // empty: all
  std::string reason;         // "json.malformed"; empty: all
  std::string source_object;  // a part of the raw object's path; empty: all
  std::optional<std::int64_t> line;
  std::int64_t limit = 20;  // of records
};

// Rejected records of one dataset, raw object and reason; or a file that was rejected as a whole, or that a block rule
// of its table keeps out.
struct QuarantineGroup {
  std::string dataset;
  std::string reason_code;
  std::string source_object;  // of a file: where it stands, below the lake's root; a blocked one in raw
  bool is_file = false;
  std::int64_t count = 0;  // records; of a file 0
  std::int64_t first_line = 0;
  std::string message;         // of the first one
  std::string quarantined_at;  // UTC, of the last one
};

struct QuarantinedRecord {
  std::string dataset;
  std::string reason_code;
  std::string message;
  std::string source_object;
  std::int64_t line = 0;
  std::optional<std::int64_t> byte_offset;
  std::int64_t record_bytes = 0;
  std::string record;  // at most the first 64 KiB; personal data is not masked
  std::string quarantined_at;
};

// Newest loads first. Error quarantine.no_such_dataset (usage).
base::Result<std::vector<QuarantineGroup>> list_quarantine(App& app, const QuarantineFilter& filter);
base::Result<std::vector<QuarantinedRecord>> show_quarantine(App& app, const QuarantineFilter& filter);

}  // namespace shoplake::app
