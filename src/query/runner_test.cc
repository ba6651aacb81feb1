#include "query/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog/duckdb_statistics.h"
#include "engine/arrow_interface.h"
#include "io/env.h"
#include "io/temporary_directory.h"
#include "model/direct_read.h"
#include "query/format.h"

namespace shoplake::query {
namespace {

using base::ErrorKind;
using catalog::Schema;
using catalog::TableIdentifier;
using catalog::Type;
using testing::HasSubstr;
using testing::Not;

// A lake with the table marts.fact_events (id, name), the views staging.v and staging.w on top of it, and an empty
// table.
class RunnerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(io::posix_env().create_directories(lake_).ok());
    auto opened = catalog::Catalog::open({&io::posix_env(), lake_, folder_.file("state.sqlite")});
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    catalog_ = std::move(opened).value();
    append("SELECT i AS id, 'name ' || i AS name FROM range(3) t(i)");
    view("staging", "v", "SELECT id * 10 AS ten FROM marts.fact_events;");
    view("staging", "w", "WITH x AS (SELECT * FROM staging.v) SELECT sum(ten) AS total FROM x");
    ASSERT_TRUE(catalog_->create_table(table("processed", "empty"), {shape(), {}, {}, {}}).ok());
    ASSERT_TRUE(io::posix_env().write_file(lake_ + "/raw.csv", "a,b\n1,2\n").ok());
  }

  static TableIdentifier table(const std::string& name_space, const std::string& name) {
    return {{{name_space}}, name};
  }
  static Schema shape() {
    return {0, {{0, "id", Type::primitive("long"), false, ""}, {0, "name", Type::primitive("string"), false, ""}}};
  }
  static std::unique_ptr<engine::Database> engine() {
    engine::DatabaseOptions options;
    options.extension_directory = std::string(SHOPLAKE_DEPS_DIR) + "/extensions";
    options.threads = 2;
    return std::move(engine::Database::open(options)).value();
  }

  std::int64_t append(const std::string& sql) {
    const auto id = table("marts", "fact_events");
    const Schema schema = catalog_->plan_schema(id, shape()).value();
    const std::string file = catalog_->data_location(id).value() + "/" + io::posix_env().new_uuid() + ".parquet";
    const auto database = engine();
    const auto session = std::move(database->connect()).value();
    const auto copied = session->query("COPY (" + sql + ") TO " + engine::quote_literal(file) +
                                       " (FORMAT parquet, RETURN_STATS, FIELD_IDS {id: 1, name: 2})");
    EXPECT_TRUE(copied.ok()) << to_string(copied.error());
    catalog::TableChange change;
    change.table = id;
    change.added = catalog::data_files_from_copy(*copied, schema, {}).value();
    change.create = catalog::CreateTable{schema, {}, {}, {}};
    const auto committed = catalog_->commit({&change, 1});
    EXPECT_TRUE(committed.ok()) << to_string(committed.error());
    return committed->front().snapshot_id;
  }
  void view(const std::string& name_space, const std::string& name, const std::string& sql) {
    const auto made = catalog_->replace_view(table(name_space, name), sql, {});
    ASSERT_TRUE(made.ok()) << to_string(made.error());
  }

  Result<engine::ResultSet> run(const std::string& sql, std::optional<PointInTime> at = std::nullopt) {
    runner_ = SHOPLAKE_TRY(QueryRunner::prepare(engine(), *catalog_, sql, at));
    return runner_->run();
  }
  std::string text(const std::string& sql, std::optional<PointInTime> at = std::nullopt) {
    const auto answer = run(sql, at);
    if (!answer.ok()) {
      return to_string(answer.error());
    }
    return answer->row_count() == 0 ? "no row" : answer->text(0, 0).value_or("NULL");
  }

  io::TemporaryDirectory folder_;
  std::string lake_ = folder_.file("lake");
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<QueryRunner> runner_;
};

TEST_F(RunnerTest, TablesAndViewsAreReadByAnyOfTheirNames) {
  EXPECT_EQ(text("SELECT count(*) FROM marts.fact_events"), "3");
  EXPECT_EQ(text("SELECT name FROM Marts.Fact_Events WHERE id = 2"), "name 2");
  EXPECT_EQ(text("SELECT count(*) FROM fact_events"), "3");
  EXPECT_EQ(text("SELECT total FROM staging.w"), "30");
  EXPECT_EQ(text("FROM w JOIN v ON v.ten < w.total SELECT count(*)"), "3");
  EXPECT_EQ(text("SELECT count(*) FROM processed.empty"), "0");
  EXPECT_EQ(text("WITH empty AS (SELECT 7 AS n) SELECT n FROM empty"), "7");
  EXPECT_EQ(text("EXPLAIN ANALYZE SELECT * FROM staging.w"), "analyzed_plan");
  EXPECT_EQ(text("SELECT 1 + 1;"), "2");
}

