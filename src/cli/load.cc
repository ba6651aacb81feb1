// shoplake load <dataset> PATH...: files into the lake.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/load.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

struct Options {
  std::string dataset;
  std::vector<std::string> paths;
  bool strict = false;
};

constexpr std::size_t kDriftShown = 10;

std::string_view status_name(app::LoadedFile::Status status) {
  switch (status) {
    case app::LoadedFile::Status::loaded: return "loaded";
    case app::LoadedFile::Status::skipped: return "skipped";
    case app::LoadedFile::Status::failed: return "failed";
  }
  return "";
}

std::string timestamp(std::int64_t micros) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(micros / 1'000'000)));
}

std::string file_as_json(const app::LoadedFile& file) {
  std::string text = fmt::format(R"({{"path":{},"status":"{}")", json_quoted(file.path), status_name(file.status));
  if (file.error)
    return text +
           fmt::format(R"(,{}}})",
                       std::string_view(error_as_json(*file.error)).substr(1, error_as_json(*file.error).size() - 2));
  text += fmt::format(R"(,"rows":{},"rejected":{},"rejected_by_reason":{{)", file.rows, file.rejected);
  const char* comma = "";
  for (const auto& [reason, count] : file.rejected_by_reason) {
    text += fmt::format("{}{}:{}", comma, json_quoted(reason), count);
    comma = ",";
  }
  text += R"(},"drift":[)";
  comma = "";
  for (const auto& entry : file.drift) {
    text += fmt::format(R"({}{{"field":{},"type":{},"count":{}}})", comma, json_quoted(entry.path),
                        json_quoted(entry.type), entry.count);
    comma = ",";
  }
  text += fmt::format(
      R"(],"drift_unlisted":{},"md5":"{}","raw_object":{},"snapshot_id":{},"input_bytes":{},"inflated_bytes":{},"data_files":{},"data_bytes":{})",
      file.drift_unlisted, file.md5, json_quoted(file.raw_object),
      file.snapshot_id ? std::to_string(*file.snapshot_id) : "null", file.input_bytes, file.inflated_bytes,
      file.data_files, file.data_bytes);
  if (file.status == app::LoadedFile::Status::skipped) {
    text += fmt::format(R"(,"loaded_before_as":{},"loaded_before_at":"{}")", json_quoted(file.loaded_before_as),
                        timestamp(file.loaded_before_at_micros));
  }
  text += fmt::format(
      R"(,"seconds":{:.3f},"stages":{{"copy_seconds":{:.3f},"read_cpu_seconds":{:.3f},"parse_cpu_seconds":{:.3f},"write_cpu_seconds":{:.3f},"commit_seconds":{:.3f}}}}})",
      static_cast<double>(file.micros) / 1e6, static_cast<double>(file.copy_micros) / 1e6, file.read_seconds,
      file.parse_seconds, file.write_seconds, static_cast<double>(file.commit_micros) / 1e6);
  return text;
}

std::string report_as_json(const app::LoadReport& report, int exit_code) {
  std::string text = fmt::format(
      R"({{"dataset":{},"table":{},"quarantine_table":{},"rows":{},"rejected":{},"seconds":{:.3f},"exit_code":{},"files":[)",
      json_quoted(report.dataset), json_quoted(report.table), json_quoted(report.quarantine_table), report.rows(),
      report.rejected(), static_cast<double>(report.micros) / 1e6, exit_code);
  const char* comma = "";
  for (const app::LoadedFile& file : report.files) {
    text += comma + file_as_json(file);
    comma = ",";
  }
  return text + "]}";
}

void say_file(const app::LoadReport& report, const app::LoadedFile& file, Context& context) {
  const Terminal& terminal = standard_output();
  if (file.status == app::LoadedFile::Status::skipped) {
    context.say(fmt::format("{}: {} (as {}, {})", file.path,
                            terminal.styled(Style::dim, "loaded before, nothing to do"), file.loaded_before_as,
                            timestamp(file.loaded_before_at_micros)));
    return;
  }
  const std::string rejected =
      file.rejected == 0 ? "0 rejects" : terminal.styled(Style::warning, format_noun(file.rejected, "reject"));
  context.say(fmt::format("{}: {}, {} → {}  ({}, {}, {})", file.path,
                          terminal.styled(Style::bold, format_noun(file.rows, "row")), rejected, report.table,
                          format_bytes(file.input_bytes), format_duration(file.micros),
                          format_rate(static_cast<std::uint64_t>(file.rows), file.micros, "rows")));
  for (const auto& [reason, count] : file.rejected_by_reason)
    context.say(fmt::format("  {} × {}", format_count(count), reason));
  if (file.rejected > 0)
    context.say(fmt::format("  see: shoplake quarantine ls {}", report.dataset));
  if (!file.drift.empty()) {
    context.say(fmt::format("  {} that the contract does not name, kept in _extra:",
                            format_noun(static_cast<std::int64_t>(file.drift.size()) + file.drift_unlisted, "field")));
    std::size_t shown = 0;
    for (const auto& entry : file.drift) {
      if (shown++ == kDriftShown)
        break;
      context.say(fmt::format("    {} ({}) in {}", entry.path, entry.type, format_noun(entry.count, "place")));
    }
    if (file.drift.size() > kDriftShown)
      context.say(fmt::format("    and {} more (--json lists them)", file.drift.size() - kDriftShown));
  }
}

base::Result<int> run(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  app::LoadOptions load;
  load.dataset = options.dataset;
  load.paths = options.paths;
  load.progress = &context.progress();
  load.stop = context.stop;
  const app::LoadReport report = SHOPLAKE_TRY(app::load(*app, load));
  const base::Error* error = report.first_error();
  int exit_code = error != nullptr ? base::exit_code(error->kind) : 0;
  if (exit_code == 0 && options.strict && report.rejected() > 0)
    exit_code = 3;
  if (context.json) {
    context.print(report_as_json(report, exit_code));
    return exit_code;
  }
  for (const app::LoadedFile& file : report.files) {
    if (file.error) {
      if (&*file.error != error)
        std::fputs((error_for_people(*file.error, standard_error()) + "\n").c_str(), stderr);
    } else {
      say_file(report, file, context);
    }
  }
  if (report.files.size() > 1) {
    context.say(fmt::format("{} files: {}, {} in {}", report.files.size(), format_noun(report.rows(), "row"),
                            format_noun(report.rejected(), "reject"), format_duration(report.micros)));
  }
  if (error != nullptr)
    return *error;
  return exit_code;
}

}  // namespace

void add_load(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand(
      "load", "files into the lake: raw bytes kept, rows typed and committed, bad records to quarantine");
  auto options = std::make_shared<Options>();
  command->add_option("dataset", options->dataset, "the dataset whose contract the files follow: events")->required();
  command->add_option("path", options->paths, "files: .ndjson .jsonl .json .parquet, JSON also .gz")
      ->required()
      ->type_name("PATH");
  command->add_flag("--strict", options->strict,
                    "exit with 3 if any record was rejected (the good ones are loaded all the same)");
  command->footer(
      "Examples:\n"
      "  shoplake load events ga4_export.ndjson.gz\n"
      "  shoplake load events exports/2026-11-*.ndjson.gz --strict\n"
      "\n"
      "A file whose content was loaded before adds nothing, whatever its name. Each file is loaded completely or not "
      "at all.\n"
      "Exit codes: 0 done; 2 no such file, a directory, unknown dataset; 3 a file is damaged (cut gzip, bad Parquet), "
      "or --strict and\n"
      "records were rejected; 4 disk or permission; 130 interrupted.");
  command->callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace shoplake::cli
