#include "transform/block_source.h"

#include <algorithm>
#include <cstring>

#include "transform/input_bytes.h"

namespace shoplake::transform {

namespace {

constexpr std::size_t kBlockBytes = 1 << 20;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Whether the text begins with a line that is a whole array, and something follows it: an array a line, as senders of
// batches write them.
bool begins_with_array_line(std::string_view text) {
  const std::size_t line_end = text.find('\n');
  if (line_end == std::string_view::npos || text.find_first_not_of(" \t\r\n", line_end) == std::string_view::npos)
    return false;
  int depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < line_end; ++at) {
    const char c = text[at];
    if (in_string) {
      at += c == '\\' ? 1 : 0;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return depth == 0 && !in_string;
}

}  // namespace

struct BlockSource::State {
  State(const io::RandomAccessFile& file, std::string_view name, RecordForm given_form, std::uint64_t given_max)
      : input(file, name), form(given_form), record_bytes_max(given_max) {}

  InputBytes input;
  RecordForm form;
  std::uint64_t record_bytes_max;

  bool started = false;
  bool documents = false;
  bool in_array = false;  // documents: the elements of one array
  bool array_ended = false;
  std::uint64_t offset = 0;  // inflated, of the next block's first byte
  std::int64_t line = 1;
  Buffer<char> rest;  // bytes read that belong to the next block

  // Scanner of documents, kept over blocks.
  int depth = 0;
  bool in_string = false;
  bool escaped = false;

  Result<void> start() {
    started = true;
    char* begin = rest.extend(kBlockBytes);
    rest.truncate(SHOPLAKE_TRY(input.read(begin, kBlockBytes)));
    if (rest.size() >= 3 && std::memcmp(rest.data(), "\xEF\xBB\xBF", 3) == 0) {  // byte order mark
      std::memmove(rest.data(), rest.data() + 3, rest.size() - 3);
      rest.truncate(rest.size() - 3);
      offset = 3;
    }
    if (form == RecordForm::automatic) {
      std::size_t at = 0;
      while (at < rest.size() && is_space(rest[at]))
        ++at;
      if (at < rest.size() && rest[at] == '[') {
        documents = in_array = !begins_with_array_line({rest.data() + at, rest.size() - at});
      } else if (at < rest.size() && rest[at] == '{') {
        std::size_t end = at + 1;
        while (end < rest.size() && (rest[end] == ' ' || rest[end] == '\r' || rest[end] == '\t'))
          ++end;
        documents = end < rest.size() && rest[end] == '\n';
      }
    }
    return {};
  }

  // Adds more bytes to the block; false at the end of the input.
  Result<bool> fill(Block& block, std::size_t bytes) {
    if (input.at_end())
      return false;
    const std::size_t before = block.bytes.size();
    char* place = block.bytes.extend(bytes + kBlockPadding);
    const std::size_t got = SHOPLAKE_TRY(input.read(place, bytes));
    block.bytes.truncate(before + got);
    return got > 0;
  }

  std::uint64_t position() const { return input.position(); }

