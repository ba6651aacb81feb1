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
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "engine/session.h"
#include "io/env.h"
#include "model/iceberg_type.h"

namespace shoplake::model {

// How large the inputs of a table may be, in bytes of their data files, so that its rows are kept in engine memory for
// the models and tests downstream instead of being read back from Parquet.
inline constexpr std::uint64_t kKeepInMemoryInputBytes = 256ull << 20;
inline constexpr int kCommitAttemptsMax = 50;

struct RelationName {
  std::string schema;
  std::string identifier;
  friend auto operator<=>(const RelationName&, const RelationName&) = default;
};
std::string to_string(const RelationName& name);  // "marts"."x", quoted

struct TableWrite {
  RelationName name;
  std::string sql;                        // a query
  std::vector<std::string> partition_by;  // top-level columns
  catalog::Properties properties;         // of the table
  catalog::Properties summary;            // of the snapshot
  bool keep_in_memory = true;             // if it is small enough
};

struct IncrementalWrite {
  TableWrite table;
  std::string strategy;                      // append, delete+insert, merge, insert_overwrite
  std::vector<std::string> unique_key;       // columns or expressions
  std::vector<std::string> predicates;       // on DBT_INTERNAL_DEST (and DBT_INTERNAL_SOURCE, for merge)
  std::vector<std::string> update_columns;   // merge: only these; empty: all
  std::vector<std::string> exclude_columns;  // merge: all but these
  std::string on_schema_change = "ignore";   // ignore, fail, append_new_columns, sync_all_columns
};

struct Written {
  std::int64_t rows = 0;   // rows that the query gave
  std::int64_t bytes = 0;  // of the files written
  std::int64_t files = 0;
  std::int64_t files_replaced = 0;
};

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
  enum class Kind { table, view };
  std::optional<Kind> kind(const RelationName& name);
  // Names and types of a query's columns.
  Result<std::vector<engine::Column>> describe(engine::Session& session, std::string_view sql);
  // Takes the catalog's current state of one table instead of that of open().
  Result<void> refresh(engine::Session& session, const RelationName& name);

  // Replaces the whole content (and shape) of a table, or creates it. Another writer's commit in between is replaced
  // too.
  Result<Written> replace_table(engine::Session& session, const TableWrite& write);
  // Brings a batch into an existing table. Error catalog.commit_conflict: somebody else committed since refresh();
  // render and try again. Errors model.schema_changed, model.duplicate_key, model.incremental (kind failed).
  Result<Written> write_incremental(engine::Session& session, const IncrementalWrite& write);
  // Creates or replaces a view, in the engine and in the catalog.
  Result<void> replace_view(engine::Session& session, const RelationName& name, const std::string& sql,
                            const catalog::Properties& properties);
  // Frees the rows that were kept in memory; the relation is read from its files from now on.
  void release(engine::Session& session, const RelationName& name);

  catalog::Catalog& catalog() { return *options_.catalog; }

 private:
  struct Entry {
    Kind kind = Kind::table;
    std::string metadata_location;  // of a table
    std::string sql;                // of a view
    bool in_engine = false;
    std::string staged;            // the in-memory table behind the view, if any
    std::string files;             // what reads the files that this invocation wrote, if they are the whole table
    std::uint64_t size_bytes = 0;  // of a table's data files; 0: not known yet
    bool size_known = false;
  };
  struct Copied;
  struct Shape;

  explicit Lake(const LakeOptions& options) : options_(options) {}
  Result<bool> ensure_locked(engine::Session& session, const RelationName& name, int depth);
  std::optional<std::string> direct_read(engine::Session& session, const RelationName& name,
                                         const std::string& metadata_location);
  Result<void> create_schema(engine::Session& session, const std::string& schema);
  Result<void> create_namespace(const std::string& schema);
  Result<std::uint64_t> input_bytes(engine::Session& session, std::string_view sql);
  Result<std::uint64_t> input_bytes_locked(engine::Session& session, std::string_view sql, std::set<std::string>& seen,
                                           int depth);
  Result<Copied> copy(engine::Session& session, const std::string& sql, const catalog::Schema& schema,
                      const std::vector<std::string>& partition_by, const std::string& folder,
                      std::optional<std::int64_t> known_rows);
  Result<std::string> shown_columns(engine::Session& session, const RelationName& name);
  Result<void> replace_engine_view(engine::Session& session, const RelationName& name, const std::string& body);
  struct Shown {
    std::string metadata_location;
    std::string body;    // the query of the view; empty: reads the table as direct_read() or iceberg_scan() does
    std::string staged;  // as in Entry
    std::string files;   // as in Entry
  };
  Result<void> show_table(engine::Session& session, const RelationName& name, Shown shown);
  Result<Shape> incremental_shape(const IncrementalWrite& write, const catalog::Table& table,
                                  const StoredColumns& batch);
  std::string next_staging_name();
  // Session::table_names(), which takes milliseconds of long statements, once for each statement.
  Result<std::vector<std::string>> table_names(engine::Session& session, std::string_view sql);

  LakeOptions options_;
  std::mutex mutex_;
  std::map<RelationName, Entry> entries_;
  std::set<std::string> schemas_;     // that exist in the engine
  std::set<std::string> namespaces_;  // that exist in the catalog
  std::atomic<int> staging_count_ = 0;
  std::mutex names_mutex_;
  std::map<std::string, std::vector<std::string>, std::less<>> names_;  // of statements, by their text
};

}  // namespace shoplake::model
