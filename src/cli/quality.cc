// shoplake quality run|ls|show|check: the rules that the lake's tables must satisfy.

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/quality.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

struct Options {
  std::vector<std::string> tables;
  std::string name;
  std::vector<std::string> files;
  bool no_record = false;
};

constexpr std::size_t kRunIdShown = 8;

std::string timestamp(std::int64_t micros) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(static_cast<std::time_t>(micros / 1'000'000)),
                     micros % 1'000'000);
}
std::string minute(std::int64_t micros) {
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(static_cast<std::time_t>(micros / 1'000'000)));
}

std::string number(double value) {
  return value == std::floor(value) && std::fabs(value) < 1e15 ? format_count(static_cast<std::int64_t>(value))
                                                               : fmt::format("{:.6g}", value);
}
std::string json_number(const std::optional<double>& value) { return value ? fmt::format("{}", *value) : "null"; }
std::string json_integer(const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : "null"; }

std::string styled_outcome(std::string_view outcome) {
  const Style style = outcome == "pass" ? Style::good : outcome == "skipped" ? Style::dim : Style::bad;
  return standard_output().styled(style, outcome);
}

// ── run ───────────────────────────────────────────────────────────────────────────────────────────────────────────

std::string result_as_json(const quality::RuleResult& result) {
  std::string metrics, examples;
  for (const quality::Metric& metric : result.metrics)
    metrics += fmt::format("{}{}:{}", metrics.empty() ? "" : ",", json_quoted(metric.name), metric.value);
  for (const std::string& example : result.examples)
    examples += (examples.empty() ? "" : ",") + example;
  const bool is_measured = !result.metrics.empty();
  return fmt::format(
      R"({{"name":{},"rule":{},"severity":"{}","owner":{},"outcome":"{}","metric":{},"value":{},"expected":{},"message":{},"failed_rows":{},"examples":[{}],"metrics":{{{}}},"duration_ms":{}}})",
      json_quoted(result.rule.name), json_quoted(result.rule.text), quality::name(result.rule.severity),
      json_quoted(result.rule.owner), quality::name(result.outcome),
      is_measured ? json_quoted(result.metrics[0].name) : "null",
      is_measured ? fmt::format("{}", result.metrics[0].value) : "null", json_quoted(result.expected),
      json_quoted(result.message), json_integer(result.failed_rows), examples, metrics,
      static_cast<double>(result.micros) / 1000);
}

std::string report_as_json(const app::QualityReport& report) {
  std::string tables;
  for (const quality::TableRun& table : report.run.tables) {
    std::string rules;
    for (const quality::RuleResult& result : table.results)
      rules += (rules.empty() ? "" : ",") + result_as_json(result);
    tables += fmt::format(R"({}{{"table":{},"snapshot_id":{},"rules":[{}]}})", tables.empty() ? "" : ",",
                          json_quoted(table.table), json_integer(table.snapshot_id), rules);
  }
  std::string absent;
  for (const std::string& table : report.absent)
    absent += (absent.empty() ? "" : ",") + json_quoted(table);
  using quality::Outcome;
  return fmt::format(
      R"({{"run_id":"{}","run_at":"{}","passed":{},"failed":{},"errors":{},"skipped":{},"blocked":{},"tables":[{}],"absent":[{}],"seconds":{:.3f}}})",
      report.run.id, timestamp(report.run.at_micros), report.count(Outcome::pass), report.count(Outcome::fail),
      report.count(Outcome::error), report.count(Outcome::skipped), report.blocks(), tables, absent,
      static_cast<double>(report.micros) / 1e6);
}

void say_table(const quality::TableRun& table, Context& context) {
  std::map<quality::Outcome, std::int64_t> counts;
  for (const quality::RuleResult& result : table.results)
    ++counts[result.outcome];
  std::string summary;
  for (const auto& [outcome, count] : counts)
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", count, quality::name(outcome));
  context.say(fmt::format("{}: {}", standard_output().styled(Style::bold, table.table), summary));
  for (const quality::RuleResult& result : table.results) {
    if (result.outcome == quality::Outcome::pass)
      continue;
    context.say(fmt::format("  {} {}  {}", styled_outcome(quality::name(result.outcome)),
                            quality::name(result.rule.severity), result.rule.name));
    context.say("    " + result.message);
    for (const std::string& example : result.examples)
      context.say("    for instance " + example);
  }
}

