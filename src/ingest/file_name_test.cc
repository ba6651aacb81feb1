#include "ingest/file_name.h"

#include <gtest/gtest.h>

namespace shoplake::ingest {
namespace {

TEST(FileNameTest, TheDayIsTheFoldersOrTheNamesOrToday) {
  const std::int64_t now = 1'767'225'600'000'000;  // 2026-01-01
  EXPECT_EQ(file_date("raw/t/date=2010-12-01/2011-01-01.csv", now), "2010-12-01");
  EXPECT_EQ(file_date("/x/2010-12-01.csv.gz", now), "2010-12-01");
  EXPECT_EQ(file_date("orders_2010-12-01_final.csv", now), "2010-12-01");
  EXPECT_EQ(file_date("orders-2010-13-01-2010-12-31.csv", now), "2010-12-31");
  EXPECT_EQ(file_date("/date=2010-12-99/orders.csv", now), "2026-01-01");
  EXPECT_EQ(file_date("/date=2010-12-01x/orders.csv", now), "2026-01-01");
  EXPECT_EQ(file_date("date=2010-12-01", now), "2010-12-01") << "a name, too";
  EXPECT_EQ(file_date("orders.csv", now), "2026-01-01");
  EXPECT_EQ(file_date("", now), "2026-01-01");
}

TEST(FileNameTest, UnfinishedNames) {
  for (const char* name : {".orders.csv", "_orders.csv", "orders.csv.tmp", "orders.csv.part", "orders.csv~", ""})
    EXPECT_TRUE(is_unfinished_name(name)) << name;
  for (const char* name : {"orders.csv", "tmp", "part.csv", "orders.parts"})
    EXPECT_FALSE(is_unfinished_name(name)) << name;
}

}  // namespace
}  // namespace shoplake::ingest
