#include "transform/csv_source.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <simdjson.h>

#include "transform/input_bytes.h"

namespace shoplake::transform {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using Encoding = contract::CsvOptions::Encoding;

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr std::size_t kColumnsMax = 10'000;
// The header is looked for in so much of the file at first.
constexpr std::size_t kHeaderBytesFirst = 4096;
constexpr char kDelimiters[] = {',', ';', '\t', '|'};

// Code points of the bytes 0x80 to 0x9F in windows-1252. Source: https://encoding.spec.whatwg.org/#windows-1252
constexpr std::array<std::uint16_t, 32> kWindows1252 = {0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                        0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                                        0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                        0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

base::Error input_error(std::string_view code, std::string_view name, std::string_view what, std::string_view advice) {
  return make_error(ErrorKind::input, std::string(code), fmt::format("{} {}", name, what), std::string(advice));
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

bool is_ascii(const char* text, std::size_t size) {
  std::size_t at = 0;
  std::uint64_t all = 0;
  for (; at + 8 <= size; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, text + at, sizeof(word));
    all |= word;
  }
  for (; at < size; ++at)
    all |= static_cast<unsigned char>(text[at]);
  return (all & 0x8080808080808080ULL) == 0;
}

// UTF-8 with a damaged record, rather than another encoding.
bool is_mostly_utf8(std::string_view text) {
  std::size_t characters = 0;
  std::size_t strays = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = lead >= 0xC2 && lead < 0xE0   ? 2
                               : lead >= 0xE0 && lead < 0xF0 ? 3
                               : lead >= 0xF0 && lead < 0xF5 ? 4
                                                             : 0;
    bool is_whole = length > 0 && at + length <= text.size();
    for (std::size_t i = 1; is_whole && i < length; ++i)
      is_whole = (static_cast<unsigned char>(text[at + i]) & 0xC0) == 0x80;
    characters += is_whole ? 1 : 0;
    strays += is_whole ? 0 : 1;
    at += is_whole ? length : 1;
  }
  return characters >= strays;
}

}  // namespace

std::string_view name(Encoding encoding) {
  switch (encoding) {
    case Encoding::automatic: return "ascii";
    case Encoding::utf8: return "utf-8";
    case Encoding::windows_1252: return "windows-1252";
    case Encoding::latin_1: break;
  }
  return "latin-1";
}

std::size_t to_utf8(std::string_view text, Encoding encoding, char* out) {
  char* const begin = out;
  for (char c : text) {
    std::uint32_t code = static_cast<unsigned char>(c);
    if (code < 0x80) {
      *out++ = c;
      continue;
    }
    if (encoding == Encoding::windows_1252 && code < 0xA0)
      code = kWindows1252[code - 0x80];
    if (code < 0x800) {
      *out++ = static_cast<char>(0xC0 | code >> 6);
    } else {
      *out++ = static_cast<char>(0xE0 | code >> 12);
      *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
    }
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
  }
  return static_cast<std::size_t>(out - begin);
}

void append_utf8(std::string_view text, Encoding encoding, std::string& out) {
  if (encoding == Encoding::utf8 || encoding == Encoding::automatic) {
    out.append(text);
    return;
  }
  const std::size_t before = out.size();
  out.resize(before + text.size() * 3);
  out.resize(before + to_utf8(text, encoding, out.data() + before));
}

struct CsvSource::State {
  State(const io::RandomAccessFile& file, std::string_view given_name, const contract::Contract& given)
      : input(file, given_name), name(given_name), contract(given) {}

  InputBytes input;
  std::string name;
  const contract::Contract& contract;
  CsvTokenizer tokenizer{CsvDialect()};
  Encoding encoding = Encoding::automatic;
  Buffer<char> rest;  // bytes read that belong to the next block
  std::uint64_t offset = 0;
  std::int64_t line = 1;

