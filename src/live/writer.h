// Writer: one batch of records → one catalog commit. What Live's loop, a replay and a retry of quarantined records have
// in common: datasets, models, and the rule that a batch is committed as a whole or not at all.
//
// Belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "live/dataset.h"
#include "live/live.h"
#include "live/models.h"
#include "live/status_board.h"

namespace shoplake::live {

class Writer {
 public:
  Writer(const LiveOptions& options, StatusBoard& board) : options_(options), board_(board) {}
  ~Writer();

  // Reads everything that is kept in memory. To be called while the LakeLock is held, before the first batch, after
  // forget(), and whenever something else may have changed the models' tables. Models that cannot be read make the
  // writer stale, not fail. `needs_build` says that their tables do not exist yet. Without models, the batches' events
  // are committed and counted as missing in the models (models_behind.h).
  enum class Load { all, without_models };
  Result<void> load(bool* needs_build, Load what = Load::all);
  bool is_loaded() const { return loaded_; }
  int generation() const { return generation_; }  // changes with each load(); sessions live as long as one
  void forget();
  void on_forget(std::function<void()> call) { on_forget_ = std::move(call); }
  // A table of a dataset, or of a model that appends, was compacted.
  void merged(const catalog::TableIdentifier& table, const catalog::TableChange& change,
              const catalog::CommittedTable& committed);

  struct Batch {
    // By dataset.
    std::map<std::string, std::vector<Records>> records;
    bool keeps_rejected = true;
    // Instead of records: gives what became of them, by dataset, and may add to the commit. Called again if the commit
    // lost a race; what it gave before was discarded then.
    std::function<Result<void>(std::map<std::string, Transformed>&, std::vector<catalog::TableChange>&)> transform;
    catalog::ControlPlaneWrites also;           // in the commit
    std::vector<catalog::TableChange> changes;  // further ones of the commit, on tables that live writes nothing to
    // Called with what a dataset made of its records, before the commit; may add to `changes`.
    std::function<Result<void>(const Dataset&, const Transformed&, std::vector<catalog::TableChange>&)> on_transformed;
    std::stop_token stop;
  };
  struct Outcome {
    std::uint64_t accepted = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t rejected = 0;
    std::uint64_t late = 0;
    bool models_current = true;
    std::vector<catalog::CommittedTable> committed;
  };
  // Errors: of the files, of the catalog. Nothing is committed then, and load() must follow.
  Result<Outcome> write(const Batch& batch);

  // Why there are no models after load(), if they need a build.
  const std::string& needed() const { return needed_; }
  Models* models() { return models_.get(); }
  Dataset* dataset(const std::string& name);
  engine::Session& session() { return *session_; }
  engine::Database& database() { return *database_; }
  void measure_memory();                          // and tell it as metrics, every few seconds; between two batches
  std::string newest_day() const;                 // of the events, YYYY-MM-DD
  std::vector<event::FeedEvent> newest_events();  // of the last batch, at most 20

 private:
  Result<Outcome> try_write(const Batch& batch);
  Result<std::optional<ModelChanges>> run_models(const std::map<std::string, Transformed>& transformed,
                                                 Outcome& outcome);
  std::int64_t newest_micros() const;

  const LiveOptions& options_;
  StatusBoard& board_;
  std::unique_ptr<engine::Database> database_;  // for what is not the models': ids, compaction
  std::unique_ptr<engine::Session> session_;
  std::map<std::string, std::unique_ptr<Dataset>> datasets_;
  std::unique_ptr<Models> models_;
  Load loads_ = Load::all;
  int model_failures_ = 0;  // in a row
  std::string needed_;      // tables that the models lack
  bool loaded_ = false;
  int generation_ = 0;
  std::int64_t measured_at_micros_ = 0;
  std::function<void()> on_forget_;
};

}  // namespace shoplake::live
