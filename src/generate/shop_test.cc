#include "generate/shop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libdeflate.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "generate/events.h"
#include "generate/shop_books.h"
#include "generate/shop_oddities.h"
#include "generate/vocabulary.h"

namespace shoplake::generate {
namespace {

using nlohmann::json;
using ::testing::Each;
using ::testing::Ge;
using ::testing::Gt;
using ::testing::Lt;

class Shop : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("shoplake-shop-" + env_.new_uuid());
    options_.events = 20'000;
    options_.days = 20;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  ShopSummary generate(ShopDataset dataset, const std::string& name = "raw") {
    options_.dataset = dataset;
    options_.out = (folder_ / name).string();
    auto summary = generate_shop(env_, options_, base::no_progress(), {});
    EXPECT_TRUE(summary.ok()) << base::to_string(summary.error());
    return std::move(summary).value();
  }

  std::string unpacked(const std::string& path) {
    const std::string bytes = env_.read_file(path).value();
    std::string text(64 * bytes.size() + 65'536, '\0');
    libdeflate_decompressor* decompressor = libdeflate_alloc_decompressor();
    std::size_t size = 0;
    EXPECT_EQ(libdeflate_gzip_decompress(decompressor, bytes.data(), bytes.size(), text.data(), text.size(), &size),
              LIBDEFLATE_SUCCESS);
    libdeflate_free_decompressor(decompressor);
    text.resize(size);
    return text;
  }

  static std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
      lines.push_back(line);
    return lines;
  }

  // Invoice lines of a summary's files by column; product names hold no quotes, one country no comma.
  std::vector<std::vector<std::string>> invoice_lines(const ShopSummary& summary) {
    std::vector<std::vector<std::string>> rows;
    for (const std::string& file : summary.files) {
      const std::vector<std::string> lines = lines_of(unpacked(file));
      EXPECT_EQ(lines.at(0), "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country");
      for (std::size_t index = 1; index < lines.size(); ++index) {
        std::vector<std::string> fields(1);
        bool quoted = false;
        for (const char c : lines[index]) {
          if (c == '"') {
            quoted = !quoted;
          } else if (c == ',' && !quoted) {
            fields.emplace_back();
          } else {
            fields.back().push_back(c);
          }
        }
        EXPECT_EQ(fields.size(), 8u) << lines[index];
        EXPECT_NE(file.find("date=" + fields.at(4).substr(0, 10)), std::string::npos) << file << " " << lines[index];
        rows.push_back(std::move(fields));
      }
    }
    return rows;
  }

  std::vector<json> objects(const ShopSummary& summary) {
    std::vector<json> list;
    for (const std::string& file : summary.files) {
      for (const std::string& line : lines_of(unpacked(file)))
        list.push_back(json::parse(line));
    }
    return list;
  }

