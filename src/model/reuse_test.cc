// Which SQL gives the same again, and what its table of functions is worth.
#include "model/reuse.h"

#include <gtest/gtest.h>

#include "engine/session.h"
#include "model/repeatable.h"
#include "model/statement_names.h"

namespace shoplake::model {
namespace {

TEST(Repeatable, WhatReadsAClockChanceOrFilesIsNot) {
  for (const char* sql :
       {"select now()", "select NOW ( )", "select current_date", "select x from t where d > Current_Timestamp",
        "select * from t using sample 10", "select * from t tablesample 10%", "select random() from t",
        "select main.gen_random_uuid()", "select * from 'x.csv'", "select * from \"data/*.parquet\"",
        "select * from read_csv('x')", "select * from read_parquet /* there */ ('x')", "select * from glob('*')",
        "select * from duckdb_tables", "select * from information_schema.tables", "select getenv('X')",
        "select age(d) from t", "select d.age() from t", "select * from query('select 1')"})
    EXPECT_FALSE(is_repeatable(sql)) << sql;
}

TEST(Repeatable, NamesAreNoCalls) {
  for (const char* sql : {"select 1", "select now from t", "select t.age, t.version, error as query from t",
                          "select 'now()' from t -- random()", "select sum(x) over (order by y) from a.b",
                          "select * from unnest([1, 2])", "select * from range(3)", "with uuid as (select 1) select 1"})
    EXPECT_TRUE(is_repeatable(sql)) << sql;
}

// A new engine may bring new functions: this fails then, and names them.
TEST(Repeatable, TheEnginesFunctionsAreKnown) {
  auto database = engine::Database::open({.extension_directory = SHOPLAKE_DEPS_DIR "/extensions"});
  ASSERT_TRUE(database.ok()) << database.error().message;
  auto session = (*database)->connect();
  ASSERT_TRUE(session.ok());
  const auto found = (*session)->query(
      "select distinct function_name from duckdb_functions() where stability in ('VOLATILE', "
      "'CONSISTENT_WITHIN_QUERY') "
      "or function_type in ('table', 'table_macro')");
  ASSERT_TRUE(found.ok()) << found.error().message;
  ASSERT_GT(found->row_count(), 100);
  // These make rows of their arguments.
  const std::set<std::string> harmless{"generate_series", "histogram", "histogram_values", "json_each", "json_tree",
                                       "range",           "repeat",    "repeat_row",       "unnest"};
  for (std::int64_t row = 0; row < found->row_count(); ++row) {
    const std::string name = found->text(row, 0).value_or("");
    EXPECT_TRUE(harmless.contains(name) || !is_repeatable("select * from " + name + "()")) << name;
  }
}

TEST(CalledNames, AreThoseBeforeAParenthesis) {
  EXPECT_EQ(called_names("select A(x), \"B\" (y), c.d(1), e from f -- g()\n where 'h()' = i"),
            (std::set<std::string>{"a", "b", "d"}));
}

}  // namespace
}  // namespace shoplake::model
