// shoplake quarantine ls|show|retry: what was rejected and why, and another try.

#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/quarantine.h"
#include "app/quarantine_retry.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

constexpr std::size_t kRecordBytesShown = 400;

base::Result<int> list(const app::QuarantineFilter& filter, Context& context) {
  const auto groups = SHOPLAKE_TRY(app::list_quarantine(*SHOPLAKE_TRY(context.app()), filter));
  if (context.json) {
    std::string text = "[";
    for (const auto& group : groups) {
      text += fmt::format(
          R"({}{{"dataset":{},"reason_code":{},"source_object":{},"is_file":{},"count":{},"first_line":{},"message":{},"quarantined_at":{}}})",
          text.size() > 1 ? "," : "", json_quoted(group.dataset), json_quoted(group.reason_code),
          json_quoted(group.source_object), group.is_file, group.count, group.first_line, json_quoted(group.message),
          json_quoted(group.quarantined_at));
    }
    context.print(text + "]");
    return 0;
  }
  if (groups.empty()) {
    context.say("nothing was rejected");
    return 0;
  }
  Table table({{"records", Align::right},
               {"reason"},
               {"object"},
               {"first line", Align::right},
               {"first message"},
               {"last at"}});
  for (const auto& group : groups) {
    table.add_row({group.is_file ? "the file" : format_count(group.count), group.reason_code, group.source_object,
                   group.is_file ? "" : format_count(group.first_line), group.message, group.quarantined_at});
  }
  context.say(table.render(standard_output()));
  context.say("shoplake quarantine show --reason REASON --object OBJECT shows the records.");
  return 0;
}

base::Result<int> show(const app::QuarantineFilter& filter, Context& context) {
  const auto records = SHOPLAKE_TRY(app::show_quarantine(*SHOPLAKE_TRY(context.app()), filter));
  if (context.json) {
    std::string text = "[";
    for (const auto& record : records) {
      text += fmt::format(
          R"({}{{"dataset":{},"reason_code":{},"message":{},"source_object":{},"line":{},"byte_offset":{},"record_bytes":{},"record":{},"quarantined_at":{}}})",
          text.size() > 1 ? "," : "", json_quoted(record.dataset), json_quoted(record.reason_code),
          json_quoted(record.message), json_quoted(record.source_object), record.line,
          record.byte_offset ? std::to_string(*record.byte_offset) : "null", record.record_bytes,
          json_quoted(record.record), json_quoted(record.quarantined_at));
    }
    context.print(text + "]");
    return 0;
  }
  if (records.empty())
    context.say("nothing matches");
  for (const auto& record : records) {
    context.say(fmt::format("{}:{}  {}: {}", record.source_object, record.line,
                            standard_output().styled(Style::warning, record.reason_code), record.message));
    const bool cut = record.record.size() > kRecordBytesShown;
    context.say(fmt::format(
        "  {}{}", record.record.substr(0, kRecordBytesShown),
        cut ? fmt::format("… ({}; --json shows more)", format_bytes(static_cast<std::uint64_t>(record.record_bytes)))
            : ""));
  }
  return 0;
}

std::string retried_as_json(const app::RetriedFile& retried) {
  const app::LoadedFile& file = retried.file;
  std::string text = fmt::format(
      R"({{"object":{},"was":"{}","status":"{}","rejected_before":{},"rows":{},"rejected":{},"raw_object":{})",
      json_quoted(retried.object), ingest::name(retried.before), app::name(file.status), retried.rejected_before,
      file.rows, file.rejected, json_quoted(file.raw_object));
  if (file.error) {
    const std::string error = error_as_json(*file.error);
    text += "," + error.substr(1, error.size() - 2);
  }
  return text + "}";
}

void say_retried(const app::RetriedFile& retried, Context& context) {
  const app::LoadedFile& file = retried.file;
  std::string what;
  if (file.error) {
    what = standard_output().styled(Style::warning, file.error->code) + ": " + file.error->message;
  } else if (file.status == app::LoadedFile::Status::skipped) {
    what = retried.before == ingest::FileState::loaded ? "no record more is accepted, left as it is"
                                                       : "its content is loaded already";
  } else {
    what = fmt::format("{}, {}", format_noun(file.rows, "row"), format_noun(file.rejected, "reject"));
  }
  context.say(fmt::format("  {}   {}", retried.object, what));
}

