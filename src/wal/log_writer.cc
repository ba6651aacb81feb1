// The writer thread: group commit into segments.
#include <fmt/format.h>

#include "base/log.h"
#include "wal/log_state.h"

namespace shoplake::wal {

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
    metrics.set("shoplake_wal_last_commit_time_seconds", {}, static_cast<double>(env.now_micros()) / 1e6);
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

}  // namespace shoplake::wal
