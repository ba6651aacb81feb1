// shoplake demo: the whole pipeline on generated events, its answers, and the dashboard.

#include "app/demo.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "app/send.h"
#include "app/serve.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {

namespace {

struct Options {
  app::DemoOptions demo;
  int port = -1;  // none given: 8080, or any free one
  bool exit = false;
  bool live = false;
  double rate = 50;
};

const char* stage_name(app::DemoStage::Name name) {
  switch (name) {
    case app::DemoStage::Name::generate: return "generate";
    case app::DemoStage::Name::load: return "load";
    case app::DemoStage::Name::build: return "build";
    case app::DemoStage::Name::ask: return "ask";
  }
  return "";
}

std::string stage_result(const app::DemoStage& stage) {
  switch (stage.name) {
    case app::DemoStage::Name::generate:
      return fmt::format("{} of {}", format_noun(stage.rows, "event"), format_noun(stage.other, "user"));
    case app::DemoStage::Name::load:
      return fmt::format("{}, {} rejected", format_noun(stage.rows, "row"), format_count(stage.other));
    case app::DemoStage::Name::build:
      return fmt::format("{} and seeds, {} passed", format_noun(stage.rows - stage.other, "model"),
                         format_noun(stage.other, "test"));
    case app::DemoStage::Name::ask: return fmt::format("{} of the marts", format_noun(stage.rows, "question"));
  }
  return {};
}

std::string stage_line(const app::DemoStage& stage) {
  std::string line =
      fmt::format("  {:<9} {:<40} {:>8}", stage_name(stage.name), stage_result(stage), format_duration(stage.micros));
  if (stage.bytes > 0) {
    line += fmt::format("   {} of JSON, {}", format_bytes(stage.bytes), format_rate(stage.bytes, stage.micros, "B"));
  }
  return line;
}

std::string difference(double first, double last) {
  return first == 0 ? (last == 0 ? "0.0 %" : "new") : format_percent((last - first) / first, true);
}

void say_channels(const app::DemoReport& report, Context& context) {
  Table table({{"channel", Align::left},
               {"first click", Align::right},
               {"last click", Align::right},
               {"difference", Align::right},
               {"first value", Align::right},
               {"last value", Align::right},
               {"difference", Align::right}});
  app::DemoReport::Channel total;
  const auto add = [&](const std::string& name, const app::DemoReport::Channel& channel) {
    table.add_row({name, format_count(channel.first_click_conversions), format_count(channel.last_click_conversions),
                   difference(static_cast<double>(channel.first_click_conversions),
                              static_cast<double>(channel.last_click_conversions)),
                   format_amount(channel.first_click_value), format_amount(channel.last_click_value),
                   difference(channel.first_click_value, channel.last_click_value)});
  };
  for (const auto& channel : report.channels) {
    add(channel.channel, channel);
    total.first_click_conversions += channel.first_click_conversions;
    total.last_click_conversions += channel.last_click_conversions;
    total.first_click_value += channel.first_click_value;
    total.last_click_value += channel.last_click_value;
  }
  add("all", total);
  context.say("\n" + standard_output().styled(Style::bold, "Purchases by channel, first and last click"));
  context.say(table.render(standard_output()));
}

void say_funnel_and_retention(const app::DemoReport& report, Context& context) {
  Table funnel({{"stage", Align::left}, {"sessions", Align::right}, {"of the first", Align::right}});
  for (const auto& stage : report.funnel) {
    const auto first = report.funnel.front().sessions;
    funnel.add_row(
        {stage.stage, format_count(stage.sessions),
         first == 0 ? "" : format_percent(static_cast<double>(stage.sessions) / static_cast<double>(first))});
  }
  context.say("\n" + standard_output().styled(Style::bold, "Funnel"));
  context.say(funnel.render(standard_output()));
  Table retention(
      {{"returned on", Align::left}, {"users", Align::right}, {"of", Align::right}, {"rate", Align::right}});
  for (const auto& day : report.retention) {
    retention.add_row({fmt::format("D{}", day.day), format_count(day.returning_users), format_count(day.cohort_users),
                       day.cohort_users == 0 ? ""
                                             : format_percent(static_cast<double>(day.returning_users) /
                                                              static_cast<double>(day.cohort_users))});
  }
  context.say("\n" + standard_output().styled(Style::bold, "Retention"));
  context.say(retention.render(standard_output()));
}

std::string report_as_json(const app::DemoReport& report, const std::string& home, const std::string& address) {
  std::string stages;
  for (const auto& stage : report.stages) {
    stages += fmt::format(R"({}{{"stage":"{}","rows":{},"seconds":{:.3f}}})", stages.empty() ? "" : ",",
                          stage_name(stage.name), stage.rows, static_cast<double>(stage.micros) / 1e6);
  }
  std::string channels;
  for (const auto& channel : report.channels) {
    channels += fmt::format(
        R"({}{{"channel":{},"first_click_conversions":{},"last_click_conversions":{},"first_click_value":{:.2f},"last_click_value":{:.2f}}})",
        channels.empty() ? "" : ",", json_quoted(channel.channel), channel.first_click_conversions,
        channel.last_click_conversions, channel.first_click_value, channel.last_click_value);
  }
  std::string funnel;
  for (const auto& stage : report.funnel) {
    funnel += fmt::format(R"({}{{"stage":{},"sessions":{}}})", funnel.empty() ? "" : ",", json_quoted(stage.stage),
                          stage.sessions);
  }
  std::string retention;
  for (const auto& day : report.retention) {
    retention += fmt::format(R"({}{{"day":{},"cohort_users":{},"returning_users":{}}})", retention.empty() ? "" : ",",
                             day.day, day.cohort_users, day.returning_users);
  }
  return fmt::format(
      R"({{"home":{},"seconds":{:.3f},"stages":[{}],"channels":[{}],"funnel":[{}],"retention":[{}],"address":{}}})",
      json_quoted(home), static_cast<double>(report.micros) / 1e6, stages, channels, funnel, retention,
      address.empty() ? "null" : json_quoted(address));
}

// The dashboard on the port that was asked for; without one on 8080, or on a free one where that is taken.
base::Result<std::unique_ptr<app::Server>> start_server(app::App& app, int port) {
  app::ServeOptions options;
  if (port >= 0) {
    options.port = static_cast<std::uint16_t>(port);
    return app::Server::start(app, options);
  }
  auto server = app::Server::start(app, options);
  if (server.ok() || server.error().code != "serve.cannot_listen") {
    return server;
  }
  options.port = 0;
  return app::Server::start(app, options);
}

// Visitors who come while the page is open, until `stop`.
void send_visitors(const Options& options, const std::string& address, const std::stop_token& stop, Context& context) {
  app::SendOptions send;
  send.url = address;
  send.dataset = "events";
  send.rate = options.rate;
  send.seed = options.demo.seed;
  send.connections = 1;
  const auto sent = app::send_generated(
      io::posix_env(), send, [](const app::SendReport&) {}, stop);
  if (!sent.ok())
    context.say(fmt::format("no live events: {}", sent.error().message));
}

base::Result<int> run(Options& options, Context& context) {
  const char* given_home = std::getenv("SHOPLAKE_HOME");
  if (given_home == nullptr || *given_home == '\0') {
    const std::string home = SHOPLAKE_TRY(app::prepare_demo_home(io::posix_env()));
    setenv("SHOPLAKE_HOME", home.c_str(), 1);
  }
  app::App* app = SHOPLAKE_TRY(context.app());
  context.say(fmt::format("demo: {} over {}, seed {}, in {}",
                          format_noun(static_cast<std::int64_t>(options.demo.events), "generated event"),
                          format_noun(options.demo.days, "day"), options.demo.seed, app->home().directory));
  options.demo.progress = &context.progress();
  options.demo.stop = context.stop;
  const app::DemoReport report = SHOPLAKE_TRY(
      app::run_demo(*app, options.demo, [&](const app::DemoStage& stage) { context.say(stage_line(stage)); }));
  say_channels(report, context);
  say_funnel_and_retention(report, context);

  const std::string took = fmt::format("\ndone in {}", format_duration(report.micros));
  if (options.exit) {
    context.say(fmt::format("{}     next: SHOPLAKE_HOME={} shoplake serve", took, app->home().directory));
    if (context.json) {
      context.print(report_as_json(report, app->home().directory, ""));
    }
    return 0;
  }
  const auto server = SHOPLAKE_TRY(start_server(*app, options.port));
  context.say(fmt::format("{}     dashboard: {}/     Ctrl-C stops", took,
                          standard_output().styled(Style::accent, server->address())));
  if (context.json) {
    context.print(report_as_json(report, app->home().directory, server->address()));
    std::fflush(stdout);
  }
  std::jthread visitors;
  if (options.live) {
    context.say(fmt::format("live: {:.0f} events a second come in over HTTP; the page follows", options.rate));
    visitors = std::jthread([&] { send_visitors(options, server->address(), context.stop, context); });
  }
  wait_until_stopped(context.stop);
  if (visitors.joinable())
    visitors.join();
  server->stop();
  context.say(fmt::format("stopped; the lake stays in {}", app->home().directory));
  return 0;
}

}  // namespace

