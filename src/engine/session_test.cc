#include "engine/session.h"

#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/arrow_interface.h"
#include "io/env.h"
#include "io/temporary_directory.h"

namespace shoplake::engine {
namespace {

using base::ErrorKind;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class SessionTest : public testing::Test {
 protected:
  static DatabaseOptions options() {
    DatabaseOptions options;
    options.threads = 2;
    options.memory_limit_bytes = 1ULL << 30;
    return options;
  }
  ResultSet query(std::string_view sql) {
    auto result = session_->query(sql);
    EXPECT_TRUE(result.ok()) << sql << ": " << to_string(result.error());
    return std::move(result).value();
  }
  std::string text(std::string_view sql) { return query(sql).text(0, 0).value_or("NULL"); }

  std::unique_ptr<Database> database_ = std::move(Database::open(options())).value();
  std::unique_ptr<Session> session_ = std::move(database_->connect()).value();
};

// Every type, with edge values: our text and type name must be DuckDB's own.
class Spelling : public SessionTest, public testing::WithParamInterface<const char*> {};

TEST_P(Spelling, IsThatOfDuckDB) {
  const std::string expression = GetParam();
  const ResultSet result = query("SELECT x, x::VARCHAR, typeof(x) FROM (SELECT " + expression + " AS x)");
  EXPECT_EQ(result.text(0, 0).value_or("NULL"), result.text(0, 1).value_or("NULL"));
  EXPECT_EQ(result.columns()[0].type, result.text(0, 2));
}

INSTANTIATE_TEST_SUITE_P(
    Scalars, Spelling,
    testing::Values(
        "true", "(-128)::TINYINT", "32767::SMALLINT", "(-2147483648)::INTEGER", "(-9223372036854775808)::BIGINT",
        "255::UTINYINT", "65535::USMALLINT", "4294967295::UINTEGER", "18446744073709551615::UBIGINT",
        "(-170141183460469231731687303715884105728)::HUGEINT", "340282366920938463463374607431768211455::UHUGEINT",
        "0.1::FLOAT", "3.4028235e38::FLOAT", "16777216::FLOAT", "0.1::DOUBLE", "1::DOUBLE", "-0.0::DOUBLE",
        "1e15::DOUBLE", "1e16::DOUBLE", "123456789012345678::DOUBLE", "1e-4::DOUBLE", "1e-5::DOUBLE", "5e-324::DOUBLE",
        "1.7976931348623157e308::DOUBLE", "'inf'::DOUBLE", "'-inf'::DOUBLE", "'nan'::DOUBLE", "1.50::DECIMAL(4,2)",
        "-0.05::DECIMAL(4,2)", "12345.678::DECIMAL(9,3)", "-123456789012345.678::DECIMAL(18,3)", "7::DECIMAL(18,0)",
        "12345678901234567890123456789012345.678::DECIMAL(38,3)", "'é\u00a0漢字'", "''", "DATE '2026-11-21'",
        "DATE '0001-01-01'", "DATE '9999-12-31'", "DATE '10000-01-01'", "DATE '0044-03-15 (BC)'", "'infinity'::DATE",
        "TIME '23:59:59.999999'", "TIME '00:00:00'", "TIME '12:30:00.5'", "TIMESTAMP '2026-11-21 01:02:03.000004'",
        "TIMESTAMP '1969-12-31 23:59:59.5'", "TIMESTAMP '0044-03-15 (BC) 12:00:00'", "TIMESTAMP 'infinity'",
        "TIMESTAMP_S '2026-11-21 01:02:03'", "TIMESTAMP_MS '2026-11-21 01:02:03.004'",
        "TIMESTAMP_NS '2026-11-21 01:02:03.000000004'", "TIMESTAMPTZ '2026-11-21 01:02:03.5+02'",
        "TIMETZ '12:00:00+02:30'", "INTERVAL '1 year 2 months 3 days 04:05:06.7'", "INTERVAL '-1 day'",
        "'123e4567-e89b-12d3-a456-426614174000'::UUID", "'ffffffff-ffff-ffff-ffff-ffffffffffff'::UUID",
        "'\\x00a\\xFF\\x5C\"'::BLOB", "'0101110'::BIT", "'small'::ENUM('small', 'it''s')",
        "123456789012345678901234567890123456789012345678901234567890::BIGNUM", "'-1'::BIGNUM", "'0'::BIGNUM",
        "'{\"a\":1}'::JSON", "NULL::INTEGER", "12::INTEGER::UNION(n INTEGER, t VARCHAR)",
        "'12:00:00.000000001'::TIME_NS"));

TEST_F(SessionTest, NullAloneHasAType) { EXPECT_EQ(text("SELECT NULL"), "NULL"); }

TEST_F(SessionTest, NestedValuesAreJson) {
  EXPECT_EQ(text("SELECT [1, NULL, 3]"), "[1,null,3]");
  EXPECT_EQ(text("SELECT []"), "[]");
  EXPECT_EQ(text("SELECT [1, 2, 3]::INTEGER[3]"), "[1,2,3]");
  EXPECT_EQ(text("SELECT {'a': 1, 'b\"c': {'d': [DATE '2026-01-02']}}"), R"({"a":1,"b\"c":{"d":["2026-01-02"]}})");
  EXPECT_EQ(text("SELECT MAP {'k': 1.5, 'l': NULL}"), R"([{"key":"k","value":1.5},{"key":"l","value":null}])");
  EXPECT_EQ(text("SELECT [0.1::FLOAT, 'nan'::FLOAT]"), "[0.1,null]");
  EXPECT_EQ(text("SELECT [18446744073709551615::UBIGINT]"), "[18446744073709551615]");
  EXPECT_EQ(text("SELECT [union_value(t := 'x')]"), R"(["x"])");
  EXPECT_EQ(text("SELECT ['a' || chr(10) || chr(1) || '\\']"), R"(["a\n\u0001\\"])");
}

TEST_F(SessionTest, NestedTypesAreSpelledAsDuckDBDoes) {
  const ResultSet result = query(
      "SELECT x, typeof(x) FROM (SELECT {'a': [1::DECIMAL(9,2)], 'b c': MAP {'k': TIMESTAMPTZ '2026-01-01'}, 'select': "
      "[1, 2]::BIGINT[2], "
      "'Upper': 'x'::ENUM('x', 'y''z'), 'u': union_value(n := 1), 'j': '1'::JSON} AS x)");
  EXPECT_EQ(result.columns()[0].type, result.text(0, 1));
}

// Lists whose entries lie in other places than their rows, across many chunks.
TEST_F(SessionTest, RowsOfManyChunksAreFoundInAnyOrder) {
  const ResultSet result = query(
      "SELECT i, range(i % 4) AS l, CASE WHEN i % 3 = 0 THEN NULL ELSE 's' || i END AS s FROM range(10000) t(i) ORDER "
      "BY i");
  ASSERT_EQ(result.row_count(), 10'000);
  for (const std::int64_t row : {0, 9999, 2047, 2048, 1, 5000, 4999, 2049}) {
    EXPECT_EQ(result.integer(row, 0), row);
    EXPECT_EQ(std::get<List>(result.value(row, 1).data).size(), static_cast<std::size_t>(row % 4));
    EXPECT_EQ(result.text(row, 2), row % 3 == 0 ? std::nullopt : std::optional("s" + std::to_string(row)));
  }
}

TEST_F(SessionTest, LastOfSeveralStatementsAnswers) {
  EXPECT_EQ(text("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2); SELECT count(*) FROM t"), "2");
  EXPECT_EQ(query("INSERT INTO t SELECT * FROM range(5)").rows_changed(), 5);
  EXPECT_EQ(session_->execute("SELECT 1; SELEKT 2").error().code, "engine.sql");
  EXPECT_EQ(session_->execute("INSERT INTO t VALUES (9); SELECT nothing").error().code, "engine.sql");
  EXPECT_EQ(text("SELECT count(*) FROM t WHERE a = 9"), "1");
  EXPECT_EQ(session_->query(" -- nothing\n").error().code, "engine.sql");
}

TEST_F(SessionTest, ErrorsKeepDuckDBsWordsAndPlace) {
  const auto result = session_->query("SELECT 1,\n  absent FROM range(3)");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::failed);
  EXPECT_THAT(result.error().message, HasSubstr("LINE 2:"));
  EXPECT_THAT(result.error().message, HasSubstr("^"));
  const auto missing = session_->query("SELECT * FROM read_csv('/no/such/file')");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, "engine.io");
  const auto variant = session_->query("SELECT [1::VARIANT] AS v");
  ASSERT_FALSE(variant.ok()) << variant->columns()[0].type;
  EXPECT_EQ(variant.error().code, "engine.unsupported_type");
}

