#include "model/runner.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "model/config.h"
#include "model/model_contract.h"
#include "model/publisher.h"
#include "model/seed.h"
#include "model/shared_scan.h"
#include "model/snapshot.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

bool blocks(NodeStatus status) {
  return status == NodeStatus::error || status == NodeStatus::fail || status == NodeStatus::skipped;
}

std::string indented(std::string_view text) {
  std::string out = "  ";
  for (char c : text) {
    out += c;
    if (c == '\n')
      out += "  ";
  }
  return out;
}

std::vector<std::string> partition_columns(const Json& config) {
  const auto found = config.find("partition_by");
  if (found == config.end() || found->is_null())
    return {};
  if (found->is_object())
    return {config_text(*found, "field")};
  return config_list(config, "partition_by");
}

std::string describe(const Node& node) {
  return fmt::format(
      "{} {} ({})", name(node.type), node.name,
      node.line > 0 && node.test ? fmt::format("{}:{}", node.original_file_path, node.line) : node.original_file_path);
}

}  // namespace

struct Runner::State {
  State(Manifest& manifest, const Graph& graph, const Renderer& renderer, Lake& lake, engine::Database& database,
        RunnerOptions options, RunListener& listener)
      : manifest(manifest),
        graph(graph),
        renderer(renderer),
        lake(lake),
        database(database),
        options(std::move(options)),
        listener(listener) {}

  Manifest& manifest;
  const Graph& graph;
  const Renderer& renderer;
  Lake& lake;
  engine::Database& database;
  RunnerOptions options;
  RunListener& listener;

  mutable std::mutex mutex;
  std::condition_variable changed;
  Schedule schedule;
  std::map<std::string, std::size_t> position;
  std::map<std::string, std::size_t> missing;  // how many it still waits for
  std::map<std::string, std::vector<std::string>> unblocks;
  std::map<std::string, std::string> blocked_by;  // first failed node above
  std::map<std::string, std::size_t> unsettled;   // how many above it are not reported yet
  struct Held {
    int index = 0;
    NodeResult result;
    bool with_publisher = false;
  };
  std::map<std::string, Held> held;         // computed, not reported yet
  std::map<std::string, Publication> made;  // by nodes that are computed
  std::set<std::pair<std::size_t, std::string>> ready;
  std::size_t unfinished = 0;
  int next_index = 0;
  int total = 0;
  bool stopping = false;
  std::vector<NodeResult> results;
  std::unique_ptr<Publisher> publisher;  // while run() goes on

  std::int64_t now() const { return options.env->now_micros(); }

  // ── compiled SQL ──────────────────────────────────────────────────────────────────────────────────────────────

  // For people to look at; not durable, and a failure to write it is not a failure of the node.
  std::string write_compiled(const Node& node, const std::string& sql) const {
    const std::string path = io::join_path(options.target_directory, "compiled/" + compiled_file(node));
    Result<std::unique_ptr<io::WritableFile>> file = options.env->create_file(path);
    if (!file.ok() && options.env->create_directories(io::parent_path(path)).ok())
      file = options.env->create_file(path);
    if (!file.ok() || !(*file)->append(sql + "\n").ok() || !(*file)->close().ok())
      return "";
    return path;
  }

  void note_compiled(Node& node, NodeResult& result, const std::string& sql) {
    result.compiled = true;
    result.compiled_code = sql;
    const std::string path = write_compiled(node, sql);
    const std::lock_guard lock(mutex);
    node.compiled = true;
    node.compiled_code = sql;
    node.compiled_path = path;
  }

  Compiler::Log log() {
    return [this](std::string_view message, bool to_terminal) {
      if (!to_terminal)
        return;
      const std::lock_guard lock(mutex);
      listener.message(message);
    };
  }

  // A node's error in dbt's words, with the place of its SQL.
  std::string explain(const Node& node, const base::Error& error, std::string_view what) const {
    std::string text = fmt::format("{} in {}\n{}", what, model::describe(node), indented(error.message));
    if (!error.advice.empty())
      text += "\n" + indented(error.advice);
    if (node.compiled && !node.compiled_path.empty())
      text += fmt::format("\n  compiled code at {}", node.compiled_path);
    return text;
  }

  // ── models and seeds ──────────────────────────────────────────────────────────────────────────────────────────

