// Several processes, and processes that are killed: a commit is there as a whole or not at all.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "catalog/catalog.h"
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
    // Not a time but a condition: the child has committed at least once more; the kill then falls anywhere in its next commits.
    const auto catalog = open_in(folder_);
    while (true) {
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

}  // namespace
}  // namespace shoplake::catalog
