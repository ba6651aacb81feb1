#include "app/live_options.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "app/build.h"
#include "app/hash_key.h"
#include "base/log.h"
#include "contract/contract.h"
#include "ingest/dataset_tables.h"

namespace shoplake::app {
namespace {

using base::Result;

// What the models' rows may take in memory before the engine spills.
constexpr std::uint64_t kLiveMemoryBytes = 144ull << 20;
constexpr int kLiveThreads = 2;
// The same of the project's models, when they are brought up within the server.
constexpr std::uint64_t kServedBuildMemoryBytes = 512ull << 20;

// Limits that tests set lower, so that few records reach them (docs/live.md); not for users.
template <typename Number>
void set_limit(const char* variable, Number& limit) {
  const char* text = std::getenv(variable);
  if (text == nullptr)
    return;
  Number given = 0;
  const char* end = text + std::strlen(text);
  if (std::from_chars(text, end, given).ptr == end && given > 0)
    limit = given;
}

Result<void> run_project(App& app, ModelCommand command, std::stop_token stop) {
  command.memory_bytes = kServedBuildMemoryBytes;
  std::string report;
  ModelOutput output;
  output.line = [&](std::string_view line) { report.append(line).append("\n"); };
  output.json = [](std::string_view) {};
  output.paint = [](ModelOutput::Tone, std::string_view text) { return std::string(text); };
  const int code = SHOPLAKE_TRY(run_models(app, command, output, std::move(stop)));
  if (code != 0)
    return base::make_error(base::ErrorKind::failed, "collect.build_failed", "the project's build failed:\n" + report,
                            "Run shoplake build.");
  return {};
}

}  // namespace

Result<std::unique_ptr<collect::Streams>> open_streams(App& app) {
  SHOPLAKE_TRY(app.catalog());  // makes the control plane
  return collect::Streams::open(app.env(), app.home().control_plane, app.home().collector.streams);
}

Result<std::vector<live::Stream>> live_streams(App& app, const collect::Streams& streams, bool all) {
  std::vector<live::Stream> taken;
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  for (const auto& stream : streams.list()) {
    const std::string path = io::join_path(app.home().datasets_directory, stream->dataset + ".yml");
    if (!SHOPLAKE_TRY(app.env().exists(path))) {
      base::log::warning(
          "collect.raw_only",
          {{"stream", stream->name},
           {"advice", fmt::format("there is no contract {}: its records are kept in {} only", path, stream->prefix)}});
      continue;
    }
    const contract::Contract contract = SHOPLAKE_TRY(contract::read_contract(app.env(), path));
    SHOPLAKE_TRY(ingest::create_dataset_tables(*catalog, contract));
    if (stream->live || all)
      taken.push_back({stream->name, stream->dataset, stream->prefix});
  }
  return taken;
}

Result<live::LiveOptions> live_options(App& app, std::vector<live::Stream> streams) {
  const Home& home = app.home();
  live::LiveOptions options;
  options.env = &app.env();
  options.catalog = SHOPLAKE_TRY(app.catalog());
  options.home_directory = home.directory;
  options.lake_root = home.lake_root;
  options.datasets_directory = home.datasets_directory;
  options.hash_key = SHOPLAKE_TRY(hash_key(app.env(), home.directory));
  options.streams = std::move(streams);
  options.engine = app.engine_options();
  options.engine.memory_limit_bytes = kLiveMemoryBytes;
  options.engine.threads = kLiveThreads;
  set_limit("SHOPLAKE_LIVE_BACKLOG_RECORDS", options.backlog_records_min);
  set_limit("SHOPLAKE_LIVE_BULK_RECORDS", options.bulk_records_max);
  set_limit("SHOPLAKE_LIVE_HOT_ROWS", options.hot_rows_max);
  set_limit("SHOPLAKE_LIVE_JOINED_ROWS", options.joined_row_group_rows_min);
  options.project.env = &app.env();
  options.project.project_directory = home.project_directory;
  options.project.target_directory = io::join_path(home.directory, "target/live");
  options.project.command = "build";
  // The whole project with its tests, as `shoplake build` runs it.
  options.build = [&app](std::stop_token stop) { return run_project(app, ModelCommand(), std::move(stop)); };
  options.run_models = [&app](const std::vector<std::string>& models, std::stop_token stop) {
    ModelCommand command;
    command.kind = ModelCommand::Kind::run;
    command.select = models;
    return run_project(app, command, std::move(stop));
  };
  return options;
}

}  // namespace shoplake::app
