#include "flow/execution.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/moment.h"
#include "flow/branch.h"
#include "flow/branch_tree.h"
#include "flow/data_flow.h"
#include "flow/history.h"
#include "flow/retry.h"

namespace shoplake::flow {

using base::Result;
using Phase = Branch::Phase;

namespace {

constexpr std::int64_t kMicrosPerSecond = base::kMicrosPerSecond;

std::shared_ptr<const Json> share(Json value) { return std::make_shared<const Json>(std::move(value)); }

}  // namespace

std::string_view name(ExecutionStatus status) {
  switch (status) {
    case ExecutionStatus::running: return "RUNNING";
    case ExecutionStatus::succeeded: return "SUCCEEDED";
    case ExecutionStatus::failed: return "FAILED";
    case ExecutionStatus::timed_out: return "TIMED_OUT";
    case ExecutionStatus::aborted: return "ABORTED";
  }
  return "";
}

std::string context_time(std::int64_t micros) {
  const std::int64_t day = base::day_of(micros);
  const std::int64_t ms = (micros - day * base::kMicrosPerDay) / 1000;
  return fmt::format("{}T{:02}:{:02}:{:02}.{:03}Z", base::date_text(day), ms / 3'600'000, ms / 60'000 % 60,
                     ms / 1000 % 60, ms % 1000);
}

struct Execution::State {
  State(std::shared_ptr<const StateMachine> machine_, ExecutionFacts facts_, Json input_, io::Env& env_)
      : machine(std::move(machine_)), facts(std::move(facts_)), input(share(std::move(input_))), env(env_) {
    context = {{"Execution",
                {{"Id", facts.id},
                 {"Input", *input},
                 {"StartTime", context_time(facts.started_micros)},
                 {"Name", facts.name},
                 {"RoleArn", facts.role},
                 {"RedriveCount", 0}}},
               {"StateMachine", {{"Id", facts.machine_id}, {"Name", facts.machine_name}}}};
  }

  std::shared_ptr<const StateMachine> machine;
  ExecutionFacts facts;
  std::shared_ptr<const Json> input;
  io::Env& env;

  ExecutionStatus status = ExecutionStatus::running;
  Json output;
  StateFailure failure;

  Json context;  // State and Map are set for each use
  BranchTree tree;
  std::int64_t last_event = 0;

  Changes changes;
  std::vector<TaskStart> starts;

  // --- history ---------------------------------------------------------------------------------------------------

  std::int64_t record(std::int64_t previous, std::string type, const char* details_name = nullptr,
                      Json details = Json::object()) {
    Json document = event_document(++last_event, previous, std::move(type));
    if (details_name != nullptr)
      document[details_name] = std::move(details);
    changes.events.push_back({last_event, env.now_micros(), share(std::move(document))});
    return last_event;
  }
  void follow(Branch& branch, std::string type, const char* details_name = nullptr, Json details = Json::object()) {
    branch.previous_event = record(branch.previous_event, std::move(type), details_name, std::move(details));
  }

  // What the expressions of a branch's state are evaluated on.
  Scope scope_of(const Branch& branch, const Json& of) {
    Json& state = context["State"] = {{"Name", branch.state}, {"EnteredTime", context_time(branch.entered_micros)}};
    if (state_of(branch).type == StateType::task)
      state["RetryCount"] = branch.retry_count;
    context.erase("Map");
    for (const Branch* each = &branch;; each = &tree.at(each->parent)) {
      if (each->item) {
        context["Map"] = {{"Item", {{"Index", each->index}, {"Value", *each->item}}}};
        break;
      }
      if (each->parent == kNoParent)
        break;
    }
    return {&of, &context, &env};
  }

  // --- running ---------------------------------------------------------------------------------------------------

  void enter(Branch& branch) {
    const flow::State& state = state_of(branch);
    branch.entered_micros = env.now_micros();
    follow(branch, fmt::format("{}StateEntered", flow::name(state.type)), "stateEnteredEventDetails",
           with_payload({{"name", state.name}}, "input", *branch.input));
    branch.entered_event = branch.previous_event;
    branch.retries.assign(state.retriers.size(), 0);
    tree.note_change(branch);
    run(branch);
  }

  void run(Branch& branch) {
    if (auto ran = try_run(branch, state_of(branch)); !ran.ok())
      fail_with_reason(branch, ran.error());
  }

