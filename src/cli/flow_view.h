// How executions of flows look: as JSON, as one word, and live while they run. Belongs to one thread.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "app/flows/operations.h"
#include "cli/command.h"

namespace shoplake::cli {

std::string execution_as_json(const flow::ExecutionRow& row);
std::string styled_status(const flow::ExecutionRow& row);
// "2026-11-21 10:00:00"
std::string format_moment(std::int64_t micros);
// Of an execution that runs, until now.
std::string format_elapsed(const flow::ExecutionRow& row, std::int64_t now_micros);
// "States.TaskFailed: the first line of the cause"; empty if it did not fail.
std::string failure_in_words(const flow::ExecutionRow& row);

// What happens in an execution, from its history: a line for each state that ended, and on a terminal a last line that
// says what runs now.
class FlowView {
 public:
  explicit FlowView(Context& context) : context_(context) {}
  ~FlowView() { erase(); }

  void take(const flow::Json& event);
  void draw();  // what runs now
  void erase();

 private:
  struct Run {
    std::string state;
    std::string type;  // "Task", …
    std::int64_t begun_micros = 0;
    bool has_failed = false;  // its last attempt
  };
  std::int64_t run_of(const flow::Json& event) const;
  void end(const Run& run, std::int64_t micros);
  void fail(Run& run, const flow::Json& event, std::int64_t micros);
  void say(const Run& run, std::string_view what, std::int64_t micros, const std::string& remark);

  Context& context_;
  std::map<std::int64_t, std::int64_t> run_by_event_;  // the id of the event that entered the state
  std::map<std::int64_t, Run> running_;                // by that id
  std::map<std::string, std::int64_t> lines_;          // that were said of a state
  std::int64_t drawn_micros_ = 0;
  bool is_visible_ = false;
};

}  // namespace shoplake::cli
