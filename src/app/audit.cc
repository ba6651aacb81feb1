#include "app/audit.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "base/log.h"

namespace shoplake::app {
namespace {

using base::Result;

constexpr std::size_t kAccountBytes = 16 * 1024;

void tell(const base::Error& error) {
  base::log::error("audit.not_written", {{"error", error.message}, {"code", error.code}});
}

Result<std::unique_ptr<audit::AuditLog>> open_log(App& app) {
  return audit::AuditLog::open(app.env(), audit::log_path(app.home().directory));
}

}  // namespace

std::string account_name() {
  std::array<char, kAccountBytes> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    return found->pw_name;
  return std::to_string(geteuid());
}

AuditedAction::AuditedAction(App& app, const audit::Action& action) {
  const auto begin = [&]() -> Result<std::int64_t> {
    log_ = SHOPLAKE_TRY(open_log(app));
    return log_->begin(action);
  };
  const auto begun = begin();
  if (begun.ok())
    begun_ = *begun;
  else
    tell(begun.error());
}

void AuditedAction::end(std::string_view outcome) {
  if (!begun_)
    return;
  const Result<void> ended = log_->end(*begun_, outcome);
  if (!ended.ok())
    tell(ended.error());
  begun_.reset();
}

void Auditor::record(const audit::Action& action, std::string_view outcome) {
  const std::scoped_lock lock(mutex_);
  if (!log_) {
    auto log = open_log(app_);
    if (!log.ok())
      return tell(log.error());
    log_ = std::move(log).value();
  }
  const Result<void> recorded = log_->record(action, outcome);
  if (!recorded.ok())
    tell(recorded.error());
}

Result<std::vector<audit::Record>> list_audit(App& app, const audit::Filter& filter) {
  return SHOPLAKE_TRY(open_log(app))->list(filter);
}

Result<audit::AuditLog::Verification> verify_audit(App& app) { return SHOPLAKE_TRY(open_log(app))->verify(); }

}  // namespace shoplake::app
