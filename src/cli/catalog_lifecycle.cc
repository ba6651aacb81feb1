// shoplake catalog lifecycle: rules by which the object store itself removes what the lake no longer needs.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <string>

#include "app/lifecycle.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/help.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

constexpr int kDaysMax = 36'500;

std::string what(const app::LifecycleReport::Rule& rule) {
  return rule.expiration_days > 0
             ? fmt::format("removed {} after it was written", format_noun(rule.expiration_days, "day"))
             : fmt::format("uploads aborted that are not complete after {}",
                           format_noun(rule.abort_uploads_days, "day"));
}

base::Result<int> run(const app::LifecycleOptions& options, Context& context) {
  const app::LifecycleReport report = SHOPLAKE_TRY(app::set_lifecycle(*SHOPLAKE_TRY(context.app()), options));
  std::string json;
  Table shown({{"objects"}, {"are"}});
  for (const app::LifecycleReport::Rule& rule : report.rules) {
    json += fmt::format(R"({}{{"id":{},"prefix":{},"expiration_days":{},"abort_uploads_days":{}}})",
                        json.empty() ? "" : ",", json_quoted(rule.id), json_quoted(rule.prefix), rule.expiration_days,
                        rule.abort_uploads_days);
    shown.add_row({rule.prefix, what(rule)});
  }
  if (context.json) {
    context.print(
        fmt::format(R"({{"written":{},"supported":{},"rules":[{}]}})", report.is_written, report.is_supported, json));
    return 0;
  }
  context.say(shown.render(standard_output()));
  context.say(!report.is_supported
                  ? "this store knows no lifecycle rules: nothing was written, and nothing of shoplake "
                    "needs them"
              : report.is_written ? "written; rules of others in the bucket were kept"
                                  : "nothing was written; --write does");
  return 0;
}

}  // namespace

void add_catalog_lifecycle(CLI::App& catalog, Context& context) {
  auto* command = catalog.add_subcommand(
      "lifecycle", "give the retention to the object store, which then removes old raw objects itself");
  auto options = std::make_shared<app::LifecycleOptions>();
  command->add_option("--grace-days", options->grace_days, "days that the store waits longer than the retention says")
      ->check(CLI::Range(0, kDaysMax))
      ->capture_default_str();
  command->add_option("--upload-days", options->upload_days, "abort uploads that are not complete after so many days")
      ->check(CLI::Range(1, kDaysMax))
      ->capture_default_str();
  command->add_flag("--write", options->writes, "write the rules; without it they are only shown");
  command->footer(
      std::string("Examples:\n"
                  "  shoplake catalog lifecycle\n"
                  "  shoplake catalog lifecycle --write\n\n"
                  "For lakes in an object store (lake: s3://bucket/prefix in shoplake.yml). Raw objects and query "
                  "results only. The store goes by age alone;\n`shoplake catalog retain` knows what is not loaded yet. "
                  "Rules of others in the bucket are kept; a store without such rules is no error.\n\n") +
      kExitCodes);
  command->callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace shoplake::cli