TEST_F(SessionTest, MemoryLimitIsAnErrorOfTheEnvironment) {
  ASSERT_TRUE(session_->execute("SET memory_limit = '8MB'; SET temp_directory = ''").ok());
  const auto result = session_->query("SELECT list(i ORDER BY hash(i)) FROM range(5000000) t(i)");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, "engine.out_of_memory") << to_string(result.error());
  EXPECT_EQ(result.error().kind, ErrorKind::environment);
}

TEST_F(SessionTest, InterruptEndsARunningStatement) {
  // The interrupt counts only while the statement runs, so it is repeated until the statement has ended.
  std::jthread interrupter([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      session_->interrupt();
      std::this_thread::yield();
    }
  });
  const auto result = session_->query("SELECT sum(a.i * b.i) FROM range(1000000) a(i), range(1000000) b(i)");
  interrupter.request_stop();
  interrupter.join();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, "engine.interrupted");
  EXPECT_EQ(result.error().kind, ErrorKind::cancelled);
  EXPECT_EQ(text("SELECT 1"), "1");
}

TEST_F(SessionTest, ReadingStatementsPass) {
  for (const char* sql :
       {"SELECT 1", "select 1;", " -- c\n /* a /* b */ */ SELECT 1 ; ", "WITH c AS (SELECT 1) FROM c", "VALUES (1)",
        "FROM range(3)", "(SELECT 1) UNION (SELECT 2)", "DESCRIBE SELECT 1", "DESCRIBE absent.t", "SUMMARIZE SELECT 1",
        "SHOW TABLES", "EXPLAIN SELECT 1", "EXPLAIN ANALYZE SELECT 1", "EXPLAIN (FORMAT json) SELECT 1",
        "EXPLAIN (ANALYZE, FORMAT json) SELECT 1", "SELECT * FROM absent.table", "TABLE absent",
        "SELECT 1e400, -1e400, 'Infinity \\\"NaN'", "SELECT * FROM (PIVOT t ON a IN (1, 2) USING sum(b))"}) {
    const auto checked = session_->check_read_only(sql);
    EXPECT_TRUE(checked.ok()) << sql << ": " << to_string(checked.error());
  }
}

