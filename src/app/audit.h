// The home's audit log: what commands, the API and flows have changed. docs/formats/audit.md.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/app.h"
#include "audit/audit_log.h"
#include "base/result.h"

namespace shoplake::app {

// The name that the system has for the account this process runs as; its number where there is none.
std::string account_name();

// One thing that is done, from its begin to its end. A log that cannot be written is told in the program's log and
// stops nothing. Not thread safe.
class AuditedAction {
 public:
  AuditedAction(App& app, const audit::Action& action);
  // "done", or the code of an error. Without it the action counts as cut off.
  void end(std::string_view outcome);

 private:
  std::unique_ptr<audit::AuditLog> log_;
  std::optional<std::int64_t> begun_;
};

// For a server: keeps the log open. Thread safe.
class Auditor {
 public:
  explicit Auditor(App& app) : app_(app) {}
  void record(const audit::Action& action, std::string_view outcome);

 private:
  App& app_;
  std::mutex mutex_;
  std::unique_ptr<audit::AuditLog> log_;
};

base::Result<std::vector<audit::Record>> list_audit(App& app, const audit::Filter& filter);
base::Result<audit::AuditLog::Verification> verify_audit(App& app);

}  // namespace shoplake::app