void add_demo(CLI::App& root, Context& context) {
  auto options = std::make_shared<Options>();
  auto* command = root.add_subcommand("demo", "the whole pipeline on generated events, then the dashboard");
  command->add_option("--events", options->demo.events, "how many events")->type_name("N");
  command->add_option("--days", options->demo.days, "over how many days")->type_name("D");
  command->add_option("--seed", options->demo.seed, "another seed, another shop history")->type_name("S");
  command->add_option("--end-date", options->demo.end_date, "the last day, YYYY-MM-DD (default yesterday)")
      ->type_name("DATE")
      ->default_str("");
  command->add_option("--port", options->port, "of the dashboard (default 8080, or any free one)")
      ->check(CLI::Range(0, 65535))
      ->type_name("P")
      ->default_str("");
  auto* exit = command->add_flag("--exit", options->exit, "stop after the answers instead of serving the dashboard");
  auto* live =
      command->add_flag("--live", options->live, "then send generated visits to the collector while the page is open")
          ->excludes(exit);
  command->add_option("--rate", options->rate, "--live: events a second")
      ->check(CLI::Range(0.1, 1e6))
      ->needs(live)
      ->type_name("N");
  command->footer(
      "Examples:\n"
      "  shoplake demo\n"
      "  shoplake demo --live --rate 200\n"
      "  shoplake demo --events 1000000 --days 30 --exit\n"
      "\n"
      "Without SHOPLAKE_HOME it uses ./shoplake-data/demo and empties what an earlier demo left there.");
  command->callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace shoplake::cli