TEST_F(SessionTest, OtherStatementsAreRefused) {
  for (const char* sql : {"INSERT INTO t VALUES (1)",
                          "UPDATE t SET a = 1",
                          "DELETE FROM t",
                          "CREATE TABLE t (a INTEGER)",
                          "CREATE TABLE t AS SELECT 1",
                          "CREATE VIEW v AS SELECT 1",
                          "CREATE SECRET s (TYPE s3)",
                          "CREATE MACRO m() AS 1",
                          "DROP TABLE t",
                          "ALTER TABLE t ADD COLUMN b INTEGER",
                          "COPY (SELECT 1) TO '/tmp/x.csv'",
                          "COPY t FROM '/tmp/x.csv'",
                          "ATTACH '/tmp/x.db'",
                          "DETACH x",
                          "USE x",
                          "SET threads = 1",
                          "RESET threads",
                          "PRAGMA threads = 1",
                          "PRAGMA version",
                          "INSTALL httpfs",
                          "LOAD httpfs",
                          "BEGIN",
                          "CHECKPOINT",
                          "CALL pragma_version()",
                          "EXPORT DATABASE '/tmp/x'",
                          "IMPORT DATABASE '/no/such/folder'",
                          "PREPARE p AS SELECT 1",
                          "EXECUTE p",
                          "VACUUM",
                          "ANALYZE",
                          "SET VARIABLE a = 1",
                          "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
                          "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x.csv'",
                          "EXPLAIN (ANALYZE) DELETE FROM t",
                          "EXPLAIN EXPLAIN ANALYZE DELETE FROM t",
                          "EXPLAIN /* ANALYZE */ ANALYZE DELETE FROM t",
                          "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
                          "SELECT 1; SELECT 2",
                          "SELECT 1; DROP TABLE t",
                          "WITH c AS (SELECT 1) INSERT INTO t FROM c",
                          "PIVOT t ON a USING sum(b)",
                          "",
                          "  ",
                          "-- nothing",
                          ";",
                          "TRUNCATE t",
                          "COMMENT ON TABLE t IS 'x'"}) {
    const auto checked = session_->check_read_only(sql);
    ASSERT_FALSE(checked.ok()) << sql;
    EXPECT_TRUE(checked.error().code == "engine.not_a_query" || checked.error().code == "engine.sql")
        << sql << ": " << to_string(checked.error());
  }
  EXPECT_EQ(session_->check_read_only(std::string_view("SELECT 1 \0; DROP TABLE t", 24)).error().code,
            "engine.not_a_query");
  EXPECT_THAT(session_->check_read_only("/* x */ insert into t values (1)").error().message, HasSubstr("INSERT"));
  EXPECT_THAT(session_->check_read_only("SELECT FROM WHERE").error().message, HasSubstr("LINE 1"));
  EXPECT_EQ(session_->check_read_only("DROP TABLE t").error().kind, ErrorKind::usage);
}