  Result<void> try_run(Branch& branch, const flow::State& state) {
    if (last_event > kHistoryEventsMax)
      return base::make_error(base::ErrorKind::failed, "States.Runtime",
                              fmt::format("The execution has more than {} history events.", kHistoryEventsMax));
    if (state.type == StateType::fail)
      return run_fail(branch, state);
    Json input = SHOPLAKE_TRY(through_input_path(state, scope_of(branch, *branch.input)));
    switch (state.type) {
      case StateType::pass: return run_pass(branch, state, std::move(input));
      case StateType::succeed:
        return leave(branch, SHOPLAKE_TRY(through_output_path(state, input, scope_of(branch, input))));
      case StateType::choice: return run_choice(branch, state, std::move(input));
      case StateType::wait:
        tree.wake_at(branch, Phase::waiting,
                     SHOPLAKE_TRY(wait_until(state, scope_of(branch, input), env.now_micros())));
        return {};
      case StateType::task: return run_task(branch, state, std::move(input));
      case StateType::parallel: return run_parallel(branch, state, std::move(input));
      case StateType::map: return run_map(branch, state, std::move(input));
      case StateType::fail: break;
    }
    return {};
  }

  Result<void> run_fail(Branch& branch, const flow::State& state) {
    const Scope scope = scope_of(branch, *branch.input);
    const auto text = [&](const std::optional<std::string>& fixed, const std::optional<Expression>& expression,
                          std::string_view field) -> Result<std::optional<std::string>> {
      if (!expression)
        return fixed;
      const Json value = SHOPLAKE_TRY(expression->evaluate(scope).within(field));
      if (!value.is_string())
        return base::make_error(base::ErrorKind::failed, "States.Runtime",
                                fmt::format("{} references {}, which is no text", field, compact(value)));
      return std::optional(value.get<std::string>());
    };
    const auto error = SHOPLAKE_TRY(text(state.error, state.error_path, "ErrorPath"));
    const auto cause = SHOPLAKE_TRY(text(state.cause, state.cause_path, "CausePath"));
    fail_branch(branch, {error, cause});
    return {};
  }

  Result<void> run_pass(Branch& branch, const flow::State& state, Json input) {
    Json result = SHOPLAKE_TRY(through_parameters(state, scope_of(branch, input)));
    if (state.result)
      result = *state.result;
    return leave(branch, SHOPLAKE_TRY(output_of(state, *branch.input, std::move(result), scope_of(branch, input))));
  }

  Result<void> run_choice(Branch& branch, const flow::State& state, Json input) {
    const Scope scope = scope_of(branch, input);
    const std::string* next = state.default_next ? &*state.default_next : nullptr;
    for (const Choice& choice : state.choices) {
      if (SHOPLAKE_TRY(choice.rule.holds(scope))) {
        next = &choice.next;
        break;
      }
    }
    if (next == nullptr)
      return base::make_error(base::ErrorKind::failed, "States.NoChoiceMatched",
                              "No choice rule holds, and there is no Default.");
    Json out = SHOPLAKE_TRY(through_output_path(state, std::move(input), scope));
    leave_to(branch, std::move(out), next);
    return {};
  }

  Result<void> run_task(Branch& branch, const flow::State& state, Json input) {
    const Scope scope = scope_of(branch, input);
    auto parameters = share(SHOPLAKE_TRY(through_parameters(state, scope)));
    const std::optional<std::int64_t> timeout =
        state.timeout_path ? SHOPLAKE_TRY(seconds_at(*state.timeout_path, "TimeoutSecondsPath", 1, scope))
                           : state.timeout_seconds;
    const std::optional<std::int64_t> heartbeat =
        state.heartbeat_path ? SHOPLAKE_TRY(seconds_at(*state.heartbeat_path, "HeartbeatSecondsPath", 1, scope))
                             : state.heartbeat_seconds;
    const ResourceName resource = parse_resource(state.resource);
    if (resource.is_function) {
      follow(branch, "LambdaFunctionScheduled", "lambdaFunctionScheduledEventDetails",
             with_payload({{"resource", state.resource}}, "input", *parameters));
      follow(branch, "LambdaFunctionStarted");
    } else {
      Json details = resource_details(resource);
      details["parameters"] = *parameters;
      if (timeout)
        details["timeoutInSeconds"] = *timeout;
      if (heartbeat)
        details["heartbeatInSeconds"] = *heartbeat;
      follow(branch, "TaskScheduled", "taskScheduledEventDetails", std::move(details));
      follow(branch, "TaskStarted", "taskStartedEventDetails", resource_details(resource));
    }
    tree.set_phase(branch, Phase::task);
    branch.effective_input = parameters;
    ++branch.attempt;
    const std::int64_t now = env.now_micros();
    if (timeout)
      tree.set_timeout(branch, now + *timeout * kMicrosPerSecond);
    if (heartbeat) {
      branch.heartbeat_micros = *heartbeat * kMicrosPerSecond;
      tree.set_heartbeat(branch, now);
    }
    starts.push_back({branch.id, branch.attempt, state.name, state.resource, std::move(parameters)});
    return {};
  }