TEST_F(RunnerTest, WhatThereIsCanBeListed) {
  EXPECT_EQ(text("DESCRIBE marts.fact_events"), "id");
  EXPECT_EQ(
      text("SELECT count(*) FROM information_schema.tables WHERE table_schema IN ('marts', 'staging', 'processed')"),
      "4");
  EXPECT_EQ(text("SELECT count(*) FROM duckdb_views() WHERE NOT internal"), "4");
  const auto shown = run("SHOW ALL TABLES");
  ASSERT_TRUE(shown.ok()) << to_string(shown.error());
  EXPECT_EQ(shown->row_count(), 4);
}

TEST_F(RunnerTest, WhatDoesNotOnlyReadTablesIsRefused) {
  const std::string in_lake = engine::quote_literal(lake_ + "/raw.csv");
  const std::vector<std::string> statements{
      "INSERT INTO marts.fact_events VALUES (1, 'x')",
      "DELETE FROM marts.fact_events",
      "DROP VIEW marts.fact_events",
      "CREATE TABLE t (a INTEGER)",
      "CREATE OR REPLACE VIEW marts.fact_events AS SELECT 1",
      "ATTACH '/tmp/x.db'",
      "COPY (SELECT 1) TO " + engine::quote_literal(lake_ + "/x.csv"),
      "COPY marts.fact_events TO '/tmp/x.csv'",
      "SET threads = 1",
      "PRAGMA database_list",
      "INSTALL httpfs",
      "LOAD httpfs",
      "CREATE SECRET s (TYPE s3)",
      "SELECT * FROM read_csv('/etc/passwd')",
      "SELECT * FROM read_text('/etc/passwd')",
      "SELECT * FROM '/etc/passwd'",
      "SELECT * FROM \"x.parquet\"",
      "SELECT * FROM " + in_lake,
      "SELECT * FROM read_csv(" + in_lake + ")",
      "SELECT (SELECT content FROM READ_TEXT(" + in_lake + "))",
      "SELECT * FROM glob(" + engine::quote_literal(folder_.path() + "/*") + ")",
      "SELECT 1 WHERE EXISTS (FROM read_blob(" + engine::quote_literal(folder_.file("state.sqlite")) + "))",
      "EXPLAIN ANALYZE SELECT * FROM read_csv(" + in_lake + ")",
      "WITH c AS (SELECT * FROM read_csv(" + in_lake + ")) SELECT 1",
      "SELECT [x FOR x IN (SELECT content FROM read_text(" + in_lake + "))]",
      "DESCRIBE SELECT * FROM read_csv(" + in_lake + ")",
      "SUMMARIZE SELECT * FROM read_csv(" + in_lake + ")",
      "DESCRIBE " + in_lake,
      "FROM query('SELECT 1')",
      "FROM query_table('x.csv')",
      "FROM duckdb_secrets()",
      "FROM arrow_scan(1, 2, 3)",
      "FROM sniff_csv('/etc/passwd')",
      "FROM iceberg_scan('/etc')",
      "FROM json_execute_serialized_sql('{}')",
      "FROM force_checkpoint()",
      "SELECT 1; SELECT 2",
      "CALL pragma_version()",
      "EXPLAIN ANALYZE DELETE FROM marts.fact_events"};
  for (const std::string& sql : statements) {
    const auto answer = run(sql);
    ASSERT_FALSE(answer.ok()) << sql;
    EXPECT_EQ(base::exit_code(answer.error().kind), 2) << sql << ": " << to_string(answer.error());
  }
}

// What the lock alone refuses, should a way round the guard be found.
TEST_F(RunnerTest, EngineIsLockedWhenTheQueryRuns) {
  const auto database = engine();
  const auto session = std::move(database->connect()).value();
  auto views = LakeViews::open(*session, *catalog_).value();
  ASSERT_TRUE(views.prepare("FROM marts.fact_events").ok());
  const std::vector<std::string> readable{lake_};
  ASSERT_TRUE(database->lock_down(readable).ok());
  EXPECT_EQ(session->query("SELECT count(*) FROM marts.fact_events").value().integer(0, 0), 3);
  EXPECT_EQ(session->query("FROM read_blob(" + engine::quote_literal(folder_.file("state.sqlite")) + ")").error().code,
            "engine.forbidden");
  EXPECT_FALSE(session->query("COPY (SELECT 1) TO " + engine::quote_literal(folder_.file("x.csv"))).ok());
  EXPECT_FALSE(session->query("SET enable_external_access = true").ok());
}

