#include "serve/shop.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

namespace shoplake::serve {
namespace {

using Json = nlohmann::json;

class CuratedLake : public Lake {
 public:
  base::Result<std::vector<TableVersion>> versions(std::span<const std::string> tables) override {
    std::vector<TableVersion> found;
    for (const std::string& name : tables) {
      if (const auto table = locations.find(name); table != locations.end())
        found.push_back({name, table->second, 7, 1'000});
    }
    return found;
  }
  base::Result<Rows> query(const std::string& /*sql*/) override {
    ++queries;
    if (is_failing)
      return base::make_error(base::ErrorKind::environment, "engine.out_of_memory", "no memory");
    Rows rows;
    rows.columns = {"name"};
    rows.rows = {{engine::Value{std::string("<b>\"\xe2\x80\xae'; drop")}}};
    return rows;
  }

  base::Result<std::optional<Contents>> contents(std::string_view, std::string_view) override {
    return std::optional<Contents>();
  }

  std::map<std::string, std::string> locations;
  int queries = 0;
  bool is_failing = false;
};

Json answer(Shop& shop) { return Json::parse(shop.respond({}).bytes()); }

TEST(Shop, PartsWithoutTheirTablesAreEmpty) {
  CuratedLake lake;
  lake.locations["curated.reviews"] = "v1";  // but not the products that it names
  Shop shop(lake);
  EXPECT_EQ(answer(shop), Json::parse(R"({"sales":[],"products":[],"segments":[],"reviews":[]})"));
  EXPECT_EQ(lake.queries, 0);
}

TEST(Shop, OnlyWhatChangedIsComputedAgain) {
  CuratedLake lake;
  for (const std::string& table : Shop::tables())
    lake.locations[table] = "v1";
  Shop shop(lake);
  EXPECT_EQ(answer(shop)["products"][0]["name"], "<b>\"\xe2\x80\xae'; drop");
  EXPECT_EQ(lake.queries, 4);
  answer(shop);
  EXPECT_EQ(lake.queries, 4);
  lake.locations["curated.product_performance"] = "v2";
  answer(shop);
  EXPECT_EQ(lake.queries, 6) << "products and reviews read it";
}

TEST(Shop, AFailureIsSaidAndNotKept) {
  CuratedLake lake;
  lake.locations["curated.daily_sales"] = "v1";
  Shop shop(lake);
  lake.is_failing = true;
  EXPECT_GE(shop.respond({}).status, 500);
  lake.is_failing = false;
  EXPECT_EQ(answer(shop)["sales"].size(), 1);
}

}  // namespace
}  // namespace shoplake::serve
