// Bulk: a long stretch of the log → durable data files, at the speed of parsing on all cores. For a backlog: micro-
// batches would bring the models along with each, bulk does not.
//
// The stretch is cut into as many parts as there are threads. A thread reads its part from the log a little at a time,
// parses it and has it encoded by another one; so memory does not grow with the stretch, but with the number of threads
// (each: the building and open columns of a transform, transform/record_builder.h) and by about 25 bytes for each
// event, its id. Of an event that is in several parts the first in the log counts: a part that holds events of those
// before it, or of the table, is done again without them.
#pragma once

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "live/collector_letters.h"
#include "live/dataset.h"
#include "live/live.h"

namespace shoplake::live {

using base::Result;

// Of one bulk.
inline constexpr int kBulkThreadsMax = 4;

struct BulkRequest {
  const LiveOptions* options = nullptr;
  std::map<std::string, Dataset*> datasets;  // of the streams, by name
  engine::Session* session = nullptr;
  wal::Offset from = 0;
  wal::Offset to = 0;  // at most Log::end()
  std::stop_token stop;
};

struct Bulk {
  std::map<const Dataset*, Transformed> transformed;
  CollectorLetters letters;
  std::uint64_t records = 0;
  std::uint64_t lost = 0;
  std::map<std::int64_t, std::uint64_t> received;  // milliseconds, records of the streams
};

// Errors: of the log, the files, the catalog; nothing is left behind then. Otherwise the files are the caller's.
Result<Bulk> transform_bulk(const BulkRequest& request);

}  // namespace shoplake::live
