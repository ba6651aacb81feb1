#include "model/runner.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "model/node_error.h"
#include "model/publisher.h"
#include "model/run_context.h"
#include "model/run_progress.h"
#include "model/table_runner.h"
#include "model/test_runner.h"

namespace shoplake::model {

struct Runner::State {
  State(Manifest& manifest, const Graph& graph, const Renderer& renderer, Lake& lake, engine::Database& database,
        RunnerOptions given, RunListener& listener)
      : manifest(manifest),
        graph(graph),
        renderer(renderer),
        lake(lake),
        database(database),
        options(std::move(given)),
        listener(listener),
        context{manifest,
                renderer,
                lake,
                options,
                listener,
                mutex,
                [this](const Node& node, Publication publication) { publish_later(node, std::move(publication)); },
                [this](const std::string& id) { return await_published_inputs(id); }},
        tables(context),
        tests(context) {}

  Manifest& manifest;
  const Graph& graph;
  const Renderer& renderer;
  Lake& lake;
  engine::Database& database;
  RunnerOptions options;
  RunListener& listener;

  mutable std::mutex mutex;
  RunContext context;
  TableRunner tables;
  TestRunner tests;
  std::condition_variable changed;
  std::optional<RunProgress> progress;      // while run() goes on
  std::map<std::string, Publication> made;  // by nodes that are computed
  int next_index = 0;
  int total = 0;
  bool stopping = false;
  std::vector<NodeResult> results;
  std::unique_ptr<Publisher> publisher;  // while run() goes on

  std::int64_t now() const { return options.env->now_micros(); }

  // ── one node ──────────────────────────────────────────────────────────────────────────────────────────────────

  NodeResult new_result(const std::string& id, int worker) const {
    NodeResult result;
    result.unique_id = id;
    result.thread = fmt::format("Thread-{}", worker + 1);
    return result;
  }

  void run_one(engine::Session& session, const std::string& id, NodeResult& result) {
    if (const auto unit = manifest.unit_tests.find(id); unit != manifest.unit_tests.end()) {
      const Result<void> done = tests.run_unit(session, unit->second, result);
      if (!done.ok()) {
        result.status = NodeStatus::error;
        result.message = explain(unit->second, done.error());
      }
      result.finished_us = now();
      return;
    }
    Node& node = manifest.nodes.at(id);
    std::uint64_t memory_before = memory_limit();
    Result<void> done = run_node(session, node, result);
    for (int failures = 1; !done.ok();) {
      if (!raise_memory(session, node, done.error(), memory_before) && !try_again(node, done.error(), failures++))
        break;
      memory_before = memory_limit();
      result.adapter_response = Json::object();
      done = run_node(session, node, result);
    }
    if (!done.ok()) {
      result.status = NodeStatus::error;
      result.message = explain(node, done.error());
    }
    result.finished_us = now();
    if (result.started_us == 0)
      result.started_us = result.finished_us;
  }

  Result<void> run_node(engine::Session& session, Node& node, NodeResult& result) {
    switch (node.type) {
      case ResourceType::seed: return options.compile_only ? Result<void>() : tables.run_seed(session, node, result);
      case ResourceType::snapshot: return tables.run_snapshot(session, node, result);
      case ResourceType::test: return tests.run(session, node, result);
      default: return tables.run_model(session, node, result);
    }
  }

  std::uint64_t memory_limit() const {
    const std::lock_guard lock(mutex);
    return options.memory_bytes;
  }

  // Whether a node that ran out of memory has more now than it had, `before`: another one may have seen to that.
  bool raise_memory(engine::Session& session, const Node& node, const base::Error& error, std::uint64_t before) {
    if (error.code != "engine.out_of_memory" || before == 0 || options.stop.stop_requested())
      return false;
    const std::lock_guard lock(mutex);
    if (options.memory_bytes > before)
      return true;
    const std::uint64_t more = std::min(before * 2, options.memory_bytes_max);
    if (more <= before || !session.execute(fmt::format("SET GLOBAL memory_limit = '{} bytes'", more)).ok())
      return false;
    options.memory_bytes = more;
    listener.message(fmt::format("{} {} needs more memory than {} MiB; the engine may take {} MiB now", name(node.type),
                                 node.name, before >> 20, more >> 20));
    return true;
  }

  // Is it something that waiting may cure? Memory is not: the same query takes as much again.
  static bool may_pass(const base::Error& error) {
    const bool is_around = error.kind == base::ErrorKind::environment || error.kind == base::ErrorKind::conflict;
    return is_around && error.code != "engine.out_of_memory";
  }

