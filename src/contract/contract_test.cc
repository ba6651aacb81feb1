#include "contract/contract.h"

#include <gtest/gtest.h>

namespace shoplake::contract {
namespace {

// A valid contract whose line 7 begins the fields.
std::string with(std::string_view fields, std::string_view more = "") {
  return "dataset: d\ntable: processed.d\npartition_by: event_date\nunknown_fields: {keep_in: _extra}\n" +
         std::string(more) + "\nfields:\n" + std::string(fields);
}
constexpr std::string_view kDate = "  - {name: event_date, type: string, format: yyyymmdd, required: true}\n";

TEST(ContractTest, ReadsTheContractOfEvents) {
  auto contract = load_contract(io::posix_env(), SHOPLAKE_SOURCE_DIR "/datasets", "events");
  ASSERT_TRUE(contract.ok()) << base::to_string(contract.error());
  EXPECT_EQ(contract->fields.size(), 31U);
  EXPECT_EQ(contract->table, "processed.events");
  EXPECT_EQ(contract->event_identity, EventIdentity::canonical);
  const Field* params = contract->find("event_params");
  ASSERT_NE(params, nullptr);
  ASSERT_EQ(params->type, Type::list);
  EXPECT_EQ(params->fields[0].type, Type::structure);
  EXPECT_EQ(params->fields[0].fields[1].fields[0].treatment, Treatment::mask);
}

TEST(ContractTest, UnknownDatasetNamesTheKnownOnes) {
  const auto contract = load_contract(io::posix_env(), SHOPLAKE_SOURCE_DIR "/datasets", "event");
  ASSERT_FALSE(contract.ok());
  EXPECT_EQ(contract.error().code, "contract.unknown_dataset");
  EXPECT_NE(contract.error().advice.find("events"), std::string::npos);
  EXPECT_EQ(load_contract(io::posix_env(), SHOPLAKE_SOURCE_DIR "/datasets", "../datasets/events").error().code,
            "contract.unknown_dataset");
}

TEST(ContractTest, MistakesAreNamedWithTheirLine) {
  struct Case {
    std::string yaml;
    std::string_view error;
  };
  const std::string date(kDate);
  const Case cases[] = {
      {"dataset: [", "c.yml:1: "},
      {"a: 1", "c.yml:1: unknown key \"a\""},
      {with(date + "  - {name: a, type: text}\n"),
       "c.yml:8: type \"text\" is not known; known are string, long, double, boolean, struct, list"},
      {with(date + "  - {name: a}\n"), "c.yml:8: field a has no type"},
      {with(date + "  - {name: a, type: long, pi: none}\n"), "c.yml:8: unknown key \"pi\""},
      {with(date + "  - {name: a, type: long}\n  - {name: a, type: long}\n"), "c.yml:9: field a is declared twice"},
      {with(date + "  - {name: a, type: long, treatment: mask}\n"), "c.yml:8: field a: mask needs type string"},
      {with(date + "  - {name: a, type: string, pii: direct}\n"),
       "c.yml:8: field a is classed as direct PII but has no treatment"},
      {with(date + "  - {name: a, type: struct}\n"), "c.yml:8: field a: a struct needs fields"},
      {with(date + "  - {name: a, type: list}\n"), "c.yml:8: field a: a list needs either fields"},
      {with(date + "  - {name: a, type: list, treatment: drop, element: {type: string}}\n"),
       "c.yml:8: field a: a treatment is given to single values"},
      {with(date + "  - {name: a, type: struct, fields: [{name: b, type: long, required: true}]}\n"),
       "c.yml:8: field a.b: only top-level fields can be required"},
      {with(date + "  - {name: _extra, type: long}\n"), "keep_in names _extra, which is a field"},
      {with(date + "  - {name: _shoplake_x, type: long}\n"), "names that begin with _shoplake_ are reserved"},
      {with("  - {name: event_date, type: string}\n"), "partition_by names event_date, which must be a required"},
      {with(date, "event_identity: canonical"), "c.yml:5: the event identity needs the field event_name"},
      {with(date, "record_bytes_max: 0"), "c.yml:5: record_bytes_max must be a number from 1"},
  };
  for (const Case& c : cases) {
    const auto contract = parse_contract(c.yaml, "c.yml");
    ASSERT_FALSE(contract.ok()) << c.yaml;
    EXPECT_EQ(contract.error().kind, base::ErrorKind::usage);
    EXPECT_NE(contract.error().message.find(c.error), std::string::npos) << contract.error().message << "\n" << c.yaml;
  }
  EXPECT_TRUE(parse_contract(with(date), "c.yml").ok());
}

}  // namespace
}  // namespace shoplake::contract
