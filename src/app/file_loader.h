// FileLoader: files of one dataset, each validated, kept in the raw zone, transformed and committed, in the order they
// are given. What comes before a commit is done for several at once (app/file_preparation.h); registries and tables
// have one writer.
//
// A file is one atomic commit of the dataset's table, of quarantine and of the registries of contents and files. A
// content that was loaded before adds nothing. Where the contract says `on_changed_file: replace`, a file of the same
// day and name with another content takes the place of the one before: its rows go in the same commit. A file that is
// rejected as a whole is kept in quarantine with its reason beside it; one that breaks a block rule of the table stays
// in the raw zone, and the registry says so. Killed at any moment, the same call again ends with the same tables.
//
// Belongs to one thread. What a load leaves behind: docs/formats/raw_objects.md.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "app/file_preparation.h"
#include "app/load.h"
#include "app/load_audit.h"
#include "app/row_removal.h"
#include "base/progress.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "contract/contract.h"
#include "ingest/dataset_tables.h"
#include "ingest/file_registry.h"
#include "ingest/registry.h"
#include "io/sqlite.h"

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

  // Files one after another, as load() takes them, with the same outcome in the same order; while one is committed the
  // next ones are prepared side by side. `on_file` is called with each; false: the rest is left alone.
  void load_all(const std::vector<FileToLoad>& files, const std::function<bool(const LoadedFile&)>& on_file);

  // A file of the registry once more, after its contract or its rules were changed. One that was rejected or blocked is
  // loaded as if it came now. Of one that is loaded, rows and rejects are made anew in one commit if fewer of its
  // records are rejected than before; else it is skipped and stays as it is. What fails stays where it is, too.
  LoadedFile retry(const ingest::FileRecord& record);

 private:
  // What goes with a previous content.
  struct Removals {
    RowRemoval table;
    RowRemoval quarantine;
  };

  FileLoader(App& app, FileLoaderOptions options) : app_(app), options_(std::move(options)) {}

  base::Progress& progress() { return options_.progress != nullptr ? *options_.progress : base::no_progress(); }
  LoadedFile load(FileWork work);
  LoadedFile finish(FileWork work, PreparedFile prepared, std::int64_t begin_micros);
  base::Result<void> try_finish(const FileWork& given, PreparedFile& prepared, LoadedFile& file);
  base::Result<void> take_known(FileWork& work, const ingest::LoadedObject& known, LoadedFile& file);
  base::Result<void> load_new(FileWork& work, PreparedFile& prepared, LoadedFile& file);
  base::Result<Removals> plan_removals(const FileWork& work);
  base::Result<void> commit(const FileWork& work, const Removals& removals, PreparedFile& prepared, LoadedFile& file);
  base::Result<void> commit_removal(const FileWork& work, const Removals& removals, const ingest::FileRecord& record);
  base::Result<std::vector<catalog::CommittedTable>> publish(std::vector<catalog::TableChange> changes,
                                                             const FileWork& work,
                                                             const catalog::ControlPlaneWrites& write);
  base::Result<void> settle_retry(const ingest::FileRecord& record);
  void note_blocked(const FileWork& work, const std::string& object, const base::Error& error);
  void reject(const FileWork& work, const base::Error& error, LoadedFile& file);
  base::Result<void> quarantine_file(const FileWork& work, const base::Error& error, LoadedFile& file);
  ingest::FileRecord record_of(const FileWork& work, ingest::FileState state, const std::string& object) const;

  App& app_;
  FileLoaderOptions options_;
  contract::Contract contract_;
  catalog::Catalog* catalog_ = nullptr;
  std::unique_ptr<io::Database> control_plane_;
  ingest::DatasetTables tables_;
  std::unique_ptr<FilePreparation> preparation_;
  std::unique_ptr<LoadAudit> audit_;  // null: no rule can keep rows out
};

}  // namespace shoplake::app
