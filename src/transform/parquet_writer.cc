#include "transform/parquet_writer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include <arrow/util/compression.h>
#include <fmt/format.h>

#include "transform/encoding.h"

namespace shoplake::transform {

namespace {

constexpr std::string_view kMagic = "PAR1";
constexpr std::string_view kCreatedBy = "shoplake version 0.1.0";
constexpr std::size_t kStatisticCodePoints = 64;  // longer texts are cut in the file's own statistics
constexpr std::size_t kWriteBytes = 1 << 20;      // columns are gathered into writes of this size
constexpr std::size_t kBoundCodePoints = 16;      // and in Iceberg's bounds

enum Encoding : std::int32_t { kPlain = 0, kRle = 3, kRleDictionary = 8 };
enum PageType : std::int32_t { kDataPage = 0, kDictionaryPage = 2 };
constexpr std::int32_t kSnappy = 1;

// Decimals of few digits are as short as Iceberg wants them.
bool is_four_bytes(const Node& node) {
  constexpr int kDigitsOfFourBytes = 9;
  return node.type == ColumnType::date ||
         (node.type == ColumnType::decimal && node.decimal.precision <= kDigitsOfFourBytes);
}

std::int32_t physical_type(const Node& node) {
  switch (node.type) {
    case ColumnType::boolean: return 0;
    case ColumnType::date: return 1;
    case ColumnType::decimal: return is_four_bytes(node) ? 1 : 2;
    case ColumnType::integer:
    case ColumnType::timestamp: return 2;
    case ColumnType::real: return 5;
    case ColumnType::text: return 6;
  }
  return 6;
}

template <typename T>
std::string raw_bytes(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

// Two's complement of as few bytes as hold it, the highest first: Iceberg's form of decimals.
std::string shortest_big_endian(std::int64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    const auto byte = static_cast<char>(value >> shift);
    const bool next_is_negative = shift > 0 && (value >> (shift - 1) & 1) != 0;
    if (bytes.empty() && shift > 0 && byte == static_cast<char>(next_is_negative ? 0xFF : 0))
      continue;  // says nothing but the sign, which the next byte has, too
    bytes.push_back(byte);
  }
  return bytes;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// At most `code_points` code points of valid UTF-8.
std::string_view cut_code_points(std::string_view text, std::size_t code_points) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (!is_continuation(text[at]) && code_points-- == 0)
      break;
    ++at;
  }
  return text.substr(0, at);
}

// The least text greater than every text that begins with `prefix`, by adding one to its last code point that has a
// successor.
std::optional<std::string> successor(std::string_view prefix) {
  std::string text(prefix);
  while (!text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && is_continuation(text[start]))
      --start;
    const std::string_view last = std::string_view(text).substr(start);
    std::uint32_t code = 0;
    const auto lead = static_cast<unsigned char>(last[0]);
    code = last.size() == 1 ? lead : last.size() == 2 ? lead & 0x1Fu : last.size() == 3 ? lead & 0x0Fu : lead & 0x07u;
    for (std::size_t i = 1; i < last.size(); ++i)
      code = code << 6 | (static_cast<unsigned char>(last[i]) & 0x3Fu);
    ++code;
    if (code == 0xD800)
      code = 0xE000;  // surrogates are no text
    text.resize(start);
    if (code > 0x10FFFF)
      continue;
    if (code < 0x80) {
      text.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      text.push_back(static_cast<char>(0xC0 | code >> 6));
      text.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
      text.push_back(static_cast<char>(0xE0 | code >> 12));
      text.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
      text.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    } else {
      text.push_back(static_cast<char>(0xF0 | code >> 18));
      text.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3F)));
      text.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
      text.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    }
    return text;
  }
  return std::nullopt;
}

struct Range {
  bool has_values = false;
  std::int64_t integer_min = std::numeric_limits<std::int64_t>::max();
  std::int64_t integer_max = std::numeric_limits<std::int64_t>::min();
  double real_min = std::numeric_limits<double>::infinity();
  double real_max = -std::numeric_limits<double>::infinity();
  std::int64_t nan_count = 0;
  std::string text_min;
  std::string text_max;

