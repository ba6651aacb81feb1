#include "generate/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libdeflate.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "base/digest.h"
#include "generate/journey.h"
#include "generate/journeys.h"
#include "generate/vocabulary.h"

namespace shoplake::generate {
namespace {

using nlohmann::json;
using ::testing::Ge;
using ::testing::Le;

class Events : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("shoplake-generate-" + env_.new_uuid());
    std::filesystem::create_directories(folder_);
    options_.events = 6000;
    options_.threads = 2;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  EventsSummary generate(const std::string& name) {
    options_.out = path(name);
    auto summary = generate_events(env_, options_, base::no_progress(), {});
    EXPECT_TRUE(summary.ok()) << base::to_string(summary.error());
    return std::move(summary).value();
  }

  std::string text(const std::string& name) {
    generate(name);
    return env_.read_file(path(name)).value();
  }

  static std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      lines.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return lines;
  }

  static std::vector<json> parsed(const std::string& text) {
    std::vector<json> events;
    for (const std::string& line : lines_of(text)) {
      events.push_back(json::parse(line));
    }
    return events;
  }

  static json parameter(const json& event, const std::string& key) {
    for (const json& each : event["event_params"]) {
      if (each["key"] == key) {
        return each["value"].begin().value();
      }
    }
    return nullptr;
  }

  io::Env& env_ = io::posix_env();
  std::filesystem::path folder_;
  EventsOptions options_;
};

TEST_F(Events, AreTheSameBytesForTheSameSeedOnEveryMachine) {
  options_.events = 500;
  EXPECT_EQ(base::sha256_hex(text("a.ndjson")), "87272ea0fe34639fbce213951aeca3853a95de3bd31ebb6399079adb41f48589");
}

TEST_F(Events, DoNotDependOnTheNumberOfThreads) {
  options_.events = 20'000;
  options_.threads = 1;
  const std::string alone = text("one.ndjson.gz");
  options_.threads = 5;
  EXPECT_EQ(text("five.ndjson.gz"), alone);
}

TEST_F(Events, DifferWithTheSeed) {
  const std::string first = text("a.ndjson");
  options_.seed = 43;
  EXPECT_NE(text("b.ndjson"), first);
}

TEST_F(Events, AreExactlyAsManyAsAskedFor) {
  for (const std::uint64_t count : {1, 2, 7, 99, 3001}) {
    options_.events = count;
    EXPECT_EQ(generate("n.ndjson").events, count);
    EXPECT_EQ(parsed(env_.read_file(path("n.ndjson")).value()).size(), count);
  }
}

TEST_F(Events, CompressedMembersHoldThePlainText) {
  const std::string plain = text("a.ndjson");
  const std::string packed = text("a.ndjson.gz");
  std::string unpacked(plain.size(), '\0');
  std::size_t in = 0;
  std::size_t out = 0;
  int members = 0;
  auto* decompressor = libdeflate_alloc_decompressor();
  while (in < packed.size()) {
    std::size_t in_used = 0;
    std::size_t out_used = 0;
    ASSERT_EQ(libdeflate_gzip_decompress_ex(decompressor, packed.data() + in, packed.size() - in, unpacked.data() + out,
                                            unpacked.size() - out, &in_used, &out_used),
              LIBDEFLATE_SUCCESS);
    in += in_used;
    out += out_used;
    ++members;
  }
  libdeflate_free_decompressor(decompressor);
  EXPECT_EQ(unpacked, plain);
  EXPECT_GE(members, 2);
}

TEST_F(Events, HaveTheDatesOfTheirDaysInTheTimeZoneOfTheProperty) {
  options_.days = 3;
  options_.end_date = "2024-03-01";
  std::set<std::string> dates;
  bool differs_from_utc = false;
  for (const json& event : parsed(text("a.ndjson"))) {
    dates.insert(event["event_date"]);
    const std::int64_t second = std::stoll(event["event_timestamp"].get<std::string>()) / 1'000'000;
    const std::time_t local = second - 5 * 3600;
    char date[9];
    std::tm parts{};
    gmtime_r(&local, &parts);
    std::strftime(date, sizeof date, "%Y%m%d", &parts);
    ASSERT_EQ(event["event_date"], date);
    differs_from_utc = differs_from_utc || second / 86'400 != local / 86'400;
  }
  EXPECT_THAT(dates, testing::ElementsAre("20240228", "20240229", "20240301"));
  EXPECT_TRUE(differs_from_utc);
}

