// Models: the live models' hot rows in an engine of their own, and what a batch of events does to them.
//
// run() changes the hot rows and gives the files to commit; accept() follows when the catalog has committed them. If
// run() fails or the files are not committed, the hot rows are not those of the tables any more: discard() removes the
// files, and the object must be made anew. So the engine needs no transaction over a batch, and models that do not read
// each other run side by side, each statement a transaction of its own.
//
// For a model with a scope: old = its hot rows within the scope, new = what its SQL gives. Rows that are in one and not
// in the other (as multisets) are removed or added; only these are written, as one data file and one file of position
// deletes. So a hot row carries the number of its file and its position there.
//
// What a model's SQL reads of another one (LiveModel::reads) is put into a table of its own before it runs, found by
// key as the rows of the scope are (live/key_lookup.h): so a batch costs what it touches, whatever the number of hot
// rows.
//
// A table of few rows (kRewrittenRowsMax) is written anew as one file by each batch that changes it: that costs less
// than two files and their merging, and who reads it opens one file. Its hot rows have no places meanwhile.
//
// If everything that reads a table names the keys of its rows, only the rows that were touched lately are in memory
// (hot), about kHotRowsMax at most. Of the others (cold) there are the places and the hashes of their keys
// (live/cold_rows.h); a row whose key a batch touches is read from its file and is hot from then on.
//
// Belongs to one thread at a time; run() has further ones of its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "io/env.h"
#include "live/cold_rows.h"
#include "live/key_lookup.h"
#include "live/plan.h"
#include "live/table_files.h"
#include "transform/data_file.h"

namespace shoplake::live {

using base::Result;

// A dataset's table that the models read as a source.
struct SourceTable {
  catalog::TableIdentifier table;
  std::string time_column;  // moment of the event
  std::string day_column;   // of the partition
};

// Of a table whose other rows can be cold. When it has more, all but the newer half become cold.
inline constexpr std::int64_t kHotRowsMax = 131'072;

inline constexpr std::int64_t kRewrittenRowsMax = 4'096;

// More models than this seldom wait for nothing but a thread, and each holds the rows of a statement in memory.
inline constexpr int kModelThreadsMax = 4;

struct ModelsOptions {
  io::Env* env = nullptr;
  catalog::Catalog* catalog = nullptr;
  engine::DatabaseOptions engine;
  model::InvocationOptions project;
  std::vector<SourceTable> sources;
  std::int64_t hot_rows_max = kHotRowsMax;
  int threads = 0;  // that run models side by side; 0: as many as there are processors, kModelThreadsMax at most
};

// What a batch changes in the models' tables.
struct ModelChanges {
  std::vector<catalog::TableChange> changes;
  std::vector<std::string> paths;  // written, not synced
};

class Models {
 public:
  // Reads the project and the hot rows. Error live.missing_tables (kind not_found): the project must be built first.
  static Result<std::unique_ptr<Models>> load(const ModelsOptions& options);

  bool empty() const { return plan_.steps.empty(); }
  const Plan& plan() const { return plan_; }
  engine::Session& session() { return *session_; }
  engine::Database& database() { return *database_; }

  struct Batch {
    std::map<catalog::TableIdentifier, std::vector<std::string>> files;  // of each source: this batch's rows
    std::int64_t oldest_micros = 0;  // records of events before it are not for the models
  };
  // accept() or discard() must follow, unless it fails or nobody knows whether the files were committed.
  Result<ModelChanges> run(const Batch& batch);
  // How many rows of the batch were too old; valid after run().
  std::int64_t late_rows() const { return late_rows_; }
  void accept(const std::vector<catalog::CommittedTable>& committed);
  void discard();

  // Compaction of a model's table: merges the data files of the given numbers (and applies their deletes). The change
  // is of one table; replace() makes the hot rows point to the new file once it is committed. An error leaves
  // everything as it was.
  struct Merge {
    catalog::TableChange change;
    std::vector<std::string> paths;
    const LiveModel* model = nullptr;
    std::vector<std::int32_t> merged;  // numbers
    std::vector<transform::DataFile> files;
    bool drops_deletes = false;
  };
  const TableFiles& files(const LiveModel& model) const { return tables_.at(model.name).files; }
  Result<Merge> merge(const LiveModel& model, const std::vector<std::int32_t>& numbers);
  Result<void> replace(const Merge& merge, std::int64_t snapshot_id);

  // Files of a model that appends were merged into another.
  void merged(const catalog::TableIdentifier& table, const catalog::TableChange& change,
              const catalog::CommittedTable& committed);

  // What the places and hashes of cold rows take in memory.
  std::size_t cold_bytes() const;

  // Forgets rows that are older than a model's hot days before `newest`, a day as YYYY-MM-DD, and gives back memory.
  Result<void> trim(const std::string& newest);