  // Waits before the next attempt, longer each time; false if there is none.
  bool try_again(const Node& node, const base::Error& error, int failures) {
    if (failures > kNodeRetriesMax || !may_pass(error) || options.stop.stop_requested())
      return false;
    const std::int64_t wait_us = options.retry_first_us << (failures - 1);
    {
      const std::lock_guard lock(mutex);
      listener.message(fmt::format("{} {}: {} ({}); trying again in {:.3g} s ({} of {})", name(node.type), node.name,
                                   error.message, error.code, static_cast<double>(wait_us) / 1e6, failures,
                                   kNodeRetriesMax));
    }
    std::mutex alone;
    std::condition_variable_any stopped;
    std::unique_lock lock(alone);
    stopped.wait_for(lock, options.stop, std::chrono::microseconds(wait_us), [] { return false; });
    return !options.stop.stop_requested();
  }

  // ── order of the nodes (mutex held) ───────────────────────────────────────────────────────────────────────────

  // What a node made goes to the publisher, in graph order.
  void computed(int index, NodeResult result) {
    const std::string id = result.unique_id;
    stop_if_failed(result);
    const auto publication = blocks(result.status) ? made.end() : made.find(id);
    report(progress->computed({index, std::move(result)}, publication != made.end()));
    if (publication != made.end())
      publisher->hand_over(id, std::move(publication->second));
    changed.notify_all();
  }

  void report(std::vector<RunProgress::Computed> settled) {
    for (RunProgress::Computed& node : settled) {
      listener.finished(node.index, total, manifest, node.result);
      stop_if_failed(node.result);
      results.push_back(std::move(node.result));
    }
  }

  void stop_if_failed(const NodeResult& result) {
    if (options.fail_fast && (result.status == NodeStatus::error || result.status == NodeStatus::fail))
      stopping = true;
  }

  // ── between computing and publishing (any thread) ─────────────────────────────────────────────────────────────

  void publish_later(const Node& node, Publication publication) {
    const std::lock_guard lock(mutex);
    made.insert_or_assign(node.unique_id, std::move(publication));
  }

  // From the publisher's thread. All above the node is settled: what of it was published has been handed over before.
  void published(const std::string& id, const Result<void>& outcome) {
    const std::lock_guard lock(mutex);
    if (!outcome.ok()) {
      NodeResult& result = progress->result(id);
      result.status = NodeStatus::error;
      result.message = explain(manifest.nodes.at(id), outcome.error());
    }
    report(progress->settle(id));
    changed.notify_all();
  }

  bool may_be_published(const std::string& id) {
    const std::lock_guard lock(mutex);
    return !progress->blocked_by(id);
  }

  Result<void> await_published_inputs(const std::string& id) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return progress->is_above_settled(id); });
    if (const auto above = progress->blocked_by(id))
      return base::make_error(base::ErrorKind::failed, "model.upstream", fmt::format("{} failed", *above));
    return {};
  }

  // ── threads ───────────────────────────────────────────────────────────────────────────────────────────────────

  // A node that is left out.
  void skip(const std::string& id, int worker) {
    NodeResult result = new_result(id, worker);
    result.status = NodeStatus::skipped;
    if (const auto reason = progress->blocked_by(id)) {
      result.message = fmt::format("Skipped due to {}", *reason);
    } else {
      result.message = options.stop.stop_requested() ? "Skipped: interrupted" : "Skipped due to --fail-fast";
    }
    computed(++next_index, std::move(result));
  }

  // A ready node; if it is a test that can share a scan, with others of the same relation.
  std::vector<std::string> with_companions(const std::string& id) {
    std::vector<std::string> ids{id};
    const auto first = manifest.nodes.find(id);
    if (first == manifest.nodes.end() || first->second.type != ResourceType::test || !tests.can_share(first->second))
      return ids;
    const auto joins = [&](const std::string& other) {
      const auto node = manifest.nodes.find(other);
      return node != manifest.nodes.end() && node->second.type == ResourceType::test &&
             node->second.attached_node == first->second.attached_node && tests.can_share(node->second);
    };
    for (std::string& other : progress->take_ready_if(joins, kTestsPerScanMax - 1))
      ids.push_back(std::move(other));
    return ids;
  }

  void work(engine::Session& session, int worker) {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return progress->unfinished() == 0 || progress->has_ready(); });
      if (progress->unfinished() == 0)
        return;
      if (options.stop.stop_requested())
        stopping = true;
      const std::string first = progress->take_ready();
      if (stopping || progress->blocked_by(first)) {
        skip(first, worker);
        continue;
      }
      const std::vector<std::string> ids = with_companions(first);
      std::vector<int> indexes;
      std::vector<NodeResult> group;
      for (const std::string& id : ids) {
        indexes.push_back(++next_index);
        group.push_back(new_result(id, worker));
        listener.started(indexes.back(), total, manifest, id);
      }
      lock.unlock();
      if (ids.size() == 1) {
        run_one(session, ids[0], group[0]);
      } else {
        tests.run_together(session, ids, group, [&](std::size_t index) { run_one(session, ids[index], group[index]); });
      }
      lock.lock();
      for (std::size_t index = 0; index < ids.size(); ++index)
        computed(indexes[index], std::move(group[index]));
    }
  }

  // That it could not be kept costs the next run time, nothing else.
  void save_reuse() {
    if (options.reuse == nullptr)
      return;
    std::set<std::string> succeeded;
    for (const NodeResult& result : results) {
      if (!blocks(result.status))
        succeeded.insert(result.unique_id);
    }
    if (const Result<void> saved = options.reuse->save(lake, succeeded, now()); !saved.ok())
      listener.message(fmt::format("What was done is not noted, so the next run does it again: {} ({})",
                                   saved.error().message, saved.error().code));
  }
};

