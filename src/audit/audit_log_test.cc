#include "audit/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/memory_env.h"
#include "io/temporary_directory.h"

namespace shoplake::audit {
namespace {

class AuditLogTest : public testing::Test {
 protected:
  AuditLogTest() {
    auto opened = AuditLog::open(env_, path());
    EXPECT_TRUE(opened.ok());
    log_ = std::move(opened).value();
  }
  std::string path() const { return log_path(directory_.path()); }
  std::vector<Record> list(const Filter& filter = {}) {
    auto records = log_->list(filter);
    EXPECT_TRUE(records.ok());
    return std::move(records).value();
  }
  // By a connection that is not the log's.
  base::Result<void> change(const std::string& sql) { return io::Database::open(path()).value()->execute(sql); }

  io::TemporaryDirectory directory_;
  io::MemoryEnv env_{1'000'000};
  std::unique_ptr<AuditLog> log_;
};

TEST_F(AuditLogTest, AnActionHasABeginAndAnEnd) {
  const auto begun = log_->begin({"cli", "anna", "load", "events"});
  ASSERT_TRUE(begun.ok());
  ASSERT_EQ(list().size(), 1u);
  EXPECT_EQ(list()[0].outcome, "");
  EXPECT_FALSE(list()[0].took_micros);
  env_.advance(1500);
  ASSERT_TRUE(log_->end(*begun, kDone).ok());
  const auto records = list();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].outcome, "done");
  EXPECT_EQ(records[0].at_micros, 1'000'000);
  EXPECT_EQ(records[0].took_micros, 1500);
  EXPECT_EQ(records[0].action.object, "events");
}

TEST_F(AuditLogTest, FiltersAreByTimeAccountSourceAndFirstWords) {
  ASSERT_TRUE(log_->record({"cli", "anna", "catalog compact", "marts.fact_events"}, kDone).ok());
  env_.advance(10);
  ASSERT_TRUE(log_->record({"api", "AKIAX", "catalog.commit", "marts.fact_events"}, kDone).ok());
  env_.advance(10);
  ASSERT_TRUE(log_->record({"cli", "bert", "catalogue", ""}, "io.disk_full").ok());
  EXPECT_EQ(list().size(), 3u);
  EXPECT_EQ(list().front().outcome, "io.disk_full") << "newest first";
  EXPECT_EQ(list({.action = "catalog"}).size(), 2u) << "the words, not the letters";
  EXPECT_EQ(list({.action = "catalog compact"}).size(), 1u);
  EXPECT_EQ(list({.who = "anna"}).size(), 1u);
  EXPECT_EQ(list({.source = "cli"}).size(), 2u);
  EXPECT_EQ(list({.since_micros = 1'000'010}).size(), 2u);
  EXPECT_EQ(list({.rows_max = 1}).size(), 1u);
}

TEST_F(AuditLogTest, RowsAreNeitherChangedNorRemoved) {
  ASSERT_TRUE(log_->record({"cli", "anna", "load", "events"}, kDone).ok());
  for (const char* sql : {"update audit_log set who = 'bert'", "delete from audit_log"}) {
    const auto changed = change(sql);
    ASSERT_FALSE(changed.ok()) << sql;
    EXPECT_THAT(changed.error().message, testing::HasSubstr("append-only"));
  }
  EXPECT_EQ(list()[0].action.who, "anna");
}

TEST_F(AuditLogTest, ALogChangedByOtherMeansDoesNotVerify) {
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(log_->record({"cli", "anna", "load", "events"}, kDone).ok());
  EXPECT_EQ(log_->verify().value().rows, 5);
  EXPECT_FALSE(log_->verify().value().finding);
  ASSERT_TRUE(change("drop trigger audit_log_is_not_changed; update audit_log set who = 'bert' where id = 3").ok());
  EXPECT_THAT(log_->verify().value().finding.value_or(""), testing::HasSubstr("row 3"));
}

TEST_F(AuditLogTest, ARemovedRowIsMissed) {
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(log_->record({"cli", "anna", "load", "events"}, kDone).ok());
  ASSERT_TRUE(change("drop trigger audit_log_is_not_shortened; delete from audit_log where id = 2").ok());
  EXPECT_EQ(log_->verify().value().finding, "row 2 is missing");
}

TEST_F(AuditLogTest, TextsAreBoundedAndOfOneLine) {
  std::string umlauts;
  for (int i = 0; i < 300; ++i)
    umlauts += "ä";
  ASSERT_TRUE(log_->record({"cli", "a\nb", "x" + umlauts, ""}, kDone).ok());
  EXPECT_EQ(list()[0].action.who, "a b");
  EXPECT_EQ(list()[0].action.action.size(), kTextBytesMax - 1) << "no half character";
  EXPECT_FALSE(log_->verify().value().finding);
}

TEST_F(AuditLogTest, TwoProcessesWriteOneChain) {
  auto other = AuditLog::open(env_, path()).value();
  ASSERT_TRUE(log_->record({"cli", "anna", "load", "a"}, kDone).ok());
  ASSERT_TRUE(other->record({"cli", "bert", "load", "b"}, kDone).ok());
  ASSERT_TRUE(log_->record({"cli", "anna", "load", "c"}, kDone).ok());
  EXPECT_EQ(other->verify().value().rows, 3);
  EXPECT_FALSE(other->verify().value().finding);
}

}  // namespace
}  // namespace shoplake::audit
