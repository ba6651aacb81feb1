// shoplake serve: dashboard, JSON API and Iceberg REST catalog until Ctrl-C.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "app/serve.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

struct Options {
  std::string listen = "127.0.0.1:8080";
  int port = -1;
  std::vector<std::string> host_names;
  std::int64_t stale_after_hours = 48;
};

base::Result<int> run(const Options& options, Context& context) {
  app::ServeOptions serve;
  SHOPLAKE_TRY(app::parse_listen_address(options.listen, serve));
  if (options.port >= 0)
    serve.port = static_cast<std::uint16_t>(options.port);
  serve.host_names = options.host_names;
  serve.stale_after_hours = options.stale_after_hours;

  app::App* app = SHOPLAKE_TRY(context.app());
  auto server = SHOPLAKE_TRY(app::Server::start(*app, serve));
  const std::string address = server->address();
  if (context.json) {
    context.print(
        fmt::format("{{\"address\":\"{0}\",\"port\":{1},\"dashboard\":\"{0}/\",\"catalog\":\"{0}\",\"home\":{2}}}",
                    address, server->port(), json_quoted(app->home().directory)));
    std::fflush(stdout);
  }
  context.say(fmt::format("serve: {}", app->home().directory));
  context.say(fmt::format("  dashboard  {}/", standard_output().styled(Style::accent, address)));
  context.say(fmt::format("  catalog    {}   Iceberg REST, for PyIceberg, DuckDB, Spark", address));
  context.say(fmt::format("  metrics    {}/metrics", address));
  if (!server->on_loopback()) {
    context.say(standard_output().styled(
        Style::warning, "  anyone who reaches this address can read and change the lake: there is no sign-in yet"));
  }
  context.say("Ctrl-C stops.");
  wait_until_stopped(context.stop);
  server->stop();
  context.say("stopped");
  return 0;
}

}  // namespace

void add_serve(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("serve", "dashboard, JSON API and Iceberg REST catalog over HTTP");
  auto options = std::make_shared<Options>();
  command->add_option("--listen", options->listen, "HOST:PORT; the host alone, or :PORT for all interfaces");
  command->add_option("--port", options->port, "the port alone; 0 takes any free one")
      ->check(CLI::Range(0, 65535))
      ->default_str("");
  command->add_option("--host-name", options->host_names,
                      "a further host name to answer to (behind a proxy); may be repeated");
  command->add_option("--stale-after", options->stale_after_hours, "hours after which the newest event counts as old")
      ->check(CLI::Range(1, 24 * 365));
  command->footer(
      "Examples:\n"
      "  shoplake serve                            on http://127.0.0.1:8080\n"
      "  shoplake serve --port 0                   on any free port, which is printed\n"
      "  shoplake serve --listen 0.0.0.0:8080      for others, too; there is no sign-in yet\n"
      "\n"
      "docs/http_api.md describes every address. While it runs, other shoplake commands may load and build; the page "
      "follows.\n"
      "\n"
      "Exit codes: 0 stopped by Ctrl-C or SIGTERM; 2 bad address; 4 the port is taken, or the home cannot be opened.");
  command->callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace shoplake::cli
