// Whatever the batches, live's tables are those of one full build; nothing is counted twice.
#include "live/live.h"

#include <gmock/gmock.h>

#include "live/live_home.h"
#include "model/direct_read.h"
#include "transform/parquet_concatenation.h"

namespace shoplake::live {
namespace {

using testing::HasSubstr;

TEST(Live, AnyBatchesGiveTheTablesOfABuild) {
  LiveHome home;
  const auto live = home.live();
  Shop shop(1);
  for (const int size : {1, 7, 30, 2, 60, 100}) {
    home.send("events", shop.events(size));
    const Step step = run(*live);
    EXPECT_EQ(step.accepted, static_cast<std::uint64_t>(size));
    EXPECT_TRUE(step.models_current) << live->status().message;
  }
  EXPECT_EQ(home.count("processed.events"), 200);
  EXPECT_EQ(home.count("marts.fact_events"), 200);
  expect_as_built(home);
}

TEST(Live, RestartGoesOnWhereTheCommitEnded) {
  LiveHome home;
  Shop shop(2);
  for (int round = 0; round < 3; ++round) {
    const auto live = home.live();
    home.send("events", shop.events(20));
    EXPECT_EQ(run(*live).records, 20u);
    EXPECT_EQ(live->consumed(), static_cast<wal::Offset>(20 * (round + 1)));
    EXPECT_EQ(run(*live).records, 0u);
  }
  expect_as_built(home);
}

// Few rows stay in memory: what a batch touches again is read from its file, also after the file was merged into
// another and after a restart.
TEST(Live, RowsThatAreNotInMemoryAreReadFromTheirFiles) {
  LiveHome home;
  LiveOptions options = home.options();
  options.hot_rows_max = 6;
  Shop shop(31, 8);
  for (int round = 0; round < 2; ++round) {
    const auto opened = Live::open(options);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    Live& live = **opened;
    for (int batch = 0; batch < 40; ++batch) {
      home.send("events", shop.events(5));
      EXPECT_TRUE(run(live).models_current) << live.status().message;
      ASSERT_TRUE(live.maintain_once().ok());
    }
  }
  expect_as_built(home);
}

TEST(Live, DuplicatesCountOnce) {
  LiveHome home;
  auto live = home.live();
  Shop shop(3);
  const auto events = shop.events(40);
  std::vector<std::string> twice = events;
  twice.insert(twice.end(), events.begin(), events.end());
  home.send("events", twice);
  Step step = run(*live);
  EXPECT_EQ(step.accepted, 40u);
  EXPECT_EQ(step.duplicates, 40u);
  // Another step, and another process, which reads the ids from the table.
  home.send("events", events);
  EXPECT_EQ(run(*live).duplicates, 40u);
  live.reset();
  live = home.live();
  home.send("events", {events.rbegin(), events.rend()});
  EXPECT_EQ(run(*live).duplicates, 40u);
  EXPECT_EQ(live->consumed(), 160u);
  // Without room in memory the table itself is asked.
  live.reset();
  LiveOptions small = home.options();
  small.window_events_max = 0;
  live = std::move(Live::open(small)).value();
  home.send("events", events);
  step = run(*live);
  EXPECT_EQ(step.duplicates, 40u);
  EXPECT_EQ(home.count("processed.events"), 40);
  expect_as_built(home);
}

TEST(Live, LateEventsWaitForTheBuild) {
  LiveHome home;
  const auto live = home.live();
  Shop shop(4);
  home.send("events", shop.events(30));
  run(*live);
  const std::int64_t old = shop.now() - 5LL * 86'400 * 1'000'000;
  home.send("events", {shop.event(1, "page_view", old), shop.next()});
  const Step step = run(*live);
  EXPECT_EQ(step.accepted, 2u);
  EXPECT_EQ(step.late, 1u);
  EXPECT_EQ(home.count("processed.events"), 32);
  EXPECT_EQ(home.count("marts.fact_events"), 31);
  ASSERT_TRUE(home.build(false).ok());
  EXPECT_EQ(home.count("marts.fact_events"), 32);
}

TEST(Live, BadRecordsGoToQuarantineAndComeBack) {
  LiveHome home;
  const auto live = home.live();
  Shop shop(5);
  auto events = shop.events(10);
  events.push_back("{\"event_name\": \"no moment\"}\n");
  events.push_back("not json\n");
  home.send("events", events);
  const Step step = run(*live);
  EXPECT_EQ(step.accepted, 10u);
  EXPECT_EQ(step.rejected, 2u);
  EXPECT_EQ(home.count("quarantine.events"), 2);
  RetryOptions retry;
  retry.dataset = "events";
  auto tried = live->retry(retry);
  ASSERT_TRUE(tried.ok()) << to_string(tried.error());
  EXPECT_EQ(tried->tried, 2u);
  EXPECT_EQ(tried->rejected, 2u);
  EXPECT_EQ(home.count("quarantine.events"), 2);
  EXPECT_EQ(home.count("processed.events"), 10);
}

TEST(Live, BuildInBetweenAndCompactionInBetween) {
  LiveHome home;
  const auto live = home.live();
  Shop shop(6);
  for (int round = 0; round < 20; ++round) {
    home.send("events", shop.events(5));
    EXPECT_TRUE(run(*live).models_current) << live->status().message;
    if (round == 8) {
      // As `shoplake build` would: live gives the lock away, and reads its rows again.
      live->release();
      ASSERT_TRUE(home.build(false).ok());
    }
    if (round % 4 == 3) {
      const auto done = live->maintain_once();
      ASSERT_TRUE(done.ok()) << to_string(done.error());
    }
  }
  EXPECT_EQ(home.count("marts.fact_events"), 100);
  for (const char* name : {"processed.events", "marts.fact_events", "staging.stg_ga4_sessions"}) {
    const auto table = home.catalog_->load_table(*catalog::parse_table_identifier(name));
    const auto files = home.catalog_->list_files(*table);
    EXPECT_LT(files->size(), 24u) << name;
  }
  expect_as_built(home);
}

// Row groups are copied as they are where they are large enough: here at first never, then always. So files that the
// engine wrote are joined with those of a load.
TEST(Live, FilesThatAreJoinedHaveTheSameRows) {
  LiveHome home;
  Shop shop(33);
  for (const auto& [rows_min, batches] : {std::pair(1'000'000, 26), std::pair(1, 40)}) {
    LiveOptions options = home.options();
    options.joined_row_group_rows_min = rows_min;
    const auto opened = Live::open(options);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    for (int batch = 0; batch < batches; ++batch) {
      home.send("events", shop.events(3));
      EXPECT_TRUE(run(**opened).models_current) << (*opened)->status().message;
      if (batch % 8 == 7) {
        ASSERT_TRUE((*opened)->maintain_once().ok());
      }
    }
    // Whoever wrote them, they are alike.
    const auto events = home.catalog_->load_table(*catalog::parse_table_identifier("processed.events"));
    const auto listed = home.catalog_->list_files(*events);
    std::vector<std::string> paths;
    for (const transform::DataFile& file : *listed)
      paths.push_back(file.path);
    const auto joined = transform::ParquetConcatenation::open(io::posix_env(), paths);
    EXPECT_TRUE(joined.ok()) << to_string(joined.error());
  }
  for (const char* name : {"processed.events", "marts.fact_events"}) {
    const auto table = home.catalog_->load_table(*catalog::parse_table_identifier(name));
    const auto files = home.catalog_->list_files(*table);
    ASSERT_TRUE(files.ok()) << to_string(files.error());
    EXPECT_LT(files->size(), 24u) << name;
    std::size_t joined = 0;
    for (const transform::DataFile& file : *files) {
      joined += file.split_offsets.size() > 1 ? 1 : 0;
      EXPECT_FALSE(file.columns.empty());
    }
    EXPECT_GT(joined, 0u) << name;
  }
  expect_as_built(home);
}

// What a page reads under live, without the statistics of every file: the same rows as any Iceberg reader.
TEST(Live, FilesWithoutTheirDeletedRowsAreTheTable) {
  LiveHome home;
  LiveOptions options = home.options();
  options.hot_rows_max = 6;  // else they are written anew each time, without deletes
  const auto live = Live::open(options);
  ASSERT_TRUE(live.ok()) << to_string(live.error());
  Shop shop(32, 6);
  for (int batch = 0; batch < 12; ++batch) {
    home.send("events", shop.events(15));
    EXPECT_TRUE(run(**live).models_current) << (*live)->status().message;
  }
  const auto database = engine::Database::open(home.engine());
  ASSERT_TRUE(database.ok()) << to_string(database.error());
  const auto session = (*database)->connect();
  std::size_t with_deletes = 0;
  for (const std::string& name : kLiveTables) {
    const auto table = home.catalog_->load_table(*catalog::parse_table_identifier(name));
    ASSERT_TRUE(table.ok()) << to_string(table.error());
    const auto read = [&](model::DeletedRows deleted) {
      return model::direct_read(*home.catalog_, **session, table->identifier, table->metadata_location, deleted);
    };
    const auto files = read(model::DeletedRows::left_out);
    ASSERT_TRUE(files) << name;
    with_deletes += read(model::DeletedRows::none) ? 0 : 1;
    const std::string scan = "iceberg_scan(" + engine::quote_literal(table->metadata_location) + ")";
    for (const auto& [one, other] : {std::pair(*files, scan), std::pair(scan, *files)}) {
      const auto left = (*session)->query(
          fmt::format("SELECT count(*) FROM (SELECT * FROM {} EXCEPT ALL SELECT * FROM {})", one, other));
      ASSERT_TRUE(left.ok()) << name << ": " << to_string(left.error());
      EXPECT_EQ(left->integer(0, 0), 0) << name << ": " << one << " without " << other;
    }
  }
  EXPECT_GT(with_deletes, 5u);
}

// Of how many files a table is, and how many of them name deleted rows.
std::pair<std::size_t, std::size_t> files_of(LiveHome& home, const std::string& name) {
  const auto table = home.catalog_->load_table(*catalog::parse_table_identifier(name));
  SHOPLAKE_CHECK(table.ok());
  const auto files = home.catalog_->list_files(*table);
  SHOPLAKE_CHECK(files.ok());
  return {files->size(), std::count_if(files->begin(), files->end(), [](const transform::DataFile& file) {
            return file.content != transform::DataFile::Content::data;
          })};
}

TEST(Live, TablesOfFewRowsAreOneFile) {
  LiveHome home;
  Shop shop(33, 6);
  for (const std::int64_t hot_rows : {4'096, 8}) {
    LiveOptions options = home.options();
    options.hot_rows_max = hot_rows;
    const auto live = Live::open(options);
    ASSERT_TRUE(live.ok()) << to_string(live.error());
    for (int batch = 0; batch < 6; ++batch) {
      home.send("events", shop.events(15));
      EXPECT_TRUE(run(**live).models_current) << (*live)->status().message;
    }
    std::size_t with_deletes = 0;
    for (const char* name :
         {"marts.mart_attribution_daily", "marts.mart_attribution_comparison", "marts.agg_funnel_daily"}) {
      const auto [files, deletes] = files_of(home, name);
      with_deletes += deletes > 0 ? 1 : 0;
      if (home.count(name) <= hot_rows) {
        EXPECT_EQ(files, 1u) << name;
      }
    }
    EXPECT_EQ(with_deletes > 0, hot_rows < 30);
  }
  expect_as_built(home);
}

// There is never time for all that is due.
TEST(Live, UpkeepReachesEveryTable) {
  LiveHome home;
  LiveOptions options = home.options();
  options.upkeep = std::chrono::hours(1);  // each task once, however slow the machine is
  const auto live = Live::open(options).value();
  Shop shop(34, 40);
  for (int batch = 0; batch < 50; ++batch) {
    home.send("events", shop.events(8));
    EXPECT_TRUE(run(*live).models_current) << live->status().message;
    if (batch % 2 == 1) {
      ASSERT_TRUE(live->upkeep_once().ok());
    }
  }
  for (const std::string& name : kLiveTables) {
    const auto [files, deletes] = files_of(home, name);
    EXPECT_LE(files - deletes, 24u) << name;
  }
}

TEST(Live, ClickstreamFeedsTheSameModels) {
  LiveHome home;
  const auto live = home.live();
  Shop shop(7);
  home.send("events", shop.events(20));
  run(*live);
  std::vector<std::string> lines;
  for (int index = 0; index < 10; ++index)
    lines.push_back(fmt::format(
        R"({{"event_id":"c{}","event_type":"page_view","timestamp":{},"session_id":"s{}","user_id":"u{}","page_url":"https://shop.example/"}})"
        "\n",
        index, (shop.now() + index * 1'000'000) / 1000, index % 2, index % 2));
  home.send("clickstream", lines);
  Step step = run(*live);
  EXPECT_EQ(step.accepted, 10u);
  EXPECT_EQ(step.late, 0u);
  EXPECT_TRUE(step.models_current) << live->status().message;
  home.send("clickstream", lines);
  step = run(*live);
  EXPECT_EQ(step.duplicates, 10u);
  EXPECT_EQ(home.count("processed.clickstream"), 10);
}

}  // namespace
}  // namespace shoplake::live
