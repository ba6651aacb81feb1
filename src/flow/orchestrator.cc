#include "flow/orchestrator.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"

namespace shoplake::flow {

using base::Result;

namespace {

using WorkKey = std::pair<std::int64_t, std::pair<std::int64_t, int>>;  // execution, branch, attempt

struct Running {
  ExecutionRow row;
  Execution execution;
  bool is_admitted = false;  // by its flow's limit
};

struct Work {
  WorkKey key;
  Task* task = nullptr;
  TaskCall call;
  std::shared_ptr<const Json> input;
};

struct Completion {
  WorkKey key;
  TaskOutcome outcome;
};

constexpr std::int64_t kTransitionsAtOnce = 20'000;  // of one execution before the others have their turn

ExecutionFacts facts_of(const ExecutionRow& row) {
  return {.id = fmt::format("arn:aws:states:local:000000000000:execution:{}:{}", row.flow, row.name),
          .name = row.name,
          .machine_id = fmt::format("arn:aws:states:local:000000000000:stateMachine:{}", row.flow),
          .machine_name = row.flow,
          .role = "arn:aws:iam::000000000000:role/shoplake",
          .started_micros = row.started_micros};
}

}  // namespace

Result<Started> start_execution(Store& store, io::Env& env, const StartRequest& request) {
  auto machine = SHOPLAKE_TRY(parse_definition(request.definition));
  ExecutionRow row;
  row.flow = request.flow;
  row.name = request.name.empty() ? env.new_uuid() : request.name;
  row.definition = request.definition;
  auto input = parse_json(request.input);
  if (!input) {
    return base::make_error(
        base::ErrorKind::usage, "flow.bad_input",
        fmt::format("the input of {} is no JSON, or nested more than {} deep", request.flow, kJsonDepthMax),
        "Give one JSON document, such as {\"day\": \"2026-11-20\"}.");
  }
  row.input = compact(*input);
  row.started_by = request.started_by;
  row.started_micros = env.now_micros();
  if (row.input.size() > kPayloadBytesMax) {
    return base::make_error(
        base::ErrorKind::usage, "flow.input_too_large",
        fmt::format("the input of {} has {} bytes, more than {}", request.flow, row.input.size(), kPayloadBytesMax),
        "Put the data into the lake and give the flow their path.");
  }
  Execution execution(std::move(machine), facts_of(row), std::move(*input), env);
  const auto created = SHOPLAKE_TRY(store.create(row, execution.take_changes()));
  return Started{created.id, row.name, created.is_new};
}

struct Orchestrator::State {
  explicit State(OrchestratorOptions options_) : options(std::move(options_)) {}

  OrchestratorOptions options;
  std::unique_ptr<Store> store;             // the driving thread's
  std::map<std::int64_t, Running> running;  // the driving thread's
  std::int64_t newest = 0;                  // highest id taken up
  std::set<WorkKey> resumed;                // started by a process that died

  std::mutex mutex;
  std::condition_variable_any changed;  // something for the driving thread
  std::condition_variable_any work_there;
  std::condition_variable_any ended;
  bool is_awake = false;
  bool has_stopped = false;
  std::vector<Completion> completions;
  std::vector<WorkKey> heartbeats;
  std::deque<Work> work;
  std::map<WorkKey, std::stop_source> in_work;
  int waiting_tasks = 0;   // of those in work
  std::uint64_t ends = 0;  // counts executions that ended here

  std::vector<std::jthread> workers;
  std::jthread driver;

  Result<void> take_up() {
    for (StoredExecution& stored : SHOPLAKE_TRY(store->load_running(newest))) {
      const std::int64_t id = stored.row.id;
      newest = std::max(newest, id);
      Json input = Json::parse(stored.row.input, nullptr, false);
      auto machine = parse_definition(stored.row.definition);
      if (!machine.ok() || input.is_discarded()) {
        return base::make_error(base::ErrorKind::internal, "flow.bad_stored_execution",
                                fmt::format("execution {} of {} cannot be read", stored.row.name, stored.row.flow));
      }
      auto execution =
          SHOPLAKE_TRY(Execution::restore(std::move(machine).value(), facts_of(stored.row), std::move(input),
                                          stored.branches, stored.last_event_id, *options.env));
      auto [place, added] = running.emplace(id, Running{std::move(stored.row), std::move(execution), false});
      // Tasks that were running when the process before this one died.
      for (TaskStart& start : place->second.execution.take_starts())
        resume(place->second, std::move(start));
    }
    return {};
  }

  void resume(Running& each, TaskStart start) {
    Task* task = options.tasks->find(start.resource);
    if (task != nullptr && task->is_resumable()) {
      resumed.insert({each.row.id, {start.branch, start.attempt}});
      dispatch(each, std::move(start));
      return;
    }
    each.execution.finish_task(
        start.branch, start.attempt,
        StateFailure{"States.TaskFailed", "The process ended while the task ran; whether it was done is not known."});
  }

