// ParquetWriter: one Parquet file of one partition, from ColumnSets. Pages are encoded and compressed as the sets come
// and are kept in memory, small, until their row group is complete; so row groups are large whatever the sets' sizes.
//
// Why not Arrow's writer: it would have to rebuild Arrow arrays, definition levels and dictionaries that a ColumnSet
// already has, and spends as much on a column without values as on a full one (docs/dependencies.md). Files
// are ordinary Parquet (data page v1, PLAIN and RLE_DICTIONARY, Snappy) with Iceberg's field ids; tests read them with
// Arrow and DuckDB.
//
// Not thread safe; different writers may run on different threads, each with its own PageEncoder.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/env.h"
#include "transform/column_set.h"
#include "transform/data_file.h"
#include "transform/dictionary.h"
#include "transform/layout.h"

namespace shoplake::transform {

inline constexpr std::int64_t kRowGroupRows = 12 * 20'480;
inline constexpr std::size_t kRowGroupBytes = 96ULL << 20;

// Columns that hold one value in every record of a load; they are never built, only written.
struct Constant {
  std::string text;
  std::int64_t integer = 0;
};
using Constants = std::map<std::int16_t, Constant>;  // by leaf

// Scratch memory and codec of one thread that encodes.
class PageEncoder {
 public:
  PageEncoder();
  ~PageEncoder();

 private:
  friend class ParquetWriter;
  struct State;
  std::unique_ptr<State> state_;
};

struct ParquetWriterOptions {
  io::Env* env = nullptr;
  const Layout* layout = nullptr;
  const std::vector<std::unique_ptr<Dictionary>>* dictionaries = nullptr;  // by leaf
  const Constants* constants = nullptr;
  std::string path;
  std::vector<PartitionValue> partition;
};

class ParquetWriter {
 public:
  explicit ParquetWriter(ParquetWriterOptions options);
  ~ParquetWriter();

  // Adds a completed or incomplete set's records; the set may be cleared afterwards.
  Result<void> append(ColumnSet& set, PageEncoder& encoder);
  // Writes the pages held as a row group; the file, and its folder if it is absent, are created by the first one. Fine
  // if there are none.
  Result<void> finish_row_group(PageEncoder& encoder);
  // Ends the file. Bytes and name are the caller's to sync.
  Result<DataFile> finish(PageEncoder& encoder);

  std::size_t held_bytes() const;  // memory of the open row group
  std::int64_t rows() const;       // of the file so far
  bool is_file_open() const;
  std::size_t row_group_count() const;  // written to the file so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::transform
