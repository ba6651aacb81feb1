// shoplake init [DIR]: a home with a commented shoplake.yml.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <string>

#include "app/home.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/help.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

base::Result<int> run(const std::string& given, const std::string& lake, Context& context) {
  const std::string directory = given.empty() ? app::home_directory() : given;
  const app::Home home = SHOPLAKE_TRY(app::init_home(io::posix_env(), directory, lake));
  if (context.json) {
    context.print(fmt::format(R"({{"home":{},"configuration":{}}})", json_quoted(home.directory),
                              json_quoted(home.directory + "/shoplake.yml")));
    return 0;
  }
  context.say(fmt::format("{} is a home now; its configuration is shoplake.yml in it",
                          standard_output().styled(Style::bold, home.directory)));
  if (home.directory != app::home_directory()) {
    context.say(fmt::format("to work in it: export SHOPLAKE_HOME={}", home.directory));
  }
  return 0;
}

}  // namespace

void add_init(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("init", "makes a home: a folder with a commented shoplake.yml and an empty lake");
  auto directory = std::make_shared<std::string>();
  command->add_option("dir", *directory, "the folder; $SHOPLAKE_HOME or ./shoplake-data if it is not given");
  auto lake = std::make_shared<std::string>();
  command->add_option("--lake", *lake,
                      "where the lake is: a folder, or s3://bucket/prefix; by default `lake` in the home");
  command->footer(std::string("Examples:\n"
                              "  shoplake init\n"
                              "  shoplake init ~/shop && export SHOPLAKE_HOME=~/shop\n"
                              "  shoplake init --lake s3://shop-data/lake\n"
                              "\n"
                              "Other commands make the home themselves where there is none; init is for changing its "
                              "configuration first.\n\n") +
                  kExitCodes);
  command->callback([directory, lake, &context] { context.finish(run(*directory, *lake, context)); });
}

}  // namespace shoplake::cli
