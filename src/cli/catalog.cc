// shoplake catalog ls|show|history: what the lake holds. The commands that change it: catalog_maintenance.cc.

#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/catalog.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

struct Options {
  std::string name_space;
  std::string name;
};

std::string optional_number(const std::optional<std::int64_t>& value) {
  return value ? std::to_string(*value) : "null";
}

std::string json_object(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string text = "{";
  for (const auto& [name, value] : pairs) {
    text += fmt::format("{}{}:{}", text.size() > 1 ? "," : "", json_quoted(name), json_quoted(value));
  }
  return text + "}";
}

std::string json_list(const std::vector<std::string>& values) {
  std::string text = "[";
  for (const std::string& value : values) {
    text += fmt::format("{}{}", text.size() > 1 ? "," : "", json_quoted(value));
  }
  return text + "]";
}

std::string summary_members(const app::RelationSummary& relation) {
  std::string text =
      fmt::format(R"("name":{},"kind":"{}")", json_quoted(relation.name), relation.is_view ? "view" : "table");
  if (!relation.is_view) {
    text +=
        fmt::format(R"(,"rows":{},"files":{},"bytes":{},"snapshots":{},"updated_at":{})",
                    optional_number(relation.rows), optional_number(relation.files), optional_number(relation.bytes),
                    relation.snapshots, relation.updated_at.empty() ? "null" : json_quoted(relation.updated_at));
  }
  if (!relation.error.empty()) {
    text += fmt::format(R"(,"error":{})", json_quoted(relation.error));
  }
  return text;
}

std::string count_or_unknown(const std::optional<std::int64_t>& value) { return value ? format_count(*value) : "?"; }
std::string bytes_or_unknown(const std::optional<std::int64_t>& value) {
  return value ? format_bytes(static_cast<std::uint64_t>(*value)) : "?";
}

base::Result<int> list(const Options& options, Context& context) {
  const auto relations = SHOPLAKE_TRY(app::list_relations(*SHOPLAKE_TRY(context.app()), options.name_space));
  if (context.json) {
    std::string text = "[";
    for (const auto& relation : relations) {
      text += fmt::format("{}{{{}}}", text.size() > 1 ? "," : "", summary_members(relation));
    }
    context.print(text + "]");
    return 0;
  }
  if (relations.empty()) {
    context.say("the lake has no tables yet; `shoplake load` and `shoplake build` make them");
    return 0;
  }
  Table table({{"name"},
               {"kind"},
               {"rows", Align::right},
               {"files", Align::right},
               {"size", Align::right},
               {"snapshots", Align::right},
               {"last change"}});
  for (const auto& relation : relations) {
    if (relation.is_view) {
      table.add_row({relation.name, "view"});
    } else if (!relation.error.empty()) {
      table.add_row(
          {relation.name, "table", standard_output().styled(Style::warning, "damaged"), "", "", "", relation.error});
    } else {
      table.add_row({relation.name, "table", count_or_unknown(relation.rows), count_or_unknown(relation.files),
                     bytes_or_unknown(relation.bytes), format_count(relation.snapshots), relation.updated_at});
    }
  }
  context.say(table.render(standard_output()));
  return 0;
}

base::Result<int> show(const Options& options, Context& context) {
  const auto relation = SHOPLAKE_TRY(app::describe_relation(*SHOPLAKE_TRY(context.app()), options.name));
  if (context.json) {
    std::string text = fmt::format(R"({{{},"metadata_location":{},"properties":{})", summary_members(relation.summary),
                                   json_quoted(relation.metadata_location), json_object(relation.properties));
    if (relation.summary.is_view) {
      text += fmt::format(R"(,"sql":{})", json_quoted(relation.sql));
    } else {
      text += fmt::format(
          R"(,"uuid":{},"format_version":{},"location":{},"snapshot_id":{},"delete_files":{},"partitioned_by":{},"columns":[)",
          json_quoted(relation.uuid), relation.format_version, json_quoted(relation.location),
          optional_number(relation.snapshot_id), relation.delete_files, json_list(relation.partitioned_by));
      for (std::size_t index = 0; index < relation.columns.size(); ++index) {
        const auto& column = relation.columns[index];
        text += fmt::format(R"({}{{"field_id":{},"name":{},"type":{},"required":{},"doc":{}}})", index > 0 ? "," : "",
                            column.field_id, json_quoted(column.name), json_quoted(column.type), column.required,
                            json_quoted(column.doc));
      }
      text += "]";
    }
    context.print(text + "}");
    return 0;
  }
  Table facts({{""}, {""}});
  if (relation.summary.is_view) {
    facts.add_row({"view", relation.summary.name});
    facts.add_row({"metadata", relation.metadata_location});
    context.say(facts.render(standard_output()));
    context.say(relation.sql);
    return 0;
  }
  facts.add_row({"table", relation.summary.name});
  facts.add_row({"uuid", relation.uuid});
  facts.add_row({"location", relation.location});
  facts.add_row({"metadata", relation.metadata_location});
  facts.add_row({"format version", std::to_string(relation.format_version)});
  facts.add_row({"partitioned by", relation.partitioned_by.empty()
                                       ? "nothing"
                                       : fmt::format("{}", fmt::join(relation.partitioned_by, ", "))});
  facts.add_row({"rows", count_or_unknown(relation.summary.rows)});
  facts.add_row({"files", fmt::format("{} data, {} delete, {}", count_or_unknown(relation.summary.files),
                                      relation.delete_files, bytes_or_unknown(relation.summary.bytes))});
  facts.add_row({"snapshot", relation.snapshot_id ? fmt::format("{} of {}", *relation.snapshot_id,
                                                                format_noun(relation.summary.snapshots, "snapshot"))
                                                  : "none yet"});
  facts.add_row({"last change", relation.summary.updated_at});
  for (const auto& [name, value] : relation.properties) {
    facts.add_row({name, value});
  }
  context.say(facts.render(standard_output()));
  Table columns({{"id", Align::right}, {"column"}, {"type"}, {""}, {"description"}});
  for (const auto& column : relation.columns) {
    columns.add_row(
        {std::to_string(column.field_id), column.name, column.type, column.required ? "required" : "", column.doc});
  }
  context.say(columns.render(standard_output()));
  return 0;
}

