// When a dropped file counts as complete.
#include "app/drops.h"

#include <gtest/gtest.h>

namespace shoplake::app {
namespace {

TEST(Settling, GoesByWhoHasTheFileOpen) {
  constexpr std::int64_t kModified = 1'000'000'000;
  struct Case {
    std::uint64_t size_bytes;
    io::Writers writers;
    std::int64_t waits_micros;
  };
  for (const Case& row :
       {Case{10, io::Writers::none, kClosedSettleMicros}, Case{0, io::Writers::none, kSettleMicros},
        Case{10, io::Writers::unknown, kSettleMicros}, Case{0, io::Writers::unknown, kSettleMicros},
        Case{10, io::Writers::some, kOpenSettleMicros}, Case{0, io::Writers::some, kOpenSettleMicros}})
    EXPECT_EQ(settled_at_micros(row.size_bytes, kModified, row.writers) - kModified, row.waits_micros);
}

}  // namespace
}  // namespace shoplake::app
