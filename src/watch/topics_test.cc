#include "watch/topics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/env.h"
#include "io/temporary_directory.h"

namespace shoplake::watch {
namespace {

class TopicsTest : public testing::Test {
 protected:
  TopicsTest() : database_(io::Database::open(io::join_path(directory_.path(), "state.sqlite")).value()) {
    EXPECT_TRUE(prepare_topics(*database_).ok());
  }
  std::int64_t count() {
    auto statement = database_->prepare("select count(*) from notifications").value();
    EXPECT_TRUE(statement.step().ok());
    return statement.integer(0);
  }

  io::TemporaryDirectory directory_;
  std::unique_ptr<io::Database> database_;
};

const Notification kNotification{
    "run-1", std::string(kPipelineNotifications), "shop_batch failed", "States.TaskFailed", {}};

TEST_F(TopicsTest, ANotificationOfOneIdIsOne) {
  EXPECT_TRUE(publish(*database_, kNotification, 1).value().is_new);
  EXPECT_FALSE(publish(*database_, kNotification, 2).value().is_new);
  EXPECT_EQ(count(), 1);
}

TEST_F(TopicsTest, ANotificationGoesWithTheTransactionOfItsOccasion) {
  {
    auto transaction = io::Transaction::begin(*database_).value();
    EXPECT_TRUE(publish(*database_, kNotification, 1).value().is_new);
  }
  EXPECT_EQ(count(), 0) << "rolled back";
}

TEST_F(TopicsTest, WhatSnsRefusesIsRefused) {
  const auto refused = [&](auto change) {
    Notification notification = kNotification;
    change(notification);
    const auto published = publish(*database_, notification, 1);
    return !published.ok() && published.error().code == "watch.bad_notification";
  };
  EXPECT_TRUE(refused([](Notification& n) { n.id = ""; }));
  EXPECT_TRUE(refused([](Notification& n) { n.id = std::string(257, 'x'); }));
  EXPECT_TRUE(refused([](Notification& n) { n.topic = "no topic"; }));
  EXPECT_TRUE(refused([](Notification& n) { n.subject = ""; }));
  EXPECT_TRUE(refused([](Notification& n) { n.subject = "two\r\nlines"; }));
  EXPECT_TRUE(refused([](Notification& n) { n.subject = std::string(101, 'x'); }));
  EXPECT_TRUE(refused([](Notification& n) { n.message = ""; }));
  EXPECT_TRUE(refused([](Notification& n) { n.message = std::string(kMessageBytesMax, 'x'); }));
  EXPECT_FALSE(refused([](Notification& n) {
    n.subject.clear();
    for (int i = 0; i < 100; ++i)
      n.subject += "ä";
  })) << "characters, not bytes";
}

TEST_F(TopicsTest, AnOutboxThatNobodyEmptiesIsBounded) {
  ASSERT_TRUE(
      database_
          ->execute("with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000) insert into "
                    "notifications select 'n' || i, 'pipeline-notifications', 's', 'm', '{}', i, 0 from n")
          .ok());
  const auto published = publish(*database_, kNotification, 1);
  ASSERT_FALSE(published.ok());
  EXPECT_EQ(published.error().code, "watch.outbox_full");
  Notification other = kNotification;
  other.topic = kCostAlerts;
  EXPECT_TRUE(publish(*database_, other, 1).ok()) << "other topics go on";
}

TEST(TopicName, IsAlsoTheEndOfAnArn) {
  EXPECT_EQ(topic_name("cost-alerts").value(), "cost-alerts");
  EXPECT_EQ(topic_name("arn:aws:sns:eu-central-1:123456789012:cost-alerts").value(), "cost-alerts");
  EXPECT_EQ(topic_name("arn:aws:sns:eu-central-1:123456789012:").error().code, "watch.bad_topic");
  EXPECT_EQ(topic_name("").error().code, "watch.bad_topic");
}

}  // namespace
}  // namespace shoplake::watch