  // Reads up to `bytes` more, with padding behind them. False at the end of the input.
  Result<bool> fill(Buffer<char>& bytes, std::size_t more) {
    const std::size_t before = bytes.size();
    char* place = bytes.extend(more + CsvTokenizer::kPadding);
    const std::size_t got = SHOPLAKE_TRY(input.read(place, more));
    bytes.truncate(before + got);
    return got > 0;
  }

  Result<void> read_begin() {
    SHOPLAKE_TRY(fill(rest, kBlockBytes));
    if (rest.size() >= 3 && std::memcmp(rest.data(), "\xEF\xBB\xBF", 3) == 0) {  // byte order mark
      std::memmove(rest.data(), rest.data() + 3, rest.size() - 3);
      rest.truncate(rest.size() - 3);
      offset = 3;
      encoding = Encoding::utf8;
    }
    if (contract.csv.encoding != Encoding::automatic)
      encoding = contract.csv.encoding;
    if (rest.empty())
      return input_error("csv.empty", name, "is empty: not even a header", "Get the file again.");
    return {};
  }

  // The dialect's line ends: a CR that comes before any LF, outside quotes, and has none behind it.
  bool ends_with_cr(char quote) const {
    bool quoted = false;
    for (std::size_t at = 0; at < rest.size(); ++at) {
      if (rest[at] == quote)
        quoted = !quoted;
      if (quoted)
        continue;
      if (rest[at] == '\n')
        return false;
      if (rest[at] == '\r')
        return at + 1 == rest.size() || rest[at + 1] != '\n';
    }
    return false;
  }

  // The first record under a dialect; nothing if it does not end in the begin of the file.
  struct First {
    std::vector<std::string> cells;
    std::size_t end = 0;
    std::uint32_t lines = 0;
    CsvRecord::Problem problem = CsvRecord::Problem::none;
  };
  std::optional<First> first_record(CsvDialect dialect) const {
    CsvTokens tokens;
    std::size_t end = 0;
    // As much as is needed: a file of one long line would be cut for each delimiter.
    for (std::size_t size = std::min(rest.size(), kHeaderBytesFirst);; size = std::min(rest.size(), size * 8)) {
      tokens.clear();
      const bool is_all = size == rest.size();
      end = CsvTokenizer(dialect).split(rest.data(), size, is_all && input.at_end(), tokens);
      if (!tokens.records.empty() || is_all)
        break;
    }
    if (tokens.records.empty())
      return std::nullopt;
    const CsvRecord& record = tokens.records.front();
    First first;
    first.problem = record.problem;
    for (std::uint32_t i = 0; i < record.field_count; ++i) {
      const CsvField& field = tokens.fields[record.first_field + i];
      const std::string_view cell(rest.data() + field.begin, field.size);
      const bool is_utf8 = encoding != Encoding::automatic || simdjson::validate_utf8(cell.data(), cell.size());
      std::string name;
      append_utf8(cell, is_utf8 ? encoding : Encoding::windows_1252, name);
      first.cells.emplace_back(trimmed(name));
    }
    const bool is_only = tokens.records.size() == 1;
    first.end = is_only ? end : tokens.records[1].begin;
    first.lines = is_only ? tokens.lines : tokens.records[1].line;
    return first;
  }

  const contract::Field* field_of(std::string_view column) const {
    for (const contract::Field& field : contract.fields) {
      if (field.name == column || std::find(field.also.begin(), field.also.end(), column) != field.also.end())
        return &field;
    }
    return nullptr;
  }

  Result<CsvFormat> open() {
    SHOPLAKE_TRY(read_begin());
    CsvFormat format;
    format.dialect.quote = contract.csv.quote;
    format.dialect.cr_ends_records = ends_with_cr(contract.csv.quote);
    format.dialect.delimiter = contract.csv.delimiter != '\0' ? contract.csv.delimiter : ',';
    if (!contract.csv.has_header) {
      for (const contract::Field& field : contract.fields)
        format.columns.push_back(field.name);
    } else {
      const First header = SHOPLAKE_TRY(find_header(format.dialect));
      format.columns = header.cells;
      rest_from(header.end);
      line += header.lines;
    }
    SHOPLAKE_TRY(check_columns(format.columns));
    tokenizer = CsvTokenizer(format.dialect);
    format.encoding = encoding;
    return format;
  }

