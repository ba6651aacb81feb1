// Reading: from an offset to its place, by a sparse index, and over damage.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "wal/log_state.h"

namespace shoplake::wal {
namespace {

// A point of the index for every so many bytes of a segment: a read begins at most so far before its offset.
constexpr std::uint64_t kIndexBytes = 64 << 10;
constexpr std::size_t kReadBytesMin = 64 << 10;
constexpr std::size_t kReadBytesMax = 64 << 20;

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

}  // namespace shoplake::wal
