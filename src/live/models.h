// Models: the live models' hot rows in an engine of their own, and what a batch of events does to them.
//
// run() works in a transaction of the engine and gives the files to commit; after the catalog has committed them,
// accept() makes the new rows the hot ones; otherwise discard() forgets the batch. After an error of accept() the
// object must be made anew: its rows may not be what the tables hold.
//
// For a model with a scope: old = its hot rows within the scope, new = what its SQL gives. Rows that are in one and not
// in the other (as multisets) are removed or added; only these are written, as one data file and one file of position
// deletes. So a hot row carries the number of its file and its position there.
//
// What a model's SQL reads of another one (LiveModel::reads) is put into a table of its own before it runs, found by
// key as the rows of the scope are (live/key_lookup.h): so a batch costs what it touches, whatever the number of hot
// rows.
//
// If everything that reads a table names the keys of its rows, only the rows that were touched lately are in memory
// (hot), about kHotRowsMax at most. Of the others (cold) there are the places and the hashes of their keys
// (live/cold_rows.h); a row whose key a batch touches is read from its file and is hot from then on.
//
// Belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
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

struct ModelsOptions {
  io::Env* env = nullptr;
  catalog::Catalog* catalog = nullptr;
  engine::DatabaseOptions engine;
  model::InvocationOptions project;
  std::vector<SourceTable> sources;
  std::int64_t hot_rows_max = kHotRowsMax;
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
  ~Models();

  bool empty() const { return plan_.steps.empty(); }
  const Plan& plan() const { return plan_; }
  engine::Session& session() { return *session_; }
  engine::Database& database() { return *database_; }

  struct Batch {
    std::map<catalog::TableIdentifier, std::vector<std::string>> files;  // of each source: this batch's rows
    std::int64_t oldest_micros = 0;  // records of events before it are not for the models
  };
  Result<ModelChanges> run(const Batch& batch);
  // How many rows of the batch were too old; valid after run().
  std::int64_t late_rows() const { return late_rows_; }
  Result<void> accept(const std::vector<catalog::CommittedTable>& committed);
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
  // The hot rows of a table that a predicate is true of.
  struct Lookup {
    Table* table = nullptr;
    std::string where;
    std::vector<KeyTerm> terms;  // empty: every row is asked
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
    ColdRows cold;
    std::string oldest_day;  // with hot_days: SQL of a date; rows before it are not for live
    bool is_clear = false;   // live.changed_<model> and live_this.<model> hold nothing
    // Of the running batch:
    std::vector<std::pair<std::int32_t, transform::DataFile>> added;  // with their numbers
    std::vector<transform::DataFile> added_deletes;
    std::map<std::int32_t, std::int64_t> removed_rows;  // by file
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
  Result<void> create_relations(Table& table);
  Result<void> load_rows(Table& table);
  Result<void> load_hot_rows(Table& table, const std::string& where);
  Result<void> load_cold_rows(Table& table, const std::string& where);
  Result<void> show_batch(const Batch& batch);
  Result<void> run_steps(ModelChanges& changes);
  Result<void> run_view(const LiveView& view);
  Result<void> run_append(const LiveModel& model, Table& table);
  Result<void> run_scoped(const LiveModel& model, Table& table);
  Result<bool> find_rows(const Lookup& lookup, const std::string& columns, const std::string& into);
  Result<std::optional<std::string>> find_candidates(const Lookup& lookup);
  Result<void> find_cold(const Table& table, const KeyTerm& term, const std::string& keys,
                         std::vector<ColdRows::Row>& found);
  Result<void> warm_rows(Table& table, std::vector<ColdRows::Row> found);
  Result<void> cool_rows(Table& table);
  Result<void> forget_cold_days(Table& table);
  Result<void> move_cold_rows(Table& table, const std::vector<std::int32_t>& merged, std::optional<std::int32_t> into);
  Result<void> clear(Table& table);
  Result<void> write_added(const LiveModel& model, Table& table, const std::string& added);
  Result<void> write_merge(const LiveModel& model, const std::vector<std::int32_t>& numbers, Merge& merge);
  Result<std::int64_t> gather_merged(const LiveModel& model, const Table& table,
                                     const std::vector<std::int32_t>& numbers);
  Result<void> write_deletes(const LiveModel& model, Table& table);

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
  std::vector<std::string> paths_;       // written by the running batch
  std::int64_t late_rows_ = 0;
  bool in_batch_ = false;
};

}  // namespace shoplake::live
