#include "model/test_runner.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "model/config.h"
#include "model/shared_scan.h"
#include "model/unit_tests.h"

namespace shoplake::model {
namespace {

// The generic tests that are shoplake's own: not those of which the project has one of the same name.
std::set<std::string> builtin_tests(const Renderer& renderer) {
  std::set<std::string> builtin;
  std::set<std::string> overridden;
  for (const MacroInfo& macro : renderer.macros()) {
    if (!macro.name.starts_with("test_"))
      continue;
    if (macro.package == "dbt") {
      builtin.insert(macro.name.substr(5));
    } else {
      overridden.insert(macro.name.substr(5));
    }
  }
  for (const std::string& each : overridden)
    builtin.erase(each);
  return builtin;
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

}  // namespace

TestRunner::TestRunner(const RunContext& context)
    : context_(context), builtin_tests_(builtin_tests(context.renderer)) {}

Result<void> TestRunner::compile(engine::Session& session, Node& node, NodeResult& result) const {
  if (node.compiled)
    return {};
  result.compile_started_us = context_.now();
  Compiler compiler(context_.manifest, context_.renderer, &context_.lake, &session, context_.log());
  const CompiledNode compiled = SHOPLAKE_TRY(compiler.compile(node).within("compile"));
  context_.note_compiled(node, result, compiled.sql);
  result.compile_finished_us = result.started_us = context_.now();
  return {};
}

bool TestRunner::keep_passed(const std::optional<Work>& work, NodeResult& result) const {
  if (!context_.keep(work, result))
    return false;
  result.status = NodeStatus::pass;
  result.failures = 0;
  return true;
}

Result<void> TestRunner::run(engine::Session& session, Node& node, NodeResult& result) const {
  SHOPLAKE_TRY(compile(session, node, result));
  if (result.started_us == 0)
    result.started_us = context_.now();
  if (context_.options.compile_only)
    return {};
  const std::optional<Work> before = context_.work(node, node.compiled_code);
  if (keep_passed(before, result))
    return {};
  std::string main = node.compiled_code;
  SHOPLAKE_TRY(context_.lake.prepare(session, main));
  if (const std::string limit = config_text(node.config, "limit"); !limit.empty())
    main = fmt::format("select * from (\n{}\n) dbt_internal_limited limit {}", main, limit);
  if (context_.stores_failures(node)) {
    SHOPLAKE_TRY(context_.await_published_inputs(node.unique_id));
    SHOPLAKE_TRY(context_.lake.replace_table(session, context_.table_write(node, main)));
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
    context_.complete(node, before, node.compiled_code);
  return {};
}

Result<void> TestRunner::run_unit(engine::Session& session, const UnitTest& test, NodeResult& result) const {
  result.started_us = context_.now();
  const UnitTestOutcome outcome = SHOPLAKE_TRY(run_unit_test(test, context_.manifest, context_.renderer,
                                                             context_.options.with_overrides, context_.lake, session));
  result.compiled = true;
  result.compiled_code = outcome.sql;
  Node place;  // for the path only
  place.package = test.package;
  place.original_file_path = test.original_file_path + "/" + test.model_name + "/" + test.name + ".sql";
  context_.write_compiled(place, outcome.sql);
  result.failures = outcome.passed ? 0 : 1;
  result.status = outcome.passed ? NodeStatus::pass : NodeStatus::fail;
  if (!outcome.passed)
    result.message = outcome.difference;
  return {};
}

std::optional<std::string> TestRunner::countable(const Node& node) const {
  if (context_.options.compile_only || !node.test || !builtin_tests_.contains(node.test->name))
    return std::nullopt;
  return failures_in_scan(node, context_.options.store_failures);
}

std::optional<RelationName> TestRunner::tested_relation(const Node& test) const {
  if (const auto node = context_.manifest.nodes.find(test.attached_node); node != context_.manifest.nodes.end()) {
    if (node->second.materialized() == "ephemeral")
      return std::nullopt;
    return RelationName{node->second.schema, node->second.alias};
  }
  if (const auto source = context_.manifest.sources.find(test.attached_node);
      source != context_.manifest.sources.end()) {
    return RelationName{source->second.schema, source->second.identifier};
  }
  return std::nullopt;
}

void TestRunner::run_together(engine::Session& session, const std::vector<std::string>& ids,
                              std::vector<NodeResult>& group,
                              const std::function<void(std::size_t index)>& run_alone) const {
  std::vector<std::size_t> counted;
  std::map<std::size_t, std::optional<Work>> works;
  std::set<std::size_t> kept;
  std::string list;
  for (std::size_t index = 0; index < ids.size(); ++index) {
    Node& node = context_.manifest.nodes.at(ids[index]);
    const Result<void> compiled = compile(session, node, group[index]);
    if (!compiled.ok())
      continue;  // running it alone will say why
    works[index] = context_.work(node, node.compiled_code);
    if (keep_passed(works[index], group[index])) {
      kept.insert(index);
      group[index].finished_us = context_.now();
      continue;
    }
    list += fmt::format("{}{}", list.empty() ? "" : ", ", *countable(node));
    counted.push_back(index);
  }
  const std::int64_t begin = context_.now();
  std::set<std::size_t> passed;
  if (!counted.empty()) {
    const RelationName relation = *tested_relation(context_.manifest.nodes.at(ids[counted[0]]));
    const std::string sql = fmt::format("SELECT {} FROM {}", list, relation_name(relation.schema, relation.identifier));
    if (context_.lake.ensure(session, relation).ok()) {
      const Result<engine::ResultSet> answer = session.query(sql);
      if (answer.ok()) {
        for (std::size_t column = 0; column < counted.size(); ++column) {
          if (answer->integer(0, column) == 0)
            passed.insert(counted[column]);
        }
      }
    }
  }
  const std::int64_t end = context_.now();
  for (std::size_t index = 0; index < ids.size(); ++index) {
    NodeResult& result = group[index];
    if (passed.contains(index)) {
      result.started_us = begin;
      result.finished_us = end;
      judge(context_.manifest.nodes.at(ids[index]), result, 0, false, false);
      context_.complete(context_.manifest.nodes.at(ids[index]), works[index], result.compiled_code);
    } else if (!kept.contains(index)) {
      run_alone(index);
    }
  }
}

}  // namespace shoplake::model