  void add(std::string_view text) {
    if (!has_values) {
      has_values = true;
      text_min.assign(text);
      text_max.assign(text);
    } else if (text < std::string_view(text_min)) {
      text_min.assign(text);
    } else if (text > std::string_view(text_max)) {
      text_max.assign(text);
    }
  }
  void merge(const Range& other, ColumnType type) {
    nan_count += other.nan_count;
    if (!other.has_values)
      return;
    if (type == ColumnType::text) {
      add(other.text_min);
      add(other.text_max);
      return;
    }
    has_values = true;
    integer_min = std::min(integer_min, other.integer_min);
    integer_max = std::max(integer_max, other.integer_max);
    real_min = std::min(real_min, other.real_min);
    real_max = std::max(real_max, other.real_max);
  }
  // As Parquet's statistics or Iceberg's bounds have them; texts cut to `code_points`.
  enum class Form { parquet, iceberg };
  std::optional<std::string> lower(const Node& node, std::size_t code_points, Form form) const {
    if (!has_values)
      return std::nullopt;
    switch (node.type) {
      case ColumnType::real: return raw_bytes(real_min == 0 ? -0.0 : real_min);
      case ColumnType::text: return std::string(cut_code_points(text_min, code_points));
      default: return integer_bound(node, integer_min, form);
    }
  }
  std::optional<std::string> upper(const Node& node, std::size_t code_points, Form form) const {
    if (!has_values)
      return std::nullopt;
    switch (node.type) {
      case ColumnType::real: return raw_bytes(real_max == 0 ? 0.0 : real_max);
      case ColumnType::text: {
        const std::string_view cut = cut_code_points(text_max, code_points);
        if (cut.size() == text_max.size())
          return text_max;
        return successor(cut);
      }
      default: return integer_bound(node, integer_max, form);
    }
  }
  static std::string integer_bound(const Node& node, std::int64_t value, Form form) {
    if (node.type == ColumnType::boolean)
      return std::string(1, static_cast<char>(value));
    if (node.type == ColumnType::decimal && form == Form::iceberg)
      return shortest_big_endian(value);
    return is_four_bytes(node) ? raw_bytes(static_cast<std::int32_t>(value)) : raw_bytes(value);
  }
};

// One column chunk of the open row group.
struct Chunk {
  Buffer<char> pages;            // headers and compressed bodies
  std::int64_t value_count = 0;  // with nulls
  std::int64_t null_count = 0;
  std::int64_t uncompressed_bytes = 0;
  bool has_plain = false;
  bool has_dictionary = false;
  Buffer<std::uint32_t> local_ids;  // by id in the load's dictionary: id in this chunk's, plus one; 0: not in it
  Buffer<char> dictionary;          // PLAIN
  std::uint32_t dictionary_size = 0;
  Range range;

  std::size_t held_bytes() const {
    return pages.capacity_bytes() + local_ids.capacity_bytes() + dictionary.capacity_bytes();
  }
};

struct ChunkMetadata {
  std::int64_t dictionary_offset = -1;
  std::int64_t data_offset = 0;
  std::int64_t compressed_bytes = 0;
  std::int64_t uncompressed_bytes = 0;
  std::int64_t value_count = 0;
  std::int64_t null_count = 0;
  bool has_plain = false;
  bool has_dictionary = false;
  Range range;
};

struct RowGroupMetadata {
  std::int64_t rows = 0;
  std::int64_t offset = 0;
  std::vector<ChunkMetadata> chunks;
};

}  // namespace

struct PageEncoder::State {
  std::unique_ptr<arrow::util::Codec> codec = *arrow::util::Codec::Create(arrow::Compression::SNAPPY);
  Buffer<char> body;
  Buffer<std::uint32_t> indices;
  // Encoded levels of the set being written that several columns share.
  std::vector<Buffer<char>> repetition;  // by stream
  std::vector<Buffer<char>> null_pages;  // by node: the page of a child column without values
  std::vector<std::size_t> null_page_bytes;
};

PageEncoder::PageEncoder() : state_(std::make_unique<State>()) {}
PageEncoder::~PageEncoder() = default;

struct ParquetWriter::State {
  explicit State(ParquetWriterOptions given) : options(std::move(given)), chunks(options.layout->leaves.size()) {}

  ParquetWriterOptions options;
  std::unique_ptr<io::WritableFile> file;
  std::int64_t file_size = 0;
  std::int64_t rows = 0;
  std::int64_t open_rows = 0;
  std::size_t open_bytes = 0;
  std::vector<Chunk> chunks;  // by leaf
  std::vector<RowGroupMetadata> row_groups;