  Result<void> run_node_hooks(engine::Session& session, Compiler& compiler, const Node& node, const char* key,
                              const Compiler::Options& compile_options) {
    if (!node.config.contains(key) || !node.config[key].is_array())
      return {};
    for (const Json& hook : node.config[key]) {
      lake.note_effect();
      const std::string sql = SHOPLAKE_TRY(compiler.render(node, hook.value("sql", ""), compile_options)
                                               .within(fmt::format("{} of {}", key, node.name)));
      if (sql.find_first_not_of(" \t\r\n;") == std::string::npos)
        continue;
      SHOPLAKE_TRY(lake.prepare(session, sql));
      SHOPLAKE_TRY(session.execute(sql).within(fmt::format("{} of {}", key, node.name)));
    }
    return {};
  }

  TableWrite table_write(const Node& node, const std::string& sql) {
    TableWrite write;
    write.name = {node.schema, node.alias};
    write.sql = sql;
    write.partition_by = partition_columns(node.config);
    write.summary = {{"shoplake.node", node.unique_id}, {"shoplake.invocation-id", options.invocation_id}};
    if (node.config.contains("table_properties") && node.config["table_properties"].is_object()) {
      for (const auto& [key, value] : node.config["table_properties"].items())
        write.properties[key] = scalar_text(value);
    }
    return write;
  }

  void succeeded(NodeResult& result, const Written& written) {
    result.rows = written.rows;
    result.adapter_response = {{"_message", "OK"},
                               {"rows_affected", written.rows},
                               {"bytes_written", written.bytes},
                               {"files_written", written.files},
                               {"files_replaced", written.files_replaced}};
  }

  Result<UnpublishedTable> write_audited(engine::Session& session, const TableWrite& write) {
    UnpublishedTable table = SHOPLAKE_TRY(lake.write_table(session, write));
    if (options.audit == nullptr)
      return table;
    const Result<void> audited = options.audit->check(session, lake, write.name, to_string(write.name));
    if (audited.ok())
      return table;
    lake.discard(table);
    return audited.error();
  }

  void publish_later(const Node& node, Publication publication) {
    const std::lock_guard lock(mutex);
    made.insert_or_assign(node.unique_id, std::move(publication));
  }

  // ── what need not be done again ───────────────────────────────────────────────────────────────────────────────

  std::optional<Work> work(const Node& node, const std::string& sql) const {
    if (options.reuse == nullptr || options.compile_only || (node.type == ResourceType::test && stores_failures(node)))
      return std::nullopt;
    const bool is_audited = options.audit != nullptr && node.is_refable();
    return work_of(lake, node, sql, is_audited ? options.audit->rules({node.schema, node.alias}) : Audit::Rules());
  }

  // True if the node's work was found complete before: then its result says so and nothing is left to do.
  bool keep(const std::optional<Work>& work, NodeResult& result) const {
    if (!work || options.full_refresh || !options.keep_unchanged || !options.reuse->is_complete(*work))
      return false;
    result.kept = true;
    result.message = "unchanged, kept";
    result.adapter_response = {{"_message", "unchanged, kept"}};
    return true;
  }

  // The node was done with what `before` says; if that is still what is there, it need not be done again. `is_settled`:
  // only if its table was left as it was.
  void complete(const Node& node, const std::optional<Work>& before, const std::string& sql, bool is_settled = false) {
    std::optional<Work> after = before ? work(node, sql) : std::nullopt;
    if (after && reads_the_same(node, *before, *after) && (!is_settled || leaves_table(node, *before, *after)))
      options.reuse->complete(*std::move(after));
  }

  // An incremental model is looked at as a run of now would see it.
  Result<bool> keep_incremental(Compiler& compiler, Node& node, NodeResult& result) {
    if (options.reuse == nullptr || options.compile_only || options.full_refresh || !options.keep_unchanged ||
        config_flag(node.config, "full_refresh", false) || lake.kind({node.schema, node.alias}) != Lake::Kind::table)
      return false;
    result.compile_started_us = now();
    Compiler::Options compile_options;
    compile_options.is_incremental = true;
    const CompiledNode compiled = SHOPLAKE_TRY(compiler.compile(node, compile_options).within("compile"));
    if (!keep(work(node, compiled.sql), result))
      return false;
    note_compiled(node, result, compiled.sql);
    result.compile_finished_us = result.started_us = now();
    result.relation_name = relation_name(node.schema, node.alias);
    return true;
  }

