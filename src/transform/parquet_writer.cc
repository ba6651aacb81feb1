#include "transform/parquet_writer.h"

#include <cstring>
#include <string_view>
#include <utility>

#include "transform/parquet_footer.h"
#include "transform/parquet_format.h"
#include "transform/parquet_pages.h"

namespace shoplake::transform {

namespace {

constexpr std::size_t kWriteBytes = 1 << 20;  // columns are gathered into writes of this size

}  // namespace

struct PageEncoder::State {
  PageScratch scratch;
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
  std::vector<ColumnChunk> chunks;  // by leaf
  std::vector<RowGroupMetadata> row_groups;

  Result<void> write(std::string_view bytes) {
    SHOPLAKE_TRY(file->append(bytes));
    file_size += static_cast<std::int64_t>(bytes.size());
    return {};
  }

  Result<void> open();
  DataFile data_file() const;
};

ParquetWriter::ParquetWriter(ParquetWriterOptions options) : state_(std::make_unique<State>(std::move(options))) {}
ParquetWriter::~ParquetWriter() = default;

std::size_t ParquetWriter::held_bytes() const { return state_->open_bytes; }
std::int64_t ParquetWriter::rows() const { return state_->rows + state_->open_rows; }
std::size_t ParquetWriter::row_group_count() const { return state_->row_groups.size(); }
bool ParquetWriter::is_file_open() const { return state_->file != nullptr; }

Result<void> ParquetWriter::append(ColumnSet& set, PageEncoder& encoder) {
  State& state = *state_;
  if (set.rows == 0)
    return {};
  const Layout& layout = *state.options.layout;
  set.complete(layout);
  PageScratch& scratch = encoder.state_->scratch;
  scratch.begin(layout);
  state.open_bytes = 0;
  for (std::size_t leaf = 0; leaf < state.chunks.size(); ++leaf) {
    const auto constant = state.options.constants->find(static_cast<std::int16_t>(leaf));
    if (constant != state.options.constants->end()) {
      append_constant(layout, leaf, constant->second, set, scratch, state.chunks[leaf]);
    } else {
      append_leaf(layout, leaf, (*state.options.dictionaries)[leaf].get(), set, scratch, state.chunks[leaf]);
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
  for (ColumnChunk& chunk : state.chunks) {
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
      metadata.uncompressed_bytes +=
          static_cast<std::int64_t>(append_dictionary_page(chunk, encoder.state_->scratch, pending));
    }
    metadata.data_offset = at();
    pending.append(chunk.pages.data(), chunk.pages.size());
    metadata.compressed_bytes = at() - start;
    group.chunks.push_back(std::move(metadata));
    chunk = ColumnChunk();
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

DataFile ParquetWriter::State::data_file() const {
  DataFile result;
  result.path = options.path;
  result.record_count = rows;
  result.file_size_bytes = file_size;
  result.partition = options.partition;
  for (const RowGroupMetadata& group : row_groups)
    result.split_offsets.push_back(group.offset);
  result.columns = column_statistics(*options.layout, row_groups);
  return result;
}

Result<DataFile> ParquetWriter::finish(PageEncoder& encoder) {
  State& state = *state_;
  SHOPLAKE_TRY(finish_row_group(encoder));
  if (!state.file)
    SHOPLAKE_TRY(state.open());
  Buffer<char> footer;
  append_footer(*state.options.layout, state.row_groups, footer);
  const auto length = static_cast<std::uint32_t>(footer.size());
  std::memcpy(footer.extend(sizeof(length)), &length, sizeof(length));
  footer.append(kMagic.data(), kMagic.size());
  SHOPLAKE_TRY(state.write(std::string_view(footer.data(), footer.size())));
  SHOPLAKE_TRY(state.file->close());
  state.file.reset();
  return state.data_file();
}

}  // namespace shoplake::transform
