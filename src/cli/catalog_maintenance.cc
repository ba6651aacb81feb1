// shoplake catalog compact|expire|orphans|rollback|retain: maintenance of the lake's tables and files.

#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/maintenance.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

struct MaintenanceOptions {
  std::vector<std::string> names;
  std::string name;
  std::string target_size;
  std::vector<std::string> sort_by;
  std::string older_than;
  std::string to;
  std::int64_t keep = -1;
  bool all_files = false;
  bool now = false;
  bool force = false;
  bool dry_run = false;
};

std::string json_texts(const std::vector<std::string>& values) {
  std::string text = "[";
  for (const std::string& value : values) {
    text += fmt::format("{}{}", text.size() > 1 ? "," : "", json_quoted(value));
  }
  return text + "]";
}

std::string json_error(const std::optional<base::Error>& error) {
  return error ? fmt::format(R"({{"code":{},"message":{}}})", json_quoted(error->code), json_quoted(error->message))
               : "null";
}

void print_error(const std::string& name, const base::Error& error) {
  std::fputs((error_for_people(base::Error(error).within(name), standard_error()) + "\n").c_str(), stderr);
}

std::string size_of(std::int64_t bytes) {
  return format_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(0, bytes)));
}

// ── compact ───────────────────────────────────────────────────────────────────────────────────────────────────────

std::string compacted_json(const app::CompactedTable& table) {
  const auto& report = table.report;
  return fmt::format(
      R"({{"name":{},"commits":{},"partitions":{},"files_removed":{},"files_added":{},"delete_files_removed":{},"rows":{},"rows_dropped":{},"bytes_removed":{},"bytes_added":{},"retries":{},"files_of_other_specs":{},"sorted_by":{},"error":{}}})",
      json_quoted(table.name), report.commits, report.partitions, report.files_removed, report.files_added,
      report.delete_files_removed, report.rows, report.rows_dropped, report.bytes_removed, report.bytes_added,
      report.retries, report.files_of_other_specs, json_texts(report.sorted_by), json_error(table.error));
}

base::Result<int> compact(const MaintenanceOptions& options, Context& context) {
  app::CompactOptions compaction;
  compaction.names = options.names;
  if (!options.target_size.empty()) {
    compaction.target_file_bytes = static_cast<std::int64_t>(SHOPLAKE_TRY(app::parse_size(options.target_size)));
  }
  compaction.sort_by = options.sort_by;
  compaction.all_files = options.all_files;
  compaction.dry_run = options.dry_run;
  compaction.progress = &context.progress();
  compaction.stop = context.stop;
  const auto tables = SHOPLAKE_TRY(app::compact_tables(*SHOPLAKE_TRY(context.app()), compaction));
  int exit_code = 0;
  std::string json = fmt::format(R"({{"dry_run":{},"tables":[)", options.dry_run);
  Table shown({{"table"},
               {"files before", Align::right},
               {options.dry_run ? "" : "files after", Align::right},
               {"rows", Align::right},
               {"size before", Align::right},
               {options.dry_run ? "" : "size after", Align::right},
               {"sorted by"}});
  std::int64_t changed = 0;
  for (std::size_t index = 0; index < tables.size(); ++index) {
    const app::CompactedTable& table = tables[index];
    json += fmt::format("{}{}", index > 0 ? "," : "", compacted_json(table));
    if (table.error) {
      exit_code = base::exit_code(table.error->kind);
      if (!context.json) {
        print_error(table.name, *table.error);
      }
    }
    const auto& report = table.report;
    if (report.commits == 0) {
      continue;
    }
    ++changed;
    shown.add_row({table.name, format_count(report.files_removed + report.delete_files_removed),
                   options.dry_run ? "" : format_count(report.files_added), format_count(report.rows),
                   size_of(report.bytes_removed), options.dry_run ? "" : size_of(report.bytes_added),
                   fmt::format("{}", fmt::join(report.sorted_by, ", "))});
  }
  if (context.json) {
    context.print(json + "]}");
    return exit_code;
  }
  if (changed > 0) {
    context.say(shown.render(standard_output()));
  }
  context.say(
      changed == 0
          ? fmt::format("nothing to compact in {}", format_noun(static_cast<std::int64_t>(tables.size()), "table"))
      : options.dry_run
          ? fmt::format("{} would be compacted; nothing was changed", format_noun(changed, "table"))
          : fmt::format("{} compacted; `shoplake catalog expire` frees the old files", format_noun(changed, "table")));
  return exit_code;
}

