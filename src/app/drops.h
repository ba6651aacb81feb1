// Drops: files that others put into raw/<dataset>/date=YYYY-MM-DD/ of the lake, on a disk or in an object store, found
// and loaded where they stand. A file is looked at again when its size or time changes; what a load of our own put
// there is known.
//
// A file counts as complete when its name is no unfinished one (ingest/file_name.h) and its content has settled: nobody
// has it open for writing and it has not changed for a moment (kClosedSettleMicros); or somebody has, but without
// changing it for a long time (kOpenSettleMicros). Where the file system cannot say who has it open (io/writers.h) and
// where the file is empty, it has not changed for kSettleMicros; a writer that pauses longer must use a name of its own
// and rename at the end. A gzip that is cut is rejected like any other damaged file, and tried again when it changes.
//
// A DropZone belongs to one thread. DropWatcher looks again and again on a thread of its own (`shoplake serve`): at an
// interval, when it is woken, and when something is due that has not settled.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "app/load.h"
#include "base/metrics.h"
#include "base/progress.h"
#include "base/result.h"
#include "io/writers.h"

namespace shoplake::app {

inline constexpr std::int64_t kClosedSettleMicros = 250'000;  // for who opens a file, writes, and opens it again
inline constexpr std::int64_t kSettleMicros = 2'000'000;
inline constexpr std::int64_t kOpenSettleMicros = 60'000'000;  // descriptors that are never closed
inline constexpr std::chrono::milliseconds kDropInterval{2'000};
inline constexpr std::chrono::milliseconds kDropIntervalInStore{10'000};  // each look is a request a dataset, and costs
// How long the lake's place asks to wait between two looks.
std::chrono::milliseconds drop_interval(const Home& home);

struct DropOptions {
  std::vector<std::string> datasets;  // empty: all that have a contract
  base::Progress* progress = nullptr;
  std::stop_token stop;
  std::function<void(const std::string& dataset, const LoadedFile& file)> on_file;
};

// From when on a file with that content is complete, as far as is known now.
std::int64_t settled_at_micros(std::uint64_t size_bytes, std::int64_t modified_micros, io::Writers writers);

struct DropPass {
  std::int64_t seen = 0;                         // files, of all datasets
  std::int64_t unfinished = 0;                   // by their name or their age: looked at again by the next pass
  std::map<std::string, std::int64_t> settling;  // those of them whose content is: when to look at it again
  std::int64_t loaded = 0;                       // …and
  std::int64_t skipped = 0;                      // their content was loaded before
  std::int64_t rejected = 0;                     // as a whole
  std::int64_t rows = 0;
  std::int64_t rejected_rows = 0;
};

// The names of all contracts of the home.
base::Result<std::vector<std::string>> all_datasets(App& app);

class DropZone {
 public:
  DropZone(App& app, DropOptions options) : app_(app), options_(std::move(options)) {}

  // Loads what is new, in the order of datasets, days and names. Errors: of the environment, and of contracts; a file
  // that is rejected is no error.
  base::Result<DropPass> pass();

 private:
  base::Result<void> pass_dataset(const std::string& dataset, DropPass& pass);

  App& app_;
  DropOptions options_;
};

class DropWatcher {
 public:
  // Both outlive it. `before_pass` is called before each look: what it sees has not been moved by this look yet.
  DropWatcher(App& app, base::Metrics& metrics, std::function<void()> before_pass);
  ~DropWatcher();  // stops

  void start();
  void stop();  // after the running load's next block
  // Somebody has seen a new file: it is looked at now, not when the interval is over. From any thread.
  void wake();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::app
