// A home with log, catalog and the repository's own dbt project, for tests of live.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "catalog/catalog.h"
#include "engine/session.h"
#include "io/temporary_directory.h"
#include "live/live.h"
#include "model/invocation.h"
#include "model/runner.h"
#include "wal/log.h"

namespace shoplake::live {

class SilentListener final : public model::RunListener {
 public:
  void started(int, int, const model::Manifest&, const std::string&) override {}
  void finished(int, int, const model::Manifest&, const model::NodeResult&) override {}
  void message(std::string_view) override {}
};

class LiveHome {
 public:
  explicit LiveHome(io::Env& env = io::posix_env()) : env_(&env) {
    auto opened = catalog::Catalog::open({env_, folder_.file("lake"), folder_.file("state.sqlite")});
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : to_string(opened.error()));
    catalog_ = std::move(opened).value();
    open_log();
  }

  void open_log() {
    log_.reset();
    wal::LogOptions options;
    options.env = &io::posix_env();
    options.directory = folder_.file("wal");
    auto opened = wal::Log::open(options);
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : to_string(opened.error()));
    log_ = std::move(opened).value();
  }

  engine::DatabaseOptions engine() const {
    engine::DatabaseOptions options;
    options.extension_directory = std::string(SHOPLAKE_DEPS_DIR) + "/extensions";
    options.temporary_directory = folder_.file("tmp");
    options.memory_limit_bytes = 256ULL << 20;
    options.threads = 2;
    return options;
  }

  model::InvocationOptions project() const {
    model::InvocationOptions options;
    options.env = env_;
    options.project_directory = project_directory;
    options.target_directory = folder_.file("target");
    return options;
  }

  LiveOptions options() {
    LiveOptions options;
    options.env = env_;
    options.log = log_.get();
    options.catalog = catalog_.get();
    options.home_directory = folder_.path();
    options.lake_root = folder_.file("lake");
    options.datasets_directory = datasets_directory;
    options.streams = {{"events", "events", "raw/events/"}, {"clickstream", "clickstream", "raw/clickstream/"}};
    options.engine = engine();
    options.project = project();
    options.build = [this](std::stop_token) { return build(false); };
    options.run_models = [this](const std::vector<std::string>&, std::stop_token) { return build(false); };
    return options;
  }

  std::unique_ptr<Live> live() {
    auto opened = Live::open(options());
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : to_string(opened.error()));
    return opened.ok() ? std::move(opened).value() : nullptr;
  }

  // Seeds and models, as `shoplake build` runs them, without tests.
  Result<void> build(bool full_refresh) {
    model::InvocationOptions options = project();
    options.full_refresh = full_refresh;
    options.command = "build";
    const auto invocation = SHOPLAKE_TRY(model::Invocation::load(options));
    const auto database = SHOPLAKE_TRY(engine::Database::open(engine()));
    const auto session = SHOPLAKE_TRY(database->connect());
    const auto lake = SHOPLAKE_TRY(model::Lake::open({env_, catalog_.get()}, *session));
    std::set<std::string> nodes;
    for (const auto& [id, node] : invocation->manifest().nodes) {
      const bool is_table = node.type == model::ResourceType::seed ||
                            (node.type == model::ResourceType::model && node.materialized() != "ephemeral");
      if (is_table)
        nodes.insert(id);
    }
    model::RunnerOptions run;
    run.env = env_;
    run.target_directory = options.target_directory;
    run.full_refresh = full_refresh;
    run.tests_gate = false;
    SilentListener listener;
    model::Runner runner(invocation->manifest(), invocation->graph(), invocation->renderer(), *lake, *database, run,
                         listener);
    for (const model::NodeResult& result : SHOPLAKE_TRY(runner.run(nodes))) {
      if (result.status == model::NodeStatus::error || result.status == model::NodeStatus::skipped)
        return base::make_error(base::ErrorKind::failed, "test.build", result.unique_id + ": " + result.message);
    }
    return {};
  }

  void send(const std::string& stream, const std::vector<std::string>& lines) {
    std::vector<wal::Entry> entries;
    for (const std::string& line : lines)
      entries.push_back({stream, env_->now_micros(), line});
    if (entries.empty())
      return;
    const auto appended = log_->append_and_wait(entries);
    ASSERT_TRUE(appended.ok()) << to_string(appended.error());
  }

  // The rows of a table as text, sorted. Fingerprints tell how a row was made, not what it says.
  std::vector<std::string> rows(const std::string& table, const std::string& columns = "") {
    const auto identifier = catalog::parse_table_identifier(table);
    const auto loaded = catalog_->load_table(*identifier);
    if (!loaded.ok()) {
      ADD_FAILURE() << to_string(loaded.error());
      return {};
    }
    return rows(*loaded, columns);
  }

  // The same of a table as it was when it was loaded.
  std::vector<std::string> rows(const catalog::Table& table, const std::string& columns = "") {
    std::vector<std::string> rows;
    std::string list = columns;
    if (list.empty()) {
      for (const catalog::Field& field : table.metadata->current_schema().fields) {
        const bool tells_how = field.name.ends_with("fingerprint") || field.name == "source_object" ||
                               field.name == "source_line" || field.name == "source_row_count" ||
                               field.name == "page_view_timestamps";
        if (!tells_how)
          list += (list.empty() ? "" : ", ") + engine::quote_identifier(field.name);
      }
    }
    const auto database = engine::Database::open(engine());
    const auto session = (*database)->connect();
    const auto result = (*session)->query(fmt::format("SELECT {} FROM iceberg_scan({}) ORDER BY ALL", list,
                                                      engine::quote_literal(table.metadata_location)));
    if (!result.ok()) {
      ADD_FAILURE() << catalog::to_string(table.identifier) << ": " << to_string(result.error());
      return rows;
    }
    for (std::int64_t row = 0; row < result->row_count(); ++row) {
      std::string text;
      for (std::size_t column = 0; column < result->columns().size(); ++column)
        text += result->columns()[column].name + "=" + result->text(row, column).value_or("NULL") + "|";
      rows.push_back(std::move(text));
    }
    return rows;
  }

  std::int64_t count(const std::string& table) {
    const std::vector<std::string> answer = rows(table, "count(*) AS n");
    return answer.size() == 1 ? std::stoll(answer[0].substr(2)) : -1;
  }

  io::TemporaryDirectory folder_;
  io::Env* env_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<wal::Log> log_;
  std::string datasets_directory = std::string(SHOPLAKE_SOURCE_DIR) + "/datasets";
  std::string project_directory = std::string(SHOPLAKE_SOURCE_DIR) + "/dbt";
};

