#include "wal/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <semaphore>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"

namespace shoplake::wal {
namespace {

using base::Error;
using base::ErrorKind;
using base::make_error;

constexpr std::string_view kLockName = "lock";

// What a queued append costs beside its bytes.
constexpr std::uint64_t kWaiterBytes = 128;
// A point of the index for every so many bytes of a segment: a read begins at most so far before its offset.
constexpr std::uint64_t kIndexBytes = 64 << 10;
constexpr std::size_t kReadBytesMin = 64 << 10;
constexpr std::size_t kReadBytesMax = 64 << 20;
// A group's buffer that grew beyond this is given back when the group was small.
constexpr std::size_t kKeptBufferBytes = 4 << 20;

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

Error closed_error() {
  return make_error(ErrorKind::cancelled, "wal.closed", "the log is being closed; the records were not taken",
                    "Send them again when the server runs.");
}

Result<std::uint64_t> encoded_size(std::span<const Entry> entries, std::uint64_t queue_bytes_max) {
  if (entries.empty()) {
    return make_error(ErrorKind::usage, "wal.bad_entry", "an append of no records");
  }
  std::uint64_t bytes = 0;
  for (const Entry& entry : entries) {
    if (entry.stream.empty() || entry.stream.size() > kStreamNameBytesMax) {
      return make_error(
          ErrorKind::usage, "wal.bad_entry",
          fmt::format("a stream's name of {} bytes: it must have 1 to {}", entry.stream.size(), kStreamNameBytesMax));
    }
    if (entry.payload.size() > kPayloadBytesMax) {
      return make_error(ErrorKind::usage, "wal.bad_entry",
                        fmt::format("a record of {} bytes for stream {}: it may have {}", entry.payload.size(),
                                    entry.stream, kPayloadBytesMax));
    }
    bytes += encoded_bytes(entry.stream.size(), entry.payload.size());
  }
  if (bytes + kWaiterBytes > queue_bytes_max) {
    return make_error(ErrorKind::usage, "wal.bad_entry",
                      fmt::format("an append of {} bytes: the log's queue holds {}", bytes, queue_bytes_max));
  }
  return bytes;
}

void describe(base::Metrics& metrics) {
  metrics.describe_counter("shoplake_wal_records_total", "Records made durable in the log.");
  metrics.describe_counter("shoplake_wal_bytes_total", "Bytes made durable in the log, record headers included.");
  metrics.describe_counter("shoplake_wal_refused_total", "Appends refused because the log's queue was full.");
  metrics.describe_counter("shoplake_wal_failed_total",
                           "Appends that a failed write or sync of the log left unacknowledged.");
  metrics.describe_counter("shoplake_wal_records_lost_total",
                           "Records of the log found unreadable, each counted once.");
  metrics.describe_histogram("shoplake_wal_commit_seconds", "Write and sync of one group of appends.",
                             {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5});
  metrics.describe_gauge("shoplake_wal_begin_offset", "The first offset that the log still has.");
  metrics.describe_gauge("shoplake_wal_end_offset", "The offset behind the log's last durable record.");
  metrics.describe_gauge("shoplake_wal_disk_bytes", "Bytes of all segments.");
  metrics.describe_gauge("shoplake_wal_queue_bytes", "Bytes waiting for the log's disk when the last group was taken.");
}

// Bytes of a segment that begin with a record, and what comes of scanning them.
struct Stretch {
  enum class Outcome {
    done,       // records or lost ranges were found, or the segment ends
    go_on,      // nothing wanted in it: continue at `next`
    too_short,  // the first record needs needed_bytes
  };

