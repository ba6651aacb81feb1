// shoplake ingest [DATASET...]: files that were dropped into the raw zone.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/drops.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

struct Options {
  std::vector<std::string> datasets;
  bool watch = false;
  bool strict = false;
};

void say_file(const std::string& dataset, const app::LoadedFile& file, Context& context) {
  const std::string_view name = std::string_view(file.path).substr(file.path.find_last_of('/') + 1);
  const Terminal& terminal = standard_output();
  if (file.error) {
    const bool is_rejected = !file.quarantined_as.empty();
    context.say(fmt::format("{}: {}   {}: {}{}", dataset, name,
                            terminal.styled(Style::bad, is_rejected ? "rejected" : "not published"),
                            file.error->message, is_rejected ? ", kept as " + file.quarantined_as : ""));
    return;
  }
  std::string what = file.status == app::LoadedFile::Status::skipped
                         ? fmt::format("same content as {}, skipped", file.loaded_before_as)
                         : fmt::format("{}, {}", format_noun(file.rows, "row"), format_noun(file.rejected, "reject"));
  if (!file.replaced_object.empty())
    what += ", in place of the content before";
  context.say(fmt::format("{}: {}   {}", dataset, name, what));
}

// Waits, or returns at once when it is to stop.
void rest(std::chrono::milliseconds interval, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, interval, [] { return false; });
}

base::Result<int> run(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  app::DropOptions drop_options;
  drop_options.datasets = options.datasets;
  drop_options.progress = &context.progress();
  drop_options.stop = context.stop;
  drop_options.on_file = [&](const std::string& dataset, const app::LoadedFile& file) {
    say_file(dataset, file, context);
  };
  app::DropZone zone(*app, std::move(drop_options));
  while (true) {
    const app::DropPass pass = SHOPLAKE_TRY(zone.pass());
    if (options.watch && !context.stop.stop_requested()) {
      rest(app::drop_interval(app->home()), context.stop);
      if (!context.stop.stop_requested())
        continue;
    }
    const int exit_code = options.strict && pass.rejected + pass.rejected_rows > 0 ? 3 : 0;
    if (context.json) {
      context.print(fmt::format(
          R"({{"seen":{},"unfinished":{},"loaded":{},"skipped":{},"rejected":{},"rows":{},"rejected_rows":{},"exit_code":{}}})",
          pass.seen, pass.unfinished, pass.loaded, pass.skipped, pass.rejected, pass.rows, pass.rejected_rows,
          exit_code));
    } else {
      context.say(
          fmt::format("{} seen: {} loaded, {} skipped, {} rejected{}", format_noun(pass.seen, "file"),
                      format_count(pass.loaded), format_count(pass.skipped), format_count(pass.rejected),
                      pass.unfinished == 0 ? "" : fmt::format(", {} not finished yet", format_count(pass.unfinished))));
    }
    return exit_code;
  }
}

}  // namespace

void add_ingest(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("ingest", "files dropped into raw/<dataset>/date=YYYY-MM-DD/ of the lake");
  auto options = std::make_shared<Options>();
  command->add_option("dataset", options->datasets, "only these; default: all that have a contract");
  command->add_flag("--watch", options->watch, "looks again every 2 seconds until interrupted, as shoplake serve does");
  command->add_flag("--strict", options->strict,
                    "exit with 3 if a file or a record was rejected, or a file was blocked");
  command->footer(
      "Files that are new or changed since they were looked at are validated and loaded where they stand. Unfinished "
      "ones wait:\nhidden, temporary (.tmp, .part …) or written to within the last 2 seconds. Rejected ones move to "
      "quarantine with their reason; those that\na block rule keeps out stay where they are (shoplake quarantine retry "
      "takes them once the rule or the contract is another).\n\n"
      "Example:\n"
      "  cp 2026-11-21.csv shoplake-data/lake/raw/transactions/date=2026-11-21/ && shoplake ingest\n"
      "\n"
      "Exit codes: 0 done; 2 unknown dataset; 3 --strict, and something was rejected or blocked; 4 disk or permission; "
      "130 "
      "interrupted.");
  command->callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace shoplake::cli