  Result<void> write(std::string_view bytes) {
    SHOPLAKE_TRY(file->append(bytes));
    file_size += static_cast<std::int64_t>(bytes.size());
    return {};
  }

  void append_levels(Buffer<char>& body, const std::uint8_t* levels, std::size_t count, int width) {
    const std::size_t length_at = body.size();
    body.extend(sizeof(std::uint32_t));
    encode_hybrid(levels, count, width, body);
    finish_length(body, length_at);
  }
  static void finish_length(Buffer<char>& body, std::size_t length_at) {
    const auto length = static_cast<std::uint32_t>(body.size() - length_at - sizeof(std::uint32_t));
    std::memcpy(body.data() + length_at, &length, sizeof(length));
  }

  // Appends a page: header and compressed body. Returns its uncompressed size with the header.
  std::size_t append_page(Buffer<char>& out, const Buffer<char>& body, PageType type, std::size_t value_count,
                          Encoding encoding, arrow::util::Codec& codec) {
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

  void append_leaf(ColumnSet& set, std::size_t leaf, PageEncoder::State& encoder);
  void append_constant(const ColumnSet& set, std::size_t leaf, const Constant& constant, PageEncoder::State& encoder);
  Result<void> open();
  void write_footer(Buffer<char>& out) const;
  void write_schema(CompactWriter& thrift) const;
  void write_schema_node(CompactWriter& thrift, std::uint16_t node) const;
  std::int32_t column_count(const std::vector<std::uint16_t>& nodes) const {
    return static_cast<std::int32_t>(std::count_if(nodes.begin(), nodes.end(), [this](std::uint16_t node) {
      return options.layout->nodes[node].kind != Node::Kind::dropped;
    }));
  }
  DataFile data_file() const;

  Buffer<char> header;
};

ParquetWriter::ParquetWriter(ParquetWriterOptions options) : state_(std::make_unique<State>(std::move(options))) {}
ParquetWriter::~ParquetWriter() = default;

std::size_t ParquetWriter::held_bytes() const { return state_->open_bytes; }
std::int64_t ParquetWriter::rows() const { return state_->rows + state_->open_rows; }
std::size_t ParquetWriter::row_group_count() const { return state_->row_groups.size(); }
bool ParquetWriter::is_file_open() const { return state_->file != nullptr; }

void ParquetWriter::State::append_constant(const ColumnSet& set, std::size_t leaf, const Constant& constant,
                                           PageEncoder::State& encoder) {
  const Node& node = options.layout->nodes[options.layout->leaves[leaf]];
  Chunk& chunk = chunks[leaf];
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
  Buffer<char>& body = encoder.body;
  body.clear();
  body.extend(sizeof(std::uint32_t));
  encode_run(node.level, set.rows, bit_width(node.level), body);
  finish_length(body, 0);
  body.push_back(1);  // width of the indices
  encode_run(0, set.rows, 1, body);
  chunk.uncompressed_bytes +=
      static_cast<std::int64_t>(append_page(chunk.pages, body, kDataPage, set.rows, kRleDictionary, *encoder.codec));
  chunk.value_count += set.rows;
  chunk.has_dictionary = true;
}

void ParquetWriter::State::append_leaf(ColumnSet& set, std::size_t leaf, PageEncoder::State& encoder) {
  const Layout& layout = *options.layout;
  const std::uint16_t node_index = layout.leaves[leaf];
  const Node& node = layout.nodes[node_index];
  Chunk& chunk = chunks[leaf];
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
    shared = &encoder.null_pages[owner];
    if (!shared->empty()) {
      chunk.pages.append(shared->data(), shared->size());
      chunk.uncompressed_bytes += static_cast<std::int64_t>(encoder.null_page_bytes[owner]);
      chunk.has_plain = true;
      return;
    }
  }