TEST_F(Events, AFolderHasOneFileADayAndLateEventsStandInLaterFiles) {
  options_.events = 40'000;
  options_.days = 5;
  const EventsSummary summary = generate("export");
  EXPECT_EQ(summary.files.size(), 5u);
  EXPECT_TRUE(env_.exists(path("export/events_20260626.ndjson.gz")).value());
  EXPECT_GT(summary.late_sessions, 0u);
}

TEST_F(Events, AreLikeAShop) {
  options_.events = 60'000;
  std::map<std::string, std::set<std::string>> reached;  // event name → sessions
  std::map<std::string, std::string> source_of_first_visits;
  std::map<std::string, int> visits_of_user;
  std::set<std::string> transactions;
  std::map<std::string, int> copies;
  int without_session = 0;
  int emails = 0;
  int gclids = 0;
  std::map<std::string, int> batches;
  const std::string all = text("a.ndjson");
  for (const std::string& line : lines_of(all)) {
    ++copies[line];
    const json event = json::parse(line);
    const json session = parameter(event, "ga_session_id");
    const std::string name = event["event_name"];
    const std::string location = parameter(event, "page_location");
    emails += location.find("mail.example") != std::string::npos;
    gclids += location.find("gclid=") != std::string::npos;
    if (session.is_null()) {
      ++without_session;
      EXPECT_FALSE(event.contains("user_pseudo_id"));
      EXPECT_EQ(event["privacy_info"]["analytics_storage"], "No");
      continue;
    }
    const std::string user = event["user_pseudo_id"];
    const std::string key = user + "/" + session.get<std::string>();
    reached[name].insert(key);
    visits_of_user[user] =
        std::max(visits_of_user[user], std::stoi(parameter(event, "ga_session_number").get<std::string>()));
    ++batches[key + event["event_timestamp"].get<std::string>()];
    if (name == "purchase") {
      const json& shop = event["ecommerce"];
      transactions.insert(shop["transaction_id"]);
      double items = 0;
      double items_usd = 0;
      for (const json& item : event["items"]) {
        items += item["item_revenue"].get<double>();
        items_usd += item["item_revenue_in_usd"].get<double>();
      }
      EXPECT_NEAR(items, shop["purchase_revenue"], 1e-6);
      EXPECT_NEAR(items_usd, shop["purchase_revenue_in_usd"], 1e-6);
      EXPECT_NEAR(event["event_value_in_usd"], shop["purchase_revenue_in_usd"], 1e-6);
      EXPECT_THAT(shop["purchase_revenue"].get<double>(), testing::AllOf(Ge(10.0), Le(5000.0)));
    }
  }
  const double sessions = static_cast<double>(reached["page_view"].size());
  EXPECT_GT(reached["view_item"].size(), reached["add_to_cart"].size());
  EXPECT_GT(reached["add_to_cart"].size(), reached["begin_checkout"].size());
  EXPECT_GT(reached["begin_checkout"].size(), reached["purchase"].size());
  EXPECT_THAT(static_cast<double>(reached["purchase"].size()) / sessions, testing::AllOf(Ge(0.01), Le(0.08)));
  EXPECT_EQ(transactions.size(), reached["purchase"].size());
  EXPECT_THAT(without_session / 60'000.0, testing::AllOf(Ge(0.01), Le(0.06)));
  EXPECT_GT(emails, 20);
  EXPECT_GT(gclids, 500);
  const auto returning =
      std::count_if(visits_of_user.begin(), visits_of_user.end(), [](const auto& each) { return each.second > 1; });
  EXPECT_THAT(static_cast<double>(returning) / static_cast<double>(visits_of_user.size()),
              testing::AllOf(Ge(0.2), Le(0.9)));
  EXPECT_GT(std::count_if(copies.begin(), copies.end(), [](const auto& each) { return each.second == 2; }), 100);
  EXPECT_GT(std::count_if(batches.begin(), batches.end(), [](const auto& each) { return each.second > 1; }), 1000);
}

TEST_F(Events, VisitsHaveFiveToTwentyEventsInOrder) {
  Visit visit;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    make_visit({seed, static_cast<std::uint32_t>(seed % 5 + 1), static_cast<std::uint8_t>(seed % channels().size()),
                seed % 7 == 0},
               visit);
    ASSERT_THAT(visit.events.size(), testing::AllOf(Ge(kVisitEventsMin), Le(kVisitEventsMax))) << seed;
    ASSERT_LE(visit.duration_ms(), kVisitDurationMaxMs) << seed;
    for (std::size_t event = 1; event < visit.events.size(); ++event) {
      ASSERT_GE(visit.events[event].at_ms, visit.events[event - 1].at_ms) << seed;
    }
  }
}

