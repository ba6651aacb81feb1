#include "wal/consumers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/temporary_directory.h"

namespace shoplake::wal {
namespace {

TEST(Consumers, MoveWithTheTransactionThatTheyAreIn) {
  const io::TemporaryDirectory folder;
  const auto database = io::Database::open(folder.file("state.sqlite")).value();
  ASSERT_TRUE(prepare_consumers(*database).ok());
  ASSERT_TRUE(prepare_consumers(*database).ok());
  EXPECT_FALSE(consumer_positions(*database).value());
  EXPECT_FALSE(find_consumer(*database, "live").value());
  EXPECT_EQ(ensure_consumer(*database, "live", 5, 1).value(), 5u);
  EXPECT_EQ(ensure_consumer(*database, "live", 9, 2).value(), 5u);
  EXPECT_EQ(ensure_consumer(*database, "deliver", 7, 2).value(), 7u);
  {
    auto transaction = io::Transaction::begin(*database).value();
    ASSERT_TRUE(move_consumer(*database, "live", {5, 20}, 3).ok());
  }
  EXPECT_EQ(find_consumer(*database, "live").value(), 5u);  // rolled back
  auto transaction = io::Transaction::begin(*database).value();
  ASSERT_TRUE(move_consumer(*database, "live", {5, 20}, 3).ok());
  ASSERT_TRUE(transaction.commit().ok());
  EXPECT_EQ(find_consumer(*database, "live").value(), 20u);
  EXPECT_EQ(consumer_positions(*database).value()->min, 7u);
  EXPECT_EQ(consumer_positions(*database).value()->max, 20u);

  const auto again = move_consumer(*database, "live", {5, 21}, 4);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, "wal.consumer_moved");
  EXPECT_EQ(again.error().kind, base::ErrorKind::conflict);

  const auto consumers = list_consumers(*database).value();
  ASSERT_EQ(consumers.size(), 2u);
  EXPECT_EQ(consumers[1].name, "live");
  EXPECT_EQ(consumers[1].next, 20u);
  EXPECT_EQ(consumers[1].moved_at_micros, 3);
  ASSERT_TRUE(remove_consumer(*database, "live").ok());
  ASSERT_TRUE(remove_consumer(*database, "live").ok());
  EXPECT_EQ(list_consumers(*database)->size(), 1u);
}

}  // namespace
}  // namespace shoplake::wal
