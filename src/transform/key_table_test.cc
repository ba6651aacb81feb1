// Keys are found in any order, whatever was found before them.
#include "transform/key_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace shoplake::transform {
namespace {

// With the padding that find() reads.
std::uint16_t find(KeyTable& table, std::uint16_t previous, const std::string& key) {
  const std::string padded = key + std::string(8, 'x');
  return table.find(previous, padded.data(), key.size());
}

TEST(KeyTable, FindsKeysInAnyOrder) {
  const std::vector<std::string> names{"event_name", "event_date", "id", "event_name_two", "", "12345678"};
  KeyTable table;
  for (std::size_t index = 0; index < names.size(); ++index)
    table.add(names[index], static_cast<std::uint16_t>(100 + index));
  table.finish();
  for (std::size_t first = 0; first < names.size(); ++first) {
    for (std::size_t second = 0; second < names.size(); ++second) {
      const std::uint16_t one = find(table, KeyTable::kUnknown, names[first]);
      ASSERT_NE(one, KeyTable::kUnknown) << names[first];
      EXPECT_EQ(table.node(one), 100 + first);
      const std::uint16_t two = find(table, one, names[second]);
      ASSERT_NE(two, KeyTable::kUnknown) << names[second] << " after " << names[first];
      EXPECT_EQ(table.node(two), 100 + second);
    }
  }
}

TEST(KeyTable, DoesNotFindWhatOnlyBeginsLikeAKey) {
  KeyTable table;
  table.add("event_name", 1);
  table.finish();
  for (const char* other : {"", "event_nam", "event_names", "event_nama", "Event_name"})
    EXPECT_EQ(find(table, KeyTable::kUnknown, other), KeyTable::kUnknown) << other;
  EXPECT_EQ(table.node(find(table, KeyTable::kUnknown, "event_name")), 1);
}

}  // namespace
}  // namespace shoplake::transform
