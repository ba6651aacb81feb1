#include "io/sqlite.h"

#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include <gtest/gtest.h>

#include "io/env.h"
#include "io/temporary_directory.h"

namespace shoplake::io {
namespace {

class SqliteTest : public testing::Test {
 protected:
  std::unique_ptr<Database> open() { return std::move(Database::open(path_)).value(); }
  static std::int64_t count(Database& database) {
    auto statement = database.prepare("SELECT count(*) FROM t").value();
    EXPECT_TRUE(statement.step().value());
    return statement.integer(0);
  }

  TemporaryDirectory folder_;
  std::string path_ = folder_.file("state.sqlite");
};

TEST_F(SqliteTest, ValuesComeBackAsTheyWent) {
  auto database = open();
  ASSERT_TRUE(database->execute("CREATE TABLE t (a TEXT, b INTEGER, c REAL, d TEXT, e INTEGER); -- a comment\n").ok());
  auto insert = database->prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?)").value();
  const std::string with_zero("a\0b", 3);
  EXPECT_EQ(
      insert.bind(1, with_zero).bind(2, 1LL << 62).bind(3, 0.5).bind(4, std::string_view()).bind_null(5).run().value(),
      1);
  auto select = database->prepare("SELECT * FROM t").value();
  ASSERT_TRUE(select.step().value());
  EXPECT_EQ(select.text(0), with_zero);
  EXPECT_EQ(select.integer(1), 1LL << 62);
  EXPECT_EQ(select.number(2), 0.5);
  EXPECT_EQ(select.optional_text(3), "");
  EXPECT_EQ(select.optional_integer(4), std::nullopt);
  EXPECT_FALSE(select.step().value());
}

TEST_F(SqliteTest, RunTellsTheRowsChangedByThisStatement) {
  auto database = open();
  ASSERT_TRUE(database->execute("CREATE TABLE t (a INTEGER)").ok());
  EXPECT_EQ(database->prepare("INSERT INTO t VALUES (1), (2), (3)").value().run().value(), 3);
  EXPECT_EQ(database->prepare("UPDATE t SET a = 0 WHERE a = 99").value().run().value(), 0);
  EXPECT_EQ(database->prepare("CREATE TABLE u (a INTEGER)").value().run().value(), 0);
}

TEST_F(SqliteTest, TransactionRollsBackUnlessCommitted) {
  auto database = open();
  ASSERT_TRUE(database->execute("CREATE TABLE t (a INTEGER)").ok());
  {
    auto transaction = Transaction::begin(*database).value();
    ASSERT_TRUE(database->execute("INSERT INTO t VALUES (1)").ok());
  }
  EXPECT_EQ(count(*database), 0);
  {
    auto transaction = Transaction::begin(*database).value();
    ASSERT_TRUE(database->execute("INSERT INTO t VALUES (1)").ok());
    ASSERT_TRUE(transaction.commit().ok());
  }
  EXPECT_EQ(count(*database), 1);
}

TEST_F(SqliteTest, ErrorsSayWhatIsWrong) {
  auto database = open();
  ASSERT_TRUE(database->execute("CREATE TABLE t (a TEXT PRIMARY KEY NOT NULL)").ok());
  ASSERT_TRUE(database->execute("INSERT INTO t VALUES ('x')").ok());
  const auto duplicate = database->execute("INSERT INTO t VALUES ('x')");
  ASSERT_FALSE(duplicate.ok());
  EXPECT_EQ(duplicate.error().code, "sqlite.constraint");
  EXPECT_EQ(duplicate.error().kind, base::ErrorKind::already_exists);
  EXPECT_NE(duplicate.error().message.find(path_), std::string::npos) << duplicate.error().message;
  EXPECT_EQ(database->execute("INSERT INTO t VALUES (NULL)").error().kind, base::ErrorKind::internal);
  EXPECT_EQ(database->execute("SELEKT").error().code, "sqlite.sql");
  EXPECT_EQ(Database::open(folder_.file("no/such/folder.sqlite")).error().code, "sqlite.cannot_open");
  ASSERT_TRUE(posix_env().write_file(folder_.file("text"), std::string(5000, 'x')).ok());
  EXPECT_EQ(Database::open(folder_.file("text")).error().code, "sqlite.corrupt");
}

TEST_F(SqliteTest, IntegrityCheckPassesOnAGoodDatabase) { EXPECT_EQ(open()->check_integrity().value(), "ok"); }

// Processes, not threads: each creates the same new database, makes the table and counts up in transactions of its own.
TEST_F(SqliteTest, ProcessesCreateAndWriteOneDatabaseAtOnce) {
  constexpr int kProcesses = 6;
  constexpr int kIncrements = 10;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto work = [&]() -> base::Result<void> {
        auto database = SHOPLAKE_TRY(Database::open(path_));
        for (int n = 0; n < kIncrements; ++n) {
          auto transaction = SHOPLAKE_TRY(Transaction::begin(*database));
          SHOPLAKE_TRY(database->execute("CREATE TABLE IF NOT EXISTS t (a INTEGER)"));
          auto insert = SHOPLAKE_TRY(database->prepare("INSERT INTO t SELECT coalesce(max(a), 0) + 1 FROM t"));
          SHOPLAKE_TRY(insert.run());
          SHOPLAKE_TRY(transaction.commit());
        }
        return {};
      };
      ::_exit(work().ok() ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  auto database = open();
  EXPECT_EQ(count(*database), kProcesses * kIncrements);
  auto greatest = database->prepare("SELECT max(a) FROM t").value();
  ASSERT_TRUE(greatest.step().value());
  EXPECT_EQ(greatest.integer(0), kProcesses * kIncrements);
}

}  // namespace
}  // namespace shoplake::io
