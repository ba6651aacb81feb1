#include "transform/parquet_concatenation.h"

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/session.h"
#include "io/memory_env.h"
#include "io/temporary_directory.h"

namespace shoplake::transform {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Rows of all shapes, and values that dictionaries, Bloom filters and statistics are made of.
constexpr const char* kRows =
    "SELECT range AS id, 'text ' || range % 97 AS text, range % 7 = 0 AS flag, range / 3.0 AS real, "
    "CASE WHEN range % 5 > 0 THEN CAST(range AS DECIMAL(18, 4)) END AS price, make_timestamp(range * 1000000) AS at, "
    "[range, NULL, range + 1] AS list, {{'name': 'n' || range, 'tags': [{{'k': range % 3, 'v': 'x'}}]}} AS nested, "
    "CAST(NULL AS VARCHAR) AS nothing FROM range({}, {})";

class ParquetConcatenationTest : public testing::Test {
 protected:
  void SetUp() override {
    engine::DatabaseOptions options;
    options.threads = 1;  // rows in the order of the files
    database_ = engine::Database::open(options).value();
    session_ = database_->connect().value();
  }

  std::string path(const std::string& name) const { return folder_.file(name); }

  std::string write(const std::string& name, const std::string& query, const std::string& options = "") {
    const auto done = session_->execute(
        fmt::format("COPY ({}) TO '{}' (FORMAT parquet, ROW_GROUP_SIZE 2048{})", query, path(name), options));
    EXPECT_TRUE(done.ok()) << done.error().message;
    return path(name);
  }
  std::string write_rows(const std::string& name, int begin, int end, const std::string& options = "") {
    return write(name, fmt::format(fmt::runtime(kRows), begin, end), options);
  }

  Result<ParquetConcatenation::Written> join(const std::vector<std::string>& paths, const std::string& into) {
    const auto joined = SHOPLAKE_TRY(ParquetConcatenation::open(io::posix_env(), paths));
    return joined.write(io::posix_env(), path(into));
  }

  std::string ask(const std::string& query) {
    const auto answer = session_->query(query);
    EXPECT_TRUE(answer.ok()) << answer.error().message;
    return answer.ok() ? answer->text(0, 0).value_or("null") : "";
  }

  // Number and content of the rows, in their order.
  std::string fingerprint(const std::vector<std::string>& paths) {
    std::string list = engine::literal_list(paths);
    return ask(
        fmt::format("SELECT count(*) || ' ' || md5(string_agg(CAST(r AS VARCHAR), '|')) FROM (SELECT r FROM "
                    "read_parquet({}) AS r)",
                    list));
  }

