#include "model/table_runner.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "model/config.h"
#include "model/model_contract.h"
#include "model/seed.h"
#include "model/snapshot.h"

namespace shoplake::model {
namespace {

void succeeded(NodeResult& result, const Written& written) {
  result.rows = written.rows;
  result.adapter_response = {{"_message", "OK"},
                             {"rows_affected", written.rows},
                             {"bytes_written", written.bytes},
                             {"files_written", written.files},
                             {"files_replaced", written.files_replaced}};
}

}  // namespace

Result<void> TableRunner::run_hooks(engine::Session& session, Compiler& compiler, const Node& node, const char* key,
                                    const Compiler::Options& compile_options) const {
  if (!node.config.contains(key) || !node.config[key].is_array())
    return {};
  for (const Json& hook : node.config[key]) {
    context_.lake.note_effect();
    const std::string sql = SHOPLAKE_TRY(
        compiler.render(node, hook.value("sql", ""), compile_options).within(fmt::format("{} of {}", key, node.name)));
    if (sql.find_first_not_of(" \t\r\n;") == std::string::npos)
      continue;
    SHOPLAKE_TRY(context_.lake.prepare(session, sql));
    SHOPLAKE_TRY(session.execute(sql).within(fmt::format("{} of {}", key, node.name)));
  }
  return {};
}

Result<UnpublishedTable> TableRunner::write_audited(engine::Session& session, const TableWrite& write) const {
  UnpublishedTable table = SHOPLAKE_TRY(context_.lake.write_table(session, write));
  if (context_.options.audit == nullptr)
    return table;
  const Result<void> audited = context_.options.audit->check(session, context_.lake, write.name, to_string(write.name));
  if (audited.ok())
    return table;
  context_.lake.discard(table);
  return audited.error();
}

Result<bool> TableRunner::keep_incremental(Compiler& compiler, Node& node, NodeResult& result) const {
  if (context_.options.reuse == nullptr || context_.options.compile_only || context_.options.full_refresh ||
      !context_.options.keep_unchanged || config_flag(node.config, "full_refresh", false) ||
      context_.lake.kind({node.schema, node.alias}) != Lake::Kind::table)
    return false;
  result.compile_started_us = context_.now();
  Compiler::Options compile_options;
  compile_options.is_incremental = true;
  const CompiledNode compiled = SHOPLAKE_TRY(compiler.compile(node, compile_options).within("compile"));
  if (!context_.keep(context_.work(node, compiled.sql), result))
    return false;
  context_.note_compiled(node, result, compiled.sql);
  result.compile_finished_us = result.started_us = context_.now();
  result.relation_name = relation_name(node.schema, node.alias);
  return true;
}

void TableRunner::complete_incremental(Compiler& compiler, const Node& node, const std::optional<Work>& before,
                                       const std::string& sql, bool is_incremental) const {
  if (!before || (!settles(node) && !is_incremental))
    return;
  if (!settles(node)) {
    context_.complete(node, before, sql, /*is_settled=*/true);
    return;
  }
  const std::optional<Work> after = context_.work(node, sql);
  if (!after || !reads_the_same(node, *before, *after))
    return;
  Compiler::Options compile_options;
  compile_options.is_incremental = true;
  const Result<CompiledNode> next = compiler.compile(node, compile_options);
  std::optional<Work> next_work = next.ok() ? context_.work(node, next->sql) : std::nullopt;
  if (next_work)
    context_.options.reuse->complete(*std::move(next_work));
}

Result<IncrementalWrite> TableRunner::incremental_write(const Node& node, const std::string& sql) const {
  IncrementalWrite write;
  write.table = context_.table_write(node, sql);
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
  write.audit = context_.options.audit;
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
  return write;
}

Result<void> TableRunner::run_model(engine::Session& session, Node& node, NodeResult& result) const {
  const RelationName relation{node.schema, node.alias};
  const std::string materialized = node.materialized();
  const bool full_refresh = config_flag(node.config, "full_refresh", context_.options.full_refresh);
  Compiler compiler(context_.manifest, context_.renderer, &context_.lake, &session, context_.log());
  if (materialized == "incremental" && SHOPLAKE_TRY(keep_incremental(compiler, node, result)))
    return {};
  for (int attempt = 1;; ++attempt) {
    Compiler::Options compile_options;
    if (materialized == "incremental") {
      SHOPLAKE_TRY(context_.lake.refresh(session, relation));
      compile_options.is_incremental = !full_refresh && context_.lake.kind(relation) == Lake::Kind::table;
      SHOPLAKE_TRY(context_.lake.ensure(session, relation));
    }
    result.compile_started_us = context_.now();
    Result<CompiledNode> compiled = compiler.compile(node, compile_options);
    if (!compiled.ok())
      return std::move(compiled).error().within("compile");
    context_.note_compiled(node, result, compiled->sql);
    result.compile_finished_us = result.started_us = context_.now();
    if (context_.options.compile_only || materialized == "ephemeral")
      return {};
    result.relation_name = relation_name(node.schema, node.alias);
    const std::optional<Work> before = context_.work(node, compiled->sql);
    if (materialized != "incremental" && context_.keep(before, result))
      return {};
    SHOPLAKE_TRY(run_hooks(session, compiler, node, "pre-hook", compile_options));
    SHOPLAKE_TRY(check_contract(context_.lake, session, node, compiled->sql));
    if (materialized == "view") {
      SHOPLAKE_TRY(context_.lake.show_view(session, relation, compiled->sql));
      context_.publish_later(node, {std::nullopt, relation, compiled->sql, {{"shoplake.node", node.unique_id}}});
      result.adapter_response = {{"_message", "OK"}};
    } else if (!compile_options.is_incremental) {
      UnpublishedTable table = SHOPLAKE_TRY(write_audited(session, context_.table_write(node, compiled->sql)));
      succeeded(result, table.written);
      context_.publish_later(node, {std::move(table), {}, {}, {}});
    } else {
      const IncrementalWrite write = SHOPLAKE_TRY(incremental_write(node, compiled->sql));
      SHOPLAKE_TRY(context_.await_published_inputs(node.unique_id));
      const Result<Written> written = context_.lake.write_incremental(session, write);
      if (!written.ok()) {
        if (written.error().kind == base::ErrorKind::conflict && attempt < kConflictAttemptsMax &&
            !context_.options.stop.stop_requested())
          continue;
        return written.error();
      }
      succeeded(result, *written);
    }
    SHOPLAKE_TRY(run_hooks(session, compiler, node, "post-hook", compile_options));
    if (materialized == "incremental") {
      complete_incremental(compiler, node, before, compiled->sql, compile_options.is_incremental);
    } else {
      context_.complete(node, before, compiled->sql);
    }
    result.message = "OK";
    return {};
  }
}

Result<void> TableRunner::run_seed(engine::Session& session, Node& node, NodeResult& result) const {
  result.started_us = context_.now();
  const std::optional<Work> before = context_.work(node, node.content_digest);
  if (context_.keep(before, result))
    return {};
  const std::string query = SHOPLAKE_TRY(seed_query(session, node));
  UnpublishedTable table = SHOPLAKE_TRY(write_audited(session, context_.table_write(node, query)));
  succeeded(result, table.written);
  result.message = fmt::format("INSERT {}", table.written.rows);
  context_.publish_later(node, {std::move(table), {}, {}, {}});
  result.relation_name = relation_name(node.schema, node.alias);
  context_.complete(node, before, node.content_digest);
  return {};
}

Result<void> TableRunner::run_snapshot(engine::Session& session, Node& node, NodeResult& result) const {
  const RelationName relation{node.schema, node.alias};
  const SnapshotPlan plan = SHOPLAKE_TRY(snapshot_plan(node));
  Compiler compiler(context_.manifest, context_.renderer, &context_.lake, &session, context_.log());
  for (int attempt = 1;; ++attempt) {
    SHOPLAKE_TRY(context_.lake.refresh(session, relation));
    result.compile_started_us = context_.now();
    const CompiledNode compiled = SHOPLAKE_TRY(compiler.compile(node).within("compile"));
    context_.note_compiled(node, result, compiled.sql);
    result.compile_finished_us = result.started_us = context_.now();
    if (context_.options.compile_only)
      return {};
    const std::optional<Work> before = context_.work(node, compiled.sql);
    if (context_.keep(before, result))
      return {};
    SHOPLAKE_TRY(run_hooks(session, compiler, node, "pre-hook", {}));
    SHOPLAKE_TRY(context_.await_published_inputs(node.unique_id));
    const Result<Written> written =
        write_snapshot(context_.lake, session,
                       {context_.table_write(node, compiled.sql), plan, result.started_us, context_.options.audit});
    if (!written.ok() && written.error().kind == base::ErrorKind::conflict && attempt < kConflictAttemptsMax &&
        !context_.options.stop.stop_requested())
      continue;
    succeeded(result, SHOPLAKE_TRY(written));
    SHOPLAKE_TRY(run_hooks(session, compiler, node, "post-hook", {}));
    context_.complete(node, before, compiled.sql, /*is_settled=*/true);
    result.message = "OK";
    result.relation_name = relation_name(node.schema, node.alias);
    return {};
  }
}

}  // namespace shoplake::model
