// `shoplake:command`: a program of the machine, with shoplake's own rights. Not known to Step Functions.
//
//   Resource   arn:aws:states:::shoplake:command
//   Parameters {"Command": ["pg_dump", "--table", "orders"], "Directory": "/srv", "Environment": {"PGHOST": "db"},
//               "Input": "text for its standard input", "TimeoutSeconds": 600}
//   output     {"ExitCode": 0, "Output": …, "Error": …, "IsTruncated": false, "DurationMilliseconds": …}
//
// The command is a list of arguments: no shell takes it apart. Of the environment it gets PATH, HOME, LANG, TZ and
// SHOPLAKE_HOME, and what Environment says. The last 64 KiB of each stream are kept. Without TimeoutSeconds it may take
// an hour. Errors: Command.Failed (another exit code than 0; the cause is the output), Command.CannotStart,
// States.Timeout.
//
// Not resumable: nobody knows whether a program may be run twice. The state's Retry says so.
#pragma once

#include <string>

#include "flow/task.h"

namespace shoplake::app {

class CommandTask : public flow::Task {
 public:
  explicit CommandTask(std::string home_directory) : home_directory_(std::move(home_directory)) {}
  bool is_resumable() const override { return false; }
  flow::TaskOutcome run(const flow::TaskCall& call) override;

 private:
  std::string home_directory_;
};

}  // namespace shoplake::app
