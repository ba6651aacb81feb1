// A thread of control of an execution, and its stored form. A part of flow/execution.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "flow/definition.h"
#include "flow/json.h"

namespace shoplake::flow {

inline constexpr std::int64_t kRootBranch = 0;
inline constexpr std::int64_t kNoParent = -1;

struct Branch {
  enum class Phase {
    ready,     // is to enter `state`
    task,      // its task runs
    retrying,  // waits until wake_micros, then runs the state again
    waiting,   // a Wait state, until wake_micros
    children,  // Parallel or Map: its children run
    done,      // has its output, and waits for its siblings
  };

  std::int64_t id = kRootBranch;
  std::int64_t parent = kNoParent;
  std::size_t index = 0;  // among its parent's branches, or of the item
  Phase phase = Phase::ready;
  std::string state;
  std::shared_ptr<const Json> input;  // the state's raw input; the output when done
  std::shared_ptr<const Json> item;   // of a Map's child: the item

  std::int64_t previous_event = 0;
  std::int64_t entered_event = 0;
  std::int64_t entered_micros = 0;

  std::vector<std::int64_t> retries;  // of this state, by retrier
  std::int64_t retry_count = 0;       // of this state
  int attempt = 0;                    // tasks started in this branch
  std::int64_t wake_micros = 0;
  std::optional<std::int64_t> timeout_at_micros, heartbeat_at_micros;
  std::int64_t heartbeat_micros = 0;

  std::shared_ptr<const Json> effective_input;  // of a Task: what the task gets; of Parallel and Map: for the children

  // Made anew when it is restored; all but the machine are of Parallel and Map.
  const StateMachine* machine = nullptr;
  std::shared_ptr<const Json> items;  // Map
  std::int64_t concurrency_max = 0;
  std::vector<std::int64_t> children;  // by index; started ones
  std::size_t children_total = 0;
  std::size_t children_done = 0;
};

std::string stored(const Branch& branch);
// machine and what is made anew stay empty. Error flow.bad_stored_execution (kind internal).
base::Result<Branch> restored(std::int64_t id, const std::string& document);

}  // namespace shoplake::flow
