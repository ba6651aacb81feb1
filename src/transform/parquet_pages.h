// Pages of one column after another: values and levels of ColumnSets, encoded and compressed. Internal to parquet_*.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "transform/buffer.h"
#include "transform/column_range.h"
#include "transform/column_set.h"
#include "transform/dictionary.h"
#include "transform/layout.h"
#include "transform/parquet_writer.h"

namespace arrow::util {
class Codec;
}

namespace shoplake::transform {

// Of one thread.
struct PageScratch {
  PageScratch();
  ~PageScratch();
  // Before the first column of each set.
  void begin(const Layout& layout);

  std::unique_ptr<arrow::util::Codec> codec;
  Buffer<char> body;
  Buffer<std::uint32_t> indices;
  // Encoded levels of the set being written that several columns share.
  std::vector<Buffer<char>> repetition;  // by stream
  std::vector<Buffer<char>> null_pages;  // by node: the page of a child column without values
  std::vector<std::size_t> null_page_bytes;
  Buffer<char> header;
};

// One column chunk of the open row group.
struct ColumnChunk {
  Buffer<char> pages;            // headers and compressed bodies
  std::int64_t value_count = 0;  // with nulls
  std::int64_t null_count = 0;
  std::int64_t uncompressed_bytes = 0;
  bool has_plain = false;
  bool has_dictionary = false;
  Buffer<std::uint32_t> local_ids;  // by id in the load's dictionary: id in this chunk's, plus one; 0: not in it
  Buffer<char> dictionary;          // PLAIN
  std::uint32_t dictionary_size = 0;
  ColumnRange range;

  std::size_t held_bytes() const {
    return pages.capacity_bytes() + local_ids.capacity_bytes() + dictionary.capacity_bytes();
  }
};

// Appends the pages of one set's values of a leaf. `dictionary` is the load's, null where the leaf never uses one.
void append_leaf(const Layout& layout, std::size_t leaf, const Dictionary* dictionary, ColumnSet& set,
                 PageScratch& scratch, ColumnChunk& chunk);
// The same of a leaf that has one value in every record.
void append_constant(const Layout& layout, std::size_t leaf, const Constant& constant, const ColumnSet& set,
                     PageScratch& scratch, ColumnChunk& chunk);
// Appends the page of the chunk's own dictionary. Returns its uncompressed size with the header.
std::size_t append_dictionary_page(const ColumnChunk& chunk, PageScratch& scratch, Buffer<char>& out);

}  // namespace shoplake::transform