  std::string_view bytes;
  IndexPoint next;  // of their begin; afterwards of the record to continue with
  Offset end = 0;   // of the segment
  std::uint32_t salt = 0;
  bool is_whole = false;  // nothing of the segment follows
  std::size_t needed_bytes = 0;
};

// Takes the records from `from` on into the batch, and the places of some of them.
Stretch::Outcome read_stretch(Stretch& stretch, Offset from, std::size_t records_max, std::string_view path,
                              Batch& batch, std::vector<IndexPoint>& points) {
  const std::uint64_t begin = stretch.next.position;
  RecordScanner scanner(stretch.bytes, {stretch.salt, stretch.next.offset, stretch.end, stretch.is_whole});
  std::string reason;
  const auto lose_until = [&](Offset found) {
    const Offset first = std::max(stretch.next.offset, from);
    if (first < found) {
      batch.lost.push_back({first, found, fmt::format("{} {}", reason.empty() ? "missing in" : reason, path)});
    }
    reason.clear();
  };
  const auto damaged_bytes = [&](std::size_t first, std::size_t end) {
    return fmt::format("damaged bytes {} to {} of", begin + first, begin + end);
  };
  while (true) {
    const std::size_t at = scanner.position();
    switch (scanner.next()) {
      case RecordScanner::Found::record: {
        const Record& record = scanner.record();
        lose_until(record.offset);
        stretch.next = {record.offset + 1, begin + scanner.position()};
        if (points.empty() || begin + at >= points.back().position + kIndexBytes) {
          points.push_back({record.offset, begin + at});
        }
        if (record.offset >= from) {
          batch.records.push_back(record);
          if (batch.records.size() == records_max) {
            return Stretch::Outcome::done;
          }
        }
        break;
      }
      case RecordScanner::Found::damage: reason = damaged_bytes(scanner.damage_begin(), scanner.position()); break;
      case RecordScanner::Found::need_more:
        if (!batch.records.empty() || !batch.lost.empty()) {
          return Stretch::Outcome::done;
        }
        if (at > 0) {
          return Stretch::Outcome::go_on;
        }
        stretch.needed_bytes = scanner.needed();
        return Stretch::Outcome::too_short;
      case RecordScanner::Found::end:
        if (stretch.next.offset < stretch.end) {
          reason = damaged_bytes(stretch.bytes.size() - scanner.tail_bytes(), stretch.bytes.size());
          lose_until(stretch.end);
          stretch.next.offset = stretch.end;
        }
        return Stretch::Outcome::done;
    }
  }
}

}  // namespace

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

// ---- opening ----

Result<void> Log::State::recover() {
  SHOPLAKE_TRY(env.create_directories(options.directory));
  auto locked = env.lock_file(io::join_path(options.directory, kLockName));
  if (!locked.ok() && locked.error().kind == ErrorKind::conflict) {
    return make_error(ErrorKind::conflict, "wal.locked",
                      fmt::format("the log {} is used by another process", options.directory),
                      "Stop the other `shoplake serve` of this home first.");
  }
  lock = SHOPLAKE_TRY(std::move(locked));

  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(options.directory))) {
    const auto header = parse_segment_name(entry.name);
    if (entry.is_directory || !header) {
      continue;
    }
    auto segment = std::make_shared<SegmentFile>();
    segment->header = *header;
    segment->path = io::join_path(options.directory, entry.name);
    segment->bytes = entry.size_bytes;
    segments.push_back(std::move(segment));
  }
  std::ranges::sort(segments, {},
                    [](const auto& segment) { return std::pair(segment->header.first, segment->header.sequence); });
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    segments[i]->end = segments[i + 1]->header.first;
  }
  for (const auto& segment : segments) {
    next_sequence = std::max(next_sequence, segment->header.sequence + 1);
  }
  if (!segments.empty()) {
    recover_last(*segments.back());
    end = segments.back()->end;
  }
  end = std::max(end, options.offset_min);
  for (const auto& segment : segments) {
    disk_bytes += segment->bytes;
  }
  set_gauges();
  return {};
}

