// shoplake query "SQL": answers from the lake.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "app/query.h"
#include "cli/box_table.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

using base::ErrorKind;
using base::Result;

constexpr std::int64_t kRowsOnTerminal = 40;

struct Options {
  std::string sql;
  std::string file;
  std::string format = "table";
  std::string at;
  std::string output;
  std::int64_t rows_max = -1;  // not given
  bool is_format_given = false;
};

Result<std::string> read_sql(const Options& options, app::App& app) {
  if (!options.file.empty()) {
    return app.env().read_file(options.file);
  }
  if (options.sql == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  if (options.sql.empty()) {
    return base::make_error(ErrorKind::usage, "cli.usage", "there is no query",
                            "Give it as an argument, with --file, or - for standard input.");
  }
  return options.sql;
}

Result<void> write_to_standard_output(std::string_view piece) {
  if (std::fwrite(piece.data(), 1, piece.size(), stdout) != piece.size()) {
    return base::make_error(ErrorKind::environment, "cli.output_failed", "standard output could not be written",
                            "Check the disk or pipe that it goes to.");
  }
  return {};
}

Result<int> run(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  app::QueryOptions query;
  query.sql = SHOPLAKE_TRY(read_sql(options, *app));
  query.at = options.at;
  query.progress = &context.progress();
  query.stop = context.stop;

  const std::string format = context.json && !options.is_format_given ? "json" : options.format;
  if (format == "table") {
    if (!options.output.empty()) {
      return base::make_error(ErrorKind::usage, "cli.usage", "a table is for reading, not for a file",
                              "Take --format csv, json or parquet with --output.");
    }
    const bool interactive = standard_output().interactive;
    const std::int64_t rows_max = options.rows_max >= 0 ? options.rows_max : interactive ? kRowsOnTerminal : 0;
    const app::QueryTable table = SHOPLAKE_TRY(app::query_table(*app, query, rows_max));
    context.print(interactive ? render_box(table, standard_output()) : render_plain(table));
    return 0;
  }
  const app::QueryFormat chosen = format == "csv"    ? app::QueryFormat::csv
                                  : format == "json" ? app::QueryFormat::json
                                                     : app::QueryFormat::parquet;
  if (!options.output.empty()) {
    SHOPLAKE_TRY(app::query_file(*app, query, chosen, options.output));
    return 0;
  }
  if (chosen == app::QueryFormat::parquet && standard_output().interactive) {
    return base::make_error(ErrorKind::usage, "query.binary_to_terminal", "Parquet is no text for a terminal",
                            "Name a file with --output, or a pipe.");
  }
  SHOPLAKE_TRY(app::query_bytes(*app, query, chosen, write_to_standard_output));
  return 0;
}

}  // namespace

void add_query(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("query", "answers from the lake: one SQL statement that reads");
  auto options = std::make_shared<Options>();
  command->add_option("sql", options->sql, "the statement (DuckDB's SQL); - reads it from standard input");
  command->add_option("--file", options->file, "a file with the statement")->excludes("sql");
  auto* format = command->add_option("--format", options->format, "table, csv, json or parquet")
                     ->check(CLI::IsMember({"table", "csv", "json", "parquet"}));
  command->add_option("--at", options->at,
                      "the tables as of a time (UTC unless it says otherwise) or of a snapshot's number");
  command->add_option("--output", options->output, "a file for the answer; it appears whole or not at all");
  command
      ->add_option("--rows", options->rows_max,
                   "how many rows a table shows; 0: all (default: 40 on a terminal, else all)")
      ->check(CLI::Range(0, 1'000'000'000))
      ->default_str("");
  command->footer(std::string("Examples:\n"
                              "  shoplake query \"select * from marts.mart_attribution_comparison\"\n"
                              "  shoplake query \"from marts.fact_events limit 10\" --format csv > events.csv\n"
                              "  shoplake query \"select count(*) from processed.events\" --at 2026-11-20T12:00:00Z\n"
                              "  shoplake query \"from marts.dim_user\" --format parquet --output users.parquet\n"
                              "  shoplake query \"show all tables\"\n"
                              "\n"
                              "A query reads tables and views of the lake and nothing else: no files, no writing, no "
                              "settings. --json is --format json.\n\n") +
                  kExitCodes);
  command->callback([options, format, &context] {
    options->is_format_given = format->count() > 0;
    context.finish(run(*options, context));
  });
}

}  // namespace shoplake::cli