  static Json resource_details(const ResourceName& resource) {
    return {{"resourceType", resource.type}, {"resource", resource.action}};
  }

  Result<void> run_parallel(Branch& branch, const flow::State& state, Json input) {
    branch.effective_input = share(SHOPLAKE_TRY(through_parameters(state, scope_of(branch, input))));
    follow(branch, "ParallelStateStarted");
    tree.set_phase(branch, Phase::children);
    branch.children_total = state.branches.size();
    start_children(branch);
    return {};
  }

  // The items and the concurrency of a Map state; used again when it is restored.
  Result<void> prepare_map(Branch& branch, const flow::State& state, Json input) {
    const Scope scope = scope_of(branch, input);
    Json items = input;
    if (state.items_path) {
      const auto found = state.items_path->find(state.items_path->of_context() ? *scope.context : input);
      if (!found) {
        return base::make_error(base::ErrorKind::failed, "States.Runtime",
                                fmt::format("Invalid path '{}': No results for path: {}", state.items_path->text(),
                                            state.items_path->canonical()));
      }
      items = *found;
    }
    if (!items.is_array()) {
      return base::make_error(
          base::ErrorKind::failed, "States.Runtime",
          fmt::format("Reference path \"{}\" must point to array.", state.items_path ? state.items_path->text() : "$"));
    }
    branch.concurrency_max = state.concurrency_path
                                 ? SHOPLAKE_TRY(seconds_at(*state.concurrency_path, "MaxConcurrencyPath", 0, scope))
                                 : state.concurrency_max;
    branch.children_total = items.size();
    branch.items = share(std::move(items));
    branch.effective_input = share(std::move(input));
    return {};
  }

  Result<void> run_map(Branch& branch, const flow::State& state, Json input) {
    SHOPLAKE_TRY(prepare_map(branch, state, std::move(input)));
    follow(branch, "MapStateStarted", "mapStateStartedEventDetails", {{"length", branch.children_total}});
    tree.set_phase(branch, Phase::children);
    if (branch.children_total == 0)
      return finish_children(branch, branch.previous_event);
    start_children(branch);
    return {};
  }

  void start_children(Branch& parent) {
    const flow::State& state = state_of(parent);
    const bool is_map = state.type == StateType::map;
    while (parent.children.size() < parent.children_total) {
      const std::size_t index = parent.children.size();
      if (is_map && parent.concurrency_max > 0 &&
          index - parent.children_done >= static_cast<std::size_t>(parent.concurrency_max))
        return;
      if (!is_map) {
        Branch& child =
            tree.add(parent.id, index, state.branches[index].get(), parent.effective_input, parent.previous_event);
        parent.children.push_back(child.id);
        continue;
      }
      auto item = share((*parent.items)[index]);
      const std::int64_t started =
          record(parent.previous_event, "MapIterationStarted", "mapIterationStartedEventDetails",
                 {{"name", parent.state}, {"index", index}});
      Branch& child = tree.add(parent.id, index, state.branches[0].get(), item, started);
      child.item = item;
      parent.children.push_back(child.id);
      if (state.item_selector) {
        // The selector sees the Map state, and the item in the context.
        scope_of(child, *parent.effective_input);
        context["State"] = {{"Name", parent.state}, {"EnteredTime", context_time(parent.entered_micros)}};
        auto selected = state.item_selector->evaluate({parent.effective_input.get(), &context, &env});
        if (!selected.ok()) {
          fail_with_reason(parent, selected.error());
          return;
        }
        child.input = share(std::move(selected).value());
      }
    }
  }

