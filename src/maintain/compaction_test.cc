// Compaction and orphans with an engine: what rows there are stays, whatever fails.
#include "maintain/compaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "io/faulty_env.h"
#include "io/temporary_directory.h"
#include "live/parquet_copy.h"
#include "maintain/orphans.h"

namespace shoplake::maintain {
namespace {

using catalog::TableIdentifier;
using catalog::Type;

class CompactionTest : public testing::Test {
 protected:
  void SetUp() override {
    engine::DatabaseOptions options;
    options.extension_directory = std::string(SHOPLAKE_DEPS_DIR) + "/extensions";
    options.threads = 2;
    auto opened = engine::Database::open(options);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    database_ = std::move(opened).value();
    session_ = std::move(database_->connect()).value();
    catalog_ = open(io::posix_env());
    ASSERT_TRUE(catalog_);
    for (int part = 0; part < 4; ++part) {
      append(part);
    }
  }

  std::unique_ptr<catalog::Catalog> open(io::Env& env) {
    auto opened = catalog::Catalog::open({&env, folder_.file("lake"), folder_.file("state.sqlite")});
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : to_string(opened.error()));
    return opened.ok() ? std::move(opened).value() : nullptr;
  }

  static catalog::Schema shape() {
    return {0, {{0, "id", Type::primitive("long"), false, ""}, {0, "day", Type::primitive("string"), false, ""}}};
  }

  void append(int part) {
    const catalog::Schema schema = catalog_->plan_schema(kTable, shape()).value();
    const std::string path = catalog_->data_location(kTable).value() + "/" + std::to_string(part) + "-" +
                             io::posix_env().new_uuid() + ".parquet";
    catalog::TableChange change;
    change.table = kTable;
    change.create = catalog::CreateTable{schema, {"day"}, {}, {}};
    const std::string day = part % 2 == 0 ? "a" : "b";
    auto file = live::copy_rows(
        io::posix_env(), *session_,
        "SELECT " + std::to_string(part) + " * 10 + 9 - i AS id, '" + day + "' AS day FROM range(10) t(i)", schema,
        path);
    ASSERT_TRUE(file.ok()) << to_string(file.error());
    file->partition = {day};
    change.added = {*file};
    const auto committed = catalog_->commit({&change, 1});
    ASSERT_TRUE(committed.ok()) << to_string(committed.error());
  }

  // Hides the row with this position in the first file of partition "a".
  void delete_row(std::int64_t position) {
    const auto table = catalog_->load_table(kTable).value();
    std::string data;
    const auto files = catalog_->list_files(table).value();
    for (const auto& file : files) {
      if (file.content == transform::DataFile::Content::data && file.partition[0] == "a") {
        data = file.path;
      }
    }
    const std::string path = catalog_->data_location(kTable).value() + "/" + io::posix_env().new_uuid() + ".parquet";
    auto file = live::copy_position_deletes(
        io::posix_env(), *session_,
        "SELECT '" + data + "' AS file_path, CAST(" + std::to_string(position) + " AS BIGINT) AS pos", path);
    ASSERT_TRUE(file.ok()) << to_string(file.error());
    file->partition = {"a"};
    catalog::TableChange change;
    change.table = kTable;
    change.added = {*file};
    ASSERT_TRUE(catalog_->commit({&change, 1}).ok());
  }

  // As another process sees them.
  std::string rows() {
    const auto catalog = open(io::posix_env());
    const auto table = catalog->load_table(kTable).value();
    const auto found =
        session_->query("SELECT string_agg(id, ' ' ORDER BY id) FROM iceberg_scan('" + table.metadata_location + "')");
    EXPECT_TRUE(found.ok()) << to_string(found.error());
    return found.ok() ? found->text(0, 0).value_or("") : "";
  }

  std::size_t data_files() {
    const auto table = catalog_->load_table(kTable).value();
    return catalog_->list_files(table).value().size();
  }

  CompactionOptions options(io::Env& env, catalog::Catalog& catalog) {
    CompactionOptions options;
    options.env = &env;
    options.catalog = &catalog;
    options.database = database_.get();
    options.temporary_directory = folder_.file("lake/tmp");
    return options;
  }

  std::set<std::string> parquet_files() {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.file("lake"))) {
      if (entry.path().extension() == ".parquet") {
        files.insert(entry.path().string());
      }
    }
    return files;
  }

  const TableIdentifier kTable{{{"processed"}}, "t"};
  io::TemporaryDirectory folder_;
  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<engine::Session> session_;
  std::unique_ptr<catalog::Catalog> catalog_;
};

TEST_F(CompactionTest, MergesFilesAndDropsDeletedRows) {
  delete_row(0);
  delete_row(3);
  const std::string before = rows();
  const auto report = compact_table(options(io::posix_env(), *catalog_), kTable);
  ASSERT_TRUE(report.ok()) << to_string(report.error());
  EXPECT_EQ(rows(), before);
  EXPECT_EQ(data_files(), 2u);
  EXPECT_EQ(report->commits, 1);
  EXPECT_EQ(report->rows, 38);
  EXPECT_EQ(report->rows_dropped, 2);
  EXPECT_EQ(report->delete_files_removed, 2);
  EXPECT_EQ(report->files_removed, 4);
  EXPECT_EQ(compact_table(options(io::posix_env(), *catalog_), kTable)->commits, 0);
}