Runner::Runner(Manifest& manifest, const Graph& graph, const Renderer& renderer, Lake& lake, engine::Database& database,
               RunnerOptions options, RunListener& listener)
    : state_(std::make_unique<State>(manifest, graph, renderer, lake, database, std::move(options), listener)) {}

Runner::~Runner() = default;

Result<std::vector<NodeResult>> Runner::run(const std::set<std::string>& selected) {
  State& state = *state_;
  state.progress.emplace(state.manifest, state.graph, selected, state.options.tests_gate);
  state.total = static_cast<int>(state.progress->unfinished());
  if (selected.empty())
    return std::vector<NodeResult>();
  std::vector<std::unique_ptr<engine::Session>> sessions;
  const int threads = std::max(1, std::min<int>(state.options.threads, static_cast<int>(selected.size())));
  for (int index = 0; index < threads; ++index) {
    sessions.push_back(SHOPLAKE_TRY(state.database.connect()));
    SHOPLAKE_TRY(sessions.back()->execute(
        "SET enable_progress_bar = false"));  // nobody asks for it here, and small queries feel it
  }
  state.publisher = std::make_unique<Publisher>(
      state.lake, SHOPLAKE_TRY(state.database.connect()),
      [&state](const std::string& id) { return state.may_be_published(id); },
      [&state](const std::string& id, const Result<void>& outcome) { state.published(id, outcome); },
      [&state](const std::string& id, const base::Error& error, int failures) {
        return state.try_again(state.manifest.nodes.at(id), error, failures);
      });
  std::stop_callback interrupt(state.options.stop, [&] {
    for (const auto& session : sessions)
      session->interrupt();
  });
  {
    std::vector<std::jthread> workers;
    for (int index = 1; index < threads; ++index) {
      workers.emplace_back(
          [&state, session = sessions[static_cast<std::size_t>(index)].get(), index] { state.work(*session, index); });
    }
    state.work(*sessions[0], 0);
  }
  state.publisher.reset();
  state.save_reuse();
  return std::move(state.results);
}

Result<std::vector<NodeResult>> Runner::run_hooks(std::string_view when) {
  State& state = *state_;
  std::vector<NodeResult> results;
  std::vector<Node*> hooks;
  for (auto& [id, node] : state.manifest.nodes) {
    if (node.type == ResourceType::operation && !node.tags.empty() && node.tags[0] == when)
      hooks.push_back(&node);
  }
  if (hooks.empty())
    return results;
  const std::unique_ptr<engine::Session> session = SHOPLAKE_TRY(state.database.connect());
  Compiler compiler(state.manifest, state.renderer, &state.lake, session.get(), state.context.log());
  int index = 0;
  for (Node* node : hooks) {
    NodeResult result = state.new_result(node->unique_id, 0);
    state.listener.started(++index, static_cast<int>(hooks.size()), state.manifest, node->unique_id);
    result.started_us = state.now();
    Result<void> done;
    Result<std::string> sql = compiler.render(*node, node->raw_code, {});
    if (!sql.ok()) {
      done = std::move(sql).error();
    } else if (sql->find_first_not_of(" \t\r\n;") != std::string::npos) {
      done = state.lake.prepare(*session, *sql);
      if (done.ok())
        done = session->execute(*sql);
    }
    result.finished_us = state.now();
    result.message = "OK";
    if (!done.ok()) {
      result.status = NodeStatus::error;
      result.message = explain(*node, done.error());
    }
    state.listener.finished(index, static_cast<int>(hooks.size()), state.manifest, result);
    results.push_back(std::move(result));
    if (!done.ok())
      break;
  }
  return results;
}

}  // namespace shoplake::model
