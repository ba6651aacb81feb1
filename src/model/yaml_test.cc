#include "model/yaml.h"

#include <gtest/gtest.h>

namespace shoplake::model {
namespace {

Json parse(const std::string& text) {
  Result<YamlDocument> document = YamlDocument::parse(text, "x.yml");
  EXPECT_TRUE(document.ok()) << (document.ok() ? "" : to_string(document.error()));
  return document.ok() ? document->value() : Json();
}

TEST(Yaml, TypesScalarsAsYaml11) {
  EXPECT_EQ(
      parse("[1, -2, 1_000, 0x1F, 010, 1.5, 1e3, yes, Off, ~, null, '1', \"yes\", 2026-01-01, 09]"),
      Json::parse(R"([1, -2, 1000, 31, 8, 1.5, "1e3", true, false, null, null, "1", "yes", "2026-01-01", "09"])"));
}

TEST(Yaml, KeepsTheOrderOfKeysAndTheLastOfTwo) { EXPECT_EQ(parse("b: 1\na: 2\nb: 3\n").dump(), R"({"b":3,"a":2})"); }

TEST(Yaml, ResolvesAliasesAndMergeKeys) {
  EXPECT_EQ(parse("base: &base {x: 1, y: 2}\nderived:\n  <<: *base\n  y: 3\n")["derived"],
            Json::parse(R"({"y": 3, "x": 1})"));
}

TEST(Yaml, KnowsTheLineOfEveryElement) {
  const Result<YamlDocument> document =
      YamlDocument::parse("models:\n  - name: a\n    columns:\n      - name: id\n  - name: b\n", "x.yml");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->place("/models/0/columns/0"), "x.yml:4");
  EXPECT_EQ(document->line("/models/1/name"), 5);
  EXPECT_EQ(document->line("/models/1/not_there"), 5);
}

TEST(Yaml, SaysWhereItIsWrong) {
  const Result<YamlDocument> document = YamlDocument::parse("a: 1\n b: [\n", "x.yml");
  ASSERT_FALSE(document.ok());
  EXPECT_EQ(document.error().code, "model.yaml");
  EXPECT_NE(document.error().message.find("x.yml:2"), std::string::npos) << document.error().message;
}

TEST(Yaml, RefusesBombs) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int level = 1; level < 9; ++level) {
    text += "a" + std::to_string(level) + ": &a" + std::to_string(level) + " [";
    for (int copy = 0; copy < 10; ++copy)
      text += (copy > 0 ? ", *a" : "*a") + std::to_string(level - 1);
    text += "]\n";
  }
  const Result<YamlDocument> document = YamlDocument::parse(text, "bomb.yml");
  ASSERT_FALSE(document.ok());
  EXPECT_EQ(document.error().code, "model.yaml");
}

}  // namespace
}  // namespace shoplake::model
