// shoplake cost: what the work would have cost on AWS, by day, flow and query.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>

#include "app/cost.h"
#include "app/operations_json.h"
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
  std::string day;
  std::string month;
  std::int64_t days = 30;
  std::string by = "day";
};

// Fractions of a cent matter here.
std::string dollars(double amount) {
  return amount > 0 && amount < 0.0001 ? "< $0.0001"
                                       : fmt::format("${:.{}f}", amount, amount >= 1 || amount <= 0 ? 2 : 4);
}

std::string quantity_text(const app::CostLine& line) {
  if (line.unit == "bytes")
    return format_bytes(static_cast<std::uint64_t>(line.quantity));
  return format_amount(line.quantity, line.quantity < 100 ? 2 : 0) + " " + line.unit;
}

struct Days {
  std::int64_t first = 0, last = 0;
};

Result<Days> chosen_days(const Options& options, std::int64_t now_micros) {
  const std::int64_t today = base::day_of(now_micros);
  const auto wrong = [](const std::string& option, const std::string& value, const char* advice) {
    return base::make_error(base::ErrorKind::usage, "cli.usage", fmt::format("{} {}: that is no date", option, value),
                            advice);
  };
  if (!options.day.empty()) {
    const auto day = options.day == "today"       ? std::optional(today)
                     : options.day == "yesterday" ? std::optional(today - 1)
                                                  : base::parse_date(options.day);
    if (!day)
      return wrong("--day", options.day, "Write 2026-11-20, today or yesterday.");
    return Days{*day, *day};
  }
  if (!options.month.empty()) {
    const auto first = base::parse_date(options.month + "-01");
    if (!first)
      return wrong("--month", options.month, "Write 2026-11.");
    const base::CivilDay civil = base::civil_day(*first);
    const auto next =
        civil.month == 12 ? base::days_of(civil.year + 1, 1, 1) : base::days_of(civil.year, civil.month + 1, 1);
    return Days{*first, next.value_or(*first + 31) - 1};
  }
  return Days{today - options.days + 1, today};
}

void say_days(const app::CostReport& report, bool is_one_day, Context& context) {
  if (is_one_day) {
    Table table({{"stage"}, {"meter"}, {"quantity", Align::right}, {"cost", Align::right}});
    for (const app::CostLine& line : report.lines)
      table.add_row({line.stage, line.meter, quantity_text(line), dollars(line.dollars)});
    context.say(table.render(standard_output()));
    return;
  }
  std::map<std::int64_t, double> days;
  std::map<std::pair<std::int64_t, std::string>, double> stages;
  for (const app::CostLine& line : report.lines) {
    days[line.day] += line.dollars;
    stages[{line.day, line.stage}] += line.dollars;
  }
  Table table({{"day"}, {"cost", Align::right}, {"for"}});
  for (const auto& [day, total] : days) {
    std::string parts;
    for (const auto& [key, amount] : stages) {
      if (key.first == day)
        parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", key.second, dollars(amount));
    }
    table.add_row({base::date_text(day), dollars(total), parts});
  }
  context.say(table.render(standard_output()));
}

void say_flows(const app::CostReport& report, Context& context) {
  Table table({{"flow"}, {"executions", Align::right}, {"transitions", Align::right}, {"cost", Align::right}});
  for (const app::FlowCost& flow : report.flows)
    table.add_row({flow.flow, format_count(flow.executions), format_count(flow.transitions), dollars(flow.total)});
  context.say(table.render(standard_output()));
}

void say_queries(const app::CostReport& report, Context& context) {
  Table table(
      {{"cost", Align::right}, {"times", Align::right}, {"scanned", Align::right}, {"took", Align::right}, {"query"}});
  for (const app::QueryCost& query : report.queries) {
    table.add_row({dollars(query.dollars), format_count(query.group.count),
                   format_bytes(static_cast<std::uint64_t>(query.group.scanned_bytes)),
                   format_duration(query.group.took_micros), query.group.shape});
  }
  context.say(table.render(standard_output()));
}

Result<int> run(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  const Days days = SHOPLAKE_TRY(chosen_days(options, app->env().now_micros()));
  const app::CostReport report = SHOPLAKE_TRY(app::cost_report(*app, days.first, days.last));
  if (context.json) {
    context.print(app::to_json(report));
    return 0;
  }
  const bool is_one_day = days.first == days.last;
  context.say(fmt::format("what {} would have cost on AWS, {}, prices of {}",
                          is_one_day ? base::date_text(days.first)
                                     : fmt::format("{} to {}", base::date_text(days.first), base::date_text(days.last)),
                          report.region, report.price_date));
  const bool is_empty = options.by == "flow"    ? report.flows.empty()
                        : options.by == "query" ? report.queries.empty()
                                                : report.lines.empty();
  if (is_empty) {
    context.say("nothing was used");
    return 0;
  }
  if (options.by == "flow")
    say_flows(report, context);
  else if (options.by == "query")
    say_queries(report, context);
  else
    say_days(report, is_one_day, context);
  context.say(
      fmt::format("total {}{}", dollars(report.total),
                  report.monthly_budget ? fmt::format(", monthly budget {}", dollars(*report.monthly_budget)) : ""));
  return 0;
}

}  // namespace

void add_cost(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("cost", "what the work would have cost on AWS");
  auto options = std::make_shared<Options>();
  auto* day = command->add_option("--day", options->day, "one day: 2026-11-20, today, yesterday");
  auto* month = command->add_option("--month", options->month, "one month: 2026-11")->excludes(day);
  command->add_option("--days", options->days, "so many days, today included")
      ->check(CLI::Range(1, 400))
      ->excludes(day)
      ->excludes(month);
  command->add_option("--by", options->by, "day, flow or query")->check(CLI::IsMember({"day", "flow", "query"}));
  command->footer(
      std::string("Examples:\n"
                  "  shoplake cost                     the last 30 days\n"
                  "  shoplake cost --day today         one day, by stage and meter\n"
                  "  shoplake cost --by query          what queries scanned\n"
                  "\n"
                  "docs/cost.md says what is measured and how it is priced. Budgets stand in shoplake.yml.\n\n") +
      kExitCodes);
  command->callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace shoplake::cli
