#include "contract/contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

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

TEST(ContractTest, ReadsTheContractOfClickstream) {
  auto contract = load_contract(io::posix_env(), SHOPLAKE_SOURCE_DIR "/datasets", "clickstream");
  ASSERT_TRUE(contract.ok()) << base::to_string(contract.error());
  EXPECT_EQ(contract->table, "processed.clickstream");
  EXPECT_EQ(contract->event_id_column(), "event_id");
  ASSERT_NE(contract->partition_time(), nullptr);
  EXPECT_EQ(contract->partition_time()->name, "timestamp");
  ASSERT_NE(contract->find_computed("revenue"), nullptr);
  EXPECT_EQ(contract->find_computed("revenue")->expression.type, Type::real);
  EXPECT_EQ(contract->find_computed("event_date")->expression.type, Type::date);
  EXPECT_EQ(contract->find("ip")->treatment, Treatment::drop);
  EXPECT_EQ(contract->find("utm_source")->also, std::vector<std::string>{"utm.source"});
}

TEST(ContractTest, ComputedFieldsMayNameOnesThatComeLater) {
  const auto contract = parse_contract(with("  - {name: event_date, type: string, format: yyyymmdd, required: true}\n"
                                            "  - {name: n, type: long}\n",
                                            "computed: {twice: more * 2, more: n + 1}"),
                                       "c.yml");
  ASSERT_TRUE(contract.ok()) << base::to_string(contract.error());
  EXPECT_EQ(contract->computed[0].name, "twice");
  EXPECT_THAT(contract->computed_order, testing::ElementsAre(1, 0));
}

TEST(ContractTest, TablesAreDividedByDayMonthOrNothing) {
  const auto partitioning = [](const std::string& by) {
    const auto contract = parse_contract("dataset: d\ntable: p.d\npartition_by: " + by +
                                             "\nunknown_fields: {keep_in: e}\n"
                                             "computed: {y: year(at), m: month(at), d: day(at), on: date(at)}\n"
                                             "fields:\n  - {name: at, type: timestamp, required: true}\n"
                                             "  - {name: day, type: date, required: true}\n",
                                         "c.yml");
    EXPECT_TRUE(contract.ok()) << base::to_string(contract.error());
    return contract->partitioning;
  };
  EXPECT_EQ(partitioning("none").by, Partitioning::By::nothing);
  EXPECT_THAT(partition_values(partitioning("none"), ""), testing::ElementsAre());
  EXPECT_EQ(partitioning("on").source, "at");
  EXPECT_EQ(partitioning("day").source, "day");
  EXPECT_THAT(partition_values(partitioning("day"), "2026-01-09"), testing::ElementsAre("2026-01-09"));
  EXPECT_EQ(partitioning("[y, m]").by, Partitioning::By::month);
  EXPECT_THAT(partition_values(partitioning("[y, m]"), "2026-11"), testing::ElementsAre("2026", "11"));
  EXPECT_THAT(partition_values(partitioning("[y, m, d]"), "0026-01-09"), testing::ElementsAre("26", "1", "9"));
}

TEST(ContractTest, AllThatComeWithShoplakeAreValid) {
  for (const char* name : {"clickstream", "events", "ga4_report", "products", "reviews", "transactions"}) {
    const auto contract = load_contract(io::posix_env(), SHOPLAKE_SOURCE_DIR "/datasets", name);
    ASSERT_TRUE(contract.ok()) << base::to_string(contract.error());
  }
  const auto contract = load_contract(io::posix_env(), SHOPLAKE_SOURCE_DIR "/datasets", "transactions");
  const ComputedField* revenue = contract->find_computed("revenue");
  ASSERT_NE(revenue, nullptr);
  EXPECT_EQ(revenue->expression.type, Type::decimal);
  EXPECT_EQ(revenue->expression.decimal, (DecimalShape{18, 3}));
  EXPECT_EQ(contract->retention.raw_days, 30);
  EXPECT_EQ(contract->expectations.front().severity, Expectation::Severity::block);
}

