// ParquetReader: rows of a Parquet file into a RecordBuilder, by contract: columns are matched by name at every level,
// types are coerced by the rules of JSON input, so that a Parquet file and the NDJSON of the same rows give the same
// table.
//
// The file is read in batches of rows; Arrow decodes. Not thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "contract/contract.h"
#include "io/env.h"
#include "transform/json_reader.h"
#include "transform/record_builder.h"

namespace shoplake::transform {

// The columns of a file as contracts can have them (other types are texts), and its rows.
struct ParquetShape {
  std::vector<Column> columns;
  std::int64_t rows = 0;
};
// Errors: transform.parquet (kind input).
Result<ParquetShape> parquet_shape(const io::RandomAccessFile& file, std::string_view name);

class ParquetReader {
 public:
  struct Callbacks {
    // `row` counts from 1; `record` is the row as JSON.
    std::function<Result<void>(std::int64_t row, const Rejection& rejection, const std::string& record)> on_rejection;
    // After each batch; an error ends the reading.
    std::function<Result<void>(std::uint64_t bytes)> on_progress;
  };

  ParquetReader(const contract::Contract& contract, RecordBuilder& builder, Drift& drift);
  ~ParquetReader();

  // Errors: transform.parquet (kind input): the file is damaged or not supported, with Arrow's message.
  Result<void> read(const io::RandomAccessFile& file, std::string_view name, const Callbacks& callbacks);
  std::int64_t accepted() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::transform
