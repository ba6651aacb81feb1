// Log: the write-ahead log that every received record goes through before it is acknowledged. One log for all streams;
// an offset is a record's number, 0, 1, 2, …, never given twice to an acknowledged record.
//
// Appends are committed in groups: one writer thread takes everything that is queued, writes it, calls fdatasync once,
// then tells every caller. So `done` with an offset means: durable. `done` with an error means: not acknowledged; the
// records may or may not be found after a crash (as with any request whose answer was lost), and a sender that repeats
// them is deduplicated by event id downstream. Records of one append have consecutive offsets.
//
// The records are in segment files, docs/formats/wal.md. A segment is written by one process in one go: a restart and a
// failed write or sync begin a new one, and no file is ever written or synced again after a failure. What a failed
// segment holds beyond its last good sync does not count, because the next segment's first offset says so.
//
// Damage never keeps the log from opening or reading: a torn end is cut, records that cannot be read are reported as
// lost ranges (Batch::lost, log record wal.records_lost) and skipped.
//
// One process at a time (an exclusive lock on <directory>/lock). All methods may be called from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "io/env.h"
#include "wal/segment.h"

namespace shoplake::wal {

using base::Result;

struct LogOptions {
  io::Env* env = nullptr;
  std::string directory;  // created if absent

  // A segment that is this large is closed and the next one begun.
  std::uint64_t segment_bytes = 64 << 20;
  // Records that are queued or being written, with what the queue itself costs. Beyond it appends are refused.
  std::uint64_t queue_bytes_max = 64 << 20;
  // After a failed write or sync appends are refused at once for so long; the next one tries again.
  std::chrono::milliseconds retry_after{100};
  // No record gets an offset below this. Give the greatest position of any consumer: if the log's last segment was lost
  // or damaged, new records must not get offsets that a consumer believes to have seen.
  Offset offset_min = 0;
  base::Metrics* metrics = nullptr;  // outlives the log
};

// One record to append. The views need to live only until append() returns.
struct Entry {
  std::string_view stream;  // 1 to kStreamNameBytesMax bytes
  std::int64_t received_at_micros = 0;
  std::string_view payload;  // the exact bytes that the stream's raw object will hold; at most kPayloadBytesMax
};

// Records as they were read, in the order of their offsets. The records' views point into the batch: they live as long
// as it does, and move with it.
struct Batch {
  std::vector<Record> records;
  std::vector<LostRange> lost;  // damage that was skipped, in order
  Offset next = 0;              // where the next read goes on

  std::unique_ptr<char[]> bytes;  // owns what the records point to
};

struct LogStatus {
  Offset begin = 0;
  Offset end = 0;
  std::size_t segments = 0;
  std::uint64_t bytes = 0;             // of all segments
  std::uint64_t queue_bytes = 0;       // waiting or being written
  std::uint64_t records_lost = 0;      // found unreadable since the log was opened
  std::optional<base::Error> failure;  // the last group's, until one succeeds
};

class Log {
 public:
  // With the offset of the first of the records, once all of them are durable; else with an error.
  using Done = std::function<void(Result<Offset>)>;

  // Reads the names of the segments and the whole last one, nothing else. Errors: wal.locked (conflict: another process
  // has it), and Env's if the directory cannot be made, locked or listed.
  static Result<std::unique_ptr<Log>> open(const LogOptions& options);

  // Writes what is queued, then ends. Readers must be gone.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // All or nothing. `done` runs once: on the log's thread after the sync (it must not block, and must not call
  // append_and_wait), or before append() returns if the records are refused:
  //   wal.overloaded (environment): the queue is full; answer 503 and let the sender come again
  //   wal.bad_entry (usage): no entry; a stream's name, a payload or all of it over its limit
  //   wal.disk_full, wal.failed (environment): the write or the sync failed, or did less than retry_after ago
  //   wal.closed (cancelled): the log is being closed
  void append(std::span<const Entry> entries, Done done);
  // The same, waiting.
  Result<Offset> append_and_wait(std::span<const Entry> entries);

  // The records [begin, end) are durable and not trimmed.
  Offset begin() const;
  Offset end() const;
  LogStatus status() const;

  // Durable records from `from` on, of one segment at most: up to `records_max` (at least one if there is one) and
  // about `bytes_max` of segment (at least one record). Nothing at all if from >= end(); otherwise `next` is beyond
  // `from`, and every offset in [from, next) is a record or in a lost range. Offsets that were trimmed count as lost.
  // Errors: Env's, if a segment cannot be read; trying again is safe.
  Result<Batch> read(Offset from, std::size_t records_max, std::size_t bytes_max) const;

  // The same for one who only looks on, such as a gauge: nothing is reported as lost. Between its learning of a
  // consumer's position and the read the consumer may have gone on, and the log been trimmed.
  Result<Batch> peek(Offset from, std::size_t records_max, std::size_t bytes_max) const;

  // Waits until end() > offset: true. False if `stop` or the timeout came first.
  bool wait_past(Offset offset, std::stop_token stop, std::chrono::milliseconds timeout) const;

  // Removes the segments whose records are all below the offset, but never the last one.
  Result<void> trim(Offset below);

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::wal
