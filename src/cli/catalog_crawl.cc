// shoplake catalog crawl|register: what lies in the lake becomes tables of the catalog.

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/crawl.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

struct CrawlCommand {
  std::string place;
  std::string policy = "update";
  std::string table;
  std::string path;
  bool shows_history = false;
};

// So many lines of one kind are shown to people; --json has all.
constexpr std::size_t kShownMax = 10;

std::string json_texts(const std::vector<std::string>& values) {
  std::string text = "[";
  for (const std::string& value : values) {
    text += fmt::format("{}{}", text.size() > 1 ? "," : "", json_quoted(value));
  }
  return text + "]";
}

std::string table_json(const crawl::CrawledTable& table) {
  std::string changes;
  for (const crawl::Change& change : table.changes) {
    changes += fmt::format(R"({}{{"kind":{},"detail":{}}})", changes.empty() ? "" : ",", json_quoted(change.kind),
                           json_quoted(change.detail));
  }
  std::string conflicts;
  for (const crawl::Conflict& conflict : table.conflicts) {
    conflicts += fmt::format(R"({}{{"column":{},"what":{}}})", conflicts.empty() ? "" : ",",
                             json_quoted(conflict.column), json_quoted(conflict.what));
  }
  const std::string error = table.error ? fmt::format(R"({{"code":{},"message":{}}})", json_quoted(table.error->code),
                                                      json_quoted(table.error->message))
                                        : "null";
  return fmt::format(
      R"({{"name":{},"folder":{},"new":{},"objects":{},"objects_read":{},"objects_gone":{},"partitions":{},"changes":[{}],"conflicts":[{}],"not_applied":{},"problems":{},"error":{}}})",
      json_quoted(table.name), json_quoted(table.folder), table.is_new, table.objects, table.objects_read,
      table.objects_gone, table.partitions, changes, conflicts, json_texts(table.not_applied),
      json_texts(table.problems), error);
}

void say_some(Context& context, const std::vector<std::string>& lines) {
  for (std::size_t index = 0; index < std::min(lines.size(), kShownMax); ++index) {
    context.say("    " + lines[index]);
  }
  if (lines.size() > kShownMax) {
    context.say(fmt::format("    … and {} more", format_count(static_cast<std::int64_t>(lines.size() - kShownMax))));
  }
}

void say_table(Context& context, const crawl::CrawledTable& table) {
  if (table.changes.empty() && table.conflicts.empty() && table.not_applied.empty() && table.problems.empty()) {
    return;
  }
  context.say("  " + table.name);
  std::map<std::string, std::vector<std::string>> by_kind;
  for (const crawl::Change& change : table.changes) {
    by_kind[change.kind].push_back(change.detail);
  }
  for (const auto& [kind, details] : by_kind) {
    std::string spelled = kind;
    std::replace(spelled.begin(), spelled.end(), '_', ' ');
    std::vector<std::string> lines;
    for (const std::string& detail : details) {
      lines.push_back(spelled + ": " + detail);
    }
    say_some(context, lines);
  }
  std::vector<std::string> lines;
  for (const crawl::Conflict& conflict : table.conflicts) {
    lines.push_back(fmt::format("conflict: {}: {}", conflict.column, conflict.what));
  }
  say_some(context, lines);
  lines.clear();
  for (const std::string& change : table.not_applied) {
    lines.push_back("not applied: " + change);
  }
  say_some(context, lines);
  lines.clear();
  for (const std::string& problem : table.problems) {
    lines.push_back("left out: " + problem);
  }
  say_some(context, lines);
}

base::Result<int> crawl_history(const CrawlCommand& command, Context& context) {
  const auto entries = SHOPLAKE_TRY(app::crawl_history(*SHOPLAKE_TRY(context.app()), command.place));
  std::string json = "[";
  Table shown({{"at"}, {"change"}, {"detail"}});
  for (const auto& entry : entries) {
    const std::string at =
        fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(entry.at_micros / 1'000'000)));
    json += fmt::format(R"({}{{"at":{},"kind":{},"detail":{}}})", json.size() > 1 ? "," : "", json_quoted(at),
                        json_quoted(entry.change.kind), json_quoted(entry.change.detail));
    shown.add_row({at, entry.change.kind, entry.change.detail});
  }
  if (context.json) {
    context.print(json + "]");
  } else {
    context.say(entries.empty() ? "no crawl has changed " + command.place : shown.render(standard_output()));
  }
  return 0;
}