TEST_F(SessionTest, TableNamesAreThoseReadAndNeedNotExist) {
  const auto names = [&](const char* sql) { return session_->table_names(sql).value(); };
  EXPECT_THAT(names("SELECT 1"), IsEmpty());
  EXPECT_THAT(
      names("SELECT * FROM marts.x JOIN staging.y USING (a) WHERE EXISTS (SELECT 1 FROM marts.z) AND foo(b) > 1"),
      ElementsAre("marts.x", "staging.y", "marts.z"));
  EXPECT_THAT(names("WITH a AS (SELECT * FROM m.t), b AS (SELECT * FROM a) SELECT * FROM b, a, m.a"),
              ElementsAre("m.t", "m.a"));
  EXPECT_THAT(names("WITH x AS (SELECT * FROM x) SELECT * FROM x"), ElementsAre("x"));
  EXPECT_THAT(names("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r"),
              IsEmpty());
  EXPECT_THAT(names("SELECT * FROM range(3), read_csv('x.csv'), \"odd name\".\"T\"\"1\""),
              ElementsAre("\"odd name\".\"T\"\"1\""));
  EXPECT_THAT(names("DESCRIBE marts.x"), ElementsAre("marts.x"));
  EXPECT_THAT(names("EXPLAIN ANALYZE SELECT * FROM marts.x"), ElementsAre("marts.x"));
  EXPECT_THAT(names("SELECT * FROM (PIVOT a.b ON x IN (1, 2) USING sum(y))"), ElementsAre("a.b"));
  EXPECT_EQ(session_->table_names("SELEKT").error().code, "engine.sql");
}