base::Result<int> retry(const app::QuarantineFilter& filter, Context& context) {
  app::QuarantineRetryOptions options;
  options.dataset = filter.dataset;
  options.reason_code = filter.reason;
  options.progress = &context.progress();
  options.stop = context.stop;
  const app::QuarantineRetryReport report = SHOPLAKE_TRY(app::retry_quarantine(*SHOPLAKE_TRY(context.app()), options));
  if (context.json) {
    std::string text = fmt::format(
        R"({{"dataset":{},"tried":{},"accepted":{},"already_there":{},"rejected":{},"truncated":{},"files":[)",
        json_quoted(filter.dataset), report.tried, report.accepted, report.already_there, report.rejected,
        report.truncated);
    for (const app::RetriedFile& file : report.files)
      text += (text.ends_with('[') ? "" : ",") + retried_as_json(file);
    context.print(text + "]}");
    return 0;
  }
  for (const app::RetriedFile& file : report.files)
    say_retried(file, context);
  const auto count = [](std::uint64_t n) { return format_count(static_cast<std::int64_t>(n)); };
  context.say(fmt::format("retry {}: {} tried, {} accepted, {} were there already, {} still rejected", filter.dataset,
                          count(report.tried), count(report.accepted), count(report.already_there),
                          count(report.rejected)));
  if (report.truncated > 0) {
    context.say(fmt::format("  {} are longer than quarantine keeps; their raw objects have them whole: shoplake replay",
                            count(report.truncated)));
  }
  return 0;
}

void add_filter(CLI::App& command, app::QuarantineFilter& filter) {
  command.add_option("dataset", filter.dataset, "one dataset; all if absent");
  command.add_option("--reason", filter.reason, "only this reason, such as json.malformed");
  command.add_option("--object", filter.source_object, "only raw objects whose path contains this");
}

}  // namespace

void add_quarantine(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("quarantine", "records that loads rejected, with reason and place");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake quarantine ls events");
  auto filter = std::make_shared<app::QuarantineFilter>();

  auto* ls = command->add_subcommand("ls", "how many records were rejected, by reason and raw object");
  add_filter(*ls, *filter);
  ls->footer(
      "Example:\n  shoplake quarantine ls events\n\nExit codes: 0 done; 2 nothing was ever loaded into that dataset; 4 "
      "disk or permission.");
  ls->callback([filter, &context] { context.finish(list(*filter, context)); });

  auto* show_command =
      command->add_subcommand("show", "the rejected records themselves; personal data in them is not masked");
  add_filter(*show_command, *filter);
  show_command->add_option("--line", filter->line, "only this line");
  show_command->add_option("--limit", filter->limit, "how many at most")->check(CLI::Range(1, 100'000));
  show_command->footer(
      "Example:\n  shoplake quarantine show events --reason contract.wrong_type --limit 5\n\nExit codes: 0 done; 2 "
      "nothing was ever loaded into that dataset; 4 disk or permission.");
  auto* retry_command = command->add_subcommand(
      "retry", "try what was rejected or blocked again, after its contract or rules were changed");
  retry_command->add_option("dataset", filter->dataset, "the dataset")->required();
  retry_command->add_option("--reason", filter->reason, "only this reason, such as contract.wrong_type");
  retry_command->footer(
      "Records that came in files are tried by loading the file again from the raw zone: where fewer are rejected than "
      "before, its rows and\n"
      "rejects are made anew in one commit. Files that were rejected as a whole, or that a block rule kept out, are "
      "loaded as if they came now.\n"
      "Of streams, what the contract accepts now moves to the dataset's table with the time at which it was first "
      "received, counted once.\n"
      "The rest stays.\n\n"
      "Examples:\n  shoplake quarantine retry events --reason contract.wrong_type\n"
      "  shoplake quarantine retry transactions\n\n"
      "Exit codes: 0 done, also if all stays; 2 no such dataset; 4 disk or permission; 130 interrupted.");
  retry_command->callback([filter, &context] { context.finish(retry(*filter, context)); });

  show_command->callback([filter, &context] { context.finish(show(*filter, context)); });
}

}  // namespace shoplake::cli