TEST_F(CompactionTest, RowsThatOthersDeleteMeanwhileStayDeleted) {
  CompactionOptions compaction = options(io::posix_env(), *catalog_);
  int exclusions = 0;
  // Somebody deletes a row after the plan was made.
  class Interferer final : public base::Progress {
   public:
    explicit Interferer(std::function<void()> call) : call_(std::move(call)) {}
    void begin(std::string_view, std::uint64_t, Unit) override { call_(); }
    void update(std::uint64_t) override {}
    void end() override {}

   private:
    std::function<void()> call_;
  };
  Interferer interferer([&] { delete_row(5); });
  compaction.progress = &interferer;  // after the plan, before the first group
  compaction.exclude = [&](std::stop_token) -> Result<std::shared_ptr<void>> {
    ++exclusions;
    return std::shared_ptr<void>();
  };
  const auto report = compact_table(compaction, kTable);
  ASSERT_TRUE(report.ok()) << to_string(report.error());
  const std::string ids = rows();
  EXPECT_EQ(std::count(ids.begin(), ids.end(), ' ') + 1, 39) << ids;
  EXPECT_EQ(exclusions, 0);
}

TEST_F(CompactionTest, WhateverFailsTheRowsStayAndTheNextRunFinishes) {
  using Operation = io::FaultyEnv::Operation;
  const std::string before = rows();
  int failures = 0;
  for (const Operation operation :
       {Operation::create, Operation::write, Operation::sync, Operation::close, Operation::open, Operation::read,
        Operation::make_directory, Operation::list, Operation::sync_directory, Operation::remove}) {
    for (int nth = 1; nth <= 40; ++nth) {
      io::FaultyEnv env(io::posix_env());
      const auto catalog = open(env);
      ASSERT_TRUE(catalog);
      CompactionOptions compaction = options(env, *catalog);
      compaction.all_files = true;
      const int had = env.count(operation);
      env.fail(operation, nth, EIO);
      const auto report = compact_table(compaction, kTable);
      const bool met = env.count(operation) - had >= nth;
      env.heal();
      EXPECT_EQ(rows(), before) << "operation " << static_cast<int>(operation) << ", " << nth;
      failures += report.ok() ? 0 : 1;
      if (!met) {
        break;  // a compaction does not have that many of them
      }
    }
  }
  EXPECT_GE(failures, 12);
  ASSERT_TRUE(compact_table(options(io::posix_env(), *catalog_), kTable).ok());
  EXPECT_EQ(rows(), before);
  EXPECT_EQ(data_files(), 2u);
  // Nothing is left that the table does not name.
  ASSERT_TRUE(catalog_->expire_snapshots(kTable, {.keep_last = 1, .older_than_ms = INT64_MAX}).ok());
  OrphanOptions orphans;
  orphans.env = &io::posix_env();
  orphans.catalog = catalog_.get();
  orphans.older_than_micros = 0;
  const auto removed = remove_orphans(orphans);
  ASSERT_TRUE(removed.ok()) << to_string(removed.error());
  EXPECT_THAT(parquet_files(), testing::SizeIs(2));
  EXPECT_EQ(rows(), before);
}

TEST_F(CompactionTest, OrphansYoungerThanTheSafetyAgeStay) {
  const std::string stray = catalog_->data_location(kTable).value() + "/stray.parquet";
  ASSERT_TRUE(io::posix_env().write_file(stray, "x").ok());
  OrphanOptions orphans;
  orphans.env = &io::posix_env();
  orphans.catalog = catalog_.get();
  auto report = remove_orphans(orphans);
  ASSERT_TRUE(report.ok());
  EXPECT_THAT(report->orphans, testing::IsEmpty());
  EXPECT_GE(report->too_young, 1);
  orphans.older_than_micros = 0;
  orphans.dry_run = true;
  EXPECT_THAT(remove_orphans(orphans)->orphans, testing::SizeIs(1));
  EXPECT_TRUE(std::filesystem::exists(stray));
  orphans.dry_run = false;
  EXPECT_THAT(remove_orphans(orphans)->orphans, testing::SizeIs(1));
  EXPECT_FALSE(std::filesystem::exists(stray));
}

TEST_F(CompactionTest, SortsByTheTablesOrderOrTheGivenColumns) {
  EXPECT_THAT(sort_columns(*catalog_->load_table(kTable)->metadata), testing::ElementsAre("day"));
  CompactionOptions compaction = options(io::posix_env(), *catalog_);
  compaction.sort_by = {"id"};
  ASSERT_TRUE(compact_table(compaction, kTable).ok());
  const auto files = catalog_->list_files(*catalog_->load_table(kTable)).value();
  ASSERT_EQ(files.size(), 2u);
  for (const auto& file : files) {
    const auto sorted = session_->query("SELECT list(id) = list_sort(list(id)) FROM read_parquet('" + file.path + "')");
    ASSERT_TRUE(sorted.ok()) << to_string(sorted.error());
    EXPECT_EQ(sorted->text(0, 0), "true");
  }
  compaction.sort_by = {"none"};
  EXPECT_EQ(compact_table(compaction, kTable).error().code, "maintain.no_such_column");
}

}  // namespace
}  // namespace shoplake::maintain
