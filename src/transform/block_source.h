// BlockSource: the bytes of an input file as blocks of whole JSON records, inflated where they are gzip.
//
// Forms: lines (a record a line, or several: JsonReader tells them apart; the default), or documents (one JSON array
// whose elements are the records, or JSON values one after another that span lines). Blank lines are no records. A
// record larger than the limit is reported with its begin and passed over; memory stays bounded by the limit whatever
// the file holds. Belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/env.h"
#include "transform/buffer.h"
#include "transform/record_span.h"

namespace shoplake::transform {

using base::Result;

struct OversizedRecord {
  std::size_t before = 0;  // comes before this record of the block
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::int64_t line = 0;
  std::string begin;                    // at most kOversizedTextBytes
  std::int64_t received_at_micros = 0;  // as RecordSpan's
};
inline constexpr std::size_t kOversizedTextBytes = 64 << 10;

struct Block {
  Buffer<char> bytes;  // kBlockPadding more follow the last record
  std::vector<RecordSpan> records;
  std::vector<OversizedRecord> oversized;
  std::uint64_t first_offset = 0;  // of the block's first byte, in the inflated input
  std::int64_t first_line = 1;
  std::uint64_t input_bytes = 0;  // of the file that were read when the block was made
};

enum class RecordForm { automatic, lines };

class BlockSource {
 public:
  // automatic: a file that begins with [ is one array, unless its first line is a whole array and more lines follow;
  // one whose first line is only { is documents; else lines.
  BlockSource(const io::RandomAccessFile& file, std::string_view name, RecordForm form, std::uint64_t record_bytes_max);
  ~BlockSource();

  // Fills the block anew. False at the end of the input. Errors: of the file and of io::Inflater.
  Result<bool> next(Block& block);
  std::uint64_t inflated_bytes() const;  // so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::transform