TEST_F(SessionTest, LockDownLeavesOnlyTheGivenFolders) {
  io::TemporaryDirectory folder;
  const std::string lake = folder.file("lake");
  ASSERT_TRUE(io::posix_env().create_directories(lake).ok());
  ASSERT_TRUE(io::posix_env().create_directories(folder.file("lake-of-others")).ok());
  ASSERT_TRUE(io::posix_env().write_file(lake + "/a.csv", "x\n1\n").ok());
  ASSERT_TRUE(io::posix_env().write_file(folder.file("lake-of-others/a.csv"), "x\n1\n").ok());
  ASSERT_TRUE(database_->lock_down({{lake}}).ok());
  for (const auto& session : {std::move(database_->connect()).value(), std::move(session_)}) {
    EXPECT_EQ(session->query("SELECT * FROM read_csv(" + quote_literal(lake + "/a.csv") + ")").value().integer(0, 0),
              1);
    for (const std::string& sql :
         {std::string("SELECT * FROM read_text('/etc/passwd')"),
          "SELECT * FROM " + quote_literal(folder.file("lake-of-others/a.csv")),
          "SELECT * FROM read_csv(" + quote_literal(lake + "/../lake-of-others/a.csv") + ")",
          std::string("SET threads = 1"), std::string("SET enable_external_access = true"),
          std::string("ATTACH '/tmp/shoplake-absent.db'"),
          "LOAD " + quote_literal(std::string(SHOPLAKE_DEPS_DIR) + "/extensions/avro.duckdb_extension"),
          "COPY (SELECT 1) TO " + quote_literal(folder.file("out.csv"))}) {
      EXPECT_FALSE(session->query(sql).ok()) << sql;
    }
    EXPECT_EQ(session->query("SELECT * FROM read_text('/etc/passwd')").error().code, "engine.forbidden");
  }
}

TEST_F(SessionTest, ArrowStreamCarriesAllRows) {
  ArrowArrayStream stream;
  ASSERT_TRUE(session_->query_arrow("SELECT i, 'x' || i AS s FROM range(10000) t(i)", &stream).ok());
  ArrowSchema schema;
  ASSERT_EQ(stream.get_schema(&stream, &schema), 0);
  ASSERT_EQ(schema.n_children, 2);
  EXPECT_STREQ(schema.children[0]->name, "i");
  EXPECT_STREQ(schema.children[0]->format, "l");
  schema.release(&schema);
  std::int64_t rows = 0;
  while (true) {
    ArrowArray array;
    ASSERT_EQ(stream.get_next(&stream, &array), 0) << stream.get_last_error(&stream);
    if (array.release == nullptr) {
      break;
    }
    rows += array.length;
    array.release(&array);
  }
  EXPECT_EQ(rows, 10'000);
  stream.release(&stream);
  EXPECT_EQ(stream.release, nullptr);
}

TEST_F(SessionTest, ArrowStreamReportsAFailureOnTheWay) {
  ArrowArrayStream stream;
  auto started = session_->query_arrow(
      "SELECT CASE WHEN i = 400000 THEN error('halt') ELSE 'x' END FROM range(1000000) t(i)", &stream);
  if (started.ok()) {  // the failing row may come with the first chunk or later
    int code = 0;
    while (code == 0) {
      ArrowArray array;
      code = stream.get_next(&stream, &array);
      if (code == 0) {
        ASSERT_NE(array.release, nullptr) << "the stream ended without the error";
        array.release(&array);
      }
    }
    EXPECT_THAT(stream.get_last_error(&stream), HasSubstr("halt"));
    stream.release(&stream);
  } else {
    EXPECT_THAT(started.error().message, HasSubstr("halt"));
  }
}

TEST(Database, IsOfThePinnedVersion) { EXPECT_EQ(Database::version(), "v1.5.5"); }

TEST(Database, ExtensionsAreLoadedByPath) {
  DatabaseOptions options;
  options.extension_directory = std::string(SHOPLAKE_DEPS_DIR) + "/extensions";
  for (const bool verify : {false, true}) {
    options.verify_signatures = verify;
    auto database = Database::open(options);
    ASSERT_TRUE(database.ok()) << to_string(database.error());
    const auto session = std::move((*database)->connect()).value();
    const auto loaded =
        session->query("SELECT string_agg(extension_name, ' ' ORDER BY 1) FROM duckdb_extensions() WHERE loaded")
            .value();
    EXPECT_THAT(*loaded.text(0, 0), HasSubstr("iceberg"));
  }
  options.extension_directory = "/no/such/folder";
  const auto missing = Database::open(options);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, "engine.extension");
  EXPECT_EQ(missing.error().kind, ErrorKind::environment);
}

