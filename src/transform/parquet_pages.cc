#include "transform/parquet_pages.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include <arrow/util/compression.h>

#include "base/result.h"
#include "transform/encoding.h"
#include "transform/parquet_format.h"

namespace shoplake::transform {

namespace {

void finish_length(Buffer<char>& body, std::size_t length_at) {
  const auto length = static_cast<std::uint32_t>(body.size() - length_at - sizeof(std::uint32_t));
  std::memcpy(body.data() + length_at, &length, sizeof(length));
}

void append_levels(Buffer<char>& body, const std::uint8_t* levels, std::size_t count, int width) {
  const std::size_t length_at = body.size();
  body.extend(sizeof(std::uint32_t));
  encode_hybrid(levels, count, width, body);
  finish_length(body, length_at);
}

// Appends a page: header and compressed body. Returns its uncompressed size with the header.
std::size_t append_page(Buffer<char>& out, const Buffer<char>& body, PageType type, std::size_t value_count,
                        Encoding encoding, PageScratch& scratch) {
  arrow::util::Codec& codec = *scratch.codec;
  Buffer<char>& header = scratch.header;
  // The header comes first but holds the compressed size: compress behind a gap that no header exceeds.
  constexpr std::size_t kHeaderBytesMax = 64;
  const std::int64_t room = codec.MaxCompressedLen(static_cast<std::int64_t>(body.size()),
                                                   reinterpret_cast<const std::uint8_t*>(body.data()));
  const std::size_t start = out.size();
  out.extend(kHeaderBytesMax + static_cast<std::size_t>(room));
  std::uint8_t* compressed = reinterpret_cast<std::uint8_t*>(out.data() + start + kHeaderBytesMax);
  const std::int64_t size = *codec.Compress(static_cast<std::int64_t>(body.size()),
                                            reinterpret_cast<const std::uint8_t*>(body.data()), room, compressed);
  header.clear();
  CompactWriter thrift(header);
  thrift.begin_struct();
  thrift.field_i32(1, type);
  thrift.field_i32(2, static_cast<std::int32_t>(body.size()));
  thrift.field_i32(3, static_cast<std::int32_t>(size));
  if (type == kDataPage) {
    thrift.field_struct(5);
    thrift.field_i32(1, static_cast<std::int32_t>(value_count));
    thrift.field_i32(2, encoding);
    thrift.field_i32(3, kRle);
    thrift.field_i32(4, kRle);
  } else {
    thrift.field_struct(7);
    thrift.field_i32(1, static_cast<std::int32_t>(value_count));
    thrift.field_i32(2, encoding);
  }
  thrift.end_struct();
  thrift.end_struct();
  SHOPLAKE_CHECK(header.size() <= kHeaderBytesMax);
  std::memcpy(out.data() + start, header.data(), header.size());
  std::memmove(out.data() + start + header.size(), compressed, static_cast<std::size_t>(size));
  out.truncate(start + header.size() + static_cast<std::size_t>(size));
  return header.size() + body.size();
}

}  // namespace

PageScratch::PageScratch() : codec(*arrow::util::Codec::Create(arrow::Compression::SNAPPY)) {}
PageScratch::~PageScratch() = default;

void PageScratch::begin(const Layout& layout) {
  repetition.resize(layout.streams.size());
  null_pages.resize(layout.nodes.size() + 1);
  null_page_bytes.resize(layout.nodes.size() + 1);
  for (Buffer<char>& shared : repetition)
    shared.clear();
  for (Buffer<char>& shared : null_pages)
    shared.clear();
}

void append_constant(const Layout& layout, std::size_t leaf, const Constant& constant, const ColumnSet& set,
                     PageScratch& scratch, ColumnChunk& chunk) {
  const Node& node = layout.nodes[layout.leaves[leaf]];
  if (chunk.dictionary_size == 0) {
    chunk.dictionary_size = 1;
    if (node.type == ColumnType::text) {
      const auto length = static_cast<std::uint32_t>(constant.text.size());
      std::memcpy(chunk.dictionary.extend(sizeof(length)), &length, sizeof(length));
      chunk.dictionary.append(constant.text.data(), constant.text.size());
      chunk.range.add(constant.text);
    } else {
      std::memcpy(chunk.dictionary.extend(sizeof(constant.integer)), &constant.integer, sizeof(constant.integer));
      chunk.range.has_values = true;
      chunk.range.integer_min = chunk.range.integer_max = constant.integer;
    }
  }
  Buffer<char>& body = scratch.body;
  body.clear();
  body.extend(sizeof(std::uint32_t));
  encode_run(node.level, set.rows, bit_width(node.level), body);
  finish_length(body, 0);
  body.push_back(1);  // width of the indices
  encode_run(0, set.rows, 1, body);
  chunk.uncompressed_bytes +=
      static_cast<std::int64_t>(append_page(chunk.pages, body, kDataPage, set.rows, kRleDictionary, scratch));
  chunk.value_count += set.rows;
  chunk.has_dictionary = true;
}

void append_leaf(const Layout& layout, std::size_t leaf, const Dictionary* dictionary, ColumnSet& set,
                 PageScratch& scratch, ColumnChunk& chunk) {
  const std::uint16_t node_index = layout.leaves[leaf];
  const Node& node = layout.nodes[node_index];
  const Stream& stream = layout.streams[node.stream];
  LeafValues& values = set.leaves[leaf];
  const std::size_t value_count = node.type == ColumnType::boolean ? values.flags.size()
                                  : node.type != ColumnType::text  ? values.words.size()
                                  : values.is_plain                ? values.starts.size()
                                                                   : values.ids.size();
  const std::uint32_t count = set.stream_size(layout, node.stream);
  chunk.value_count += count;
  chunk.null_count += static_cast<std::int64_t>(count - value_count);

  // Columns without values have their parent's levels: one encoded page serves all children of a struct.
  const bool shares_levels = set.levels[node_index].empty() && count > 0;
  Buffer<char>* shared = nullptr;
  if (shares_levels) {
    const std::size_t owner = node.parent < 0 ? layout.nodes.size() : static_cast<std::size_t>(node.parent);
    shared = &scratch.null_pages[owner];
    if (!shared->empty()) {
      chunk.pages.append(shared->data(), shared->size());
      chunk.uncompressed_bytes += static_cast<std::int64_t>(scratch.null_page_bytes[owner]);
      chunk.has_plain = true;
      return;
    }
  }

  Buffer<char>& body = scratch.body;
  body.clear();
  if (node.stream != 0) {
    Buffer<char>& repetition = scratch.repetition[node.stream];
    if (repetition.empty()) {
      append_levels(repetition, set.streams[node.stream].repetition.data(), count, bit_width(stream.repetition_level));
    }
    body.append(repetition.data(), repetition.size());
  }
  const int width = bit_width(node.level);
  if (!shares_levels) {
    append_levels(body, set.levels[node_index].data(), count, width);
  } else if (node.parent >= 0) {
    append_levels(body, set.levels[node.parent].data(), count, width);
  } else {
    const std::size_t length_at = body.size();
    body.extend(sizeof(std::uint32_t));
    encode_run(0, count, width, body);
    finish_length(body, length_at);
  }

  Encoding encoding = kPlain;
  switch (node.type) {
    case ColumnType::boolean: {
      const std::size_t bytes = (value_count + 7) / 8;
      char* place = body.extend(bytes);
      std::memset(place, 0, bytes);
      bool any_true = false;
      bool any_false = false;
      for (std::size_t i = 0; i < value_count; ++i) {
        place[i / 8] = static_cast<char>(place[i / 8] | values.flags[i] << (i % 8));
        (values.flags[i] ? any_true : any_false) = true;
      }
      if (value_count > 0) {
        chunk.range.has_values = true;
        chunk.range.integer_min = std::min<std::int64_t>(chunk.range.integer_min, any_false ? 0 : 1);
        chunk.range.integer_max = std::max<std::int64_t>(chunk.range.integer_max, any_true ? 1 : 0);
      }
      break;
    }
    case ColumnType::integer:
    case ColumnType::timestamp:
    case ColumnType::date:
    case ColumnType::decimal: {
      if (is_four_bytes(node)) {
        char* place = body.extend(value_count * sizeof(std::int32_t));
        for (std::size_t i = 0; i < value_count; ++i) {
          const auto word = static_cast<std::int32_t>(values.words[i]);
          std::memcpy(place + i * sizeof(word), &word, sizeof(word));
        }
      } else {
        body.append(reinterpret_cast<const char*>(values.words.data()), value_count * sizeof(std::uint64_t));
      }
      std::int64_t low = chunk.range.integer_min;
      std::int64_t high = chunk.range.integer_max;
      for (std::uint64_t word : values.words) {
        low = std::min(low, static_cast<std::int64_t>(word));
        high = std::max(high, static_cast<std::int64_t>(word));
      }
      chunk.range.integer_min = low;
      chunk.range.integer_max = high;
      chunk.range.has_values = chunk.range.has_values || value_count > 0;
      break;
    }
    case ColumnType::real:
      body.append(reinterpret_cast<const char*>(values.words.data()), value_count * sizeof(std::uint64_t));
      for (std::uint64_t word : values.words) {
        const double value = std::bit_cast<double>(word);
        if (std::isnan(value)) {
          ++chunk.range.nan_count;
          continue;
        }
        chunk.range.has_values = true;
        chunk.range.real_min = std::min(chunk.range.real_min, value);
        chunk.range.real_max = std::max(chunk.range.real_max, value);
      }
      break;
    case ColumnType::text:
      if (value_count == 0)
        break;
      if (values.is_plain) {
        body.append(values.plain.data(), values.plain.size());
        for (std::size_t i = 0; i < value_count; ++i) {
          const std::size_t start = values.starts[i] + sizeof(std::uint32_t);
          const std::size_t end = i + 1 < value_count ? values.starts[i + 1] : values.plain.size();
          chunk.range.add(std::string_view(values.plain.data() + start, end - start));
        }
        break;
      }
      encoding = kRleDictionary;
      scratch.indices.clear();
      std::uint32_t* indices = scratch.indices.extend(value_count);
      for (std::size_t i = 0; i < value_count; ++i) {
        const std::uint32_t id = values.ids[i];
        if (id >= chunk.local_ids.size()) {
          const std::size_t more = id + 1 - chunk.local_ids.size();
          std::memset(chunk.local_ids.extend(more), 0, more * sizeof(std::uint32_t));
        }
        std::uint32_t& local = chunk.local_ids[id];
        if (local == 0) {
          const std::string_view text = dictionary->written(id);
          const auto length = static_cast<std::uint32_t>(text.size());
          std::memcpy(chunk.dictionary.extend(sizeof(length)), &length, sizeof(length));
          chunk.dictionary.append(text.data(), text.size());
          chunk.range.add(text);
          local = ++chunk.dictionary_size;
        }
        indices[i] = local - 1;
      }
      const int index_width = std::max(1, bit_width(chunk.dictionary_size - 1));
      body.push_back(static_cast<char>(index_width));
      encode_hybrid(indices, value_count, index_width, body);
      break;
  }
  if (encoding == kPlain) {
    chunk.has_plain = true;
  } else {
    chunk.has_dictionary = true;
  }
  const std::size_t page_begin = chunk.pages.size();
  const std::size_t bytes = append_page(chunk.pages, body, kDataPage, count, encoding, scratch);
  chunk.uncompressed_bytes += static_cast<std::int64_t>(bytes);
  if (shared != nullptr) {
    shared->append(chunk.pages.data() + page_begin, chunk.pages.size() - page_begin);
    scratch.null_page_bytes[node.parent < 0 ? layout.nodes.size() : static_cast<std::size_t>(node.parent)] = bytes;
  }
}

std::size_t append_dictionary_page(const ColumnChunk& chunk, PageScratch& scratch, Buffer<char>& out) {
  return append_page(out, chunk.dictionary, kDictionaryPage, chunk.dictionary_size, kPlain, scratch);
}

}  // namespace shoplake::transform
