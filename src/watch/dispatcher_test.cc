#include "watch/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <mutex>

#include "io/memory_env.h"
#include "io/temporary_directory.h"

namespace shoplake::watch {
namespace {

using testing::ElementsAre;
using Kind = SendOutcome::Kind;

constexpr std::int64_t kSecond = 1'000'000;

// Answers as it is told, and remembers.
class FakeSender final : public Sender {
 public:
  SendOutcome send(const Subscription& subscription, const Notification& notification, std::int64_t) override {
    std::unique_lock lock(mutex_);
    sent_.push_back(subscription.target + " " + notification.id);
    changed_.notify_all();
    return answer ? answer(subscription, notification) : SendOutcome{};
  }
  std::vector<std::string> sent() {
    const std::scoped_lock lock(mutex_);
    return sent_;
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return sent_.size() >= count; });
  }
  std::function<SendOutcome(const Subscription&, const Notification&)> answer;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> sent_;
};

class DispatcherTest : public testing::Test {
 protected:
  DispatcherTest() {
    EXPECT_TRUE(env_.create_directories(directory_.path()).ok());  // for the lock
    subscriptions_ = {make_subscription("cost-alerts", Channel::file, "/a"),
                      make_subscription("cost-alerts", Channel::file, "/b"),
                      make_subscription("other", Channel::file, "/c")};
  }
  std::string path() const { return directory_.file("state.sqlite"); }
  void publish_one(const std::string& id, const std::string& topic = "cost-alerts") {
    ASSERT_TRUE(publish(path(), {id, topic, "subject", "message"}, env_.now_micros()).ok());
  }
  Dispatcher::Report run() {
    DispatcherOptions options;
    options.env = &env_;
    options.control_plane = path();
    options.subscriptions = subscriptions_;
    options.sender = &sender_;
    auto report = Dispatcher(options).run_once({});
    EXPECT_TRUE(report.ok());
    return std::move(report).value();
  }
  std::vector<std::string> states(const std::string& id) {
    std::vector<std::string> found;
    const auto all = Outbox::open(path()).value()->history("", 100).value();
    for (const PublishedNotification& one : all) {
      for (const Delivery& delivery : one.deliveries) {
        if (one.notification.id == id)
          found.emplace_back(name(delivery.state));
      }
    }
    return found;
  }
  // As a process that dies while it sends.
  void die_while_sending() {
    auto outbox = Outbox::open(path()).value();
    ASSERT_TRUE(outbox->recover(env_.now_micros()).ok());
    ASSERT_TRUE(outbox->route(subscriptions_, env_.now_micros()).ok());
    ASSERT_TRUE(outbox->take(env_.now_micros(), {}).value().has_value());
  }

  io::TemporaryDirectory directory_{io::TemporaryDirectory::fast_parent()};
  io::MemoryEnv env_{1'000'000 * kSecond};
  FakeSender sender_;
  std::vector<Subscription> subscriptions_;
};

TEST_F(DispatcherTest, EachSubscriptionOfTheTopicIsTold) {
  publish_one("n1");
  EXPECT_EQ(run().delivered, 2);
  EXPECT_THAT(sender_.sent(), ElementsAre("/a n1", "/b n1"));
  EXPECT_EQ(run().delivered, 0) << "once";
  publish_one("n1");
  EXPECT_EQ(run().delivered, 0) << "the same id is the same notification";
}

TEST_F(DispatcherTest, AFailureIsRepeatedWithBackoffAndThenGivenUp) {
  subscriptions_.resize(1);
  sender_.answer = [](auto&, auto&) { return SendOutcome{Kind::failed, "no route", {}}; };
  publish_one("n1");
  EXPECT_EQ(run().failed, 1);
  EXPECT_EQ(run().failed, 0) << "not at once";
  env_.advance(kSecond * 3 / 2);
  EXPECT_EQ(run().failed, 0);
  env_.advance(kSecond);
  EXPECT_EQ(run().failed, 1);
  int attempts = 2;
  for (int minute = 0; minute < 24 * 60 + 20; ++minute) {
    env_.advance(60 * kSecond);
    attempts += static_cast<int>(run().failed);
  }
  EXPECT_THAT(states("n1"), ElementsAre("refused"));
  EXPECT_GT(attempts, 140);
  EXPECT_LT(attempts, 190) << "ten minutes apart, in the end";
}

TEST_F(DispatcherTest, WhatIsRefusedIsNotSentAgain) {
  subscriptions_.resize(1);
  sender_.answer = [](auto&, auto&) { return SendOutcome{Kind::refused, "404", {}}; };
  publish_one("n1");
  EXPECT_EQ(run().refused, 1);
  env_.advance(3600 * kSecond);
  EXPECT_EQ(run().refused, 0);
  EXPECT_THAT(states("n1"), ElementsAre("refused"));
}

