#include "live/bulk.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "live/parquet_copy.h"

namespace shoplake::live {
namespace {

// Of the log at a time and thread: enough to read it at its speed, little enough to stay in the processor's cache.
constexpr std::size_t kReadRecords = 4'096;
constexpr std::size_t kReadBytes = 1 << 20;

// What one thread makes of its stretch of the log.
struct Part {
  wal::Offset from = 0;
  wal::Offset to = 0;
  std::map<const Dataset*, Transformed> transformed;
  CollectorLetters letters;
  std::uint64_t records = 0;
  std::uint64_t lost = 0;
  std::map<std::int64_t, std::uint64_t> received;
  std::optional<base::Error> error;
};

// Events that a part is to leave out, by dataset.
using Others = std::map<const Dataset*, std::vector<const SeenEvents*>>;

class PartReader {
 public:
  PartReader(const BulkRequest& request, Part& part, const Others& others, std::int64_t now_micros)
      : request_(request), part_(part), letters_(*request.options->env, *request.options->catalog, now_micros) {
    for (const auto& [stream, dataset] : request.datasets) {
      auto& source = sources_[stream];
      source.object = "wal/" + stream;
      auto& shared = parts_[dataset];
      if (!shared) {
        const auto found = others.find(dataset);
        shared = std::make_unique<Dataset::Part>(
            *dataset, Dataset::Part::Options{now_micros, true, request.stop,
                                             found == others.end() ? std::vector<const SeenEvents*>() : found->second});
      }
      source.part = shared.get();
    }
  }

  Result<void> run() {
    for (wal::Offset next = part_.from; next < part_.to;) {
      const auto records = std::min<std::uint64_t>(part_.to - next, kReadRecords);
      const wal::Batch batch =
          SHOPLAKE_TRY(request_.options->log->read(next, static_cast<std::size_t>(records), kReadBytes));
      if (batch.next <= next)
        break;
      SHOPLAKE_TRY(take(batch));
      next = batch.next;
    }
    for (auto& [dataset, part] : parts_)
      part_.transformed[dataset] = SHOPLAKE_TRY(part->finish());
    part_.letters = SHOPLAKE_TRY(letters_.finish());
    return {};
  }

 private:
  struct Source {
    std::string object;
    Dataset::Part* part = nullptr;
    std::vector<transform::LogRecord> records;  // of one read
  };

  Result<void> take(const wal::Batch& batch) {
    // A damaged stretch can reach beyond the part; the next one begins at its own offset all the same.
    for (const wal::LostRange& lost : batch.lost)
      part_.lost += std::min(lost.end, part_.to) - std::min(lost.first, part_.to);
    const std::string* name = nullptr;
    Source* source = nullptr;
    for (const wal::Record& record : batch.records) {
      if (record.offset >= part_.to)
        break;
      ++part_.records;
      const transform::LogRecord taken{record.payload, static_cast<std::int64_t>(record.offset),
                                       record.received_at_micros};
      if (record.stream == kCollectorLetterStream)
        SHOPLAKE_TRY(letters_.add(taken));
      if (name == nullptr || *name != record.stream) {
        const auto found = sources_.find(record.stream);
        name = found == sources_.end() ? nullptr : &found->first;
        source = found == sources_.end() ? nullptr : &found->second;
      }
      if (source == nullptr)
        continue;
      source->records.push_back(taken);
      count_receipt(record.received_at_micros / 1000);
    }
    for (auto& [stream, one] : sources_) {
      if (!one.records.empty())
        SHOPLAKE_TRY(one.part->add(one.object, one.records));
      one.records.clear();
    }
    return {};
  }

  void count_receipt(std::int64_t millisecond) {
    if (last_ == nullptr || last_->first != millisecond)
      last_ = &*part_.received.try_emplace(millisecond, 0).first;
    ++last_->second;
  }