TEST(Database, KeysOfAnObjectStoreAreRenewedAndNeverShown) {
  ObjectStoreKeys keys{"AKID-1", "geheim", "token"};
  DatabaseOptions options;
  options.extension_directory = std::string(SHOPLAKE_DEPS_DIR) + "/extensions";
  options.object_store = ObjectStoreAccess();
  options.object_store->endpoint = "127.0.0.1:1";
  options.object_store->scope = "s3://shop/lake/";
  options.object_store->keys = [&keys]() -> Result<ObjectStoreKeys> { return keys; };
  const auto database = Database::open(options).value();
  const auto session = database->connect().value();
  const auto secret = [&] { return *session->query("SELECT secret_string FROM duckdb_secrets()").value().text(0, 0); };
  EXPECT_THAT(secret(), HasSubstr("key_id=AKID-1"));
  EXPECT_THAT(secret(), HasSubstr("scope=s3://shop/lake/"));
  keys.access_key_id = "AKID-2";
  EXPECT_THAT(secret(), HasSubstr("key_id=AKID-2"));
  ASSERT_TRUE(database->lock_down({{"s3://shop/lake"}}).ok());
  keys.access_key_id = "AKID-3";
  EXPECT_THAT(secret(), HasSubstr("key_id=AKID-2"));
  EXPECT_THAT(secret(), Not(AnyOf(HasSubstr("geheim"), HasSubstr("=token"))));
  for (const char* sql : {"FROM duckdb_secrets(redact = false)", "SET s3_endpoint = 'x'",
                          "SET s3_url_compatibility_mode = false", "FROM read_text('s3://shop/lake-of-others/a')",
                          "FROM read_text('s3://other/a')", "FROM read_text('http://127.0.0.1:1/shop/lake/a')"}) {
    const auto refused = session->query(sql);
    ASSERT_FALSE(refused.ok()) << sql;
    EXPECT_NE(refused.error().code, "engine.io") << sql;
  }
}

TEST(Database, SpillsToAFolderOfItsOwn) {
  const io::TemporaryDirectory folder;
  DatabaseOptions options;
  options.temporary_directory = folder.path();
  std::filesystem::create_directories(folder.file("engine-1-0/of the dead"));
  std::filesystem::create_directories(folder.file("another"));
  const auto spill = [](Database& database) {
    return *database.connect().value()->query("SELECT current_setting('temp_directory')").value().text(0, 0);
  };
  {
    const auto one = Database::open(options).value();
    const auto two = Database::open(options).value();
    EXPECT_NE(spill(*one), spill(*two));
    EXPECT_TRUE(std::filesystem::exists(spill(*one)));
    EXPECT_TRUE(std::filesystem::exists(spill(*two)));
  }
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    left.push_back(entry.path().filename());
  EXPECT_THAT(left, ElementsAre("another"));
}