  void dispatch(Running& each, TaskStart start) {
    const WorkKey key{each.row.id, {start.branch, start.attempt}};
    Work next{.key = key, .task = options.tasks->find(start.resource), .call = {}, .input = std::move(start.input)};
    next.call.resource = std::move(start.resource);
    next.call.flow = each.row.flow;
    next.call.execution = each.row.name;
    next.call.state = std::move(start.state);
    next.call.id = fmt::format("{}/{}/{}/{}", each.row.flow, each.row.name, key.second.first, key.second.second);
    next.call.is_resumed = resumed.erase(key) > 0;
    const std::scoped_lock lock(mutex);
    if (next.task == nullptr) {
      completions.push_back(
          {key, StateFailure{"States.TaskFailed",
                             fmt::format("shoplake has no task for the resource {}.", next.call.resource)}});
      is_awake = true;
      return;
    }
    next.call.stop = in_work[key].get_token();
    next.call.heartbeat = [this, key] {
      const std::scoped_lock beat(mutex);
      heartbeats.push_back(key);
      is_awake = true;
      changed.notify_all();
    };
    if (next.task->is_waiting()) {
      ++waiting_tasks;
      add_workers(std::min(waiting_tasks, kWaitingTasksMax));
    }
    work.push_back(std::move(next));
    work_there.notify_one();
  }

  // So that there are `tasks_at_once` and `more` of them.
  void add_workers(int more) {
    while (std::cmp_less(workers.size(), options.tasks_at_once + more))
      workers.emplace_back([this](const std::stop_token& stop) { do_work(stop); });
  }

  void do_work(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (work_there.wait(lock, stop, [&] { return !work.empty(); })) {
      Work next = std::move(work.front());
      work.pop_front();
      lock.unlock();
      next.call.input = next.input.get();
      TaskOutcome outcome = next.call.stop.stop_requested() ? TaskOutcome(StateFailure{"States.TaskFailed", "stopped"})
                                                            : next.task->run(next.call);
      lock.lock();
      in_work.erase(next.key);
      waiting_tasks -= next.task->is_waiting() ? 1 : 0;
      completions.push_back({next.key, std::move(outcome)});
      is_awake = true;
      changed.notify_all();
    }
  }

  // What the workers and the other processes did since the last turn.
  Result<void> take_news() {
    std::vector<Completion> done;
    std::vector<WorkKey> beats;
    {
      const std::scoped_lock lock(mutex);
      done.swap(completions);
      beats.swap(heartbeats);
      is_awake = false;
    }
    for (const auto& [id, work_of] : beats) {
      if (const auto found = running.find(id); found != running.end())
        found->second.execution.record_heartbeat(work_of.first, work_of.second);
    }
    for (Completion& each : done) {
      if (const auto found = running.find(each.key.first); found != running.end())
        found->second.execution.finish_task(each.key.second.first, each.key.second.second, std::move(each.outcome));
    }
    SHOPLAKE_TRY(take_up());
    for (const Store::StopRequest& request : SHOPLAKE_TRY(store->stop_requests())) {
      if (const auto found = running.find(request.execution); found != running.end())
        found->second.execution.abort(request.failure);
    }
    return {};
  }

  // Executions of a flow begin in the order in which they were started, so after a crash those that had begun come
  // first.
  void admit() {
    std::map<std::string, int> begun;
    for (const auto& [id, each] : running)
      begun[each.row.flow] += each.is_admitted ? 1 : 0;
    for (auto& [id, each] : running) {
      if (each.is_admitted)
        continue;
      const int limit = options.executions_at_once ? options.executions_at_once(each.row.flow) : 0;
      int& count = begun[each.row.flow];
      each.is_admitted = limit <= 0 || count < limit;
      count += each.is_admitted ? 1 : 0;
    }
  }

  // Runs everything as far as it goes, makes it durable, and begins what follows. False: there is more to do at once.
  bool turn(const std::stop_token& stop) {
    bool is_done = true;
    std::vector<ExecutionChanges> all;
    admit();
    for (auto& [id, each] : running) {
      if (each.is_admitted)
        is_done &= each.execution.advance(kTransitionsAtOnce);
      ExecutionChanges next{.id = id,
                            .changes = each.execution.take_changes(),
                            .status = each.execution.status(),
                            .ended_micros = 0,
                            .output = {},
                            .failure = {}};
      if (next.changes.ended) {
        is_done = false;  // another of its flow may begin
        next.ended_micros = options.env->now_micros();
        next.failure = each.execution.failure();
        if (next.status == ExecutionStatus::succeeded)
          next.output = compact(each.execution.output());
      }
      if (!next.changes.events.empty() || !next.changes.branches.empty() || !next.changes.removed_branches.empty())
        all.push_back(std::move(next));
    }
    if (!all.empty() && !save(all, stop))
      return true;
    for (const ExecutionChanges& each : all)
      begin_what_follows(each);
    return is_done;
  }