  // After an incremental model has run: what the next run would do is known if this one had nothing to do, or if the
  // model says that it settles.
  void complete_incremental(Compiler& compiler, const Node& node, const std::optional<Work>& before,
                            const std::string& sql, bool is_incremental) {
    if (!before || (!settles(node) && !is_incremental))
      return;
    if (!settles(node)) {
      complete(node, before, sql, /*is_settled=*/true);
      return;
    }
    const std::optional<Work> after = work(node, sql);
    if (!after || !reads_the_same(node, *before, *after))
      return;
    Compiler::Options compile_options;
    compile_options.is_incremental = true;
    const Result<CompiledNode> next = compiler.compile(node, compile_options);
    std::optional<Work> next_work = next.ok() ? work(node, next->sql) : std::nullopt;
    if (next_work)
      options.reuse->complete(*std::move(next_work));
  }

  // ── building ──────────────────────────────────────────────────────────────────────────────────────────────────

  Result<void> build_model(engine::Session& session, Node& node, NodeResult& result) {
    const RelationName relation{node.schema, node.alias};
    const std::string materialized = node.materialized();
    const bool full_refresh = config_flag(node.config, "full_refresh", options.full_refresh);
    Compiler compiler(manifest, renderer, &lake, &session, log());
    if (materialized == "incremental" && SHOPLAKE_TRY(keep_incremental(compiler, node, result)))
      return {};
    for (int attempt = 1;; ++attempt) {
      Compiler::Options compile_options;
      if (materialized == "incremental") {
        SHOPLAKE_TRY(lake.refresh(session, relation));
        compile_options.is_incremental = !full_refresh && lake.kind(relation) == Lake::Kind::table;
        SHOPLAKE_TRY(lake.ensure(session, relation));
      }
      result.compile_started_us = now();
      Result<CompiledNode> compiled = compiler.compile(node, compile_options);
      if (!compiled.ok())
        return std::move(compiled).error().within("compile");
      note_compiled(node, result, compiled->sql);
      result.compile_finished_us = result.started_us = now();
      if (options.compile_only || materialized == "ephemeral")
        return {};
      result.relation_name = relation_name(node.schema, node.alias);
      const std::optional<Work> before = work(node, compiled->sql);
      if (materialized != "incremental" && keep(before, result))
        return {};
      SHOPLAKE_TRY(run_node_hooks(session, compiler, node, "pre-hook", compile_options));
      SHOPLAKE_TRY(check_contract(lake, session, node, compiled->sql));
      if (materialized == "view") {
        SHOPLAKE_TRY(lake.show_view(session, relation, compiled->sql));
        publish_later(node, {std::nullopt, relation, compiled->sql, {{"shoplake.node", node.unique_id}}});
        result.adapter_response = {{"_message", "OK"}};
      } else if (!compile_options.is_incremental) {
        UnpublishedTable table = SHOPLAKE_TRY(write_audited(session, table_write(node, compiled->sql)));
        succeeded(result, table.written);
        publish_later(node, {std::move(table), {}, {}, {}});
      } else {
        IncrementalWrite write;
        write.table = table_write(node, compiled->sql);
        write.unique_key = config_list(node.config, "unique_key");
        write.strategy = config_text(node.config, "incremental_strategy");
        if (write.strategy.empty())
          write.strategy = write.unique_key.empty() ? "append" : "delete+insert";
        if (write.strategy == "delete_insert")
          write.strategy = "delete+insert";
        write.predicates = config_list(
            node.config, node.config.contains("incremental_predicates") ? "incremental_predicates" : "predicates");
        write.update_columns = config_list(node.config, "merge_update_columns");
        write.exclude_columns = config_list(node.config, "merge_exclude_columns");
        write.on_schema_change = config_text(node.config, "on_schema_change");
        write.audit = options.audit;
        static const std::set<std::string> strategies{"append", "delete+insert", "merge", "insert_overwrite"};
        static const std::set<std::string> policies{"ignore", "fail", "append_new_columns", "sync_all_columns"};
        if (!strategies.contains(write.strategy)) {
          return base::make_error(base::ErrorKind::failed, "model.incremental",
                                  fmt::format("incremental_strategy is '{}'", write.strategy),
                                  "It is append, delete+insert, merge or insert_overwrite.");
        }
        if (!policies.contains(write.on_schema_change)) {
          return base::make_error(base::ErrorKind::failed, "model.incremental",
                                  fmt::format("on_schema_change is '{}'", write.on_schema_change),
                                  "It is ignore, fail, append_new_columns or sync_all_columns.");
        }
        SHOPLAKE_TRY(await_published_inputs(node.unique_id));
        const Result<Written> written = lake.write_incremental(session, write);
        if (!written.ok()) {
          if (written.error().kind == base::ErrorKind::conflict && attempt < kConflictAttemptsMax &&
              !options.stop.stop_requested())
            continue;
          return written.error();
        }
        succeeded(result, *written);
      }
      SHOPLAKE_TRY(run_node_hooks(session, compiler, node, "post-hook", compile_options));
      if (materialized == "incremental") {
        complete_incremental(compiler, node, before, compiled->sql, compile_options.is_incremental);
      } else {
        complete(node, before, compiled->sql);
      }
      result.message = "OK";
      return {};
    }
  }

