#include <gtest/gtest.h>

#include "cli/errors.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

TEST(Format, CountsHaveSeparators) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(-1234567), "-1,234,567");
  EXPECT_EQ(format_amount(1234.5), "1,234.50");
  EXPECT_EQ(format_amount(-999.999), "-1,000.00");
  EXPECT_EQ(format_noun(1, "row"), "1 row");
  EXPECT_EQ(format_noun(1200, "row"), "1,200 rows");
}

TEST(Format, BytesAreBinary) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(432013312), "412.0 MiB");
  EXPECT_EQ(format_bytes(1024ull * 1024 - 1), "1.0 MiB");
}

TEST(Format, DurationsHaveTwoFigures) {
  EXPECT_EQ(format_duration(410), "0.41 ms");
  EXPECT_EQ(format_duration(41'000), "41 ms");
  EXPECT_EQ(format_duration(410'000), "0.41 s");
  EXPECT_EQ(format_duration(4'100'000), "4.1 s");
  EXPECT_EQ(format_duration(41'400'000), "41 s");
  EXPECT_EQ(format_duration(250'000'000), "4 min 10 s");
  EXPECT_EQ(format_duration(11'100'000'000), "3 h 5 min");
}

TEST(Format, RatesAndShares) {
  EXPECT_EQ(format_rate(1024 * 1024, 500'000, "B"), "2.0 MiB/s");
  EXPECT_EQ(format_rate(1200, 1'000'000, "rows"), "1,200 rows/s");
  EXPECT_EQ(format_rate(1, 0, "rows"), "");
  EXPECT_EQ(format_percent(0.1234), "12.3 %");
  EXPECT_EQ(format_percent(0.1234, true), "+12.3 %");
  EXPECT_EQ(format_percent(-0.5, true), "-50.0 %");
  EXPECT_EQ(format_percent(-0.0001, true), "0.0 %");
}

TEST(Terminal, WidthCountsWhatIsSeen) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("São"), 3);
  EXPECT_EQ(display_width("東京"), 4);
  EXPECT_EQ(display_width("\033[31mred\033[0m"), 3);
  EXPECT_EQ(display_width("e\u0301"), 1);
  EXPECT_EQ(display_width("\xFF\xFE"), 2);
  EXPECT_EQ(shortened("abcdef", 4), "abc…");
  EXPECT_EQ(shortened("東京都", 4), "東…");
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abc", 0), "");
}

TEST(Table, AlignsAndCutsOnlyOnATerminal) {
  Table table({{"channel", Align::left}, {"conversions", Align::right}});
  table.add_row({"Google", "1,200"});
  table.add_row({"Direct"});
  EXPECT_EQ(table.render({}), "  channel  conversions\n  Google         1,200\n  Direct");
  Table wide({{"", Align::left}, {"", Align::left}}, 0);
  wide.add_row({"k", std::string(200, 'x')});
  EXPECT_EQ(display_width(wide.render({.interactive = true, .colour = false, .width = 40})), 40);
  EXPECT_EQ(display_width(wide.render({})), 203);
}

TEST(Errors, HaveThreePartsAndACode) {
  const base::Error error = base::make_error(base::ErrorKind::conflict, "catalog.commit_conflict",
                                             "table a: somebody was first", "read again");
  EXPECT_EQ(error_for_people(error, {}),
            "error: table a: somebody was first\n  do: read again\n  code: catalog.commit_conflict (exit 4)");
  EXPECT_EQ(
      error_as_json(error),
      R"({"error":{"code":"catalog.commit_conflict","kind":"conflict","message":"table a: somebody was first","advice":"read again"},"exit_code":4})");
}

TEST(Errors, JsonIsValidWhateverTheBytes) {
  EXPECT_EQ(json_quoted("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
  EXPECT_EQ(json_quoted("caf\xC3\xA9 \xC3( \xED\xA0\x80"), "\"café \\ufffd( \\ufffd\\ufffd\\ufffd\"");
}

}  // namespace
}  // namespace shoplake::cli
