// The small parts of the model module: configuration, names of tests, types, CTEs, CSV rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include <fmt/format.h>

#include "model/compiler.h"
#include "model/config.h"
#include "model/generic_tests.h"
#include "model/iceberg_type.h"
#include "model/reference.h"
#include "model/unit_tests.h"

namespace shoplake::model {
namespace {

TEST(Config, TheMoreSpecificLevelOfATreeWins) {
  const Json tree = Json::parse(
      R"({"+materialized": "view", "+tags": "all", "shop": {"marts": {"+materialized": "table", "schema": "marts", "+tags": ["mart"],
      "big": {"+meta": {"owner": "x"}}}, "staging": {"+materialized": "ephemeral"}}})");
  const Json config = tree_config(tree, {"shop", "marts", "big"});
  EXPECT_EQ(
      config,
      Json::parse(R"({"materialized": "table", "tags": ["all", "mart"], "schema": "marts", "meta": {"owner": "x"}})"));
}

TEST(Config, MergesByDbtsRules) {
  Json config = default_config(ResourceType::model);
  merge_config(config, Json::parse(R"({"pre_hook": "a", "tags": ["x"], "meta": {"a": 1}, "unique_key": ["k"]})"));
  merge_config(config, Json::parse(R"({"pre-hook": ["b"], "tags": ["x", "y"], "meta": {"b": 2}, "unique_key": "id"})"));
  EXPECT_EQ(config["pre-hook"].size(), 2U);
  EXPECT_EQ(config["pre-hook"][1]["sql"], "b");
  EXPECT_EQ(config["tags"], Json::parse(R"(["x", "y"])"));
  EXPECT_EQ(config["meta"], Json::parse(R"({"a": 1, "b": 2})"));
  EXPECT_EQ(config["unique_key"], "id");
}

TEST(GenericTest, NameAndTemplate) {
  const Json arguments = Json::parse(R"({"values": ["a b", "c"], "quote": false, "column_name": "status"})");
  EXPECT_EQ(generic_test_name("accepted_values", "orders", arguments).full_name,
            "accepted_values_orders_status__False__a_b__c");
  const TestName longer = generic_test_name("relationships", "a_model_of_a_rather_long_name_indeed",
                                            Json::parse(R"json({"to": "ref('other')", "field": "identifier"})json"));
  EXPECT_EQ(longer.full_name, "relationships_a_model_of_a_rather_long_name_indeed_identifier__ref_other_");
  EXPECT_EQ(longer.short_name.size(), 63U);
  TestMetadata test{
      "relationships", "shop",
      Json::parse(R"json({"to": "ref('other')", "field": "id", "n": null, "text": "{{ var('x') }}"})json")};
  EXPECT_EQ(
      generic_test_template(test, "ref(\"x\")"),
      R"json({{ shop.test_relationships(model=ref("x"), to=(ref('other')), field="id", n=none, text=(var('x'))) }})json");
}

// The ids are those of dbt's own example project, jaffle_shop.
TEST(GenericTest, IdIsThatOfDbt) {
  const auto id = [](const char* name, const char* column, const char* model) {
    const TestMetadata test{
        name, std::nullopt,
        Json{{"column_name", column}, {"model", fmt::format("{{{{ get_where_subquery(ref('{}')) }}}}", model)}}};
    return generic_test_id("jaffle_shop", generic_test_name(name, model, test.arguments).full_name, test);
  };
  EXPECT_EQ(id("unique", "customer_id", "customers"), "test.jaffle_shop.unique_customers_customer_id.c5af1ff4b1");
  EXPECT_EQ(id("not_null", "customer_id", "customers"), "test.jaffle_shop.not_null_customers_customer_id.5c9bf9911d");
  EXPECT_EQ(id("not_null", "order_id", "orders"), "test.jaffle_shop.not_null_orders_order_id.cf6c17daed");
}