  io::Env& env_ = io::posix_env();
  std::filesystem::path folder_;
  ShopOptions options_;
};

TEST_F(Shop, TheSameOptionsGiveTheSameBytes) {
  for (const ShopDataset dataset : kShopDatasets) {
    const ShopSummary first = generate(dataset, "first"), second = generate(dataset, "second");
    ASSERT_EQ(first.files.size(), second.files.size());
    for (std::size_t index = 0; index < first.files.size(); ++index)
      EXPECT_EQ(unpacked(first.files[index]), unpacked(second.files[index]));
    options_.seed = 7;
    EXPECT_NE(unpacked(generate(dataset, "third").files[0]), unpacked(first.files[0]));
    options_.seed = 42;
  }
}

TEST_F(Shop, OrdersAreThePurchasesOfTheVisits) {
  EventsOptions clicks;
  clicks.dataset = Dataset::clickstream;
  clicks.events = options_.events;
  clicks.days = options_.days;
  std::filesystem::create_directories(folder_);
  clicks.out = (folder_ / "clicks.ndjson").string();
  ASSERT_TRUE(generate_events(env_, clicks, base::no_progress(), {}).ok());
  std::map<std::string, json> purchases;
  for (const std::string& line : lines_of(env_.read_file(clicks.out).value())) {
    json event = json::parse(line);
    if (event["event_type"] == "purchase")
      purchases.emplace(event["event_id"], std::move(event));
  }
  const ShopSummary summary = generate(ShopDataset::transactions);
  EXPECT_EQ(summary.sales, purchases.size());
  EXPECT_THAT(summary.sales, Gt(100u));
  EXPECT_THAT(summary.cancellations, Gt(summary.sales / 50));
  EXPECT_THAT(summary.cancellations, Lt(summary.sales / 5));

  // An event names the first line of its order.
  std::multiset<std::string> told, booked;
  for (const auto& [id, event] : purchases) {
    std::string time = event["timestamp"];
    time[10] = ' ';
    told.insert(time.substr(0, 19) + " " + event["product_id"].get<std::string>() + " " + event["quantity"].dump());
  }
  std::set<std::string> seen;
  for (const auto& row : invoice_lines(summary)) {
    if (!row[0].starts_with("C") && row[5] != "0.00" && seen.insert(row[0]).second)
      booked.insert(row[4] + " " + row[1] + " " + row[3]);
  }
  EXPECT_EQ(told, booked);
}

TEST_F(Shop, BooksHoldWhatRealBooksHold) {
  const ShopSummary summary = generate(ShopDataset::transactions);
  std::set<std::string> numbers, codes, guests;
  int losses = 0, postage = 0;
  std::map<std::string, std::set<std::string>> prices;
  for (const auto& row : invoice_lines(summary)) {
    numbers.insert(row[0]);
    codes.insert(row[1]);
    const int quantity = std::stoi(row[3]);
    const double price = std::stod(row[5]);
    EXPECT_EQ(quantity < 0, row[0].starts_with("C") || price == 0) << row[0];
    losses += price == 0 ? 1 : 0;
    postage += row[1] == "POST" && quantity > 0 ? 1 : 0;
    if (row[6].empty())
      guests.insert(row[0]);
    if (row[1].starts_with("SKU-") && price > 0)
      prices[row[1]].insert(row[5]);
  }
  EXPECT_EQ(summary.sales + summary.cancellations + losses, numbers.size());
  EXPECT_THAT(losses, Gt(0));
  EXPECT_THAT(postage, Gt(0));
  EXPECT_THAT(guests.size(), Gt(numbers.size() / 4));
  EXPECT_THAT(codes.size(), Gt(30u));
  EXPECT_TRUE(std::any_of(prices.begin(), prices.end(), [](const auto& each) { return each.second.size() > 1; }));
}

TEST_F(Shop, TheCatalogueChangesFromDayToDay) {
  const ShopSummary summary = generate(ShopDataset::products);
  EXPECT_EQ(summary.files.size(), 20u);
  std::map<std::string, std::set<double>> prices;
  std::map<std::string, int> days;
  std::set<std::int64_t> stocks;
  for (const json& product : objects(summary)) {
    const std::string id = product["product_id"];
    prices[id].insert(product["price"].get<double>());
    ++days[id];
    stocks.insert(product["stock_quantity"].get<std::int64_t>());
    EXPECT_THAT(product["stock_quantity"].get<std::int64_t>(), Ge(0));
    EXPECT_THAT(product["cost"].get<double>(), Lt(product["price"].get<double>()));
  }
  EXPECT_EQ(days.size(), products().size());
  EXPECT_THAT(stocks.size(), Gt(20u));
  EXPECT_TRUE(std::any_of(days.begin(), days.end(), [](const auto& each) { return each.second < 20; }));
  EXPECT_THAT(std::count_if(prices.begin(), prices.end(), [](const auto& each) { return each.second.size() > 1; }),
              Gt(10));
}

TEST_F(Shop, ReviewsAreOfWhatTheirCustomersBought) {
  options_.events = 80'000;                                           // few who buy write
  std::map<std::pair<std::string, std::string>, std::string> bought;  // customer and product → first day
  for (const auto& row : invoice_lines(generate(ShopDataset::transactions))) {
    if (!row[6].empty())
      bought.emplace(std::pair(row[6], row[1]), row[4].substr(0, 10));
  }
  const ShopSummary summary = generate(ShopDataset::reviews);
  EXPECT_THAT(summary.rows, Gt(5u));
  std::set<std::string> ids;
  for (const json& review : objects(summary)) {
    EXPECT_TRUE(ids.insert(review["review_id"]).second);
    const auto sale = bought.find({review["customer_id"], review["product_id"]});
    ASSERT_NE(sale, bought.end()) << review;
    EXPECT_THAT(review["created_at"].get<std::string>().substr(0, 10), Gt(sale->second));
    EXPECT_THAT(review["rating"].get<int>(), testing::AllOf(Ge(1), testing::Le(5)));
  }
}

TEST_F(Shop, ChaosIsCountedAndChangesNoGoodLine) {
  for (const ShopDataset dataset : kShopDatasets) {
    options_.events = 100'000;
    options_.chaos = false;
    const ShopSummary good = generate(dataset, "good");
    options_.chaos = true;
    const ShopSummary odd = generate(dataset, "odd");
    EXPECT_EQ(odd.rows, good.rows);
    EXPECT_THAT(odd.planted_rejects + odd.planted_rows, Gt(0u)) << dataset_name(dataset);
    const json manifest = json::parse(env_.read_file(odd.manifest).value());
    EXPECT_EQ(manifest["rows"], odd.rows + odd.planted_rows);
    EXPECT_EQ(manifest["rejected_rows"], odd.planted_rejects);
    std::multiset<std::string> lines, without;
    for (const std::string& file : odd.files) {
      for (const std::string& line : lines_of(unpacked(file)))
        lines.insert(line);
    }
    for (const std::string& file : good.files) {
      for (const std::string& line : lines_of(unpacked(file)))
        without.insert(line);
    }
    EXPECT_TRUE(std::includes(lines.begin(), lines.end(), without.begin(), without.end()));
  }
}

TEST_F(Shop, WrongOptionsAreRefused) {
  options_.out = (folder_ / "x").string();
  options_.days = 0;
  EXPECT_EQ(generate_shop(env_, options_, base::no_progress(), {}).error().code, "generate.bad_days");
  options_.days = 1;
  options_.events = 0;
  EXPECT_EQ(generate_shop(env_, options_, base::no_progress(), {}).error().code, "generate.bad_events");
  options_.events = 1;
  options_.end_date = "today";
  EXPECT_EQ(generate_shop(env_, options_, base::no_progress(), {}).error().code, "generate.bad_date");
  options_.end_date = "2026-01-01";
  options_.out.clear();
  EXPECT_EQ(generate_shop(env_, options_, base::no_progress(), {}).error().code, "generate.no_output");
  options_.out = (folder_ / "x").string();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(generate_shop(env_, options_, base::no_progress(), stop.get_token()).error().code, "generate.cancelled");
}

TEST(Spelling, FieldsThatNeedQuotesHaveThem) {
  EXPECT_EQ(csv_field("plain"), "plain");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"hi\"\n"), "\"say \"\"hi\"\"\n\"");
  EXPECT_EQ(csv_field(" edge"), "\" edge\"");
  EXPECT_EQ(json_text("a\"b\\c\n\x01"), R"("a\"b\\c\u000a\u0001")");
}

}  // namespace
}  // namespace shoplake::generate