  // Sets the delimiter if it is not declared.
  Result<First> find_header(CsvDialect& dialect) const {
    std::optional<First> best;
    std::size_t most = 0;
    for (const char delimiter : kDelimiters) {
      CsvDialect candidate = dialect;
      if (contract.csv.delimiter == '\0')
        candidate.delimiter = delimiter;
      auto first = first_record(candidate);
      const auto known = !first ? 0
                                : static_cast<std::size_t>(std::count_if(
                                      first->cells.begin(), first->cells.end(),
                                      [&](const std::string& cell) { return field_of(cell) != nullptr; }));
      if (first && (!best || known > most)) {
        best = std::move(first);
        most = known;
        dialect = candidate;
      }
    }
    if (!best || best->problem == CsvRecord::Problem::open_quote) {
      return input_error("csv.header", name, "has no header that ends within its first MiB",
                         "A quote may not be closed; correct the file.");
    }
    if (best->problem == CsvRecord::Problem::nul_byte)
      return input_error("csv.not_text", name, "is no text: its first line has NUL bytes", "Convert it to UTF-8.");
    if (best->problem != CsvRecord::Problem::none)
      return input_error("csv.header", name, "has a header with text behind a closing quote", "Correct the file.");
    if (most == 0) {
      return input_error(
          "csv.no_header", name,
          fmt::format("has no header that the contract knows: its first line is {} columns, none of which is "
                      "a field of {}",
                      best->cells.size(), contract.dataset),
          "Check that it is a file of this dataset; name its columns by `also` of the fields, or say "
          "`csv: {header: false}`.");
    }
    return std::move(*best);
  }

