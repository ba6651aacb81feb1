// The order of a run: what may begin, what is settled, what is skipped.
#include "model/run_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoplake::model {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// a → b → c, and d.
class Progress : public testing::Test {
 protected:
  Progress() {
    for (const auto& [name, above] : {std::pair{"a", ""}, {"b", "a"}, {"c", "b"}, {"d", ""}}) {
      Node node;
      node.name = name;
      node.package = "p";
      node.unique_id = name;
      node.config["materialized"] = "table";
      if (*above != '\0')
        node.depends_on = {above};
      manifest_.nodes.emplace(name, node);
    }
    manifest_.index();
    graph_ = Graph::create(manifest_).value();
    progress_.emplace(manifest_, graph_, std::set<std::string>{"a", "b", "c", "d"}, true);
  }

  std::vector<std::string> computed(const std::string& id, NodeStatus status, bool is_published_later) {
    NodeResult result;
    result.unique_id = id;
    result.status = status;
    return ids(progress_->computed({++index_, std::move(result)}, is_published_later));
  }
  // "a success", in the order in which they are reported.
  static std::vector<std::string> ids(const std::vector<RunProgress::Computed>& settled) {
    std::vector<std::string> ids;
    for (const RunProgress::Computed& node : settled)
      ids.push_back(node.result.unique_id + " " + std::string(name(node.result.status)));
    return ids;
  }

  Manifest manifest_;
  Graph graph_;
  std::optional<RunProgress> progress_;
  int index_ = 0;
};

TEST_F(Progress, TheLongestChainIsFirst) {
  EXPECT_EQ(progress_->take_ready(), "a");
  EXPECT_EQ(progress_->take_ready(), "d");
  EXPECT_FALSE(progress_->has_ready());
  EXPECT_EQ(progress_->unfinished(), 4U);
}

TEST_F(Progress, ComputingRunsAheadOfPublishing) {
  progress_->take_ready();
  EXPECT_THAT(computed("a", NodeStatus::success, true), IsEmpty());
  EXPECT_EQ(progress_->take_ready(), "b");
  EXPECT_FALSE(progress_->is_above_settled("b"));
  EXPECT_THAT(computed("b", NodeStatus::success, false), IsEmpty());
  EXPECT_THAT(ids(progress_->settle("a")), ElementsAre("a success", "b success"));
  EXPECT_TRUE(progress_->is_above_settled("c"));
}

TEST_F(Progress, WhatFailsBlocksEverythingBelow) {
  progress_->take_ready();
  EXPECT_THAT(computed("a", NodeStatus::error, false), ElementsAre("a error"));
  EXPECT_EQ(progress_->blocked_by("b"), "a");
  EXPECT_EQ(progress_->blocked_by("d"), std::nullopt);
  EXPECT_EQ(progress_->take_ready(), "b");
  EXPECT_THAT(computed("b", NodeStatus::skipped, false), ElementsAre("b skipped"));
  EXPECT_EQ(progress_->blocked_by("c"), "b");
}

TEST_F(Progress, WhatWasMadeFromSomethingThatCouldNotBePublishedIsSkipped) {
  progress_->take_ready();
  computed("a", NodeStatus::success, true);
  computed("b", NodeStatus::success, false);
  progress_->result("a").status = NodeStatus::error;
  EXPECT_THAT(ids(progress_->settle("a")), ElementsAre("a error", "b skipped"));
  EXPECT_EQ(progress_->blocked_by("c"), "b");
}

TEST_F(Progress, OthersAreTakenAlongIfTheyAreWantedAndNotBlocked) {
  EXPECT_EQ(progress_->take_ready(), "a");
  computed("a", NodeStatus::fail, false);
  const auto any = [](const std::string&) { return true; };
  EXPECT_THAT(progress_->take_ready_if([](const std::string& id) { return id != "d"; }, 5), IsEmpty());
  EXPECT_THAT(progress_->take_ready_if(any, 0), IsEmpty());
  EXPECT_THAT(progress_->take_ready_if(any, 5), ElementsAre("d"));
}

}  // namespace
}  // namespace shoplake::model
