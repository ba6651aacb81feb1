// shoplake load <dataset> PATH...: files into the lake.

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
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
  bool reload = false;
};

constexpr std::size_t kDriftShown = 10;

std::string_view format_name(transform::InputFormat format) {
  switch (format) {
    case transform::InputFormat::json: return "json";
    case transform::InputFormat::csv: return "csv";
    case transform::InputFormat::parquet: return "parquet";
  }
  return "";
}

std::string timestamp(std::int64_t micros) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(micros / 1'000'000)));
}

std::string file_as_json(const app::LoadedFile& file) {
  std::string text = fmt::format(R"({{"path":{},"status":"{}")", json_quoted(file.path), app::name(file.status));
  if (file.error) {
    const std::string error = error_as_json(*file.error);
    return text + fmt::format(R"(,"quarantined_as":{},"raw_object":{},{}}})", json_quoted(file.quarantined_as),
                              json_quoted(file.raw_object), std::string_view(error).substr(1, error.size() - 2));
  }
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
  text += "]";
  if (file.format == transform::InputFormat::csv) {
    text += fmt::format(R"(,"delimiter":{},"encoding":"{}","missing_columns":[)",
                        json_quoted(std::string_view(&file.delimiter, 1)), file.encoding);
    comma = "";
    for (const std::string& column : file.missing_columns) {
      text += comma + json_quoted(column);
      comma = ",";
    }
    text += "]";
  }
  text += fmt::format(
      R"(,"format":"{}","drift_unlisted":{},"md5":"{}","raw_object":{},"snapshot_id":{},"input_bytes":{},"inflated_bytes":{},"data_files":{},"data_bytes":{})",
      format_name(file.format), file.drift_unlisted, file.md5, json_quoted(file.raw_object),
      file.snapshot_id ? std::to_string(*file.snapshot_id) : "null", file.input_bytes, file.inflated_bytes,
      file.data_files, file.data_bytes);
  if (!file.replaced_object.empty())
    text += fmt::format(R"(,"replaced_object":{})", json_quoted(file.replaced_object));
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

// What a load says to people: a line at the beginning, one for each file as it is done, and what came of it.
class Speaker {
 public:
  Speaker(const Options& options, Context& context) : options_(options), context_(context) {
    // File names are enough where they differ.
    std::set<std::string_view> names;
    for (const std::string& path : options.paths)
      names.insert(file_name(path));
    by_name_ = names.size() == options.paths.size();
    for (const std::string& path : options.paths)
      name_width_ = std::max(name_width_, std::min(display_width(shown(path)), kNameWidthMax));
  }

  void begin(const app::LoadReport& report, std::uint64_t bytes) {
    context_.say(fmt::format("load {}: {}, {} → {}", report.dataset,
                             format_noun(static_cast<std::int64_t>(options_.paths.size()), "file"), format_bytes(bytes),
                             report.table));
  }

  void file(const app::LoadedFile& file) {
    const Terminal& terminal = standard_output();
    std::string line = "  " + std::string(shown(file.path));
    line.append(static_cast<std::size_t>(std::max(0, name_width_ - display_width(shown(file.path)))), ' ');
    if (file.error) {
      context_.say(line + "   " + terminal.styled(Style::bad, "failed, nothing of it was loaded") +
                   (!file.quarantined_as.empty() ? ", kept as " + file.quarantined_as
                    : !file.raw_object.empty()   ? ", kept as " + file.raw_object
                                                 : ""));
      return;
    }
    if (file.status == app::LoadedFile::Status::skipped) {
      const std::string as = file_name(file.loaded_before_as) == file_name(file.path)
                                 ? ""
                                 : fmt::format(" as {}", file_name(file.loaded_before_as));
      context_.say(line + "   " +
                   terminal.styled(Style::dim, fmt::format("loaded before (same content{}, {}), skipped", as,
                                                           timestamp(file.loaded_before_at_micros))));
      return;
    }
    const std::string rejects = fmt::format("{:>13}", format_noun(file.rejected, "reject"));
    context_.say(fmt::format("{} {:>15}{}{:>12}{:>10}{}", line, format_noun(file.rows, "row"),
                             file.rejected == 0 ? rejects : terminal.styled(Style::warning, rejects),
                             format_bytes(file.input_bytes), format_duration(file.micros),
                             !file.replaced_object.empty() ? "   in place of the content before"
                             : file.rows == 0              ? ""
                                              : fmt::format("{:>18}", format_rate(static_cast<std::uint64_t>(file.rows),
                                                                                  file.micros, "rows"))));
  }

  void end(const app::LoadReport& report) {
    std::map<std::string, std::int64_t> reasons;
    std::map<std::pair<std::string, std::string>, std::int64_t> drift;
    std::map<std::string, std::int64_t> missing;
    std::map<std::string, std::int64_t> encodings;
    std::int64_t unlisted = 0;
    std::int64_t skipped = 0;
    std::int64_t loaded = 0;
    std::optional<std::int64_t> snapshot;
    for (const app::LoadedFile& file : report.files) {
      for (const auto& [reason, count] : file.rejected_by_reason)
        reasons[reason] += count;
      for (const auto& entry : file.drift)
        drift[{entry.path, entry.type}] += entry.count;
      for (const std::string& column : file.missing_columns)
        ++missing[column];
      if (file.format == transform::InputFormat::csv && file.encoding != "utf-8" && file.encoding != "ascii")
        ++encodings[file.encoding];
      unlisted += file.drift_unlisted;
      skipped += file.status == app::LoadedFile::Status::skipped ? 1 : 0;
      loaded += file.status == app::LoadedFile::Status::loaded ? 1 : 0;
      if (file.snapshot_id)
        snapshot = file.snapshot_id;
    }
    const Terminal& terminal = standard_output();
    for (const auto& [reason, count] : reasons)
      context_.say(fmt::format("rejected: {} × {}", format_count(count), reason));
    std::size_t shown = 0;
    for (const auto& [field, count] : drift) {
      if (shown++ == kDriftShown)
        break;
      context_.say(fmt::format("drift: new field {} ({}, {}), kept in _extra", field.first, field.second,
                               format_noun(count, "value")));
    }
    if (drift.size() > kDriftShown || unlisted > 0) {
      const auto more = static_cast<std::int64_t>(drift.size() - std::min(drift.size(), kDriftShown)) + unlisted;
      context_.say(fmt::format("drift: and {} (--json lists them)", format_noun(more, "more field")));
    }
    for (const auto& [column, files] : missing)
      context_.say(fmt::format("drift: no column {} in {}, NULL", column, format_noun(files, "file")));
    for (const auto& [encoding, files] : encodings)
      context_.say(fmt::format("read as {}: {}", encoding, format_noun(files, "file")));
    if (loaded == 0) {
      if (skipped > 0)
        context_.say(fmt::format("done: nothing new, {} loaded before", skipped == 1 ? "the file was" : "all were"));
      return;
    }
    const bool all = report.first_error() == nullptr;
    std::string line =
        fmt::format("{}: {}, {}", terminal.styled(all ? Style::good : Style::warning, all ? "done" : "committed"),
                    format_noun(report.rows(), "row"), format_noun(report.rejected(), "reject"));
    if (snapshot)
      line += fmt::format(" in snapshot {}", *snapshot);
    if (report.files.size() > 1)
      line += fmt::format(", {}", format_duration(report.micros));
    std::string next = report.rejected() > 0 ? fmt::format("shoplake quarantine ls {}", report.dataset) : "";
    if (report.rows() > 0)
      next += (next.empty() ? "" : ", ") + std::string("shoplake build");
    if (!next.empty())
      line += "     next: " + next;
    context_.say(line);
  }

 private:
  static constexpr int kNameWidthMax = 60;

  static std::string_view file_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }
  std::string_view shown(std::string_view path) const { return by_name_ ? file_name(path) : path; }

  const Options& options_;
  Context& context_;
  bool by_name_ = true;
  int name_width_ = 0;
};

