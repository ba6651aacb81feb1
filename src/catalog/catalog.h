// The Iceberg catalog: namespaces, tables and views of the lake; table metadata as files on the lake (Iceberg table
// spec v2), the pointer to each table's current metadata file in the control plane (SQLite), swapped by
// compare-and-swap.
//
// A commit is: write manifests, manifest list and metadata file (all durable), then one SQLite transaction that moves
// every pointer of the commit and runs the caller's own control-plane writes (consumed object, offset). It is atomic
// over several tables; a reader sees all of it or nothing. Files written for a commit that did not happen are orphans
// and are never referenced.
//
// Errors: catalog.commit_conflict (kind conflict): somebody else committed first and the change could not be rebased;
// nothing was committed. catalog.schema_changed (conflict): the field ids in the data files are no longer the table's;
// plan and write again. catalog.no_such_table, catalog.no_such_view, catalog.no_such_namespace (not_found).
// catalog.table_exists. An error of kind environment from a commit means that nothing was committed: the pointer swap
// is the last step.
//
// Paths: the lake is local; locations and the paths in metadata are plain absolute paths
// ("/lake/processed/events/data/x.parquet"), which DuckDB, PyIceberg and Spark all take. file:// URIs that other
// engines wrote are read too.
//
// Thread safe, and safe for several processes on one control plane. Specification: https://iceberg.apache.org/spec/
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/table_metadata.h"
#include "io/env.h"
#include "io/sqlite.h"
#include "transform/data_file.h"

namespace shoplake::catalog {

using base::Result;
using Properties = std::map<std::string, std::string>;

// One or more levels: "marts", or {"a","b"} for clients that nest. shoplake's own namespaces have one level.
struct Namespace {
  std::vector<std::string> levels;
  friend auto operator<=>(const Namespace&, const Namespace&) = default;
};
std::string to_string(const Namespace& name_space);  // "a.b"

struct TableIdentifier {
  Namespace name_space;
  std::string name;
  friend auto operator<=>(const TableIdentifier&, const TableIdentifier&) = default;
};
std::string to_string(const TableIdentifier& table);                    // "marts.x"
Result<TableIdentifier> parse_table_identifier(std::string_view text);  // "marts.x"

// A table as of one moment.
struct Table {
  TableIdentifier identifier;
  std::string metadata_location;  // absolute path of the current metadata file (local lake), or s3:// URI
  std::shared_ptr<const TableMetadata> metadata;
};

// A SQL view (Iceberg view spec, one DuckDB-dialect representation is what shoplake itself reads).
struct View {
  TableIdentifier identifier;
  std::string sql;
  std::string metadata_location;
  Properties properties;
};

struct CreateTable {
  Schema schema;                          // field ids are assigned afresh, in order, where they are 0
  std::vector<std::string> partition_by;  // top-level column names; identity transforms. Richer specs come through REST
  Properties properties;
  std::optional<std::string> location;  // default <lake>/<zone folder>/<name>
};

// A change of one table's content, in data files that are already durable.
struct TableChange {
  enum class Operation {
    append,     // adds `added`; never conflicts with other appends
    overwrite,  // removes `removed_paths` (data or delete files), adds `added`; conflicts if one of them is gone
    rewrite,    // an overwrite whose new files hold the same rows as the removed ones (compaction): what others
                // committed since base_sequence_number stays beside it, but it conflicts if they deleted rows of files
                // that it removes
    replace,    // all current content goes, `added` comes; `schema` and `partition_by` may change the table's shape
    restore,    // the content becomes what it was in `restored_snapshot_id` (catalog.no_such_snapshot, not_found)
  };
  TableIdentifier table;
  Operation operation = Operation::append;
  std::vector<transform::DataFile> added;  // data files, and position delete files (Content::position_deletes)
  std::vector<std::string> removed_paths;
  Properties summary;         // extra snapshot summary, e.g. "shoplake.source-object"
  Properties set_properties;  // table properties, set in the same commit
  std::optional<std::int64_t>
      base_snapshot_id;  // fail with commit_conflict if the current snapshot is another (not for append and rewrite)
  std::int64_t base_sequence_number = 0;  // of a rewrite: the table's last_sequence_number() when its files were read
  std::optional<std::int64_t> restored_snapshot_id;
  std::optional<CreateTable> create;  // creates the table if absent; for `replace` also gives the new shape
  std::optional<Schema> evolve_to;    // new columns by name are added (optional), widened types are promoted
};

struct CommittedTable {
  TableIdentifier table;
  std::int64_t snapshot_id = 0;
  std::string metadata_location;
  int retries = 0;  // how often other commits came first; also in the snapshot's summary as shoplake.commit-retries
};

// Runs inside the commit's SQLite transaction, after the pointers were moved; an error rolls everything back.
using ControlPlaneWrites = std::function<Result<void>(io::Database&)>;

struct CatalogOptions {
  io::Env* env = nullptr;
  std::string lake_root;           // absolute, or s3://bucket/prefix
  std::string control_plane_path;  // $SHOPLAKE_HOME/state.sqlite
  // Told to the REST catalog's clients, so that they reach the lake ("s3.endpoint"); no secrets.
  std::map<std::string, std::string> client_properties = {};
};

// What this Catalog's commits came to since it was opened, those of the REST catalog included.
struct CommitCounts {
  std::uint64_t commits = 0;
  std::uint64_t retries = 0;    // other commits came first and it was tried again
  std::uint64_t conflicts = 0;  // given up: catalog.commit_conflict, catalog.schema_changed, failed requirements
};

struct CatalogState;

class Catalog {
 public:
  // Creates the control plane's tables and the standard namespaces (raw, processed, curated, staging, intermediate,
  // marts, quarantine) if absent.
  static Result<std::unique_ptr<Catalog>> open(const CatalogOptions& options);
  ~Catalog();