base::Result<int> run_rules(const Options& options, Context& context) {
  app::QualityRunOptions run;
  run.tables = options.tables;
  run.record = !options.no_record;
  run.stop = context.stop;
  if (!context.json)
    run.on_table = [&](const quality::TableRun& table) { say_table(table, context); };
  const app::QualityReport report = SHOPLAKE_TRY(app::run_quality(*SHOPLAKE_TRY(context.app()), run));
  const int code = report.blocks() ? 1 : 0;
  if (context.json) {
    context.print(report_as_json(report));
    return code;
  }
  for (const std::string& table : report.absent)
    context.say(fmt::format("{}: the lake does not have it yet", table));
  using quality::Outcome;
  const std::int64_t bad = report.count(Outcome::fail) + report.count(Outcome::error);
  context.say(fmt::format("run {}: {} passed, {} failed or could not be evaluated, {} skipped, in {}",
                          report.run.id.substr(0, kRunIdShown), format_count(report.count(Outcome::pass)),
                          format_count(bad), format_count(report.count(Outcome::skipped)),
                          format_duration(report.micros)));
  if (report.blocks())
    context.say("A block rule is not satisfied.");
  return code;
}

// ── ls ────────────────────────────────────────────────────────────────────────────────────────────────────────────

base::Result<int> list(const Options& options, Context& context) {
  const auto rules = SHOPLAKE_TRY(app::list_rules(*SHOPLAKE_TRY(context.app()), options.name));
  if (context.json) {
    std::string text;
    for (const app::RuleStatus& status : rules) {
      text += fmt::format(
          R"({}{{"table":{},"name":{},"rule":{},"severity":"{}","owner":{},"description":{},"place":{},"outcome":{},"value":{},"run_id":{},"run_at":{}}})",
          text.empty() ? "" : ",", json_quoted(status.table), json_quoted(status.rule.name),
          json_quoted(status.rule.text), quality::name(status.rule.severity), json_quoted(status.rule.owner),
          json_quoted(status.rule.description), json_quoted(status.rule.place),
          status.last ? json_quoted(status.last->outcome) : "null",
          status.last ? json_number(status.last->value) : "null",
          status.last ? json_quoted(status.last->run_id) : "null",
          status.last ? json_quoted(timestamp(status.last->run_at_micros)) : "null");
    }
    context.print("[" + text + "]");
    return 0;
  }
  if (rules.empty()) {
    context.say(options.name.empty() ? "there are no rules" : fmt::format("there are no rules for {}", options.name));
    return 0;
  }
  Table table({{"table"}, {"rule"}, {"severity"}, {"last"}, {"value", Align::right}, {"at"}});
  std::string previous;
  for (const app::RuleStatus& status : rules) {
    table.add_row({status.table == previous ? "" : status.table, status.rule.name,
                   std::string(quality::name(status.rule.severity)),
                   status.last ? styled_outcome(status.last->outcome) : "never",
                   status.last && status.last->value ? number(*status.last->value) : "",
                   status.last ? minute(status.last->run_at_micros) : ""});
    previous = status.table;
  }
  context.say(table.render(standard_output()));
  return 0;
}

// ── show ──────────────────────────────────────────────────────────────────────────────────────────────────────────

std::string stored_as_json(const quality::StoredResult& result) {
  return fmt::format(
      R"({{"run_id":{},"run_at":"{}","triggered_by":{},"table":{},"snapshot_id":{},"is_published":{},"name":{},"rule":{},"severity":{},"outcome":{},"metric":{},"value":{},"expected":{},"message":{},"failed_rows":{},"examples":{},"duration_ms":{}}})",
      json_quoted(result.run_id), timestamp(result.run_at_micros), json_quoted(result.triggered_by),
      json_quoted(result.table), json_integer(result.snapshot_id), result.is_published, json_quoted(result.rule_name),
      json_quoted(result.rule), json_quoted(result.severity), json_quoted(result.outcome), json_quoted(result.metric),
      json_number(result.value), json_quoted(result.expected), json_quoted(result.message),
      json_integer(result.failed_rows), result.examples.empty() ? "[]" : result.examples, result.duration_ms);
}

void say_run(const std::vector<quality::StoredResult>& results, Context& context) {
  const quality::StoredResult& first = results.front();
  context.say(fmt::format("run {} at {}, by {}", first.run_id, timestamp(first.run_at_micros), first.triggered_by));
  Table table({{"table"}, {"rule"}, {"severity"}, {"outcome"}, {"value", Align::right}, {"expected"}, {"message"}});
  for (const quality::StoredResult& result : results) {
    table.add_row({result.table + (result.is_published ? "" : " (not published)"), result.rule_name, result.severity,
                   styled_outcome(result.outcome), result.value ? number(*result.value) : "", result.expected,
                   result.message});
  }
  context.say(table.render(standard_output()));
}

constexpr std::size_t kTrendRuns = 10;

