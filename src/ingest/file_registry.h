// The registry of files: what became of each file of a dataset, in the control plane. A file is a dataset, a day and a
// name; the content that counts for it is the one it had last. Tables: docs/formats/raw_objects.md.
//
// The row of a loaded file is written inside the commit that loads it, with the data files that hold its rows, so that
// a later content of the same file can take their place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/sqlite.h"

namespace shoplake::ingest {

using base::Result;

enum class FileState {
  loaded,
  duplicate,  // another file of the dataset has the same content, which is loaded
  rejected,   // nothing of it was loaded; `reason` says why
  blocked,    // the same, but for a block rule of the table: it stays in raw
};
std::string_view name(FileState state);

struct FileKey {
  std::string dataset;
  std::string date;  // YYYY-MM-DD
  std::string name;
};

struct FileRecord {
  FileKey key;
  FileState state = FileState::loaded;
  std::string reason;   // of a rejected file: the error's code…
  std::string message;  // …and what it says
  std::string source_name;
  std::string object;  // where it stands, below the lake's root: in raw, or of a rejected file in quarantine/_files
  std::string md5;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_micros = 0;  // of a file dropped into raw, as it was when it was looked at; else 0
  std::int64_t rows = 0;
  std::int64_t rejected = 0;  // rows
  std::int64_t at_micros = 0;
};

struct ObjectFile {
  std::string table;  // "processed.transactions"
  std::string path;   // of the data file
};

// Creates the tables if absent.
Result<void> prepare_file_registry(io::Database& database);

Result<std::optional<FileRecord>> find_file(io::Database& database, const FileKey& key);
// The file that was dropped at `object`, as it was recorded last.
Result<std::optional<FileRecord>> find_file_at(io::Database& database, const std::string& object);
// In the place of what was recorded of the file before.
Result<void> record_file(io::Database& database, const FileRecord& file);

struct FileFilter {
  std::string dataset;  // empty: all
  // Only those of which nothing was published: rejected or blocked; `reason` and `object_part` (a part of where the
  // file stands) further limit them, if not empty.
  bool refused = false;
  std::string reason = {};
  std::string object_part = {};
};
// What is recorded of a file that was rejected or blocked, unless another record has taken its place.
Result<void> forget_file(io::Database& database, const FileRecord& file);

// Behind the name of a rejected or blocked file, where a loaded one of that day and name stays what counts.
inline constexpr std::string_view kRejectedEnding = " (rejected)";
inline constexpr std::string_view kBlockedEnding = " (blocked)";
// The file's name without it. Valid as long as the record.
std::string_view given_name(const FileRecord& file);

// By dataset, day and name.
Result<std::vector<FileRecord>> list_files(io::Database& database, const FileFilter& filter);

// The data files that a raw object's rows were written to.
Result<void> record_object_files(io::Database& database, const std::string& object,
                                 const std::vector<ObjectFile>& files);
Result<std::vector<ObjectFile>> object_files(io::Database& database, const std::string& object);
Result<void> forget_object_files(io::Database& database, const std::string& object);

}  // namespace shoplake::ingest