  Buffer<char>& body = encoder.body;
  body.clear();
  if (node.stream != 0) {
    Buffer<char>& repetition = encoder.repetition[node.stream];
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
      const Dictionary& dictionary = *(*options.dictionaries)[leaf];
      encoder.indices.clear();
      std::uint32_t* indices = encoder.indices.extend(value_count);
      for (std::size_t i = 0; i < value_count; ++i) {
        const std::uint32_t id = values.ids[i];
        if (id >= chunk.local_ids.size()) {
          const std::size_t more = id + 1 - chunk.local_ids.size();
          std::memset(chunk.local_ids.extend(more), 0, more * sizeof(std::uint32_t));
        }
        std::uint32_t& local = chunk.local_ids[id];
        if (local == 0) {
          const std::string_view text = dictionary.written(id);
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
  const std::size_t bytes = append_page(chunk.pages, body, kDataPage, count, encoding, *encoder.codec);
  chunk.uncompressed_bytes += static_cast<std::int64_t>(bytes);
  if (shared != nullptr) {
    shared->append(chunk.pages.data() + page_begin, chunk.pages.size() - page_begin);
    encoder.null_page_bytes[node.parent < 0 ? layout.nodes.size() : static_cast<std::size_t>(node.parent)] = bytes;
  }
}

Result<void> ParquetWriter::append(ColumnSet& set, PageEncoder& encoder) {
  State& state = *state_;
  if (set.rows == 0)
    return {};
  const Layout& layout = *state.options.layout;
  set.complete(layout);
  PageEncoder::State& scratch = *encoder.state_;
  scratch.repetition.resize(layout.streams.size());
  scratch.null_pages.resize(layout.nodes.size() + 1);
  scratch.null_page_bytes.resize(layout.nodes.size() + 1);
  for (Buffer<char>& shared : scratch.repetition)
    shared.clear();
  for (Buffer<char>& shared : scratch.null_pages)
    shared.clear();
  state.open_bytes = 0;
  for (std::size_t leaf = 0; leaf < state.chunks.size(); ++leaf) {
    const auto constant = state.options.constants->find(static_cast<std::int16_t>(leaf));
    if (constant != state.options.constants->end()) {
      state.append_constant(set, leaf, constant->second, scratch);
    } else {
      state.append_leaf(set, leaf, scratch);
    }
    state.open_bytes += state.chunks[leaf].held_bytes();
  }
  state.open_rows += set.rows;
  if (state.open_rows >= kRowGroupRows || state.open_bytes >= kRowGroupBytes)
    return finish_row_group(encoder);
  return {};
}

Result<void> ParquetWriter::State::open() {
  SHOPLAKE_TRY(options.env->create_directories(io::parent_path(options.path)));
  file = SHOPLAKE_TRY(options.env->create_file(options.path));
  return write(kMagic);
}

Result<void> ParquetWriter::finish_row_group(PageEncoder& encoder) {
  State& state = *state_;
  if (state.open_rows == 0)
    return {};
  if (!state.file)
    SHOPLAKE_TRY(state.open());
  RowGroupMetadata group;
  group.rows = state.open_rows;
  group.offset = state.file_size;
  Buffer<char> pending;
  const auto at = [&] { return state.file_size + static_cast<std::int64_t>(pending.size()); };
  for (Chunk& chunk : state.chunks) {
    ChunkMetadata metadata;
    metadata.value_count = chunk.value_count;
    metadata.null_count = chunk.null_count;
    metadata.has_plain = chunk.has_plain;
    metadata.has_dictionary = chunk.has_dictionary;
    metadata.uncompressed_bytes = chunk.uncompressed_bytes;
    metadata.range = std::move(chunk.range);
    const std::int64_t start = at();
    if (chunk.has_dictionary) {
      metadata.dictionary_offset = start;
      metadata.uncompressed_bytes += static_cast<std::int64_t>(state.append_page(
          pending, chunk.dictionary, kDictionaryPage, chunk.dictionary_size, kPlain, *encoder.state_->codec));
    }
    metadata.data_offset = at();
    pending.append(chunk.pages.data(), chunk.pages.size());
    metadata.compressed_bytes = at() - start;
    group.chunks.push_back(std::move(metadata));
    chunk = Chunk();
    if (pending.size() >= kWriteBytes) {
      SHOPLAKE_TRY(state.write(std::string_view(pending.data(), pending.size())));
      pending.clear();
    }
  }
  state.rows += state.open_rows;
  state.open_rows = 0;
  state.open_bytes = 0;
  SHOPLAKE_TRY(state.write(std::string_view(pending.data(), pending.size())));
  state.row_groups.push_back(std::move(group));
  return {};
}

void ParquetWriter::State::write_schema_node(CompactWriter& thrift, std::uint16_t index) const {
  const Node& node = options.layout->nodes[index];
  if (node.kind == Node::Kind::dropped)
    return;
  thrift.begin_struct();
  if (node.kind == Node::Kind::leaf)
    thrift.field_i32(1, physical_type(node));
  thrift.field_i32(3, 1);  // optional
  thrift.field_text(4, node.name);
  if (node.kind == Node::Kind::structure)
    thrift.field_i32(5, column_count(node.children));
  if (node.kind == Node::Kind::list)
    thrift.field_i32(5, 1);
  if (node.kind == Node::Kind::leaf && node.type == ColumnType::text)
    thrift.field_i32(6, 0);  // UTF8
  if (node.kind == Node::Kind::leaf && node.type == ColumnType::timestamp)
    thrift.field_i32(6, 10);  // TIMESTAMP_MICROS
  if (node.kind == Node::Kind::leaf && node.type == ColumnType::date)
    thrift.field_i32(6, 6);  // DATE
  if (node.kind == Node::Kind::leaf && node.type == ColumnType::decimal) {
    thrift.field_i32(6, 5);  // DECIMAL
    thrift.field_i32(7, node.decimal.scale);
    thrift.field_i32(8, node.decimal.precision);
  }
  if (node.kind == Node::Kind::list)
    thrift.field_i32(6, 3);  // LIST
  thrift.field_i32(9, node.field_id);
  if (node.kind == Node::Kind::list ||
      (node.kind == Node::Kind::leaf && (node.type == ColumnType::text || node.type == ColumnType::timestamp ||
                                         node.type == ColumnType::date || node.type == ColumnType::decimal))) {
    thrift.field_struct(10);
    if (node.kind == Node::Kind::list) {
      thrift.field_struct(3);
      thrift.end_struct();
    } else if (node.type == ColumnType::text) {
      thrift.field_struct(1);
      thrift.end_struct();
    } else if (node.type == ColumnType::date) {
      thrift.field_struct(6);
      thrift.end_struct();
    } else if (node.type == ColumnType::decimal) {
      thrift.field_struct(5);
      thrift.field_i32(1, node.decimal.scale);
      thrift.field_i32(2, node.decimal.precision);
      thrift.end_struct();
    } else {
      thrift.field_struct(8);
      thrift.field_bool(1, true);  // adjusted to UTC
      thrift.field_struct(2);
      thrift.field_struct(2);  // microseconds
      thrift.end_struct();
      thrift.end_struct();
      thrift.end_struct();
    }
    thrift.end_struct();
  }
  thrift.end_struct();
  if (node.kind == Node::Kind::list) {
    thrift.begin_struct();
    thrift.field_i32(3, 2);  // repeated
    thrift.field_text(4, "list");
    thrift.field_i32(5, 1);
    thrift.end_struct();
  }
  for (std::uint16_t child : node.children)
    write_schema_node(thrift, child);
}

void ParquetWriter::State::write_footer(Buffer<char>& out) const {
  const Layout& layout = *options.layout;
  CompactWriter thrift(out);
  thrift.begin_struct();
  thrift.field_i32(1, 1);
  std::size_t elements = 1;
  for (const Node& node : layout.nodes)
    elements += node.kind == Node::Kind::list ? 2 : node.kind == Node::Kind::dropped ? 0 : 1;
  thrift.field_list(2, CompactWriter::kStruct, elements);
  thrift.begin_struct();
  thrift.field_text(4, "table");
  thrift.field_i32(5, column_count(layout.top_level));
  thrift.end_struct();
  for (std::uint16_t node : layout.top_level)
    write_schema_node(thrift, node);
  thrift.field_i64(3, rows);

  std::vector<std::vector<std::string>> paths(layout.leaves.size());
  for (std::size_t leaf = 0; leaf < paths.size(); ++leaf) {
    for (int node = layout.leaves[leaf]; node >= 0; node = layout.nodes[node].parent) {
      paths[leaf].push_back(layout.nodes[node].name);
      if (layout.nodes[node].is_element)
        paths[leaf].push_back("list");
    }
    std::reverse(paths[leaf].begin(), paths[leaf].end());
  }

  thrift.field_list(4, CompactWriter::kStruct, row_groups.size());
  for (const RowGroupMetadata& group : row_groups) {
    thrift.begin_struct();
    thrift.field_list(1, CompactWriter::kStruct, group.chunks.size());
    std::int64_t uncompressed = 0;
    std::int64_t compressed = 0;
    for (std::size_t leaf = 0; leaf < group.chunks.size(); ++leaf) {
      const ChunkMetadata& chunk = group.chunks[leaf];
      const Node& node = layout.nodes[layout.leaves[leaf]];
      uncompressed += chunk.uncompressed_bytes;
      compressed += chunk.compressed_bytes;
      thrift.begin_struct();
      thrift.field_i64(2, 0);
      thrift.field_struct(3);
      thrift.field_i32(1, physical_type(node));
      thrift.field_list(2, CompactWriter::kI32,
                        1 + (chunk.has_plain || chunk.has_dictionary ? 1 : 0) + (chunk.has_dictionary ? 1 : 0));
      thrift.zigzag(kRle);
      if (chunk.has_plain || chunk.has_dictionary)
        thrift.zigzag(kPlain);
      if (chunk.has_dictionary)
        thrift.zigzag(kRleDictionary);
      thrift.field_list(3, CompactWriter::kBinary, paths[leaf].size());
      for (const std::string& part : paths[leaf])
        thrift.text(part);
      thrift.field_i32(4, kSnappy);
      thrift.field_i64(5, chunk.value_count);
      thrift.field_i64(6, chunk.uncompressed_bytes);
      thrift.field_i64(7, chunk.compressed_bytes);
      thrift.field_i64(9, chunk.data_offset);
      if (chunk.dictionary_offset >= 0)
        thrift.field_i64(11, chunk.dictionary_offset);
      thrift.field_struct(12);
      thrift.field_i64(3, chunk.null_count);
      const auto upper = chunk.range.upper(node, kStatisticCodePoints, Range::Form::parquet);
      const auto lower = chunk.range.lower(node, kStatisticCodePoints, Range::Form::parquet);
      if (upper && lower) {
        thrift.field_text(5, *upper);
        thrift.field_text(6, *lower);
      }
      thrift.end_struct();
      thrift.end_struct();
      thrift.end_struct();
    }
    thrift.field_i64(2, uncompressed);
    thrift.field_i64(3, group.rows);
    thrift.field_i64(5, group.offset);
    thrift.field_i64(6, compressed);
    thrift.end_struct();
  }
  thrift.field_text(6, kCreatedBy);
  thrift.field_list(7, CompactWriter::kStruct, layout.leaves.size());
  for (std::size_t leaf = 0; leaf < layout.leaves.size(); ++leaf) {
    thrift.begin_struct();
    thrift.field_struct(1);
    thrift.end_struct();
    thrift.end_struct();
  }
  thrift.end_struct();
}

DataFile ParquetWriter::State::data_file() const {
  const Layout& layout = *options.layout;
  DataFile result;
  result.path = options.path;
  result.record_count = rows;
  result.file_size_bytes = file_size;
  result.partition = options.partition;
  for (const RowGroupMetadata& group : row_groups)
    result.split_offsets.push_back(group.offset);
  for (std::size_t leaf = 0; leaf < layout.leaves.size(); ++leaf) {
    const Node& node = layout.nodes[layout.leaves[leaf]];
    ColumnStatistics statistics;
    statistics.field_id = node.field_id;
    Range range;
    for (const RowGroupMetadata& group : row_groups) {
      const ChunkMetadata& chunk = group.chunks[leaf];
      statistics.column_size_bytes += chunk.compressed_bytes;
      statistics.value_count += chunk.value_count;
      statistics.null_count += chunk.null_count;
      range.merge(chunk.range, node.type);
    }
    if (node.type == ColumnType::real)
      statistics.nan_count = range.nan_count;
    // Iceberg keeps no bounds of values inside lists.
    if (node.stream == 0) {
      statistics.lower_bound = range.lower(node, kBoundCodePoints, Range::Form::iceberg);
      statistics.upper_bound = range.upper(node, kBoundCodePoints, Range::Form::iceberg);
    }
    result.columns.push_back(std::move(statistics));
  }
  return result;
}

Result<DataFile> ParquetWriter::finish(PageEncoder& encoder) {
  State& state = *state_;
  SHOPLAKE_TRY(finish_row_group(encoder));
  if (!state.file)
    SHOPLAKE_TRY(state.open());
  Buffer<char> footer;
  state.write_footer(footer);
  const auto length = static_cast<std::uint32_t>(footer.size());
  std::memcpy(footer.extend(sizeof(length)), &length, sizeof(length));
  footer.append(kMagic.data(), kMagic.size());
  SHOPLAKE_TRY(state.write(std::string_view(footer.data(), footer.size())));
  SHOPLAKE_TRY(state.file->close());
  state.file.reset();
  return state.data_file();
}

}  // namespace shoplake::transform
