// The relations of one invocation: what sources, refs and `this` stand for in the SQL engine, and how a model's rows
// become an Iceberg table.
//
// Reading: the catalog's state is taken once, at open(); a table of it appears in the engine as a view over its
// metadata file of that moment, made when a statement first names it. What this invocation itself builds replaces its
// view. Writing: COPY to new Parquet files below the table's location, made durable, then one catalog commit. Before
// the commit nothing refers to the files; if it fails or the process dies, the table is as before and the files are
// orphans.
//
// Thread rule: a Lake may be used by many threads, each with its own Session of the one Database.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "engine/session.h"
#include "io/env.h"
#include "model/iceberg_type.h"
#include "model/statement_names.h"

namespace shoplake::model {

class Audit;

inline constexpr int kCommitAttemptsMax = 50;

std::string to_string(const RelationName& name);  // "marts"."x", quoted

struct TableWrite {
  RelationName name;
  std::string sql;                        // a query
  std::vector<std::string> partition_by;  // top-level columns
  catalog::Properties properties;         // of the table
  catalog::Properties summary;            // of the snapshot
};

struct IncrementalWrite {
  TableWrite table;
  std::string strategy;                      // append, delete+insert, merge, insert_overwrite
  std::vector<std::string> unique_key;       // columns or expressions
  std::vector<std::string> predicates;       // on DBT_INTERNAL_DEST (and DBT_INTERNAL_SOURCE, for merge)
  std::vector<std::string> update_columns;   // merge: only these; empty: all
  std::vector<std::string> exclude_columns;  // merge: all but these
  std::string on_schema_change = "ignore";   // ignore, fail, append_new_columns, sync_all_columns
  Audit* audit = nullptr;                    // asked before the commit; its error is write_incremental()'s
};

struct Written {
  std::int64_t rows = 0;   // rows that the query gave
  std::int64_t bytes = 0;  // of the files written
  std::int64_t files = 0;
  std::int64_t files_replaced = 0;
};

// A table whose rows are in files, which this invocation's engine reads already, while the lake does not know them yet:
// until they are durable and committed, a crash leaves the table as it was.
struct UnpublishedTable {
  RelationName name;
  Written written;
  catalog::TableChange change;
  // How it was written, should it have to be written again.
  catalog::Schema wanted;
  std::vector<std::string> partition_by;
  std::string folder;
  bool small = false;
  int write = 0;  // see RelationVersion
};

// What a relation is at the moment, exactly: the metadata file of a table, the SQL of a view. A table that this
// invocation has written and not published yet has no metadata file: it is known by the number of that write.
struct RelationVersion {
  std::string content;
  int write = 0;  // 0: none
  friend bool operator==(const RelationVersion&, const RelationVersion&) = default;
};
using ReadVersions = std::map<RelationName, RelationVersion>;  // names in lower case

struct LakeOptions {
  io::Env* env = nullptr;
  catalog::Catalog* catalog = nullptr;
};

class Lake {
 public:
  static Result<std::unique_ptr<Lake>> open(const LakeOptions& options, engine::Session& session);
  ~Lake();

  // Makes every relation that `sql` names exist in the engine, as far as the lake has it. What the lake does not have
  // is left to the engine's own message.
  Result<void> prepare(engine::Session& session, std::string_view sql);
  // The same for one relation; false if the lake does not have it.
  Result<bool> ensure(engine::Session& session, const RelationName& name);
  // A statement of the project was run that may have left something in the engine (a macro, a setting, a temporary
  // table): what is computed from now on may depend on it, and no name in its SQL says so.
  void note_effect() { has_effects_ = true; }
  bool has_effects() const { return has_effects_; }
  enum class Kind { table, view };
  std::optional<Kind> kind(const RelationName& name);
  // Names and types of a relation's columns; none if the lake does not have it.
  Result<std::vector<engine::Column>> columns(engine::Session& session, const RelationName& name);
  // The same of a query.
  Result<std::vector<engine::Column>> describe(engine::Session& session, std::string_view sql);
  // Every relation of the lake that a statement may read, views looked through, as this invocation sees it. Adds to
  // `versions`.
  void add_versions(std::string_view sql, ReadVersions& versions);
  void add_version(const RelationName& name, ReadVersions& versions);
  // Puts the metadata files that publishing gave in the place of writes; false if one of them was not published.
  bool settle(ReadVersions& versions);
  // Takes the catalog's current state of one table instead of that of open().
  Result<void> refresh(engine::Session& session, const RelationName& name);

