#include "model/statement_names.h"

#include <gtest/gtest.h>

namespace shoplake::model {
namespace {

bool names(std::string_view sql, const RelationName& wanted) {
  const std::vector<RelationName> found = possible_relations(sql);
  return std::find(found.begin(), found.end(), wanted) != found.end();
}

TEST(PossibleRelations, FindsNamesInEverySpelling) {
  EXPECT_TRUE(names("select * from marts.x", {"marts", "x"}));
  EXPECT_TRUE(names("select * from \"Marts\".\"X\"", {"marts", "x"}));
  EXPECT_TRUE(names("from memory.marts.x", {"marts", "x"}));
  EXPECT_TRUE(names("from marts /* where */ . -- and\n x", {"marts", "x"}));
  EXPECT_TRUE(names("from orders", {"main", "orders"}));
  EXPECT_TRUE(names("select 1e5 from(\"a\"\"b\".\"c d\")", {"a\"b", "c d"}));
  EXPECT_TRUE(names("with x as (select * from a.b) select * from x join c.d using (k)", {"c", "d"}));
  EXPECT_TRUE(names("select 'it''s' from a.b", {"a", "b"}));
  EXPECT_TRUE(names("select e'it\\'s' from a.b", {"a", "b"}));
  EXPECT_TRUE(names("select name from a.b", {"a", "b"}));
}

TEST(PossibleRelations, PassesOverLiteralsAndComments) {
  for (const char* sql : {"select 'from a.b'", "select 1 -- from a.b", "select /* /* */ from a.b */ 1",
                          "select $$ a.b $$", "select $t$ a.b $t$", "select e'\\' a.b'"})
    EXPECT_FALSE(names(sql, {"a", "b"})) << sql;
}

TEST(PossibleRelations, EndsWithWhatIsNotFinished) {
  for (const char* sql :
       {"", "'", "\"", "/*", "--", "$", "$t$", "a.", "a.\"", "e'\\", ".", "1.", "select \"a\".", "/*/"})
    (void)possible_relations(sql);
}

TEST(OddSpaces, AreThoseThatLookLikePartsOfNames) {
  for (const char* sql : {"select\xC2\xA0now()", "select\xE2\x80\x83x", "\xEF\xBB\xBFselect 1", "select\xE3\x80\x80x",
                          "select 1 -- x\r, now()", "select 1\r"})
    EXPECT_TRUE(has_odd_spaces(sql)) << sql;
  for (const char* sql : {"", "select 1\r\n", "select \xC3\xA9 from t", "select '\xE2\x82\xAC'", "\xE2\x80\x9Cx"})
    EXPECT_FALSE(has_odd_spaces(sql)) << sql;
}

}  // namespace
}  // namespace shoplake::model