base::Result<int> history(const Options& options, Context& context) {
  const auto snapshots = SHOPLAKE_TRY(app::table_history(*SHOPLAKE_TRY(context.app()), options.name));
  if (context.json) {
    std::string text = "[";
    for (const auto& snapshot : snapshots) {
      text += fmt::format(
          R"({}{{"snapshot_id":{},"parent_id":{},"sequence_number":{},"committed_at":{},"operation":{},"by":{},"source_object":{},"current":{},"references":{},"summary":{}}})",
          text.size() > 1 ? "," : "", snapshot.id, optional_number(snapshot.parent_id), snapshot.sequence_number,
          json_quoted(snapshot.committed_at), json_quoted(snapshot.operation), json_quoted(snapshot.committed_by()),
          snapshot.source_object().empty() ? "null" : json_quoted(snapshot.source_object()), snapshot.is_current,
          json_list(snapshot.references), json_object(snapshot.summary));
    }
    context.print(text + "]");
    return 0;
  }
  if (snapshots.empty()) {
    context.say(fmt::format("{} has no snapshot yet", options.name));
    return 0;
  }
  Table table({{"snapshot", Align::right},
               {"committed at"},
               {"operation"},
               {"added rows", Align::right},
               {"removed rows", Align::right},
               {"total rows", Align::right},
               {"by"},
               {"source object"},
               {""}});
  for (const auto& snapshot : snapshots) {
    const auto number = [&](const char* name) {
      const std::string text = snapshot.summary_value(name);
      return text.empty() ? std::string() : format_count(std::atoll(text.c_str()));
    };
    table.add_row({std::to_string(snapshot.id), snapshot.committed_at, snapshot.operation, number("added-records"),
                   number("deleted-records"), number("total-records"), snapshot.committed_by(),
                   snapshot.source_object(), fmt::format("{}", fmt::join(snapshot.references, ", "))});
  }
  context.say(table.render(standard_output()));
  return 0;
}

constexpr const char* kExitCodes =
    "\n\nExit codes: 0 done; 2 no such table or namespace; 3 its metadata is damaged; 4 disk or permission.";

}  // namespace

void add_catalog(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("catalog", "the tables and views of the lake: shape, history, maintenance");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake catalog ls marts");
  auto options = std::make_shared<Options>();

  auto* ls = command->add_subcommand("ls", "all tables and views, with rows, files and size");
  ls->add_option("namespace", options->name_space, "only this namespace, such as marts");
  ls->footer(std::string("Example:\n  shoplake catalog ls marts") + kExitCodes);
  ls->callback([options, &context] { context.finish(list(*options, context)); });

  auto* show_command =
      command->add_subcommand("show", "columns, partitioning, place and properties of one table, or the SQL of a view");
  show_command->add_option("name", options->name, "namespace.table")->required();
  show_command->footer(std::string("Example:\n  shoplake catalog show processed.events") + kExitCodes);
  show_command->callback([options, &context] { context.finish(show(*options, context)); });

  auto* history_command =
      command->add_subcommand("history", "the snapshots of one table, newest first; query --at takes their ids");
  history_command->add_option("name", options->name, "namespace.table")->required();
  history_command->footer(std::string("Example:\n  shoplake catalog history processed.events") + kExitCodes);
  history_command->callback([options, &context] { context.finish(history(*options, context)); });

  add_catalog_crawl(*command, context);
  add_catalog_maintenance(*command, context);
  add_catalog_lifecycle(*command, context);
}

}  // namespace shoplake::cli
