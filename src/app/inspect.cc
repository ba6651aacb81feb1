#include "app/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "base/digest.h"
#include "io/inflate.h"
#include "serve/moment.h"
#include "wal/segment.h"

namespace shoplake::app {

namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::string_view kParquetMagic = "PAR1";

base::Error no_such_path(const std::string& path) {
  return base::make_error(base::ErrorKind::usage, "inspect.no_such_path",
                          fmt::format("there is no file or folder {}", path), "Check the path.");
}

struct SegmentPath {
  wal::SegmentHeader header;  // from the name
  std::string path;
};

base::Result<std::vector<SegmentPath>> list_segments(io::Env& env, const std::string& folder) {
  std::vector<SegmentPath> found;
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(folder))) {
    const auto header = wal::parse_segment_name(entry.name);
    if (!entry.is_directory && header) {
      found.push_back({*header, io::join_path(folder, entry.name)});
    }
  }
  if (found.empty()) {
    return base::make_error(base::ErrorKind::usage, "inspect.not_a_log",
                            fmt::format("the folder {} has no segment of a log (*.wal)", folder),
                            "Name the folder wal of a home, or one of the files in it.");
  }
  std::ranges::sort(
      found, {}, [](const SegmentPath& segment) { return std::pair(segment.header.first, segment.header.sequence); });
  return found;
}

// `limit` counts down over the segments.
InspectedSegment inspect_segment(io::Env& env, const std::string& path, wal::Offset end, const InspectOptions& options,
                                 std::uint64_t& limit) {
  InspectedSegment inspected;
  inspected.path = path;
  const auto bytes = env.read_file(path);
  if (!bytes.ok()) {
    inspected.problem = bytes.error().message;
    return inspected;
  }
  inspected.bytes = bytes->size();
  const wal::Segment segment = wal::read_segment(*bytes, io::file_name(path), end);
  inspected.tail_bytes = segment.tail_bytes;
  if (!segment.header) {
    inspected.problem = "it does not begin with a segment's header, and its name is no segment's either";
    return inspected;
  }
  inspected.is_readable = true;
  inspected.is_header_damaged = segment.is_header_damaged;
  inspected.sequence = segment.header->sequence;
  inspected.first = segment.header->first;
  inspected.end = segment.records.empty() ? segment.header->first : segment.records.back().offset + 1;
  if (!segment.is_header_damaged) {
    inspected.created_at = serve::format_moment(segment.header->created_at_micros);
  }
  inspected.records = segment.records.size();
  inspected.bytes_damaged = segment.bytes_damaged;
  for (const wal::LostRange& lost : segment.lost) {
    inspected.lost.push_back({lost.first, lost.end, lost.reason});
  }
  std::int64_t received_min = std::numeric_limits<std::int64_t>::max();
  std::int64_t received_max = std::numeric_limits<std::int64_t>::min();
  std::map<std::string_view, std::uint64_t> streams;
  for (const wal::Record& record : segment.records) {
    inspected.payload_bytes += record.payload.size();
    received_min = std::min(received_min, record.received_at_micros);
    received_max = std::max(received_max, record.received_at_micros);
    ++streams[record.stream];
    if (limit > 0 && record.offset >= options.from && (options.stream.empty() || options.stream == record.stream)) {
      --limit;
      options.show({record.offset, record.stream, serve::format_moment(record.received_at_micros), record.payload});
    }
  }
  if (!segment.records.empty()) {
    inspected.first_received_at = serve::format_moment(received_min);
    inspected.last_received_at = serve::format_moment(received_max);
  }
  for (const auto& [stream, count] : streams) {
    inspected.streams.emplace(stream, count);
  }
  return inspected;
}

// Counts lines and keeps the first and the last, as they pass.
class LineCounter {
 public:
  explicit LineCounter(InspectedObject& object) : object_(object) {}

  void add(std::string_view bytes) {
    object_.payload_bytes += bytes.size();
    while (!bytes.empty()) {
      const std::size_t line_end = bytes.find('\n');
      const std::string_view part = bytes.substr(0, line_end);
      line_.append(part.substr(0, kInspectedRecordBytes - std::min(kInspectedRecordBytes, line_.size())));
      if (line_end == std::string_view::npos) {
        return;
      }
      finish();
      bytes.remove_prefix(line_end + 1);
    }
  }

  void finish() {
    if (line_.find_first_not_of(" \t\r") != std::string::npos) {
      if (object_.records++ == 0) {
        object_.first_record = line_;
      }
      std::swap(object_.last_record, line_);
    }
    line_.clear();
  }

 private:
  InspectedObject& object_;
  std::string line_;
};

base::Result<void> inflate(const io::RandomAccessFile& file, const std::string& path, std::string& buffer,
                           LineCounter& lines) {
  io::Inflater inflater(file, path);
  while (const std::size_t got = SHOPLAKE_TRY(inflater.read(buffer.data(), buffer.size()))) {
    lines.add({buffer.data(), got});
  }
  return {};
}