// ── expire ────────────────────────────────────────────────────────────────────────────────────────────────────────

base::Result<int> expire(const MaintenanceOptions& options, Context& context) {
  app::ExpireOptions expiry;
  expiry.names = options.names;
  if (!options.older_than.empty()) {
    expiry.older_than_micros = SHOPLAKE_TRY(app::parse_duration(options.older_than));
  }
  if (options.keep >= 0) {
    expiry.keep_last = options.keep;
  }
  expiry.now = options.now;
  expiry.dry_run = options.dry_run;
  expiry.progress = &context.progress();
  expiry.stop = context.stop;
  const app::ExpireReport report = SHOPLAKE_TRY(app::expire_tables(*SHOPLAKE_TRY(context.app()), expiry));
  int exit_code = 0;
  std::int64_t expired = 0;
  std::string json =
      fmt::format(R"({{"dry_run":{},"files_removed":{},"tables":[)", options.dry_run, report.files_removed);
  Table shown({{"table"}, {"expired", Align::right}, {"kept", Align::right}});
  for (std::size_t index = 0; index < report.tables.size(); ++index) {
    const app::ExpiredTable& table = report.tables[index];
    json += fmt::format(R"({}{{"name":{},"expired":{},"kept":{},"error":{}}})", index > 0 ? "," : "",
                        json_quoted(table.name), table.expired, table.kept, json_error(table.error));
    expired += table.expired;
    if (table.expired > 0) {
      shown.add_row({table.name, format_count(table.expired), format_count(table.kept)});
    }
    if (table.error) {
      exit_code = base::exit_code(table.error->kind);
      if (!context.json) {
        print_error(table.name, *table.error);
      }
    }
  }
  if (context.json) {
    context.print(json + "]}");
    return exit_code;
  }
  if (expired > 0) {
    context.say(shown.render(standard_output()));
  }
  context.say(options.dry_run
                  ? fmt::format("{} would be forgotten; nothing was changed", format_noun(expired, "snapshot"))
                  : fmt::format("{} forgotten, {} removed{}", format_noun(expired, "snapshot"),
                                format_noun(report.files_removed, "file"),
                                expired > 0 && !options.now
                                    ? "; files that running queries may read go with the next run after ten minutes"
                                    : ""));
  return exit_code;
}

// ── orphans ───────────────────────────────────────────────────────────────────────────────────────────────────────

base::Result<int> orphans(const MaintenanceOptions& options, Context& context) {
  app::OrphansOptions removal;
  if (!options.older_than.empty()) {
    removal.older_than_micros = SHOPLAKE_TRY(app::parse_duration(options.older_than));
  }
  removal.dry_run = options.dry_run;
  removal.progress = &context.progress();
  removal.stop = context.stop;
  const maintain::OrphanReport report = SHOPLAKE_TRY(app::remove_orphans(*SHOPLAKE_TRY(context.app()), removal));
  const int exit_code = report.not_removed.empty() ? 0 : base::exit_code(base::ErrorKind::environment);
  if (context.json) {
    std::string files;
    for (const maintain::OrphanFile& file : report.orphans) {
      files +=
          fmt::format(R"({}{{"path":{},"bytes":{}}})", files.empty() ? "" : ",", json_quoted(file.path), file.bytes);
    }
    context.print(fmt::format(
        R"({{"dry_run":{},"files_looked_at":{},"tables":{},"orphans":[{}],"bytes":{},"too_young":{},"not_removed":{}}})",
        options.dry_run, report.files_looked_at, report.tables, files, report.bytes, report.too_young,
        json_texts(report.not_removed)));
    return exit_code;
  }
  if (options.dry_run) {
    for (const maintain::OrphanFile& file : report.orphans) {
      context.say(file.path);
    }
  }
  for (const std::string& file : report.not_removed) {
    std::fputs(("not removed: " + file + "\n").c_str(), stderr);
  }
  context.say(fmt::format(
      "{} of {} {} by nothing{}, {}{}", format_count(static_cast<std::int64_t>(report.orphans.size())),
      format_noun(report.files_looked_at, "file"), report.orphans.size() == 1 ? "is named" : "are named",
      options.dry_run ? "; nothing was removed" : " and removed", format_bytes(report.bytes),
      report.too_young > 0 ? fmt::format("; {} more too young to tell", format_count(report.too_young)) : ""));
  return exit_code;
}