  Result<void> build_seed(engine::Session& session, Node& node, NodeResult& result) {
    result.started_us = now();
    const std::optional<Work> before = work(node, node.content_digest);
    if (keep(before, result))
      return {};
    const std::string query = SHOPLAKE_TRY(seed_query(session, node));
    UnpublishedTable table = SHOPLAKE_TRY(write_audited(session, table_write(node, query)));
    succeeded(result, table.written);
    result.message = fmt::format("INSERT {}", table.written.rows);
    publish_later(node, {std::move(table), {}, {}, {}});
    result.relation_name = relation_name(node.schema, node.alias);
    complete(node, before, node.content_digest);
    return {};
  }

  // Brings what has changed since the last run into the table of versions. A conflict means that somebody else has
  // committed to it meanwhile: then everything is done again on the new state.
  Result<void> build_snapshot(engine::Session& session, Node& node, NodeResult& result) {
    const RelationName relation{node.schema, node.alias};
    const SnapshotPlan plan = SHOPLAKE_TRY(snapshot_plan(node));
    Compiler compiler(manifest, renderer, &lake, &session, log());
    for (int attempt = 1;; ++attempt) {
      SHOPLAKE_TRY(lake.refresh(session, relation));
      result.compile_started_us = now();
      const CompiledNode compiled = SHOPLAKE_TRY(compiler.compile(node).within("compile"));
      note_compiled(node, result, compiled.sql);
      result.compile_finished_us = result.started_us = now();
      if (options.compile_only)
        return {};
      const std::optional<Work> before = work(node, compiled.sql);
      if (keep(before, result))
        return {};
      SHOPLAKE_TRY(run_node_hooks(session, compiler, node, "pre-hook", {}));
      SHOPLAKE_TRY(await_published_inputs(node.unique_id));
      const Result<Written> written =
          write_snapshot(lake, session, {table_write(node, compiled.sql), plan, result.started_us, options.audit});
      if (!written.ok() && written.error().kind == base::ErrorKind::conflict && attempt < kConflictAttemptsMax &&
          !options.stop.stop_requested())
        continue;
      succeeded(result, SHOPLAKE_TRY(written));
      SHOPLAKE_TRY(run_node_hooks(session, compiler, node, "post-hook", {}));
      complete(node, before, compiled.sql, /*is_settled=*/true);
      result.message = "OK";
      result.relation_name = relation_name(node.schema, node.alias);
      return {};
    }
  }

  // ── tests ─────────────────────────────────────────────────────────────────────────────────────────────────────

  Result<void> compile_test(engine::Session& session, Node& node, NodeResult& result) {
    if (node.compiled)
      return {};
    result.compile_started_us = now();
    Compiler compiler(manifest, renderer, &lake, &session, log());
    const CompiledNode compiled = SHOPLAKE_TRY(compiler.compile(node).within("compile"));
    note_compiled(node, result, compiled.sql);
    result.compile_finished_us = result.started_us = now();
    return {};
  }

