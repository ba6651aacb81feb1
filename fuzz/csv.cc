// CSV: the tokenizer in one piece and in pieces, which must agree.

#include <string>
#include <string_view>

#include "targets.h"
#include "transform/csv_tokenizer.h"

namespace shoplake::fuzz {

namespace {

using transform::CsvDialect;
using transform::CsvField;
using transform::CsvRecord;
using transform::CsvTokenizer;
using transform::CsvTokens;

void append_records(const std::string& text, const CsvTokens& tokens, std::size_t offset, std::uint32_t line,
                    std::string& out) {
  for (const CsvRecord& record : tokens.records) {
    if (record.begin + record.length > text.size() - CsvTokenizer::kPadding)
      __builtin_trap();
    out += std::to_string(offset + record.begin) + "+" + std::to_string(record.length) + "@" +
           std::to_string(line + record.line) + "!" + std::to_string(static_cast<int>(record.problem));
    for (std::uint32_t i = 0; i < record.field_count; ++i) {
      const CsvField& field = tokens.fields[record.first_field + i];
      if (field.begin + field.size > text.size() - CsvTokenizer::kPadding)
        __builtin_trap();
      out += "|" + text.substr(field.begin, field.size);
    }
  }
}

std::string in_pieces(std::string_view text, const CsvTokenizer& tokenizer, std::size_t size) {
  std::string out;
  std::size_t begin = 0;
  std::uint32_t line = 0;
  std::size_t taken = size;
  while (begin < text.size()) {
    const std::string piece = std::string(text.substr(begin, taken)) + std::string(CsvTokenizer::kPadding, '"');
    const std::size_t length = piece.size() - CsvTokenizer::kPadding;
    CsvTokens tokens;
    const std::size_t end = tokenizer.split(piece.data(), length, begin + length == text.size(), tokens);
    if (end == 0) {
      taken += size;
      continue;
    }
    append_records(piece, tokens, begin, line, out);
    begin += end;
    line += tokens.lines;
    taken = size;
  }
  return out;
}

}  // namespace

int fuzz_csv(std::string_view bytes) {
  constexpr std::size_t kTextBytesMax = 4096;  // pieces make it quadratic
  if (bytes.empty() || bytes.size() > kTextBytesMax)
    return 0;
  const auto choice = static_cast<unsigned char>(bytes[0]);
  const CsvTokenizer tokenizer(CsvDialect{",;\t|"[choice % 4], '"', (choice & 4) != 0});
  const std::string_view text = bytes.substr(1);
  if (in_pieces(text, tokenizer, text.size() + 1) != in_pieces(text, tokenizer, 1 + choice / 8))
    __builtin_trap();
  return 0;
}

}  // namespace shoplake::fuzz
