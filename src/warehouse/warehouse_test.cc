// Types, names, statements, file lists and stages. The statements run in test/service/test_warehouse.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/memory_env.h"
#include "warehouse/external_table.h"
#include "warehouse/load.h"
#include "warehouse/stage.h"

namespace shoplake::warehouse {
namespace {

using catalog::Field;
using catalog::Schema;
using catalog::Type;

Field field(const std::string& name, Type type) { return {0, name, std::move(type), false, ""}; }

Schema schema_of(std::vector<Field> fields) { return {0, std::move(fields)}; }

std::string type_in(const Type& type, Dialect dialect) {
  return columns(schema_of({field("c", type)}), dialect).value()[0].type;
}

TEST(ColumnTest, MapsEveryTypeOfTheLake) {
  const Type nested =
      Type::list(Type::structure({field("a", Type::primitive("timestamptz")),
                                  field("m", Type::map(Type::primitive("string"), Type::primitive("uuid")))}));
  struct Case {
    Type type;
    const char* postgres;
    const char* redshift;
    const char* spectrum;
    const char* athena;
  };
  const Case cases[] = {
      {Type::primitive("long"), "bigint", "bigint", "bigint", "bigint"},
      {Type::primitive("float"), "real", "real", "real", "float"},
      {Type::primitive("decimal(38,9)"), "numeric(38,9)", "decimal(38,9)", "decimal(38,9)", "decimal(38,9)"},
      {Type::primitive("timestamptz"), "timestamptz", "timestamptz", "timestamp", "timestamp"},
      {Type::primitive("string"), "text", "varchar(65535)", "varchar(65535)", "string"},
      {Type::primitive("fixed[16]"), "bytea", "varbyte(1024000)", "varbyte(1024000)", "binary"},
      {nested, "jsonb", "super", "array<struct<a:timestamp,m:map<varchar(65535),varbyte(16)>>>",
       "array<struct<`a`:timestamp,`m`:map<string,binary>>>"},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(type_in(each.type, Dialect::postgres), each.postgres);
    EXPECT_EQ(type_in(each.type, Dialect::redshift), each.redshift);
    EXPECT_EQ(type_in(each.type, Dialect::spectrum), each.spectrum);
    EXPECT_EQ(type_in(each.type, Dialect::athena), each.athena);
  }
}

TEST(ColumnTest, RefusesNamesThatTheWarehouseWouldChange) {
  const auto code = [](std::vector<std::string> names, Dialect dialect) {
    std::vector<Field> fields;
    for (const std::string& name : names)
      fields.push_back(field(name, Type::primitive("int")));
    const auto found = columns(schema_of(fields), dialect);
    return found.ok() ? "" : found.error().code;
  };
  EXPECT_EQ(code({std::string(63, 'x')}, Dialect::postgres), "");
  EXPECT_EQ(code({std::string(64, 'x')}, Dialect::postgres), "warehouse.bad_name");
  EXPECT_EQ(code({std::string(64, 'x')}, Dialect::redshift), "");
  EXPECT_EQ(code({std::string("a\0b", 3)}, Dialect::postgres), "warehouse.bad_name");
  EXPECT_EQ(code({""}, Dialect::athena), "warehouse.bad_name");
  EXPECT_EQ(code({"a", "A"}, Dialect::postgres), "");
  EXPECT_EQ(code({"a", "A"}, Dialect::redshift), "warehouse.bad_name");
  EXPECT_EQ(to_string(parse_table_name("\"a.b\".\"c\"\"d\"", Dialect::postgres).value(), Dialect::postgres),
            "\"a.b\".\"c\"\"d\"");
  EXPECT_EQ(to_string(parse_table_name("A.B", Dialect::athena).value(), Dialect::athena), "`a`.`b`");
  for (const char* bad : {"", "a", "a.b.c"})
    EXPECT_EQ(parse_table_name(bad, Dialect::postgres).error().code, "warehouse.bad_name") << bad;
}

Batch batch(Dialect dialect, Mode mode, std::vector<std::string> key) {
  Batch made;
  made.dialect = dialect;
  made.target = {"s", "t"};
  made.columns =
      columns(schema_of({field("id", Type::primitive("long")), field("at", Type::primitive("timestamptz"))}), dialect)
          .value();
  made.mode = mode;
  made.key = std::move(key);
  made.id = "b";
  return made;
}

TEST(LoadTest, ChecksKeysRolesAndUrls) {
  EXPECT_TRUE(check(batch(Dialect::postgres, Mode::upsert, {"id"})).ok());
  EXPECT_EQ(check(batch(Dialect::postgres, Mode::upsert, {})).error().code, "warehouse.bad_key");
  EXPECT_EQ(check(batch(Dialect::postgres, Mode::append, {"id"})).error().code, "warehouse.bad_key");
  EXPECT_EQ(check(batch(Dialect::postgres, Mode::replace, {"no"})).error().code, "warehouse.bad_key");
  const std::string role = "arn:aws:iam::123456789012:role/r";
  EXPECT_TRUE(check(Staged{0, {}, "s3://b/p/", role, "eu-central-1"}).ok());
  EXPECT_EQ(check(Staged{0, {}, "s3://b/p/", role + "'", ""}).error().code, "warehouse.bad_role");
  EXPECT_EQ(check(Staged{0, {}, "s3://b/p'/", role, ""}).error().code, "warehouse.bad_url");
  EXPECT_EQ(check(Staged{0, {}, "/tmp/x/", role, ""}).error().code, "warehouse.bad_url");
  EXPECT_EQ(check(Staged{0, {}, "s3://b/", role, "x\\"}).error().code, "warehouse.bad_url");
}

TEST(LoadTest, WritesOneTransactionForEachDialect) {
  const Staged staged{0, {}, "s3://b/p/", "default", ""};
  const auto redshift = statements(batch(Dialect::redshift, Mode::replace, {"id"}), staged);
  EXPECT_THAT(redshift, testing::Contains("COPY shoplake_stage FROM 's3://b/p/' IAM_ROLE default FORMAT AS PARQUET"));
  EXPECT_THAT(redshift, testing::Contains("CREATE TEMP TABLE shoplake_stage (\"id\" bigint, \"at\" timestamp)"));
  EXPECT_THAT(redshift,
              testing::Contains("INSERT INTO \"s\".\"t\" (\"id\", \"at\") SELECT s.\"id\", s.\"at\" AT TIME ZONE "
                                "'UTC' FROM shoplake_stage AS s"));
  EXPECT_THAT(redshift, testing::Contains(
                            "DELETE FROM \"s\".\"t\" USING (SELECT DISTINCT \"id\" FROM shoplake_stage) AS s WHERE "
                            "(\"s\".\"t\".\"id\" = s.\"id\" OR (\"s\".\"t\".\"id\" IS NULL AND s.\"id\" IS NULL))"));
  EXPECT_EQ(redshift.back(), "COMMIT");
  const auto postgres = statements(batch(Dialect::postgres, Mode::upsert, {"id"}), staged);
  EXPECT_THAT(postgres, testing::Contains("COPY pg_temp.shoplake_stage (\"id\", \"at\") FROM STDIN (FORMAT csv)"));
  EXPECT_THAT(
      postgres,
      testing::Contains(
          "UPDATE \"s\".\"t\" SET \"at\" = s.\"at\" FROM shoplake_stage AS s WHERE \"s\".\"t\".\"id\" = s.\"id\""));
  EXPECT_THAT(postgres, testing::Contains("LOCK TABLE \"s\".\"t\" IN SHARE ROW EXCLUSIVE MODE"));
}

TEST(ExternalTableTest, ListsFiles) {
  const std::vector<ExternalFile> files = {{"s3://b/x.parquet", 7}, {"s3://b/y.parquet", 8}};
  EXPECT_EQ(file_list(Dialect::athena, files), "s3://b/x.parquet\ns3://b/y.parquet\n");
  EXPECT_THAT(file_list(Dialect::spectrum, files), testing::HasSubstr("\"content_length\": 8"));
}

TEST(StageTest, GoesWithItsLoadOrWithTheNextOne) {
  io::MemoryEnv env;
  ASSERT_TRUE(env.create_directories("/home").ok());
  ASSERT_TRUE(env.create_directories("/lake/tmp").ok());
  const auto stages = [&] { return env.list_directory("/lake/tmp").value().size(); };
  {
    const auto stage = Stage::make(env, "/home", "/lake/tmp").value();
    ASSERT_TRUE(env.write_file(stage->directory() + "/rows.csv", "x").ok());
    const auto other = Stage::make(env, "/home", "/lake/tmp").value();
    EXPECT_EQ(stages(), 2U);  // the living stay
  }
  EXPECT_EQ(stages(), 0U);
  EXPECT_TRUE(env.list_directory("/home/warehouse-stages")->empty());
  // As a killed load leaves it: a lock's file that nobody holds.
  ASSERT_TRUE(env.write_file("/home/warehouse-stages/1-a.lock", "").ok());
  ASSERT_TRUE(env.create_directories("/lake/tmp/warehouse-1-a").ok());
  EXPECT_EQ(remove_abandoned_stages(env, "/home", "/lake/tmp").value(), 1);
  EXPECT_EQ(stages(), 0U);
}

}  // namespace
}  // namespace shoplake::warehouse
