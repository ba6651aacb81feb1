#include "live/key_lookup.h"

#include <gmock/gmock.h>

namespace shoplake::live {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class KeyLookup : public testing::Test {
 protected:
  KeyLookup() {
    auto opened = engine::Database::open({});
    EXPECT_TRUE(opened.ok());
    database_ = std::move(opened).value();
    session_ = std::move(database_->connect()).value();
  }

  std::vector<KeyTerm> terms(const std::string& predicate) {
    auto found = key_terms(*session_, predicate);
    EXPECT_TRUE(found.ok()) << predicate << (found.ok() ? "" : to_string(found.error()));
    return found.ok() ? std::move(found).value() : std::vector<KeyTerm>();
  }

  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<engine::Session> session_;
};

TEST_F(KeyLookup, TermsOfAPredicate) {
  const auto one = terms("session_id in (select session_id from live.changed_x)");
  ASSERT_EQ(one.size(), 1u);
  EXPECT_THAT(one[0].columns, ElementsAre("session_id"));
  EXPECT_EQ(one[0].query, "SELECT session_id FROM live.changed_x");

  const auto two = terms("(a, x.b) in (select 1, 2) -- why\n or c in (select 3 union all select 4)");
  ASSERT_EQ(two.size(), 2u);
  EXPECT_THAT(two[0].columns, ElementsAre("a", "b"));
  EXPECT_THAT(two[1].columns, ElementsAre("c"));

  // Of what must all be true one is enough.
  const auto narrowed = terms("a = 1 and (a in (select 1) or b in (select 2)) and c in (select 3)");
  ASSERT_EQ(narrowed.size(), 1u);
  EXPECT_THAT(narrowed[0].columns, ElementsAre("c"));
}

TEST_F(KeyLookup, PredicatesWithoutKeys) {
  for (const char* predicate : {"true", "a = '(direct)'", "a = 1 or a in (select 1)", "a not in (select 1)",
                                "not (a in (select 1))", "lower(a) in (select 'x')", "(a, lower(b)) in (select 1, 'x')",
                                "exists (select 1 from x where y = a)", "a > any (select 1)", "a in (1, 2)"})
    EXPECT_THAT(terms(predicate), IsEmpty()) << predicate;
  EXPECT_FALSE(key_terms(*session_, "a in (").ok());
}

TEST_F(KeyLookup, HashesOfKeysAreThoseOfRows) {
  catalog::Schema schema;
  schema.fields = {{1, "id", catalog::Type::primitive("string"), false, ""},
                   {2, "day", catalog::Type::primitive("date"), false, ""},
                   {3, "number", catalog::Type::primitive("long"), false, ""}};
  KeyColumns keys(&schema);
  EXPECT_TRUE(keys.add({"id", "day"}));
  EXPECT_TRUE(keys.add({"number"}));
  EXPECT_TRUE(keys.add({"id", "day"}));
  EXPECT_FALSE(keys.add({"id", "other"}));
  EXPECT_EQ(keys.definitions(), R"(, "_shoplake_key_0" BIGINT, "_shoplake_key_1" BIGINT)");
  ASSERT_TRUE(
      session_
          ->execute("CREATE TABLE hot (id VARCHAR, day DATE, number BIGINT" + keys.definitions() +
                    "); INSERT INTO hot SELECT *" + keys.values() +
                    " FROM (VALUES ('a', DATE '2026-11-21', 7::BIGINT), ('b', NULL, NULL)) AS rows(id, day, number)")
          .ok());
  // A key of another type that is equal finds its row.
  const auto finds = [&](const KeyTerm& term) {
    const auto found =
        session_->query("SELECT id FROM hot WHERE " + keys.name(term.columns) + " IN (" + keys.keys(term) + ")");
    EXPECT_TRUE(found.ok()) << to_string(found.error());
    return found->row_count() == 1 ? found->text(0, 0).value_or("") : std::string();
  };
  EXPECT_EQ(finds({{"id", "day"}, "SELECT 'a', '2026-11-21'"}), "a");
  EXPECT_EQ(finds({{"number"}, "SELECT 7::INTEGER UNION ALL SELECT 8"}), "a");
  EXPECT_EQ(finds({{"number"}, "SELECT 8"}), "");
  EXPECT_EQ(finds({{"number"}, "SELECT NULL"}), "");
}

}  // namespace
}  // namespace shoplake::live
