// Live::replay(): raw objects of a stream read again.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <deque>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "io/inflate.h"
#include "live/live_state.h"

namespace shoplake::live {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;
// A batch has so many bytes of lines, or so many objects: a quiet stream has an object of few lines each minute.
constexpr std::size_t kBatchBytes = 32 << 20;
constexpr std::size_t kBatchObjects = 256;
constexpr int kFoldersDeep = 4;  // year=, month=, day= below the stream's prefix

// The moment in "<stream>-<version>-YYYY-MM-DD-HH-MM-SS-<first offset>.gz".
std::optional<std::int64_t> object_micros(std::string_view name, std::string_view stream) {
  if (!name.starts_with(stream) || name.size() <= stream.size() + 1 || name[stream.size()] != '-')
    return std::nullopt;
  std::vector<int> parts;
  std::string_view rest = name.substr(stream.size() + 1);
  while (parts.size() < 7) {
    const auto end = rest.find('-');
    if (end == std::string_view::npos)
      return std::nullopt;
    int value = 0;
    const auto [stopped, error] = std::from_chars(rest.data(), rest.data() + end, value);
    if (error != std::errc() || stopped != rest.data() + end)
      return std::nullopt;
    parts.push_back(value);
    rest.remove_prefix(end + 1);
  }
  const std::chrono::year_month_day day{std::chrono::year(parts[1]),
                                        std::chrono::month(static_cast<unsigned>(parts[2])),
                                        std::chrono::day(static_cast<unsigned>(parts[3]))};
  if (!day.ok())
    return std::nullopt;
  const auto days = std::chrono::sys_days(day).time_since_epoch().count();
  return ((static_cast<std::int64_t>(days) * 24 + parts[4]) * 60 + parts[5]) * 60'000'000 +
         static_cast<std::int64_t>(parts[6]) * 1'000'000;
}

struct RawObject {
  std::string path;  // below the lake's root
  std::int64_t received_micros = 0;
  std::uint64_t size_bytes = 0;
};

Result<void> find_objects(io::Env& env, const std::string& root, const std::string& folder,
                          const ReplayOptions& options, int depth, std::vector<RawObject>& found) {
  auto entries = env.list_directory(io::join_path(root, folder));
  if (!entries.ok())
    return entries.error().kind == base::ErrorKind::not_found ? Result<void>() : Result<void>(entries.error());
  for (const io::DirectoryEntry& entry : *entries) {
    const std::string path = io::join_path(folder, entry.name);
    if (entry.is_directory) {
      if (depth < kFoldersDeep)
        SHOPLAKE_TRY(find_objects(env, root, path, options, depth + 1, found));
      continue;
    }
    const auto micros = object_micros(entry.name, options.stream);
    if (micros && *micros >= options.from_micros && *micros < options.to_micros)
      found.push_back({path, *micros, entry.size_bytes});
  }
  return {};
}

// The lines of an object, some at a time.
class Lines {
 public:
  Lines(const io::RandomAccessFile& file, std::string_view name) : file_(file), inflater_(file, name) {}

  // Whole lines of about `bytes`, at least one; empty at the end.
  Result<std::string> next(std::size_t bytes) {
    while (!at_end_ && (text_.size() < bytes || text_.find_last_of('\n') == std::string::npos)) {
      const std::size_t size = text_.size();
      text_.resize(size + kReadBytes);
      const std::size_t got = SHOPLAKE_TRY(read(text_.data() + size));
      text_.resize(size + got);
      at_end_ = got == 0;
    }
    const std::size_t whole = at_end_ ? text_.size() : text_.find_last_of('\n') + 1;
    std::string rest = text_.substr(whole);
    text_.resize(whole);
    return std::exchange(text_, std::move(rest));
  }

 private:
  // Streams may deliver without compression.
  Result<std::size_t> read(char* out) {
    if (!is_gzip_) {
      char begin[2];
      const std::size_t got = SHOPLAKE_TRY(file_.read(0, sizeof(begin), begin));
      is_gzip_ = io::is_gzip(std::string_view(begin, got));
    }
    if (*is_gzip_)
      return inflater_.read(out, kReadBytes);
    const std::size_t got = SHOPLAKE_TRY(file_.read(offset_, kReadBytes, out));
    offset_ += got;
    return got;
  }