  Result<std::vector<Namespace>> list_namespaces();
  Result<bool> namespace_exists(const Namespace& name_space);
  Result<void> create_namespace(const Namespace& name_space, const Properties& properties);
  Result<Properties> load_namespace(const Namespace& name_space);
  Result<void> update_namespace(const Namespace& name_space, const std::vector<std::string>& removals,
                                const Properties& updates);
  Result<void> drop_namespace(const Namespace& name_space);  // error if it holds anything

  Result<std::vector<TableIdentifier>> list_tables(const Namespace& name_space);
  Result<bool> table_exists(const TableIdentifier& table);
  Result<Table> load_table(const TableIdentifier& table);
  // All tables and views of the lake as of one moment (one SQLite read): what a session's views are built from.
  struct Snapshot {
    std::vector<std::pair<TableIdentifier, std::string>> tables;  // with metadata_location
    std::vector<View> views;
  };
  Result<Snapshot> snapshot();

  Result<Table> create_table(const TableIdentifier& table, const CreateTable& options);
  // Takes a table that exists already into the catalog, by its metadata file; nothing is written or moved. Errors:
  // catalog.outside_lake (usage): the file or the table's location is not below the lake; catalog.table_exists;
  // catalog.invalid_metadata.
  Result<Table> register_table(const TableIdentifier& table, const std::string& metadata_location);

  // The ids that the columns of `wanted` have in the table, existing or not yet: what a writer puts into FIELD_IDS
  // before the commit. Give the planned schema to the commit (as create->schema of a replace, or as evolve_to): it
  // verifies the ids and fails with catalog.schema_changed if another commit took them meanwhile.
  Result<Schema> plan_schema(const TableIdentifier& table, const Schema& wanted);  // for replace and create
  Result<Schema> plan_evolved_schema(const TableIdentifier& table,
                                     const Schema& wanted);  // for append: the union by name