// ── rollback ──────────────────────────────────────────────────────────────────────────────────────────────────────

base::Result<int> rollback(const MaintenanceOptions& options, Context& context) {
  app::RollbackOptions request;
  request.name = options.name;
  request.to = options.to;
  request.force = options.force;
  request.dry_run = options.dry_run;
  request.stop = context.stop;
  const app::RollbackReport report = SHOPLAKE_TRY(app::rollback_table(*SHOPLAKE_TRY(context.app()), request));
  if (context.json) {
    context.print(fmt::format(
        R"({{"dry_run":{},"name":{},"from_snapshot_id":{},"to_snapshot_id":{},"snapshot_id":{},"snapshots_undone":{},"objects":{},"live_batches":{},"other_engines":{}}})",
        options.dry_run, json_quoted(options.name), report.from_snapshot, report.to_snapshot,
        report.new_snapshot != 0 ? std::to_string(report.new_snapshot) : "null", report.snapshots_undone,
        json_texts(report.objects), report.live_batches, report.other_engines));
    return 0;
  }
  if (report.from_snapshot == report.to_snapshot) {
    context.say(fmt::format("{} is at snapshot {} already", options.name, report.to_snapshot));
    return 0;
  }
  context.say(fmt::format("{} {} snapshot {} again{}: {} undone", options.name,
                          options.dry_run ? "would be as of" : "is as of", report.to_snapshot,
                          report.new_snapshot != 0 ? fmt::format(", in the new snapshot {}", report.new_snapshot) : "",
                          format_noun(report.snapshots_undone, "snapshot")));
  if (!report.objects.empty() || report.live_batches > 0) {
    context.say(fmt::format("  their rows are not taken again by themselves: {} of raw objects, {} of the log",
                            format_noun(static_cast<std::int64_t>(report.objects.size()), "load"),
                            format_count(report.live_batches) + (report.live_batches == 1 ? " batch" : " batches")));
  }
  if (report.other_engines > 0) {
    context.say(fmt::format("  {} of them {} by other engines", format_count(report.other_engines),
                            report.other_engines == 1 ? "was committed" : "were committed"));
  }
  return 0;
}

// ── retain ────────────────────────────────────────────────────────────────────────────────────────────────────────

base::Result<int> retain(const MaintenanceOptions& options, Context& context) {
  app::RetainOptions request;
  request.dry_run = options.dry_run;
  request.stop = context.stop;
  const maintain::RetentionReport report = SHOPLAKE_TRY(app::apply_retention(*SHOPLAKE_TRY(context.app()), request));
  std::string json = fmt::format(R"({{"dry_run":{},"zones":[)", options.dry_run);
  Table shown({{"zone"},
               {"dataset"},
               {"keeps"},
               {options.dry_run ? "would go" : "removed", Align::right},
               {"size", Align::right},
               {"rows", Align::right},
               {"still needed", Align::right},
               {""}});
  for (std::size_t index = 0; index < report.lines.size(); ++index) {
    const auto& line = report.lines[index];
    json +=
        fmt::format(R"({}{{"zone":{},"dataset":{},"days":{},"removed":{},"bytes":{},"rows":{},"needed":{},"note":{}}})",
                    index > 0 ? "," : "", json_quoted(line.zone), json_quoted(line.name),
                    line.days ? std::to_string(*line.days) : "null", line.objects, line.bytes, line.rows, line.needed,
                    json_quoted(line.note));
    shown.add_row({line.zone, line.name, line.days ? format_noun(*line.days, "day") : "forever",
                   format_count(line.objects), format_bytes(line.bytes), line.rows > 0 ? format_count(line.rows) : "",
                   line.needed > 0 ? format_count(line.needed) : "", line.note});
  }
  if (context.json) {
    context.print(json + "]}");
    return 0;
  }
  context.say(report.lines.empty() ? std::string("nothing is kept for a limited time, and there are no raw objects")
                                   : shown.render(standard_output()));
  return 0;
}

