#include "cli/audited.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>

namespace shoplake::cli {
namespace {

// In the order of the help text.
constexpr std::array<std::string_view, 29> kAudited{"load",
                                                    "ingest",
                                                    "quarantine retry",
                                                    "quarantine show",
                                                    "replay",
                                                    "build",
                                                    "run",
                                                    "test",
                                                    "seed",
                                                    "snapshot",
                                                    "serve",
                                                    "catalog compact",
                                                    "catalog expire",
                                                    "catalog orphans",
                                                    "catalog rollback",
                                                    "catalog retain",
                                                    "catalog crawl",
                                                    "catalog register",
                                                    "quality run",
                                                    "lifecycle",
                                                    "flow start",
                                                    "flow stop",
                                                    "flow backfill",
                                                    "ga4 ingest",
                                                    "alarm test",
                                                    "alarm evaluate",
                                                    "topic publish",
                                                    "topic deliver",
                                                    "warehouse load"};

// Arguments that name things of the lake; paths, texts and SQL are none.
constexpr std::array<std::string_view, 7> kNames{"dataset", "table", "name", "topic", "stream", "flow", "execution"};

}  // namespace

std::optional<AuditedCommand> audited_command(const CLI::App& root) {
  AuditedCommand found;
  const CLI::App* command = &root;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    found.action += (found.action.empty() ? "" : " ") + command->get_name();
  }
  if (std::ranges::find(kAudited, found.action) == kAudited.end())
    return {};
  for (const CLI::Option* option : command->get_options()) {
    if (!option->get_positional() || std::ranges::find(kNames, option->get_name()) == kNames.end())
      continue;
    for (const std::string& name : option->results())
      found.object += (found.object.empty() ? "" : ", ") + name;
  }
  return found;
}

}  // namespace shoplake::cli
