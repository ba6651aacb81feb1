// CsvTokenizer: bytes of a CSV file → where its records and their fields are. RFC 4180 with what files really hold:
//
// - Records end at LF or CRLF, or at CR where the dialect says so. Blank lines are no records.
// - A quote opens a quoted field only as its first byte; elsewhere it stands for itself. Inside, a doubled quote is
// one,
//   and delimiters and line ends are content.
// - Text between a closing quote and the next delimiter, a quote that is never closed, and NUL bytes make a record
//   malformed; the next record begins at the next line end outside quotes.
//
// A block is searched for the few bytes that matter 64 at a time; nothing is copied. Encodings: all in which these
// bytes mean themselves (UTF-8, Latin-1, windows-1252). Not thread safe. Source: https://www.rfc-editor.org/rfc/rfc4180
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "transform/buffer.h"

namespace shoplake::transform {

struct CsvDialect {
  char delimiter = ',';
  char quote = '"';
  bool cr_ends_records = false;  // a CR that no LF follows; else it is content
};

// A field of a block: the inside of its quotes, if it has any.
struct CsvField {
  std::uint32_t begin = 0;
  std::uint32_t size : 30 = 0;
  std::uint32_t is_quoted : 1 = 0;
  std::uint32_t has_doubled_quotes : 1 = 0;
};

struct CsvRecord {
  enum class Problem : std::uint8_t { none, text_after_quote, open_quote, nul_byte };
  std::uint32_t begin = 0;
  std::uint32_t length = 0;  // without its line end
  std::uint32_t line = 0;    // of its first byte, counted from the block's first line
  std::uint32_t first_field = 0;
  std::uint32_t field_count = 0;
  Problem problem = Problem::none;
};

struct CsvTokens {
  Buffer<CsvField> fields;
  std::vector<CsvRecord> records;
  std::uint32_t lines = 0;  // that ended

  void clear() {
    fields.clear();
    records.clear();
    lines = 0;
  }
};

class CsvTokenizer {
 public:
  // Readable bytes that must follow the text of split(); their values do not matter.
  static constexpr std::size_t kPadding = 64;
  // A text is at most this long.
  static constexpr std::size_t kTextBytesMax = (std::size_t{1} << 30) - 1;

  explicit CsvTokenizer(CsvDialect dialect) : dialect_(dialect) {}
  const CsvDialect& dialect() const { return dialect_; }

  // Appends the tokens of whole records; returns where they end. What follows is the begin of a record whose end is not
  // there; with `at_end`, it is the last record.
  std::size_t split(const char* text, std::size_t size, bool at_end, CsvTokens& tokens) const;

  // Passes over a record that is too large to keep, in pieces: the offset behind its line end in this piece, or
  // kNotYet. begin_skip() first; lines that ended are counted.
  static constexpr std::size_t kNotYet = static_cast<std::size_t>(-1);
  void begin_skip() {
    skip_ = Skip::field_begin;
    is_after_cr_ = false;
  }
  std::size_t skip(std::string_view piece, std::uint32_t& lines);

 private:
  enum class Skip { field_begin, field, quoted, quote_in_quoted, carriage_return };

  CsvDialect dialect_;
  Skip skip_ = Skip::field_begin;
  bool is_after_cr_ = false;  // inside quotes
};

}  // namespace shoplake::transform