  Result<bool> next_lines(Block& block);
  Result<bool> next_documents(Block& block);
  Result<void> pass_over_line(Block& block, std::size_t begin);
  void add_lines(Block& block, std::size_t end);
};

BlockSource::BlockSource(const io::RandomAccessFile& file, std::string_view name, RecordForm form,
                         std::uint64_t record_bytes_max)
    : state_(std::make_unique<State>(file, name, form, record_bytes_max)) {}
BlockSource::~BlockSource() = default;

std::uint64_t BlockSource::inflated_bytes() const { return state_->offset; }

// The records of the whole lines in [0, end).
void BlockSource::State::add_lines(Block& block, std::size_t end) {
  const char* const text = block.bytes.data();
  std::size_t at = 0;
  std::uint32_t line_in_block = 0;
  while (at < end) {
    const void* newline = std::memchr(text + at, '\n', end - at);
    const std::size_t stop =
        newline == nullptr ? end : static_cast<std::size_t>(static_cast<const char*>(newline) - text);
    std::size_t first = at;
    std::size_t last = stop;
    while (first < last && is_space(text[first]))
      ++first;
    while (last > first && is_space(text[last - 1]))
      --last;
    if (last - first > record_bytes_max) {
      block.oversized.push_back({block.records.size(), block.first_offset + first, last - first,
                                 block.first_line + line_in_block,
                                 std::string(text + first, std::min(last - first, kOversizedTextBytes))});
    } else if (first < last) {
      block.records.push_back(
          {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last - first), line_in_block});
    }
    ++line_in_block;
    at = stop + 1;
  }
  line = block.first_line + line_in_block;
}

// The line that begins at `begin` of the block is too large: report it and read on to its end.
Result<void> BlockSource::State::pass_over_line(Block& block, std::size_t begin) {
  OversizedRecord record;
  record.before = block.records.size();
  record.offset = block.first_offset + begin;
  record.line = line;
  record.length = block.bytes.size() - begin;
  record.begin.assign(block.bytes.data() + begin,
                      std::min(record.length, static_cast<std::uint64_t>(kOversizedTextBytes)));
  offset = block.first_offset + block.bytes.size();
  Buffer<char> piece;
  piece.extend(kBlockBytes);
  while (true) {
    const std::size_t got = SHOPLAKE_TRY(input.read(piece.data(), kBlockBytes));
    if (got == 0)
      break;
    const void* newline = std::memchr(piece.data(), '\n', got);
    if (newline == nullptr) {
      offset += got;
      record.length += got;
      continue;
    }
    const std::size_t stop = static_cast<std::size_t>(static_cast<const char*>(newline) - piece.data());
    record.length += stop;
    offset += stop + 1;
    ++line;
    rest.append(piece.data() + stop + 1, got - stop - 1);
    break;
  }
  block.oversized.push_back(std::move(record));
  return {};
}

Result<bool> BlockSource::State::next_lines(Block& block) {
  block.bytes.append(rest.data(), rest.size());
  rest.clear();
  if (block.bytes.size() < kBlockBytes)
    SHOPLAKE_TRY(fill(block, kBlockBytes - block.bytes.size()));
  if (block.bytes.empty())
    return false;
  std::size_t searched = 0;
  while (true) {
    const void* newline = memrchr(block.bytes.data() + searched, '\n', block.bytes.size() - searched);
    if (newline != nullptr || input.at_end()) {
      const std::size_t end =
          newline == nullptr || input.at_end()
              ? block.bytes.size()
              : static_cast<std::size_t>(static_cast<const char*>(newline) - block.bytes.data()) + 1;
      add_lines(block, end);
      rest.append(block.bytes.data() + end, block.bytes.size() - end);
      offset = block.first_offset + end;
      break;
    }
    if (block.bytes.size() > record_bytes_max) {
      SHOPLAKE_TRY(pass_over_line(block, 0));
      break;
    }
    searched = block.bytes.size();
    SHOPLAKE_TRY(fill(block, std::max(kBlockBytes, block.bytes.size())));
  }
  return true;
}

Result<bool> BlockSource::State::next_documents(Block& block) {
  block.bytes.append(rest.data(), rest.size());
  rest.clear();
  if (block.bytes.size() < kBlockBytes)
    SHOPLAKE_TRY(fill(block, kBlockBytes - block.bytes.size()));
  if (block.bytes.empty())
    return false;

  std::size_t at = 0;
  std::size_t record = std::string::npos;  // where the open record begins
  std::uint32_t line_in_block = 0;
  std::uint32_t record_line = 0;
  bool separated = true;  // a comma or the array's begin stands before
  const int base = in_array ? 1 : 0;
  depth = std::min(depth, base);  // a block begins between records
  const auto close = [&](std::size_t end) {
    while (end > record && is_space(block.bytes[end - 1]))
      --end;
    if (end - record > record_bytes_max) {
      block.oversized.push_back(
          {block.records.size(), block.first_offset + record, end - record, block.first_line + record_line,
           std::string(block.bytes.data() + record, std::min(end - record, kOversizedTextBytes))});
    } else {
      block.records.push_back(
          {static_cast<std::uint32_t>(record), static_cast<std::uint32_t>(end - record), record_line});
    }
    record = std::string::npos;
  };
  static_cast<void>(separated);
  while (true) {
    for (; at < block.bytes.size(); ++at) {
      const char c = block.bytes[at];
      if (c == '\n')
        ++line_in_block;
      if (in_string) {
        if (escaped) {
          escaped = false;
        } else if (c == '\\') {
          escaped = true;
        } else if (c == '"') {
          in_string = false;
        }
        continue;
      }
      if (is_space(c)) {
        // Scalars side by side, outside arrays.
        if (!in_array && depth == 0 && record != std::string::npos)
          close(at);
        continue;
      }
      if (in_array && depth == 0) {
        if (c == '[' && !array_ended) {
          depth = 1;
          continue;
        }
        if (record == std::string::npos) {  // after the end of the array: one record of garbage a line
          record = at;
          record_line = line_in_block;
        }
        continue;
      }
      if (in_array && depth == 1 && (c == ',' || c == ']')) {
        if (record != std::string::npos)
          close(at);
        if (c == ']') {
          depth = 0;
          array_ended = true;
        }
        continue;
      }
      if (record == std::string::npos) {
        record = at;
        record_line = line_in_block;
      }
      if (c == '"') {
        in_string = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        depth = std::max(depth - 1, base);
        if (!in_array && depth == 0)
          close(at + 1);
      }
    }
    // Enough, at a record's border?
    if (record == std::string::npos || input.at_end()) {
      if (record != std::string::npos)
        close(block.bytes.size());
      if (input.at_end() && in_array && !array_ended) {
        block.oversized.push_back({block.records.size(), block.first_offset + block.bytes.size(), 0,
                                   block.first_line + line_in_block, std::string()});
        array_ended = true;
      }
      offset = block.first_offset + block.bytes.size();
      line = block.first_line + line_in_block;
      return true;
    }
    if (!block.records.empty() || !block.oversized.empty()) {
      // Give what is whole; the open record begins the next block, and its scan anew.
      rest.append(block.bytes.data() + record, block.bytes.size() - record);
      offset = block.first_offset + record;
      line = block.first_line + record_line;
      in_string = escaped = false;
      depth = base;
      if (in_array && array_ended)
        depth = 0;
      return true;
    }
    if (block.bytes.size() - record > record_bytes_max) {
      // Its end cannot be known without keeping its structure; all that follows belongs to it.
      OversizedRecord oversized{0, block.first_offset + record, block.bytes.size() - record,
                                block.first_line + record_line,
                                std::string(block.bytes.data() + record, kOversizedTextBytes)};
      offset = block.first_offset + block.bytes.size();
      Buffer<char> piece;
      piece.extend(kBlockBytes);
      while (const std::size_t got = SHOPLAKE_TRY(input.read(piece.data(), kBlockBytes))) {
        offset += got;
        oversized.length += got;
      }
      array_ended = true;
      block.oversized.push_back(std::move(oversized));
      return true;
    }
    SHOPLAKE_TRY(fill(block, std::max(kBlockBytes, block.bytes.size())));
  }
}

Result<bool> BlockSource::next(Block& block) {
  State& state = *state_;
  block.bytes.clear();
  block.records.clear();
  block.oversized.clear();
  if (!state.started)
    SHOPLAKE_TRY(state.start());
  block.first_offset = state.offset;
  block.first_line = state.line;
  auto outcome = state.documents ? state.next_documents(block) : state.next_lines(block);
  const bool more = SHOPLAKE_TRY(std::move(outcome));
  block.input_bytes = state.position();
  // The padding is readable because every fill() reserved it; a block made of the rest alone reserves it here.
  block.bytes.extend(kBlockPadding);
  block.bytes.truncate(block.bytes.size() - kBlockPadding);
  return more;
}

}  // namespace shoplake::transform
