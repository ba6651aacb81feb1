// A program that is run and waited for: arguments as they are, no shell, bounded output, a time limit. It is killed
// together with the process groups it makes when its time is over, when it is asked to stop, and by the system when
// this process dies.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"

namespace shoplake::app {

struct SubprocessOptions {
  std::vector<std::string> command;                // the program, by path or looked for in PATH, and its arguments
  std::string directory;                           // empty: this process's
  std::map<std::string, std::string> environment;  // all of it
  std::string input;                               // for its standard input
  std::chrono::milliseconds timeout{0};            // 0: none
  std::chrono::milliseconds grace{2'000};          // between SIGTERM and SIGKILL
  std::size_t output_bytes_max = 64 * 1024;        // of each stream: the last ones are kept
};

struct SubprocessOutcome {
  int exit_code = 0;  // 128 + n: ended by signal n
  std::string output, error;
  bool is_truncated = false;
  bool is_timed_out = false;
  bool is_stopped = false;
  std::chrono::milliseconds duration{0};
};

// Errors: subprocess.cannot_start (usage): there is no such program, folder, or permission; subprocess.failed
// (environment): no memory, no processes. Blocks.
base::Result<SubprocessOutcome> run_subprocess(const SubprocessOptions& options, const std::stop_token& stop);

}  // namespace shoplake::app