TEST(ContractTest, UnknownDatasetNamesTheKnownOnes) {
  const auto contract = load_contract(io::posix_env(), SHOPLAKE_SOURCE_DIR "/datasets", "event");
  ASSERT_FALSE(contract.ok());
  EXPECT_EQ(contract.error().code, "contract.unknown_dataset");
  EXPECT_NE(contract.error().advice.find("events"), std::string::npos);
  EXPECT_EQ(load_contract(io::posix_env(), SHOPLAKE_SOURCE_DIR "/datasets", "../datasets/events").error().code,
            "contract.unknown_dataset");
}

// "c.yml:8:5: what" as "c.yml:8: what".
std::string without_column(const std::string& message) {
  return std::regex_replace(message, std::regex("^(c[.]yml:[0-9]+):[0-9]+: "), "$1: ");
}

TEST(ContractTest, MistakesAreNamedWithTheirColumn) {
  const auto contract = parse_contract(with(std::string(kDate) + "  - {name: a, type: number}\n"), "c.yml");
  ASSERT_FALSE(contract.ok());
  EXPECT_EQ(contract.error().message.substr(0, 12), "c.yml:8:21: ");
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
       "c.yml:8: type \"text\" is not known; known are string, long, double, decimal(p,s), boolean, timestamp, date, "
       "struct, list"},
      {with(date + "  - {name: a}\n"), "c.yml:8: field a has no type"},
      {with(date + "  - {name: a, type: long, pi: none}\n"), "c.yml:8: unknown key \"pi\""},
      {with(date + "  - {name: a, type: long}\n  - {name: a, type: long}\n"), "c.yml:9: field a is declared twice"},
      {with(date + "  - {name: a, type: long, treatment: mask}\n"), "c.yml:8: field a: mask needs type string"},
      {with(date + "  - {name: a, type: string, min: 1}\n"), "c.yml:8: field a: a string has min_length"},
      {with(date + "  - {name: a, type: long, max: 1.5}\n"), "c.yml:8: field a: max must be an integer"},
      {with(date + "  - {name: a, type: long, min: 2, max: 1}\n"), "c.yml:8: field a: min is more than max"},
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
      {with(date + "  - {name: a, type: timestamp, min: noon}\n"), "c.yml:8: field a: min must be a time as"},
      {with(date + "  - {name: a, type: string, pii: direct, treatment: drop, required: true}\n"),
       "c.yml:8: field a: what is dropped cannot be required"},
      {with(date + "  - {name: a, type: struct, fields: [{name: b, type: long, treatment: drop}]}\n"),
       "c.yml:8: field a: all its fields are dropped"},
      {with(date + "  - {name: a, type: string, also: [a.b.c]}\n"), "c.yml:8: field a: \"a.b.c\" is no name"},
      {with(date + "  - {name: a, type: string, also: [event_date]}\n"),
       "c.yml:8: field a: \"event_date\" belongs to another field"},
      {with(date + "  - {name: a, type: string, also: [utm.x]}\n  - {name: b, type: string, also: [utm]}\n"),
       "c.yml:9: field b: \"utm\" belongs to another field"},
      {with(date + "  - {name: a, type: string, also: [x]}\n  - {name: b, type: string, also: [x]}\n"),
       "c.yml:9: field b: \"x\" belongs to another field"},
      {with(date + "  - {name: a, type: struct, fields: [{name: b, type: long, also: [c]}]}\n"),
       "c.yml:8: field a.b: only top-level fields can have other places"},
      {with(date, "computed: {}"), "c.yml:5: computed must be a mapping"},
      {with(date, "computed: {x: 'event_date + 1'}"),
       "c.yml:5: computed field x: at column 12: + has values of the types string and long"},
      {with(date, "computed: {x: y, y: z, z: x}"),
       "c.yml:5: computed field z: at column 1: it depends on itself: x → y → z → x"},
      {with(date, "computed: {event_date: '1'}"), "c.yml:5: field event_date is declared twice"},
      {with(date, "computed: {_extra: '1'}"), "keep_in names _extra, which is a field"},
      {with(date, "computed: {_shoplake_x: '1'}"), "_shoplake_x: names that begin with _shoplake_ are reserved"},
      {with(date + "  - {name: e, type: string, pii: direct, treatment: drop}\n", "computed: {x: lower(e)}"),
       "c.yml:5: computed field x: at column 7: e is dropped; nothing may be computed of it"},
      {with(date + "  - {name: a, type: struct, fields: [{name: b, type: long}]}\n", "computed: {x: a is null}"),
       "a is a struct; only single values can be used"},
      {with(date + "  - {name: a, type: \"decimal(19,2)\"}\n"), "c.yml:8: field a: type \"decimal(19,2)\" is not"},
      {with(date + "  - {name: a, type: \"decimal(4,2)\", min: 0.001}\n"), "field a: min must be a decimal(4,2)"},
      {with(date + "  - {name: a, type: boolean, min: 1}\n"), "field a: min and max need type long, double"},
      {with(date + "  - {name: a, type: double, min: x}\n"), "field a: min must be a number"},
      {with(date + "  - {name: a, type: date, max: noon}\n"), "field a: max must be a day as"},
      {with(date + "  - {name: a, type: date, format: \"%H\"}\n"), "field a: the format \"%H\" needs a year"},
      {with(date + "  - {name: a, type: date, format: \"%Y-%m-%d %H\"}\n"), "the format of a date has no time of day"},
      {with(date + "  - {name: a, type: long, pattern: x}\n"), "field a: pattern needs type string"},
      {with(date + "  - {name: a, type: string, pattern: \"[a\"}\n"), "at column 3: a class is not closed"},
      {with(date + "  - {name: a, type: double, values: [1]}\n"), "field a: values need type string or long"},
      {with(date + "  - {name: a, type: string, min_length: 3, max_length: 2}\n"),
       "min_length is more than max_length"},
      {with(date, "key: [a]"), "c.yml:5: key names a, which must be a required field"},
      {with(date, "on_duplicate_key: reject"), "on_duplicate_key needs key"},
      {with(date, "csv: {delimiter: ab}"), "delimiter must be one ASCII character"},
      {with(date, "csv: {thousands_separator: .}"), "decimal_point and thousands_separator must differ"},
      {with(date, "csv: {header: false}"), "without a header the delimiter must be declared"},
      {with(date, "retention: {raw: a while}"), "raw must be a number of days"},
      {with(date, "expectations: [RowCount]"), "c.yml:5: "},
      {with(date, "expectations: ['IsUnique \"x\"']"), "the table has no column x"},
      {"dataset: d\ntable: p.d\npartition_by: [y, d]\nunknown_fields: {keep_in: e}\n"
       "computed: {y: year(at), d: day(at)}\nfields:\n  - {name: at, type: timestamp, required: true}\n",
       "c.yml:3: partition_by must name one column, or a year and a month"},
      {with(date, "event_identity: client_id"), "client_id needs client_event_id to name one field"},
      {with(date, "event_identity: client_id\nclient_event_id: [a]"),
       "client_id needs a to be a required top-level string that is kept"},
      {"dataset: d\ntable: p.d\npartition_by: day\nunknown_fields: {keep_in: e}\ncomputed: {day: date(at)}\nfields:\n"
       "  - {name: at, type: timestamp}\n",
       "c.yml:3: partition_by names day, which must be date(<field>) of a required timestamp"},
  };
  for (const Case& c : cases) {
    const auto contract = parse_contract(c.yaml, "c.yml");
    ASSERT_FALSE(contract.ok()) << c.yaml;
    EXPECT_EQ(contract.error().kind, base::ErrorKind::usage);
    EXPECT_NE(without_column(contract.error().message).find(c.error), std::string::npos)
        << contract.error().message << "\n"
        << c.yaml;
  }
  EXPECT_TRUE(parse_contract(with(date), "c.yml").ok());
}