base::Result<int> run_crawl(const CrawlCommand& command, Context& context) {
  if (command.shows_history) {
    return crawl_history(command, context);
  }
  app::CrawlRequest request;
  request.place = command.place;
  request.policy = command.policy == "log"        ? crawl::Policy::log
                   : command.policy == "add-only" ? crawl::Policy::add_only
                                                  : crawl::Policy::update;
  request.progress = &context.progress();
  request.stop = context.stop;
  const crawl::CrawlReport report = SHOPLAKE_TRY(app::crawl_lake(*SHOPLAKE_TRY(context.app()), request));
  int exit_code = 0;
  std::string json = fmt::format(R"({{"policy":{},"tables":[)", json_quoted(command.policy));
  Table shown({{"table"},
               {"objects", Align::right},
               {"read", Align::right},
               {"gone", Align::right},
               {"partitions", Align::right},
               {"changes", Align::right}});
  for (std::size_t index = 0; index < report.tables.size(); ++index) {
    const crawl::CrawledTable& table = report.tables[index];
    json += (index > 0 ? "," : "") + table_json(table);
    shown.add_row({table.name, format_count(table.objects), format_count(table.objects_read),
                   format_count(table.objects_gone), format_count(table.partitions),
                   format_count(static_cast<std::int64_t>(table.changes.size()))});
    if (table.error) {
      exit_code = base::exit_code(table.error->kind);
      if (!context.json) {
        std::fputs((error_for_people(base::Error(*table.error).within(table.folder), standard_error()) + "\n").c_str(),
                   stderr);
      }
    }
  }
  if (context.json) {
    context.print(json + "]}");
    return exit_code;
  }
  if (report.tables.empty()) {
    context.say("nothing in " + command.place + " that could be a table of its own");
    return exit_code;
  }
  context.say(shown.render(standard_output()));
  for (const crawl::CrawledTable& table : report.tables) {
    say_table(context, table);
  }
  return exit_code;
}

base::Result<int> run_register(const CrawlCommand& command, Context& context) {
  const app::Registered registered =
      SHOPLAKE_TRY(app::register_table(*SHOPLAKE_TRY(context.app()), {command.table, command.path}));
  if (context.json) {
    context.print(fmt::format(R"({{"name":{},"metadata_location":{},"snapshots":{}}})", json_quoted(registered.table),
                              json_quoted(registered.metadata_location), registered.snapshots));
  } else {
    context.say(fmt::format("{} is a table of the catalog, with {}", registered.table,
                            format_noun(registered.snapshots, "snapshot")));
  }
  return 0;
}

constexpr const char* kExitCodes =
    "\n\nExit codes: 0 done; 1 a table could not be made; 2 no such folder or name, bad option; 3 damaged metadata; 4 "
    "disk "
    "or permission;\n130 interrupted.";

}  // namespace

void add_catalog_crawl(CLI::App& command, Context& context) {
  auto options = std::make_shared<CrawlCommand>();

  auto* crawl = command.add_subcommand(
      "crawl", "find tables in the lake's files: formats, columns, partitions; register them in the catalog");
  crawl->add_option("place", options->place, "raw, processed, or a folder below the lake; with --history a table")
      ->required();
  crawl
      ->add_option("--policy", options->policy,
                   "what to do where columns changed: update, add-only, or log (only say it)")
      ->check(CLI::IsMember({"update", "add-only", "log"}))
      ->capture_default_str();
  crawl->add_flag("--history", options->shows_history, "the changes that crawls made to a table (raw.events)");
  crawl->footer(
      std::string("Examples:\n"
                  "  shoplake catalog crawl raw\n"
                  "  shoplake catalog crawl raw/reviews --policy log\n"
                  "  shoplake catalog crawl raw.reviews --history\n\n"
                  "Raw CSV, JSON, NDJSON (also .gz) and Parquet become views in namespace raw, read when they "
                  "are queried; Parquet elsewhere\nbecomes Iceberg tables, as it lies. Only files that changed "
                  "since the last crawl are read.") +
      kExitCodes);
  crawl->callback([options, &context] { context.finish(run_crawl(*options, context)); });

  auto* registering = command.add_subcommand(
      "register", "take an Iceberg table into the catalog by its metadata file; nothing is rewritten");
  registering->add_option("name", options->table, "namespace.table, not in the catalog yet")->required();
  registering->add_option("metadata", options->path, "its newest metadata file, below the lake")->required();
  registering->footer(std::string("Example:\n  shoplake catalog register curated.old "
                                  "lake/curated/old/metadata/00007-5f1c.metadata.json") +
                      kExitCodes);
  registering->callback([options, &context] { context.finish(run_register(*options, context)); });
}

}  // namespace shoplake::cli
