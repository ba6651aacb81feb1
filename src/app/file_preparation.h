// FilePreparation: what can be done of a file's load before its turn to be committed: copied, digested, transformed
// into data files that nothing refers to yet. It reads the catalog and the registries and writes neither, so files can
// be prepared side by side, on any threads; what they are worth is decided when their turn comes (FileLoader).
//
// The MD5 is not waited for where the answer cannot depend on it: no content of that size is loaded, and the file's
// path in the raw zone is free.
//
// Thread safe. Everything that it is given outlives it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "app/app.h"
#include "app/ordered_work.h"
#include "base/progress.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "contract/contract.h"
#include "ingest/dataset_tables.h"
#include "ingest/file_registry.h"
#include "ingest/raw_object.h"
#include "ingest/registry.h"
#include "transform/transform.h"

namespace shoplake::app {

struct FileToLoad {
  std::string path;
  std::int64_t modified_micros = 0;  // of a file that was dropped into the raw zone
};

// One file on its way.
struct FileWork {
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

// Data files that are removed unless somebody keeps them.
class PreparedRows {
 public:
  PreparedRows() = default;
  PreparedRows(io::Env& env, transform::TransformResult result) : env_(&env), result_(std::move(result)) {}
  PreparedRows(PreparedRows&& other) noexcept { *this = std::move(other); }
  PreparedRows& operator=(PreparedRows&& other) noexcept;
  ~PreparedRows() { discard(); }

  bool is_there() const { return env_ != nullptr; }
  transform::TransformResult& result() { return result_; }
  // They are a table's now, or may be.
  void keep() { env_ = nullptr; }
  void discard();

 private:
  io::Env* env_ = nullptr;
  transform::TransformResult result_;
};

struct PreparedFile {
  std::optional<base::Error> error;       // with as much of what follows as there is
  std::uint64_t size_bytes = 0;           // 0: its size could not be told
  std::unique_ptr<ingest::RawCopy> copy;  // null: it was not copied
  std::string raw_object;                 // what the rows say they come from
  catalog::Schema schema;                 // of the table, as the rows have it
  catalog::Schema quarantine_schema;      // likewise
  PreparedRows rows;                      // none if its content was found to be loaded already
  std::int64_t copy_micros = 0;
};

// Preparations that run side by side: twice the processors, because they wait for disks, too, at most
// kPreparationsMax; and so many that what they hold in memory (an estimate from the file's size) stays within
// kPreparationBytesMax. One holds at most about kPreparationBytes, whatever the file.
inline constexpr std::size_t kPreparationsMax = 8;
inline constexpr std::uint64_t kPreparationBytes = 384ULL << 20;
inline constexpr std::uint64_t kPreparationBytesMax = 2 * kPreparationBytes;
std::uint64_t preparation_weight(std::string_view path, std::uint64_t size_bytes);
OrderedWorkLimits preparation_limits();

struct FilePreparationOptions {
  const contract::Contract* contract = nullptr;
  const ingest::DatasetTables* tables = nullptr;
  bool reload = false;
};

class FilePreparation {
 public:
  FilePreparation(App& app, catalog::Catalog& catalog, FilePreparationOptions options)
      : app_(app), catalog_(catalog), options_(options) {}

  // A file as its load begins, at `now`. `registered_name`: see FileLoader::load().
  static FileWork begin(const contract::Contract& contract, const FileToLoad& file, const std::string& registered_name,
                        std::int64_t now);
  PreparedFile prepare(const FileWork& work, base::Progress& progress, const std::stop_token& stop) const;

  // The path below the lake's root of a file in the raw zone; empty for others.
  std::string raw_object_at(const std::string& path) const;
  // The day of the file's folder in the raw zone.
  std::string raw_day(const FileWork& work) const;
  // The loaded content of that key whose place the file takes, if it is another one or is to be loaded again. `md5` may
  // be empty where no loaded content has the file's.
  base::Result<std::optional<ingest::FileRecord>> previous(io::Database& registry, const FileWork& work) const;
  // The load that has brought the content already; nothing if it is to be loaded.
  base::Result<std::optional<ingest::LoadedObject>> known(io::Database& registry, const FileWork& work) const;

 private:
  base::Result<void> try_prepare(const FileWork& given, base::Progress& progress, const std::stop_token& stop,
                                 PreparedFile& file) const;
  base::Result<transform::TransformResult> transform(const FileWork& work, base::Progress& progress,
                                                     const std::stop_token& stop, PreparedFile& file) const;

  App& app_;
  catalog::Catalog& catalog_;
  FilePreparationOptions options_;
};

}  // namespace shoplake::app