// What a refusal says that it knows: "…; known are a, b, c".
std::vector<std::string> known_of(const std::string& yaml) {
  const auto contract = parse_contract(yaml, "c.yml");
  if (contract.ok())
    return {"everything"};
  const std::string& message = contract.error().message;
  const std::string_view before = "known are ";
  const std::size_t at = message.find(before);
  if (at == std::string::npos)
    return {message};
  std::vector<std::string> names(1);
  for (char c : message.substr(at + before.size())) {
    if (c == ',') {
      names.emplace_back();
    } else if (c != ' ') {
      names.back() += c;
    }
  }
  return names;
}

TEST(ContractTest, TheSchemaForEditorsKnowsWhatTheParserKnows) {
  const auto text = io::posix_env().read_file(SHOPLAKE_SOURCE_DIR "/datasets/contract.schema.json");
  ASSERT_TRUE(text.ok());
  const auto schema = nlohmann::json::parse(*text);
  const auto keys = [&](const std::string& pointer) {
    std::vector<std::string> names;
    for (const auto& [key, value] : schema.at(nlohmann::json::json_pointer(pointer + "/properties")).items())
      names.push_back(key);
    return names;
  };
  const auto choices = [&](const std::string& pointer) {
    return schema.at(nlohmann::json::json_pointer(pointer + "/enum")).get<std::vector<std::string>>();
  };
  using testing::UnorderedElementsAreArray;
  const std::string date(kDate);
  const auto field = [&](const std::string& body) { return known_of(with(date + "  - {name: a, " + body + "}\n")); };

  EXPECT_THAT(known_of("x: 1"), UnorderedElementsAreArray(keys("")));
  EXPECT_THAT(known_of("dataset: d\ntable: p.d\npartition_by: event_date\nunknown_fields: {x: 1}\n"),
              UnorderedElementsAreArray(keys("/properties/unknown_fields")));
  EXPECT_THAT(
      known_of("dataset: d\ntable: p.d\npartition_by: event_date\nunknown_fields: {keep_in: e, treatment: x}\n"),
      UnorderedElementsAreArray(choices("/properties/unknown_fields/properties/treatment")));
  EXPECT_THAT(known_of(with(date, "event_identity: x")),
              UnorderedElementsAreArray(choices("/properties/event_identity")));
  EXPECT_THAT(field("x: 1"), UnorderedElementsAreArray(keys("/definitions/field")));
  EXPECT_THAT(field("type: list, element: {x: 1}"), UnorderedElementsAreArray(keys("/definitions/element")));
  auto types = choices("/definitions/field/properties/type/anyOf/0");
  types.insert(types.end(), {"decimal(p", "s)"});
  EXPECT_THAT(field("type: x"), UnorderedElementsAreArray(types));
  EXPECT_THAT(known_of(with(date, "csv: {x: 1}")), UnorderedElementsAreArray(keys("/properties/csv")));
  EXPECT_THAT(known_of(with(date, "csv: {encoding: x}")),
              UnorderedElementsAreArray(choices("/properties/csv/properties/encoding")));
  EXPECT_THAT(known_of(with(date, "on_changed_file: x")),
              UnorderedElementsAreArray(choices("/properties/on_changed_file")));
  EXPECT_THAT(known_of(with(date, "on_duplicate_key: x")),
              UnorderedElementsAreArray(choices("/properties/on_duplicate_key")));
  EXPECT_THAT(known_of(with(date, "classification: x")),
              UnorderedElementsAreArray(choices("/properties/classification")));
  EXPECT_THAT(known_of(with(date, "retention: {x: 1}")), UnorderedElementsAreArray(keys("/properties/retention")));
  EXPECT_THAT(field("type: string, pii: x"), UnorderedElementsAreArray(choices("/definitions/pii")));
  EXPECT_THAT(field("type: string, treatment: x"), UnorderedElementsAreArray(choices("/definitions/treatment")));
  EXPECT_EQ(schema["properties"]["record_bytes_max"]["maximum"], kRecordBytesMaxLimit);
  EXPECT_EQ(schema["properties"]["record_bytes_max"]["default"], kRecordBytesMaxDefault);
}

}  // namespace
}  // namespace shoplake::contract
