#include "live/cold_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "io/temporary_directory.h"

namespace shoplake::live {
namespace {

using Place = ColdRows::Place;

std::uint64_t hash(std::uint64_t key) {  // 44 bits
  return (key * 0x9E3779B97F4A7C15ull) >> (64 - ColdRows::kHashBits);
}

std::vector<Place> find(const ColdRows& rows, std::size_t key, const std::vector<std::uint64_t>& hashes) {
  std::vector<ColdRows::Row> found;
  EXPECT_TRUE(rows.find(key, hashes, found).ok());
  std::vector<Place> places;
  for (const ColdRows::Row& row : found)
    places.push_back(row.place);
  std::sort(places.begin(), places.end());
  return places;
}

std::vector<ColdRows::Row> rows_of(const ColdRows& rows, std::size_t key, std::uint64_t value) {
  std::vector<ColdRows::Row> found;
  EXPECT_TRUE(rows.find(key, std::vector<std::uint64_t>{hash(value)}, found).ok());
  return found;
}

TEST(ColdRows, FindsRowsByEachKey) {
  ColdRows rows(2);
  ASSERT_TRUE(rows.add({{1, 0}, {1, 7}, {4, 2}}, {{hash(10), hash(10), hash(11)}, {hash(5), hash(6), hash(5)}}).ok());
  EXPECT_EQ(find(rows, 0, {hash(10)}), (std::vector<Place>{{1, 0}, {1, 7}}));
  EXPECT_EQ(find(rows, 1, {hash(5), hash(6)}), (std::vector<Place>{{1, 0}, {1, 7}, {4, 2}}));
  EXPECT_TRUE(find(rows, 0, {hash(5)}).empty());
  EXPECT_EQ(rows.files(), (std::vector<std::int32_t>{1, 4}));
  EXPECT_TRUE(find(ColdRows(1), 0, {hash(5)}).empty());
}

TEST(ColdRows, WhatWasTakenIsNotFoundAgain) {
  ColdRows rows(1);
  ASSERT_TRUE(rows.add({{1, 0}, {1, 1}, {1, 2}}, {{hash(1), hash(2), hash(2)}}).ok());
  auto taken = rows_of(rows, 0, 2);
  taken.push_back(taken.front());  // twice
  rows.take(taken);
  EXPECT_TRUE(find(rows, 0, {hash(2)}).empty());
  EXPECT_EQ(find(rows, 0, {hash(1)}), (std::vector<Place>{{1, 0}}));
  EXPECT_EQ(rows.count(), 1u);
}

TEST(ColdRows, RowsMoveWithTheirFile) {
  ColdRows rows(1);
  ASSERT_TRUE(rows.add({{1, 0}, {1, 5}, {2, 5}}, {{hash(1), hash(2), hash(3)}}).ok());
  rows.move(1, 9, std::vector<std::pair<std::int64_t, std::int64_t>>{{3, 30}, {5, 50}});
  EXPECT_TRUE(find(rows, 0, {hash(1)}).empty());  // not among those that were kept
  EXPECT_EQ(find(rows, 0, {hash(2)}), (std::vector<Place>{{9, 50}}));
  EXPECT_EQ(find(rows, 0, {hash(3)}), (std::vector<Place>{{2, 5}}));
  rows.forget_file(9);
  EXPECT_EQ(rows.files(), (std::vector<std::int32_t>{2}));
}

// Against a model that is nothing but a map, through many runs; with a folder the larger ones are in files.
class ColdRowsModel : public testing::TestWithParam<bool> {};

TEST_P(ColdRowsModel, AgreesWithAMap) {
  const io::TemporaryDirectory folder;
  std::uint64_t state = 17;
  const auto random = [&](std::uint64_t below) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (state >> 33) % below;
  };
  ColdRows rows(2, GetParam() ? SpillPlace{&io::posix_env(), folder.path()} : SpillPlace());
  std::map<Place, std::pair<std::uint64_t, std::uint64_t>> model;
  std::int32_t next_file = 0;
  for (int round = 0; round < 300; ++round) {
    switch (random(4)) {
      case 0:
      case 1: {
        std::vector<Place> places;
        std::vector<std::vector<std::uint64_t>> hashes(2);
        const std::int32_t file = next_file++;
        const auto count = static_cast<std::int64_t>(random(2'000));
        for (std::int64_t position = 0; position < count; ++position) {
          const std::pair keys(random(5'000), random(300));
          places.push_back({file, count - position});  // in any order
          hashes[0].push_back(hash(keys.first));
          hashes[1].push_back(hash(keys.second));
          model[places.back()] = keys;
        }
        ASSERT_TRUE(rows.add(places, hashes).ok());
        break;
      }
      case 2: {
        const auto found = rows_of(rows, 1, random(300));
        rows.take(found);
        for (const ColdRows::Row& row : found)
          model.erase(row.place);
        break;
      }
      default: {
        if (next_file == 0)
          break;
        const auto file = static_cast<std::int32_t>(random(static_cast<std::uint64_t>(next_file)));
        std::vector<std::pair<std::int64_t, std::int64_t>> positions;
        std::map<Place, std::pair<std::uint64_t, std::uint64_t>> moved;
        for (auto row = model.lower_bound({file, 0}); row != model.end() && row->first.file == file;
             row = model.erase(row)) {
          if (random(5) == 0)
            continue;
          positions.emplace_back(row->first.position, static_cast<std::int64_t>(positions.size()));
          moved[{next_file, positions.back().second}] = row->second;
        }
        rows.move(file, next_file++, positions);
        model.merge(moved);
      }
    }
    ASSERT_EQ(rows.count(), model.size()) << "round " << round;
    const std::uint64_t first = random(5'000), second = random(300);
    std::vector<Place> by_first, by_second;
    for (const auto& [place, keys] : model) {
      if (keys.first == first)
        by_first.push_back(place);
      if (keys.second == second)
        by_second.push_back(place);
    }
    ASSERT_EQ(find(rows, 0, {hash(first)}), by_first) << "round " << round;
    ASSERT_EQ(find(rows, 1, {hash(second)}), by_second) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Places, ColdRowsModel, testing::Bool(),
                         [](const auto& info) { return info.param ? "Files" : "Memory"; });

TEST(ColdRows, AMillionRowsTakeFewBytes) {
  const io::TemporaryDirectory folder;
  ColdRows rows(2, {&io::posix_env(), folder.path()});
  std::vector<Place> places;
  std::vector<std::vector<std::uint64_t>> hashes(2);
  for (std::int64_t row = 0; row < 1'000'000; ++row) {
    places.push_back({static_cast<std::int32_t>(row / 100'000), row % 100'000});
    hashes[0].push_back(hash(static_cast<std::uint64_t>(row)));
    hashes[1].push_back(hash(static_cast<std::uint64_t>(row % 1'000)));
  }
  ASSERT_TRUE(rows.add(places, hashes).ok());
  EXPECT_LT(rows.memory_bytes(), 6'500'000u);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_EQ(find(rows, 1, {hash(3)}).size(), 1'000u);
  EXPECT_EQ(find(rows, 0, {hash(777'777)}), (std::vector<Place>{{7, 77'777}}));
}

}  // namespace
}  // namespace shoplake::live
