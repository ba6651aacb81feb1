// Which commands are noted in the audit log (app/audit.h): those that change something, and the one that shows personal
// data. Of their arguments only names of things are noted.
#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace shoplake::cli {

struct AuditedCommand {
  std::string action;  // "catalog compact"
  std::string object;  // "marts.fact_events, marts.dim_user"
};

// What was asked for by the arguments that `root` has parsed; nothing if it changes nothing.
std::optional<AuditedCommand> audited_command(const CLI::App& root);

}  // namespace shoplake::cli