  const BulkRequest& request_;
  Part& part_;
  std::map<std::string, Source, std::less<>> sources_;  // by stream
  std::map<Dataset*, std::unique_ptr<Dataset::Part>> parts_;
  CollectorLetterWriter letters_;
  std::pair<const std::int64_t, std::uint64_t>* last_ = nullptr;
};

void discard(io::Env& env, Part& part) {
  for (const auto& [dataset, one] : part.transformed)
    dataset->discard(one);
  part.transformed.clear();
  for (const transform::DataFile& file : part.letters.change.added)
    (void)env.remove_file(file.path);
  part.letters = {};
}

// Does the parts of which `others` says something (all of them where there is nothing yet), each by a thread.
Result<void> run_parts(const BulkRequest& request, std::vector<Part>& parts, const std::vector<Others>& others,
                       const std::vector<bool>& is_due, std::int64_t now_micros) {
  const auto run = [&](std::size_t number) {
    Part& part = parts[number];
    const auto [from, to] = std::pair(part.from, part.to);
    part = Part();
    part.from = from;
    part.to = to;
    auto done = PartReader(request, part, others[number], now_micros).run();
    if (!done.ok())
      part.error = std::move(done).error();
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t number = 1; number < parts.size(); ++number) {
      if (is_due[number])
        threads.emplace_back(run, number);
    }
    if (is_due[0])
      run(0);
  }
  for (const Part& part : parts) {
    if (part.error)
      return *part.error;
  }
  return {};
}

// Of each dataset, the events of all parts that its table has already.
Result<std::map<const Dataset*, SeenEvents>> known_events(const BulkRequest& request, const std::vector<Part>& parts) {
  std::map<const Dataset*, SeenEvents> known;
  for (const Part& part : parts) {
    for (const auto& [dataset, one] : part.transformed) {
      if (one.unsure_micros.empty())
        continue;
      const SeenEvents found = SHOPLAKE_TRY(dataset->known(one, *request.session));
      known.try_emplace(dataset, SeenEvents::kAll).first->second.add_all(found);
    }
  }
  return known;
}

// Which parts hold events that are in the table or in a part before.
std::vector<bool> find_repeated(const std::vector<Part>& parts, const std::map<const Dataset*, SeenEvents>& known,
                                std::vector<Others>& others) {
  std::vector<bool> is_due(parts.size(), false);
  for (std::size_t number = 0; number < parts.size(); ++number) {
    for (const auto& [dataset, one] : parts[number].transformed) {
      std::vector<const SeenEvents*> repeated;
      if (const auto found = known.find(dataset); found != known.end())
        repeated.push_back(&found->second);
      for (std::size_t before = 0; before < number; ++before)
        repeated.push_back(&parts[before].transformed.at(dataset).events);
      const bool any = std::any_of(repeated.begin(), repeated.end(),
                                   [&](const SeenEvents* events) { return events->intersects(one.events); });
      is_due[number] = is_due[number] || any;
      others[number][dataset] = std::move(repeated);
    }
  }
  return is_due;
}

}  // namespace

Result<Bulk> transform_bulk(const BulkRequest& request) {
  io::Env& env = *request.options->env;
  for (const auto& [stream, dataset] : request.datasets)
    SHOPLAKE_TRY(dataset->begin(*request.session));
  const std::uint64_t count = std::clamp<std::uint64_t>(std::thread::hardware_concurrency(), 1, kBulkThreadsMax);
  std::vector<Part> parts(count);
  for (std::uint64_t number = 0; number < count; ++number) {
    parts[number].from = request.from + (request.to - request.from) * number / count;
    parts[number].to = request.from + (request.to - request.from) * (number + 1) / count;
  }
  const std::int64_t now = env.now_micros();
  std::vector<Others> others(count);
  const auto done = [&]() -> Result<void> {
    SHOPLAKE_TRY(run_parts(request, parts, others, std::vector<bool>(count, true), now));
    const auto known = SHOPLAKE_TRY(known_events(request, parts));
    const std::vector<bool> is_due = find_repeated(parts, known, others);
    if (std::find(is_due.begin(), is_due.end(), true) == is_due.end())
      return {};
    // The events of the first time are what the others are compared with, so they outlive the second.
    std::vector<Part> again(parts.size());
    for (std::size_t number = 0; number < parts.size(); ++number) {
      again[number].from = parts[number].from;
      again[number].to = parts[number].to;
    }
    auto repeated = run_parts(request, again, others, is_due, now);
    for (std::size_t number = 0; number < parts.size(); ++number) {
      if (is_due[number])
        discard(env, repeated.ok() ? parts[number] : again[number]);
    }
    SHOPLAKE_TRY(std::move(repeated));
    for (std::size_t number = 0; number < parts.size(); ++number) {
      if (is_due[number])
        parts[number] = std::move(again[number]);
    }
    return {};
  }();
  if (!done.ok()) {
    for (Part& part : parts)
      discard(env, part);
    return done.error();
  }
  Bulk bulk;
  for (Part& part : parts) {
    bulk.records += part.records;
    bulk.lost += part.lost;
    for (auto& [dataset, one] : part.transformed)
      bulk.transformed[dataset].add(std::move(one));
    for (const auto& [millisecond, records] : part.received)
      bulk.received[millisecond] += records;
    bulk.letters.add(std::move(part.letters));
  }
  return bulk;
}

}  // namespace shoplake::live
