#include "query/format.h"

#include <gtest/gtest.h>

#include "query/point_in_time.h"

namespace shoplake::query {
namespace {

class FormatTest : public testing::Test {
 protected:
  engine::ResultSet answer(std::string_view sql) { return session_->query(sql).value(); }
  std::string csv(std::string_view sql) { return written(write_csv, sql); }
  std::string json(std::string_view sql) { return written(write_json, sql); }

  std::string written(base::Result<void> (*write)(const engine::ResultSet&, const Output&), std::string_view sql) {
    std::string bytes;
    const auto outcome = write(answer(sql), [&](std::string_view piece) {
      bytes.append(piece);
      return base::Result<void>();
    });
    EXPECT_TRUE(outcome.ok());
    return bytes;
  }

  std::unique_ptr<engine::Database> database_ = std::move(engine::Database::open({})).value();
  std::unique_ptr<engine::Session> session_ = std::move(database_->connect()).value();
};

TEST_F(FormatTest, CsvQuotesWhatMustBe) {
  EXPECT_EQ(csv("SELECT 1 AS a, 'x,y' AS \"b,c\", 'say \"hi\"' AS d, e'two\\nlines' AS e, NULL AS f, '' AS g, ' x' AS "
                "h, 1.50::DECIMAL(4,2) AS i"),
            "a,\"b,c\",d,e,f,g,h,i\r\n1,\"x,y\",\"say \"\"hi\"\"\",\"two\nlines\",,\"\",\" x\",1.50\r\n");
  EXPECT_EQ(csv("SELECT [1, 2] AS l, {'a': 'b'} AS s"), "l,s\r\n\"[1,2]\",\"{\"\"a\"\":\"\"b\"\"}\"\r\n");
  EXPECT_EQ(csv("SELECT 1 AS a WHERE false"), "a\r\n");
}

TEST_F(FormatTest, JsonIsAnArrayOfObjects) {
  EXPECT_EQ(json("SELECT 1 AS a, 'x\"' AS b, NULL AS c, [1.5] AS d UNION ALL SELECT 2, 'y', 3, [] ORDER BY 1"),
            "[\n{\"a\":1,\"b\":\"x\\\"\",\"c\":null,\"d\":[1.5]},\n{\"a\":2,\"b\":\"y\",\"c\":3,\"d\":[]}\n]\n");
  EXPECT_EQ(json("SELECT 1 AS a, 2 AS a, 3 AS a_1"), "[\n{\"a\":1,\"a_2\":2,\"a_1\":3}\n]\n");
  EXPECT_EQ(json("SELECT '{\"k\": [1]}'::JSON AS j, 'nan'::DOUBLE AS n"), "[\n{\"j\":{\"k\": [1]},\"n\":null}\n]\n");
  EXPECT_EQ(json("SELECT 1 AS a WHERE false"), "[]\n");
}

TEST_F(FormatTest, LargeAnswersComeInPiecesAndAFailureEndsThem) {
  int pieces = 0;
  const auto outcome =
      write_csv(answer("SELECT i FROM range(100000) t(i)"), [&](std::string_view piece) -> base::Result<void> {
        EXPECT_LT(piece.size(), 100'000u);
        ++pieces;
        return pieces < 3 ? base::Result<void>()
                          : base::make_error(base::ErrorKind::environment, "io.disk_full", "full");
      });
  EXPECT_EQ(outcome.error().code, "io.disk_full");
  EXPECT_EQ(pieces, 3);
}

TEST(PointInTime, TakesSnapshotsDatesAndTimes) {
  const auto moment = [](const char* text) { return std::get<Moment>(parse_point_in_time(text).value()).milliseconds; };
  EXPECT_EQ(std::get<SnapshotId>(parse_point_in_time("8271638172635").value()).value, 8271638172635);
  EXPECT_EQ(moment("1970-01-02"), 86'400'000);
  EXPECT_EQ(moment("1970-01-01 00:01"), 60'000);
  EXPECT_EQ(moment("1970-01-01T00:00:01.5Z"), 1'500);
  EXPECT_EQ(moment("1970-01-01T00:00:00.1239"), 123);
  EXPECT_EQ(moment("1970-01-01 02:00:00+02:00"), 0);
  EXPECT_EQ(moment("1970-01-01 00:00 +01"), -3'600'000);
  EXPECT_EQ(moment("2024-02-29T12:00:00-0530"), 1'709'227'800'000);
  for (const char* bad :
       {"", "yesterday", "2026-02-30", "2026-13-01", "2026-01-01T", "2026-01-01 25:00", "2026-01-01 10:60",
        "2026-01-01 10:00:00.", "2026-01-01 10:00 EST", "2026-1-1", "99999999999999999999", "2026-01-01x"}) {
    const auto parsed = parse_point_in_time(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_EQ(parsed.error().code, "query.bad_time");
  }
  EXPECT_EQ(format_moment({1'709'227'800'000}), "2024-02-29 17:30:00.000 UTC");
  EXPECT_EQ(format_moment({-1}), "1969-12-31 23:59:59.999 UTC");
}

}  // namespace
}  // namespace shoplake::query
