// shoplake audit ls|verify: who did what to which object, when.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>
#include <string>

#include "app/audit.h"
#include "base/moment.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/help.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

using base::Result;

struct Options {
  std::string since;
  std::string who;
  std::string action;
  std::string source;
  std::int64_t limit = 100;
};

// "7d", "12h", "30m", or a time.
Result<std::int64_t> parse_since(const std::string& text, std::int64_t now_micros) {
  std::int64_t amount = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), amount);
  const std::string_view unit(end, text.data() + text.size());
  const std::int64_t seconds = unit == "d" ? 86'400 : unit == "h" ? 3600 : unit == "m" ? 60 : 0;
  if (code == std::errc() && seconds > 0 && amount >= 0 && amount <= 36'600)
    return now_micros - amount * seconds * base::kMicrosPerSecond;
  if (const auto moment = base::parse_timestamp(text))
    return *moment;
  return base::make_error(base::ErrorKind::usage, "cli.usage", fmt::format("--since {}: that is no time", text),
                          "Write 7d, 12h, 30m or 2026-11-20T12:00:00Z.");
}

std::string record_json(const audit::Record& record) {
  return fmt::format(R"({{"id":{},"at":{},"source":{},"who":{},"action":{},"object":{},"outcome":{},"took_ms":{}}})",
                     record.id, json_quoted(base::timestamp_text(record.at_micros)), json_quoted(record.action.source),
                     json_quoted(record.action.who), json_quoted(record.action.action),
                     json_quoted(record.action.object), record.outcome.empty() ? "null" : json_quoted(record.outcome),
                     record.took_micros ? fmt::format("{}", static_cast<double>(*record.took_micros) / 1000) : "null");
}

std::string outcome_text(const audit::Record& record) {
  if (record.outcome.empty())
    return standard_output().styled(Style::warning, "runs or was cut off");
  return standard_output().styled(record.outcome == audit::kDone ? Style::good : Style::bad, record.outcome);
}

Result<int> list(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  audit::Filter filter{{}, options.who, options.action, options.source, options.limit};
  if (!options.since.empty())
    filter.since_micros = SHOPLAKE_TRY(parse_since(options.since, app->env().now_micros()));
  const auto records = SHOPLAKE_TRY(app::list_audit(*app, filter));
  if (context.json) {
    std::string json;
    for (const audit::Record& record : records)
      json += (json.empty() ? "" : ",") + record_json(record);
    context.print("[" + json + "]");
    return 0;
  }
  if (records.empty()) {
    context.say("nothing was changed");
    return 0;
  }
  Table table({{"at"}, {"by"}, {"who"}, {"action"}, {"object"}, {"outcome"}, {"took", Align::right}});
  for (const audit::Record& record : records) {
    std::string at = base::timestamp_text(record.at_micros).substr(0, 19);
    at[10] = ' ';
    table.add_row({at, record.action.source, record.action.who, record.action.action, record.action.object,
                   outcome_text(record), record.took_micros ? format_duration(*record.took_micros) : ""});
  }
  context.say(table.render(standard_output()));
  return 0;
}

Result<int> verify(Context& context) {
  const auto found = SHOPLAKE_TRY(app::verify_audit(*SHOPLAKE_TRY(context.app())));
  if (context.json)
    context.print(fmt::format(R"({{"rows":{},"valid":{},"finding":{}}})", found.rows, !found.finding,
                              found.finding ? json_quoted(*found.finding) : "null"));
  context.say(found.finding
                  ? fmt::format("{} are as they were written; {}", format_noun(found.rows, "row"), *found.finding)
                  : fmt::format("{}, all as they were written", format_noun(found.rows, "row")));
  return found.finding ? 1 : 0;
}

}  // namespace

void add_audit(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("audit", "who did what to which object, when");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake audit ls --since 7d");
  auto options = std::make_shared<Options>();

  auto* ls = command->add_subcommand("ls", "what was changed, the newest first");
  ls->add_option("--since", options->since, "7d, 12h, 30m, or a time");
  ls->add_option("--who", options->who, "one account or key");
  ls->add_option("--action", options->action, "an action, or its first words: catalog");
  ls->add_option("--source", options->source, "cli, api or flow")->check(CLI::IsMember({"cli", "api", "flow"}));
  ls->add_option("--limit", options->limit, "how many")->check(CLI::Range(1, 100'000));
  ls->footer(std::string("Examples:\n"
                         "  shoplake audit ls --since 7d\n"
                         "  shoplake audit ls --action \"catalog expire\" --who anna --json\n\n") +
             kExitCodes);
  ls->callback([options, &context] { context.finish(list(*options, context)); });

  auto* check = command->add_subcommand("verify", "is the log as it was written?");
  check->footer(
      "Example:\n  shoplake audit verify\n\nExit codes: 0 it is, 1 a row was changed or is missing, 4 disk failed");
  check->callback([&context] { context.finish(verify(context)); });
}

}  // namespace shoplake::cli
