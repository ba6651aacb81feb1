// What every command file shares. A command is one file, src/cli/<command>.cc, with one function add_<command>() that
// declares its options on CLI11 and sets a callback; cli/main.cc holds the explicit list of them.
//
//   void add_load(CLI::App& root, Context& context) {
//     auto* command = root.add_subcommand("load", "…");
//     auto options = std::make_shared<Options>();
//     command->add_option("dataset", options->dataset, "…")->required();
//     command->footer("Example:\n  shoplake load events ga4_export.ndjson.gz\n\nExit codes: 0 done, …");
//     command->callback([options, &context] { context.finish(run(*options, context)); });
//   }
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "app/app.h"
#include "base/progress.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace shoplake::cli {

struct Context {
  bool json = false;     // --json: one documented object on standard output
  bool quiet = false;    // --quiet: errors only
  bool verbose = false;  // --verbose: logs at debug level to standard error
  std::stop_token stop;  // set by the first Ctrl-C
  int exit_code = 0;
  std::string outcome_code =
      "done";  // or the code of the error that finish() took, "failed" for an exit code without one

  // The opened home; opened by the first call.
  base::Result<app::App*> app();
  // A bar on a terminal for work over a second; elsewhere a plain line every ten seconds. Nothing with --json or
  // --quiet.
  base::Progress& progress();
  // One line for people on standard output (colour already decided by cli/terminal.h). Nothing with --json or --quiet.
  void say(std::string_view line);
  // The result itself, as is: a --json object (without its line end), rows of a query. Always printed.
  void print(std::string_view text);
  // Takes a command's outcome: its exit code, or its error, which is printed (or given as JSON) with its exit code.
  void finish(base::Result<int> outcome);

  std::unique_ptr<app::App> opened_app;
  std::unique_ptr<base::Progress> opened_progress;
};

}  // namespace shoplake::cli
