#include "crawl/columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crawl/inventory.h"
#include "crawl/sample.h"

namespace shoplake::crawl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Type primitive(const char* name) { return Type::primitive(name); }

std::string merged(const Type& left, const Type& right) {
  std::vector<Conflict> conflicts;
  const std::string text = to_text(merge_types(left, right, "x", conflicts));
  std::vector<Conflict> others;
  EXPECT_EQ(to_text(merge_types(right, left, "x", others)), text) << "the order must not matter";
  return text + (conflicts.empty() ? "" : " conflict");
}

TEST(Columns, TypesWidenByTheRules) {
  EXPECT_EQ(merged(primitive("int"), primitive("long")), "long");
  EXPECT_EQ(merged(primitive("long"), primitive("double")), "double");
  EXPECT_EQ(merged(primitive("float"), primitive("double")), "double");
  EXPECT_EQ(merged(primitive("decimal(10,2)"), primitive("decimal(12,4)")), "decimal(12,4)");
  EXPECT_EQ(merged(primitive("decimal(38,0)"), primitive("decimal(38,10)")), "string conflict");
  EXPECT_EQ(merged(primitive("long"), primitive("decimal(10,2)")), "decimal(38,2)");
  EXPECT_EQ(merged(primitive("double"), primitive("decimal(10,2)")), "double");
  EXPECT_EQ(merged(primitive("date"), primitive("timestamp")), "timestamp");
  EXPECT_EQ(merged(primitive("long"), primitive("string")), "string conflict");
  EXPECT_EQ(merged(primitive("boolean"), primitive("long")), "string conflict");
  EXPECT_EQ(merged(unknown_type(), primitive("date")), "date");
  EXPECT_EQ(merged(Type::list(primitive("int")), Type::list(primitive("double"))), "list<double>");
  EXPECT_EQ(merged(Type::list(primitive("int")), primitive("int")), "string conflict");
}

TEST(Columns, StructsMergePartByPart) {
  const Columns left{{"a", Type::structure({{0, "x", primitive("long"), false, ""}})}, {"b", primitive("long")}};
  const Columns right{
      {"c", primitive("string")},
      {"a", Type::structure({{0, "y", primitive("string"), false, ""}, {0, "x", primitive("string"), false, ""}})}};
  std::vector<Conflict> conflicts;
  const Columns both = merge_columns(left, right, conflicts);
  ASSERT_THAT(both, SizeIs(3));
  EXPECT_EQ(to_text(both[0].type), "struct<x: string, y: string>");
  ASSERT_THAT(conflicts, SizeIs(1));
  EXPECT_EQ(conflicts[0].column, "a.x");
}

TEST(Columns, NamesThatDifferInCaseAreOneColumn) {
  std::vector<Conflict> conflicts;
  const Columns both = merge_columns({{"Price", primitive("long")}}, {{"price", primitive("double")}}, conflicts);
  ASSERT_THAT(both, SizeIs(1));
  EXPECT_EQ(both[0].name, "Price");
  EXPECT_EQ(to_text(both[0].type), "double");
  EXPECT_THAT(conflicts, SizeIs(1));
}

TEST(Columns, JsonRoundTrip) {
  const Columns columns{{"a", Type::list(Type::structure({{0, "x", primitive("decimal(20,0)"), false, ""}}))},
                        {"\"quoted\"", Type::map(primitive("string"), primitive("long"))}};
  const auto back = columns_from_json(columns_to_json(columns));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(to_text((*back)[0].type), "list<struct<x: decimal(20,0)>>");
  EXPECT_EQ((*back)[1].name, "\"quoted\"");
  EXPECT_FALSE(columns_from_json("{").ok());
}

std::string described(const Sample& sample) {
  std::string text(name(sample.format));
  for (const Column& column : sample.columns) {
    text += " " + column.name + ":" + to_text(column.type);
  }
  return text;
}

TEST(Sample, TellsFormatAndColumns) {
  EXPECT_EQ(described(sample_bytes("{\"a\":1}\n{\"a\":2.5,\"b\":[\"}\"]}\n", true)), "ndjson a:double b:list<string>");
  EXPECT_EQ(described(sample_bytes("[{\"a\":null},{\"a\":true}]", true)), "json a:boolean");
  EXPECT_EQ(described(sample_bytes("{\"a\":1}\n{\"a\":", false)), "ndjson a:long") << "the cut record is not looked at";
  EXPECT_EQ(described(sample_bytes("\xEF\xBB\xBFid;price\r\n1;2,5\r\n", true)), "csv id:long price:string");
  EXPECT_EQ(described(sample_bytes("zip,at,on,n\n01234,2026-01-01T10:00:00,2026-01-01,-5\n", true)),
            "csv zip:string at:timestamp on:date n:long");
  EXPECT_EQ(described(sample_bytes("a,b\n\"x, \"\"y\"\"\n z\",1\n", true)), "csv a:string b:long");
  EXPECT_EQ(described(sample_bytes("1,2\n3,4.5\n", true)), "csv column0:long column1:double");
  EXPECT_EQ(described(sample_bytes("PAR1....", false)), "parquet");
}

TEST(Sample, WhatIsNoTableHasAReason) {
  EXPECT_THAT(sample_bytes("", true).problem, HasSubstr("empty"));
  EXPECT_THAT(sample_bytes("just text\nand more\n", true).problem, HasSubstr("delimiter"));
  EXPECT_THAT(sample_bytes(std::string("\0\1\2", 3), true).problem, HasSubstr("neither"));
  EXPECT_THAT(sample_bytes("{\"a\": nonsense}", true).problem, HasSubstr("JSON"));
  EXPECT_THAT(sample_bytes("{", false).problem, HasSubstr("no whole JSON object"));
}

TEST(Sample, ConflictsWithinAnObjectAreTold) {
  const Sample sample = sample_bytes("{\"a\":1}\n{\"a\":\"x\"}\n", true);
  EXPECT_EQ(described(sample), "ndjson a:string");
  ASSERT_THAT(sample.conflicts, SizeIs(1));
  EXPECT_EQ(sample.conflicts[0].column, "a");
}

TEST(Inventory, PathsTellPartitionsAndPatterns) {
  const auto values = partition_of("year=2026/month=01/x/a b=c%20d/file.json.gz");
  ASSERT_THAT(values, SizeIs(3));
  EXPECT_EQ(values[2].key, "a b");
  EXPECT_EQ(values[2].value, "c d");
  EXPECT_THAT(partition_of("plain/file.csv"), IsEmpty());
  EXPECT_EQ(partition_folder("year=2026/x/month=01/f"), "year=2026/month=01");
  EXPECT_EQ(pattern_of("date=2026-01-01/part-1.ndjson.gz"), "date=*/[!._]*.ndjson.gz");
  EXPECT_EQ(pattern_of("odd[name]/a.csv"), "odd[[]name]/[!._]*.csv");
  EXPECT_EQ(pattern_of("date=2026-01-01/no_ending"), "date=*/no_ending");
}

}  // namespace
}  // namespace shoplake::crawl
