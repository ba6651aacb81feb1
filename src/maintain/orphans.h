// Orphans: files of the lake that no table's metadata names, left by processes that died, commits that did not happen,
// dropped tables. Looked for where shoplake puts tables, <zone>/<table>/{data,metadata}/ of the zones processed,
// curated and quarantine, and in tmp/; never in raw/, whose objects are the archive, and nowhere else, where files may
// be a person's own.
//
// A commit that runs has files that nothing names yet, so only files older than a safety age count. Files are listed
// before the metadata is read: what is committed meanwhile is named. If any table's metadata cannot be read nothing is
// removed, since it might name any file.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "io/env.h"

namespace shoplake::maintain {

using base::Result;

inline constexpr std::int64_t kOrphanAgeMicrosDefault = std::int64_t{24} * 3600 * 1'000'000;

struct OrphanOptions {
  io::Env* env = nullptr;
  catalog::Catalog* catalog = nullptr;
  std::string temporary_directory;  // tmp/, wherever it is; empty: not looked at
  std::int64_t older_than_micros = kOrphanAgeMicrosDefault;
  bool dry_run = false;
  base::Progress* progress = nullptr;
  std::stop_token stop;
};

struct OrphanFile {
  std::string path;
  std::uint64_t bytes = 0;
  std::int64_t modified_micros = 0;
};

struct OrphanReport {
  std::int64_t files_looked_at = 0;
  std::int64_t tables = 0;
  std::vector<OrphanFile> orphans;  // by path; removed unless dry_run
  std::uint64_t bytes = 0;
  std::int64_t too_young = 0;            // not named either, but younger than the safety age
  std::vector<std::string> not_removed;  // "path: why"
};

// Errors: those of catalog and Env; nothing was removed then.
Result<OrphanReport> remove_orphans(const OrphanOptions& options);

}  // namespace shoplake::maintain