  // Where a table's files go, existing or not yet. <lake>/<zone>/<name>: the zone is processed and quarantine for
  // the namespace of that name, else curated; another table's place is never given out.
  Result<std::string> table_location(const TableIdentifier& table);
  Result<std::string> data_location(const TableIdentifier& table);  // table_location() + "/data", created
  Result<void> drop_table(const TableIdentifier& table);            // the data stays until orphan removal, unless purge
  Result<void> purge_table(const TableIdentifier& table);
  Result<void> rename_table(const TableIdentifier& from, const TableIdentifier& to);

  // Atomic over all changes. Appends are rebased on what others committed meanwhile, for as long as it takes.
  Result<std::vector<CommittedTable>> commit(std::span<const TableChange> changes, const ControlPlaneWrites& also = {});

  // The data and delete files of a table's current snapshot (or of the given one). Without statistics (columns and
  // split offsets stay empty) it is several times quicker on wide tables.
  Result<std::vector<transform::DataFile>> list_files(const Table& table, std::optional<std::int64_t> snapshot_id = {},
                                                      bool with_statistics = true);

  // The same with what somebody needs to know who writes them anew.
  struct StoredFile {
    transform::DataFile file;  // without statistics
    std::int32_t spec_id = 0;  // the partition spec that `file.partition` is of
    std::int64_t sequence_number = 0;
    std::string format;  // "PARQUET"
  };
  Result<std::vector<StoredFile>> list_stored_files(const Table& table);

  // A table of some data files of `table`'s current snapshot alone, with the delete files that may apply to them: its
  // metadata, in a new folder below `folder`, for reading these rows as the whole table's metadata says (names by field
  // id, types, partition values, deletes). Not synced, in no catalog; the caller removes the folder. Returns the path
  // of the metadata file. Error catalog.no_such_file (conflict): one is not among the table's files.
  Result<std::string> write_slice(const Table& table, const std::vector<std::string>& data_paths,
                                  const std::string& folder);

  // Every file that the table's metadata names, of all snapshots that it keeps: data and delete files, manifests,
  // manifest lists, metadata files and those of its log, statistics. Paths as plain paths, each once, in no order.
  Result<std::vector<std::string>> list_named_files(const Table& table);

  Result<std::vector<View>> list_views();
  Result<View> load_view(const TableIdentifier& view);
  // Creates or replaces. A table of that name is an error, unless `replaces_table`: it is dropped in the same
  // transaction. (A commit of Operation::replace with `create` takes the place of a view in the same way.)
  Result<void> replace_view(const TableIdentifier& view, const std::string& sql, const Properties& properties,
                            bool replaces_table = false);
  Result<void> drop_view(const TableIdentifier& view);
  Result<void> rename_view(const TableIdentifier& from, const TableIdentifier& to);

  // Forgets snapshots of the main branch older than `older_than_ms` (since 1970), but never the last `keep_last`, nor
  // those that a branch or tag names, and removes the files that only they used. Returns the number of snapshots
  // expired.
  struct Expiry {
    std::int64_t keep_last = 1;
    std::int64_t older_than_ms = 0;
    // Only snapshots whose summary has this key; empty: all.
    std::string only_with = {};
    // 0: the files are removed at once. Else they are noted, together with metadata files that no metadata names any
    // more, and remove_retired_files() removes them after that time: readers may have begun with an older snapshot.
    std::int64_t retire_micros = 0;
  };
  Result<std::int64_t> expire_snapshots(const TableIdentifier& table, const Expiry& expiry);
  // The snapshots that expire_snapshots() would forget, oldest first.
  static std::vector<std::int64_t> expired_snapshots(const TableMetadata& metadata, const Expiry& expiry);
  // Removes the files of all tables whose time has come, some at a time until it is stopped; returns their number.
  Result<std::int64_t> remove_retired_files(std::stop_token stop = {});

  const CatalogOptions& options() const;
  CommitCounts commit_counts() const;
  // The control plane, for modules that keep their own tables in it; the mutex guards the connection.
  Result<std::unique_ptr<io::Database>> open_control_plane() const;

 private:
  friend class RestCatalog;
  explicit Catalog(std::unique_ptr<CatalogState> state);
  std::unique_ptr<CatalogState> state_;
};

}  // namespace shoplake::catalog