 private:
  struct Table;
  // The hashes of the keys of a term, as a batch has them: found once a batch, whoever asks first.
  struct KeySet {
    std::string query;
    std::string table;  // with one column, key
    std::mutex mutex;   // of what follows; once found it does not change during the batch
    std::int64_t batch = 0;
    bool is_empty = true;
    bool is_listed = false;
    std::vector<std::uint64_t> hashes;  // if listed
  };
  struct LookupTerm {
    KeyTerm term;
    KeySet* keys = nullptr;
  };
  // The hot rows of a table that a predicate is true of.
  struct Lookup {
    Table* table = nullptr;
    std::string where;
    std::vector<LookupTerm> terms;  // empty: every row is asked
  };
  // Rows that become one file.
  struct AddedRows {
    std::int32_t number = 0;  // of the file
    std::string query;
    std::vector<transform::PartitionValue> partition;
  };
  struct Read {
    Lookup lookup;
    std::string relation;
  };
  struct Table {
    explicit Table(const LiveModel& of) : model(&of), keys(&of.schema) {}
    const LiveModel* model;
    TableFiles files;
    std::string data_directory;
    KeyColumns keys;
    Lookup scope;             // of a model that does not append
    std::vector<Read> reads;  // likewise
    bool has_cold = false;    // rows that are not hot are in `cold`
    std::mutex cold_mutex;    // while rows become hot: models that read this one run side by side
    ColdRows cold;
    std::string oldest_day;  // with hot_days: SQL of a date; rows before it are not for live
    bool is_clear = false;   // live.changed_<model> and live_this.<model> hold nothing
    bool is_placed = true;   // hot rows have the places of their file; if not, they are those of the only one, in order
    // Of the running batch:
    std::optional<std::int64_t> rewritten_rows;  // it is written anew, with so many rows
    std::vector<AddedRows> added_rows;
    std::map<std::int32_t, std::int64_t> removed_rows;  // by file
    std::vector<std::string> paths;                     // written
    std::vector<transform::DataFile> added;             // of added_rows
    std::vector<transform::DataFile> added_deletes;
    bool is_changed() const { return rewritten_rows || !added.empty() || !added_deletes.empty(); }
  };

  explicit Models(ModelsOptions options) : options_(std::move(options)) {}
  Result<void> open();
  Result<void> load_lake_table(const LakeTable& table);
  Result<void> load_source(const SourceTable& source);
  Result<void> show_source(const SourceTable& source, const std::vector<std::string>& files,
                           std::int64_t oldest_micros);
  Result<void> plan_lookups();
  Result<Lookup> plan_lookup(Table& table, const std::string& where);
  Result<void> check_lookups();
  Result<bool> check_lookup(Lookup& lookup);
  void share_keys(const LiveModel& model, Lookup& lookup);
  Result<void> create_relations(Table& table);
  Result<void> load_rows(Table& table);
  Result<void> load_hot_rows(Table& table, const std::string& where);
  Result<void> load_cold_rows(Table& table, const std::string& where);
  Result<void> show_batch(const Batch& batch);
  Result<void> run_steps();
  ModelChanges changes() const;
  // Of a step, by the session of the thread that it runs on:
  Result<void> run_step(engine::Session& session, const Plan::Step& step);
  Result<void> run_view(engine::Session& session, const LiveView& view);
  Result<void> run_append(engine::Session& session, Table& table);
  Result<void> run_scoped(engine::Session& session, Table& table);
  Result<bool> find_rows(engine::Session& session, const Lookup& lookup, const std::string& columns,
                         const std::string& into);
  Result<std::optional<std::string>> find_candidates(engine::Session& session, const Lookup& lookup);
  Result<void> find_keys(engine::Session& session, KeySet& keys, bool lists);
  Result<void> warm_rows(engine::Session& session, Table& table, std::vector<ColdRows::Row> found);
  Result<void> clear(engine::Session& session, Table& table);
  Result<void> add_rows(engine::Session& session, Table& table, const std::string& added);
  Result<void> remove_rows(engine::Session& session, Table& table);
  Result<void> write_files(engine::Session& session, Table& table);
  std::int64_t rewritten_rows_max() const { return std::min(kRewrittenRowsMax, options_.hot_rows_max); }
  bool can_rewrite(const Table& table) const;
  Result<void> place_rows(engine::Session& session, Table& table);

  Result<void> forget_batch();
  Result<void> cool_rows(Table& table);
  Result<void> forget_cold_days(Table& table);
  Result<void> move_cold_rows(Table& table, const std::vector<std::int32_t>& merged, std::optional<std::int32_t> into);
  Result<void> write_merge(const LiveModel& model, const std::vector<std::int32_t>& numbers, Merge& merge);
  Result<std::int64_t> gather_merged(const LiveModel& model, const Table& table,
                                     const std::vector<std::int32_t>& numbers);

  ModelsOptions options_;
  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<engine::Session> session_;
  Plan plan_;
  struct Source {
    std::string empty;      // a query of its columns and no rows
    std::string is_recent;  // predicate; {0} microseconds, {1} a day
    bool is_shown = false;  // with rows
  };
  std::map<catalog::TableIdentifier, Source> sources_;
  std::map<std::string, Table> tables_;  // by model name
  std::map<std::string, KeySet> key_sets_;
  std::vector<std::unique_ptr<engine::Session>> helpers_;  // of the other threads of run()
  std::int64_t batch_ = 0;
  std::int64_t late_rows_ = 0;
  bool in_batch_ = false;
  bool is_current_ = true;  // the hot rows are those of the tables
};

}  // namespace shoplake::live