// The last values of a rule, oldest first, and where they are going.
void say_table_history(const std::vector<quality::StoredResult>& results, Context& context) {
  std::map<std::string, std::vector<const quality::StoredResult*>> by_rule;
  for (const quality::StoredResult& result : results)
    by_rule[result.rule_name].push_back(&result);
  context.say(standard_output().styled(Style::bold, results.front().table));
  Table table({{"rule"}, {"severity"}, {"last"}, {"at"}, {"passed", Align::right}, {"values, newest last"}});
  for (const auto& [rule, history] : by_rule) {
    std::int64_t passed = 0;
    for (const quality::StoredResult* result : history)
      passed += result->outcome == "pass" ? 1 : 0;
    std::string values;
    for (std::size_t at = std::min(history.size(), kTrendRuns); at-- > 0;) {
      if (history[at]->value)
        values += (values.empty() ? "" : " ") + number(*history[at]->value);
    }
    table.add_row({rule, history.front()->severity,
                   styled_outcome(history.front()->outcome) + (history.front()->is_published ? "" : " (not published)"),
                   minute(history.front()->run_at_micros), fmt::format("{}/{}", passed, history.size()), values});
  }
  context.say(table.render(standard_output()));
  for (const auto& [rule, history] : by_rule) {
    if (history.front()->outcome != "pass" && !history.front()->message.empty())
      context.say(fmt::format("{}: {}", rule, history.front()->message));
  }
}

base::Result<int> show(const Options& options, Context& context) {
  const auto results = SHOPLAKE_TRY(app::show_quality(*SHOPLAKE_TRY(context.app()), options.name));
  if (context.json) {
    std::string text;
    for (const quality::StoredResult& result : results)
      text += (text.empty() ? "" : ",") + stored_as_json(result);
    context.print("[" + text + "]");
    return 0;
  }
  const bool is_table = options.name.find('.') != std::string::npos;
  is_table ? say_table_history(results, context) : say_run(results, context);
  return 0;
}

// ── check ─────────────────────────────────────────────────────────────────────────────────────────────────────────

base::Result<int> check(const Options& options, Context& context) {
  const auto checks = SHOPLAKE_TRY(app::check_rule_sets(*SHOPLAKE_TRY(context.app()), options.files));
  std::string json;
  for (const app::QualityCheck& each : checks) {
    json += fmt::format(R"({}{{"path":{},"tables":{},"rules":{}}})", json.empty() ? "" : ",", json_quoted(each.path),
                        each.tables, each.rules);
    context.say(
        fmt::format("{}: {} of {}", each.path, format_noun(each.rules, "rule"), format_noun(each.tables, "table")));
  }
  if (context.json)
    context.print("[" + json + "]");
  return 0;
}

constexpr const char* kExitCodes =
    "\n\nExit codes: 0 done; 1 a block rule is not satisfied; 2 a rule set is wrong, or no such table or run; 4 disk "
    "or "
    "permission.";

}  // namespace

void add_quality(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("quality", "the rules that tables must satisfy, and what they said");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake quality run marts.fact_sessions");
  auto options = std::make_shared<Options>();

  auto* run = command->add_subcommand("run", "evaluate the rules of tables as they are published");
  run->add_option("table", options->tables, "namespace.table; all that have rules if absent");
  run->add_flag("--no-record", options->no_record, "do not write the results to quality.results");
  run->footer(std::string("Examples:\n"
                          "  shoplake quality run\n"
                          "  shoplake quality run marts.fact_sessions --json\n"
                          "\nRule sets are *.yml files in $SHOPLAKE_HOME/quality, or those that come with shoplake.") +
              kExitCodes);
  run->callback([options, &context] { context.finish(run_rules(*options, context)); });

  auto* ls = command->add_subcommand("ls", "all rules by table, with their last outcome");
  ls->add_option("table", options->name, "only this table");
  ls->footer(std::string("Example:\n  shoplake quality ls marts.fact_sessions") + kExitCodes);
  ls->callback([options, &context] { context.finish(list(*options, context)); });

  auto* show_command = command->add_subcommand("show", "the results of one table over time, or of one run");
  show_command->add_option("name", options->name, "namespace.table, or the beginning of a run's id")->required();
  show_command->footer(
      std::string("Examples:\n  shoplake quality show marts.fact_sessions\n  shoplake quality show 3f2a81c0") +
      kExitCodes);
  show_command->callback([options, &context] { context.finish(show(*options, context)); });

  auto* check_command = command->add_subcommand("check", "read rule sets and say what is wrong with them");
  check_command->add_option("file", options->files, "YAML files; all of the home's if absent");
  check_command->footer(std::string("Example:\n  shoplake quality check quality/*.yml") + kExitCodes);
  check_command->callback([options, &context] { context.finish(check(*options, context)); });
}

}  // namespace shoplake::cli