TEST(Reference, ReadsWhatUnitTestsWrite) {
  EXPECT_EQ(parse_reference("ref('a')")->ref->name, "a");
  EXPECT_EQ(parse_reference(" ref( \"p\", 'a' ) ")->ref->package, "p");
  EXPECT_EQ(parse_reference("source('s', 't')")->source->table, "t");
  EXPECT_TRUE(parse_reference("this")->self);
  EXPECT_FALSE(parse_reference("select 1").ok());
}

TEST(IcebergType, CastsWhatIcebergDoesNotHave) {
  const auto stored = [](const char* type) {
    const Result<StoredType> result = stored_type(type);
    return result.ok() ? (result->needs_cast ? "cast to " : "") + result->duckdb : result.error().code;
  };
  EXPECT_EQ(stored("BIGINT"), "BIGINT");
  EXPECT_EQ(stored("HUGEINT"), "cast to DECIMAL(38,0)");
  EXPECT_EQ(stored("UTINYINT"), "cast to INTEGER");
  EXPECT_EQ(stored("TIMESTAMP WITH TIME ZONE"), "TIMESTAMP WITH TIME ZONE");
  EXPECT_EQ(stored("TIMESTAMP_NS"), "cast to TIMESTAMP");
  EXPECT_EQ(stored("ENUM('a', 'b)')"), "cast to VARCHAR");
  EXPECT_EQ(stored("DECIMAL(18, 3)"), "DECIMAL(18,3)");
  EXPECT_EQ(stored("STRUCT(a BIGINT, \"b \"\"c\" HUGEINT)[]"),
            "cast to STRUCT(\"a\" BIGINT, \"b \"\"c\" DECIMAL(38,0))[]");
  EXPECT_EQ(stored("MAP(VARCHAR, STRUCT(x DOUBLE[3]))"), "cast to MAP(VARCHAR, STRUCT(\"x\" DOUBLE[]))");
  EXPECT_EQ(stored("UNION(a INTEGER)"), "model.unsupported_type");
}

TEST(IcebergType, FieldIdsOfNestedColumns) {
  StoredColumns columns = stored_columns({{"a", "BIGINT"}, {"s", "STRUCT(x VARCHAR, l INTEGER[])"}}).value();
  catalog::assign_field_ids(columns.schema, 0);
  EXPECT_EQ(field_ids_option(columns.schema),
            R"({"a": 1, "s": {__duckdb_field_id: 2, "x": 3, "l": {__duckdb_field_id: 4, "element": 5}}})");
  EXPECT_EQ(duckdb_type(columns.schema.fields[1].type), "STRUCT(\"x\" VARCHAR, \"l\" INTEGER[])");
  EXPECT_EQ(stored_columns({{"a", "BIGINT"}, {"A", "BIGINT"}}).error().code, "model.duplicate_column");
}

TEST(Compiler, CtesGoBeforeTheModelsOwn) {
  const std::vector<std::pair<std::string, std::string>> ctes{{"x", "select 1"}};
  EXPECT_EQ(inject_ctes("select * from x", ctes), "with x as (\nselect 1\n)\nselect * from x");
  EXPECT_EQ(inject_ctes("-- with\n/* c */ WITH a as (select 2) select 3", ctes),
            "-- with\n/* c */ with x as (\nselect 1\n), a as (select 2) select 3");
  EXPECT_EQ(inject_ctes("with recursive a as (select 2) select 3", ctes),
            "with recursive x as (\nselect 1\n), a as (select 2) select 3");
  EXPECT_EQ(inject_ctes("within", ctes), "with x as (\nselect 1\n)\nwithin");
}

TEST(UnitTestRows, ReadsCsv) {
  EXPECT_EQ(csv_rows("a, b\n1,\"x, \"\"y\"\"\"\n,\"\"\n").value(),
            Json::parse(R"([{"a": "1", "b": "x, \"y\""}, {"a": null, "b": ""}])"));
  EXPECT_FALSE(csv_rows("a,b\n1\n").ok());
  EXPECT_FALSE(csv_rows("a\n\"1").ok());
}

}  // namespace
}  // namespace shoplake::model