TEST_F(Events, ReturnsDecay) {
  EXPECT_GT(return_chance(1), return_chance(7));
  EXPECT_GT(return_chance(7), return_chance(30));
  EXPECT_GT(return_chance(30), 0u);
}

TEST_F(Events, ChaosCountsWhatItPlants) {
  options_.events = 20'000;
  options_.chaos = true;
  const EventsSummary summary = generate("nasty.ndjson");
  for (std::size_t oddity = 0; oddity < kOddities; ++oddity) {
    EXPECT_GT(summary.planted.count[oddity], 0u) << oddity_name(static_cast<Oddity>(oddity));
  }
  const std::string nasty = env_.read_file(path("nasty.ndjson")).value();
  ASSERT_TRUE(nasty.starts_with(kByteOrderMark));
  std::uint64_t objects_with_timestamp = 0;
  for (std::string& line : lines_of(nasty.substr(kByteOrderMark.size()))) {
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    const json event = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!event.is_object() || !event.contains("event_timestamp") || event["event_date"] == "20261345") {
      continue;
    }
    const json& stamp = event["event_timestamp"];
    objects_with_timestamp += stamp.is_number_integer() || (stamp.is_string() && stamp.get<std::string>().size() == 16);
  }
  const json manifest = json::parse(env_.read_file(path("nasty.ndjson.expected.json")).value());
  EXPECT_EQ(manifest["rows"], objects_with_timestamp);
  EXPECT_EQ(manifest["rows"], 20'000 + summary.planted.with_outcome(Outcome::accepted));
  EXPECT_EQ(manifest["rejected_rows"], summary.planted.with_outcome(Outcome::rejected));
  EXPECT_EQ(manifest["rejected"].size() + manifest["accepted"].size() + manifest["ignored"].size(), kOddities);
}

TEST_F(Events, NamesWhatCannotBeGenerated) {
  options_.out = path("a.ndjson");
  const auto code = [&] { return generate_events(env_, options_, base::no_progress(), {}).error().code; };
  options_.end_date = "2026-02-30";
  EXPECT_EQ(code(), "generate.bad_date");
  options_.end_date = "2026-02-28x";
  EXPECT_EQ(code(), "generate.bad_date");
  options_.end_date = "2026-02-28";
  options_.days = 0;
  EXPECT_EQ(code(), "generate.bad_days");
  options_.days = 1;
  options_.events = 0;
  EXPECT_EQ(code(), "generate.bad_events");
}