  void judge(const Node& node, NodeResult& result, std::int64_t failures, bool should_warn, bool should_error) {
    std::string severity = config_text(node.config, "severity");
    std::transform(severity.begin(), severity.end(), severity.begin(), [](unsigned char c) { return std::toupper(c); });
    result.failures = failures;
    result.status = NodeStatus::pass;
    const char* plural = failures == 1 ? "result" : "results";
    if (severity != "WARN" && should_error) {
      result.status = NodeStatus::fail;
      result.message =
          fmt::format("Got {} {}, configured to fail if {}", failures, plural, config_text(node.config, "error_if"));
    } else if (should_warn) {
      result.status = NodeStatus::warn;
      result.message =
          fmt::format("Got {} {}, configured to warn if {}", failures, plural, config_text(node.config, "warn_if"));
    }
  }

  Result<void> run_test(engine::Session& session, Node& node, NodeResult& result) {
    SHOPLAKE_TRY(compile_test(session, node, result));
    if (result.started_us == 0)
      result.started_us = now();
    if (options.compile_only)
      return {};
    const std::optional<Work> before = work(node, node.compiled_code);
    if (keep_passed(before, result))
      return {};
    std::string main = node.compiled_code;
    SHOPLAKE_TRY(lake.prepare(session, main));
    if (const std::string limit = config_text(node.config, "limit"); !limit.empty())
      main = fmt::format("select * from (\n{}\n) dbt_internal_limited limit {}", main, limit);
    if (stores_failures(node)) {
      SHOPLAKE_TRY(await_published_inputs(node.unique_id));
      SHOPLAKE_TRY(lake.replace_table(session, table_write(node, main)));
      result.relation_name = relation_name(node.schema, node.alias);
      main = fmt::format("select * from {}", result.relation_name);
    }
    const std::string calculation = config_text(node.config, "fail_calc");
    const engine::ResultSet answer = SHOPLAKE_TRY(session.query(
        fmt::format("select\n  {0} as failures,\n  {0} {1} as should_warn,\n  {0} {2} as should_error\nfrom (\n{3}\n) "
                    "dbt_internal_test",
                    calculation, config_text(node.config, "warn_if"), config_text(node.config, "error_if"), main)));
    if (answer.row_count() != 1) {
      return base::make_error(base::ErrorKind::failed, "model.test",
                              fmt::format("the test {} gave {} rows instead of one: fail_calc must be an aggregate",
                                          node.name, answer.row_count()));
    }
    judge(node, result, answer.integer(0, 0), answer.text(0, 1).value_or("") == "true",
          answer.text(0, 2).value_or("") == "true");
    if (result.status == NodeStatus::pass)
      complete(node, before, node.compiled_code);
    return {};
  }

  bool stores_failures(const Node& test) const {
    const std::string stored_as = config_text(test.config, "store_failures_as");
    return stored_as.empty() ? config_flag(test.config, "store_failures", options.store_failures)
                             : stored_as != "ephemeral";
  }

  // Only what has passed is kept of tests.
  bool keep_passed(const std::optional<Work>& work, NodeResult& result) const {
    if (!keep(work, result))
      return false;
    result.status = NodeStatus::pass;
    result.failures = 0;
    return true;
  }

  Result<void> run_unit(engine::Session& session, const UnitTest& test, NodeResult& result) {
    result.started_us = now();
    const UnitTestOutcome outcome =
        SHOPLAKE_TRY(run_unit_test(test, manifest, renderer, options.with_overrides, lake, session));
    result.compiled = true;
    result.compiled_code = outcome.sql;
    Node place;  // for the path only
    place.package = test.package;
    place.original_file_path = test.original_file_path + "/" + test.model_name + "/" + test.name + ".sql";
    write_compiled(place, outcome.sql);
    result.failures = outcome.passed ? 0 : 1;
    result.status = outcome.passed ? NodeStatus::pass : NodeStatus::fail;
    if (!outcome.passed)
      result.message = outcome.difference;
    return {};
  }

  // Whether a test can share one scan of its relation, and what it counts there.
  std::optional<std::string> countable(const Node& node) const {
    if (options.compile_only || !node.test || !builtin_tests().contains(node.test->name))
      return std::nullopt;
    return failures_in_scan(node, options.store_failures);
  }