  // Tries until it is durable; false if the orchestrator is to stop first (then nothing of it happened).
  bool save(const std::vector<ExecutionChanges>& all, const std::stop_token& stop) {
    while (true) {
      const Result<void> saved = store->save(all);
      if (saved.ok())
        return true;
      base::log::error("flow.not_durable", {{"error", to_string(saved.error())}});
      std::unique_lock lock(mutex);
      if (changed.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; }) || stop.stop_requested())
        return false;
    }
  }

  void begin_what_follows(const ExecutionChanges& changes) {
    const auto found = running.find(changes.id);
    Running& each = found->second;
    for (const auto& [branch, attempt] : each.execution.take_stops()) {
      const std::scoped_lock lock(mutex);
      if (const auto working = in_work.find({changes.id, {branch, attempt}}); working != in_work.end())
        working->second.request_stop();
    }
    for (TaskStart& start : each.execution.take_starts())
      dispatch(each, std::move(start));
    if (!changes.changes.ended)
      return;
    each.row.status = changes.status;
    each.row.ended_micros = changes.ended_micros;
    each.row.output = changes.output;
    each.row.error = changes.failure.error;
    each.row.cause = changes.failure.cause;
    if (options.on_end)
      options.on_end(each.row);
    running.erase(found);
    const std::scoped_lock lock(mutex);
    ++ends;
    ended.notify_all();
  }

  std::chrono::microseconds pause() const {
    std::chrono::microseconds pause = kPollInterval;
    const std::int64_t now = options.env->now_micros();
    for (const auto& [id, each] : running) {
      if (!each.is_admitted)
        continue;
      if (const auto at = each.execution.wakes_at_micros())
        pause = std::clamp(std::chrono::microseconds(*at - now), std::chrono::microseconds(0), pause);
    }
    return pause;
  }

  void drive(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (const auto news = take_news(); !news.ok())
        base::log::error("flow.cannot_read", {{"error", to_string(news.error())}});
      while (!turn(stop) && !stop.stop_requested()) {
      }
      const auto until = pause();
      std::unique_lock lock(mutex);
      changed.wait_for(lock, stop, until, [&] { return is_awake; });
    }
    const std::scoped_lock lock(mutex);
    has_stopped = true;
    ended.notify_all();
  }
};

Orchestrator::Orchestrator(std::unique_ptr<State> state) : state_(std::move(state)) {}
Orchestrator::~Orchestrator() { stop(); }

Result<std::unique_ptr<Orchestrator>> Orchestrator::open(const OrchestratorOptions& options) {
  auto state = std::make_unique<State>(options);
  state->store = SHOPLAKE_TRY(Store::open(options.control_plane));
  return std::unique_ptr<Orchestrator>(new Orchestrator(std::move(state)));
}

void Orchestrator::start() {
  State& state = *state_;
  state.add_workers(0);
  state.driver = std::jthread([&state](const std::stop_token& stop) { state.drive(stop); });
}

void Orchestrator::stop() {
  State& state = *state_;
  state.driver.request_stop();
  if (state.driver.joinable())
    state.driver.join();
  {
    const std::scoped_lock lock(state.mutex);
    for (auto& [key, source] : state.in_work)
      source.request_stop();
    state.work.clear();
  }
  for (std::jthread& worker : state.workers)
    worker.request_stop();
  state.workers.clear();
}

void Orchestrator::wake() {
  const std::scoped_lock lock(state_->mutex);
  state_->is_awake = true;
  state_->changed.notify_all();
}

Result<std::optional<ExecutionRow>> Orchestrator::wait(const std::string& flow, const std::string& execution,
                                                       const std::stop_token& stop) {
  State& state = *state_;
  const auto store = SHOPLAKE_TRY(Store::open(state.options.control_plane));
  while (true) {
    std::uint64_t seen = 0;
    {
      const std::scoped_lock lock(state.mutex);
      seen = state.ends;
    }
    ExecutionRow row = SHOPLAKE_TRY(store->find(flow, execution));
    if (row.status != ExecutionStatus::running)
      return std::optional(std::move(row));
    std::unique_lock lock(state.mutex);
    state.ended.wait_for(lock, stop, kPollInterval, [&] { return state.has_stopped || state.ends != seen; });
    if (stop.stop_requested() || state.has_stopped)
      return std::optional<ExecutionRow>();
  }
}

}  // namespace shoplake::flow
