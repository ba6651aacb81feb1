// ColumnSet: the records of one partition's batch as columns: Dremel levels and values for each node of a Layout, ready
// to be encoded as Parquet pages.
//
// Levels are filled lazily. A node's entry is written only where the node is present; entries that were skipped are
// copied from the parent's when a later slot is written or the set is completed: an absent node has the level of its
// nearest present ancestor. A column that never has a value costs nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "transform/buffer.h"
#include "transform/layout.h"

namespace shoplake::transform {

struct alignas(64) LeafValues {
  bool is_plain = false;
  Buffer<std::uint32_t> ids;     // text: ids of the column's Dictionary…
  Buffer<std::uint64_t> words;   // integer, timestamp; real as its bits
  Buffer<std::uint8_t> flags;    // boolean
  Buffer<char> plain;            // …or Parquet's PLAIN encoding: length and bytes
  Buffer<std::uint32_t> starts;  // where each text of `plain` begins
};

// A structure that says what an earlier one said, and is not in the columns yet.
struct RepeatedStructure {
  std::uint32_t slot = 0;
  std::uint32_t number = 0;  // of the earlier one: RecordBuilder::keep()
};

struct StreamLevels {
  Buffer<std::uint8_t> repetition;  // empty for stream 0
  std::uint32_t consumed = 0;       // slots of the parent stream that have their entries here
};

struct ColumnSet {
  explicit ColumnSet(const Layout& layout)
      : levels(layout.nodes.size()),
        repeated(layout.nodes.size()),
        streams(layout.streams.size()),
        leaves(layout.leaves.size()) {}

  std::uint32_t rows = 0;
  std::size_t cost_bytes = 0;                       // an estimate of the memory held
  std::vector<Buffer<std::uint8_t>> levels;         // by node
  std::vector<Buffer<RepeatedStructure>> repeated;  // by node; empty when the record builder hands a set over
  std::vector<StreamLevels> streams;
  std::vector<LeafValues> leaves;

  std::uint32_t stream_size(const Layout& layout, std::uint16_t stream) const {
    return stream == 0 ? rows : static_cast<std::uint32_t>(levels[layout.streams[stream].element].size());
  }

  // Gives `stream` its entries for the lists of the parent stream's slots before `slots` that have no elements.
  void catch_up(const Layout& layout, std::uint16_t stream, std::uint32_t slots);
  // Fills a node's entries before `slot` from its parent's.
  void fill(const Layout& layout, std::uint16_t node, std::uint32_t slot);
  // Fills everything but the leaves without any value (their levels are their parent's).
  void complete(const Layout& layout);
  // Forgets everything of the records from `row` on: of the one that was being built.
  void truncate(const Layout& layout, std::uint32_t row);
  void clear();
  // Gives back the memory that the records do not need: a set that was used before is as large as it ever was.
  void shrink();
};

}  // namespace shoplake::transform