  const io::RandomAccessFile& file_;
  io::Inflater inflater_;
  std::optional<bool> is_gzip_;
  std::uint64_t offset_ = 0;
  std::string text_;
  bool at_end_ = false;
};

// Lines of some objects, to be written together.
class Gathered {
 public:
  bool is_empty() const { return records_.empty(); }
  bool is_full() const { return bytes_ >= kBatchBytes || records_.size() >= kBatchObjects; }
  std::size_t room() const { return kBatchBytes - std::min(bytes_, kBatchBytes); }

  void add(const RawObject& object, std::int64_t first_line, std::string lines) {
    texts_.push_back(std::move(lines));
    std::string_view text = texts_.back();
    bytes_ += text.size();
    Records& records = records_.emplace_back();
    records.source_object = object.path;
    while (!text.empty()) {
      const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
      records.records.push_back({text.substr(0, end), first_line++, object.received_micros});
      text.remove_prefix(end);
    }
  }
  std::string name() const {
    if (records_.front().source_object == records_.back().source_object)
      return records_.front().source_object;
    return fmt::format("{} to {}", records_.front().source_object, records_.back().source_object);
  }
  std::size_t lines_of_last() const { return records_.back().records.size(); }
  // Nothing is left. The records' texts live in `texts`.
  std::vector<Records> take(std::deque<std::string>& texts) {
    texts = std::exchange(texts_, {});
    bytes_ = 0;
    return std::exchange(records_, {});
  }

 private:
  std::deque<std::string> texts_;
  std::vector<Records> records_;
  std::size_t bytes_ = 0;
};

}  // namespace

Result<ReplayReport> Live::replay(const ReplayOptions& options) {
  State& state = *state_;
  const auto stream = std::find_if(state.options.streams.begin(), state.options.streams.end(),
                                   [&](const Stream& one) { return one.name == options.stream; });
  if (stream == state.options.streams.end()) {
    return base::make_error(base::ErrorKind::not_found, "live.no_such_stream",
                            fmt::format("there is no live stream \"{}\"", options.stream),
                            "`streams` of shoplake.yml names them.");
  }
  std::string prefix = stream->raw_prefix.empty() ? "raw/" + stream->name : stream->raw_prefix;
  while (prefix.ends_with('/'))
    prefix.pop_back();
  std::vector<RawObject> objects;
  SHOPLAKE_TRY(find_objects(*state.options.env, state.options.lake_root, prefix, options, 0, objects));
  std::sort(objects.begin(), objects.end(), [](const RawObject& left, const RawObject& right) {
    return std::tie(left.received_micros, left.path) < std::tie(right.received_micros, right.path);
  });
  base::Progress& progress = options.progress != nullptr ? *options.progress : base::no_progress();
  std::uint64_t total_bytes = 0;
  for (const RawObject& object : objects)
    total_bytes += object.size_bytes;
  progress.begin("replay " + options.stream, total_bytes, base::Progress::Unit::bytes);
  std::uint64_t read_bytes = 0;  // of whole objects
  ReplayReport report;
  Gathered gathered;
  const auto write = [&]() -> Result<void> {
    const std::string name = gathered.name();
    SHOPLAKE_TRY(state.prepare(options.stop));
    std::deque<std::string> texts;
    Writer::Batch batch;
    batch.stop = options.stop;
    batch.keeps_rejected = false;
    batch.records[stream->dataset] = gathered.take(texts);
    const Writer::Outcome outcome = SHOPLAKE_TRY(state.writer.write(batch).within("replay of " + name));
    state.compactor.committed(outcome.committed);
    report.added += outcome.accepted;
    report.already_there += outcome.duplicates;
    report.rejected += outcome.rejected;
    report.late += outcome.late;
    progress.update(read_bytes);
    return state.compactor.run(options.stop);
  };
  for (const RawObject& object : objects) {
    const auto file = SHOPLAKE_TRY(state.options.env->open_file(io::join_path(state.options.lake_root, object.path)));
    Lines lines(*file, object.path);
    std::int64_t line = 1;
    while (true) {
      auto text = lines.next(gathered.room()).within(object.path);
      if (!text.ok()) {
        // What stands before the damage is brought in all the same.
        if (!gathered.is_empty())
          SHOPLAKE_TRY(write());
        return text.error();
      }
      if (text->empty())
        break;
      gathered.add(object, line, std::move(text).value());
      line += static_cast<std::int64_t>(gathered.lines_of_last());
      report.records += gathered.lines_of_last();
      if (gathered.is_full())
        SHOPLAKE_TRY(write());
    }
    ++report.objects;
    read_bytes += object.size_bytes;
  }
  if (!gathered.is_empty())
    SHOPLAKE_TRY(write());
  progress.end();
  return report;
}

}  // namespace shoplake::live