// What can still be read behind the first `begin` bytes of a damaged file: a read that meets the damage gives nothing,
// so these are of one byte.
void inflate_rest(const io::RandomAccessFile& file, const std::string& path, std::uint64_t begin, LineCounter& lines) {
  io::Inflater inflater(file, path);
  std::string skipped(kReadBytes, '\0');
  for (std::uint64_t left = begin; left > 0;) {
    const auto got = inflater.read(skipped.data(), std::min<std::uint64_t>(left, skipped.size()));
    if (!got.ok() || *got == 0) {
      return;
    }
    left -= *got;
  }
  char byte = 0;
  for (auto got = inflater.read(&byte, 1); got.ok() && *got == 1; got = inflater.read(&byte, 1)) {
    lines.add({&byte, 1});
  }
}

// "<stream>-1-YYYY-MM-DD-HH-MM-SS-<20 digits>[.gz]"
void parse_object_name(std::string_view name, InspectedObject& object) {
  constexpr std::size_t kOffsetDigits = 20;
  constexpr std::size_t kBeforeOffset = std::string_view("-1-YYYY-MM-DD-HH-MM-SS-").size();
  if (name.ends_with(".gz")) {
    name.remove_suffix(3);
  }
  if (name.size() <= kOffsetDigits + kBeforeOffset) {
    return;
  }
  const std::string_view digits = name.substr(name.size() - kOffsetDigits);
  std::uint64_t offset = 0;
  const auto [stopped, error] = std::from_chars(digits.data(), digits.data() + digits.size(), offset);
  name.remove_suffix(kOffsetDigits);
  const std::string_view middle = name.substr(name.size() - kBeforeOffset);
  if (error != std::errc() || stopped != digits.data() + digits.size() || !middle.starts_with("-1-") ||
      !middle.ends_with('-')) {
    return;
  }
  object.stream = name.substr(0, name.size() - kBeforeOffset);
  object.first_offset = offset;
}

}  // namespace

base::Result<InspectedLog> inspect_wal(io::Env& env, const std::string& path, const InspectOptions& options) {
  if (!SHOPLAKE_TRY(env.exists(path))) {
    return no_such_path(path);
  }
  InspectedLog log;
  std::uint64_t limit = options.show ? options.limit : 0;
  if (!SHOPLAKE_TRY(env.is_directory(path))) {
    log.segments.push_back(inspect_segment(env, path, std::numeric_limits<wal::Offset>::max(), options, limit));
    return log;
  }
  const std::vector<SegmentPath> paths = SHOPLAKE_TRY(list_segments(env, path));
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const wal::Offset end = i + 1 < paths.size() ? paths[i + 1].header.first : std::numeric_limits<wal::Offset>::max();
    log.segments.push_back(inspect_segment(env, paths[i].path, end, options, limit));
    const InspectedSegment& segment = log.segments.back();
    if (!segment.is_readable && i + 1 < paths.size() && paths[i].header.first < end) {
      log.missing.push_back({paths[i].header.first, end, segment.problem});
    }
  }
  return log;
}

base::Result<InspectedObject> inspect_object(io::Env& env, const std::string& path) {
  if (!SHOPLAKE_TRY(env.exists(path))) {
    return no_such_path(path);
  }
  if (SHOPLAKE_TRY(env.is_directory(path))) {
    return base::make_error(base::ErrorKind::usage, "inspect.is_directory", fmt::format("{} is a folder", path),
                            "Name one of the files in it.");
  }
  const auto file = SHOPLAKE_TRY(env.open_file(path));
  InspectedObject object;
  object.path = path;
  parse_object_name(io::file_name(path), object);
  std::string buffer(kReadBytes, '\0');
  base::Digest digest(base::Digest::Algorithm::md5);
  LineCounter lines(object);
  while (true) {
    const std::size_t got = SHOPLAKE_TRY(file->read(object.bytes, buffer.size(), buffer.data()));
    const std::string_view bytes(buffer.data(), got);
    if (object.bytes == 0) {
      object.format = io::is_gzip(bytes) ? "gzip" : bytes.starts_with(kParquetMagic) ? "parquet" : "plain";
    }
    if (got == 0) {
      break;
    }
    object.bytes += got;
    digest.update(bytes);
    if (object.format == "plain") {
      lines.add(bytes);
    }
  }
  object.md5 = digest.finish_hex();
  if (object.format == "gzip") {
    auto outcome = inflate(*file, path, buffer, lines);
    if (!outcome.ok()) {
      object.problem = outcome.error().message;
      inflate_rest(*file, path, object.payload_bytes, lines);
    }
  }
  lines.finish();
  return object;
}

}  // namespace shoplake::app
