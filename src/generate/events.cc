#include "generate/events.h"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "generate/clickstream_writer.h"
#include "generate/event_writer.h"
#include "generate/output_file.h"
#include "generate/plan.h"
#include "generate/random.h"

namespace shoplake::generate {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

constexpr std::uint32_t kChunkLines = 3000;
constexpr int kCompressionLevel = 1;     // the disk is fast; a higher level costs more than it saves
constexpr std::uint32_t kOddLines = 60;  // of 10,000 lines

// Visits first … last-1 of one day; a chunk becomes one gzip member.
struct Chunk {
  std::size_t first;
  std::size_t last;
  int day;
  bool begins_file;
};

struct MadeChunk {
  std::string bytes;
  std::uint64_t json_bytes = 0;
  std::uint64_t lines = 0;
  Planted planted;
};

std::string eight_digits(std::int64_t days_since_epoch) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days_since_epoch}}};
  return fmt::format("{:04}{:02}{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

// Cuts the plan into chunks. The cuts depend on the plan alone, never on the number of threads.
std::vector<Chunk> cut(const Plan& plan, bool file_a_day) {
  std::vector<Chunk> chunks;
  for (std::size_t day = 0; day + 1 < plan.day_begins.size(); ++day) {
    const std::size_t end = plan.day_begins[day + 1];
    bool begins_file = file_a_day || chunks.empty();
    for (std::size_t first = plan.day_begins[day]; first < end;) {
      std::size_t last = first;
      std::uint32_t lines = 0;
      while (last < end && lines < kChunkLines) {
        lines += plan.visits[last++].lines;
      }
      chunks.push_back({first, last, static_cast<int>(day), std::exchange(begins_file, false)});
      first = last;
    }
  }
  return chunks;
}

class ChunkMaker {
 public:
  ChunkMaker(const EventsOptions& options, const Plan& plan, bool compressed)
      : options_(options),
        plan_(plan),
        event_writer_(options.seed, plan.first_day, options.days),
        clickstream_writer_(options.seed, plan.first_day, options.days),
        compressor_(nullptr, libdeflate_free_compressor) {
    if (compressed) {
      compressor_.reset(libdeflate_alloc_compressor(kCompressionLevel));
      SHOPLAKE_CHECK(compressor_ != nullptr);
    }
  }

  MadeChunk make(const Chunk& chunk) {
    text_.clear();
    lines_.clear();
    for (std::size_t visit = chunk.first; visit < chunk.last; ++visit) {
      if (options_.dataset == Dataset::events) {
        event_writer_.write(plan_.visits[visit], text_, lines_);
      } else {
        clickstream_writer_.write(plan_.visits[visit], text_, lines_);
      }
    }
    std::stable_sort(lines_.begin(), lines_.end(),
                     [](const Line& a, const Line& b) { return a.at_micros < b.at_micros; });

    MadeChunk made;
    made.lines = lines_.size();
    sorted_.clear();
    sorted_.reserve(text_.size());
    if (options_.chaos && chunk.begins_file) {
      sorted_.append(kByteOrderMark);
    }
    Random random(Random::child(options_.seed ^ 0xC4405ull, chunk.first));
    for (const Line& line : lines_) {
      const std::string_view good = std::string_view(text_).substr(line.begin, line.size);
      sorted_.append(good);
      if (options_.chaos && random.chance(kOddLines)) {
        const auto oddity = static_cast<Oddity>(random.below(kOddities));
        append_oddity(options_.dataset, oddity, good, random, sorted_);
        ++made.planted.count[static_cast<std::size_t>(oddity)];
      }
    }
    made.json_bytes = sorted_.size();
    if (compressor_ == nullptr) {
      made.bytes = sorted_;
      return made;
    }
    made.bytes.resize(libdeflate_gzip_compress_bound(compressor_.get(), sorted_.size()));
    made.bytes.resize(libdeflate_gzip_compress(compressor_.get(), sorted_.data(), sorted_.size(), made.bytes.data(),
                                               made.bytes.size()));
    return made;
  }

 private:
  const EventsOptions& options_;
  const Plan& plan_;
  EventWriter event_writer_;
  ClickstreamWriter clickstream_writer_;
  std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> compressor_;
  std::string text_;
  std::string sorted_;
  std::vector<Line> lines_;
};

// Threads that make chunks, handed out in order; at most two for each thread are waiting to be taken.
class ChunkMill {
 public:
  ChunkMill(const EventsOptions& options, const Plan& plan, const std::vector<Chunk>& chunks, bool compressed,
            int threads)
      : chunks_(chunks), ahead_(static_cast<std::size_t>(threads) * 2), slots_(ahead_) {
    for (int thread = 0; thread < threads; ++thread) {
      threads_.emplace_back([this, &options, &plan, compressed] { work(options, plan, compressed); });
    }
  }

  ~ChunkMill() {
    {
      const std::scoped_lock lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

  // The next chunk in order.
  MadeChunk take() {
    std::unique_lock lock(mutex_);
    std::optional<MadeChunk>& slot = slots_[taken_ % ahead_];
    changed_.wait(lock, [&] { return slot.has_value(); });
    MadeChunk made = std::move(*slot);
    slot.reset();
    ++taken_;
    lock.unlock();
    changed_.notify_all();
    return made;
  }

 private:
  void work(const EventsOptions& options, const Plan& plan, bool compressed) {
    ChunkMaker maker(options, plan, compressed);
    for (;;) {
      std::size_t number = 0;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopped_ || started_ == chunks_.size() || started_ < taken_ + ahead_; });
        if (stopped_ || started_ == chunks_.size()) {
          return;
        }
        number = started_++;
      }
      MadeChunk made = maker.make(chunks_[number]);
      {
        const std::scoped_lock lock(mutex_);
        slots_[number % ahead_] = std::move(made);
      }
      changed_.notify_all();
    }
  }

  const std::vector<Chunk>& chunks_;
  const std::size_t ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<MadeChunk>> slots_;
  std::size_t started_ = 0;
  std::size_t taken_ = 0;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

std::string manifest_text(const EventsOptions& options, const EventsSummary& summary) {
  const auto counts = [&](Outcome outcome) {
    std::string text;
    for (std::size_t index = 0; index < kOddities; ++index) {
      const auto oddity = static_cast<Oddity>(index);
      if (expected_outcome(oddity) == outcome) {
        text +=
            fmt::format("{}\"{}\": {}", text.empty() ? "" : ", ", oddity_name(oddity), summary.planted.count[index]);
      }
    }
    return text;
  };
  std::string files;
  for (const std::string& file : summary.files) {
    files += fmt::format("{}\"{}\"", files.empty() ? "" : ", ", io::file_name(file));
  }
  return fmt::format(
      "{{\n  \"seed\": {},\n  \"files\": [{}],\n  \"rows\": {},\n  \"rejected_rows\": {},\n  \"rejected\": {{{}}},\n"
      "  \"accepted\": {{{}}},\n  \"ignored\": {{{}}}\n}}\n",
      options.seed, files, summary.events + summary.planted.with_outcome(Outcome::accepted),
      summary.planted.with_outcome(Outcome::rejected), counts(Outcome::rejected), counts(Outcome::accepted),
      counts(Outcome::ignored));
}

Result<void> check(const EventsOptions& options) {
  if (options.events == 0 || options.events > kEventsMax) {
    return make_error(ErrorKind::usage, "generate.bad_events",
                      fmt::format("{} events cannot be generated", options.events),
                      fmt::format("ask for 1 to {}", kEventsMax));
  }
  if (options.days < 1 || options.days > kDaysMax) {
    return make_error(ErrorKind::usage, "generate.bad_days", fmt::format("{} days cannot be generated", options.days),
                      fmt::format("ask for 1 to {}", kDaysMax));
  }
  if (options.out.empty()) {
    return make_error(ErrorKind::usage, "generate.no_output", "no output was named",
                      "give --out a file name or a folder");
  }
  return {};
}

}  // namespace

