#include "quality/rule_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/memory_env.h"

namespace shoplake::quality {
namespace {

using testing::HasSubstr;

constexpr const char* kTwoTables = R"(# rules
tables:
  - table: marts.a
    severity: block
    owner: sales
    rules:
      - RowCount > 0
      - {rule: IsComplete "x", severity: warn, name: x is given, where: "y > 1", description: why}
      - 'ColumnValues "x" in ["a"]'
  - table: marts.b
    rules:
      - |
        (RowCount > 0)
        and (IsUnique "k")
)";

TEST(RuleSetTest, ReadsOneTableOrSeveral) {
  const auto sets = parse_rule_sets(kTwoTables, "q.yml");
  ASSERT_TRUE(sets.ok()) << base::to_string(sets.error());
  ASSERT_EQ(sets->size(), 2u);
  const RuleSet& a = (*sets)[0];
  EXPECT_EQ(a.table, "marts.a");
  EXPECT_TRUE(a.blocks());
  ASSERT_EQ(a.rules.size(), 3u);
  EXPECT_EQ(a.rules[0].name, "RowCount > 0");
  EXPECT_EQ(a.rules[0].severity, Severity::block);
  EXPECT_EQ(a.rules[0].owner, "sales");
  EXPECT_EQ(a.rules[0].place, "q.yml:7");
  EXPECT_EQ(a.rules[1].name, "x is given");
  EXPECT_EQ(a.rules[1].text, "IsComplete \"x\" where \"y > 1\"");
  EXPECT_EQ(a.rules[1].severity, Severity::warn);
  EXPECT_EQ(a.rules[1].description, "why");
  const RuleSet& b = (*sets)[1];
  EXPECT_FALSE(b.blocks());
  EXPECT_EQ(b.rules[0].text, "(RowCount > 0) and (IsUnique \"k\")");
  EXPECT_EQ(b.rules[0].owner, kDefaultOwner);

  const auto one = parse_rule_sets("table: marts.c\nrules: []\n", "q.yml");
  ASSERT_TRUE(one.ok()) << base::to_string(one.error());
  EXPECT_TRUE((*one)[0].rules.empty());
  EXPECT_TRUE(parse_rule_sets("", "q.yml")->empty());
}

TEST(RuleSetTest, SaysFileLineAndColumn) {
  const std::pair<std::string, const char*> cases[] = {
      {"table: marts.a\nrules:\n  - RowCont > 0\n", "q.yml:3:5: there is no rule type RowCont"},
      {"table: marts.a\nrules:\n  - RowCount > x\n", "q.yml:3:16: there is no function or number x"},
      {"table: marts.a\nrules:\n  - 'RowCount > x'\n", "q.yml:3:17: there is no function or number x"},
      {"table: marts.a\nrules:\n  - {name: n, rule: \"IsComplete \\\"a\"}\n", "q.yml:3:33: the quote that opens here"},
      {"table: marts.a\nrules:\n  - |\n    (RowCount > 0)\n    and (RowCont > 1)\n",
       "q.yml:5:10: there is no rule type RowCont"},
      {"table: marts.a\nrules:\n  - rule: RowCount > 0\n    severty: warn\n", "q.yml:4:5: unknown key \"severty\""},
      {"table: marts.a\nrules:\n  - {rule: RowCount > 0, severity: fatal}\n", "q.yml:3:36: severity is \"fatal\""},
      {"table: marts.a\nrules:\n  - {rule: ColumnCount > 0, where: x}\n", "q.yml:3:12: ColumnCount takes no where"},
      {"table: marts.a\nrules:\n  - {rule: 'RowCount > 0 where \"x\"', where: x}\n",
       "q.yml:3:13: the rule has a where of its own"},
      {"table: a\nrules: []\n", "q.yml:1:8: table must be a namespace and a name"},
      {"table: marts.a\n", "q.yml:1:1: rules must be a list"},
      {"rules: []\n", "q.yml:1:1: table must be"},
      {"table: marts.a\nrules:\n  - [RowCount > 0]\n", "q.yml:3:5: a rule is a text"},
      {"table: marts.a\nrules: [\n", "q.yml:3:1:"},
      {"- a\n", "q.yml:1:1: a mapping is expected here"},
  };
  for (const auto& [yaml, message] : cases) {
    const auto sets = parse_rule_sets(yaml, "q.yml");
    ASSERT_FALSE(sets.ok()) << yaml;
    EXPECT_THAT(sets.error().message, HasSubstr(message)) << yaml;
    EXPECT_EQ(sets.error().kind, base::ErrorKind::usage);
  }
}

TEST(RuleSetTest, FilesOfAFolderAreMergedByTable) {
  io::MemoryEnv env;
  ASSERT_TRUE(env.create_directories("/q").ok());
  EXPECT_TRUE(read_rule_sets(env, "/none")->empty());
  ASSERT_TRUE(env.write_file("/q/a.yml", kTwoTables).ok());
  ASSERT_TRUE(env.write_file("/q/b.yml", "table: marts.a\nrules:\n  - ColumnCount = 3\n").ok());
  ASSERT_TRUE(env.write_file("/q/readme.txt", "no rules").ok());
  auto sets = read_rule_sets(env, "/q");
  ASSERT_TRUE(sets.ok()) << base::to_string(sets.error());
  ASSERT_EQ(sets->size(), 2u);
  EXPECT_EQ((*sets)[0].rules.size(), 4u);

  ASSERT_TRUE(env.write_file("/q/c.yml", "table: marts.a\nrules:\n  - RowCount>0\n").ok());
  sets = read_rule_sets(env, "/q");
  ASSERT_FALSE(sets.ok());
  EXPECT_EQ(sets.error().message, "/q/c.yml:3: marts.a has a rule named \"RowCount > 0\" already, at /q/a.yml:7");
}

}  // namespace
}  // namespace shoplake::quality
