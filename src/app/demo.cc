#include "app/demo.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/build.h"
#include "app/load.h"
#include "generate/events.h"
#include "generate/plan.h"
#include "query/runner.h"

namespace shoplake::app {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

constexpr const char* kOwnHome = "shoplake-data/demo";
constexpr const char* kMarker = "made-by-shoplake-demo";  // `demo` empties only a folder that holds this file
constexpr std::size_t kFailuresShown = 5;

std::string yesterday(io::Env& env) {
  const std::int64_t day = (env.now_micros() / 1'000'000 + generate::kTimeZoneSeconds) / generate::kDaySeconds - 1;
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

class Demo {
 public:
  Demo(App& app, const DemoOptions& options, const std::function<void(const DemoStage&)>& stage_done)
      : app_(app),
        options_(options),
        stage_done_(stage_done),
        progress_(options.progress != nullptr ? *options.progress : base::no_progress()) {}

  Result<DemoReport> run() {
    const std::int64_t began = app_.env().monotonic_micros();
    SHOPLAKE_TRY(stage(DemoStage::Name::generate, [this](DemoStage& done) { return generate(done); }));
    SHOPLAKE_TRY(stage(DemoStage::Name::load, [this](DemoStage& done) { return load(done); }));
    SHOPLAKE_TRY(stage(DemoStage::Name::build, [this](DemoStage& done) { return build(done); }));
    SHOPLAKE_TRY(stage(DemoStage::Name::ask, [this](DemoStage& done) { return ask(done); }));
    report_.micros = app_.env().monotonic_micros() - began;
    return std::move(report_);
  }

 private:
  template <typename Work>
  Result<void> stage(DemoStage::Name name, Work work) {
    DemoStage done;
    done.name = name;
    const std::int64_t began = app_.env().monotonic_micros();
    SHOPLAKE_TRY(work(done));
    done.micros = app_.env().monotonic_micros() - began;
    report_.stages.push_back(done);
    stage_done_(done);
    return {};
  }

  Result<void> generate(DemoStage& done) {
    generate::EventsOptions events;
    events.events = options_.events;
    events.days = options_.days;
    events.seed = options_.seed;
    events.end_date = options_.end_date.empty() ? yesterday(app_.env()) : options_.end_date;
    events.out = io::join_path(app_.home().directory, "generated/events.ndjson.gz");
    const generate::EventsSummary summary =
        SHOPLAKE_TRY(generate::generate_events(app_.env(), events, progress_, options_.stop));
    done.rows = static_cast<std::int64_t>(summary.events);
    done.other = static_cast<std::int64_t>(summary.users);
    done.bytes = summary.json_bytes;
    generated_ = events.out;
    return {};
  }

  Result<void> load(DemoStage& done) {
    LoadOptions load;
    load.dataset = "events";
    load.paths = {generated_};
    load.progress = &progress_;
    load.stop = options_.stop;
    const LoadReport report = SHOPLAKE_TRY(app::load(app_, load));
    if (const base::Error* error = report.first_error()) {
      return *error;
    }
    done.rows = report.rows();
    done.other = report.rejected();
    for (const LoadedFile& file : report.files) {
      done.bytes += file.inflated_bytes;
    }
    return {};
  }

  Result<void> build(DemoStage& done) {
    std::vector<std::string> failures;
    ModelCommand command;
    command.kind = ModelCommand::Kind::build;
    ModelOutput output;
    output.as_json = true;
    output.line = [](std::string_view) {};
    output.paint = [](ModelOutput::Tone, std::string_view text) { return std::string(text); };
    output.json = [&](std::string_view text) {
      const auto event = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
      if (!event.is_object() || event.value("event", "") != "finished") {
        return;
      }
      if (done.rows == 0) {
        progress_.begin("build", event.value("total", std::uint64_t{0}), base::Progress::Unit::items);
      }
      const std::string id = event.value("unique_id", "");
      const std::string status = event.value("status", "");
      ++done.rows;
      done.other += id.starts_with("test.") || id.starts_with("unit_test.") ? 1 : 0;
      progress_.update(static_cast<std::uint64_t>(done.rows));
      if ((status == "error" || status == "fail") && failures.size() < kFailuresShown) {
        failures.push_back(fmt::format("{}: {}", id, event.value("message", status)));
      }
    };
    const int exit_code = SHOPLAKE_TRY(run_models(app_, command, output, options_.stop));
    progress_.end();
    if (exit_code != 0) {
      std::string text = "the build of the dbt project failed";
      for (const std::string& failure : failures) {
        text += "\n" + failure;
      }
      return make_error(ErrorKind::failed, "demo.build_failed", text,
                        fmt::format("see all of it with `SHOPLAKE_HOME={} shoplake build`", app_.home().directory));
    }
    return {};
  }

  Result<void> ask(DemoStage& done) {
    const auto channels = SHOPLAKE_TRY(
        query("select channel, first_click_conversions, last_click_conversions, first_click_value, last_click_value "
              "from marts.mart_attribution_comparison where conversion_event = 'purchase' order by last_click_value "
              "desc, channel"));
    for (std::int64_t row = 0; row < channels.row_count(); ++row) {
      report_.channels.push_back({channels.text(row, 0).value_or(""), channels.integer(row, 1),
                                  channels.integer(row, 2), number(channels, row, 3), number(channels, row, 4)});
    }
    const auto funnel =
        SHOPLAKE_TRY(query("select stage, cast(sum(sessions) as bigint) from marts.agg_funnel_daily group by "
                           "stage_number, stage order by stage_number"));
    for (std::int64_t row = 0; row < funnel.row_count(); ++row) {
      report_.funnel.push_back({funnel.text(row, 0).value_or(""), funnel.integer(row, 1)});
    }
    const auto retention =
        SHOPLAKE_TRY(query("select day_n, cast(sum(cohort_users) as bigint), cast(sum(returning_users) as bigint) from "
                           "marts.agg_retention_daily "
                           "where day_n in (1, 7) group by day_n order by day_n"));
    for (std::int64_t row = 0; row < retention.row_count(); ++row) {
      report_.retention.push_back(
          {static_cast<int>(retention.integer(row, 0)), retention.integer(row, 1), retention.integer(row, 2)});
    }
    done.rows = 3;
    done.bytes = 0;
    return {};
  }

  Result<engine::ResultSet> query(std::string sql) {
    catalog::Catalog* catalog = SHOPLAKE_TRY(app_.catalog());
    auto database = SHOPLAKE_TRY(app_.open_engine());
    runners_.push_back(SHOPLAKE_TRY(query::QueryRunner::prepare(std::move(database), *catalog, std::move(sql))));
    return runners_.back()->run(options_.stop);
  }

  static double number(const engine::ResultSet& answer, std::int64_t row, std::size_t column) {
    const auto text = answer.text(row, column);
    return text ? std::strtod(text->c_str(), nullptr) : 0;
  }

  App& app_;
  const DemoOptions& options_;
  const std::function<void(const DemoStage&)>& stage_done_;
  base::Progress& progress_;
  std::string generated_;
  DemoReport report_;
  std::vector<std::unique_ptr<query::QueryRunner>> runners_;  // answers must not outlive their engine
};

}  // namespace

base::Result<std::string> prepare_demo_home(io::Env& env) {
  const std::string home = (std::filesystem::current_path() / kOwnHome).string();
  const std::string marker = io::join_path(home, kMarker);
  if (SHOPLAKE_TRY(env.exists(home))) {
    if (!SHOPLAKE_TRY(env.exists(marker))) {
      return make_error(ErrorKind::usage, "demo.foreign_home",
                        fmt::format("{} stands where the demo's home goes, and no demo made it", home),
                        "move it away, or name a home: SHOPLAKE_HOME=FOLDER shoplake demo");
    }
    SHOPLAKE_TRY(env.remove_tree(home));
  }
  SHOPLAKE_TRY(env.create_directories(home));
  SHOPLAKE_TRY(env.write_file(marker, "`shoplake demo` empties this folder when it runs again.\n"));
  return home;
}

base::Result<DemoReport> run_demo(App& app, const DemoOptions& options,
                                  const std::function<void(const DemoStage&)>& stage_done) {
  return Demo(app, options, stage_done).run();
}

}  // namespace shoplake::app
