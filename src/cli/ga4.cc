// shoplake ga4 ingest|runs: reports of the Google Analytics Data API into the lake.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "app/ga4_ingest.h"
#include "base/moment.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

struct Options {
  app::Ga4IngestOptions ingest;
  int reread_days = 0;  // 0: not given
  int timeout_seconds = 120;
  double retry_pause_seconds = 1;
  int runs = 20;
};

std::string_view status_name(app::Ga4Day::Status status) {
  switch (status) {
    case app::Ga4Day::Status::loaded: return "loaded";
    case app::Ga4Day::Status::unchanged: return "unchanged";
    case app::Ga4Day::Status::empty: break;
  }
  return "empty";
}

// What weakens the figures, for people.
std::string doubts(const ga4api::ReportFlags& flags) {
  std::string text;
  if (flags.is_sampled)
    text += flags.sampling_space > 0
                ? fmt::format(", sampled ({} of the events)", format_percent(static_cast<double>(flags.samples_read) /
                                                                             static_cast<double>(flags.sampling_space)))
                : ", sampled";
  if (flags.is_thresholded)
    text += ", rows of few users left out";
  if (flags.has_other_row)
    text += ", rare values under (other)";
  return text;
}

void say_day(const app::Ga4Day& day, Context& context) {
  const std::string_view status = status_name(day.status);
  std::string text = fmt::format("{}   {}", day.day, status);
  if (day.status == app::Ga4Day::Status::loaded) {
    text += fmt::format(": {}, {}{}", format_noun(day.rows, "row"), format_noun(day.rejected, "reject"),
                        day.replaced_object.empty() ? "" : ", in place of those before");
  }
  context.say(text + doubts(day.flags));
}

std::string flags_json(const ga4api::ReportFlags& flags) {
  return fmt::format(R"("is_sampled":{},"samples_read":{},"sampling_space":{},"is_thresholded":{},"has_other_row":{})",
                     flags.is_sampled, flags.samples_read, flags.sampling_space, flags.is_thresholded,
                     flags.has_other_row);
}

std::string as_json(const app::Ga4IngestReport& report, int exit_code) {
  std::string days;
  for (const app::Ga4Day& day : report.days) {
    days += fmt::format(
        R"({}{{"day":{},"status":{},"rows":{},"rejected":{},"landing_object":{},"replaced_object":{},{}}})",
        days.empty() ? "" : ",", json_quoted(day.day), json_quoted(status_name(day.status)), day.rows, day.rejected,
        json_quoted(day.landing_object), json_quoted(day.replaced_object), flags_json(day.flags));
  }
  return fmt::format(
      R"({{"run_id":{},"property":{},"time_zone":{},"days":[{}],"requests":{},"retries":{},"quota":{},"error":{},"exit_code":{}}})",
      json_quoted(report.run.id), json_quoted(report.run.property), json_quoted(report.time_zone), days,
      report.run.requests, report.run.retries, report.run.quota_json,
      report.error ? fmt::format(R"({{"code":{},"message":{}}})", json_quoted(report.error->code),
                                 json_quoted(report.error->message))
                   : "null",
      exit_code);
}

base::Result<int> ingest(Options& options, Context& context) {
  options.ingest.client.timeout = std::chrono::seconds(options.timeout_seconds);
  options.ingest.retry.pause_base =
      std::chrono::milliseconds(static_cast<std::int64_t>(options.retry_pause_seconds * 1000));
  if (options.reread_days != 0)
    options.ingest.reread_days = options.reread_days;
  options.ingest.stop = context.stop;
  options.ingest.progress = &context.progress();
  app::App* app = SHOPLAKE_TRY(context.app());
  app::Ga4Ingest ingest(*app);
  const app::Ga4IngestReport report =
      SHOPLAKE_TRY(ingest.run(options.ingest, [&](const app::Ga4Day& day) { say_day(day, context); }));
  const int exit_code = report.error ? base::exit_code(report.error->kind) : 0;
  if (context.json) {
    context.print(as_json(report, exit_code));
  } else {
    std::string quota;
    if (const auto tokens = report.quota.find("tokensPerDay"); tokens != report.quota.end())
      quota = fmt::format(", {} tokens of the day left", format_count(tokens->second.remaining));
    context.say(fmt::format(
        "{} of property {} in {}: {}, {}{}", format_noun(report.run.days, "day"), report.run.property,
        format_duration(report.micros), format_noun(report.run.requests, "request"),
        report.run.retries == 1 ? "1 of them again" : format_count(report.run.retries) + " of them again", quota));
    if (report.error)
      std::fputs((error_for_people(*report.error, standard_error()) + "\n").c_str(), stderr);
  }
  return exit_code;
}

