// What shoplake.yml says about notifications and money: the keys `topics`, `smtp` and `budgets`.
//
//   topics:
//     pipeline-notifications:
//       - {email: ops@example.com}
//       - {slack: "${SLACK_WEBHOOK_URL}"}
//       - {webhook: "https://example.com/hook", secret: "${HOOK_SECRET}", per_minute: 30}
//       - {file: notifications.ndjson}
//   smtp: {host: mail.example.com, port: 587, security: starttls, user: shoplake, password: "${SMTP_PASSWORD}",
//          from: shoplake@example.com, certificate_authorities: ca.pem}
//   budgets: {daily: 5, monthly: 100}        dollars
//
// A value ${NAME} is taken from the environment, so that secrets need not stand in the file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "watch/subscription.h"

namespace YAML {
class Node;
}

namespace shoplake::app {

struct WatchSettings {
  std::vector<watch::Subscription> subscriptions;
  watch::SmtpSettings smtp;
  std::optional<double> daily_budget;  // dollars
  std::optional<double> monthly_budget;
};

// Each reads the value of the key of its name. `file` is for messages, relative paths are below `directory`. Errors
// home.configuration (usage) with file and line.
base::Result<void> read_topics(const YAML::Node& value, const std::string& file, const std::string& directory,
                               WatchSettings& settings);
base::Result<void> read_smtp(const YAML::Node& value, const std::string& file, const std::string& directory,
                             WatchSettings& settings);
base::Result<void> read_budgets(const YAML::Node& value, const std::string& file, WatchSettings& settings);

}  // namespace shoplake::app
