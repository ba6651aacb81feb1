// What a log is made of: shared by opening (log_recovery.cc), appending (log_writer.cc) and reading (log_reader.cc).
// Internal to wal.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/env.h"
#include "wal/log.h"
#include "wal/segment.h"

namespace shoplake::wal {

using base::Error;
using base::ErrorKind;
using base::make_error;

// A group's buffer that grew beyond this is given back when the group was small.
inline constexpr std::size_t kKeptBufferBytes = 4 << 20;

// Where a record begins.
struct IndexPoint {
  Offset offset = 0;
  std::uint64_t position = 0;
};

// A segment with at least one durable record, or one found at open. Everything but the index and the opened file
// changes only by the writer thread, under the log's mutex.
struct SegmentFile {
  SegmentHeader header;
  std::string path;
  Offset end = 0;           // behind its last durable record
  std::uint64_t bytes = 0;  // durable ones
  std::vector<IndexPoint> index;
  std::shared_ptr<const io::RandomAccessFile> file;  // opened by the first reader
};

struct Waiter {
  Log::Done done;
  std::uint64_t record = 0;  // within its group
};

// What is queued: encoded records and who waits for them.
struct Group {
  std::string bytes;
  std::vector<Waiter> waiters;
  std::uint64_t records = 0;
  std::uint64_t charged = 0;  // of the queue's limit

  bool is_empty() const { return waiters.empty(); }

  // Grows by doubling, but never beyond what the queue may hold.
  void reserve(std::size_t more, std::size_t bytes_max) {
    const std::size_t needed = bytes.size() + more;
    if (needed > bytes.capacity()) {
      bytes.reserve(std::max(needed, std::min(2 * bytes.capacity(), bytes_max)));
    }
  }

  // Keeps the buffer for the next group, unless it is much too large for this one.
  void clear() {
    if (bytes.capacity() > kKeptBufferBytes && bytes.size() < bytes.capacity() / 4) {
      std::string().swap(bytes);
    }
    bytes.clear();
    waiters.clear();
    records = 0;
    charged = 0;
  }
};

struct Log::State {
  explicit State(const LogOptions& options) : options(options), env(*options.env) {}

  struct ReadLimits {
    std::size_t records_max;
    std::size_t bytes_max;
  };

  // A segment as a reader may see it now, and where to begin.
  struct View {
    std::shared_ptr<SegmentFile> segment;
    Offset end = 0;
    std::uint64_t bytes = 0;
    IndexPoint start;
  };

  Result<void> recover();
  void recover_last(SegmentFile& segment);

  void run();
  Result<Offset> commit(Group& group);
  Result<void> write(Group& group);
  Result<std::shared_ptr<SegmentFile>> begin_segment();
  void publish(const Group& group);
  Error note_failure(Error error);

  void set_gauges() const;

  Offset begin_locked() const { return segments.empty() ? end : segments.front()->header.first; }
  std::optional<View> find(Offset from, Batch& batch);
  Result<void> open_for_reading(SegmentFile& segment);
  void extend_index(SegmentFile& segment, IndexPoint point);
  Result<void> read_from(const View& view, Offset from, const ReadLimits& limits, Batch& batch);
  void report(const LostRange& lost);

  const LogOptions options;
  io::Env& env;
  std::unique_ptr<io::FileLock> lock;

  mutable std::mutex mutex;
  std::condition_variable work;               // for the writer: something is queued, or closing
  mutable std::condition_variable_any grown;  // for readers: end has moved
  Group queued;
  std::uint64_t queue_bytes = 0;  // of the queued and the written group
  bool is_writer_idle = false;
  bool is_closing = false;
  std::deque<std::shared_ptr<SegmentFile>> segments;
  Offset end = 0;
  std::optional<Error> failure;
  std::set<Offset> reported_lost;
  std::uint64_t records_lost = 0;
  std::uint64_t disk_bytes = 0;

  // Of the writer thread alone.
  std::shared_ptr<SegmentFile> active;  // nothing: the next group begins a segment
  std::unique_ptr<io::WritableFile> file;
  bool is_active_published = false;
  std::uint32_t next_sequence = 1;
  std::int64_t retry_at_micros = 0;

  std::thread writer;
};

}  // namespace shoplake::wal