base::Result<int> runs(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  std::string json;
  for (const ga4api::Run& run : SHOPLAKE_TRY(app::list_ga4_runs(*app, options.runs))) {
    if (!context.json) {
      const std::string days = run.first_day.empty() ? std::string("no day") : run.first_day + " … " + run.last_day;
      context.say(fmt::format("{}   {}   {}: {}, {}{}{}", base::timestamp_text(run.began_at_micros), run.property, days,
                              format_noun(run.days, "day"), format_noun(run.rows, "row"), doubts(run.flags),
                              run.error_code.empty() ? "" : "   " + run.error_code + ": " + run.message));
      continue;
    }
    json += fmt::format(
        R"({}{{"run_id":{},"property":{},"first_day":{},"last_day":{},"began_at":{},"ended_at":{},"days":{},"rows":{},"requests":{},"retries":{},{},"quota":{},"error_code":{},"message":{}}})",
        json.empty() ? "" : ",", json_quoted(run.id), json_quoted(run.property), json_quoted(run.first_day),
        json_quoted(run.last_day), json_quoted(base::timestamp_text(run.began_at_micros)),
        json_quoted(base::timestamp_text(run.ended_at_micros)), run.days, run.rows, run.requests, run.retries,
        flags_json(run.flags), run.quota_json, json_quoted(run.error_code), json_quoted(run.message));
  }
  if (context.json)
    context.print(fmt::format(R"({{"runs":[{}]}})", json));
  return 0;
}

}  // namespace

void add_ga4(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("ga4", "reports of the Google Analytics Data API");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake ga4 ingest --property 123456789 --date yesterday --credentials key.json");
  auto options = std::make_shared<Options>();
  app::Ga4IngestOptions& wanted = options->ingest;

  auto* ingest_command = command->add_subcommand("ingest", "days of a property into processed.ga4_report");
  ingest_command->add_option("--property", wanted.property, "the property's number; default: $GA4_PROPERTY_ID")
      ->type_name("ID");
  ingest_command->add_option("--date", wanted.date, "yesterday (in the property's time zone), or a day")
      ->type_name("yesterday|YYYY-MM-DD");
  ingest_command->add_option("--from", wanted.from, "the first of several days")->type_name("YYYY-MM-DD");
  ingest_command->add_option("--to", wanted.to, "the last of them")->type_name("YYYY-MM-DD");
  ingest_command
      ->add_option("--reread-days", options->reread_days,
                   "reads at least so many days up to the last one; default: 3 with yesterday, for Google revises its "
                   "figures for about two days")
      ->type_name("N")
      ->check(CLI::Range(1, static_cast<int>(app::kGa4DaysMax)));
  ingest_command
      ->add_option("--credentials", wanted.credentials,
                   "JSON key of a service account; default: $GOOGLE_APPLICATION_CREDENTIALS")
      ->type_name("FILE");
  ingest_command->add_option("--api-url", wanted.client.api_url, "another server than Google's")->type_name("URL");
  ingest_command
      ->add_option("--ca-file", wanted.client.ca_file, "trust these authorities (PEM) alone, not the machine's")
      ->type_name("FILE");
  ingest_command->add_option("--page-rows", wanted.client.page_rows, "rows of one request; default: 50,000")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, ga4api::kPageRowsMax));
  ingest_command->add_option("--timeout", options->timeout_seconds, "of one request; default: 120")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 3600));
  ingest_command
      ->add_option("--retry-pause", options->retry_pause_seconds,
                   "the longest pause before the first of 4 retries, doubled by each up to 60; default: 1")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 60.0));
  ingest_command->footer(
      "A day lands as raw/ga4_report/ga4_events_YYYY-MM-DD_HHMMSS.json and takes the place of its rows of before. What "
      "has not\nchanged adds nothing. docs/ga4_data_api.md lists the reports.\n\n"
      "Examples:\n"
      "  shoplake ga4 ingest --property 123456789 --date yesterday --credentials key.json\n"
      "  shoplake ga4 ingest --property 123456789 --from 2026-10-01 --to 2026-10-31\n"
      "\n"
      "Exit codes: 0 done; 1 a block rule keeps a day out; 2 bad arguments or credentials, no access, no such "
      "property; "
      "4 network,\nquota or disk, or another ingestion runs; 130 interrupted. Days that are complete stay in any "
      "case.");
  ingest_command->callback([options, &context] { context.finish(ingest(*options, context)); });

  auto* runs_command = command->add_subcommand("runs", "the last ingestions, with quota and what weakens the figures");
  runs_command->add_option("--last", options->runs, "how many; default: 20")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  runs_command->footer("Example:\n  shoplake ga4 runs --json\n\nExit codes: 0 done; 4 disk or permission.");
  runs_command->callback([options, &context] { context.finish(runs(*options, context)); });
}

}  // namespace shoplake::cli