  // The state's end: on to the next one, or the branch is done.
  Result<void> leave(Branch& branch, Json out) {
    const flow::State& state = state_of(branch);
    leave_to(branch, std::move(out), state.next ? &*state.next : nullptr);
    return {};
  }
  void leave_to(Branch& branch, Json out, const std::string* next) {
    const flow::State& state = state_of(branch);
    follow(branch, fmt::format("{}StateExited", flow::name(state.type)), "stateExitedEventDetails",
           with_payload({{"name", state.name}}, "output", out));
    branch.input = share(std::move(out));
    if (next != nullptr)
      tree.go_to(branch, *next);
    else
      finish_branch(branch);
  }

  void finish_branch(Branch& branch) {
    if (branch.parent == kNoParent) {
      output = *branch.input;
      end(ExecutionStatus::succeeded, branch.previous_event, "ExecutionSucceeded", "executionSucceededEventDetails",
          with_payload(Json::object(), "output", output));
      return;
    }
    Branch& parent = tree.at(branch.parent);
    if (branch.item) {
      follow(branch, "MapIterationSucceeded", "mapIterationSucceededEventDetails",
             {{"name", parent.state}, {"index", branch.index}});
    }
    tree.set_phase(branch, Phase::done);
    ++parent.children_done;
    if (parent.children_done < parent.children_total) {
      if (parent.children.size() < parent.children_total)
        start_children(parent);
      return;
    }
    if (auto finished = finish_children(parent, branch.previous_event); !finished.ok())
      fail_with_reason(parent, finished.error());
  }

  Result<void> finish_children(Branch& branch, std::int64_t last) {
    const flow::State& state = state_of(branch);
    Json results = Json::array();
    for (const std::int64_t id : branch.children)
      results.push_back(*tree.at(id).input);
    tree.remove_children(branch);
    branch.previous_event = last;
    follow(branch, fmt::format("{}StateSucceeded", flow::name(state.type)));
    return leave(branch,
                 SHOPLAKE_TRY(output_of(state, *branch.input, std::move(results), scope_of(branch, *branch.input))));
  }

  // --- failing ---------------------------------------------------------------------------------------------------

  // An error of the state itself, whose cause says where it stands.
  void fail_with_reason(Branch& branch, const base::Error& error) {
    fail_state(branch, error.code.starts_with("States.") ? error.code : "States.Runtime",
               fmt::format("An error occurred while executing the state '{}' (entered at the event id #{}). {}",
                           branch.state, branch.entered_event, error.message));
  }

  // Retriers, then catchers; else the branch fails.
  void fail_state(Branch& branch, const std::string& error, const std::string& cause) {
    const flow::State& state = state_of(branch);
    tree.remove_children(branch);
    for (std::size_t i = 0; i < state.retriers.size(); ++i) {
      const Retrier& retrier = state.retriers[i];
      if (!matches(retrier.errors, error))
        continue;
      if (branch.retries[i] == retrier.attempts_max)
        break;
      ++branch.retries[i];
      ++branch.retry_count;
      tree.wake_at(branch, Phase::retrying, env.now_micros() + delay_micros(retrier, branch.retries[i], env));
      return;
    }
    for (const Catcher& catcher : state.catchers) {
      if (!matches(catcher.errors, error))
        continue;
      auto caught = caught_input(catcher, *branch.input, error, cause);
      if (!caught.ok()) {
        fail_branch(branch, {caught.error().code, caught.error().message});
        return;
      }
      leave_to(branch, std::move(caught).value(), &catcher.next);
      return;
    }
    fail_branch(branch, {error, cause});
  }

  void fail_branch(Branch& branch, StateFailure why) {
    if (branch.parent == kNoParent) {
      failure = why;
      end(ExecutionStatus::failed, branch.previous_event, "ExecutionFailed", "executionFailedEventDetails",
          failure_details(why.error, why.cause));
      return;
    }
    Branch& parent = tree.at(branch.parent);
    std::int64_t last = branch.previous_event;
    if (branch.item)
      last = record(last, "MapIterationFailed", "mapIterationFailedEventDetails",
                    {{"name", parent.state}, {"index", branch.index}});
    const bool is_map = state_of(parent).type == StateType::map;
    parent.previous_event = record(last, is_map ? "MapStateFailed" : "ParallelStateFailed");
    fail_state(parent, why.error.value_or("States.Unknown"), why.cause.value_or(""));  // removes `branch`
  }

