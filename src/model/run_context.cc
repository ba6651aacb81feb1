#include "model/run_context.h"

#include <string_view>
#include <utility>
#include <vector>

#include "model/config.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

std::vector<std::string> partition_columns(const Json& config) {
  const auto found = config.find("partition_by");
  if (found == config.end() || found->is_null())
    return {};
  if (found->is_object())
    return {config_text(*found, "field")};
  return config_list(config, "partition_by");
}

}  // namespace

std::string RunContext::write_compiled(const Node& node, const std::string& sql) const {
  const std::string path = io::join_path(options.target_directory, "compiled/" + compiled_file(node));
  Result<std::unique_ptr<io::WritableFile>> file = options.env->create_file(path);
  if (!file.ok() && options.env->create_directories(io::parent_path(path)).ok())
    file = options.env->create_file(path);
  if (!file.ok() || !(*file)->append(sql + "\n").ok() || !(*file)->close().ok())
    return "";
  return path;
}

void RunContext::note_compiled(Node& node, NodeResult& result, const std::string& sql) const {
  result.compiled = true;
  result.compiled_code = sql;
  const std::string path = write_compiled(node, sql);
  const std::lock_guard lock(mutex);
  node.compiled = true;
  node.compiled_code = sql;
  node.compiled_path = path;
}

Compiler::Log RunContext::log() const {
  return [this](std::string_view message, bool to_terminal) {
    if (!to_terminal)
      return;
    const std::lock_guard lock(mutex);
    listener.message(message);
  };
}

TableWrite RunContext::table_write(const Node& node, const std::string& sql) const {
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

bool RunContext::stores_failures(const Node& test) const {
  const std::string stored_as = config_text(test.config, "store_failures_as");
  return stored_as.empty() ? config_flag(test.config, "store_failures", options.store_failures)
                           : stored_as != "ephemeral";
}

std::optional<Work> RunContext::work(const Node& node, const std::string& sql) const {
  if (options.reuse == nullptr || options.compile_only || (node.type == ResourceType::test && stores_failures(node)))
    return std::nullopt;
  const bool is_audited = options.audit != nullptr && node.is_refable();
  return work_of(lake, node, sql, is_audited ? options.audit->rules({node.schema, node.alias}) : Audit::Rules());
}

bool RunContext::keep(const std::optional<Work>& work, NodeResult& result) const {
  if (!work || options.full_refresh || !options.keep_unchanged || !options.reuse->is_complete(*work))
    return false;
  result.kept = true;
  result.message = "unchanged, kept";
  result.adapter_response = {{"_message", "unchanged, kept"}};
  return true;
}

void RunContext::complete(const Node& node, const std::optional<Work>& before, const std::string& sql,
                          bool is_settled) const {
  std::optional<Work> after = before ? work(node, sql) : std::nullopt;
  if (after && reads_the_same(node, *before, *after) && (!is_settled || leaves_table(node, *before, *after)))
    options.reuse->complete(*std::move(after));
}

}  // namespace shoplake::model
