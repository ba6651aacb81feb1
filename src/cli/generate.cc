// shoplake generate: synthetic data, as a GA4 export (events) or as flat events (clickstream).

#include "app/generate.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"

namespace shoplake::cli {

namespace {

struct Options {
  std::string dataset;
  generate::EventsOptions events;
};

std::string summary_as_json(const std::string& dataset, const generate::EventsSummary& summary, std::int64_t micros) {
  std::string files;
  for (const std::string& file : summary.files) {
    files += (files.empty() ? "" : ",") + json_quoted(file);
  }
  return fmt::format(
      R"({{"dataset":{},"events":{},"users":{},"sessions":{},"purchases":{},"duplicates":{},"late_sessions":{},)"
      R"("planted_rejects":{},"planted_rows":{},"json_bytes":{},"file_bytes":{},"files":[{}],"manifest":{},"seconds":{:.3f}}})",
      json_quoted(dataset), summary.events, summary.users, summary.sessions, summary.purchases, summary.duplicates,
      summary.late_sessions, summary.planted.with_outcome(generate::Outcome::rejected),
      summary.planted.with_outcome(generate::Outcome::accepted), summary.json_bytes, summary.file_bytes, files,
      summary.manifest.empty() ? "null" : json_quoted(summary.manifest), static_cast<double>(micros) / 1e6);
}

base::Result<int> run(const Options& options, Context& context) {
  io::Env& env = io::posix_env();
  context.say(fmt::format("generate {}: {} over {}, seed {} → {}", options.dataset,
                          format_noun(static_cast<std::int64_t>(options.events.events), "event"),
                          format_noun(options.events.days, "day"), options.events.seed, options.events.out));
  const std::int64_t began = env.monotonic_micros();
  const generate::EventsSummary summary =
      SHOPLAKE_TRY(app::generate_dataset(env, options.dataset, options.events, context.progress(), context.stop));
  const std::int64_t took = env.monotonic_micros() - began;
  if (context.json) {
    context.print(summary_as_json(options.dataset, summary, took));
    return 0;
  }
  context.say(fmt::format("  {} in {} of {}: {} sent twice, {} late, {}",
                          format_noun(static_cast<std::int64_t>(summary.sessions), "session"),
                          format_noun(static_cast<std::int64_t>(summary.files.size()), "file"),
                          format_noun(static_cast<std::int64_t>(summary.users), "user"),
                          format_count(static_cast<std::int64_t>(summary.duplicates)),
                          format_noun(static_cast<std::int64_t>(summary.late_sessions), "session"),
                          format_noun(static_cast<std::int64_t>(summary.purchases), "purchase")));
  if (!summary.manifest.empty()) {
    context.say(fmt::format(
        "  chaos: {} that a load must reject, {} odd ones that it must accept; all counted in {}",
        format_noun(static_cast<std::int64_t>(summary.planted.with_outcome(generate::Outcome::rejected)), "line"),
        format_count(static_cast<std::int64_t>(summary.planted.with_outcome(generate::Outcome::accepted))),
        summary.manifest));
  }
  context.say(fmt::format("done: {}, {} of JSON in {} on disk, {}, {}     next: shoplake load {} {}{}",
                          format_noun(static_cast<std::int64_t>(summary.events), "event"),
                          format_bytes(summary.json_bytes), format_bytes(summary.file_bytes), format_duration(took),
                          format_rate(summary.events, took, "events"), options.dataset, options.events.out,
                          summary.files.size() > 1 ? "/*.ndjson.gz" : ""));
  return 0;
}

}  // namespace

void add_generate(CLI::App& root, Context& context) {
  auto options = std::make_shared<Options>();
  auto* command = root.add_subcommand(
      "generate", "synthetic data: a shop with returning visitors, several channels and real-life troubles");
  command->add_option("dataset", options->dataset, "events (GA4 export) or clickstream (flat events)")->required();
  command
      ->add_option("--out", options->events.out,
                   "a file (.ndjson, .ndjson.gz, .json), or a folder for one .ndjson.gz a day")
      ->required()
      ->type_name("PATH");
  command->add_option("--events", options->events.events, "how many events, duplicates included")->type_name("N");
  command->add_option("--days", options->events.days, "over how many days")->type_name("D");
  command->add_option("--seed", options->events.seed, "the same seed gives the same bytes, on every machine")
      ->type_name("S");
  command->add_option("--end-date", options->events.end_date, "the last day, YYYY-MM-DD")->type_name("DATE");
  command
      ->add_option("--threads", options->events.threads,
                   "the output does not depend on it (default: one for each processor)")
      ->type_name("T");
  command->add_flag("--chaos", options->events.chaos,
                    "plant broken and odd lines; what was planted is counted in PATH.expected.json");
  command->footer(
      "Examples:\n"
      "  shoplake generate events --events 100000 --days 14 --seed 7 --out events.ndjson.gz\n"
      "  shoplake generate events --events 1000000 --days 30 --out export/\n"
      "  shoplake generate clickstream --events 100000 --out clicks.ndjson.gz\n"
      "  shoplake generate events --chaos --out nasty.ndjson && shoplake load events nasty.ndjson");
  command->callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace shoplake::cli