base::Result<int> run(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  Speaker speaker(options, context);
  app::LoadOptions load;
  load.dataset = options.dataset;
  load.paths = options.paths;
  load.reload = options.reload;
  load.progress = &context.progress();
  load.stop = context.stop;
  load.on_begin = [&](const app::LoadReport& report, std::uint64_t bytes) { speaker.begin(report, bytes); };
  load.on_file = [&](const app::LoadedFile& file) { speaker.file(file); };
  const app::LoadReport report = SHOPLAKE_TRY(app::load(*app, load));
  const base::Error* error = report.first_error();
  int exit_code = error != nullptr ? base::exit_code(error->kind) : 0;
  if (exit_code == 0 && options.strict && report.rejected() > 0)
    exit_code = 3;
  if (context.json) {
    context.print(report_as_json(report, exit_code));
    return exit_code;
  }
  speaker.end(report);
  for (const app::LoadedFile& file : report.files) {
    if (file.error && &*file.error != error)
      std::fputs((error_for_people(*file.error, standard_error()) + "\n").c_str(), stderr);
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
  command
      ->add_option("path", options->paths, "files: .csv .tsv .ndjson .jsonl .json .parquet, all but Parquet also .gz")
      ->required()
      ->type_name("PATH");
  command->add_flag("--strict", options->strict,
                    "exit with 3 if any record was rejected (the good ones are loaded all the same)");
  command->add_flag(
      "--reload", options->reload,
      "loads contents that were loaded before again, in the place of their rows: after the contract changed");
  command->footer(
      "Examples:\n"
      "  shoplake load events ga4_export.ndjson.gz\n"
      "  shoplake load events exports/2026-11-*.ndjson.gz --strict\n"
      "  shoplake load transactions invoices/*.csv.gz\n"
      "\n"
      "A file whose content was loaded before adds nothing, whatever its name. Each file is loaded completely or not "
      "at all.\n"
      "Exit codes: 0 done; 1 a block rule keeps a file out (of a rule set, or an expectation of the contract); 2 no "
      "such "
      "file, a directory,\n"
      "unknown dataset; 3 a file is damaged (cut gzip, bad Parquet), or --strict and records were rejected; 4 disk or "
      "permission;\n"
      "130 interrupted.");
  command->callback([options, &context] { context.finish(run(*options, context)); });
}

}  // namespace shoplake::cli