// Finds where the last segment ends. Its bytes may still be only in the page cache, if the process was killed; they are
// made durable before anybody sees them.
void Log::State::recover_last(SegmentFile& segment) {
  auto writable = env.append_file(segment.path);
  auto synced = writable.ok() ? (*writable)->sync() : Result<void>(std::move(writable).error());
  if (!synced.ok()) {
    // What was acknowledged had been synced before; so nothing that was promised depends on this.
    base::log::warning("wal.recovery_sync_failed", {{"segment", segment.path}, {"error", synced.error().message}});
  }
  auto bytes = env.read_file(segment.path);
  if (!bytes.ok()) {
    // Nobody knows how many records it has. Offsets of acknowledged ones must not be given again, so the log goes on
    // behind the last one that it can have.
    segment.end = segment.header.first + segment.bytes / encoded_bytes(1, 0);
    base::log::error("wal.segment_unreadable",
                     {{"segment", segment.path}, {"next_offset", segment.end}, {"error", bytes.error().message}});
    return;
  }
  segment.end = segment.header.first;
  const std::string_view records = std::string_view(*bytes).substr(std::min(kSegmentHeaderBytes, bytes->size()));
  const auto header = decode_segment_header(*bytes);
  RecordScanner scanner(records, {header ? header->salt : segment.header.salt, segment.header.first});
  for (auto found = scanner.next(); found != RecordScanner::Found::end; found = scanner.next()) {
    if (found == RecordScanner::Found::record) {
      segment.end = scanner.record().offset + 1;
    }
  }
  segment.bytes = bytes->size() - scanner.tail_bytes();
  if (scanner.tail_bytes() > 0) {
    base::log::warning("wal.tail_cut",
                       {{"segment", segment.path}, {"bytes", scanner.tail_bytes()}, {"next_offset", segment.end}});
  }
}

Result<std::unique_ptr<Log>> Log::open(const LogOptions& options) {
  SHOPLAKE_CHECK(options.env != nullptr && !options.directory.empty());
  auto state = std::make_unique<State>(options);
  if (options.metrics != nullptr) {
    describe(*options.metrics);
  }
  SHOPLAKE_TRY(state->recover());
  base::log::info("wal.opened", {{"directory", options.directory},
                                 {"segments", state->segments.size()},
                                 {"begin_offset", state->begin_locked()},
                                 {"end_offset", state->end}});
  State* raw = state.get();
  state->writer = std::thread([raw] { raw->run(); });
  return std::unique_ptr<Log>(new Log(std::move(state)));
}

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}

Log::~Log() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_closing = true;
  }
  state_->work.notify_one();
  state_->writer.join();
}

// ---- appending ----

void Log::append(std::span<const Entry> entries, Done done) {
  const auto bytes = encoded_size(entries, state_->options.queue_bytes_max);
  if (!bytes.ok()) {
    done(bytes.error());
    return;
  }
  State& state = *state_;
  const std::uint64_t charged = *bytes + kWaiterBytes;
  std::optional<Error> refused;
  bool is_writer_idle = false;
  {
    const std::lock_guard lock(state.mutex);
    if (state.is_closing) {
      refused = closed_error();
    } else if (state.queue_bytes + charged > state.options.queue_bytes_max) {
      refused = make_error(
          ErrorKind::environment, "wal.overloaded",
          fmt::format("{} bytes wait for the log's disk already; the records were not taken", state.queue_bytes),
          "Send them again a little later.");
    } else {
      Group& group = state.queued;
      group.reserve(*bytes, state.options.queue_bytes_max);
      for (const Entry& entry : entries) {
        encode_record(entry.stream, entry.received_at_micros, entry.payload, group.bytes);
      }
      group.waiters.push_back({std::move(done), group.records});
      group.records += entries.size();
      group.charged += charged;
      state.queue_bytes += charged;
      is_writer_idle = std::exchange(state.is_writer_idle, false);
    }
  }
  if (refused) {
    if (state.options.metrics != nullptr) {
      state.options.metrics->add("shoplake_wal_refused_total", {});
    }
    done(std::move(*refused));
  } else if (is_writer_idle) {
    state.work.notify_one();
  }
}

Result<Offset> Log::append_and_wait(std::span<const Entry> entries) {
  std::optional<Result<Offset>> outcome;
  std::binary_semaphore is_done{0};
  append(entries, [&](Result<Offset> first) {
    outcome.emplace(std::move(first));
    is_done.release();
  });
  is_done.acquire();
  return std::move(*outcome);
}