TEST_F(DispatcherTest, AReceiverSaysWhenToComeAgain) {
  subscriptions_.resize(1);
  sender_.answer = [](auto&, auto&) { return SendOutcome{Kind::failed, "429", std::chrono::seconds(90)}; };
  publish_one("n1");
  run();
  env_.advance(89 * kSecond);
  EXPECT_EQ(run().failed, 0);
  env_.advance(kSecond);
  EXPECT_EQ(run().failed, 1);
}

TEST_F(DispatcherTest, OneThatFailsDelaysNobody) {
  sender_.answer = [](const Subscription& subscription, auto&) {
    return subscription.target == "/a" ? SendOutcome{Kind::failed, "down", {}} : SendOutcome{};
  };
  publish_one("n1");
  publish_one("n2");
  const auto report = run();
  EXPECT_EQ(report.delivered, 2);
  EXPECT_EQ(report.failed, 2);
}

TEST_F(DispatcherTest, MoreThanAMinutesShareWaits) {
  subscriptions_.resize(1);
  subscriptions_[0].per_minute = 3;
  for (int i = 0; i < 5; ++i)
    publish_one("n" + std::to_string(i));
  DispatcherOptions options;
  options.env = &env_;
  options.control_plane = path();
  options.subscriptions = subscriptions_;
  options.sender = &sender_;
  Dispatcher dispatcher(options);
  EXPECT_EQ(dispatcher.run_once({}).value().delivered, 3);
  env_.advance(59 * kSecond);
  EXPECT_EQ(dispatcher.run_once({}).value().delivered, 0);
  env_.advance(kSecond);
  EXPECT_EQ(dispatcher.run_once({}).value().delivered, 2);
}

TEST_F(DispatcherTest, AfterACrashItIsSentOnceMoreAndNeverAThirdTime) {
  subscriptions_.resize(1);
  publish_one("n1");
  die_while_sending();
  EXPECT_EQ(run().delivered, 1) << "it may not have arrived";
  publish_one("n2");
  die_while_sending();
  die_while_sending();
  EXPECT_EQ(run().delivered, 0) << "it may have arrived twice";
  EXPECT_THAT(states("n2"), ElementsAre("uncertain"));
}

TEST_F(DispatcherTest, ASubscriptionThatIsGoneIsNotWaitedFor) {
  publish_one("n1");
  sender_.answer = [](auto&, auto&) { return SendOutcome{Kind::failed, "down", {}}; };
  run();
  subscriptions_.erase(subscriptions_.begin());
  sender_.answer = {};
  env_.advance(10 * kSecond);
  run();
  EXPECT_THAT(states("n1"), ElementsAre("refused", "delivered"));
}

TEST_F(DispatcherTest, OneProcessDelivers) {
  const auto lock = env_.lock_file(path() + ".outbox");
  ASSERT_TRUE(lock.ok());
  DispatcherOptions options;
  options.env = &env_;
  options.control_plane = path();
  options.sender = &sender_;
  const auto report = Dispatcher(options).run_once({});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, "io.locked");
}

TEST_F(DispatcherTest, RunsUntilItIsStopped) {
  DispatcherOptions options;
  options.env = &env_;
  options.control_plane = path();
  options.subscriptions = subscriptions_;
  options.sender = &sender_;
  Dispatcher dispatcher(options);
  dispatcher.start();
  publish_one("n1");
  dispatcher.wake();
  sender_.wait_for(2);
  dispatcher.stop();
  EXPECT_THAT(states("n1"), ElementsAre("delivered", "delivered"));
}

TEST_F(DispatcherTest, OldNotificationsAreForgotten) {
  publish_one("n1");
  run();
  env_.advance(91 * 86'400 * kSecond);
  publish_one("n2");
  run();
  EXPECT_EQ(Outbox::open(path()).value()->history("", 100).value().size(), 1u);
}

TEST(RetryDelay, DoublesUpToABound) {
  using std::chrono::seconds;
  EXPECT_EQ(retry_delay(1, 0), seconds(2));
  EXPECT_EQ(retry_delay(2, 0), seconds(4));
  EXPECT_EQ(retry_delay(9, 0), seconds(512));
  EXPECT_EQ(retry_delay(10, 0), seconds(600));
  EXPECT_EQ(retry_delay(1'000'000, 0), seconds(600));
  EXPECT_EQ(retry_delay(1, 1), std::chrono::milliseconds(1600)) << "jitter makes it shorter only";
}

}  // namespace
}  // namespace shoplake::watch
