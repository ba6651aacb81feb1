#include "catalog/table_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "catalog/metadata_update.h"

namespace shoplake::catalog {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// The Apache Iceberg project's own examples; empty if SHOPLAKE_TEST_DATA is not set.
std::string example(const std::string& name) {
  const char* folder = std::getenv("SHOPLAKE_TEST_DATA");
  if (folder == nullptr) {
    return {};
  }
  std::ifstream file(std::string(folder) + "/iceberg/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

#define EXAMPLE_OR_SKIP(variable, name)                                           \
  const std::string variable = example(name);                                     \
  if (variable.empty()) {                                                         \
    GTEST_SKIP() << "SHOPLAKE_TEST_DATA is not set or has no iceberg/" << (name); \
  }

TEST(TableMetadata, ReadsVersion2) {
  EXAMPLE_OR_SKIP(text, "TableMetadataV2Valid.json");
  const auto metadata = TableMetadata::parse(text);
  ASSERT_TRUE(metadata.ok()) << to_string(metadata.error());
  EXPECT_EQ((*metadata)->format_version(), 2);
  EXPECT_EQ((*metadata)->uuid(), "9c12d441-03fe-4693-9a96-a0705ddf69c1");
  EXPECT_EQ((*metadata)->location(), "s3://bucket/test/location");
  EXPECT_EQ((*metadata)->last_sequence_number(), 34);
  EXPECT_EQ((*metadata)->current_schema().id, 1);
  EXPECT_EQ((*metadata)->current_schema().find("y")->doc, "comment");
  EXPECT_EQ((*metadata)->schema(0)->fields.size(), 1);
  EXPECT_EQ((*metadata)->default_spec().fields[0].transform, "identity");
  EXPECT_EQ((*metadata)->current_snapshot_id(), 3055729675574597004);
  EXPECT_EQ((*metadata)->current_snapshot()->parent_id, 3051729675574597004);
  EXPECT_EQ((*metadata)->snapshot_at(1515100955770)->id, 3051729675574597004);
  EXPECT_EQ((*metadata)->snapshot_at(1515100955769), nullptr);
  EXPECT_EQ((*metadata)->document(), json::parse(text)) << "nothing is lost";
}

TEST(TableMetadata, ReadsEveryValidExample) {
  for (const char* name :
       {"TableMetadataV1Valid.json", "TableMetadataV2ValidMinimal.json", "TableMetadataV3ValidMinimal.json",
        "TableMetadataStatisticsFiles.json", "TableMetadataPartitionStatisticsFiles.json"}) {
    EXAMPLE_OR_SKIP(text, name);
    const auto metadata = TableMetadata::parse(text);
    EXPECT_TRUE(metadata.ok()) << name << ": " << to_string(metadata.error());
  }
}

TEST(TableMetadata, RefusesEveryInvalidExampleByName) {
  const std::pair<const char*, const char*> examples[] = {
      {"TableMetadataUnsupportedVersion.json", "format version 42"},
      {"TableMetadataV1MissingSchemaType.json", "\"type\""},
      {"TableMetadataV2CurrentSchemaNotFound.json", "current schema 2"},
      {"TableMetadataV2MissingLastPartitionId.json", "last-partition-id"},
      {"TableMetadataV2MissingPartitionSpecs.json", "partition-specs"},
      {"TableMetadataV2MissingSchemas.json", "\"schemas\""},
      {"TableMetadataV2MissingSortOrder.json", "sort-orders"}};
  for (const auto& [name, reason] : examples) {
    EXAMPLE_OR_SKIP(text, name);
    json document = json::parse(text);
    if (std::string(name) == "TableMetadataV2CurrentSchemaNotFound.json" && !document.contains("last-partition-id")) {
      document["last-partition-id"] = 1000;  // the example lacks it besides
    }
    const auto metadata = TableMetadata::from_document(document);
    ASSERT_FALSE(metadata.ok()) << name;
    if (std::string(name) != "TableMetadataV2MissingPartitionSpecs.json" &&
        std::string(name) != "TableMetadataV2MissingSchemas.json") {
      EXPECT_THAT(metadata.error().message, HasSubstr(reason)) << name;
    }
    EXPECT_EQ(metadata.error().kind, base::ErrorKind::input);
  }
}

json minimal() {
  json document = empty_document("9c12d441-03fe-4693-9a96-a0705ddf69c1", 1);
  document["location"] = "/lake/t";
  Schema schema;
  schema.fields = {
      {1, "x", Type::primitive("long"), true, ""},
      {2, "s", Type::structure({{3, "l", Type::list(Type::primitive("decimal(9,2)")), false, ""}}), false, "a struct"}};
  schema.fields[1].type.fields[0].type.fields[0].id = 4;
  set_current_schema(document, add_schema(document, schema));
  complete_document(document);
  return document;
}

TEST(TableMetadata, DamageIsAnErrorAndNeverACrash) {
  const std::string text = dump_json(minimal());
  ASSERT_TRUE(TableMetadata::parse(text).ok());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(TableMetadata::parse(std::string_view(text).substr(0, size)).ok()) << size;
  }
  for (std::size_t position = 0; position < text.size(); ++position) {
    for (const char byte : {'\0', '"', '}', '9', '\xFF'}) {
      std::string damaged = text;
      damaged[position] = byte;
      (void)TableMetadata::parse(damaged).ok();
    }
  }
}

TEST(TableMetadata, MembersOfWrongTypesAreErrors) {
  const json good = minimal();
  for (const auto& [key, value] : good.items()) {
    for (const json& wrong :
         {json(nullptr), json(7), json("text"), json::array({1}), json::object({{"a", 1}}), json(1.5)}) {
      json document = good;
      document[key] = wrong;
      (void)TableMetadata::from_document(document).ok();
    }
  }
  json broken_ref = good;
  broken_ref["refs"] = {{"main", 5}};
  EXPECT_FALSE(TableMetadata::from_document(broken_ref).ok());
  std::string nested = "\"int\"";
  for (int depth = 0; depth < 5000; ++depth) {
    nested = R"({"type":"list","element-id":1,"element-required":false,"element":)" + nested + "}";
  }
  json deep = good;
  deep["schemas"][0]["fields"][0]["type"] = json::parse(nested);
  EXPECT_FALSE(TableMetadata::from_document(deep).ok());
}

TEST(Schema, JsonRoundTrip) {
  const json document = minimal();
  const auto schema = schema_from_json(document["schemas"][0]);
  ASSERT_TRUE(schema.ok());
  EXPECT_EQ(to_json(*schema), document["schemas"][0]);
  EXPECT_EQ(schema->find_id(4)->type.name, "decimal(9,2)");
  EXPECT_EQ(document["schemas"][0]["fields"][1]["type"]["fields"][0]["type"]["element"], "decimal(9, 2)");
}

TEST(Schema, RepeatedIdsAreRefused) {
  EXPECT_FALSE(
      schema_from_json(
          json::parse(
              R"({"type":"struct","fields":[{"id":1,"name":"a","type":"int","required":false},{"id":1,"name":"b","type":"int","required":false}]})"))
          .ok());
}

TEST(Schema, PlansPromotionsUnderTheSameId) {
  Schema current;
  current.fields = {{1, "i", Type::primitive("int"), false, ""},
                    {2, "d", Type::primitive("decimal(9,2)"), false, ""},
                    {3, "s", Type::structure({{4, "a", Type::primitive("float"), false, ""}}), false, ""},
                    {5, "t", Type::primitive("string"), false, ""}};
  Schema wanted;
  wanted.fields = {
      {0, "d", Type::primitive("decimal(18,2)"), false, ""},
      {0, "i", Type::primitive("long"), false, ""},
      {0, "s",
       Type::structure({{0, "b", Type::primitive("int"), false, ""}, {0, "a", Type::primitive("double"), false, ""}}),
       false, ""},
      {0, "t", Type::primitive("long"), false, ""}};
  std::int32_t last = 5;
  const Schema planned = plan_replacement(current, wanted, last);
  EXPECT_EQ(planned.find("i")->id, 1);
  EXPECT_EQ(planned.find("d")->id, 2);
  EXPECT_EQ(planned.find("s")->id, 3);
  EXPECT_EQ(planned.find("s")->type.fields[1].id, 4);
  EXPECT_EQ(planned.find("t")->id, 6);
  EXPECT_EQ(planned.find("s")->type.fields[0].id, 7);
  EXPECT_EQ(last, 7);

  last = 5;
  EXPECT_FALSE(plan_evolution(current, wanted, last).ok());
  wanted.fields.pop_back();
  const auto evolved = plan_evolution(current, wanted, last);
  ASSERT_TRUE(evolved.ok());
  EXPECT_EQ(evolved->fields.size(), 4);
  EXPECT_EQ(evolved->find("i")->type.name, "long");
  EXPECT_EQ(evolved->find("s")->type.fields[1].id, 6);
}

TEST(MetadataUpdate, UpgradesVersion1) {
  EXAMPLE_OR_SKIP(text, "TableMetadataV1Valid.json");
  json document = json::parse(text);
  upgrade_document(document, "");
  const auto metadata = TableMetadata::from_document(document);
  ASSERT_TRUE(metadata.ok()) << to_string(metadata.error());
  EXPECT_EQ((*metadata)->format_version(), 2);
  EXPECT_EQ((*metadata)->default_spec().fields[0].field_id, 1000);
}

TEST(MetadataUpdate, FreshIdsGoLevelByLevel) {
  json schema = json::parse(R"({"type":"struct","identifier-field-ids":[9],"fields":[
      {"id":5,"name":"s","required":false,"type":{"type":"struct","fields":[{"id":6,"name":"inner","required":false,"type":"int"}]}},
      {"id":9,"name":"k","required":true,"type":"long"}]})");
  json spec = json::parse(R"({"fields":[{"source-id":9,"name":"k","transform":"identity"}]})");
  json order;
  ASSERT_TRUE(assign_fresh_ids(schema, spec, order).ok());
  EXPECT_EQ(schema["fields"][0]["id"], 1);
  EXPECT_EQ(schema["fields"][1]["id"], 2);
  EXPECT_EQ(schema["fields"][0]["type"]["fields"][0]["id"], 3);
  EXPECT_EQ(schema["identifier-field-ids"][0], 2);
  EXPECT_EQ(spec["fields"][0]["source-id"], 2);
}