  Result<void> check_columns(std::vector<std::string>& columns) const {
    if (columns.size() > kColumnsMax) {
      return input_error("csv.header", name, fmt::format("has {} columns, more than {}", columns.size(), kColumnsMax),
                         "Divide it.");
    }
    std::set<std::string> seen;
    std::set<const contract::Field*> found;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].empty())
        columns[i] = fmt::format("column_{}", i + 1);
      if (!seen.insert(columns[i]).second) {
        return input_error("csv.duplicate_column", name, fmt::format("has the column {} twice", columns[i]),
                           "Name its columns apart.");
      }
      const contract::Field* field = field_of(columns[i]);
      if (field != nullptr && (field->type == contract::Type::structure || field->type == contract::Type::list)) {
        return input_error("csv.nested_column", name,
                           fmt::format("has the column {}, which is a {}; cells hold single values", columns[i],
                                       contract::name(field->type)),
                           "Send it as JSON.");
      }
      found.insert(field);
    }
    for (const contract::Field& field : contract.fields) {
      if (!field.required || found.contains(&field))
        continue;
      return input_error("csv.missing_column", name, fmt::format("has no column {}, which is required", field.name),
                         field.also.empty()
                             ? "A renamed column is named by `also` of the field."
                             : fmt::format("It is also known as {}; another name is added to `also` of the field.",
                                           fmt::join(field.also, ", ")));
    }
    return {};
  }

  void rest_from(std::size_t at) {
    std::memmove(rest.data(), rest.data() + at, rest.size() - at);
    rest.truncate(rest.size() - at);
    offset += at;
  }

  // Decides the encoding with the first block that is not ASCII.
  void find_encoding(CsvBlock& block, std::size_t size) {
    block.is_valid = true;
    block.encoding = encoding == Encoding::automatic ? Encoding::utf8 : encoding;
    if (block.encoding != Encoding::utf8)
      return;
    if (is_ascii(block.bytes.data(), size))
      return;
    block.is_valid = simdjson::validate_utf8(block.bytes.data(), size);
    if (encoding == Encoding::automatic) {
      encoding = block.is_valid || is_mostly_utf8({block.bytes.data(), size}) ? Encoding::utf8 : Encoding::windows_1252;
      block.is_valid = block.is_valid || encoding != Encoding::utf8;
    }
    block.encoding = encoding;
  }

  Result<bool> next(CsvBlock& block) {
    block.bytes.append(rest.data(), rest.size());
    rest.clear();
    if (block.bytes.size() < kBlockBytes)
      SHOPLAKE_TRY(fill(block.bytes, kBlockBytes - block.bytes.size()));
    block.bytes.extend(CsvTokenizer::kPadding);
    block.bytes.truncate(block.bytes.size() - CsvTokenizer::kPadding);
    if (block.bytes.empty())
      return false;
    std::size_t end = 0;
    while (true) {
      block.tokens.clear();
      end = tokenizer.split(block.bytes.data(), block.bytes.size(), input.at_end(), block.tokens);
      if (end > 0 || input.at_end())
        break;
      if (block.bytes.size() > contract.record_bytes_max) {
        SHOPLAKE_TRY(pass_over(block));
        return true;
      }
      SHOPLAKE_TRY(fill(block.bytes, std::max(kBlockBytes, block.bytes.size())));
    }
    rest.append(block.bytes.data() + end, block.bytes.size() - end);
    offset += end;
    line += block.tokens.lines;
    find_encoding(block, end);
    set_apart_oversized(block);
    return true;
  }

  void set_apart_oversized(CsvBlock& block) const {
    std::size_t kept = 0;
    for (const CsvRecord& record : block.tokens.records) {
      if (record.length <= contract.record_bytes_max) {
        block.tokens.records[kept++] = record;
        continue;
      }
      block.oversized.push_back(
          {kept, block.first_offset + record.begin, record.length, block.first_line + record.line,
           std::string(block.bytes.data() + record.begin, std::min<std::size_t>(record.length, kOversizedTextBytes))});
    }
    block.tokens.records.resize(kept);
  }

  // The record that is the whole block and more is too large: report it and read on to its end.
  Result<void> pass_over(CsvBlock& block) {
    OversizedRecord record;
    record.offset = block.first_offset;
    record.line = line;
    record.begin.assign(block.bytes.data(), std::min(block.bytes.size(), kOversizedTextBytes));
    std::uint32_t lines = 0;
    tokenizer.begin_skip();
    std::size_t stop = tokenizer.skip({block.bytes.data(), block.bytes.size()}, lines);
    record.length = std::min(block.bytes.size(), stop);
    rest.append(block.bytes.data() + record.length, block.bytes.size() - record.length);
    Buffer<char> piece;
    piece.extend(kBlockBytes);
    while (stop == CsvTokenizer::kNotYet) {
      const std::size_t got = SHOPLAKE_TRY(input.read(piece.data(), kBlockBytes));
      if (got == 0)
        break;
      stop = tokenizer.skip({piece.data(), got}, lines);
      const std::size_t taken = stop == CsvTokenizer::kNotYet ? got : stop;
      record.length += taken;
      rest.append(piece.data() + taken, got - taken);
    }
    offset = block.first_offset + record.length;
    line += lines;
    block.oversized.push_back(std::move(record));
    return {};
  }
};

CsvSource::CsvSource(const io::RandomAccessFile& file, std::string_view name, const contract::Contract& contract)
    : state_(std::make_unique<State>(file, name, contract)) {}
CsvSource::~CsvSource() = default;

Result<CsvFormat> CsvSource::open() { return state_->open(); }

Result<bool> CsvSource::next(CsvBlock& block) {
  block.bytes.clear();
  block.tokens.clear();
  block.oversized.clear();
  block.first_offset = state_->offset;
  block.first_line = state_->line;
  const bool more = SHOPLAKE_TRY(state_->next(block));
  block.input_bytes = state_->input.position();
  return more;
}

std::uint64_t CsvSource::inflated_bytes() const { return state_->offset; }
Encoding CsvSource::encoding() const { return state_->encoding; }

}  // namespace shoplake::transform