// Another engine's files may hold anything: their names, types and ids are for iceberg_scan() to tell.
TEST_F(RunnerTest, OnlyTablesOfShoplakeAreReadByTheirFiles) {
  const auto database = engine();
  const auto session = std::move(database->connect()).value();
  const auto location = [&](const TableIdentifier& id) { return catalog_->load_table(id).value().metadata_location; };
  const TableIdentifier foreign = table("marts", "fact_events");
  EXPECT_FALSE(
      model::direct_read(*catalog_, *session, foreign, location(foreign), model::DeletedRows::left_out).has_value());
  const TableIdentifier empty = table("processed", "empty");
  EXPECT_TRUE(
      model::direct_read(*catalog_, *session, empty, location(empty), model::DeletedRows::left_out).has_value());
  auto views = LakeViews::open(*session, *catalog_, std::nullopt, TableReader::files).value();
  ASSERT_TRUE(views.prepare("FROM marts.fact_events, processed.empty, staging.w").ok());
  EXPECT_EQ(session->query("SELECT total FROM staging.w").value().integer(0, 0), 30);
  EXPECT_EQ(session->query("SELECT count(*) FROM processed.empty").value().integer(0, 0), 0);
}

TEST_F(RunnerTest, UnknownTableIsToldWithTheOneThatWasMeant) {
  const auto near = run("SELECT *\nFROM marts.fact_event");
  ASSERT_FALSE(near.ok());
  EXPECT_EQ(near.error().code, "query.unknown_table");
  EXPECT_EQ(near.error().kind, ErrorKind::not_found);
  EXPECT_THAT(near.error().message, HasSubstr("there is no table marts.fact_event"));
  EXPECT_THAT(near.error().message, HasSubstr("LINE 2"));
  EXPECT_THAT(near.error().advice, HasSubstr("Did you mean marts.fact_events?"));
  EXPECT_THAT(near.error().advice, HasSubstr("marts (1), processed (1), staging (2)"));
  EXPECT_THAT(run("FROM processed.fact_events").error().advice, HasSubstr("Did you mean marts.fact_events?"));
  EXPECT_THAT(run("FROM nothing_like_it").error().advice, Not(HasSubstr("Did you mean")));
  // Not a table's fault:
  EXPECT_EQ(run("SELECT absent FROM marts.fact_events").error().code, "engine.sql");
  EXPECT_EQ(run("SELECT no_such_function(1)").error().code, "engine.sql");
  EXPECT_EQ(run("SELEC 1").error().kind, ErrorKind::usage);
}

TEST_F(RunnerTest, TimeTravelGivesEveryTableAsItWasThen) {
  const auto first = catalog_->load_table(table("marts", "fact_events")).value().metadata->current_snapshot()->id;
  const std::int64_t first_ms =
      catalog_->load_table(table("marts", "fact_events")).value().metadata->current_snapshot()->timestamp_ms;
  const std::int64_t second = append("SELECT 100 + i AS id, 'later' AS name FROM range(2) t(i)");
  EXPECT_EQ(text("SELECT count(*) FROM marts.fact_events"), "5");
  EXPECT_EQ(text("SELECT count(*) FROM marts.fact_events", SnapshotId{first}), "3");
  EXPECT_EQ(text("SELECT count(*) FROM marts.fact_events", SnapshotId{second}), "5");
  EXPECT_EQ(text("SELECT total FROM staging.w", SnapshotId{first}), "30");
  EXPECT_EQ(text("SELECT count(*) FROM marts.fact_events", Moment{first_ms}), "3");
  EXPECT_EQ(text("SELECT count(*) FROM marts.fact_events", Moment{io::posix_env().now_micros() / 1000 + 1000}), "5");
  const auto before = run("SELECT count(*) FROM marts.fact_events", Moment{first_ms - 1});
  ASSERT_FALSE(before.ok());
  EXPECT_EQ(before.error().code, "query.no_such_snapshot");
  EXPECT_THAT(before.error().advice, HasSubstr(format_moment({first_ms})));
  EXPECT_EQ(run("SELECT 1", SnapshotId{12345}).error().code, "query.no_such_snapshot");
}

TEST_F(RunnerTest, AnswerIsOfTheMomentOfPreparation) {
  auto runner = QueryRunner::prepare(engine(), *catalog_, "SELECT count(*) FROM marts.fact_events").value();
  append("SELECT 1::BIGINT AS id, 'x' AS name");
  EXPECT_EQ(runner->run().value().integer(0, 0), 3);
}