  // The generic tests that are shoplake's own: not those of which the project has one of the same name.
  const std::set<std::string>& builtin_tests() const {
    if (!builtin_tests_) {
      builtin_tests_.emplace();
      std::set<std::string> overridden;
      for (const MacroInfo& macro : renderer.macros()) {
        if (!macro.name.starts_with("test_"))
          continue;
        if (macro.package == "dbt") {
          builtin_tests_->insert(macro.name.substr(5));
        } else {
          overridden.insert(macro.name.substr(5));
        }
      }
      for (const std::string& each : overridden)
        builtin_tests_->erase(each);
    }
    return *builtin_tests_;
  }
  mutable std::optional<std::set<std::string>> builtin_tests_;

  std::optional<RelationName> tested_relation(const Node& test) const {
    if (const auto node = manifest.nodes.find(test.attached_node); node != manifest.nodes.end()) {
      if (node->second.materialized() == "ephemeral")
        return std::nullopt;
      return RelationName{node->second.schema, node->second.alias};
    }
    if (const auto source = manifest.sources.find(test.attached_node); source != manifest.sources.end()) {
      return RelationName{source->second.schema, source->second.identifier};
    }
    return std::nullopt;
  }

  // ── one node or one group of tests ────────────────────────────────────────────────────────────────────────────

  NodeResult new_result(const std::string& id, int worker) const {
    NodeResult result;
    result.unique_id = id;
    result.thread = fmt::format("Thread-{}", worker + 1);
    return result;
  }

