// Live: micro-batches from the log into the tables. Each step takes what the log holds past the consumed position,
// writes processed.<dataset> and quarantine.<dataset>, brings the dbt models that take part up to date, and commits all
// of it together with the new position in one catalog commit. A step that did not commit has done nothing: the next one
// takes the same records again.
//
// Which models take part, and how their SQL is run on a batch, is the contract of dbt/macros/live.sql; docs/live.md
// tells it to people. Events are counted once: by event id inside the batch, within a window of recent ids in memory,
// and against the table for events older than the window.
//
// If a model's SQL fails, the records are committed to processed and quarantine all the same and the models are stale
// until the next `shoplake build` (LiveStatus::state); nothing is lost and the log never stops.
//
// A backlog (after a crash, a long build or a burst) is taken in bulk: big batches go to processed and quarantine
// without the models, at the speed of parsing on all cores; that the models lack them is part of the same commit
// (models_behind.h). When little is left, the project's own build brings the live models up, and micro-batches go on.
//
// Thread rule: start(), stop() and status() from any thread; all others while it is not started.
// Live holds the home's LakeLock while it works and lets a waiting build go first; what it keeps in memory is read anew
// afterwards.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/progress.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "event/feed_event.h"
#include "io/env.h"
#include "model/invocation.h"
#include "wal/log.h"

namespace shoplake::live {

using base::Result;

// Live's name as a consumer of the log (wal/consumers.h).
inline constexpr std::string_view kConsumerName = "live";

// A stream whose records enter its dataset by live. Streams that are not named are passed over (`live: off`: their
// records enter by delivered objects).
struct Stream {
  std::string name;
  std::string dataset;
  std::string raw_prefix;  // where its raw objects lie, below the lake's root: "raw/events/"
};

struct LiveOptions {
  io::Env* env = nullptr;
  wal::Log* log = nullptr;              // outlives Live; may be null for replay() and retry()
  catalog::Catalog* catalog = nullptr;  // outlives Live
  base::Metrics* metrics = nullptr;     // outlives Live; may be null

  std::string home_directory;  // for the LakeLock
  std::string lake_root;
  std::string datasets_directory;
  std::string hash_key;  // of the contracts' treatment hash
  std::vector<Stream> streams;

  engine::DatabaseOptions engine;    // memory_limit_bytes and temporary_directory bound the models' rows in memory
  model::InvocationOptions project;  // of the dbt project; the variable `live` is added
  // Runs the project's build; called once if a live model's table does not exist yet. Live does not hold the lock then.
  std::function<Result<void>(std::stop_token)> build;
  // Runs these models of the project, as `shoplake run --select` does: after a backlog was taken in bulk, and when the
  // models were left behind in another way. Live does not hold the lock then. Without it they wait for a build.
  std::function<Result<void>(const std::vector<std::string>& models, std::stop_token)> run_models;

  std::chrono::milliseconds collect{300};           // a step begins at most so often while records come in
  std::size_t records_max = 500'000;                // of one step
  std::size_t bytes_max = 32 << 20;                 // of one step's payloads: it takes a few times that
  std::size_t window_events_max = 1'000'000;        // ids kept in memory
  std::uint64_t backlog_records_min = 1'000'000;    // from so many waiting records on they are taken in bulk
  std::uint64_t bulk_records_max = 1'000'000;       // of one bulk commit
  std::int64_t retired_files_micros = 600'000'000;  // how long files that no snapshot names are kept for readers
  std::int64_t hot_rows_max = 131'072;              // of each model's table that are kept in memory (live/models.h)
  int model_threads = 0;                            // that run models side by side (live/models.h)
  int snapshots_kept = 20;                          // of live's own, for each table
  std::chrono::milliseconds upkeep{100};            // after so long the upkeep between two batches begins nothing more
  // Files whose row groups have so many rows on average are merged by joining them as they are.
  std::int64_t joined_row_group_rows_min = 2'048;
};

enum class LiveState {
  starting,  // reads the hot rows
  running,
  catching_up,  // takes a backlog in bulk, or has the models brought up after it
  paused,       // a build has the lake
  stale,        // events are kept, the models wait for the next build
  failing,      // the last step failed; tried again
  stopped,
};

struct LiveStatus {
  LiveState state = LiveState::stopped;
  std::string message;  // of catching_up, paused, stale and failing: why
  double events_per_second = 0;
  std::optional<std::int64_t> latency_p50_micros;  // receipt to commit, over the last minutes
  std::optional<std::int64_t> latency_p99_micros;
  std::uint64_t consumed = 0;    // position in the log
  std::uint64_t waiting = 0;     // records past it
  std::uint64_t events = 0;      // accepted since the start
  std::uint64_t duplicates = 0;  // left out
  std::uint64_t dead_letters = 0;
  std::uint64_t late = 0;                     // in processed, not in the models: the next build's work
  std::uint64_t commits = 0;                  // changes with each
  std::vector<event::FeedEvent> events_seen;  // the last 20, newest first
};

// What one step did.
struct Step {
  std::uint64_t records = 0;  // taken from the log
  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t rejected = 0;
  std::uint64_t late = 0;
  std::uint64_t lost = 0;  // offsets that the log could not read
  bool models_current = true;
  bool is_bulk = false;
  std::int64_t micros = 0;
};

struct ReplayOptions {
  std::string stream;
  std::int64_t from_micros = 0;  // objects whose first record was received in [from, to)
  std::int64_t to_micros = 0;
  base::Progress* progress = nullptr;  // in bytes of objects; may be null
  std::stop_token stop;
};

struct ReplayReport {
  std::uint64_t objects = 0;
  std::uint64_t records = 0;
  std::uint64_t added = 0;
  std::uint64_t already_there = 0;
  std::uint64_t rejected = 0;  // not repeated in quarantine
  std::uint64_t late = 0;
};

struct RetryOptions {
  std::string dataset;
  std::string reason_code;                // empty: all
  std::vector<std::string> left_objects;  // whose records are left as they are: files that others load again
  std::stop_token stop;
};

struct RetryReport {
  std::uint64_t tried = 0;
  std::uint64_t accepted = 0;       // moved to the dataset's table
  std::uint64_t already_there = 0;  // left out of both
  std::uint64_t rejected = 0;       // stay in quarantine
  std::uint64_t truncated = 0;      // longer than quarantine keeps; stay
};

class Live {
 public:
  // Reads the contracts and the project. Errors: theirs; live.no_such_dataset.
  static Result<std::unique_ptr<Live>> open(LiveOptions options);
  ~Live();

  void start();
  void stop();  // after the running step
  LiveStatus status() const;
  // The position up to which records are committed.
  wal::Offset consumed() const;

  // Gives the LakeLock back and forgets what is in memory, until the next step.
  void release();

  // One step with all that the log holds (within the limits); for tests and for draining.
  Result<Step> run_once();
  // Compaction, snapshot expiry and removal of retired files, as far as they are due.
  Result<void> maintain_once();
  // As much upkeep as there is between two batches: a part of what is due, by turns.
  Result<void> upkeep_once();

  // Brings in, from the raw objects of a stream, the events that are not there.
  Result<ReplayReport> replay(const ReplayOptions& options);
  // Tries quarantined records again, after the contract was changed. What is accepted keeps its first received time and
  // leaves quarantine in the same commit.
  Result<RetryReport> retry(const RetryOptions& options);

 private:
  struct State;
  explicit Live(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::live