void Log::State::run() {
  Group group;
  std::unique_lock held(mutex);
  while (true) {
    while (queued.is_empty() && !is_closing) {
      is_writer_idle = true;
      work.wait(held);
    }
    is_writer_idle = false;
    if (queued.is_empty()) {
      break;
    }
    std::swap(group, queued);
    held.unlock();
    const Result<Offset> first = commit(group);
    for (Waiter& waiter : group.waiters) {
      waiter.done(first.ok() ? Result<Offset>(*first + waiter.record) : first);
    }
    const std::uint64_t charged = group.charged;
    group.clear();
    held.lock();
    queue_bytes -= charged;
  }
  held.unlock();
  if (file) {
    static_cast<void>(file->close());  // all that was acknowledged is synced
  }
}

Result<Offset> Log::State::commit(Group& group) {
  const std::int64_t started = env.monotonic_micros();
  if (failure && started < retry_at_micros) {  // only this thread writes `failure`
    return *failure;
  }
  const Offset first = end;  // only this thread moves it
  auto written = write(group);
  if (!written.ok()) {
    file.reset();  // never written or synced again
    if (active && !is_active_published) {
      // No acknowledged record is in it, and without it a full disk does not fill with such files.
      static_cast<void>(env.remove_file(active->path));
    }
    active.reset();
    if (options.metrics != nullptr) {
      options.metrics->add("shoplake_wal_failed_total", {}, static_cast<double>(group.waiters.size()));
    }
    return note_failure(std::move(written).error());
  }
  publish(group);
  if (options.metrics != nullptr) {
    base::Metrics& metrics = *options.metrics;
    metrics.observe("shoplake_wal_commit_seconds", {}, static_cast<double>(env.monotonic_micros() - started) / 1e6);
    metrics.add("shoplake_wal_records_total", {}, static_cast<double>(group.records));
    metrics.add("shoplake_wal_bytes_total", {}, static_cast<double>(group.bytes.size()));
    metrics.set("shoplake_wal_queue_bytes", {}, static_cast<double>(group.charged));
    set_gauges();
  }
  return first;
}

// Makes the group durable, in a new segment where one is due.
Result<void> Log::State::write(Group& group) {
  if (active && is_active_published && active->bytes + group.bytes.size() > options.segment_bytes) {
    auto closed = std::exchange(file, nullptr)->close();
    if (!closed.ok()) {  // all of it was synced
      base::log::warning("wal.close_failed", {{"segment", active->path}, {"error", closed.error().message}});
    }
    active.reset();
  }
  const bool is_new = !active;
  if (is_new) {
    active = SHOPLAKE_TRY(begin_segment());
  }
  seal_records(group.bytes.data(), group.bytes.size(), end, active->header.salt);
  SHOPLAKE_TRY(file->append(group.bytes));
  SHOPLAKE_TRY(file->sync());
  if (is_new) {
    SHOPLAKE_TRY(env.sync_directory(options.directory));
  }
  return {};
}

// Creates the file and gives it its header, not yet synced.
Result<std::shared_ptr<SegmentFile>> Log::State::begin_segment() {
  auto segment = std::make_shared<SegmentFile>();
  segment->header.first = end;
  segment->header.created_at_micros = env.now_micros();
  segment->header.sequence = next_sequence++;
  segment->header.salt = static_cast<std::uint32_t>(env.random_uint64());
  segment->path = io::join_path(options.directory, segment_name(segment->header));
  segment->end = end;
  segment->bytes = kSegmentHeaderBytes;
  is_active_published = false;
  file = SHOPLAKE_TRY(env.create_file(segment->path));
  auto written = file->append(encode_segment_header(segment->header));
  if (!written.ok()) {
    static_cast<void>(env.remove_file(segment->path));
    return std::move(written).error();
  }
  return segment;
}

// The group's records become readable.
void Log::State::publish(const Group& group) {
  {
    const std::lock_guard held(mutex);
    if (!is_active_published) {
      segments.push_back(active);
      is_active_published = true;
      disk_bytes += kSegmentHeaderBytes;
    }
    extend_index(*active, {end, active->bytes});
    active->bytes += group.bytes.size();
    disk_bytes += group.bytes.size();
    end += group.records;
    active->end = end;
    if (failure) {
      failure.reset();
      base::log::warning("wal.recovered", {{"segment", active->path}, {"offset", end}});
    }
  }
  grown.notify_all();
}

