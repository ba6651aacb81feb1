// Crawls with an engine: repeated at will, and whatever fails.
#include "crawl/crawl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "io/faulty_env.h"
#include "io/temporary_directory.h"

namespace shoplake::crawl {
namespace {

using testing::IsEmpty;

class CrawlTest : public testing::Test {
 protected:
  void SetUp() override {
    engine::DatabaseOptions options;
    options.extension_directory = std::string(SHOPLAKE_DEPS_DIR) + "/extensions";
    options.threads = 2;
    auto opened = engine::Database::open(options);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    database_ = std::move(opened).value();
    ASSERT_TRUE(io::posix_env().create_directories(folder_.file("lake/raw")).ok());
  }

  std::unique_ptr<catalog::Catalog> open(io::Env& env) {
    auto opened = catalog::Catalog::open({&env, folder_.file("lake"), folder_.file("state.sqlite")});
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : to_string(opened.error()));
    return opened.ok() ? std::move(opened).value() : nullptr;
  }

  void write(const std::string& path, const std::string& text) {
    const std::string full = folder_.file("lake/" + path);
    ASSERT_TRUE(io::posix_env().create_directories(io::parent_path(full)).ok());
    ASSERT_TRUE(io::posix_env().write_file(full, text).ok());
  }

  Result<CrawlReport> run(io::Env& env, const std::string& folder = "raw") {
    catalog_ = open(env);
    CrawlOptions options;
    options.env = &env;
    options.catalog = catalog_.get();
    options.database = database_.get();
    options.folder = folder;
    return crawl(options);
  }

  std::string count(const std::string& view) {
    const auto found = catalog_->load_view({{{"raw"}}, view});
    EXPECT_TRUE(found.ok()) << to_string(found.error());
    const auto session = std::move(database_->connect()).value();
    const auto rows = session->query("SELECT count(*) FROM (" + found->sql + ")");
    EXPECT_TRUE(rows.ok()) << to_string(rows.error());
    return rows.ok() ? rows->text(0, 0).value_or("") : "";
  }

  io::TemporaryDirectory folder_;
  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<catalog::Catalog> catalog_;
};

TEST_F(CrawlTest, WhateverFailsTheNextCrawlFinishes) {
  using Operation = io::FaultyEnv::Operation;
  int failures = 0;
  int table = 0;
  for (const Operation operation : {Operation::create, Operation::write, Operation::sync, Operation::close,
                                    Operation::open, Operation::read, Operation::list, Operation::sync_directory}) {
    for (int nth = 1; nth <= 12; ++nth) {
      const std::string name = "t" + std::to_string(++table);
      write("raw/" + name + "/date=2026-01-01/a.ndjson", "{\"a\":1}\n{\"a\":2}\n");
      write("raw/" + name + "/date=2026-01-02/b.csv", "a,b\n3,x\n");
      io::FaultyEnv env(io::posix_env());
      env.fail(operation, nth, EIO);
      const auto first = run(env, "raw/" + name);
      const bool met = env.count(operation) >= nth;
      env.heal();
      failures += first.ok() && !first->tables.empty() && !first->tables[0].error ? 0 : 1;
      const auto second = run(io::posix_env(), "raw/" + name);
      ASSERT_TRUE(second.ok()) << to_string(second.error());
      EXPECT_FALSE(second->tables[0].error) << to_string(*second->tables[0].error);
      EXPECT_EQ(count(name), "3") << "operation " << static_cast<int>(operation) << ", " << nth;
      const auto third = run(io::posix_env(), "raw/" + name);
      EXPECT_THAT(third->tables[0].changes, IsEmpty());
      EXPECT_EQ(third->tables[0].objects_read, 0);
      if (!met) {
        break;
      }
    }
  }
  EXPECT_GE(failures, 8);
}

TEST_F(CrawlTest, FoldersThatAreNoTablesAreNamedByTheirReason) {
  write("raw/t/a.bin", std::string("\0\1\2", 3));
  write("raw/t/_hidden.json", "{\"a\":1}");
  const auto report = run(io::posix_env());
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->tables.size(), 1u);
  EXPECT_THAT(report->tables[0].problems, testing::ElementsAre(testing::HasSubstr("a.bin")));
  EXPECT_FALSE(catalog_->load_view({{{"raw"}}, "t"}).ok());
  EXPECT_EQ(run(io::posix_env(), "none").error().code, "crawl.no_such_folder");
  EXPECT_EQ(run(io::posix_env(), "../raw").error().code, "crawl.outside_the_lake");
}

TEST_F(CrawlTest, FoldersHaveTablesNames) {
  EXPECT_EQ(catalog::to_string(table_of_folder("raw/shop events").value()), "raw.shop_events");
  EXPECT_EQ(catalog::to_string(table_of_folder("raw/a/b").value()), "raw.a_b");
  EXPECT_EQ(catalog::to_string(table_of_folder("exports/x").value()), "curated.exports_x");
}

}  // namespace
}  // namespace shoplake::crawl
