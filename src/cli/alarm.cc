// shoplake alarm ls|show|history|test|evaluate: what is watched, and what it said.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/alarms.h"
#include "app/operations_json.h"
#include "app/topics.h"
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
using watch::AlarmState;

struct Options {
  std::string name;
  std::string state = "ALARM";
  std::int64_t limit = 100;
};

std::string styled_state(AlarmState state) {
  const Style style = state == AlarmState::ok ? Style::good : state == AlarmState::alarm ? Style::bad : Style::dim;
  return standard_output().styled(style, watch::name(state));
}

void say_changes(const std::vector<watch::StateChange>& changes, Context& context) {
  Table table({{"at"}, {"alarm"}, {"from"}, {"to"}, {"reason"}});
  for (const watch::StateChange& change : changes)
    table.add_row({format_minute(change.at_micros), change.alarm, std::string(name(change.from)),
                   styled_state(change.to), change.reason});
  context.say(table.render(standard_output()));
}

Result<int> list(Context& context) {
  const auto views = SHOPLAKE_TRY(app::list_alarms(*SHOPLAKE_TRY(context.app())));
  if (context.json) {
    context.print(app::to_json(views));
    return 0;
  }
  std::int64_t alarming = 0;
  Table table({{"alarm"}, {"state"}, {"since"}, {"topic"}, {"condition"}});
  for (const app::AlarmView& view : views) {
    alarming += view.status.state == AlarmState::alarm ? 1 : 0;
    table.add_row({view.alarm.name, styled_state(view.status.state),
                   view.status.since_micros == 0 ? "never looked at" : format_minute(view.status.since_micros),
                   view.alarm.topic, condition_text(view.alarm)});
  }
  context.say(table.render(standard_output()));
  context.say(fmt::format("{}, {} in ALARM", format_noun(static_cast<std::int64_t>(views.size()), "alarm"), alarming));
  return 0;
}

Result<int> show(const Options& options, Context& context) {
  const auto detail = SHOPLAKE_TRY(app::show_alarm(*SHOPLAKE_TRY(context.app()), options.name));
  if (context.json) {
    context.print(app::to_json(detail));
    return 0;
  }
  const app::AlarmView& view = detail.view;
  context.say(fmt::format("{}: {}{}", view.alarm.name, styled_state(view.status.state),
                          view.status.since_micros == 0 ? "" : " since " + format_minute(view.status.since_micros)));
  if (!view.alarm.description.empty())
    context.say("  " + view.alarm.description);
  context.say(
      fmt::format("  condition  {}, missing data: {}", condition_text(view.alarm), name(view.alarm.missing_data)));
  if (!view.status.reason.empty())
    context.say("  reason     " + view.status.reason);
  context.say("  topic      " + view.alarm.topic);
  context.say("  defined    " + view.alarm.place);
  std::string values;
  for (auto it = detail.datapoints.rbegin(); it != detail.datapoints.rend(); ++it)
    values += *it ? fmt::format(" {:.6g}", **it) : " –";
  context.say("  values    " + (values.empty() ? " none yet" : values + "   the newest last"));
  if (!detail.history.empty())
    say_changes(detail.history, context);
  return 0;
}

Result<int> history(const Options& options, Context& context) {
  const auto changes = SHOPLAKE_TRY(app::alarm_history(*SHOPLAKE_TRY(context.app()), options.name, options.limit));
  if (context.json) {
    context.print(app::to_json(changes));
    return 0;
  }
  if (changes.empty())
    context.say("no alarm has changed its state");
  else
    say_changes(changes, context);
  return 0;
}

// Brings what was published to its subscriptions, unless a server does; what came of it in words.
Result<std::string> deliver(app::App& app, const std::stop_token& stop) {
  const auto report = app::deliver_notifications(app, stop);
  if (!report.ok() && report.error().code == "watch.delivered_elsewhere")
    return std::string("the running server delivers it");
  if (!report.ok())
    return report.error();
  return fmt::format("{} delivered, {} failed", report->delivered, report->failed + report->refused);
}

Result<int> test(const Options& options, Context& context) {
  const auto state = watch::parse_alarm_state(options.state).value_or(AlarmState::alarm);
  app::App* app = SHOPLAKE_TRY(context.app());
  const auto published = SHOPLAKE_TRY(app::test_alarm(*app, options.name, state));
  const std::string delivered = SHOPLAKE_TRY(deliver(*app, context.stop));
  if (context.json) {
    context.print(fmt::format(R"({{"notification":{},"topic":{}}})", json_quoted(published.notification),
                              json_quoted(published.topic)));
  }
  context.say(fmt::format("published to {}: {}", published.topic, delivered));
  context.say(fmt::format("next: shoplake topic history {}", published.topic));
  return 0;
}

Result<int> evaluate(Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  const auto changes = SHOPLAKE_TRY(app::evaluate_alarms(*app));
  const std::string delivered = SHOPLAKE_TRY(deliver(*app, context.stop));
  if (context.json) {
    context.print(app::to_json(changes));
    return 0;
  }
  if (changes.empty())
    context.say("no alarm has changed its state");
  else
    say_changes(changes, context);
  context.say("notifications: " + delivered);
  return 0;
}

}  // namespace

void add_alarm(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("alarm", "what is watched: states, history, tests");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake alarm ls\n\ndocs/watch.md says how alarms are written and decided.");
  auto options = std::make_shared<Options>();

  auto* ls = command->add_subcommand("ls", "all alarms and their states");
  ls->footer(std::string("Example:\n  shoplake alarm ls\n\n") + kExitCodes);
  ls->callback([&context] { context.finish(list(context)); });

  auto* one = command->add_subcommand("show", "one alarm: its condition, last values, changes");
  one->add_option("name", options->name, "of the alarm")->required();
  one->footer(std::string("Example:\n  shoplake alarm show pipeline-down\n\n") + kExitCodes);
  one->callback([options, &context] { context.finish(show(*options, context)); });

  auto* past = command->add_subcommand("history", "changes of states, the newest first");
  past->add_option("name", options->name, "of one alarm; all if left out");
  past->add_option("--limit", options->limit, "how many changes")->check(CLI::Range(1, 20'000));
  past->footer(std::string("Example:\n  shoplake alarm history pipeline-down --limit 10\n\n") + kExitCodes);
  past->callback([options, &context] { context.finish(history(*options, context)); });

  auto* trial = command->add_subcommand("test", "tell the alarm's subscriptions, as if it had changed its state");
  trial->add_option("name", options->name, "of the alarm")->required();
  trial->add_option("--state", options->state, "the state to tell")
      ->check(CLI::IsMember({"ALARM", "OK", "INSUFFICIENT_DATA"}));
  trial->footer(std::string("Example:\n  shoplake alarm test pipeline-down\n\nThe notification says that it is a test; "
                            "the alarm's state stays as it is.\n\n") +
                kExitCodes);
  trial->callback([options, &context] { context.finish(test(*options, context)); });

  auto* now = command->add_subcommand("evaluate", "decide now, with what is stored: for when no server runs");
  now->footer(
      std::string("Example:\n  shoplake alarm evaluate      from cron: tells that the server is down\n\nA running "
                  "`shoplake serve` evaluates by itself.\n\n") +
      kExitCodes);
  now->callback([&context] { context.finish(evaluate(context)); });
}

}  // namespace shoplake::cli