TEST_F(Events, StoppedLeavesNoHalfFile) {
  options_.out = path("a.ndjson.gz");
  std::stop_source source;
  source.request_stop();
  const auto outcome = generate_events(env_, options_, base::no_progress(), source.get_token());
  EXPECT_EQ(outcome.error().code, "generate.cancelled");
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

class Clickstream : public Events {
 protected:
  void SetUp() override {
    Events::SetUp();
    options_.dataset = Dataset::clickstream;
  }
};

TEST_F(Clickstream, DoesNotDependOnTheNumberOfThreadsAndDiffersWithTheSeed) {
  options_.threads = 1;
  const std::string alone = text("one.ndjson");
  options_.threads = 5;
  EXPECT_EQ(text("five.ndjson"), alone);
  options_.seed = 43;
  EXPECT_NE(text("other.ndjson"), alone);
}

TEST_F(Clickstream, HasFlatEventsThatAddUpToVisits) {
  const std::vector<json> events = parsed(text("a.ndjson"));
  ASSERT_EQ(events.size(), options_.events);
  const std::set<std::string> known = {
      "event_id",    "event_type", "timestamp", "user_id",    "session_id", "page_url",     "referrer",
      "user_agent",  "device",     "country",   "utm_source", "utm_medium", "utm_campaign", "utm_term",
      "utm_content", "product_id", "price",     "quantity",   "currency",   "ip",           "email"};
  std::map<std::string, int> sessions;
  std::map<std::string, json> by_id;
  std::map<std::string, int> kinds;
  std::uint64_t repeated = 0;
  int emails = 0;
  for (const json& event : events) {
    for (const auto& [key, value] : event.items()) {
      EXPECT_TRUE(known.contains(key)) << key;
      EXPECT_FALSE(value.is_null() || value.is_object()) << key;
    }
    EXPECT_TRUE(event.contains("ip"));
    emails += event.contains("email") ? 1 : 0;
    sessions[event["session_id"]] += 1;
    kinds[event["event_type"]] += 1;
    const auto [entry, is_new] = by_id.emplace(event["event_id"], event);
    if (!is_new) {
      ++repeated;
      EXPECT_EQ(entry->second, event);  // sent twice
    }
    EXPECT_EQ(event["event_id"].get<std::string>().size(), 36U);
    EXPECT_EQ(event["timestamp"].get<std::string>().size(), 24U);
    if (event["event_type"] == "purchase") {
      EXPECT_GT(event["price"].get<double>(), 0);
      EXPECT_GE(event["quantity"].get<int>(), 1);
      EXPECT_TRUE(event.contains("product_id") && event.contains("currency"));
    }
  }
  EXPECT_GT(repeated, 0U);
  EXPECT_GT(emails, 0);
  for (const char* kind : {"page_view", "view_item", "add_to_cart", "begin_checkout", "purchase"}) {
    EXPECT_GT(kinds[kind], 0) << kind;
  }
  int whole = 0;
  for (const auto& [session, count] : sessions) {
    EXPECT_LE(count, static_cast<int>(kVisitEventsMax) + 1);
    whole += count >= static_cast<int>(kVisitEventsMin) ? 1 : 0;
  }
  EXPECT_GT(whole, static_cast<int>(sessions.size()) * 9 / 10);
}

TEST_F(Clickstream, HasAboutTheBytesOfRealTrackers) {
  options_.events = 20'000;
  const auto summary = generate("a.ndjson");
  EXPECT_THAT(summary.json_bytes / summary.events, testing::AllOf(Ge(480U), Le(530U)));
}

TEST_F(Clickstream, FilesOfDaysHoldUtcDays) {
  options_.days = 3;
  const auto summary = generate("days");
  ASSERT_EQ(summary.files.size(), 3U);
  EXPECT_TRUE(summary.files[0].ends_with("clickstream_20260628.ndjson.gz")) << summary.files[0];
}

TEST_F(Clickstream, ChaosIsCounted) {
  options_.chaos = true;
  const auto summary = generate("chaos.ndjson");
  const json manifest = json::parse(env_.read_file(summary.manifest).value());
  EXPECT_GT(manifest["rejected_rows"].get<int>(), 0);
  EXPECT_EQ(manifest["rows"], summary.events + summary.planted.with_outcome(Outcome::accepted));
}

TEST(Journeys, BeginWhenTheyAreAskedForAndAreWholeVisits) {
  for (const Dataset dataset : {Dataset::events, Dataset::clickstream}) {
    Journeys journeys(dataset, 7);
    Journeys same(dataset, 7);
    constexpr std::int64_t kNow = 1'795'237'200'123'456;
    std::set<std::string> sessions;
    std::set<std::string> visitors;
    for (int number = 0; number < 200; ++number) {
      const std::int64_t now = kNow + number * 731'000'000LL;
      const std::vector<JourneyEvent> journey = journeys.next(now);
      const std::vector<JourneyEvent> again = same.next(now);
      ASSERT_EQ(journey.size(), again.size());
      ASSERT_GE(journey.size(), kVisitEventsMin);
      ASSERT_LE(journey.size(), kVisitEventsMax + 1);
      EXPECT_LT(journey.front().offset_micros, 1'000'001);
      std::int64_t before = 0;
      for (std::size_t index = 0; index < journey.size(); ++index) {
        EXPECT_EQ(journey[index].json, again[index].json);
        EXPECT_GE(journey[index].offset_micros, before);
        before = journey[index].offset_micros;
        const json event = json::parse(journey[index].json);
        if (dataset == Dataset::clickstream) {
          sessions.insert(event["session_id"]);
          visitors.insert(event["user_id"]);
        } else {
          const std::int64_t at = std::stoll(event["event_timestamp"].get<std::string>());
          EXPECT_LT(std::abs(at - (now + before)), 1'000);  // below the millisecond, batches differ
        }
      }
    }
    if (dataset == Dataset::clickstream) {
      EXPECT_EQ(sessions.size(), 200U);
      EXPECT_THAT(visitors.size(), testing::AllOf(Ge(100U), Le(160U)));  // some return
    }
  }
}

}  // namespace
}  // namespace shoplake::generate