  void end(ExecutionStatus how, std::int64_t previous, std::string type, const char* details_name, Json details) {
    status = how;
    record(previous, std::move(type), details_name, std::move(details));
    tree.clear();
    starts.clear();
    changes.ended = true;
  }

  // --- time ------------------------------------------------------------------------------------------------------

  void ring(Branch& branch, std::int64_t now) {
    switch (branch.phase) {
      case Phase::waiting: {
        const flow::State& state = state_of(branch);
        auto input = through_input_path(state, scope_of(branch, *branch.input));
        auto out = input.ok() ? through_output_path(state, *input, scope_of(branch, *input)) : std::move(input);
        if (out.ok())
          (void)leave(branch, std::move(out).value());
        else
          fail_with_reason(branch, out.error());
        return;
      }
      case Phase::retrying: run(branch); return;
      case Phase::task: {
        const bool heart_stopped = branch.heartbeat_at_micros && *branch.heartbeat_at_micros <= now;
        if (!heart_stopped && !(branch.timeout_at_micros && *branch.timeout_at_micros <= now))
          return;
        tree.stop_task(branch);
        const std::string error = heart_stopped ? "States.HeartbeatTimeout" : "States.Timeout";
        end_task(branch, "TimedOut", failure_details(error, std::nullopt));
        fail_state(branch, error, "");
        return;
      }
      case Phase::ready:
      case Phase::children:
      case Phase::done: return;
    }
  }

  // LambdaFunctionFailed, TaskSucceeded …
  void end_task(Branch& branch, std::string_view how, Json details) {
    const ResourceName resource = parse_resource(state_of(branch).resource);
    if (!resource.is_function) {
      details["resourceType"] = resource.type;
      details["resource"] = resource.action;
    }
    const std::string type = fmt::format("{}{}", resource.is_function ? "LambdaFunction" : "Task", how);
    const std::string details_name =
        fmt::format("{}{}EventDetails", resource.is_function ? "lambdaFunction" : "task", how);
    follow(branch, type, details_name.c_str(), std::move(details));
    tree.set_phase(branch, Phase::ready);  // until the caller says how it goes on
  }

