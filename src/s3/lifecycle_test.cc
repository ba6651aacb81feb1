#include "s3/lifecycle.h"

#include <gtest/gtest.h>

namespace shoplake::s3 {
namespace {

TEST(MergeLifecycle, KeepsTheRulesOfOthersWordForWord) {
  const std::string other = "<Rule><ID>theirs</ID><Filter><And><Prefix>x&amp;y</Prefix></And></Filter></Rule>";
  const std::string existing = "<?xml version=\"1.0\"?><LifecycleConfiguration>" + other +
                               "<Rule><ID>shoplake:a/raw</ID></Rule></LifecycleConfiguration>";
  const std::string merged = merge_lifecycle(existing, "shoplake:a/",
                                             {{"shoplake:a/uploads", "a/", 0, 7}, {"shoplake:a/raw", "a/raw/", 30, 0}})
                                 .value();
  EXPECT_NE(merged.find(other), std::string::npos);
  EXPECT_EQ(merged.find("<Rule><ID>shoplake:a/raw</ID></Rule>"), std::string::npos);
  EXPECT_NE(merged.find("<Prefix>a/raw/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>30</Days>"),
            std::string::npos);
  EXPECT_NE(merged.find("<DaysAfterInitiation>7</DaysAfterInitiation>"), std::string::npos);
  // Again: the same.
  EXPECT_EQ(
      merge_lifecycle(merged, "shoplake:a/", {{"shoplake:a/uploads", "a/", 0, 7}, {"shoplake:a/raw", "a/raw/", 30, 0}})
          .value(),
      merged);
  EXPECT_EQ(merge_lifecycle("<html>", "x", {}).error().code, "s3.bad_answer");
}

}  // namespace
}  // namespace shoplake::s3
