// `shoplake quarantine retry`: what was kept out of a dataset's table, tried again after its contract or its rules were
// changed.
//
// Records that came in files are tried by loading the file again from the raw zone (FileLoader::retry): a line of CSV
// means nothing without its header, and of long records quarantine has the begin only. JSON records of a dataset that a
// live stream feeds are taken from quarantine itself, by the live path, which counts each event once. Files that were
// rejected as a whole or blocked are loaded as if they came now.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "app/load.h"
#include "base/progress.h"
#include "base/result.h"
#include "ingest/file_registry.h"

namespace shoplake::app {

struct QuarantineRetryOptions {
  std::string dataset;
  std::string reason_code;  // empty: all
  base::Progress* progress = nullptr;
  std::stop_token stop;
};

// A file that was loaded again, or tried to be.
struct RetriedFile {
  std::string object;  // where it stood, below the lake's root
  ingest::FileState before = ingest::FileState::loaded;
  std::int64_t rejected_before = 0;  // records
  LoadedFile file;
};

struct QuarantineRetryReport {
  // Records.
  std::uint64_t tried = 0;
  std::uint64_t accepted = 0;
  std::uint64_t already_there = 0;  // left out of both
  std::uint64_t rejected = 0;       // stay in quarantine
  std::uint64_t truncated = 0;      // longer than quarantine keeps, and in no file: stay
  std::vector<RetriedFile> files;   // those with such records, and those that were rejected or blocked as a whole
};

// A file that is no good yet is in the report. Errors: quarantine.no_such_dataset (usage), of the environment, and
// those of live::Live.
base::Result<QuarantineRetryReport> retry_quarantine(App& app, const QuarantineRetryOptions& options);

}  // namespace shoplake::app