TEST(Database, ScratchIsAFileThatGoesWithIt) {
  const io::TemporaryDirectory folder;
  DatabaseOptions options;
  options.temporary_directory = folder.path();
  const auto files = [&] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
      count += entry.path().extension() == ".scratch" ? 1 : 0;
    return count;
  };
  {
    const auto database = Database::open(options).value();
    ASSERT_TRUE(database->attach_scratch("rows").ok());
    const auto session = database->connect().value();
    ASSERT_TRUE(
        session->execute("CREATE TABLE rows.t (a VARCHAR, b VARCHAR); INSERT INTO rows.t VALUES ('x', 'y')").ok());
    ASSERT_TRUE(session->execute("FORCE CHECKPOINT rows; INSERT INTO rows.t VALUES ('z', NULL)").ok());
    EXPECT_EQ(session->query("SELECT string_agg(a, '' ORDER BY a) FROM rows.t").value().text(0, 0), "xz");
    // A column that rows were appended to takes two small blocks.
    EXPECT_LT(session->query("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").value().integer(0, 0), 256 * 1024);
    EXPECT_EQ(files(), 1u);
  }
  EXPECT_EQ(files(), 0u);

  const auto without_folder = Database::open({}).value();
  ASSERT_TRUE(without_folder->attach_scratch("rows").ok());
  EXPECT_TRUE(without_folder->connect().value()->execute("CREATE TABLE rows.t AS SELECT 1 AS a").ok());
}

TEST(Database, ReleasesWhatCanBeReadAgain) {
  const io::TemporaryDirectory folder;
  DatabaseOptions options;
  options.temporary_directory = folder.path();
  options.memory_limit_bytes = 256 << 20;
  const auto database = Database::open(options).value();
  ASSERT_TRUE(database->attach_scratch("rows").ok());
  const auto session = database->connect().value();
  const auto memory = [&] {
    return session->query("SELECT CAST(sum(memory_usage_bytes) AS BIGINT) FROM duckdb_memory()").value().integer(0, 0);
  };
  const auto rows = [&] { return session->query("SELECT sum(a), count(b) FROM rows.t").value(); };
  ASSERT_TRUE(session
                  ->execute("CREATE TABLE rows.t AS SELECT i AS a, md5(i::VARCHAR) AS b FROM range(500000) r(i); "
                            "FORCE CHECKPOINT rows")
                  .ok());
  const auto limit = session->query("SELECT current_setting('memory_limit')").value().text(0, 0);
  EXPECT_EQ(rows().integer(0, 1), 500'000);  // reads every block
  const std::int64_t before = memory();
  ASSERT_TRUE(database->release_memory().ok());
  EXPECT_LT(memory(), before / 4);
  EXPECT_EQ(session->query("SELECT current_setting('memory_limit')").value().text(0, 0), limit);
  EXPECT_EQ(rows().integer(0, 0), 124'999'750'000);
  // Rows that are in memory only are spilled.
  ASSERT_TRUE(session->execute("CREATE TABLE held AS FROM rows.t").ok());
  ASSERT_TRUE(database->release_memory().ok());
  EXPECT_EQ(session->query("SELECT sum(a) FROM held").value().integer(0, 0), 124'999'750'000);
}

TEST(SplitName, TakesQuotesOff) {
  EXPECT_THAT(split_name("marts.x"), ElementsAre("marts", "x"));
  EXPECT_THAT(split_name("x"), ElementsAre("x"));
  EXPECT_THAT(split_name("\"a.b\".\"T\"\"1\""), ElementsAre("a.b", "T\"1"));
}

TEST(Json, NumbersAndTexts) {
  EXPECT_EQ(to_json({std::int64_t{-5}}), "-5");
  EXPECT_EQ(to_json({1.0}), "1.0");
  EXPECT_EQ(to_json({Exact{"123456789012345678901234567890"}}), "123456789012345678901234567890");
  EXPECT_EQ(to_json({}), "null");
  EXPECT_EQ(to_json({Struct{{"a", {true}}, {"b", {List{}}}}}), R"({"a":true,"b":[]})");
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
}

}  // namespace
}  // namespace shoplake::engine
