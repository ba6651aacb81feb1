// FileLoader: files of one dataset, one after another, each validated, kept in the raw zone, transformed and committed.
//
// A file is one atomic commit of the dataset's table, of quarantine and of the registries of contents and files. A
// content that was loaded before adds nothing. Where the contract says `on_changed_file: replace`, a file of the same
// day and name with another content takes the place of the one before: its rows go in the same commit. A file that is
// rejected as a whole is kept in quarantine with its reason beside it; one that breaks a block rule of the table stays
// in the raw zone, and the registry says so. Killed at any moment, the same call again ends with the same tables.
//
// Belongs to one thread. What a load leaves behind: docs/formats/raw_objects.md.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "app/load.h"
#include "app/load_audit.h"
#include "app/row_removal.h"
#include "base/progress.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "contract/contract.h"
#include "ingest/dataset_tables.h"
#include "ingest/file_registry.h"
#include "ingest/raw_object.h"
#include "ingest/registry.h"
#include "io/sqlite.h"
#include "transform/transform.h"

namespace shoplake::app {

struct FileLoaderOptions {
  std::string dataset;
  base::Progress* progress = nullptr;
  std::stop_token stop;
  bool reload = false;  // a content that was loaded before is loaded again, in the place of its rows
};

class FileLoader {
 public:
  // Reads the contract and creates the tables if they are absent. Errors: contract.unknown_dataset and the catalog's.
  static base::Result<std::unique_ptr<FileLoader>> open(App& app, FileLoaderOptions options);

  const contract::Contract& contract() const { return contract_; }
  const ingest::DatasetTables& tables() const { return tables_; }

  // What happened, errors too. `modified_micros`: of a file that was dropped into the raw zone. `registered_name`: what
  // the file counts as with `on_changed_file: replace`, where its own name is another each time; empty: its name.
  LoadedFile load(const std::string& path, std::int64_t modified_micros = 0, const std::string& registered_name = {});

  // A file of the registry once more, after its contract or its rules were changed. One that was rejected or blocked is
  // loaded as if it came now. Of one that is loaded, rows and rejects are made anew in one commit if fewer of its
  // records are rejected than before; else it is skipped and stays as it is. What fails stays where it is, too.
  LoadedFile retry(const ingest::FileRecord& record);

 private:
  // One file on its way.
  struct Work {
    std::string path;
    ingest::FileKey key;
    std::int64_t now = 0;
    std::int64_t modified_micros = 0;
    ingest::Content content;
    std::optional<ingest::FileRecord> previous;  // whose rows go
    std::optional<ingest::FileRecord> retried;   // as the registry had it
    bool makes_anew() const { return retried && retried->state == ingest::FileState::loaded; }
    const std::string& source_name() const { return retried ? retried->source_name : path; }
  };
  // What goes with a previous content.
  struct Removals {
    RowRemoval table;
    RowRemoval quarantine;
  };

  FileLoader(App& app, FileLoaderOptions options) : app_(app), options_(std::move(options)) {}

  base::Progress& progress() { return options_.progress != nullptr ? *options_.progress : base::no_progress(); }
  std::string raw_object_at(const std::string& path) const;
  base::Result<Work> begin(const std::string& path, std::int64_t modified_micros,
                           const std::string& registered_name) const;
  LoadedFile load(base::Result<Work> work, const std::string& path);
  base::Result<void> try_load(const Work& given, LoadedFile& file);
  base::Result<void> find_previous(Work& work);
  base::Result<void> take_known(Work& work, const ingest::LoadedObject& known, LoadedFile& file);
  base::Result<void> load_new(Work& work, ingest::RawCopy& copy, LoadedFile& file);
  base::Result<Removals> plan_removals(const Work& work);
  base::Result<void> commit(const Work& work, const Removals& removals, const catalog::Schema& schema,
                            const catalog::Schema& quarantine_schema, const transform::TransformResult& result,
                            LoadedFile& file);
  base::Result<void> commit_removal(const Work& work, const Removals& removals, const ingest::FileRecord& record);
  base::Result<std::vector<catalog::CommittedTable>> publish(std::vector<catalog::TableChange> changes,
                                                             const Work& work,
                                                             const catalog::ControlPlaneWrites& write);
  base::Result<void> settle_retry(const ingest::FileRecord& record);
  void note_blocked(const Work& work, const std::string& object, const base::Error& error);
  void reject(const Work& work, const base::Error& error, LoadedFile& file);
  base::Result<void> quarantine_file(const Work& work, const base::Error& error, LoadedFile& file);
  ingest::FileRecord record_of(const Work& work, ingest::FileState state, const std::string& object) const;

  App& app_;
  FileLoaderOptions options_;
  contract::Contract contract_;
  catalog::Catalog* catalog_ = nullptr;
  std::unique_ptr<io::Database> control_plane_;
  ingest::DatasetTables tables_;
  std::unique_ptr<LoadAudit> audit_;  // null: no rule can keep rows out
};

}  // namespace shoplake::app
