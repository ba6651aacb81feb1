#include "transform/csv_tokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace shoplake::transform {
namespace {

std::string with_padding(std::string_view text) { return std::string(text) + std::string(CsvTokenizer::kPadding, ','); }

// "1:a|b" of each record: line, cells; doubled quotes are made one, problems and quotes are shown.
void describe(const std::string& text, const CsvTokens& tokens, std::uint32_t first_line,
              std::vector<std::string>& out) {
  for (const CsvRecord& record : tokens.records) {
    std::string line = std::to_string(first_line + record.line + 1) + ":";
    for (std::uint32_t i = 0; i < record.field_count; ++i) {
      const CsvField& field = tokens.fields[record.first_field + i];
      line += i == 0 ? "" : "|";
      line += field.is_quoted ? "'" : "";
      for (std::uint32_t at = 0; at < field.size; ++at) {
        line += text[field.begin + at];
        at += field.has_doubled_quotes && text[field.begin + at] == '"' ? 1 : 0;
      }
    }
    switch (record.problem) {
      case CsvRecord::Problem::none: break;
      case CsvRecord::Problem::text_after_quote: line += " (text after quote)"; break;
      case CsvRecord::Problem::open_quote: line += " (open quote)"; break;
      case CsvRecord::Problem::nul_byte: line += " (nul)"; break;
    }
    out.push_back(line);
  }
}

std::vector<std::string> records(const std::string& text, CsvDialect dialect = {}) {
  std::vector<std::string> result;
  CsvTokens tokens;
  EXPECT_EQ(CsvTokenizer(dialect).split(with_padding(text).data(), text.size(), true, tokens), text.size());
  describe(text, tokens, 0, result);
  return result;
}

// The same in pieces of which each is as large as `size`, or as its first record.
std::vector<std::string> records_in_pieces(const std::string& text, CsvDialect dialect, std::size_t size) {
  std::vector<std::string> result;
  std::size_t begin = 0;
  std::uint32_t line = 0;
  std::size_t taken = size;
  const CsvTokenizer tokenizer(dialect);
  while (begin < text.size()) {
    const std::size_t length = std::min(taken, text.size() - begin);
    const std::string piece = with_padding(std::string_view(text).substr(begin, length));
    CsvTokens tokens;
    const std::size_t end = tokenizer.split(piece.data(), length, begin + length == text.size(), tokens);
    if (end == 0) {
      taken += size;
      continue;
    }
    describe(piece, tokens, line, result);
    begin += end;
    line += tokens.lines;
    taken = size;
  }
  return result;
}

struct Case {
  std::string text;
  std::vector<std::string> records;
  CsvDialect dialect = {};
};

std::vector<Case> cases() {
  using namespace std::string_literals;
  const CsvDialect semicolon{';', '"', false};
  const CsvDialect mac{',', '"', true};
  return {
      {"", {}},
      {"a,b\nc,d\n", {"1:a|b", "2:c|d"}},
      {"a,b\nc,d", {"1:a|b", "2:c|d"}},
      {"a,b\r\nc,d\r\n", {"1:a|b", "2:c|d"}},
      {"a,b\r\nc,d", {"1:a|b", "2:c|d"}},
      {"a\n\n\r\nb\n", {"1:a", "4:b"}},
      {",\n", {"1:|"}},
      {",,\n,\n", {"1:||", "2:|"}},
      {"a;b,c\n", {"1:a|b,c"}, semicolon},
      {"\"a,b\",c\n", {"1:'a,b|c"}},
      {"\"a\nb\",c\nd,e\n", {"1:'a\nb|c", "3:d|e"}},
      {"\"a\r\nb\",c\r\nd,e\r\n", {"1:'a\r\nb|c", "3:d|e"}},
      {"\"a\"\"b\",\"\"\"\",\"\"\n", {"1:'a\"b|'\"|'"}},
      {"\"\"\"a\"\"\"\n", {"1:'\"a\""}},
      {"5\" nails,6\n", {"1:5\" nails|6"}},
      {"a \"b\" c,d\n", {"1:a \"b\" c|d"}},
      {"\"5\" nails\",6\nb,c\n", {"1:'5\" nails\"|6 (text after quote)", "2:b|c"}},
      {"\"a\" ,b\nc,d\n", {"1:'a\" |b (text after quote)", "2:c|d"}},
      {"\"a\"\"", {"1:'a\" (open quote)"}},
      {"a,\"b\nc,d\n", {"1:a|'b\nc,d\n (open quote)"}},
      {"a,b\"\n\"", {"1:a|b\"", "2:' (open quote)"}},
      {"\"a\"", {"1:'a"}},
      {"\"a\"\n", {"1:'a"}},
      {"\"a\"\r\n", {"1:'a"}},
      {"\"a\"\r", {"1:'a"}},
      {"a\0b,c\nd\n"s, {"1:a\0b|c (nul)"s, "2:d"}},
      {"\"a\0b\",c\nd\n"s, {"1:'a\0b|c (nul)"s, "2:d"}},
      {"a\rb,c\nd\n", {"1:a\rb|c", "2:d"}},
      {"a,b\rc,d\r", {"1:a|b", "2:c|d"}, mac},
      {"a,b\rc,d", {"1:a|b", "2:c|d"}, mac},
      {"a,b\r\nc,d\re", {"1:a|b", "2:c|d", "3:e"}, mac},
      {"\"a\rb\",c\r\"d\"\re\r", {"1:'a\rb|c", "3:'d", "4:e"}, mac},
      {"a\r\r\nb\n", {"1:a\r", "2:b"}},
      {std::string(200, 'x') + "," + std::string(63, 'y') + "\nz",
       {"1:" + std::string(200, 'x') + "|" + std::string(63, 'y'), "2:z"}},
      {"\xE9,\xFF\n", {"1:\xE9|\xFF"}},
  };
}

TEST(CsvTokenizerTest, Cases) {
  for (const Case& c : cases())
    EXPECT_EQ(records(c.text, c.dialect), c.records) << testing::PrintToString(c.text);
}

TEST(CsvTokenizerTest, PiecesGiveTheSame) {
  for (const Case& c : cases()) {
    for (std::size_t size = 1; size <= c.text.size(); ++size)
      EXPECT_EQ(records_in_pieces(c.text, c.dialect, size), c.records) << testing::PrintToString(c.text) << size;
  }
}

TEST(CsvTokenizerTest, RandomTextsInPiecesGiveTheSameAndSkippingEndsWhereRecordsDo) {
  std::mt19937 random(20101201);
  for (int round = 0; round < 5'000; ++round) {
    std::string text;
    for (std::size_t length = random() % 40; length > 0; --length)
      text += "a,\"\n\r\"b,"[random() % 8];
    const CsvDialect dialect{',', '"', random() % 2 == 0};
    const auto whole = records(text, dialect);
    ASSERT_EQ(records_in_pieces(text, dialect, 1 + random() % 7), whole) << testing::PrintToString(text);
    CsvTokens tokens;
    CsvTokenizer tokenizer(dialect);
    tokenizer.split(with_padding(text).data(), text.size(), true, tokens);
    if (tokens.records.size() < 2 || tokens.records[0].begin > 0)
      continue;
    // The first record is passed over in two pieces; what follows is found again behind it.
    const std::size_t cut = random() % text.size();
    std::uint32_t lines = 0;
    tokenizer.begin_skip();
    std::size_t end = tokenizer.skip(std::string_view(text).substr(0, cut), lines);
    if (end == CsvTokenizer::kNotYet) {
      end = tokenizer.skip(std::string_view(text).substr(cut), lines);
      end = end == CsvTokenizer::kNotYet ? text.size() : end + cut;
    }
    std::vector<std::string> behind;
    CsvTokens others;
    const std::string rest = text.substr(end);
    tokenizer.split(with_padding(rest).data(), rest.size(), true, others);
    describe(rest, others, lines, behind);
    ASSERT_EQ(behind, std::vector(whole.begin() + 1, whole.end())) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace shoplake::transform
