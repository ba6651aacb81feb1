// ParquetConcatenation: Parquet files of the same columns become one, without a value being decoded: the bytes of their
// row groups are copied one file after the other, and their footers become one that says where they lie now. So it
// costs what copying costs, in time, and in memory what the footers take.
//
// What the footers say of row groups (statistics, encodings, Bloom filters) stays true and comes along, but for page
// indexes, which only say again where pages lie; key-value metadata, which is about a whole file, stays behind. The
// columns' names, types, ids and order must be the same; which of two ways a writer says that in does not matter.
//
// Not thread safe. Source: Apache Parquet format 2.11, parquet.thrift.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/env.h"

namespace shoplake::transform {

using base::Result;

class ParquetConcatenation {
 public:
  // Reads the footers. Errors of kind input: parquet.damaged: a file that is none or that ends too early;
  // parquet.not_alike: their columns differ, or one is encrypted or has its data elsewhere.
  static Result<ParquetConcatenation> open(io::Env& env, std::span<const std::string> paths);
  ParquetConcatenation(ParquetConcatenation&&) noexcept;
  ~ParquetConcatenation();

  std::int64_t rows() const;
  std::int64_t row_groups() const;

  struct Written {
    std::int64_t size_bytes = 0;
    std::vector<std::int64_t> split_offsets;  // row group starts, ascending
  };
  // Writes the file, which is not synced. After an error it is in any state.
  Result<Written> write(io::Env& env, const std::string& path) const;

 private:
  struct File;
  explicit ParquetConcatenation(std::vector<File> files);

  std::vector<File> files_;
};

}  // namespace shoplake::transform
