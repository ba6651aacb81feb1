// Several processes, and processes that are killed: a commit is there as a whole or not at all.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "catalog/catalog.h"
#include "io/faulty_env.h"
#include "io/temporary_directory.h"

namespace shoplake::catalog {
namespace {

const TableIdentifier kTable{{{"processed"}}, "events"};

std::unique_ptr<Catalog> open_in(const io::TemporaryDirectory& folder) {
  auto opened = Catalog::open({&io::posix_env(), folder.file("lake"), folder.file("state.sqlite")});
  return opened.ok() ? std::move(opened).value() : nullptr;
}

TableChange append(const std::string& path) {
  TableChange change;
  change.table = kTable;
  change.create.emplace();
  change.create->schema.fields = {{0, "x", Type::primitive("long"), false, ""}};
  transform::DataFile file;
  file.path = path;
  file.record_count = 1;
  file.file_size_bytes = 10;
  change.added = {file};
  return change;
}

// Commits for ever, or `count` times, and notes each file in the control plane in the same transaction.
int commit_many(const io::TemporaryDirectory& folder, const std::string& name, int count) {
  const auto catalog = open_in(folder);
  if (!catalog) {
    return 1;
  }
  for (int index = 0; index < count; ++index) {
    const std::string path = "/data/" + name + "-" + std::to_string(index);
    const auto committed = catalog->commit(std::vector{append(path)}, [&](io::Database& database) -> Result<void> {
      auto insert = SHOPLAKE_TRY(database.prepare("INSERT INTO noted (path) VALUES (?1)"));
      insert.bind(1, path);
      SHOPLAKE_TRY(insert.run());
      return {};
    });
    if (!committed.ok()) {
      std::fprintf(stderr, "%s\n", to_string(committed.error()).c_str());
      return 2;
    }
  }
  return 0;
}

class CrashTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer ends a forked process that begins threads, as a commit does";
#endif
  }

  CrashTest() {
    const auto catalog = open_in(folder_);
    EXPECT_TRUE(catalog);
    const auto database = catalog->open_control_plane();
    EXPECT_TRUE((*database)->execute("CREATE TABLE noted (path TEXT PRIMARY KEY)").ok());
  }

  pid_t start(const std::string& name, int count) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(commit_many(folder_, name, count));
    }
    return child;
  }

  static int wait_for(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // What the table holds and what the control plane noted, which must be the same.
  std::set<std::string> check() {
    const auto catalog = open_in(folder_);
    std::set<std::string> files;
    const auto table = catalog->load_table(kTable);
    if (table.ok()) {
      const auto listed = catalog->list_files(*table);
      EXPECT_TRUE(listed.ok()) << (listed.ok() ? "" : to_string(listed.error()));
      for (const auto& file : *listed) {
        EXPECT_TRUE(files.insert(file.path).second) << file.path << " is there twice";
      }
    }
    std::set<std::string> noted;
    const auto database = catalog->open_control_plane();
    auto select = (*database)->prepare("SELECT path FROM noted");
    while (*select->step()) {
      noted.insert(select->text(0));
    }
    EXPECT_EQ(files, noted);
    return files;
  }

  io::TemporaryDirectory folder_;
};

TEST_F(CrashTest, ProcessesAppendAtOnceAndLoseNothing) {
  constexpr int kAppends = 15;
  const pid_t children[] = {start("a", kAppends), start("b", kAppends), start("c", kAppends)};
  for (const pid_t child : children) {
    EXPECT_EQ(wait_for(child), 0);
  }
  EXPECT_EQ(check().size(), 3 * kAppends);
}

TEST_F(CrashTest, KilledCommitsAreWholeOrAbsent) {
  std::size_t before = 0;
  for (int round = 0; round < 12; ++round) {
    const pid_t child = start("round" + std::to_string(round), 1'000'000);
    // Not a time but a condition: the child has committed at least once more; the kill then falls anywhere in its next
    // commits.
    const auto catalog = open_in(folder_);
    while (true) {
      ASSERT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << "the child ended by itself";
      const auto table = catalog->load_table(kTable);
      if (table.ok() && catalog->list_files(*table)->size() > before) {
        break;
      }
      ::sched_yield();
    }
    for (int spin = 0; spin < round * 20'000; ++spin) {
      asm volatile("");
    }
    ::kill(child, SIGKILL);
    EXPECT_EQ(wait_for(child), -1);
    before = check().size();
  }
  EXPECT_EQ(commit_many(folder_, "after", 3), 0);
  EXPECT_EQ(check().size(), before + 3);
}

class FaultTest : public testing::Test {
 protected:
  std::unique_ptr<Catalog> open(io::Env& env) {
    auto opened = Catalog::open({&env, folder_.file("lake"), folder_.file("state.sqlite")});
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : to_string(opened.error()));
    return std::move(opened).value();
  }

  // As another process sees it: nothing cached, no faults.
  std::size_t file_count() {
    const auto catalog = open(io::posix_env());
    const auto table = catalog->load_table(kTable);
    EXPECT_TRUE(table.ok()) << (table.ok() ? "" : to_string(table.error()));
    const auto files = catalog->list_files(*table);
    EXPECT_TRUE(files.ok()) << (files.ok() ? "" : to_string(files.error()));
    return files.ok() ? files->size() : 0;
  }

  io::TemporaryDirectory folder_;
};

TEST_F(FaultTest, EveryFailedFileOperationLeavesTheOldTable) {
  using Operation = io::FaultyEnv::Operation;
  io::FaultyEnv env(io::posix_env());
  const auto catalog = open(env);
  ASSERT_TRUE(catalog->commit(std::vector{append("/data/first")}).ok());
  std::size_t committed = 1;
  int failures = 0;
  for (const Operation operation : {Operation::create, Operation::write, Operation::sync, Operation::close,
                                    Operation::sync_directory, Operation::open, Operation::read}) {
    for (int nth = 1; nth <= 20; ++nth) {
      env.heal();
      env.fail(operation, nth, EIO);
      const std::string path = "/data/" + std::to_string(static_cast<int>(operation)) + "-" + std::to_string(nth);
      const auto result = catalog->commit(std::vector{append(path)});
      env.heal();
      if (result.ok()) {
        ++committed;
        EXPECT_EQ(file_count(), committed);
        break;  // a commit does not have that many of them
      }
      ++failures;
      EXPECT_EQ(result.error().kind, base::ErrorKind::environment) << to_string(result.error());
      EXPECT_EQ(file_count(), committed);
    }
  }
  EXPECT_GE(failures, 12) << "three files and a folder are written and synced";
  env.limit_space(100);
  EXPECT_FALSE(catalog->commit(std::vector{append("/data/full")}).ok());
  env.heal();
  EXPECT_TRUE(catalog->commit(std::vector{append("/data/last")}).ok());
  EXPECT_EQ(file_count(), committed + 1);
}

TEST_F(FaultTest, PowerCutsAfterACommitLoseNothingOfIt) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    io::FaultyEnv env(io::posix_env());
    const auto catalog = open(env);
    TableChange change = append("/data/" + std::to_string(seed));
    change.create->properties["commit.manifest.min-count-to-merge"] = "2";
    ASSERT_TRUE(catalog->commit(std::vector{change}).ok());
    ASSERT_TRUE((seed == 0 ? env.crash() : env.crash(seed)).ok());
    EXPECT_EQ(file_count(), seed + 1);
  }
}

}  // namespace
}  // namespace shoplake::catalog
