#include "ingest/registry.h"

#include <gtest/gtest.h>

#include "io/temporary_directory.h"

namespace shoplake::ingest {
namespace {

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    database_ = io::Database::open(directory_.file("state.sqlite")).value();
    EXPECT_TRUE(prepare_registry(*database_).ok());
    EXPECT_TRUE(prepare_registry(*database_).ok());
  }
  io::TemporaryDirectory directory_;
  std::unique_ptr<io::Database> database_;
};

TEST_F(RegistryTest, AContentIsRecordedOnce) {
  const Content content{"events", "0123456789abcdef0123456789abcdef", 7};
  EXPECT_FALSE(find_loaded(*database_, content).value().has_value());
  LoadedObject object{content, "a.ndjson", "raw/events/date=2026-01-01/a.ndjson", 3, 1, 42};
  ASSERT_TRUE(record_loaded(*database_, object).ok());
  object.source_name = "b.ndjson";
  const auto again = record_loaded(*database_, object);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, kAlreadyLoaded);
  const auto known = find_loaded(*database_, content).value();
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(known->source_name, "a.ndjson");
  EXPECT_EQ(known->rows, 3);
  EXPECT_FALSE(find_loaded(*database_, {"other", content.md5, 7}).value().has_value());
  EXPECT_FALSE(find_loaded(*database_, {"events", content.md5, 8}).value().has_value());
  EXPECT_TRUE(is_size_loaded(*database_, "events", 7).value());
  EXPECT_FALSE(is_size_loaded(*database_, "events", 8).value());
  EXPECT_FALSE(is_size_loaded(*database_, "other", 7).value());
}

TEST_F(RegistryTest, RawPathsAreGivenToOneContent) {
  const Content first{"events", "11111111aaaaaaaaaaaaaaaaaaaaaaaa", 1};
  const Content second{"events", "22222222aaaaaaaaaaaaaaaaaaaaaaaa", 1};
  const Content third{"events", "22222222bbbbbbbbbbbbbbbbbbbbbbbb", 1};
  const auto path = [&](const Content& content, const std::string& name) {
    return reserve_raw_path(*database_, content, "2026-01-01", name).value();
  };
  const auto expected = [&](const Content& content) {
    return expected_raw_path(*database_, content, "2026-01-01", "a.ndjson.gz").value();
  };
  const Content unknown{"events", "", 1};
  EXPECT_EQ(expected(unknown), "raw/events/date=2026-01-01/a.ndjson.gz");
  EXPECT_EQ(expected(second), "raw/events/date=2026-01-01/a.ndjson.gz");  // nothing is reserved by asking
  EXPECT_EQ(path(first, "a.ndjson.gz"), "raw/events/date=2026-01-01/a.ndjson.gz");
  EXPECT_EQ(expected(unknown), std::nullopt);
  EXPECT_EQ(expected(first), "raw/events/date=2026-01-01/a.ndjson.gz");
  EXPECT_EQ(expected(second), "raw/events/date=2026-01-01/a-22222222.ndjson.gz");
  EXPECT_EQ(path(first, "a.ndjson.gz"), "raw/events/date=2026-01-01/a.ndjson.gz");
  EXPECT_EQ(path(second, "a.ndjson.gz"), "raw/events/date=2026-01-01/a-22222222.ndjson.gz");
  EXPECT_EQ(path(third, "a.ndjson.gz"), "raw/events/date=2026-01-01/a-22222222bbbbbbbbbbbbbbbbbbbbbbbb.ndjson.gz");
  EXPECT_EQ(path(second, "plain"), "raw/events/date=2026-01-01/plain");
}

}  // namespace
}  // namespace shoplake::ingest