TEST_F(RunnerTest, StopBeforeTheStartRunsNothing) {
  std::stop_source stop;
  stop.request_stop();
  auto runner = QueryRunner::prepare(engine(), *catalog_, "SELECT 1").value();
  EXPECT_EQ(runner->run(stop.get_token()).error().kind, ErrorKind::cancelled);
}

TEST_F(RunnerTest, ParquetHoldsTheAnswer) {
  std::string bytes;
  auto runner = QueryRunner::prepare(engine(), *catalog_,
                                     "SELECT id, name, [id] AS l, {'a': name} AS s, TIMESTAMPTZ '2026-01-01 "
                                     "00:00:00+00' AS t, id::DECIMAL(9,2) AS d "
                                     "FROM marts.fact_events, range(1000)")
                    .value();
  std::int64_t rows = 0;
  const auto streamed = runner->stream([&](ArrowArrayStream* answer) -> Result<void> {
    rows = SHOPLAKE_TRY(write_parquet(answer, [&](std::string_view piece) {
      bytes.append(piece);
      return Result<void>();
    }));
    return {};
  });
  ASSERT_TRUE(streamed.ok()) << to_string(streamed.error());
  EXPECT_EQ(rows, 3000);
  ASSERT_TRUE(io::posix_env().write_file(folder_.file("out.parquet"), bytes).ok());
  const auto database = engine();
  const auto session = std::move(database->connect()).value();
  const auto back =
      session->query("SELECT count(*), sum(id), min(name), typeof(any_value(t)), any_value(s.a) IS NOT NULL FROM " +
                     engine::quote_literal(folder_.file("out.parquet")));
  ASSERT_TRUE(back.ok()) << to_string(back.error());
  EXPECT_EQ(back->integer(0, 0), 3000);
  EXPECT_EQ(back->integer(0, 1), 3000);
  EXPECT_EQ(back->text(0, 2), "name 0");
  EXPECT_EQ(back->text(0, 3), "TIMESTAMP WITH TIME ZONE");

  auto interval = QueryRunner::prepare(engine(), *catalog_, "SELECT INTERVAL 1 DAY AS i").value();
  const auto refused = interval->stream([&](ArrowArrayStream* answer) -> Result<void> {
    SHOPLAKE_TRY(write_parquet(answer, [](std::string_view) { return Result<void>(); }));
    return {};
  });
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, "query.parquet_type") << to_string(refused.error());

  auto full = QueryRunner::prepare(engine(), *catalog_, "SELECT 1 AS a").value();
  const auto stopped = full->stream([&](ArrowArrayStream* answer) -> Result<void> {
    SHOPLAKE_TRY(write_parquet(answer, [](std::string_view) -> Result<void> {
      return base::make_error(ErrorKind::environment, "io.disk_full", "full");
    }));
    return {};
  });
  EXPECT_EQ(stopped.error().code, "io.disk_full");
}

// A view is made before the engine is locked down, by whoever may write to the catalog: its files are the lake's, or it
// is refused.
TEST_F(RunnerTest, ViewsScanFilesOfTheLakeOnly) {
  view("raw", "inside", "SELECT * FROM read_csv(['" + lake_ + "/raw.csv'], all_varchar = true)");
  EXPECT_EQ(text("SELECT a FROM raw.inside"), "1");
  int number = 0;
  for (const std::string& sql : {
           std::string("SELECT * FROM read_csv('/etc/passwd')"),
           "SELECT * FROM read_csv(['" + lake_ + "/raw.csv', '/etc/passwd'])",
           "SELECT * FROM read_csv('" + lake_ + "/../state.sqlite')",
           "SELECT * FROM read_csv('" + lake_ + "-of-others/x.csv')",
           "SELECT * FROM read_csv(concat('" + lake_ + "', '/raw.csv'))",
           "SELECT * FROM read_text('" + lake_ + "/raw.csv')",
           std::string("SELECT * FROM '/etc/passwd.csv'"),
           std::string("SELECT (SELECT count(*) FROM read_csv('/etc/passwd')) AS n"),
       }) {
    const std::string name = "outside" + std::to_string(++number);
    view("raw", name, sql);
    const auto answer = run("SELECT * FROM raw." + name);
    ASSERT_FALSE(answer.ok()) << sql;
    EXPECT_EQ(answer.error().kind, ErrorKind::usage) << sql;
  }
}

}  // namespace
}  // namespace shoplake::query