Error Log::State::note_failure(Error error) {
  const bool is_full = error.code == "io.disk_full";
  Error noted = make_error(
      ErrorKind::environment, is_full ? "wal.disk_full" : "wal.failed",
      fmt::format("the records could not be made durable: {}", error.message),
      is_full ? "Free some space; the log goes on by itself." : "Check the disk; the log tries again by itself.");
  retry_at_micros =
      env.monotonic_micros() + std::chrono::duration_cast<std::chrono::microseconds>(options.retry_after).count();
  const std::lock_guard held(mutex);
  if (!failure) {
    base::log::error("wal.append_failed", {{"directory", options.directory}, {"error", noted.message}});
  }
  failure = noted;
  return noted;
}

void Log::State::set_gauges() const {
  if (options.metrics == nullptr) {
    return;
  }
  std::unique_lock held(mutex);
  const Offset begin = begin_locked();
  const Offset behind = end;
  const std::uint64_t bytes = disk_bytes;
  held.unlock();
  options.metrics->set("shoplake_wal_begin_offset", {}, static_cast<double>(begin));
  options.metrics->set("shoplake_wal_end_offset", {}, static_cast<double>(behind));
  options.metrics->set("shoplake_wal_disk_bytes", {}, static_cast<double>(bytes));
}

// ---- reading ----

Offset Log::begin() const {
  const std::lock_guard lock(state_->mutex);
  return state_->begin_locked();
}

Offset Log::end() const {
  const std::lock_guard lock(state_->mutex);
  return state_->end;
}

LogStatus Log::status() const {
  const std::lock_guard lock(state_->mutex);
  LogStatus status;
  status.begin = state_->begin_locked();
  status.end = state_->end;
  status.segments = state_->segments.size();
  status.bytes = state_->disk_bytes;
  status.queue_bytes = state_->queue_bytes;
  status.records_lost = state_->records_lost;
  status.failure = state_->failure;
  return status;
}

bool Log::wait_past(Offset offset, std::stop_token stop, std::chrono::milliseconds timeout) const {
  std::unique_lock lock(state_->mutex);
  return state_->grown.wait_for(lock, stop, timeout, [&] { return state_->end > offset; });
}

Result<Batch> Log::read(Offset from, std::size_t records_max, std::size_t bytes_max) const {
  Batch batch;
  batch.next = from;
  const auto view = state_->find(from, batch);
  if (view) {
    SHOPLAKE_TRY(state_->open_for_reading(*view->segment));
    SHOPLAKE_TRY(state_->read_from(*view, from, {std::max<std::size_t>(records_max, 1), bytes_max}, batch));
  }
  for (const LostRange& lost : batch.lost) {
    state_->report(lost);
  }
  return batch;
}

// The segment with the offset, and the place in it to begin at. Offsets that no segment has are lost.
std::optional<Log::State::View> Log::State::find(Offset from, Batch& batch) {
  const std::lock_guard held(mutex);
  if (from >= end) {
    return std::nullopt;
  }
  // The first segment that ends behind it: segments are in order, and those that were given up are empty.
  const auto found = std::ranges::find_if(segments, [&](const auto& segment) { return segment->end > from; });
  if (found == segments.end() || (*found)->header.first > from) {
    batch.next = found == segments.end() ? end : (*found)->header.first;
    batch.lost.push_back({from, batch.next, "no segment has them"});
    return std::nullopt;
  }
  View view;
  view.segment = *found;
  view.end = view.segment->end;
  view.bytes = view.segment->bytes;
  view.start = {view.segment->header.first, kSegmentHeaderBytes};
  const auto behind = std::ranges::upper_bound(view.segment->index, from, {}, &IndexPoint::offset);
  if (behind != view.segment->index.begin()) {
    view.start = *std::prev(behind);
  }
  return view;
}

