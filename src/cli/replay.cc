// shoplake replay: brings in again what a stream's raw objects hold.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <limits>
#include <memory>
#include <string>

#include "app/replay.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/format.h"

namespace shoplake::cli {
namespace {

struct Options {
  std::string stream;
  std::string from;
  std::string to;
};

base::Result<int> run(const Options& options, Context& context) {
  live::ReplayOptions replay;
  replay.stream = options.stream;
  replay.from_micros = options.from.empty() ? 0 : SHOPLAKE_TRY(app::parse_moment(options.from));
  replay.to_micros =
      options.to.empty() ? std::numeric_limits<std::int64_t>::max() : SHOPLAKE_TRY(app::parse_moment(options.to));
  replay.progress = &context.progress();
  replay.stop = context.stop;
  const live::ReplayReport report = SHOPLAKE_TRY(app::replay_stream(*SHOPLAKE_TRY(context.app()), replay));
  if (context.json) {
    context.print(fmt::format(
        R"({{"stream":"{}","objects":{},"records":{},"added":{},"already_there":{},"rejected":{},"late":{}}})",
        options.stream, report.objects, report.records, report.added, report.already_there, report.rejected,
        report.late));
    return 0;
  }
  const auto count = [](std::uint64_t n) { return format_count(static_cast<std::int64_t>(n)); };
  context.say(fmt::format("replay {}: {} records of {} objects: {} added, {} already there, {} rejected",
                          options.stream, count(report.records), count(report.objects), count(report.added),
                          count(report.already_there), count(report.rejected)));
  if (report.late > 0)
    context.say(fmt::format("  {} are too old for the live models; shoplake build brings their days up to date",
                            count(report.late)));
  return 0;
}

}  // namespace

void add_replay(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("replay", "bring in again what a stream's raw objects hold, each event once");
  auto options = std::make_shared<Options>();
  command->add_option("stream", options->stream, "a stream, such as events")->required();
  command->add_option("--from", options->from, "only objects begun at or after this moment (UTC)")->type_name("MOMENT");
  command->add_option("--to", options->to, "only objects begun before this moment (UTC)")->type_name("MOMENT");
  command->footer(
      "Events that the table holds are left alone, so a replay of a whole archive changes nothing.\n"
      "\n"
      "Examples:\n"
      "  shoplake replay events --from 2026-11-20 --to 2026-11-21\n"
      "  shoplake replay clickstream --from 2026-11-20T14:00:00Z\n"
      "\n"
      "Exit codes: 0 done; 2 no such stream, or a bad moment; 4 disk or permission.");
  command->callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace shoplake::cli