  void run_one(engine::Session& session, const std::string& id, NodeResult& result) {
    if (const auto unit = manifest.unit_tests.find(id); unit != manifest.unit_tests.end()) {
      const Result<void> done = run_unit(session, unit->second, result);
      if (!done.ok()) {
        result.status = NodeStatus::error;
        result.message = fmt::format(
            "{} in unit_test {} ({}:{})\n{}", heading(done.error()), unit->second.name, unit->second.original_file_path,
            unit->second.line,
            indented(done.error().message + (done.error().advice.empty() ? "" : "\n" + done.error().advice)));
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
      result.message = explain(node, done.error(), heading(done.error()));
    }
    result.finished_us = now();
    if (result.started_us == 0)
      result.started_us = result.finished_us;
  }

  Result<void> run_node(engine::Session& session, Node& node, NodeResult& result) {
    switch (node.type) {
      case ResourceType::seed: return options.compile_only ? Result<void>() : build_seed(session, node, result);
      case ResourceType::snapshot: return build_snapshot(session, node, result);
      case ResourceType::test: return run_test(session, node, result);
      default: return build_model(session, node, result);
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

  static std::string_view heading(const base::Error& error) {
    if (error.kind == base::ErrorKind::cancelled)
      return "Interrupted";
    if (error.code.starts_with("engine."))
      return "Database Error";
    if (error.code.starts_with("model.jinja") || error.code == "model.unresolved")
      return "Compilation Error";
    if (error.code.starts_with("catalog.") || error.kind == base::ErrorKind::environment)
      return "Environment Error";
    return "Runtime Error";
  }

  // Counts what several tests of one relation look for in one scan; those that found nothing have passed. The others,
  // and all of them if the scan itself failed, are run one by one.
  void run_tests_together(engine::Session& session, const std::vector<std::string>& ids,
                          std::vector<NodeResult>& group) {
    std::vector<std::size_t> counted;
    std::map<std::size_t, std::optional<Work>> works;
    std::set<std::size_t> kept;
    std::string list;
    for (std::size_t index = 0; index < ids.size(); ++index) {
      Node& node = manifest.nodes.at(ids[index]);
      const Result<void> compiled = compile_test(session, node, group[index]);
      if (!compiled.ok())
        continue;  // run_one() will say why
      works[index] = work(node, node.compiled_code);
      if (keep_passed(works[index], group[index])) {
        kept.insert(index);
        group[index].finished_us = now();
        continue;
      }
      list += fmt::format("{}{}", list.empty() ? "" : ", ", *countable(node));
      counted.push_back(index);
    }
    const std::int64_t begin = now();
    std::set<std::size_t> passed;
    if (!counted.empty()) {
      const RelationName relation = *tested_relation(manifest.nodes.at(ids[counted[0]]));
      const std::string sql =
          fmt::format("SELECT {} FROM {}", list, relation_name(relation.schema, relation.identifier));
      if (lake.ensure(session, relation).ok()) {
        const Result<engine::ResultSet> answer = session.query(sql);
        if (answer.ok()) {
          for (std::size_t column = 0; column < counted.size(); ++column) {
            if (answer->integer(0, column) == 0)
              passed.insert(counted[column]);
          }
        }
      }
    }
    const std::int64_t end = now();
    for (std::size_t index = 0; index < ids.size(); ++index) {
      NodeResult& result = group[index];
      if (passed.contains(index)) {
        result.started_us = begin;
        result.finished_us = end;
        judge(manifest.nodes.at(ids[index]), result, 0, false, false);
        complete(manifest.nodes.at(ids[index]), works[index], result.compiled_code);
      } else if (!kept.contains(index)) {
        run_one(session, ids[index], result);
      }
    }
  }

  // ── scheduling (mutex held) ───────────────────────────────────────────────────────────────────────────────────

  // What a node takes beside others, of which nothing is known yet but its kind.
  int likely_cost(const std::string& id) const {
    const auto node = manifest.nodes.find(id);
    if (node == manifest.nodes.end())
      return 4;  // a unit test: planned like a model, but without data
    switch (node->second.type) {
      case ResourceType::test: return 1;
      case ResourceType::seed: return 3;
      default: return node->second.materialized() == "view" ? 2 : 10;
    }
  }

  void prepare_schedule(const std::set<std::string>& selected) {
    schedule = make_schedule(manifest, graph, selected, options.tests_gate);
    if (schedule.order.size() != selected.size())
      schedule = make_schedule(manifest, graph, selected, false);
    for (const std::string& id : schedule.order) {
      missing[id] = unsettled[id] = schedule.waits_for[id].size();
      for (const std::string& before : schedule.waits_for[id])
        unblocks[before].push_back(id);
    }
    // Of what is ready, the head of the longest chain is first, so that no chain is left over at the end with the other
    // threads idle. Within a length, graph order.
    std::map<std::string, int> chain;
    for (auto id = schedule.order.rbegin(); id != schedule.order.rend(); ++id) {
      int longest = 0;
      for (const std::string& next : unblocks[*id])
        longest = std::max(longest, chain[next]);
      chain[*id] = longest + likely_cost(*id);
    }
    std::vector<std::string> urgency = schedule.order;
    std::stable_sort(urgency.begin(), urgency.end(),
                     [&](const std::string& a, const std::string& b) { return chain[a] > chain[b]; });
    for (std::size_t index = 0; index < urgency.size(); ++index)
      position[urgency[index]] = index;
    for (const std::string& id : schedule.order) {
      if (missing[id] == 0)
        ready.emplace(position[id], id);
    }
    unfinished = total = static_cast<int>(schedule.order.size());
  }

  // A node has been computed. What waits for it may begin, and what it made goes to the publisher, in graph order. It
  // is reported when it is published and all above it has been reported: nothing is called done before what it was made
  // from.
  void computed(int index, NodeResult result) {
    const std::string id = result.unique_id;
    const bool blocking = blocks(result.status);
    stop_if_failed(result);
    for (const std::string& next : unblocks[id]) {
      if (blocking)
        blocked_by.emplace(next, id);
      if (--missing[next] == 0)
        ready.emplace(position[next], next);
    }
    const auto publication = blocking ? made.end() : made.find(id);
    held.emplace(id, Held{index, std::move(result), publication != made.end()});
    if (publication != made.end()) {
      publisher->hand_over(id, std::move(publication->second));
    } else if (unsettled[id] == 0) {
      settle(id);
    }
    changed.notify_all();
  }

  // Reports a node, and then what waited only for that.
  void settle(const std::string& first) {
    std::vector<std::string> next{first};
    while (!next.empty()) {
      const std::string id = next.back();
      next.pop_back();
      NodeResult result = std::move(held.at(id).result);
      const int index = held.at(id).index;
      held.erase(id);
      if (const auto above = blocked_by.find(id); above != blocked_by.end() && !blocks(result.status)) {
        // It was computed from something that could not be published.
        result.status = NodeStatus::skipped;
        result.message = fmt::format("Skipped due to {}", above->second);
      }
      listener.finished(index, total, manifest, result);
      stop_if_failed(result);
      for (const std::string& below : unblocks[id]) {
        if (blocks(result.status))
          blocked_by.emplace(below, id);
        const auto waiting = held.find(below);
        if (--unsettled[below] == 0 && waiting != held.end() && !waiting->second.with_publisher)
          next.push_back(below);
      }
      results.push_back(std::move(result));
      --unfinished;
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

  void stop_if_failed(const NodeResult& result) {
    if (options.fail_fast && (result.status == NodeStatus::error || result.status == NodeStatus::fail))
      stopping = true;
  }

  // From the publisher's thread. All above the node is settled: what of it was published has been handed over before.
  void published(const std::string& id, const Result<void>& outcome) {
    const std::lock_guard lock(mutex);
    if (!outcome.ok()) {
      NodeResult& result = held.at(id).result;
      result.status = NodeStatus::error;
      result.message = explain(manifest.nodes.at(id), outcome.error(), heading(outcome.error()));
    }
    settle(id);
    changed.notify_all();
  }

  bool may_be_published(const std::string& id) {
    const std::lock_guard lock(mutex);
    return !blocked_by.contains(id);
  }

  // For what commits by itself: waits until all above the node is in the lake.
  Result<void> await_published_inputs(const std::string& id) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return unsettled[id] == 0; });
    if (const auto above = blocked_by.find(id); above != blocked_by.end())
      return base::make_error(base::ErrorKind::failed, "model.upstream", fmt::format("{} failed", above->second));
    return {};
  }

  void work(engine::Session& session, int worker) {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return unfinished == 0 || !ready.empty(); });
      if (unfinished == 0)
        return;
      if (options.stop.stop_requested())
        stopping = true;
      std::vector<std::string> ids{ready.begin()->second};
      ready.erase(ready.begin());
      const auto first = manifest.nodes.find(ids[0]);
      if (stopping || blocked_by.contains(ids[0])) {
        NodeResult result = new_result(ids[0], worker);
        result.status = NodeStatus::skipped;
        const auto reason = blocked_by.find(ids[0]);
        if (reason != blocked_by.end())
          result.message = fmt::format("Skipped due to {}", reason->second);
        if (reason == blocked_by.end())
          result.message = options.stop.stop_requested() ? "Skipped: interrupted" : "Skipped due to --fail-fast";
        computed(++next_index, std::move(result));
        continue;
      }
      if (first != manifest.nodes.end() && first->second.type == ResourceType::test && countable(first->second) &&
          tested_relation(first->second)) {
        for (auto other = ready.begin(); other != ready.end() && ids.size() < kTestsPerScanMax;) {
          const auto node = manifest.nodes.find(other->second);
          const bool joins = node != manifest.nodes.end() && node->second.type == ResourceType::test &&
                             node->second.attached_node == first->second.attached_node &&
                             !blocked_by.contains(other->second) && countable(node->second);
          if (joins)
            ids.push_back(other->second);
          other = joins ? ready.erase(other) : std::next(other);
        }
      }
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
        run_tests_together(session, ids, group);
      }
      lock.lock();
      for (std::size_t index = 0; index < ids.size(); ++index)
        computed(indexes[index], std::move(group[index]));
    }
  }
};

Runner::Runner(Manifest& manifest, const Graph& graph, const Renderer& renderer, Lake& lake, engine::Database& database,
               RunnerOptions options, RunListener& listener)
    : state_(std::make_unique<State>(manifest, graph, renderer, lake, database, std::move(options), listener)) {}

Runner::~Runner() = default;

Result<std::vector<NodeResult>> Runner::run(const std::set<std::string>& selected) {
  State& state = *state_;
  state.prepare_schedule(selected);
  (void)state.builtin_tests();
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
  Compiler compiler(state.manifest, state.renderer, &state.lake, session.get(), state.log());
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
      result.message = state.explain(*node, done.error(), State::heading(done.error()));
    }
    state.listener.finished(index, static_cast<int>(hooks.size()), state.manifest, result);
    results.push_back(std::move(result));
    if (!done.ok())
      break;
  }
  return results;
}

}  // namespace shoplake::model