inline const std::vector<std::string> kLiveTables = {
    "marts.fact_events",
    "staging.stg_ga4_sessions",
    "staging.stg_ga4_conversions",
    "intermediate.int_channels",
    "marts.fact_sessions",
    "intermediate.int_touchpoints",
    "intermediate.int_conversions",
    "intermediate.int_user_journeys",
    "marts.mart_first_click_attribution",
    "marts.mart_last_click_attribution",
    "marts.mart_attribution_daily",
    "marts.mart_attribution_comparison",
    "marts.agg_sessions_daily",
    "marts.agg_funnel_daily",
};

inline Step run(Live& live) {
  auto step = live.run_once();
  EXPECT_TRUE(step.ok()) << (step.ok() ? "" : to_string(step.error()));
  return step.ok() ? *step : Step();
}

inline std::map<std::string, std::vector<std::string>> tables(LiveHome& home) {
  std::map<std::string, std::vector<std::string>> all;
  for (const std::string& table : kLiveTables)
    all[table] = home.rows(table);
  return all;
}

// The live tables as they are, and as a build from the beginning makes them.
inline void expect_as_built(LiveHome& home) {
  const auto live = tables(home);
  const auto built = home.build(true);
  ASSERT_TRUE(built.ok()) << to_string(built.error());
  for (const auto& [table, rows] : tables(home)) {
    EXPECT_EQ(live.at(table), rows) << table;
    EXPECT_FALSE(rows.empty()) << table;
  }
}

