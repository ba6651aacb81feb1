// Hits in, rows of the GA4 export out; and every row through the contract of `events` with nothing rejected and nothing
// unknown.

#include "collect/ga4_collect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "contract/contract.h"
#include "io/env.h"
#include "io/temporary_directory.h"
#include "transform/transform.h"

namespace shoplake::collect {
namespace {

using nlohmann::json;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::string_literals;

constexpr std::int64_t kNow = 1'746'818'000'123'456;  // 2025-05-09 19:13:20 UTC
constexpr std::string_view kChrome =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Safari/537.36";

// What `shoplake load events` says about these rows: what it rejects, and fields that the contract does not name.
std::vector<std::string> troubles_of(const std::vector<std::string>& rows) {
  io::TemporaryDirectory directory;
  io::Env& env = io::posix_env();
  const auto contract = contract::load_contract(env, SHOPLAKE_SOURCE_DIR "/datasets", "events");
  EXPECT_TRUE(contract.ok());
  int id = 0;
  const transform::FieldIds ids = [&id](std::string_view) { return ++id; };
  const auto layout = transform::make_layout(*contract, ids).value();
  const auto quarantine = transform::make_layout(transform::quarantine_columns(), ids).value();
  {
    std::ofstream file(directory.file("rows.ndjson"), std::ios::binary);
    for (const std::string& row : rows) {
      file << row;
    }
  }
  transform::TransformOptions options;
  options.env = &env;
  options.contract = &*contract;
  options.layout = &layout;
  options.quarantine_layout = &quarantine;
  options.data_directory = directory.file("data");
  options.quarantine_directory = directory.file("quarantine");
  EXPECT_TRUE(env.create_directories(options.data_directory).ok());
  EXPECT_TRUE(env.create_directories(options.quarantine_directory).ok());
  const auto file = env.open_file(directory.file("rows.ndjson"));
  const auto loaded = transform::transform(**file, "rows.ndjson", options);
  if (!loaded.ok()) {
    return {base::to_string(loaded.error())};
  }
  std::vector<std::string> troubles;
  for (const auto& [reason, count] : loaded->rejected_by_reason) {
    troubles.push_back(std::to_string(count) + " " + reason);
  }
  for (const auto& entry : loaded->drift) {
    troubles.push_back("unknown field " + entry.path);
  }
  if (loaded->rows != static_cast<std::int64_t>(rows.size())) {
    troubles.push_back(std::to_string(loaded->rows) + " rows of " + std::to_string(rows.size()));
  }
  return troubles;
}

Ga4Result gtag(std::string_view query, std::string_view body = {}, const Ga4Options& options = {},
               std::int64_t at = kNow) {
  return collect_ga4({.method = body.empty() ? "GET" : "POST",
                      .path = "/g/collect",
                      .query = query,
                      .body = body,
                      .received_at_micros = at,
                      .user_agent = kChrome},
                     options);
}

constexpr std::string_view kMeasurement = "measurement_id=G-TEST&api_secret=s3cret";

Ga4Result measurement(std::string_view body, const Ga4Options& options = {}, std::string_view query = kMeasurement,
                      std::int64_t at = kNow) {
  return collect_ga4({.method = "POST", .path = "/mp/collect", .query = query, .body = body, .received_at_micros = at},
                     options);
}

std::vector<ValidationMessage> debug(std::string_view body, std::string_view query = kMeasurement) {
  const Ga4Result result = collect_ga4(
      {.method = "POST", .path = "/debug/mp/collect", .query = query, .body = body, .received_at_micros = kNow}, {});
  EXPECT_EQ(result.status, 200);
  EXPECT_EQ(result.content_type, "application/json");
  EXPECT_THAT(result.rows, IsEmpty());
  EXPECT_THAT(result.rejected, IsEmpty());
  EXPECT_EQ(json::parse(result.body)["validationMessages"].size(), result.messages.size());
  return result.messages;
}

json row_of(const Ga4Result& result, std::size_t index = 0) {
  EXPECT_GT(result.rows.size(), index);
  return index < result.rows.size() ? json::parse(result.rows[index]) : json();
}

// The only member of a parameter's value; null if there is no such parameter.
json parameter(const json& row, std::string_view key, std::string_view list = "event_params") {
  for (const json& one : row.value(std::string(list), json::array())) {
    if (one["key"] == key) {
      EXPECT_TRUE(one.contains("value")) << key;
      return one.contains("value") ? json(one["value"].begin().key() + "=" +
                                          (one["value"].begin()->is_string() ? one["value"].begin()->get<std::string>()
                                                                             : one["value"].begin()->dump()))
                                   : json("no value");
    }
  }
  return nullptr;
}

std::vector<std::string> names_of(const Ga4Result& result) {
  std::vector<std::string> names;
  for (const std::string& row : result.rows) {
    names.push_back(json::parse(row)["event_name"]);
  }
  return names;
}

std::vector<std::string> ids_of(const Ga4Result& result) {
  std::vector<std::string> ids;
  for (const std::string& row : result.rows) {
    const json id = parameter(json::parse(row), "insert_id");
    ids.push_back(id.is_null() ? "none" : id.get<std::string>());
  }
  return ids;
}

std::vector<std::string> reasons_of(const Ga4Result& result) {
  std::vector<std::string> reasons;
  for (const Ga4Rejected& rejected : result.rejected) {
    reasons.push_back(rejected.reason);
  }
  return reasons;
}

std::vector<std::string> codes_of(const std::vector<ValidationMessage>& messages) {
  std::vector<std::string> codes;
  for (const ValidationMessage& message : messages) {
    codes.push_back(message.validation_code + " " + message.field_path);
  }
  return codes;
}

constexpr std::string_view kHit =
    "v=2&tid=G-TEST&cid=1234567890.1746817858&sid=1746817858&sct=2&seg=1&_p=1746817938582&_s=1";

std::string hit(std::string_view more) { return std::string(kHit).append("&").append(more); }

// --- gtag ---

TEST(Gtag, MakesTheExportsRow) {
  const Ga4Result result =
      gtag(hit("en=page_view&dl=https%3A%2F%2Fwww.shop.example%2Fhats%3Fa%3D1&dr=https%3A%2F%2Fshop.example%2F&dt=Hats%"
               "20%26%20co"
               "&ul=en-GB&sr=1745x982&uid=u-7&_et=1200&up.tier=gold&upn.orders=3&epn.percent_scrolled=90&epn.ratio=0.25"
               "&ep.color=red&uap=Linux&uapv=6.14.4&uafvl=Not(A%253ABrand%3B24.0.0.0%7CChromium%3B122.0.6261.171"));
  EXPECT_EQ(result.status, 204);
  EXPECT_THAT(result.rejected, IsEmpty());
  ASSERT_THAT(result.rows, SizeIs(1));
  EXPECT_EQ(result.rows[0].back(), '\n');
  const json row = row_of(result);
  const json expected = json::parse(R"({
    "event_date": "20250509",
    "event_timestamp": "1746818000123456",
    "event_name": "page_view",
    "event_bundle_sequence_id": "1",
    "user_id": "u-7",
    "user_pseudo_id": "1234567890.1746817858",
    "privacy_info": {"analytics_storage": "Unset", "ads_storage": "Unset", "uses_transient_token": "No"},
    "user_properties": [
      {"key": "tier", "value": {"string_value": "gold", "set_timestamp_micros": "1746818000123456"}},
      {"key": "orders", "value": {"int_value": "3", "set_timestamp_micros": "1746818000123456"}}],
    "user_first_touch_timestamp": "1746817858000000",
    "device": {"category": "desktop", "operating_system": "Linux", "operating_system_version": "6.14.4", "language": "en-gb",
      "web_info": {"browser": "Chrome", "browser_version": "122.0.6261.171", "hostname": "www.shop.example"}},
    "stream_id": "G-TEST",
    "platform": "WEB",
    "event_dimensions": {"hostname": "www.shop.example"},
    "is_active_user": true,
    "batch_event_index": "1",
    "batch_page_id": "1746817938582",
    "batch_ordering_id": "1"})");
  json without_parameters = row;
  without_parameters.erase("event_params");
  EXPECT_EQ(without_parameters, expected);
  EXPECT_EQ(parameter(row, "ga_session_id"), "int_value=1746817858");
  EXPECT_EQ(parameter(row, "ga_session_number"), "int_value=2");
  EXPECT_EQ(parameter(row, "session_engaged"), "string_value=1");
  EXPECT_EQ(parameter(row, "engaged_session_event"), "int_value=1");
  EXPECT_EQ(parameter(row, "engagement_time_msec"), "int_value=1200");
  EXPECT_EQ(parameter(row, "page_location"), "string_value=https://www.shop.example/hats?a=1");
  EXPECT_EQ(parameter(row, "page_referrer"), "string_value=https://shop.example/");
  EXPECT_EQ(parameter(row, "page_title"), "string_value=Hats & co");
  EXPECT_EQ(parameter(row, "language"), "string_value=en-gb");
  EXPECT_EQ(parameter(row, "screen_resolution"), "string_value=1745x982");
  EXPECT_EQ(parameter(row, "percent_scrolled"), "int_value=90");
  EXPECT_EQ(parameter(row, "ratio"), "double_value=0.25");
  EXPECT_EQ(parameter(row, "color"), "string_value=red");
  EXPECT_EQ(parameter(row, "entrances"), nullptr);
  EXPECT_EQ(parameter(row, "source"), nullptr);  // the same site
  EXPECT_THAT(troubles_of(result.rows), IsEmpty());
}

TEST(Gtag, TakesManyEventsOfABody) {
  const Ga4Result result = gtag("v=2&tid=G-TEST&cid=1.2&sid=1746817858&_p=7&_s=3&dt=Shared",
                                "en=scroll&epn.percent_scrolled=90\r\nen=click&dt=Own\n\nen=user_engagement&_et=5\n");
  EXPECT_THAT(names_of(result), ElementsAre("scroll", "click", "user_engagement"));
  EXPECT_EQ(parameter(row_of(result, 0), "page_title"), "string_value=Shared");
  EXPECT_EQ(parameter(row_of(result, 1), "page_title"), "string_value=Own");
  EXPECT_EQ(row_of(result, 2)["batch_event_index"], "3");
  EXPECT_EQ(row_of(result, 2)["batch_ordering_id"], "3");
  const auto ids = ids_of(result);
  EXPECT_THAT(std::set(ids.begin(), ids.end()), SizeIs(3));
  EXPECT_THAT(troubles_of(result.rows), IsEmpty());
}

TEST(Gtag, AddsFirstVisitAndSessionStart) {
  const std::string query = hit("en=page_view&_ss=1&_fv=1&dl=https%3A%2F%2Fshop.example%2F&ep.color=red&_et=9");
  const Ga4Result result = gtag(query);
  EXPECT_THAT(names_of(result), ElementsAre("first_visit", "session_start", "page_view"));
  const json start = row_of(result, 1);
  EXPECT_EQ(parameter(start, "page_location"), "string_value=https://shop.example/");
  EXPECT_EQ(parameter(start, "ga_session_id"), "int_value=1746817858");
  EXPECT_EQ(parameter(start, "color"), nullptr);
  EXPECT_EQ(parameter(start, "engagement_time_msec"), nullptr);
  EXPECT_FALSE(start.contains("batch_event_index"));
  EXPECT_EQ(start["user_first_touch_timestamp"], "1746818000123456");
  EXPECT_EQ(parameter(row_of(result, 2), "entrances"), "int_value=1");
  const auto ids = ids_of(result);
  EXPECT_THAT(std::set(ids.begin(), ids.end()), SizeIs(3));
  EXPECT_THAT(troubles_of(result.rows), IsEmpty());
  // Sent again, a while later: the same events.
  EXPECT_EQ(ids_of(gtag(query, {}, {}, kNow + 5'000'000)), ids);
  // The next one of the page is another.
  const Ga4Result next =
      gtag("v=2&tid=G-TEST&cid=1234567890.1746817858&sid=1746817858&_p=1746817938582&_s=2&en=page_view");
  EXPECT_NE(ids_of(next)[0], ids[2]);
}

TEST(Gtag, HasNoIdentityWithoutThePagesNumbers) {
  EXPECT_THAT(ids_of(gtag("v=2&tid=G-TEST&cid=1.2&sid=3&en=click")), ElementsAre("none"));
  EXPECT_THAT(ids_of(gtag("v=2&tid=G-TEST&cid=1.2&sid=3&en=click&_p=4")), ElementsAre("none"));
  // The page's own id wins, and not for the events that are added.
  const Ga4Result own = gtag(hit("en=purchase&_ss=1&ep.event_id=order-1"));
  EXPECT_THAT(names_of(own), ElementsAre("session_start", "purchase"));
  EXPECT_NE(ids_of(own)[0], "none");
  EXPECT_EQ(ids_of(own)[1], "none");
  EXPECT_EQ(parameter(row_of(own, 1), "event_id"), "string_value=order-1");
}

TEST(Gtag, ReadsShopsEvents) {
  const Ga4Result result =
      gtag(hit("en=purchase&cu=USD&epn.value=61.5&epn.tax=4&epn.shipping=5.25&ep.transaction_id=T-1&ep.coupon=MAY"
               "&pr2=idB~nmSocks~pr1.5~qt2&pr1=idA~nmRed%20hat%20~~%20wool~brAcme~caHats~c2Wool~vaXL~pr19.5~qt3~cpMAY~"
               "ds1.5~lnTop"
               "~liL1~lp4~afShop~loP1~piPR~pnSale~cnHero~csTop~k0color~v0red"));
  ASSERT_THAT(result.rows, SizeIs(1));
  const json row = row_of(result);
  EXPECT_EQ(row["ecommerce"],
            json::parse(R"({"total_item_quantity": "5", "purchase_revenue_in_usd": 61.5, "purchase_revenue": 61.5,
    "shipping_value_in_usd": 5.25, "shipping_value": 5.25, "tax_value_in_usd": 4.0, "tax_value": 4.0, "unique_items": "2",
    "transaction_id": "T-1"})"));
  EXPECT_EQ(row["items"], json::parse(R"([
    {"item_id": "A", "item_name": "Red hat ~ wool", "item_brand": "Acme", "item_variant": "XL", "item_category": "Hats",
     "item_category2": "Wool", "price_in_usd": 19.5, "price": 19.5, "quantity": "3", "item_revenue_in_usd": 58.5,
     "item_revenue": 58.5, "coupon": "MAY", "affiliation": "Shop", "location_id": "P1", "item_list_id": "L1",
     "item_list_name": "Top", "item_list_index": "4", "promotion_id": "PR", "promotion_name": "Sale", "creative_name": "Hero",
     "creative_slot": "Top", "item_params": [{"key": "discount", "value": {"double_value": 1.5}},
       {"key": "color", "value": {"string_value": "red"}}]},
    {"item_id": "B", "item_name": "Socks", "price_in_usd": 1.5, "price": 1.5, "quantity": "2", "item_revenue_in_usd": 3.0,
     "item_revenue": 3.0}])"));
  EXPECT_EQ(row["event_value_in_usd"], 61.5);
  EXPECT_EQ(parameter(row, "currency"), "string_value=USD");
  EXPECT_EQ(parameter(row, "value"), "double_value=61.5");
  EXPECT_EQ(parameter(row, "tax"), "int_value=4");
  EXPECT_EQ(parameter(row, "transaction_id"), "string_value=T-1");
  EXPECT_THAT(troubles_of(result.rows), IsEmpty());

  const json refund = row_of(gtag(hit("en=refund&cu=EUR&epn.value=9.99&ep.transaction_id=T-1&pr1=idA~pr9.99")));
  EXPECT_EQ(refund["ecommerce"], json::parse(R"({"total_item_quantity": "1", "refund_value": 9.99, "unique_items": "1",
    "transaction_id": "T-1"})"));
  EXPECT_EQ(refund["items"], json::parse(R"([{"item_id": "A", "price": 9.99, "item_refund": 9.99}])"));
}

TEST(Gtag, TellsWhereAVisitorCameFrom) {
  struct Case {
    std::string_view more;
    std::string_view source, medium, campaign;
  };
  const Case cases[] = {
      {"dl=https%3A%2F%2Fshop.example%2F%3Futm_source%3Dnews%26utm_medium%3Demail%26utm_campaign%3Dmay%2520sale&dr="
       "https%3A%2F%2Fwww.google.com%2F",
       "news", "email", "may sale"},
      {"dl=https%3A%2F%2Fshop.example%2F&dr=https%3A%2F%2Fwww.google.com%2F", "google", "organic", "(organic)"},
      {"dl=https%3A%2F%2Fshop.example%2F&dr=https%3A%2F%2Fwww.google.co.uk%2F", "google", "organic", "(organic)"},
      {"dl=https%3A%2F%2Fshop.example%2F&dr=https%3A%2F%2Fr.search.yahoo.com%2F", "yahoo", "organic", "(organic)"},
      {"dl=https%3A%2F%2Fshop.example%2F&dr=https%3A%2F%2Fmail.google.com%2F", "mail.google.com", "referral",
       "(referral)"},
      {"dl=https%3A%2F%2Fshop.example%2F&dr=https%3A%2F%2Fwww.blog.example%2Fpost", "blog.example", "referral",
       "(referral)"},
      {"dl=https%3A%2F%2Fwww.shop.co.uk%2F&dr=https%3A%2F%2Fother.co.uk%2F", "other.co.uk", "referral", "(referral)"},
      {"dl=https%3A%2F%2Fwww.shop.co.uk%2F&dr=https%3A%2F%2Fpay.shop.co.uk%2F", "", "", ""},
      {"dl=http%3A%2F%2F127.0.0.1%3A8080%2F&dr=http%3A%2F%2F127.0.0.1%3A9090%2F", "", "", ""},
      {"dl=https%3A%2F%2Fshop.example%2F&dr=https%3A%2F%2Fwww.blog.example%2F&ir=1", "", "", ""},
      {"dl=https%3A%2F%2Fshop.example%2F%3Fgclid%3Dabc&dr=https%3A%2F%2Fwww.google.com%2F", "", "", ""},
      {"dl=https%3A%2F%2Fshop.example%2F%3Futm_source%3Dx&cs=own&cm=cpc&cn=spring", "own", "cpc", "spring"},
      {"dl=https%3A%2F%2Fshop.example%2F", "", "", ""},
  };
  for (const Case& c : cases) {
    const Ga4Result result = gtag(hit("en=page_view&").append(c.more));
    const json row = row_of(result);
    const auto text = [](std::string_view value) {
      return value.empty() ? json() : json("string_value=" + std::string(value));
    };
    EXPECT_EQ(parameter(row, "source"), text(c.source)) << c.more;
    EXPECT_EQ(parameter(row, "medium"), text(c.medium)) << c.more;
    EXPECT_EQ(parameter(row, "campaign"), text(c.campaign)) << c.more;
    EXPECT_EQ(row.value("collected_traffic_source", json::object()).value("manual_source", ""), c.source) << c.more;
    EXPECT_THAT(troubles_of(result.rows), IsEmpty());
  }
  const json clicked =
      row_of(gtag(hit("en=page_view&dl=https%3A%2F%2Fshop.example%2F%3Fgclid%3Da%252Bc%26srsltid%3Ds")));
  EXPECT_EQ(clicked["collected_traffic_source"], json::parse(R"({"gclid": "a+c", "srsltid": "s"})"));
}

TEST(Gtag, KeepsNoIdsWithoutConsent) {
  struct Case {
    std::string_view more;
    std::string_view analytics, ads;
    bool kept;
  };
  for (const Case& c : {Case{"gcs=G111", "Yes", "Yes", true}, Case{"gcs=G100", "No", "No", false},
                        Case{"gcs=G101", "Yes", "No", true}, Case{"gcs=G1--", "Unset", "Unset", true},
                        Case{"gcd=13l3l3l2l1l1", "Unset", "Unset", true}, Case{"gcd=13t3v3t3t5l1", "Yes", "Yes", true},
                        Case{"gcd=11p1q1p1p5", "No", "No", false}, Case{"gcd=1", "Unset", "Unset", true}}) {
    const Ga4Result result = gtag(hit("en=page_view&").append(c.more));
    const json row = row_of(result);
    EXPECT_EQ(row["privacy_info"]["analytics_storage"], c.analytics) << c.more;
    EXPECT_EQ(row["privacy_info"]["ads_storage"], c.ads) << c.more;
    EXPECT_EQ(row["privacy_info"]["uses_transient_token"], c.kept ? "No" : "Yes") << c.more;
    EXPECT_EQ(row.contains("user_pseudo_id"), c.kept) << c.more;
    EXPECT_EQ(row.contains("user_first_touch_timestamp"), c.kept) << c.more;
    EXPECT_EQ(parameter(row, "ga_session_id").is_null(), !c.kept) << c.more;
    EXPECT_THAT(troubles_of(result.rows), IsEmpty());
  }
}

TEST(Gtag, DatesByTheTimeZoneOfTheProperty) {
  // One type, at two hours before the next day in UTC: 4 hours east.
  std::string tzif = "TZif2" + std::string(15, '\0') + std::string(24, '\0');
  tzif[39] = 1;  // a type
  tzif[43] = 1;  // a byte of designation
  const std::string first = tzif + std::string(7, '\0');
  std::string second = tzif + std::string("\0\0\x46\x50\0\0Z", 7);  // 18,000 s
  const auto zone = TimeZone::parse(first + second + "\n\n");
  ASSERT_TRUE(zone.ok()) << base::to_string(zone.error());
  EXPECT_EQ(zone->offset_seconds(0), 18'000);
  const Ga4Options options{.accepts_secret = {}, .time_zone = &*zone};
  EXPECT_EQ(row_of(gtag(hit("en=a"), {}, options))["event_date"], "20250510");
  EXPECT_EQ(row_of(gtag(hit("en=a"), {}, options, kNow - 3'600'000'000))["event_date"], "20250509");
}

TEST(Gtag, RejectsWhatIsNoHit) {
  const auto reason = [](std::string_view query) { return reasons_of(gtag(query)); };
  EXPECT_THAT(reason(""), ElementsAre("ga4.no_stream"));
  EXPECT_THAT(reason("v=2&tid=G-1&cid=1.2"), ElementsAre("ga4.no_event_name"));
  EXPECT_THAT(reason("v=2&tid=G-1&cid=1.2&en=%20"), ElementsAre("ga4.no_event_name"));
  EXPECT_THAT(reason("v=2&tid=G-1&cid=1.2&en=" + std::string(257, 'x')), ElementsAre("ga4.bad_event_name"));
  EXPECT_THAT(reason("v=2&tid=G-1&en=x"), ElementsAre("ga4.no_client_id"));
  EXPECT_THAT(reason("v=1&tid=UA-1&cid=1.2&en=x"), ElementsAre("ga4.bad_version"));
  const Ga4Result mixed = gtag("v=2&tid=G-1&cid=1.2", "en=a\nnothing\nen=b");
  EXPECT_THAT(names_of(mixed), ElementsAre("a", "b"));
  ASSERT_THAT(mixed.rejected, SizeIs(1));
  EXPECT_EQ(mixed.rejected[0].bytes, "v=2&tid=G-1&cid=1.2\nnothing");
  EXPECT_EQ(mixed.status, 204);

  std::string many;
  for (int i = 0; i < 30; ++i) {
    many += "en=e" + std::to_string(i) + "\n";
  }
  const Ga4Result cut = gtag("v=2&tid=G-1&cid=1.2", many);
  EXPECT_THAT(cut.rows, SizeIs(25));
  ASSERT_THAT(reasons_of(cut), ElementsAre("ga4.too_many_events"));
  EXPECT_THAT(cut.rejected[0].bytes, HasSubstr("en=e25\n"));
}

TEST(Gtag, TakesNonsenseAsItComes) {
  const std::string huge(50'000, 'y');
  const std::string queries[] = {
      hit("en=a%2&dt=%zz%&ep.%=1&ep.x=%ff%fe%00%1f%22%5c%0a&ep.=1&up.=2&ep&&=&==&%=%"),
      hit("en=%F0%9F%98%80&dt=%ED%A0%80%C0%AF%E2%82&epn.a=1e999&epn.b=NaN&epn.c=-&epn.d=99999999999999999999&epn.e=-5&"
          "epn.f=0x10"
          "&epn.g=1e3&epn.h=-0&epn.i=.5&epn.j=1.&epn.k=infinity&epn.l=+1"),
      "v=2&tid=G-1&cid=1.99999999999999999999&sid=-1&sct=abc&_p=99999999999999999999&_s=-9&_et=-1&seg=x&en=b&dl=%00",
      hit("en=c&pr1=&pr2=~~~~&pr3=id&pr4=qt-5~pr-1&pr5=qt99999999999999999999~prx&pr6=v0x~k0&pr201=idz&prx=1&pr0=1"),
      hit("en=d&ep.huge=") + huge + "&dl=" + huge,
      hit("en=e&uafvl=;;;|||%3B%7C&uap=%22&uapv=x&uamb=maybe&uam=") + huge,
      hit("en=f&gcs=G1&gcd=%00&cu=usd%00&dl=//&dr=http://@:%5B"),
      hit("en=g&en=h&tid=other&sid=9&ep.a=1&ep.a=2&epn.a=3"),
      hit("e%6E=i&%65p.b=2"),
  };
  std::vector<std::string> rows;
  for (const std::string& query : queries) {
    const Ga4Result result = gtag(query);
    EXPECT_THAT(result.rejected, IsEmpty()) << query.substr(0, 200);
    for (const std::string& row : result.rows) {
      EXPECT_TRUE(json::accept(row)) << row.substr(0, 500);
      EXPECT_EQ(std::count(row.begin(), row.end(), '\n'), 1);
      rows.push_back(row);
    }
  }
  EXPECT_THAT(rows, SizeIs(std::size(queries)));
  EXPECT_THAT(troubles_of(rows), IsEmpty());
  const json numbers = json::parse(rows[1]);
  EXPECT_EQ(parameter(numbers, "a"), "string_value=1e999");
  EXPECT_EQ(parameter(numbers, "d"), "double_value=1e+20");
  EXPECT_EQ(parameter(numbers, "e"), "int_value=-5");
  EXPECT_EQ(parameter(numbers, "g"), "double_value=1000.0");
  EXPECT_EQ(parameter(numbers, "k"), "string_value=infinity");
  EXPECT_EQ(json::parse(rows[7])["event_name"], "g");
  EXPECT_EQ(json::parse(rows[7])["stream_id"], "G-TEST");
  EXPECT_EQ(json::parse(rows[8])["event_name"], "i");
}

TEST(Gtag, MakesRowsOfRecordedHits) {
  std::ifstream file(SHOPLAKE_SOURCE_DIR "/test/cases/gtag_hits.txt");
  std::string line;
  std::vector<std::string> rows;
  int hits = 0;
  while (std::getline(file, line)) {
    const Ga4Result result = gtag(std::string_view(line).substr(line.find('?') + 1));
    EXPECT_THAT(result.rejected, IsEmpty()) << line;
    rows.insert(rows.end(), result.rows.begin(), result.rows.end());
    ++hits;
  }
  EXPECT_GT(hits, 5);
  EXPECT_GE(rows.size(), static_cast<std::size_t>(hits));
  EXPECT_THAT(troubles_of(rows), IsEmpty());
}

// --- Measurement Protocol ---

TEST(MeasurementProtocol, MakesTheExportsRow) {
  const Ga4Result result = measurement(R"({
    "client_id": "123.456", "user_id": "u-7", "timestamp_micros": "1746817999000000",
    "user_properties": {"tier": {"value": "gold"}, "orders": {"value": 3, "timestamp_micros": 1746817000000000}, "none": {"value": null}},
    "user_location": {"city": "Mountain View", "region_id": "US-CA", "country_id": "US", "subcontinent_id": "021", "continent_id": "019"},
    "device": {"category": "mobile", "language": "en-US", "screen_resolution": "1280x2856", "operating_system": "Android",
      "operating_system_version": "14", "model": "Pixel 9 Pro", "brand": "Google", "browser": "Chrome", "browser_version": "136.0.7103.60"},
    "user_data": {"sha256_email_address": ["aa"]},
    "events": [
      {"name": "purchase", "params": {"session_id": "1746817858", "engagement_time_msec": "100", "currency": "EUR", "value": 30.25,
        "tax": "1.5", "transaction_id": 77, "flag": true, "page_location": "https://shop.example/thanks?utm_source=news&utm_medium=email",
        "nested": {"a": [1, 2]}, "nothing": null,
        "items": [{"item_id": 12, "item_name": "Hat", "price": "10", "quantity": "3", "index": 2, "discount": 1.5, "color": "red"}]}},
      {"name": "login", "timestamp_micros": 1746817998000000}]})");
  EXPECT_THAT(result.rejected, IsEmpty());
  EXPECT_EQ(result.status, 204);
  ASSERT_THAT(result.rows, SizeIs(2));
  const json row = row_of(result);
  json without_parameters = row;
  without_parameters.erase("event_params");
  EXPECT_EQ(without_parameters, json::parse(R"({
    "event_date": "20250509", "event_timestamp": "1746817999000000", "event_name": "purchase",
    "event_server_timestamp_offset": "1123456", "user_id": "u-7", "user_pseudo_id": "123.456",
    "user_properties": [{"key": "tier", "value": {"string_value": "gold", "set_timestamp_micros": "1746817999000000"}},
      {"key": "orders", "value": {"int_value": "3", "set_timestamp_micros": "1746817000000000"}}],
    "device": {"category": "mobile", "mobile_brand_name": "Google", "mobile_model_name": "Pixel 9 Pro", "operating_system": "Android",
      "operating_system_version": "14", "language": "en-us",
      "web_info": {"browser": "Chrome", "browser_version": "136.0.7103.60", "hostname": "shop.example"}},
    "geo": {"city": "Mountain View", "region": "US-CA", "country": "US", "sub_continent": "021", "continent": "019"},
    "collected_traffic_source": {"manual_source": "news", "manual_medium": "email"},
    "stream_id": "G-TEST", "platform": "WEB", "event_dimensions": {"hostname": "shop.example"},
    "ecommerce": {"total_item_quantity": "3", "purchase_revenue": 30.25, "tax_value": 1.5, "unique_items": "1", "transaction_id": "77"},
    "items": [{"item_id": "12", "item_name": "Hat", "price": 10.0, "quantity": "3", "item_list_index": "2", "item_revenue": 30.0,
      "item_params": [{"key": "discount", "value": {"double_value": 1.5}}, {"key": "color", "value": {"string_value": "red"}}]}],
    "is_active_user": true, "batch_event_index": "1"})"));
  EXPECT_EQ(parameter(row, "ga_session_id"), "int_value=1746817858");
  EXPECT_EQ(parameter(row, "engagement_time_msec"), "int_value=100");
  EXPECT_EQ(parameter(row, "tax"), "double_value=1.5");
  EXPECT_EQ(parameter(row, "flag"), "string_value=true");
  EXPECT_EQ(parameter(row, "nested"), R"(string_value={"a":[1,2]})");
  EXPECT_EQ(parameter(row, "nothing"), nullptr);
  EXPECT_EQ(parameter(row, "source"), "string_value=news");
  EXPECT_EQ(row_of(result, 1)["event_timestamp"], "1746817998000000");
  EXPECT_THAT(troubles_of(result.rows), IsEmpty());
}

TEST(MeasurementProtocol, TellsAnApp) {
  const Ga4Result result =
      measurement(R"({"app_instance_id": "0123456789abcdef0123456789abcdef", "events": [{"name": "login"}]})", {},
                  "firebase_app_id=1%3A23%3Aios%3Aabc");
  const json row = row_of(result);
  EXPECT_EQ(row["platform"], "IOS");
  EXPECT_EQ(row["app_info"]["firebase_app_id"], "1:23:ios:abc");
  EXPECT_EQ(row["stream_id"], "1:23:ios:abc");
  EXPECT_THAT(troubles_of(result.rows), IsEmpty());
}

TEST(MeasurementProtocol, KnowsARepeatedEvent) {
  const auto ids = [](std::string_view body, std::int64_t at = kNow) {
    return ids_of(measurement(body, {}, kMeasurement, at));
  };
  const std::string_view timed =
      R"({"client_id":"1.2","timestamp_micros":1746817999000000,"events":[{"name":"a","params":{"x":1}},{"name":"b"},{"name":"b"}]})";
  const auto first = ids(timed);
  EXPECT_THAT(std::set(first.begin(), first.end()), SizeIs(3));  // two alike in a request are two
  EXPECT_EQ(ids(timed, kNow + 60'000'000), first);
  // In another order and spelled with other white space.
  const auto again = ids(
      R"({"client_id":"1.2", "timestamp_micros":1746817999000000, "events":[ {"name":"b"}, {"name":"a", "params":{"x":1}}, {"name":"b"}]})");
  EXPECT_EQ(std::set(again.begin(), again.end()), std::set(first.begin(), first.end()));
  EXPECT_NE(
      ids(R"({"client_id":"1.3","timestamp_micros":1746817999000000,"events":[{"name":"a","params":{"x":1}}]})")[0],
      first[0]);
  // Without a time, or with an id of its own.
  EXPECT_THAT(ids(R"({"client_id":"1.2","events":[{"name":"a"}]})"), ElementsAre("none"));
  EXPECT_THAT(
      ids(R"({"client_id":"1.2","timestamp_micros":1746817999000000,"events":[{"name":"a","params":{"event_id":"e1"}}]})"),
      ElementsAre("none"));
  EXPECT_THAT(
      ids(R"({"client_id":"1.2","timestamp_micros":1746817999000000,"events":[{"name":"a","params":{"event_id":""}}]})"),
      ElementsAre(testing::StartsWith("string_value=")));
}

TEST(MeasurementProtocol, RejectsWhatCannotBeRead) {
  const auto reasons = [](std::string_view body, std::string_view query = kMeasurement) {
    const Ga4Result result = measurement(body, {}, query);
    EXPECT_EQ(result.status, 204);
    EXPECT_TRUE(result.body.empty());
    for (const Ga4Rejected& rejected : result.rejected) {
      EXPECT_FALSE(rejected.message.empty());
    }
    return reasons_of(result);
  };
  EXPECT_THAT(reasons(""), ElementsAre("ga4.bad_json"));
  EXPECT_THAT(reasons("{"), ElementsAre("ga4.bad_json"));
  EXPECT_THAT(reasons("[]"), ElementsAre("ga4.bad_json"));
  EXPECT_THAT(reasons("{\"client_id\":\"\xff\"}"), ElementsAre("ga4.bad_json"));
  EXPECT_THAT(reasons(std::string(10'000, '[')), ElementsAre("ga4.bad_json"));
  EXPECT_THAT(reasons(R"({"client_id":"1.2","events":[{"name":"a","params":{"x":1e999}}]})"),
              ElementsAre("ga4.bad_json"));
  EXPECT_THAT(reasons(std::string(kGa4BodyBytesMax, ' ')), ElementsAre("ga4.too_large"));
  EXPECT_THAT(reasons(R"({"client_id":"1.2"})"), ElementsAre("ga4.no_events"));
  EXPECT_THAT(reasons(R"({"client_id":"1.2","events":[]})"), ElementsAre("ga4.no_events"));
  EXPECT_THAT(reasons(R"({"events":[{"name":"a"}]})"), ElementsAre("ga4.no_client_id"));
  EXPECT_THAT(reasons(R"({"client_id":"1.2","events":[{"name":"a"}]})", "api_secret=x"), ElementsAre("ga4.no_stream"));
  EXPECT_THAT(reasons(R"({"client_id":"1.2","timestamp_micros":1,"events":[{"name":"a"}]})"),
              ElementsAre("ga4.bad_timestamp"));
  EXPECT_THAT(reasons(R"({"client_id":"1.2","timestamp_micros":"soon","events":[{"name":"a"}]})"),
              ElementsAre("ga4.bad_timestamp"));
  EXPECT_THAT(reasons(R"({"client_id":"1.2","timestamp_micros":99999999999999999,"events":[{"name":"a"}]})"),
              ElementsAre("ga4.bad_timestamp"));

  const Ga4Result some = measurement(
      R"({"client_id":"1.2","events":[{"name":"good"},{"name":"_bad"},7,{"name":"x","params":[1]},{},{"name":"y","params":{"items":{}}},{"name":"z"}]})");
  EXPECT_THAT(names_of(some), ElementsAre("good", "z"));
  EXPECT_THAT(reasons_of(some), ElementsAre("ga4.bad_event_name", "ga4.bad_event", "ga4.bad_parameters",
                                            "ga4.no_event_name", "ga4.bad_items"));
  EXPECT_EQ(some.rejected[0].bytes, R"({"name":"_bad"})");
  EXPECT_EQ(some.rejected[0].message,
            "Event at index: [0] has invalid name [_bad]. Names must start with an alphabetic character."s.replace(
                17, 1, "1"));

  std::string many = R"({"client_id":"1.2","events":[)";
  for (int i = 0; i < 27; ++i) {
    many += (i == 0 ? "" : ",") + R"({"name":"e)"s + std::to_string(i) + "\"}";
  }
  const Ga4Result cut = measurement(many + "]}");
  EXPECT_THAT(cut.rows, SizeIs(25));
  ASSERT_THAT(reasons_of(cut), ElementsAre("ga4.too_many_events"));
  EXPECT_EQ(cut.rejected[0].bytes, R"([{"name":"e25"},{"name":"e26"}])");
}

TEST(MeasurementProtocol, ChecksTheSecret) {
  const std::string_view body = R"({"client_id":"1.2","events":[{"name":"a"}]})";
  Ga4Options options;
  options.accepts_secret = [](std::string_view id, std::string_view secret) {
    return id == "G-TEST" && secret == "s+3";
  };
  EXPECT_THAT(measurement(body, options, "measurement_id=G-TEST&api_secret=s%2B3").rows, SizeIs(1));
  const Ga4Result refused = measurement(body, options, "measurement_id=G-TEST&api_secret=other");
  EXPECT_THAT(refused.rows, IsEmpty());
  EXPECT_THAT(reasons_of(refused), ElementsAre("ga4.bad_secret"));
  EXPECT_EQ(refused.status, 204);
}

TEST(MeasurementProtocol, ValidatesAsGoogleDoes) {
  EXPECT_THAT(debug(R"({"client_id":"1.2","events":[{"name":"login","params":{"method":"x"}}]})"), IsEmpty());
  const auto named = debug(R"({"client_id":"1.2","events":[{"name":"_badEventName","params":{}}]})");
  ASSERT_THAT(named, SizeIs(1));
  EXPECT_EQ(named[0].field_path, "events");
  EXPECT_EQ(named[0].description,
            "Event at index: [0] has invalid name [_badEventName]. Names must start with an alphabetic character.");
  EXPECT_EQ(named[0].validation_code, "NAME_INVALID");

  const auto codes = [](std::string_view body) { return codes_of(debug(body)); };
  const auto event = [&](const std::string& inside) {
    return codes(R"({"client_id":"1.2","events":[{"name":"x",)" + inside + "}]}");
  };
  EXPECT_THAT(codes("{"), ElementsAre("VALUE_INVALID "));
  EXPECT_THAT(codes(R"({"events":[{"name":"x"}]})"), ElementsAre("VALUE_REQUIRED client_id"));
  EXPECT_THAT(codes(R"({"client_id":"1.2"})"), ElementsAre("VALUE_REQUIRED events"));
  EXPECT_THAT(codes(R"({"client_id":"1.2","events":[{"name":"session_start"}]})"), ElementsAre("NAME_RESERVED events"));
  EXPECT_THAT(codes(R"({"client_id":"1.2","events":[{"name":"Demo Request"}]})"), ElementsAre("NAME_INVALID events"));
  EXPECT_THAT(codes(R"({"client_id":"1.2","events":[{"name":")" + std::string(41, 'n') + R"("}]})"),
              ElementsAre("NAME_INVALID events"));
  EXPECT_THAT(codes(R"({"client_id":"1.2","events":[{"name":")" + std::string(40, 'n') + R"("}]})"), IsEmpty());
  EXPECT_THAT(codes(R"({"client_id":"1.2","timestamp_micros":1,"events":[{"name":"x"}]})"),
              ElementsAre("VALUE_INVALID timestamp_micros"));
  EXPECT_THAT(event(R"("timestamp_micros":1746558799000000)"), ElementsAre("VALUE_INVALID events.timestamp_micros"));
  EXPECT_THAT(event(R"("timestamp_micros":1746558801000000)"), IsEmpty());  // a second less than 72 hours
  EXPECT_THAT(event(R"("params":{"p":")" + std::string(100, 'v') + "\"}"), IsEmpty());
  EXPECT_THAT(event(R"("params":{"p":")" + std::string(101, 'v') + "\"}"),
              ElementsAre("VALUE_OUT_OF_BOUNDS events.params.p"));
  EXPECT_THAT(
      event(R"("params":{"_p":1,"ga_x":2,"9":3,"p":4,"p":5,"q":[]})"),
      ElementsAre("NAME_RESERVED events.params._p", "NAME_RESERVED events.params.ga_x", "NAME_INVALID events.params.9",
                  "NAME_DUPLICATED events.params.p", "VALUE_INVALID events.params.q"));
  std::string many;
  for (int i = 0; i < 26; ++i) {
    many += (i == 0 ? "\"p" : ",\"p") + std::to_string(i) + "\":1";
  }
  EXPECT_THAT(event("\"params\":{" + many + "}"), ElementsAre("EXCEEDED_MAX_ENTITIES events.params"));
  std::string custom = R"("params":{"items":[{"item_id":"a","index":1,)";
  for (int i = 0; i < 11; ++i) {
    custom += (i == 0 ? "\"c" : ",\"c") + std::to_string(i) + "\":1";
  }
  EXPECT_THAT(event(custom + "}]}"), ElementsAre("EXCEEDED_MAX_ENTITIES events.params.items"));
  std::string events;
  for (int i = 0; i < 26; ++i) {
    events += (i == 0 ? "" : ",") + R"({"name":"x"})"s;
  }
  EXPECT_THAT(codes(R"({"client_id":"1.2","events":[)" + events + "]}"), ElementsAre("EXCEEDED_MAX_ENTITIES events"));
  const auto property = [&](const std::string& inside) {
    return codes(R"({"client_id":"1.2","user_properties":{)" + inside + R"(},"events":[{"name":"x"}]})");
  };
  EXPECT_THAT(property(R"("tier":{"value":"gold"})"), IsEmpty());
  EXPECT_THAT(property("\"" + std::string(25, 'p') + R"(":{"value":1})"),
              ElementsAre("NAME_INVALID user_properties." + std::string(25, 'p')));
  EXPECT_THAT(property(R"("p":{"value":")" + std::string(37, 'v') + "\"}"),
              ElementsAre("VALUE_OUT_OF_BOUNDS user_properties.p"));
  EXPECT_THAT(property(R"("user_id":{"value":1},"p":{})"),
              ElementsAre("NAME_RESERVED user_properties.user_id", "VALUE_REQUIRED user_properties.p"));
}

TEST(MeasurementProtocol, IsStrictOnRequest) {
  const auto body = [](std::string_view behavior) {
    return R"({"client_id":"1.2",)" + std::string(behavior) + R"("events":[{"name":"session_start"},{"name":"good"}]})";
  };
  EXPECT_THAT(names_of(measurement(body(""))), ElementsAre("session_start", "good"));
  EXPECT_THAT(names_of(measurement(body(R"("validation_behavior":"RELAXED",)"))), ElementsAre("session_start", "good"));
  const Ga4Result strict = measurement(body(R"("validation_behavior":"ENFORCE_RECOMMENDATIONS",)"));
  EXPECT_THAT(names_of(strict), ElementsAre("good"));
  EXPECT_THAT(reasons_of(strict), ElementsAre("ga4.reserved_event_name"));
}

TEST(MeasurementProtocol, TakesNonsenseAsItComes) {
  const std::string_view bodies[] = {
      R"({"client_id":"1.2","events":[{"name":"a","params":{"":1,"x\u0000y":"\u0000\u001f\ud83d\ude00","big":18446744073709551615,"neg":-9223372036854775808,"r":-1.5e-300}}]})",
      R"({"client_id":"1.2","user_properties":[1],"user_location":7,"device":"x","events":[{"name":"a","params":null}]})",
      R"({"client_id":"1.2","user_properties":{"a":1,"b":{"value":{"c":1}},"d":{"value":"","timestamp_micros":"x"}},"events":[{"name":"a"}]})",
      R"({"client_id":"1.2","events":[{"name":"purchase","params":{"value":"x","currency":5,"transaction_id":null,"items":[{"price":"p","quantity":1.5,"item_id":null,"item_name":{"a":1}},{"quantity":-9223372036854775808},{"quantity":-9223372036854775808},{}]}}]})",
      R"({"client_id":"1.2","client_id":"3.4","events":[{"name":"a","name":"b","params":{"session_id":"x","session_id":9.5,"engagement_time_msec":-5,"debug_mode":true}}]})",
      "\xEF\xBB\xBF{\"client_id\":\"1.2\",\"events\":[{\"name\":\"a\"}]}",
  };
  std::vector<std::string> rows;
  for (const std::string_view body : bodies) {
    const Ga4Result result = measurement(body);
    EXPECT_THAT(result.rejected, IsEmpty()) << body;
    EXPECT_THAT(result.rows, SizeIs(1)) << body;
    rows.insert(rows.end(), result.rows.begin(), result.rows.end());
  }
  EXPECT_THAT(troubles_of(rows), IsEmpty());
}

// Every body cut short and every byte changed: no row that the contract refuses, and nothing that vanishes.
TEST(MeasurementProtocol, LosesNothingOfADamagedBody) {
  const std::string body =
      R"({"client_id":"1.2","timestamp_micros":1746817999000000,"events":[{"name":"purchase","params":{"value":1.5,"items":[{"item_id":"a","price":2}]}}]})";
  std::vector<std::string> rows;
  const auto check = [&](const std::string& damaged) {
    const Ga4Result result = measurement(damaged);
    EXPECT_GT(result.rows.size() + result.rejected.size(), 0u) << damaged;
    rows.insert(rows.end(), result.rows.begin(), result.rows.end());
  };
  for (std::size_t size = 0; size < body.size(); ++size) {
    check(body.substr(0, size));
  }
  std::mt19937 random(20250509);
  for (int i = 0; i < 3'000; ++i) {
    std::string damaged = body;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    check(damaged);
  }
  EXPECT_THAT(troubles_of(rows), IsEmpty());
}

TEST(Ga4, KnowsItsPathsAndMethods) {
  const auto status = [](std::string_view method, std::string_view path) {
    return collect_ga4({.method = method, .path = path, .query = kHit, .body = {}, .received_at_micros = kNow}, {})
        .status;
  };
  EXPECT_EQ(status("GET", "/g/collect"), 204);
  EXPECT_EQ(status("POST", "/g/collect/"), 204);
  EXPECT_EQ(status("PUT", "/g/collect"), 405);
  EXPECT_EQ(status("GET", "/mp/collect"), 405);
  EXPECT_EQ(status("POST", "/mp/collect"), 204);
  EXPECT_EQ(status("POST", "/debug/mp/collect"), 200);
  EXPECT_EQ(status("POST", "/collect"), 404);
}

}  // namespace
}  // namespace shoplake::collect