  std::optional<std::int64_t> deadline() const {
    return machine->timeout_seconds ? std::optional(facts.started_micros + *machine->timeout_seconds * kMicrosPerSecond)
                                    : std::nullopt;
  }
};

Execution::Execution(std::unique_ptr<State> state) : state_(std::move(state)) {}
Execution::~Execution() = default;
Execution::Execution(Execution&&) noexcept = default;
Execution& Execution::operator=(Execution&&) noexcept = default;

Execution::Execution(std::shared_ptr<const StateMachine> machine, ExecutionFacts facts, Json input, io::Env& env)
    : state_(std::make_unique<State>(std::move(machine), std::move(facts), std::move(input), env)) {
  state_->record(0, "ExecutionStarted", "executionStartedEventDetails",
                 with_payload({{"roleArn", state_->facts.role}}, "input", *state_->input));
  // The first state's event follows no other, as Step Functions counts.
  state_->tree.add(kNoParent, 0, state_->machine.get(), state_->input, 0);
}

Result<Execution> Execution::restore(std::shared_ptr<const StateMachine> machine, ExecutionFacts facts, Json input,
                                     const std::vector<StoredBranch>& branches, std::int64_t last_event_id,
                                     io::Env& env) {
  auto state = std::make_unique<State>(std::move(machine), std::move(facts), std::move(input), env);
  state->last_event = last_event_id;
  SHOPLAKE_TRY(state->tree.restore(*state->machine, branches, state->facts.name));
  for (auto& [id, branch] : state->tree.all()) {
    const flow::State& of = state_of(branch);
    state->tree.resume(branch);
    switch (branch.phase) {
      case Phase::ready:
      case Phase::waiting:
      case Phase::retrying:
      case Phase::done: break;
      case Phase::task:
        state->starts.push_back({id, branch.attempt, branch.state, of.resource, branch.effective_input});
        if (branch.heartbeat_at_micros)
          state->tree.set_heartbeat(branch, env.now_micros());
        break;
      case Phase::children: {
        Json effective = SHOPLAKE_TRY(through_input_path(of, state->scope_of(branch, *branch.input)));
        if (of.type == StateType::map) {
          SHOPLAKE_TRY(state->prepare_map(branch, of, std::move(effective)));
        } else {
          branch.effective_input = share(SHOPLAKE_TRY(through_parameters(of, state->scope_of(branch, effective))));
          branch.children_total = of.branches.size();
        }
        if (std::ranges::find(branch.children, -1) != branch.children.end())
          return misfit(id, state->facts.name);
        break;
      }
    }
  }
  return Execution(std::move(state));
}

bool Execution::advance(std::int64_t transitions_max) {
  State& state = *state_;
  const std::int64_t now = state.env.now_micros();
  if (state.status == ExecutionStatus::running && state.deadline() && *state.deadline() <= now) {
    const std::int64_t previous = state.tree.at(kRootBranch).previous_event;
    state.failure = {"States.Timeout", std::nullopt};
    state.end(ExecutionStatus::timed_out, previous, "ExecutionTimedOut", "executionTimedOutEventDetails",
              failure_details("States.Timeout", std::nullopt));
  }
  while (state.status == ExecutionStatus::running && state.tree.next_alarm_micros() &&
         *state.tree.next_alarm_micros() <= now) {
    if (Branch* branch = state.tree.take_alarm())
      state.ring(*branch, now);
  }
  for (std::int64_t transitions = 0; state.status == ExecutionStatus::running && state.tree.has_ready();
       ++transitions) {
    if (transitions == transitions_max)
      return false;
    if (Branch* branch = state.tree.take_ready())
      state.enter(*branch);
  }
  return true;
}

void Execution::finish_task(std::int64_t id, int attempt, TaskOutcome outcome) {
  State& state = *state_;
  Branch* const found = state.tree.find(id);
  if (found == nullptr || found->phase != Phase::task || found->attempt != attempt)
    return;
  Branch& branch = *found;
  const flow::State& of = state_of(branch);
  if (const auto* failed = std::get_if<StateFailure>(&outcome)) {
    state.end_task(branch, "Failed", failure_details(failed->error, failed->cause));
    state.fail_state(branch, failed->error.value_or("States.TaskFailed"), failed->cause.value_or(""));
    return;
  }
  const auto& result = std::get<std::shared_ptr<const Json>>(outcome);
  state.end_task(branch, "Succeeded", with_payload(Json::object(), "output", *result));
  auto out = output_of(of, *branch.input, *result, state.scope_of(branch, *branch.input));
  if (out.ok())
    (void)state.leave(branch, std::move(out).value());
  else
    state.fail_with_reason(branch, out.error());
}

void Execution::record_heartbeat(std::int64_t id, int attempt) {
  State& state = *state_;
  Branch* const branch = state.tree.find(id);
  if (branch != nullptr && branch->phase == Phase::task && branch->attempt == attempt && branch->heartbeat_at_micros)
    state.tree.set_heartbeat(*branch, state.env.now_micros());
}

void Execution::abort(StateFailure failure) {
  State& state = *state_;
  if (state.status != ExecutionStatus::running)
    return;
  state.failure = failure;
  state.end(ExecutionStatus::aborted, state.tree.at(kRootBranch).previous_event, "ExecutionAborted",
            "executionAbortedEventDetails", failure_details(failure.error, failure.cause));
}

Changes Execution::take_changes() {
  state_->changes.branches = state_->tree.take_changed();
  state_->changes.removed_branches = state_->tree.take_removed();
  return std::exchange(state_->changes, {});
}
std::vector<TaskStart> Execution::take_starts() { return std::exchange(state_->starts, {}); }
std::vector<std::pair<std::int64_t, int>> Execution::take_stops() { return state_->tree.take_stops(); }

std::optional<std::int64_t> Execution::wakes_at_micros() const {
  if (state_->status != ExecutionStatus::running)
    return std::nullopt;
  std::optional<std::int64_t> at = state_->deadline();
  if (const auto first = state_->tree.next_alarm_micros())
    at = std::min(at.value_or(*first), *first);
  return at;
}

ExecutionStatus Execution::status() const { return state_->status; }
const Json& Execution::output() const { return state_->output; }
const StateFailure& Execution::failure() const { return state_->failure; }

}  // namespace shoplake::flow
