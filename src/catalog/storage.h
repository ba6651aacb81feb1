// The catalog's files on the lake: durable writing, reading, and the state that Catalog's parts share. Internal to
// catalog/.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "catalog/catalog.h"
#include "catalog/manifest.h"
#include "io/env.h"
#include "io/sqlite.h"

namespace shoplake::catalog {

// The plain path of a location: file:///a and file:/a become /a, and s3a://a/b becomes s3://a/b. Error
// catalog.unsupported_location for other schemes.
Result<std::string> plain_path(std::string_view location);

class Storage {
 public:
  explicit Storage(io::Env& env) : env_(env) {}

  io::Env& env() const { return env_; }
  Result<std::string> read(std::string_view location) const;
  // Writes and syncs a new file; its name is durable after sync_folder().
  Result<void> write(const std::string& path, std::string_view bytes) const;
  // Writes a new file that a later io::sync_files() makes durable.
  Result<void> write_unsynced(const std::string& path, std::string_view bytes) const;
  Result<void> sync_folder(const std::string& path) const;
  // Creates a folder with its parents; their names are durable.
  Result<void> make_folder(const std::string& path) const;
  void remove_quietly(const std::vector<std::string>& paths) const;
  std::string sync_marker() const;
  std::int64_t new_snapshot_id() const;
  std::int64_t now_ms() const { return env_.now_micros() / 1000; }

 private:
  io::Env& env_;
};

// Reads a table's manifests.
Result<std::vector<ManifestFile>> read_manifest_list(const Storage& storage, const Snapshot& snapshot);
Result<std::vector<ManifestEntry>> read_manifest(const Storage& storage, const TableMetadata& metadata,
                                                 const ManifestFile& manifest, EntryDetail detail);

// Each manifest's entries in order, given to `take`. From an object store several are read at once.
Result<void> for_each_manifest(
    const Storage& storage, const TableMetadata& metadata, const std::vector<ManifestFile>& manifests,
    EntryDetail detail, const std::function<Result<void>(const ManifestFile&, std::vector<ManifestEntry>)>& take);

// The next metadata file's path: <location>/metadata/<previous number + 1>-<uuid>.metadata.json
std::string next_metadata_path(const Storage& storage, const std::string& location, const std::string& previous);

std::string encode_namespace(const Namespace& name_space);  // as the control plane keeps it: levels joined by U+001F
Namespace decode_namespace(std::string_view text);

// A row of catalog_relations.
struct Relation {
  enum class Kind { table, view };
  Kind kind = Kind::table;
  std::string metadata_location;
  std::string location;
  std::string sql;
  std::string properties;  // JSON
};

struct CatalogState {
  explicit CatalogState(CatalogOptions given) : options(std::move(given)), storage(*options.env) {}

  CatalogOptions options;
  Storage storage;

  // A connection for one operation; returned to the pool after it.
  class Lease {
   public:
    Lease(CatalogState& state, std::unique_ptr<io::Database> database)
        : state_(&state), database_(std::move(database)) {}
    Lease(Lease&&) noexcept = default;
    ~Lease();
    io::Database& operator*() { return *database_; }
    io::Database* operator->() { return database_.get(); }

   private:
    CatalogState* state_;
    std::unique_ptr<io::Database> database_;
  };
  Result<Lease> connect();

  Result<std::optional<Relation>> find_relation(io::Database& database, const TableIdentifier& identifier);
  Result<bool> has_namespace(io::Database& database, const Namespace& name_space);
  Result<std::string> default_location(io::Database& database, const TableIdentifier& identifier);

  // Metadata files never change. Of each folder of them, the one that was read or written last is kept: a table that
  // is committed to each second leaves hundreds behind that nobody asks for again.
  Result<std::shared_ptr<const TableMetadata>> load_metadata(const std::string& location);
  void remember(const std::string& location, std::shared_ptr<const TableMetadata> metadata);

  std::atomic<std::uint64_t> commits = 0;
  std::atomic<std::uint64_t> commit_retries = 0;
  std::atomic<std::uint64_t> commit_conflicts = 0;

  std::mutex mutex;  // guards all below
  std::vector<std::unique_ptr<io::Database>> idle_connections;
  struct CachedMetadata {
    std::string location;
    std::shared_ptr<const TableMetadata> metadata;
    std::uint64_t used_at = 0;  // on cache_clock
  };
  std::map<std::string, CachedMetadata> metadata_cache;  // by folder
  std::uint64_t cache_clock = 0;
};

Result<std::vector<TableIdentifier>> list_relations(io::Database& database, const Namespace& name_space,
                                                    Relation::Kind kind);

// Names have 1 to 255 bytes and no control characters.
Result<void> check_namespace(const Namespace& name_space);
Result<void> check_identifier(const TableIdentifier& identifier);

base::Error exists_already(const TableIdentifier& identifier, Relation::Kind kind);
base::Error no_such_table(const TableIdentifier& table);
base::Error no_such_view(const TableIdentifier& view);
base::Error no_such_snapshot(const TableIdentifier& table, std::int64_t snapshot_id);
base::Error no_such_namespace(const Namespace& name_space);

// One table within a commit: what it was, and the document that will replace it.
struct TableDraft {
  TableIdentifier identifier;
  std::optional<Relation> before;                        // none: the table is created
  std::shared_ptr<const TableMetadata> before_metadata;  // of `before`, if it is a table
  bool replaces_view = false;
  std::unique_ptr<nlohmann::json> document;
  std::string metadata_location;  // once written
  std::shared_ptr<const TableMetadata> metadata;
  std::vector<std::string> unlogged_metadata_files;  // dropped from metadata-log by this commit
  std::vector<std::string> unsynced;                 // files written; synced together before the pointers move

  TableDraft();
  TableDraft(TableDraft&&) noexcept;
  TableDraft& operator=(TableDraft&&) noexcept;
  ~TableDraft();
};

// Runs `prepare` and swaps the pointers of the drafts that it returns, again and again until no other commit came
// between. After a few lost races the write lock is taken first, so that a commit is never starved.
using PrepareDrafts = std::function<Result<std::vector<TableDraft>>(io::Database&, std::vector<std::string>& written)>;
Result<std::vector<TableDraft>> swap_pointers(CatalogState& state, const PrepareDrafts& prepare,
                                              const ControlPlaneWrites& also);

// Applies one change to a draft: shape, properties, and the new snapshot with its manifests. `reuse` carries manifests
// over to the next attempt of the same commit.
struct ManifestReuse {
  std::int64_t snapshot_id = 0;
  int attempts = 0;                               // that came too late
  std::map<std::string, ManifestFile> manifests;  // by what they depend on
};
Result<void> apply_change(CatalogState& state, io::Database& database, const TableChange& change, TableDraft& draft,
                          ManifestReuse& reuse, std::vector<std::string>& written);

// A draft of an existing or a new table.
Result<TableDraft> open_draft(CatalogState& state, io::Database& database, const TableIdentifier& identifier);

// Views (view.cc).
Result<nlohmann::json> read_view_document(const Storage& storage, const std::string& location);
std::string view_sql(const nlohmann::json& document);  // DuckDB's dialect, else the first representation

}  // namespace shoplake::catalog
