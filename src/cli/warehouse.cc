// shoplake warehouse load|ddl: tables of the lake in PostgreSQL, Redshift, Redshift Spectrum and Athena.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>

#include "app/warehouse.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"

namespace shoplake::cli {
namespace {

struct Options {
  app::WarehouseLoadOptions load;
  app::ExternalTableOptions external;
};

base::Result<int> load(Options& options, Context& context) {
  options.load.stop = context.stop;
  app::App* app = SHOPLAKE_TRY(context.app());
  const app::WarehouseLoadReport report = SHOPLAKE_TRY(app::warehouse_load(*app, options.load));
  const warehouse::Outcome& outcome = report.outcome;
  if (options.load.only_statements) {
    std::string json;
    for (const std::string& statement : report.statements) {
      if (context.json)
        json += (json.empty() ? "" : ",") + json_quoted(statement);
      else
        context.print(statement + ";\n");
    }
    if (context.json)
      context.print(fmt::format(R"({{"statements":[{}]}})", json));
    return 0;
  }
  const std::string into = warehouse::to_string(report.batch.target, report.batch.dialect);
  if (context.json) {
    context.print(fmt::format(
        R"({{"table":{},"into":{},"mode":{},"batch_id":{},"snapshot_id":{},"loaded_before":{},"rows":{},"inserted":{},"updated":{},"deleted":{},"staged_bytes":{},"exit_code":0}})",
        json_quoted(report.batch.source), json_quoted(into), json_quoted(warehouse::name(report.batch.mode)),
        json_quoted(report.batch.id), report.batch.snapshot_id ? std::to_string(*report.batch.snapshot_id) : "null",
        outcome.is_loaded_before, outcome.rows_staged, outcome.rows_inserted, outcome.rows_updated,
        outcome.rows_deleted, report.staged_bytes));
  } else if (outcome.is_loaded_before) {
    context.say(fmt::format("{}: batch {} is loaded already", into, report.batch.id));
  } else {
    context.say(fmt::format("{}: {} in {} ({} inserted, {} updated, {} deleted)", into,
                            format_noun(outcome.rows_staged, "row"), format_duration(report.micros),
                            format_count(outcome.rows_inserted), format_count(outcome.rows_updated),
                            format_count(outcome.rows_deleted)));
  }
  return 0;
}

base::Result<int> ddl(const Options& options, Context& context) {
  app::App* app = SHOPLAKE_TRY(context.app());
  const app::ExternalTableReport report = SHOPLAKE_TRY(app::external_table(*app, options.external));
  if (context.json) {
    context.print(fmt::format(R"({{"statement":{},"file_list":{},"files":{},"rows":{},"snapshot_id":{}}})",
                              json_quoted(report.statement), json_quoted(report.file_list), report.files, report.rows,
                              report.snapshot_id ? std::to_string(*report.snapshot_id) : "null"));
  } else {
    context.print(report.statement);
  }
  return 0;
}

}  // namespace

void add_warehouse(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("warehouse", "tables of the lake in PostgreSQL, Redshift and Athena");
  command->require_subcommand(1);
  command->footer(
      "Example:\n  shoplake warehouse load analytics.ga4_events_cleaned --to postgresql://bi@localhost/shop");
  auto options = std::make_shared<Options>();

  app::WarehouseLoadOptions& load_options = options->load;
  const std::map<std::string, warehouse::Mode> modes = {
      {"append", warehouse::Mode::append}, {"replace", warehouse::Mode::replace}, {"upsert", warehouse::Mode::upsert}};
  auto* load_command = command->add_subcommand("load", "the rows of a table, once a batch");
  load_command->add_option("table", load_options.table, "namespace.table of the lake, or a view")->required();
  load_command
      ->add_option("--to", load_options.to, "postgresql://user@host/database, redshift://user@host:5439/database")
      ->required()
      ->type_name("URL");
  load_command->add_option("--into", load_options.into, "default: the table's own name")->type_name("SCHEMA.TABLE");
  load_command->add_option("--mode", load_options.mode, "append, replace (default) or upsert")
      ->transform(CLI::CheckedTransformer(modes, CLI::ignore_case))
      ->type_name("MODE");
  load_command
      ->add_option("--key", load_options.key,
                   "upsert: what is unique; replace: only the rows of the keys that come are replaced")
      ->delimiter(',')
      ->type_name("COLUMN,…");
  load_command->add_option("--where", load_options.where, "only these rows: a condition over the table's columns")
      ->type_name("SQL");
  load_command->add_option("--batch", load_options.batch_id, "what is loaded once; default: table and snapshot")
      ->type_name("ID");
  load_command->add_option("--iam-role", load_options.iam_role, "Redshift: the role that reads the stage, or default")
      ->type_name("ARN");
  load_command->add_option("--s3-root", load_options.s3_root, "Redshift: what the lake's root is in S3")
      ->type_name("s3://BUCKET/PREFIX");
  load_command->add_option("--region", load_options.region, "Redshift: of the bucket, if it is not the cluster's");
  load_command->add_flag("--dry-run", load_options.only_statements, "prints the statements and does nothing");
  load_command->footer(
      "A password comes from PGPASSWORD or ~/.pgpass. docs/warehouse.md says how types are mapped.\n\n"
      "Examples:\n"
      "  shoplake warehouse load marts.mart_attribution_comparison --to postgresql://bi@localhost/shop\n"
      "  shoplake warehouse load marts.fact_sessions --to postgresql://bi@localhost/shop --mode upsert --key "
      "session_id\n"
      "  shoplake warehouse load analytics.ga4_events_cleaned --to redshift://etl@cluster:5439/dev --iam-role default\n"
      "\n"
      "Exit codes: 0 done, or the batch is loaded already; 1 the warehouse refused; 2 bad arguments, login, no such "
      "table; 3 NULL or\nrepeated keys; 4 network or disk, or another load is in the way; 130 interrupted.");
  load_command->callback([options, &context] { context.finish(load(*options, context)); });

  app::ExternalTableOptions& external = options->external;
  const std::map<std::string, warehouse::Dialect> dialects = {{"spectrum", warehouse::Dialect::spectrum},
                                                              {"athena", warehouse::Dialect::athena}};
  auto* ddl_command =
      command->add_subcommand("ddl", "CREATE EXTERNAL TABLE over the files of a table's current snapshot");
  ddl_command->add_option("table", external.table, "namespace.table of the lake")->required();
  ddl_command->add_option("--dialect", external.dialect, "spectrum or athena")
      ->required()
      ->transform(CLI::CheckedTransformer(dialects, CLI::ignore_case))
      ->type_name("DIALECT");
  ddl_command->add_option("--into", external.into, "default: the table's own name")->type_name("SCHEMA.TABLE");
  ddl_command->add_option("--s3-root", external.s3_root, "what the lake's root is in S3")
      ->type_name("s3://BUCKET/PREFIX");
  ddl_command->footer(
      "The list of the files is written to external/ of the lake; after the table has changed, the same command writes "
      "it anew.\n\n"
      "Example:\n"
      "  shoplake warehouse ddl processed.events --dialect athena --s3-root s3://shop-lake/prod\n"
      "\n"
      "Exit codes: 0 done; 2 bad arguments, no such table, or it has delete files; 4 disk or permission.");
  ddl_command->callback([options, &context] { context.finish(ddl(*options, context)); });
}

}  // namespace shoplake::cli