  // The whole content (and shape) of a table, new or not, in two steps. write_table() computes the rows and writes them
  // to files; from then on they are what a statement of this invocation reads. publish() makes the files durable and
  // commits them; another writer's commit in between is replaced too. publish_together() does it for several tables
  // with one commit, all or nothing; a conflict with another writer is an error there.
  Result<UnpublishedTable> write_table(engine::Session& session, const TableWrite& write);
  Result<void> publish(engine::Session& session, UnpublishedTable& table);
  Result<void> publish_together(std::span<UnpublishedTable* const> tables);
  Result<Written> replace_table(engine::Session& session, const TableWrite& write);  // both steps
  // Removes the files of a table that is not to be published.
  void discard(const UnpublishedTable& table);
  // Brings a batch into an existing table. Error catalog.commit_conflict: somebody else committed since refresh();
  // render and try again. Errors model.schema_changed, model.duplicate_key, model.incremental (kind failed).
  Result<Written> write_incremental(engine::Session& session, const IncrementalWrite& write);
  // Creates or replaces a view: for this invocation, and in the catalog.
  Result<void> show_view(engine::Session& session, const RelationName& name, const std::string& sql);
  Result<void> publish_view(const RelationName& name, const std::string& sql, const catalog::Properties& properties);

  catalog::Catalog& catalog() { return *options_.catalog; }

 private:
  std::atomic<bool> has_effects_ = false;
  struct Entry {
    Kind kind = Kind::table;
    std::string metadata_location;  // of a table
    std::string sql;                // of a view
    bool in_engine = false;
    std::vector<engine::Column> columns;  // empty: not known yet
    std::uint64_t size_bytes = 0;         // of a table's data files; 0: not known yet
    bool size_known = false;
    int write = 0;  // of a table that is not published yet
  };
  struct Copied {
    std::vector<transform::DataFile> files;
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
  };
  struct Shape;

  explicit Lake(const LakeOptions& options) : options_(options) {}
  Result<bool> ensure_locked(engine::Session& session, const RelationName& name, int depth);
  std::optional<std::string> direct_read(engine::Session& session, const RelationName& name,
                                         const std::string& metadata_location);
  Result<void> create_schema(engine::Session& session, const std::string& schema);
  Result<void> create_namespace(const std::string& schema);
  Result<std::vector<engine::Column>> describe_prepared(engine::Session& session, std::string_view sql);
  std::uint64_t input_bytes(std::string_view sql);
  std::uint64_t input_bytes_locked(std::string_view sql, std::set<RelationName>& seen);
  void add_version_locked(const RelationName& name, ReadVersions& versions);
  Result<Copied> copy(engine::Session& session, const std::string& sql, const catalog::Schema& schema,
                      const std::vector<std::string>& partition_by, const std::string& folder, bool small);
  Result<void> make_durable(std::span<const transform::DataFile> files, std::set<std::string> folders);
  Result<void> sync_file(const std::string& path);
  Result<void> write_again(engine::Session& session, UnpublishedTable& table);
  void note_published(const UnpublishedTable& table, const std::string& metadata_location);
  Result<std::string> shown_columns(engine::Session& session, const RelationName& name);
  Result<void> replace_engine_view(engine::Session& session, const RelationName& name, const std::string& body);
  Result<void> show_committed(engine::Session& session, const RelationName& name, const std::string& metadata_location);
  Result<Shape> incremental_shape(const IncrementalWrite& write, const catalog::Table& table,
                                  const StoredColumns& batch);

  LakeOptions options_;
  std::mutex mutex_;
  std::map<RelationName, Entry> entries_;
  std::set<std::string> schemas_;     // that exist in the engine
  std::set<std::string> namespaces_;  // that exist in the catalog
  std::atomic<int> batch_count_ = 0;
  std::atomic<int> write_count_ = 0;
  std::map<int, std::string> published_;  // metadata file of each write
};

}  // namespace shoplake::model
