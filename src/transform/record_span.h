// Where records stand in a block of an input.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shoplake::transform {

// Where a record (or several, see JsonReader) stands in its object, uncompressed.
struct RecordSpan {
  std::uint32_t offset = 0;  // in the block
  std::uint32_t length = 0;
  std::uint32_t line = 0;  // counted from the block's first line
  // Of a record of the log; 0 where one moment is all records'.
  std::int64_t received_at_micros = 0;
};

// Bytes of whole records; at least kBlockPadding readable bytes follow `size`.
inline constexpr std::size_t kBlockPadding = 64;

}  // namespace shoplake::transform