TEST(MetadataUpdate, KeepsAttributesThatSchemasDoNotHold) {
  json document = minimal();
  document["schemas"][0]["identifier-field-ids"] = {1};
  document["schemas"][0]["fields"][0]["write-default"] = 7;
  Schema schema = *schema_from_json(document["schemas"][0]);
  schema.fields.push_back({5, "new", Type::primitive("string"), false, ""});
  const auto id = add_schema(document, schema);
  EXPECT_EQ(id, 1);
  EXPECT_EQ(document["schemas"][1]["identifier-field-ids"], json::array({1}));
  EXPECT_EQ(document["schemas"][1]["fields"][0]["write-default"], 7);
  EXPECT_EQ(document["last-column-id"], 5);
}

TEST(MetadataUpdate, MetadataLogIsBounded) {
  json document = minimal();
  set_property(document, "write.metadata.previous-versions-max", "2");
  EXPECT_TRUE(add_metadata_log(document, "/a", 1).empty());
  EXPECT_TRUE(add_metadata_log(document, "/b", 2).empty());
  EXPECT_THAT(add_metadata_log(document, "/c", 3), testing::ElementsAre("/a"));
  EXPECT_EQ(document["metadata-log"].size(), 2);
}

}  // namespace
}  // namespace shoplake::catalog
