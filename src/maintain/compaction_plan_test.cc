#include "maintain/compaction_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoplake::maintain {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Content = transform::DataFile::Content;
using StoredFile = catalog::Catalog::StoredFile;

constexpr std::int64_t kMega = 1 << 20;

StoredFile file(const std::string& path, std::int64_t bytes, const std::string& partition = "a",
                Content content = Content::data, std::int64_t sequence_number = 1) {
  StoredFile stored;
  stored.file.path = path;
  stored.file.file_size_bytes = bytes;
  stored.file.record_count = 10;
  stored.file.partition = {partition};
  stored.file.content = content;
  stored.sequence_number = sequence_number;
  stored.format = "PARQUET";
  return stored;
}

const PlanOptions kOptions{.target_file_bytes = 100 * kMega, .all_files = false, .done = {}, .spec_id = 0};

TEST(CompactionPlan, MergesSmallFilesOfAPartitionAndLeavesTheRest) {
  const auto groups =
      plan_groups({file("1", kMega), file("2", 90 * kMega), file("3", kMega), file("4", kMega, "b")}, {}, kOptions);
  ASSERT_THAT(groups, SizeIs(1));
  ASSERT_THAT(groups[0].bins, SizeIs(1)) << "one small file of a partition stays";
  EXPECT_THAT(groups[0].bins[0].paths, ElementsAre("1", "3"));
  EXPECT_EQ(groups[0].bins[0].rows, 20);
}

TEST(CompactionPlan, DoesNotRewriteWhatWouldNotBecomeFewer) {
  EXPECT_THAT(plan_groups({file("1", 59 * kMega), file("2", 59 * kMega), file("3", 59 * kMega)}, {}, kOptions),
              SizeIs(1));
  EXPECT_THAT(plan_groups({file("1", 80 * kMega), file("2", 80 * kMega)}, {}, kOptions), IsEmpty());
  EXPECT_THAT(plan_groups({}, {}, kOptions), IsEmpty());
}

TEST(CompactionPlan, SplitsFilesThatAreTooLarge) {
  const auto groups = plan_groups({file("1", 400 * kMega)}, {}, kOptions);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_THAT(groups[0].bins[0].paths, ElementsAre("1"));
}

TEST(CompactionPlan, RewritesFilesWithDeletesAndDropsTheSpentDeleteFiles) {
  DeletedRows deleted;
  deleted.rows = {{"1", 3}};
  deleted.of = {{"d1", {"1"}}, {"d2", {"1", "2"}}, {"d3", {}}};
  const auto groups =
      plan_groups({file("1", 90 * kMega), file("2", 90 * kMega), file("d1", 1, "a", Content::position_deletes, 2),
                   file("d2", 1, "a", Content::position_deletes, 2), file("d3", 1, "a", Content::position_deletes, 2)},
                  deleted, kOptions);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_THAT(groups[0].bins[0].paths, ElementsAre("1"));
  EXPECT_THAT(groups[0].spent_deletes, ElementsAre("d1", "d3")) << "d2 hides rows of 2 still";
}

TEST(CompactionPlan, EqualityDeletesHideRowsOfOlderFilesOfTheirPartition) {
  const auto groups = plan_groups({file("1", 90 * kMega), file("2", 90 * kMega, "a", Content::data, 3),
                                   file("e", 1, "a", Content::equality_deletes, 2)},
                                  {}, kOptions);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_THAT(groups[0].bins[0].paths, ElementsAre("1"));
  EXPECT_THAT(groups[0].spent_deletes, ElementsAre("e"));
}

TEST(CompactionPlan, DeleteFilesThatHideNothingGoAlone) {
  DeletedRows deleted;
  deleted.of = {{"d", {}}};
  const auto groups =
      plan_groups({file("1", 90 * kMega), file("d", 1, "a", Content::position_deletes)}, deleted, kOptions);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_THAT(groups[0].bins, IsEmpty());
  EXPECT_THAT(groups[0].spent_deletes, ElementsAre("d"));
}

TEST(CompactionPlan, AllFilesMeansThoseThatAreNotDone) {
  PlanOptions options = kOptions;
  options.all_files = true;
  options.done = {"2"};
  const auto groups = plan_groups({file("1", 90 * kMega), file("2", 90 * kMega)}, {}, options);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_THAT(groups[0].bins[0].paths, ElementsAre("1"));
}

TEST(CompactionPlan, FilesOfOtherSpecsStay) {
  StoredFile old = file("1", kMega);
  old.spec_id = 7;
  EXPECT_THAT(plan_groups({old, file("2", kMega)}, {}, kOptions), IsEmpty());
}

TEST(CompactionPlan, ACommitTakesSoManyPartitionsAndBytes) {
  std::vector<StoredFile> files;
  for (int partition = 0; partition < 100; ++partition) {
    for (int part = 0; part < 2; ++part) {
      files.push_back(file(std::to_string(partition) + "-" + std::to_string(part), kMega, std::to_string(partition)));
    }
  }
  EXPECT_THAT(plan_groups(files, {}, kOptions), SizeIs(2));
  files.clear();
  for (int part = 0; part < 100; ++part) {
    files.push_back(file(std::to_string(part), 50 * kMega));
  }
  for (const Group& group : plan_groups(files, {}, kOptions)) {
    EXPECT_LE(group.bytes, 2 * 1024 * kMega);
  }
}

}  // namespace
}  // namespace shoplake::maintain