  io::TemporaryDirectory folder_;
  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<engine::Session> session_;
};

TEST_F(ParquetConcatenationTest, HasTheRowsOfAllInTheirOrder) {
  const std::vector<std::string> paths = {write_rows("a.parquet", 0, 5'000), write_rows("b.parquet", 5'000, 5'001),
                                          write_rows("c.parquet", 5'001, 9'500, ", COMPRESSION zstd")};
  const auto joined = ParquetConcatenation::open(io::posix_env(), paths);
  ASSERT_TRUE(joined.ok()) << joined.error().message;
  EXPECT_EQ(joined->rows(), 9'500);
  EXPECT_EQ(joined->row_groups(), 3 + 1 + 3);
  const auto written = joined->write(io::posix_env(), path("all.parquet"));
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(written->size_bytes, static_cast<std::int64_t>(std::filesystem::file_size(path("all.parquet"))));
  ASSERT_EQ(written->split_offsets.size(), 7u);
  EXPECT_EQ(written->split_offsets.front(), 4);
  EXPECT_EQ(fingerprint({path("all.parquet")}), fingerprint(paths));

  // And again: what was joined is a file like others.
  ASSERT_TRUE(join({path("all.parquet"), paths[1], path("all.parquet")}, "again.parquet").ok());
  EXPECT_EQ(fingerprint({path("again.parquet")}), fingerprint({path("all.parquet"), paths[1], path("all.parquet")}));
}

TEST_F(ParquetConcatenationTest, ReadersSkipRowGroupsByStatisticsAndBloomFilters) {
  ASSERT_TRUE(join({write_rows("a.parquet", 0, 4'096), write_rows("b.parquet", 4'096, 8'192)}, "all.parquet").ok());
  for (const int id : {0, 2'047, 2'048, 4'095, 4'096, 8'191}) {
    EXPECT_EQ(ask(fmt::format("SELECT string_agg(nested.name) FROM '{}' WHERE id = {}", path("all.parquet"), id)),
              fmt::format("n{}", id));
  }
  EXPECT_EQ(ask(fmt::format("SELECT count(*) FROM '{}' WHERE text = 'text 96'", path("all.parquet"))), "84");
  EXPECT_EQ(ask(fmt::format("SELECT count(*) FROM '{}' WHERE text = 'text 97'", path("all.parquet"))), "0");
  EXPECT_EQ(ask(fmt::format("SELECT bool_or(bloom_filter_excludes) FROM parquet_bloom_probe('{}', 'text', 'text 97')",
                            path("all.parquet"))),
            "true");
  EXPECT_EQ(ask(fmt::format("SELECT bool_or(bloom_filter_excludes) FROM parquet_bloom_probe('{}', 'text', 'text 96')",
                            path("all.parquet"))),
            "false");
}

TEST_F(ParquetConcatenationTest, FilesWithoutRowsAddNone) {
  const std::vector<std::string> paths = {write_rows("none.parquet", 0, 0), write_rows("a.parquet", 0, 10)};
  ASSERT_TRUE(join(paths, "all.parquet").ok());
  EXPECT_EQ(fingerprint({path("all.parquet")}), fingerprint(paths));
}

TEST_F(ParquetConcatenationTest, FilesOfOtherColumnsAreRefused) {
  const std::string first = write("a.parquet", "SELECT 1 AS id, 'x' AS text");
  for (const char* other : {"SELECT 1 AS id", "SELECT 1 AS id, 2 AS text", "SELECT 1 AS id, 'x' AS name",
                            "SELECT 'x' AS text, 1 AS id", "SELECT CAST(1 AS BIGINT) AS id, 'x' AS text"}) {
    const auto outcome = join({first, write("b.parquet", other)}, "all.parquet");
    ASSERT_FALSE(outcome.ok()) << other;
    EXPECT_EQ(outcome.error().code, "parquet.not_alike");
    EXPECT_THAT(outcome.error().message, HasSubstr("b.parquet"));
  }
  const std::string ids = write("c.parquet", "SELECT 1 AS id, 'x' AS text", ", FIELD_IDS {id: 7, text: 8}");
  EXPECT_EQ(join({first, ids}, "all.parquet").error().code, "parquet.not_alike") << "other field ids";
  EXPECT_FALSE(std::filesystem::exists(path("all.parquet"))) << "nothing is begun";
}

// Whatever stands in a footer: an answer, or an error that names the file.
TEST_F(ParquetConcatenationTest, DamagedFilesAreNamed) {
  const std::string whole = io::posix_env().read_file(write_rows("a.parquet", 0, 3'000)).value();
  io::MemoryEnv env;
  const auto outcome = [&](std::string_view bytes) {
    EXPECT_TRUE(env.write_file("/damaged.parquet", bytes).ok());
    const auto joined = [&]() -> Result<ParquetConcatenation::Written> {
      const std::vector<std::string> paths = {"/damaged.parquet"};
      return SHOPLAKE_TRY(ParquetConcatenation::open(env, paths)).write(env, "/all.parquet");
    }();
    if (!joined.ok()) {
      EXPECT_THAT(joined.error().code, testing::AnyOf("parquet.damaged", "parquet.not_alike"));
      EXPECT_THAT(joined.error().message, HasSubstr("damaged.parquet"));
    }
    return joined.ok();
  };
  EXPECT_TRUE(outcome(whole));
  EXPECT_FALSE(outcome(""));
  EXPECT_FALSE(outcome("PAR1PAR1"));
  EXPECT_FALSE(outcome(std::string_view(whole).substr(0, whole.size() - 1)));
  EXPECT_FALSE(outcome(std::string_view(whole).substr(0, 4'000)));
  const std::size_t footer = whole.size() - 1'500;
  for (std::size_t at = footer; at < whole.size(); at += 3) {
    for (const char byte : {'\0', '\x7F', '\xFF', static_cast<char>(whole[at] ^ 1)}) {
      std::string changed = whole;
      changed[at] = byte;
      (void)outcome(changed);
    }
  }
}

}  // namespace
}  // namespace shoplake::transform
