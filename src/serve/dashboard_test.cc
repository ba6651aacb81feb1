#include "serve/dashboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

namespace shoplake::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

// Tables with made-up versions, and one answer for every statement.
class FakeLake : public Lake {
 public:
  base::Result<std::vector<TableVersion>> versions(std::span<const std::string> tables) override {
    std::vector<TableVersion> found;
    for (const auto& name : tables) {
      if (const auto table = locations.find(name); table != locations.end())
        found.push_back({name, table->second, 7, 1'000});
    }
    return found;
  }
  base::Result<Rows> query(const std::string& sql) override {
    queries.push_back(sql);
    if (failing)
      return base::make_error(base::ErrorKind::environment, "engine.out_of_memory", "no memory");
    const auto text = [](std::string value) { return engine::Value{std::move(value)}; };
    if (sql.find("first_date, strftime") != std::string::npos)
      return Rows{{"first_date", "last_date"}, {{text("2026-01-01"), text("2026-03-31")}}};
    if (sql.find("max(event_timestamp)") != std::string::npos) {
      return Rows{{"events", "last_event_timestamp"},
                  {{engine::Value{std::int64_t{5}}, engine::Value{std::int64_t{1'700'000'000'000'000}}}}};
    }
    return Rows{{"channel", "sessions", "share"},
                {{text("=1+1,\"x\""), engine::Value{std::int64_t{3}}, engine::Value{0.25}},
                 {text("Direct"), engine::Value{std::int64_t{4}}, engine::Value{}}}};
  }
  base::Result<std::optional<Contents>> contents(std::string_view, std::string_view) override { return said; }
  void fill() {
    for (const auto& name : Dashboard::tables())
      locations[name] = "v1";
  }
  std::map<std::string, std::string> locations;
  std::vector<std::string> queries;
  std::optional<Contents> said;
  bool failing = false;
};

http::Request get(std::string query = {}) {
  http::Request request;
  request.method = "GET";
  request.query = std::move(query);
  return request;
}
nlohmann::json body_of(const http::Response& response) { return nlohmann::json::parse(response.bytes()); }
std::string header_of(const http::Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name)
      return value;
  }
  return {};
}

class DashboardTest : public testing::Test {
 protected:
  FakeLake lake_;
  Dashboard dashboard_{io::posix_env(), lake_, {}};
};

TEST_F(DashboardTest, EventsAreCountedByTheCatalogWhereItCan) {
  lake_.fill();
  lake_.said = Lake::Contents{7, 1'700'000'000'000'000};
  EXPECT_EQ(body_of(dashboard_.respond("freshness", get()))["events"], 14);  // of two tables
  EXPECT_THAT(lake_.queries, testing::Not(testing::Contains(HasSubstr("max(event_timestamp)"))));
  lake_.said.reset();
  lake_.locations["processed.events"] = "v2";
  body_of(dashboard_.respond("freshness", get()));
  EXPECT_THAT(lake_.queries, testing::Contains(HasSubstr("max(event_timestamp)")));
}

TEST_F(DashboardTest, EmptyLakeSaysWhatFillsIt) {
  const auto block = body_of(dashboard_.respond("funnel", get()));
  EXPECT_EQ(block["state"], "empty");
  EXPECT_THAT(block["hint"]["command"], HasSubstr("shoplake load"));
  EXPECT_TRUE(block["rows"].empty());
  lake_.locations["processed.events"] = "v1";
  EXPECT_EQ(body_of(dashboard_.respond("funnel", get()))["hint"]["command"], "shoplake build");
  EXPECT_EQ(body_of(dashboard_.respond("freshness", get()))["reasons"][0]["code"], "not_built");
}

TEST_F(DashboardTest, TheLastFourteenDaysAreTheDefault) {
  lake_.fill();
  const auto block = body_of(dashboard_.respond("series", get()));
  EXPECT_EQ(block["from"], "2026-03-18");
  EXPECT_EQ(block["to"], "2026-03-31");
  EXPECT_EQ(block["previous_from"], "2026-03-04");
  EXPECT_EQ(block["previous_to"], "2026-03-17");
  EXPECT_TRUE(block["previous_complete"]);
  EXPECT_FALSE(body_of(dashboard_.respond("series", get("from=2026-01-05")))["previous_complete"]);
}

TEST_F(DashboardTest, AnUnchangedLakeIsNotReadAgain) {
  lake_.fill();
  const http::Response first = dashboard_.respond("channels", get());
  const auto before = lake_.queries.size();
  const http::Response second = dashboard_.respond("channels", get());
  EXPECT_EQ(lake_.queries.size(), before);
  EXPECT_EQ(first.bytes(), second.bytes());

  http::Request again = get();
  again.headers.emplace_back("if-none-match", header_of(first, "ETag"));
  EXPECT_EQ(dashboard_.respond("channels", again).status, 304);

  lake_.locations["marts.fact_events"] = "v2";  // not a table of this block
  dashboard_.respond("channels", get());
  EXPECT_EQ(lake_.queries.size(), before);
  lake_.locations["marts.mart_attribution_daily"] = "v2";
  dashboard_.respond("channels", get());
  EXPECT_GT(lake_.queries.size(), before);
}

TEST_F(DashboardTest, FailuresAreNotKept) {
  lake_.fill();
  lake_.failing = true;
  EXPECT_EQ(dashboard_.respond("channels", get()).status, 503);
  lake_.failing = false;
  EXPECT_EQ(dashboard_.respond("channels", get()).status, 200);
}

TEST_F(DashboardTest, ParametersAreBoundOnceAndQuoted) {
  lake_.fill();
  dashboard_.respond("channels",
                     get("channel=%24event+%24channels(x)'&event=it's%24from&from=2026-03-01&to=2026-03-02"));
  EXPECT_THAT(lake_.queries.back(), HasSubstr("channels.channel in ('$event $channels(x)''')"));
  EXPECT_THAT(lake_.queries.back(), HasSubstr("conversion_event = 'it''s$from'"));
  EXPECT_THAT(lake_.queries.back(), HasSubstr("between date '2026-03-01' and date '2026-03-02'"));
}

TEST_F(DashboardTest, EveryStatementIsBoundCompletely) {
  lake_.fill();
  for (const auto& name : Dashboard::names()) {
    for (const char* query : {"", "channel=a&channel=b"}) {
      if (name == "freshness" && *query != '\0')
        continue;
      EXPECT_EQ(dashboard_.respond(name, get(query)).status, 200) << name;
      EXPECT_THAT(lake_.queries.back(), Not(HasSubstr("$"))) << name;
    }
  }
}

TEST_F(DashboardTest, CsvIsQuotedAndRunsNoFormula) {
  lake_.fill();
  const http::Response response = dashboard_.respond("channels", get("format=csv"));
  EXPECT_EQ(response.bytes(), "channel,sessions,share\r\n\"'=1+1,\"\"x\"\"\",3,0.25\r\nDirect,4,\r\n");
  EXPECT_THAT(header_of(response, "Content-Disposition"), HasSubstr("shoplake-channels-2026-03-18_2026-03-31.csv"));
}

TEST_F(DashboardTest, BadParametersAreSaid) {
  lake_.fill();
  for (const char* query : {"from=2026-13-01", "from=20260101", "from=2026-02-29", "from=2026-03-02&to=2026-03-01",
                            "from=1950-01-01&to=2026-01-01", "x=1", "format=xml", "channel=%00"}) {
    const http::Response response = dashboard_.respond("series", get(query));
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_EQ(body_of(response)["error"]["code"], "serve.bad_parameter") << query;
  }
  EXPECT_EQ(dashboard_.respond("freshness", get("from=2026-01-01")).status, 400);
  EXPECT_EQ(dashboard_.respond("nothing", get()).status, 404);
}

TEST_F(DashboardTest, OldEventsAreStale) {
  lake_.fill();
  const auto freshness = body_of(dashboard_.respond("freshness", get()));
  EXPECT_EQ(freshness["state"], "stale");
  EXPECT_EQ(freshness["last_event_at"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(freshness["reasons"][0]["code"], "old_events");
}

}  // namespace
}  // namespace shoplake::serve