Result<EventsSummary> generate_events(io::Env& env, const EventsOptions& options, base::Progress& progress,
                                      std::stop_token stop) {
  SHOPLAKE_TRY(check(options));
  const std::int64_t end_day = SHOPLAKE_TRY(parse_date(options.end_date));
  const std::string& out = options.out;
  const bool compressed = !out.ends_with(".ndjson") && !out.ends_with(".json");
  const bool file_a_day = compressed && !out.ends_with(".ndjson.gz") && !out.ends_with(".json.gz");
  if (const std::string folder = file_a_day ? out : io::parent_path(out); !folder.empty()) {
    SHOPLAKE_TRY(env.create_directories(folder));
  }

  const Plan plan = make_plan(options.seed, options.events, options.days, end_day - options.days + 1);
  const std::vector<Chunk> chunks = cut(plan, file_a_day);
  const int threads =
      options.threads > 0 ? options.threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));

  EventsSummary summary;
  summary.users = plan.users;
  summary.sessions = plan.sessions;
  summary.purchases = plan.purchases;
  summary.duplicates = plan.duplicates;
  summary.late_sessions = plan.late_visits;
  progress.begin(fmt::format("generate {}", dataset_name(options.dataset)), options.events, base::Progress::Unit::rows);
  ChunkMill mill(options, plan, chunks, compressed, threads);
  std::optional<OutputFile> file;
  for (const Chunk& chunk : chunks) {
    if (stop.stop_requested()) {
      progress.end();
      return make_error(ErrorKind::cancelled, "generate.cancelled",
                        fmt::format("generate {}: stopped; {} of {} files were finished", dataset_name(options.dataset),
                                    summary.files.size() - (file ? 1 : 0), file_a_day ? options.days : 1),
                        "run the same command again: it makes the same files");
    }
    if (chunk.begins_file) {
      if (file) {
        SHOPLAKE_TRY(file->finish());
      }
      const std::string path = file_a_day
                                   ? io::join_path(out, fmt::format("{}_{}.ndjson.gz", dataset_name(options.dataset),
                                                                    eight_digits(plan.first_day + chunk.day)))
                                   : out;
      file.emplace(SHOPLAKE_TRY(OutputFile::create(env, path)));
      summary.files.push_back(path);
    }
    const MadeChunk made = mill.take();
    SHOPLAKE_TRY(file->append(made.bytes));
    summary.events += made.lines;
    summary.json_bytes += made.json_bytes;
    summary.file_bytes += made.bytes.size();
    summary.planted.add(made.planted);
    progress.update(summary.events);
  }
  if (file) {
    SHOPLAKE_TRY(file->finish());
  }
  progress.end();
  if (options.chaos) {
    summary.manifest = (out.ends_with('/') ? out.substr(0, out.size() - 1) : out) + ".expected.json";
    SHOPLAKE_TRY(env.write_file(summary.manifest, manifest_text(options, summary)));
  }
  return summary;
}

}  // namespace shoplake::generate
