#include "ingest/file_registry.h"

#include <gtest/gtest.h>

#include "io/temporary_directory.h"

namespace shoplake::ingest {
namespace {

class FileRegistryTest : public testing::Test {
 protected:
  FileRegistryTest() : database_(io::Database::open(directory_.file("state.sqlite")).value()) {
    EXPECT_TRUE(prepare_file_registry(*database_).ok());
    EXPECT_TRUE(prepare_file_registry(*database_).ok()) << "twice";
  }

  static FileRecord record(const std::string& name, FileState state) {
    FileRecord file;
    file.key = {"sales", "2026-01-01", name};
    file.state = state;
    file.reason = state == FileState::rejected ? "csv.empty" : "";
    file.source_name = "raw/sales/date=2026-01-01/" + name;
    file.object = state == FileState::rejected ? "quarantine/_files/" + name : file.source_name;
    file.md5 = "0123";
    file.size_bytes = 7;
    file.modified_micros = 8;
    file.rows = 9;
    file.rejected = 10;
    file.at_micros = 11;
    return file;
  }

  io::TemporaryDirectory directory_;
  std::unique_ptr<io::Database> database_;
};

TEST_F(FileRegistryTest, AFileIsItsDatasetDayAndName) {
  ASSERT_TRUE(record_file(*database_, record("a.csv", FileState::loaded)).ok());
  ASSERT_TRUE(record_file(*database_, record("b.csv", FileState::rejected)).ok());
  const auto found = find_file(*database_, {"sales", "2026-01-01", "a.csv"}).value();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->state, FileState::loaded);
  EXPECT_EQ(found->size_bytes, 7U);
  EXPECT_EQ(found->modified_micros, 8);
  EXPECT_EQ(found->rows, 9);
  EXPECT_EQ(found->rejected, 10);
  EXPECT_EQ(found->at_micros, 11);
  EXPECT_FALSE(find_file(*database_, {"sales", "2026-01-02", "a.csv"}).value().has_value());
  EXPECT_FALSE(find_file(*database_, {"other", "2026-01-01", "a.csv"}).value().has_value());
  // A rejected one is found by where it was dropped.
  EXPECT_EQ(find_file_at(*database_, "raw/sales/date=2026-01-01/b.csv").value()->reason, "csv.empty");

  ASSERT_TRUE(record_file(*database_, record("b.csv", FileState::loaded)).ok());
  EXPECT_EQ(list_files(*database_, {"", true}).value().size(), 0U);
  EXPECT_EQ(list_files(*database_, {"sales"}).value().size(), 2U);
  EXPECT_EQ(list_files(*database_, {"other"}).value().size(), 0U);
}

TEST_F(FileRegistryTest, ListsWhatWasRefused) {
  ASSERT_TRUE(record_file(*database_, record("a.csv", FileState::loaded)).ok());
  ASSERT_TRUE(record_file(*database_, record("b.csv", FileState::rejected)).ok());
  ASSERT_TRUE(record_file(*database_, record("c.csv", FileState::blocked)).ok());
  ASSERT_TRUE(record_file(*database_, record("d.csv", FileState::duplicate)).ok());
  const auto names = [&](const FileFilter& filter) {
    std::string found;
    const auto files = list_files(*database_, filter);  // a loop over a temporary's value would outlive it
    for (const FileRecord& file : files.value())
      found += file.key.name + " ";
    return found;
  };
  const FileRecord rejected = *find_file(*database_, {"sales", "2026-01-01", "b.csv"}).value();
  EXPECT_EQ(names({"", true}), "b.csv c.csv ");
  EXPECT_EQ(names({"other", true}), "");
  EXPECT_EQ(names({"sales", true, "no.reason"}), "");
  EXPECT_EQ(names({"sales", true, rejected.reason, "b.csv"}), "b.csv ");
  EXPECT_EQ(names({"", true, "", rejected.object}), "b.csv ");
}

TEST_F(FileRegistryTest, RemembersTheDataFilesOfAnObject) {
  ASSERT_TRUE(
      record_object_files(*database_, "raw/a", {{"processed.sales", "/x/2"}, {"quarantine.sales", "/x/1"}}).ok());
  ASSERT_TRUE(record_object_files(*database_, "raw/b", {{"processed.sales", "/x/3"}}).ok());
  const auto files = object_files(*database_, "raw/a").value();
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].path, "/x/1");
  EXPECT_EQ(files[1].table, "processed.sales");
  ASSERT_TRUE(forget_object_files(*database_, "raw/a").ok());
  EXPECT_TRUE(object_files(*database_, "raw/a").value().empty());
  EXPECT_EQ(object_files(*database_, "raw/b").value().size(), 1U);
}

TEST_F(FileRegistryTest, ForgetsWhatWasKeptOutAndNothingElse) {
  FileRecord blocked = record("a.csv", FileState::blocked);
  blocked.key.name += kBlockedEnding;
  ASSERT_TRUE(record_file(*database_, record("a.csv", FileState::loaded)).ok());
  ASSERT_TRUE(record_file(*database_, blocked).ok());
  EXPECT_EQ(given_name(blocked), "a.csv");
  ASSERT_TRUE(forget_file(*database_, blocked).ok());
  EXPECT_FALSE(find_file(*database_, blocked.key).value().has_value());
  ASSERT_TRUE(find_file(*database_, {"sales", "2026-01-01", "a.csv"}).value().has_value());

  // Another record has taken its place meanwhile.
  const FileRecord rejected = record("b.csv", FileState::rejected);
  ASSERT_TRUE(record_file(*database_, record("b.csv", FileState::loaded)).ok());
  ASSERT_TRUE(forget_file(*database_, rejected).ok());
  EXPECT_TRUE(find_file(*database_, rejected.key).value().has_value());
}

TEST_F(FileRegistryTest, ANameThatOnlyLooksLikeItIsLeftAlone) {
  FileRecord loaded = record("a (blocked)", FileState::loaded);
  EXPECT_EQ(given_name(loaded), "a (blocked)");
  loaded.state = FileState::rejected;
  EXPECT_EQ(given_name(loaded), "a (blocked)");
}

}  // namespace
}  // namespace shoplake::ingest
