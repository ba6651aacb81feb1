// The file registry: which contents were loaded into which dataset, in the control plane. A content is a dataset, an
// MD5 and a size; its name does not matter. Tables: docs/formats/raw_objects.md.
//
// record() runs inside the commit that loads the content, so that "loaded" and "registered" are one fact; of two
// processes that load one content at once, the second gets ingest.already_loaded and its commit is rolled back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "io/sqlite.h"

namespace shoplake::ingest {

using base::Result;

struct Content {
  std::string dataset;
  std::string md5;
  std::uint64_t size_bytes = 0;
};

struct LoadedObject {
  Content content;
  std::string source_name;  // the path as it was given
  std::string raw_object;   // "raw/events/date=2026-11-21/ga4.ndjson.gz", below the lake's root
  std::int64_t rows = 0;
  std::int64_t rejected = 0;
  std::int64_t loaded_at_micros = 0;
};

inline constexpr std::string_view kAlreadyLoaded = "ingest.already_loaded";

// Creates the registry's tables if absent.
Result<void> prepare_registry(io::Database& database);
Result<std::optional<LoadedObject>> find_loaded(io::Database& database, const Content& content);
// Whether a content of that size is: if not, one need not know the MD5 to know that it is new.
Result<bool> is_size_loaded(io::Database& database, const std::string& dataset, std::uint64_t size_bytes);
// Error ingest.already_loaded (kind already_exists). Inside a transaction of the caller.
Result<void> record_loaded(io::Database& database, const LoadedObject& object);

// The content's rows were removed: it counts as never loaded. Inside a transaction of the caller.
Result<void> forget_loaded(io::Database& database, const Content& content);

// Whether a load has put a content of that size at the path (below the lake's root).
Result<bool> is_placed(io::Database& database, const std::string& path, std::uint64_t size_bytes);

// Gives a raw object its path: raw/<dataset>/date=<day>/<name>; with the begin of its MD5 in the name where another
// content has that path. The same content gets the same path again. Safe for several processes.
Result<std::string> reserve_raw_path(io::Database& database, const Content& content, const std::string& day,
                                     const std::string& file_name);

// The path that reserve_raw_path() would give now. Nothing: that depends on the MD5, and the content has none yet.
Result<std::optional<std::string>> expected_raw_path(io::Database& database, const Content& content,
                                                     const std::string& day, const std::string& file_name);

}  // namespace shoplake::ingest
