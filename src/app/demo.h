// `shoplake demo`: generated events through the whole pipeline (generate, load, build, ask), with what each stage took.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "app/app.h"
#include "base/progress.h"
#include "base/result.h"

namespace shoplake::app {

struct DemoOptions {
  std::uint64_t events = 100'000;
  int days = 14;
  std::uint64_t seed = 42;
  std::string end_date;  // YYYY-MM-DD; empty: yesterday, so that the data are fresh and the last day is whole
  base::Progress* progress = nullptr;
  std::stop_token stop;
};

struct DemoStage {
  enum class Name { generate, load, build, ask };
  Name name = Name::generate;
  std::int64_t micros = 0;
  std::int64_t rows = 0;    // events, rows, nodes done, answers
  std::int64_t other = 0;   // generate: users; load: rejected rows; build: of the nodes, tests
  std::uint64_t bytes = 0;  // generate and load: of JSON
};

struct DemoReport {
  struct Channel {
    std::string channel;
    std::int64_t first_click_conversions = 0;
    std::int64_t last_click_conversions = 0;
    double first_click_value = 0;
    double last_click_value = 0;
  };
  struct FunnelStage {
    std::string stage;
    std::int64_t sessions = 0;
  };
  struct Retention {
    int day = 0;
    std::int64_t cohort_users = 0;
    std::int64_t returning_users = 0;
  };
  std::vector<DemoStage> stages;
  std::vector<Channel> channels;  // purchases, by last-click value
  std::vector<FunnelStage> funnel;
  std::vector<Retention> retention;  // D1 and D7
  std::int64_t micros = 0;
};

// A home of the demo's own, <working directory>/shoplake-data/demo, emptied of an earlier demo; for when SHOPLAKE_HOME
// is not set. Error demo.foreign_home (usage) if a folder stands there that no demo made.
base::Result<std::string> prepare_demo_home(io::Env& env);

// Tells each stage when it is done. Errors: those of the stages, and demo.build_failed with the first failures.
base::Result<DemoReport> run_demo(App& app, const DemoOptions& options,
                                  const std::function<void(const DemoStage&)>& stage_done);

}  // namespace shoplake::app
