#include "wal/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <semaphore>
#include <utility>

#include "base/log.h"
#include "wal/log_state.h"

namespace shoplake::wal {
namespace {

// What a queued append costs beside its bytes.
constexpr std::uint64_t kWaiterBytes = 128;

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
  metrics.describe_gauge("shoplake_wal_last_commit_time_seconds",
                         "When records were last made durable, in seconds since 1970; absent before the first.");
  metrics.describe_gauge("shoplake_wal_disk_bytes", "Bytes of all segments.");
  metrics.describe_gauge("shoplake_wal_queue_bytes", "Bytes waiting for the log's disk when the last group was taken.");
}

}  // namespace

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
  Batch batch = SHOPLAKE_TRY(peek(from, records_max, bytes_max));
  for (const LostRange& lost : batch.lost) {
    state_->report(lost);
  }
  return batch;
}

Result<Batch> Log::peek(Offset from, std::size_t records_max, std::size_t bytes_max) const {
  Batch batch;
  batch.next = from;
  const auto view = state_->find(from, batch);
  if (view) {
    SHOPLAKE_TRY(state_->open_for_reading(*view->segment));
    SHOPLAKE_TRY(state_->read_from(*view, from, {std::max<std::size_t>(records_max, 1), bytes_max}, batch));
  }
  return batch;
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