// Opens the segment's file and, if it was written before this log was opened, takes the salt from its header.
Result<void> Log::State::open_for_reading(SegmentFile& segment) {
  {
    const std::lock_guard held(mutex);
    if (segment.file) {
      return {};
    }
  }
  std::shared_ptr<const io::RandomAccessFile> opened = SHOPLAKE_TRY(env.open_file(segment.path));
  char bytes[kSegmentHeaderBytes];
  const std::size_t got = SHOPLAKE_TRY(opened->read(0, sizeof(bytes), bytes));
  const auto header = decode_segment_header({bytes, got});
  if (!header) {
    base::log::warning("wal.header_damaged", {{"segment", segment.path}});
  }
  const std::lock_guard held(mutex);
  if (!segment.file) {
    if (header && header->salt != segment.header.salt) {  // a renamed file: never the one that is being written
      segment.header.salt = header->salt;
    }
    segment.file = std::move(opened);
  }
  return {};
}

// Takes the point unless there is one near it.
void Log::State::extend_index(SegmentFile& segment, IndexPoint point) {
  const auto behind = std::ranges::upper_bound(segment.index, point.position, {}, &IndexPoint::position);
  const std::uint64_t before = behind == segment.index.begin() ? 0 : std::prev(behind)->position;
  if (point.position >= before + kIndexBytes &&
      (behind == segment.index.end() || point.position + kIndexBytes <= behind->position)) {
    segment.index.insert(behind, point);
  }
}

// Reads a stretch of the segment, again with more bytes until something came out of it.
Result<void> Log::State::read_from(const View& view, Offset from, const ReadLimits& limits, Batch& batch) {
  std::shared_ptr<const io::RandomAccessFile> source;
  std::uint32_t salt;
  {
    const std::lock_guard held(mutex);
    source = view.segment->file;
    salt = view.segment->header.salt;
  }
  const std::size_t usual_bytes = std::clamp(limits.bytes_max, kReadBytesMin, kReadBytesMax);
  IndexPoint next = view.start;
  std::size_t wanted_bytes = usual_bytes;
  std::vector<IndexPoint> points;
  bool is_done = false;
  while (!is_done) {
    const std::uint64_t left = view.bytes > next.position ? view.bytes - next.position : 0;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, wanted_bytes));
    batch.bytes = std::make_unique_for_overwrite<char[]>(std::max<std::size_t>(size, 1));
    const std::size_t got = SHOPLAKE_TRY(source->read(next.position, size, batch.bytes.get()));
    const bool is_whole = size == left || got < size;
    Stretch stretch{{batch.bytes.get(), got}, next, view.end, salt, is_whole};
    switch (read_stretch(stretch, from, limits.records_max, view.segment->path, batch, points)) {
      case Stretch::Outcome::done: is_done = true; break;
      case Stretch::Outcome::go_on: wanted_bytes = usual_bytes; break;
      case Stretch::Outcome::too_short: wanted_bytes = std::max(stretch.needed_bytes, wanted_bytes); break;
    }
    next = stretch.next;
  }
  batch.next = std::max(next.offset, from);
  const std::lock_guard held(mutex);
  for (const IndexPoint& point : points) {
    extend_index(*view.segment, point);
  }
  return {};
}

void Log::State::report(const LostRange& lost) {
  {
    const std::lock_guard held(mutex);
    if (!reported_lost.insert(lost.first).second) {
      return;
    }
    records_lost += lost.end - lost.first;
  }
  base::log::error("wal.records_lost",
                   {{"first_offset", lost.first}, {"end_offset", lost.end}, {"reason", lost.reason}});
  if (options.metrics != nullptr) {
    options.metrics->add("shoplake_wal_records_lost_total", {}, static_cast<double>(lost.end - lost.first));
  }
}

Result<void> Log::trim(Offset below) {
  State& state = *state_;
  while (true) {
    std::shared_ptr<SegmentFile> oldest;
    {
      const std::lock_guard lock(state.mutex);
      if (state.segments.size() < 2 || state.segments.front()->end > below) {
        break;
      }
      oldest = state.segments.front();
    }
    auto removed = state.env.remove_file(oldest->path);
    if (!removed.ok() && removed.error().kind != ErrorKind::not_found) {
      return removed;
    }
    const std::lock_guard lock(state.mutex);
    if (!state.segments.empty() && state.segments.front() == oldest) {
      state.segments.pop_front();
      state.disk_bytes -= oldest->bytes;
    }
  }
  state.set_gauges();
  return {};
}

}  // namespace shoplake::wal
