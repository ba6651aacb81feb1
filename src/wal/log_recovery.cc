// Opening a log: which segments there are, and where the last one ends.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "wal/log_state.h"

namespace shoplake::wal {
namespace {

constexpr std::string_view kLockName = "lock";

}  // namespace

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

}  // namespace shoplake::wal