// Journeys of a few users over some days, in order of time; the same for one seed. Times are micros since 1970.
class Shop {
 public:
  explicit Shop(std::uint64_t seed, std::size_t users = 12, std::int64_t begin_micros = 1'795'000'000'000'000)
      : state_(seed), now_(begin_micros), seen_(users), session_(users), source_(users) {}

  std::string next() {
    now_ += static_cast<std::int64_t>(random(7'200)) * 1'000'000 / static_cast<std::int64_t>(seen_.size()) + 1'000;
    const auto user = static_cast<std::size_t>(random(seen_.size()));
    // A visit lasts until a user has been away for a while.
    if (now_ - seen_[user] > 1'800'000'000LL) {
      session_[user] = now_ / 1'000'000;
      source_[user] = static_cast<int>(random(5));
    }
    seen_[user] = now_;
    static const char* kNames[] = {"session_start", "page_view",      "page_view", "view_item",
                                   "add_to_cart",   "begin_checkout", "purchase",  "scroll"};
    const std::string name = kNames[random(8)];
    // Some are sent late, some share their moment with others.
    const std::int64_t at = now_ - (random(6) == 0 ? static_cast<std::int64_t>(random(7'200)) * 1'000'000 : 0);
    return event(user, name, at);
  }

  std::string event(std::size_t user, const std::string& name, std::int64_t at) {
    static const char* kSources[] = {"google", "newsletter", "facebook", "(direct)", ""};
    static const char* kMedia[] = {"organic", "email", "cpc", "(none)", ""};
    std::string params = fmt::format(R"({{"key":"ga_session_id","value":{{"int_value":"{}"}}}})", session_[user]);
    params +=
        fmt::format(R"(,{{"key":"page_location","value":{{"string_value":"https://shop.example/p/{}"}}}})", random(9));
    params += fmt::format(R"(,{{"key":"engagement_time_msec","value":{{"int_value":{}}}}})", random(9'000));
    const int source = source_[user];
    if (kSources[source][0] != '\0' && random(2) == 0) {
      params += fmt::format(
          R"(,{{"key":"source","value":{{"string_value":"{}"}}}},{{"key":"medium","value":{{"string_value":"{}"}}}})",
          kSources[source], kMedia[source]);
    }
    std::string order;
    if (name == "purchase") {
      order = fmt::format(
          R"(,"event_value_in_usd":{0},"ecommerce":{{"transaction_id":"T{1}","purchase_revenue_in_usd":{0},"purchase_revenue":{0}}})",
          10 + random(90), random(60 * seen_.size() / 12));
    }
    return fmt::format(
        R"({{"event_date":"{}","event_timestamp":{},"event_name":"{}","event_params":[{}],"user_pseudo_id":"user{}","stream_id":"1","platform":"WEB","batch_event_index":{}{}}})"
        "\n",
        day(at), at, name, params, user, ++index_, order);
  }

  std::vector<std::string> events(int count) {
    std::vector<std::string> lines;
    for (int index = 0; index < count; ++index)
      lines.push_back(next());
    return lines;
  }

  static std::string day(std::int64_t micros) {
    const std::time_t seconds = static_cast<std::time_t>(micros / 1'000'000);
    std::tm day{};
    gmtime_r(&seconds, &day);
    return fmt::format("{:04}{:02}{:02}", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
  }

  std::uint64_t random(std::uint64_t below) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state_ >> 33) % below;
  }
  std::int64_t now() const { return now_; }
  void skip(std::int64_t micros) { now_ += micros; }

 private:
  std::uint64_t state_;
  std::int64_t now_;
  std::vector<std::int64_t> seen_;
  std::vector<std::int64_t> session_;
  std::vector<int> source_;
  int index_ = 0;
};

}  // namespace shoplake::live
