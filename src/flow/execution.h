// One execution of a state machine, as a value: it is told what happened (a task ended, time passed, somebody stops it)
// and says what follows (history events, work to start, when to be asked again). It does no I/O; whoever drives it
// makes its changes durable before it starts the work, so that a crash loses no transition and starts nothing twice.
//
// A thread of control in it is a Branch: the root, each branch of a Parallel state, each item of a Map state. Branches
// are what is stored; restore() goes on from them.
//
// Errors of the machine (States.Timeout, an error that a task reported) are data here, not base::Error. Retriers and
// catchers, error names, causes and the order of history events are those of AWS Step Functions; history documents have
// the shape of GetExecutionHistory's events, with structures instead of JSON texts as input and output.
//
// Not thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "flow/definition.h"
#include "flow/json.h"
#include "io/env.h"

namespace shoplake::flow {

// A state's input or output as compact JSON, as Step Functions limits it.
inline constexpr std::size_t kPayloadBytesMax = 256 * 1024;
// Of one execution; the next one fails it with States.Runtime.
inline constexpr std::int64_t kHistoryEventsMax = 250'000;

struct ExecutionFacts {
  std::string id;            // the context object's Execution.Id
  std::string name;          // unique among the executions of a machine
  std::string machine_id;    // StateMachine.Id
  std::string machine_name;  // StateMachine.Name
  std::string role;          // Execution.RoleArn
  std::int64_t started_micros = 0;
};

struct StateFailure {
  std::optional<std::string> error;
  std::optional<std::string> cause;
};

enum class ExecutionStatus { running, succeeded, failed, timed_out, aborted };
std::string_view name(ExecutionStatus status);  // "RUNNING", … as DescribeExecution

// A task to be started. `attempt` counts starts of this state in this branch; the pair (branch, attempt) is the
// identity of the work: after a crash the same pair is asked for again, never another one.
struct TaskStart {
  std::int64_t branch = 0;
  int attempt = 0;
  std::string state;
  std::string resource;
  std::shared_ptr<const Json> input;
};

using TaskOutcome = std::variant<std::shared_ptr<const Json>, StateFailure>;

struct HistoryEvent {
  std::int64_t id = 0;
  std::int64_t at_micros = 0;
  std::shared_ptr<const Json> document;  // {"id", "previousEventId", "type", "…EventDetails"}; the time is at_micros
};

struct StoredBranch {
  std::int64_t id = 0;
  std::string document;  // compact JSON; what it holds is Execution's own business
};

// What has changed since the last call of take_changes().
struct Changes {
  std::vector<HistoryEvent> events;
  std::vector<StoredBranch> branches;          // new or changed
  std::vector<std::int64_t> removed_branches;  // over
  bool ended = false;                          // the status is no longer running
};

class Execution {
 public:
  // Records ExecutionStarted; nothing runs before advance(). The env gives time and random numbers.
  Execution(std::shared_ptr<const StateMachine> machine, ExecutionFacts facts, Json input, io::Env& env);
  // From what the Changes of a running execution hold so far. Tasks that were running are to be started again under
  // their old attempt (take_starts()). Error flow.bad_stored_execution (kind internal): the branches do not fit the
  // machine.
  static base::Result<Execution> restore(std::shared_ptr<const StateMachine> machine, ExecutionFacts facts, Json input,
                                         const std::vector<StoredBranch>& branches, std::int64_t last_event_id,
                                         io::Env& env);
  ~Execution();
  Execution(Execution&&) noexcept;
  Execution& operator=(Execution&&) noexcept;

  // Runs every branch as far as it goes, at most `transitions_max` states; false: there is more to run at once.
  bool advance(std::int64_t transitions_max = 100'000);

  // The end of a task, or a sign of life. Those of attempts that are over are ignored.
  void finish_task(std::int64_t branch, int attempt, TaskOutcome outcome);
  void record_heartbeat(std::int64_t branch, int attempt);
  // Ends it as ABORTED.
  void abort(StateFailure failure);

  Changes take_changes();
  std::vector<TaskStart> take_starts();
  // Attempts whose outcome no longer counts (timed out, their Parallel failed, aborted): stop them.
  std::vector<std::pair<std::int64_t, int>> take_stops();
  // When advance() has something to do again though nothing happens; microseconds since 1970.
  std::optional<std::int64_t> wakes_at_micros() const;

  ExecutionStatus status() const;
  const Json& output() const;           // of a succeeded one
  const StateFailure& failure() const;  // of one that failed, timed out or was aborted

 private:
  struct State;
  explicit Execution(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// "2026-11-21T10:00:00.123Z"
std::string context_time(std::int64_t micros);

}  // namespace shoplake::flow
