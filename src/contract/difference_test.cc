#include "contract/difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoplake::contract {
namespace {

constexpr std::string_view kHead = "dataset: d\ntable: p.d\npartition_by: none\nunknown_fields: {keep_in: e}\n";

Contract contract(const std::string& body) {
  auto parsed = parse_contract(std::string(kHead) + body, "d.yml");
  EXPECT_TRUE(parsed.ok()) << body << base::to_string(parsed.error());
  return std::move(parsed).value();
}

std::vector<std::string> found(const std::string& older, const std::string& newer) {
  std::vector<std::string> result;
  for (const Difference& difference : differences(contract(older), contract(newer)))
    result.push_back(std::string(name(difference.effect)) + " " + difference.place);
  return result;
}

std::string fields(const std::string& more) { return "fields:\n  - {name: id, type: string}\n" + more; }

TEST(DifferenceTest, TellsWhatBreaks) {
  struct Case {
    std::string older;
    std::string newer;
    std::vector<std::string> found;
  };
  const Case cases[] = {
      {fields(""), fields(""), {}},
      {fields(""), fields("  - {name: a, type: long}\n"), {"compatible a"}},
      {fields(""), fields("  - {name: a, type: long, required: true}\n"), {"breaking a"}},
      {fields("  - {name: a, type: long}\n"), fields(""), {"breaking a"}},
      {fields("  - {name: a, type: long}\n"), fields("  - {name: a, type: double}\n"), {"breaking a"}},
      {fields("  - {name: a, type: \"decimal(9,2)\"}\n"),
       fields("  - {name: a, type: \"decimal(12,2)\"}\n"),
       {"compatible a"}},
      {fields("  - {name: a, type: \"decimal(12,2)\"}\n"),
       fields("  - {name: a, type: \"decimal(9,2)\"}\n"),
       {"breaking a"}},
      {fields("  - {name: a, type: \"decimal(12,2)\"}\n"),
       fields("  - {name: a, type: \"decimal(14,3)\"}\n"),
       {"breaking a"}},
      {fields("  - {name: a, type: long}\n"), fields("  - {name: a, type: long, required: true}\n"), {"stricter a"}},
      {fields("  - {name: a, type: long, min: 0}\n"),
       fields("  - {name: a, type: long, min: -1, max: 5}\n"),
       {"stricter a", "compatible a"}},
      {fields("  - {name: a, type: string, values: [x]}\n"),
       fields("  - {name: a, type: string, values: [y, x]}\n"),
       {"compatible a"}},
      {fields("  - {name: a, type: string, values: [x, y]}\n"),
       fields("  - {name: a, type: string, values: [y]}\n"),
       {"stricter a"}},
      {fields("  - {name: a, type: string}\n"),
       fields("  - {name: a, type: string, treatment: drop}\n"),
       {"breaking a"}},
      {fields("  - {name: a, type: string}\n"),
       fields("  - {name: b, type: string, also: [a]}\n"),
       {"compatible b", "breaking a"}},
      {fields("  - {name: a, type: string}\n"), fields("  - {name: a, type: string, also: [b]}\n"), {"compatible a"}},
      {fields("  - {name: s, type: struct, fields: [{name: x, type: long}]}\n"),
       fields("  - {name: s, type: struct, fields: [{name: x, type: string}, {name: y, type: long}]}\n"),
       {"breaking s.x", "compatible s.y"}},
      {fields("  - {name: l, type: list, element: {type: long}}\n"),
       fields("  - {name: l, type: list, element: {type: string}}\n"),
       {"breaking l[]"}},
      {"computed: {c: length(id)}\n" + fields(""), "computed: {c: length(id) + 1}\n" + fields(""), {"compatible c"}},
      {"computed: {c: length(id)}\n" + fields(""), "computed: {c: lower(id)}\n" + fields(""), {"breaking c"}},
      {"computed: {c: length(id)}\n" + fields(""), fields(""), {"breaking c"}},
  };
  for (const Case& c : cases)
    EXPECT_EQ(found(c.older, c.newer), c.found) << c.older << c.newer;
}

}  // namespace
}  // namespace shoplake::contract