constexpr const char* kExitCodes =
    "\n\nExit codes: 0 done; 1 refused, or a table that cannot be written; 2 no such table, bad option; 3 damaged "
    "metadata; 4 disk, permission, or others\nkept committing first; 130 interrupted.";

}  // namespace

void add_catalog_maintenance(CLI::App& command, Context& context) {
  auto options = std::make_shared<MaintenanceOptions>();
  const auto add = [&](const char* name, const char* what, const std::string& footer, auto run) {
    auto* added = command.add_subcommand(name, what);
    added->footer("Example:\n" + footer + kExitCodes);
    added->callback([options, run, &context] { context.finish(run(*options, context)); });
    return added;
  };
  const auto dry_run = [&](CLI::App* to) {
    to->add_flag("--dry-run", options->dry_run, "say what would be done, and change nothing");
  };
  const auto names = [&](CLI::App* to) {
    to->add_option("name", options->names,
                   "tables (marts.dim_user) and namespaces (marts); all tables if none is named");
  };

  auto* compacting =
      add("compact", "small files into larger ones, sorted, without deleted rows; may run while others write",
          "  shoplake catalog compact processed.events --target-size 256MiB\n"
          "  shoplake catalog compact marts.fact_events --sort event_date,user_pseudo_id --all-files\n\n"
          "Rows and history stay; readers are not disturbed. Old files go with `shoplake catalog expire`.",
          compact);
  names(compacting);
  compacting->add_option("--target-size", options->target_size,
                         "size of new files (default: the table's write.target-file-size-bytes, else 128MiB)");
  compacting
      ->add_option("--sort", options->sort_by,
                   "columns to sort by (default: the table's sort order, else partition, event time and id)")
      ->delimiter(',');
  compacting->add_flag("--all-files", options->all_files,
                       "files of the right size too, as after a change of the order");
  dry_run(compacting);

  auto* expiring = add("expire", "forget old snapshots, then remove the files that only they used",
                       "  shoplake catalog expire --older-than 7d --keep 5\n\n"
                       "Without options a table's own history.expire.max-snapshot-age-ms and "
                       "history.expire.min-snapshots-to-keep count, else 5 days and 1.\nSnapshots that a branch or tag "
                       "names stay. Files go ten minutes later, with the next run, so that running queries end well.",
                       expire);
  names(expiring);
  expiring->add_option("--older-than", options->older_than, "snapshots of that age: 90s, 45m, 36h, 7d, 2w");
  expiring->add_option("--keep", options->keep, "but never the last so many")->check(CLI::Range(1, 1'000'000));
  expiring->add_flag("--now", options->now, "remove the files at once: running queries may fail");
  dry_run(expiring);

  auto* orphaned =
      add("orphans", "remove files that no table names: left by processes that died, dropped tables",
          "  shoplake catalog orphans --dry-run\n\n"
          "Looks at data/ and metadata/ of the tables in processed/, curated/ and quarantine/, and at tmp/; "
          "never at raw objects.",
          orphans);
  orphaned->add_option("--older-than", options->older_than,
                       "only files of that age (default 24h): a running commit has files that nothing names yet");
  dry_run(orphaned);

  auto* rolling =
      add("rollback", "a table as it was at a snapshot or time, as a new snapshot",
          "  shoplake catalog rollback marts.dim_user --to 2026-11-21T10:00:00Z\n\n"
          "Refused if it would undo loaded objects or received events, which count as consumed: --force does "
          "it and says which.",
          rollback);
  rolling->add_option("name", options->name, "namespace.table")->required();
  rolling->add_option("--to", options->to, "a snapshot's id (`shoplake catalog history`) or a time")->required();
  rolling->add_flag("--force", options->force, "also where consumed rows are lost");
  dry_run(rolling);

  auto* retaining =
      add("retain", "remove what is older than the retention of its zone and dataset",
          "  shoplake catalog retain --dry-run\n\n"
          "Raw objects stay 30 days, everything else for ever, unless shoplake.yml (retention) says "
          "otherwise. Raw objects that are not loaded\nor not consumed yet stay. What goes is recorded in the "
          "control plane (retention_removal).",
          retain);
  dry_run(retaining);
}

}  // namespace shoplake::cli
