// `shoplake load`: files of a dataset into the lake. Each file is one atomic commit of the dataset's table, of
// quarantine and of the file registry; a file whose content was loaded before adds nothing. Killed at any moment, the
// same command again ends with the same tables.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "app/app.h"
#include "base/progress.h"
#include "base/result.h"
#include "transform/transform.h"

namespace shoplake::app {

struct LoadedFile {
  enum class Status {
    loaded,
    skipped,  // its content was loaded before
    failed,   // `error` says why; nothing of it was loaded
  };
  std::string path;
  Status status = Status::loaded;
  std::optional<base::Error> error;
  std::int64_t rows = 0;
  std::int64_t rejected = 0;
  std::map<std::string, std::int64_t> rejected_by_reason;
  std::vector<transform::Drift::Entry> drift;
  std::int64_t drift_unlisted = 0;
  transform::InputFormat format = transform::InputFormat::json;
  // Of CSV: as it was found or declared, and the contract's fields that the file has no column for.
  std::string encoding;
  char delimiter = '\0';
  std::vector<std::string> missing_columns;
  std::string md5;
  std::string raw_object;        // below the lake's root
  std::string replaced_object;   // of a changed file: the raw object whose rows went
  std::string quarantined_as;    // of a rejected file: where it and its reason are kept, below the lake's root
  std::string loaded_before_as;  // of a skipped one: the path it was loaded from
  std::int64_t loaded_before_at_micros = 0;
  std::optional<std::int64_t> snapshot_id;  // of the dataset's table; none if no row came
  std::uint64_t input_bytes = 0;
  std::uint64_t inflated_bytes = 0;
  std::int64_t data_files = 0;
  std::int64_t data_bytes = 0;
  std::int64_t micros = 0;
  std::int64_t copy_micros = 0;
  double read_seconds = 0;  // CPU time of the stages
  double parse_seconds = 0;
  double write_seconds = 0;
  std::int64_t commit_micros = 0;
};

std::string_view name(LoadedFile::Status status);

struct LoadReport {
  std::string dataset;
  std::string table;
  std::string quarantine_table;
  std::vector<LoadedFile> files;
  std::int64_t micros = 0;

  std::int64_t rows() const;
  std::int64_t rejected() const;
  const base::Error* first_error() const;  // null: all files are loaded or skipped
};

struct LoadOptions {
  std::string dataset;
  std::vector<std::string> paths;
  bool reload = false;  // contents that were loaded before, too; load.no_reload (kind usage) where rows must stay
  base::Progress* progress = nullptr;
  std::stop_token stop;
  // Called once all paths and the contract are found good, with a report that has no files yet and the files' bytes.
  std::function<void(const LoadReport& begun, std::uint64_t bytes)> on_begin;
  std::function<void(const LoadedFile& file)> on_file;  // called as soon as each file is done
};

// Fails before anything is loaded if the dataset is not known or a path is missing or a directory (load.no_such_file,
// load.is_directory; kind usage). Later failures are in the report, a file each; the other files are still loaded.
base::Result<LoadReport> load(App& app, const LoadOptions& options);

}  // namespace shoplake::app
