#include <cstdio>
#include <string>
#include <utility>

#include "cli/command.h"
#include "cli/errors.h"
#include "cli/progress.h"
#include "cli/terminal.h"

namespace shoplake::cli {

base::Result<app::App*> Context::app() {
  if (!opened_app) {
    opened_app = SHOPLAKE_TRY(app::App::open(io::posix_env()));
  }
  return opened_app.get();
}

base::Progress& Context::progress() {
  if (json || quiet) {
    return base::no_progress();
  }
  if (!opened_progress) {
    opened_progress = std::make_unique<ProgressDisplay>(standard_error());
  }
  return *opened_progress;
}

void Context::say(std::string_view line) {
  if (!json && !quiet) {
    print(std::string(line) + "\n");
    std::fflush(stdout);  // in a pipe, too: a line is said when it is true
  }
}

void Context::print(std::string_view text) {
  if (opened_progress) {
    static_cast<ProgressDisplay&>(*opened_progress).hide();
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (json && !text.empty() && text.back() != '\n') {
    std::fputc('\n', stdout);
  }
}

void Context::finish(base::Result<int> outcome) {
  if (opened_progress) {
    static_cast<ProgressDisplay&>(*opened_progress).hide();
  }
  if (outcome.ok()) {
    exit_code = outcome.value();
    if (exit_code != 0)
      outcome_code = "failed";
    return;
  }
  outcome_code = outcome.error().code;
  exit_code = base::exit_code(outcome.error().kind);
  if (json) {
    print(error_as_json(outcome.error()));
    return;
  }
  std::fflush(stdout);
  std::fprintf(stderr, "%s\n", error_for_people(outcome.error(), standard_error()).c_str());
}

}  // namespace shoplake::cli
