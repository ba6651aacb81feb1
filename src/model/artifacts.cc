#include "model/artifacts.h"

#include <ctime>

#include <fmt/format.h>

#include "engine/session.h"
#include "model/config.h"

namespace shoplake::model {
namespace {

Json nullable(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json columns_to_json(const std::vector<ColumnDocument>& columns) {
  Json object = Json::object();
  for (const ColumnDocument& column : columns) {
    object[column.name] = {{"name", column.name},
                           {"description", column.description},
                           {"meta", column.meta},
                           {"data_type", nullable(column.data_type)},
                           {"constraints", column.constraints},
                           {"quote", column.quote ? Json(*column.quote) : Json(nullptr)},
                           {"tags", column.tags},
                           {"granularity", nullptr}};
  }
  return object;
}

Json refs_to_json(const std::vector<RefCall>& refs) {
  Json list = Json::array();
  for (const RefCall& ref : refs) {
    list.push_back({{"name", ref.name},
                    {"package", nullable(ref.package)},
                    {"version", ref.version ? Json(*ref.version) : Json(nullptr)}});
  }
  return list;
}

Json sources_to_json(const std::vector<SourceCall>& sources) {
  Json list = Json::array();
  for (const SourceCall& source : sources)
    list.push_back(Json::array({source.source, source.table}));
  return list;
}

Json metadata_to_json(const ArtifactMetadata& metadata, const char* schema) {
  return {{"dbt_schema_version", fmt::format("https://schemas.getdbt.com/dbt/{}.json", schema)},
          {"dbt_version", kDbtVersion},
          {"generated_at", metadata.generated_at},
          {"invocation_id", metadata.invocation_id},
          {"env", Json::object()}};
}

Json source_to_json(const Source& source) {
  Json freshness = nullptr;
  if (source.freshness.is_object()) {
    const auto rule = [&](const char* key) {
      Json empty{{"count", nullptr}, {"period", nullptr}};
      const auto found = source.freshness.find(key);
      return found == source.freshness.end() || !found->is_object() ? empty : *found;
    };
    freshness = {{"warn_after", rule("warn_after")},
                 {"error_after", rule("error_after")},
                 {"filter", source.freshness.value("filter", Json())}};
  }
  return {{"database", nullable(source.database)},
          {"schema", source.schema},
          {"name", source.name},
          {"resource_type", "source"},
          {"package_name", source.package},
          {"path", source.original_file_path},
          {"original_file_path", source.original_file_path},
          {"unique_id", source.unique_id},
          {"fqn", source.fqn},
          {"source_name", source.source_name},
          {"source_description", source.source_description},
          {"loader", source.loader},
          {"identifier", source.identifier},
          {"quoting", {{"database", nullptr}, {"schema", nullptr}, {"identifier", nullptr}, {"column", nullptr}}},
          {"loaded_at_field", nullable(source.loaded_at_field)},
          {"freshness", freshness},
          {"external", nullptr},
          {"description", source.description},
          {"columns", columns_to_json(source.columns)},
          {"meta", source.meta},
          {"source_meta", source.source_meta},
          {"tags", source.tags},
          {"config", {{"enabled", true}, {"event_time", nullptr}}},
          {"patch_path", nullptr},
          {"unrendered_config", Json::object()},
          {"relation_name", relation_name(source.schema, source.identifier)},
          {"created_at", 0.0}};
}

Json unit_test_to_json(const UnitTest& test) {
  Json given = Json::array();
  for (const UnitTest::Given& input : test.given) {
    given.push_back(
        {{"input", input.input}, {"rows", input.rows}, {"format", input.format}, {"fixture", nullable(input.fixture)}});
  }
  Json overrides = nullptr;
  if (!test.overrides.empty()) {
    const auto part = [&](const char* key) {
      return test.overrides.contains(key) && test.overrides[key].is_object() ? test.overrides[key] : Json::object();
    };
    overrides = {{"macros", part("macros")}, {"vars", part("vars")}, {"env_vars", part("env_vars")}};
  }
  return {{"model", test.model_name},
          {"given", given},
          {"expect",
           {{"rows", test.expect_rows}, {"format", test.expect_format}, {"fixture", nullable(test.expect_fixture)}}},
          {"name", test.name},
          {"resource_type", "unit_test"},
          {"package_name", test.package},
          {"path", test.original_file_path.substr(test.original_file_path.find('/') + 1)},
          {"original_file_path", test.original_file_path},
          {"unique_id", test.unique_id},
          {"fqn", test.fqn},
          {"description", test.description},
          {"overrides", overrides},
          {"depends_on", {{"macros", Json::array()}, {"nodes", test.depends_on}}},
          {"config", {{"tags", test.tags}, {"meta", test.config.value("meta", Json::object())}, {"enabled", true}}},
          {"checksum", nullptr},
          {"schema", ""},
          {"created_at", 0.0},
          {"versions", nullptr},
          {"version", nullptr}};
}

Json exposure_to_json(const Exposure& exposure) {
  Json owner = exposure.owner;
  if (!owner.contains("email"))
    owner["email"] = nullptr;
  if (!owner.contains("name"))
    owner["name"] = nullptr;
  return {{"name", exposure.name},
          {"resource_type", "exposure"},
          {"package_name", exposure.package},
          {"path", exposure.original_file_path.substr(exposure.original_file_path.find('/') + 1)},
          {"original_file_path", exposure.original_file_path},
          {"unique_id", exposure.unique_id},
          {"fqn", exposure.fqn},
          {"type", exposure.type.empty() ? "application" : exposure.type},
          {"owner", owner},
          {"description", exposure.description},
          {"label", nullable(exposure.label)},
          {"maturity", nullable(exposure.maturity)},
          {"meta", exposure.meta},
          {"tags", exposure.tags},
          {"config", {{"enabled", true}}},
          {"unrendered_config", Json::object()},
          {"url", nullable(exposure.url)},
          {"depends_on", {{"macros", Json::array()}, {"nodes", exposure.depends_on}}},
          {"refs", refs_to_json(exposure.refs)},
          {"sources", sources_to_json(exposure.sources)},
          {"metrics", Json::array()},
          {"created_at", 0.0}};
}

std::string jinja_safe_macro(const MacroInfo& macro) { return macro.original_text; }

Json timing(const char* name, std::int64_t started, std::int64_t finished) {
  return {{"name", name}, {"started_at", iso8601(started)}, {"completed_at", iso8601(finished)}};
}

}  // namespace

std::string_view name(NodeStatus status) {
  switch (status) {
    case NodeStatus::success: return "success";
    case NodeStatus::error: return "error";
    case NodeStatus::skipped: return "skipped";
    case NodeStatus::pass: return "pass";
    case NodeStatus::fail: return "fail";
    case NodeStatus::warn: return "warn";
  }
  return "error";
}

std::string iso8601(std::int64_t micros) {
  const std::time_t seconds =
      static_cast<std::time_t>(micros >= 0 ? micros / 1'000'000 : (micros - 999'999) / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     micros - static_cast<std::int64_t>(seconds) * 1'000'000);
}

std::string relation_name(const std::string& schema, const std::string& identifier) {
  return engine::quote_identifier(schema) + "." + engine::quote_identifier(identifier);
}

std::string compiled_file(const Node& node) {
  if (node.test)
    return fmt::format("{}/{}/{}", node.package, node.original_file_path, node.path);
  if (node.type == ResourceType::operation)
    return fmt::format("{}/{}", node.package, node.path);
  if (node.type == ResourceType::snapshot)  // a file may hold many
    return fmt::format("{}/{}/{}.sql", node.package, node.original_file_path, node.name);
  return fmt::format("{}/{}", node.package, node.original_file_path);
}

Json node_to_json(const Node& node) {
  const bool has_relation = node.type != ResourceType::analysis && node.type != ResourceType::operation &&
                            node.materialized() != "ephemeral" &&
                            (node.type != ResourceType::test || config_flag(node.config, "store_failures", false)) &&
                            !node.schema.empty();
  Json json{{"database", nullable(node.database)},
            {"schema", node.schema},
            {"name", node.name},
            {"resource_type", name(node.type)},
            {"package_name", node.package},
            {"path", node.path},
            {"original_file_path", node.original_file_path},
            {"unique_id", node.unique_id},
            {"fqn", node.fqn},
            {"alias", node.alias},
            {"checksum", {{"name", node.checksum.empty() ? "none" : "sha256"}, {"checksum", node.checksum}}},
            {"config", node.config},
            {"tags", node.tags},
            {"description", node.description},
            {"columns", columns_to_json(node.columns)},
            {"meta", node.meta},
            {"group", nullptr},
            {"docs", node.config.value("docs", Json{{"show", true}, {"node_color", nullptr}})},
            {"patch_path", nullable(node.patch_path)},
            {"build_path", nullptr},
            {"unrendered_config", node.unrendered_config},
            {"created_at", 0.0},
            {"relation_name", has_relation ? Json(relation_name(node.schema, node.alias)) : Json(nullptr)},
            {"raw_code", node.raw_code}};
  if (node.type == ResourceType::seed) {
    json["root_path"] = node.package_directory;
    json["depends_on"] = {{"macros", Json::array()}};
    return json;
  }
  json["language"] = "sql";
  json["refs"] = refs_to_json(node.refs);
  json["sources"] = sources_to_json(node.sources);
  json["metrics"] = Json::array();
  json["depends_on"] = {{"macros", node.depends_on_macros}, {"nodes", node.depends_on}};
  json["compiled_path"] = nullable(node.compiled_path);
  if (node.compiled) {
    json["compiled"] = true;
    json["compiled_code"] = node.compiled_code;
    json["extra_ctes_injected"] = true;
    json["extra_ctes"] = Json::array();
  }
  const bool enforced = node.config.contains("contract") && node.config["contract"].is_object() &&
                        config_flag(node.config["contract"], "enforced", false);
  json["contract"] = {{"enforced", enforced}, {"alias_types", true}, {"checksum", nullptr}};
  if (node.type == ResourceType::model) {
    json["access"] = node.config.value("access", "protected");
    json["constraints"] = Json::array();
    json["version"] = nullptr;
    json["latest_version"] = nullptr;
    json["deprecation_date"] = nullptr;
    json["primary_key"] = Json::array();
    json["time_spine"] = nullptr;
  } else if (node.test) {
    json["column_name"] = nullable(node.column_name);
    json["file_key_name"] = node.file_key_name;
    json["attached_node"] = nullable(node.attached_node);
    json["test_metadata"] = {{"name", node.test->name},
                             {"kwargs", node.test->arguments},
                             {"namespace", node.test->name_space ? Json(*node.test->name_space) : Json(nullptr)}};
  } else if (node.type == ResourceType::operation) {
    json["index"] = nullptr;
  }
  return json;
}

Json manifest_to_json(const Manifest& manifest, const Graph& graph, const Renderer& renderer,
                      const ArtifactMetadata& metadata) {
  Json json;
  json["metadata"] = metadata_to_json(metadata, "manifest/v12");
  json["metadata"]["project_name"] = metadata.project_name;
  json["metadata"]["project_id"] = nullptr;
  json["metadata"]["user_id"] = nullptr;
  json["metadata"]["send_anonymous_usage_stats"] = false;
  json["metadata"]["adapter_type"] = metadata.adapter;
  Json& nodes = json["nodes"] = Json::object();
  for (const auto& [id, node] : manifest.nodes)
    nodes[id] = node_to_json(node);
  Json& sources = json["sources"] = Json::object();
  for (const auto& [id, source] : manifest.sources)
    sources[id] = source_to_json(source);
  Json& macros = json["macros"] = Json::object();
  for (const MacroInfo& macro : renderer.macros()) {
    const auto description = manifest.macro_descriptions.find(macro.unique_id);
    macros[macro.unique_id] = {
        {"name", macro.name},
        {"resource_type", "macro"},
        {"package_name", macro.package},
        {"path", macro.path},
        {"original_file_path", macro.path},
        {"unique_id", macro.unique_id},
        {"macro_sql", jinja_safe_macro(macro)},
        {"depends_on", {{"macros", Json::array()}}},
        {"description", description == manifest.macro_descriptions.end() ? "" : description->second},
        {"meta", Json::object()},
        {"docs", {{"show", true}, {"node_color", nullptr}}},
        {"patch_path", nullptr},
        {"arguments", Json::array()},
        {"created_at", 0.0},
        {"supported_languages", nullptr}};
  }
  Json& docs = json["docs"] = Json::object();
  for (const auto& [id, block] : manifest.docs) {
    docs[id] = {{"name", block.name},
                {"resource_type", "doc"},
                {"package_name", block.package},
                {"path", block.original_file_path.substr(block.original_file_path.find('/') + 1)},
                {"original_file_path", block.original_file_path},
                {"unique_id", id},
                {"block_contents", block.contents}};
  }
  Json& exposures = json["exposures"] = Json::object();
  for (const auto& [id, exposure] : manifest.exposures)
    exposures[id] = exposure_to_json(exposure);
  json["metrics"] = Json::object();
  json["groups"] = Json::object();
  json["selectors"] = Json::object();
  Json& disabled = json["disabled"] = Json::object();
  for (const Node& node : manifest.disabled)
    disabled[node.unique_id].push_back(node_to_json(node));
  Json& parents = json["parent_map"] = Json::object();
  Json& children = json["child_map"] = Json::object();
  for (const std::string& id : graph.nodes()) {
    parents[id] = graph.parents(id);
    children[id] = graph.children(id);
  }
  for (const auto& [id, node] : manifest.nodes) {
    if (parents.contains(id))
      continue;
    parents[id] = Json::array();
    children[id] = Json::array();
  }
  json["group_map"] = Json::object();
  json["saved_queries"] = Json::object();
  json["semantic_models"] = Json::object();
  Json& unit_tests = json["unit_tests"] = Json::object();
  for (const auto& [id, test] : manifest.unit_tests)
    unit_tests[id] = unit_test_to_json(test);
  return json;
}

Json run_results_to_json(const std::vector<NodeResult>& results, double elapsed_seconds,
                         const ArtifactMetadata& metadata) {
  Json json;
  json["metadata"] = metadata_to_json(metadata, "run-results/v6");
  Json& list = json["results"] = Json::array();
  for (const NodeResult& result : results) {
    Json timings = Json::array();
    if (result.compile_finished_us > 0)
      timings.push_back(timing("compile", result.compile_started_us, result.compile_finished_us));
    if (result.finished_us > 0)
      timings.push_back(timing("execute", result.started_us, result.finished_us));
    const std::int64_t begin = result.compile_started_us > 0 ? result.compile_started_us : result.started_us;
    list.push_back(
        {{"status", name(result.status)},
         {"timing", timings},
         {"thread_id", result.thread},
         {"execution_time", result.finished_us > begin ? static_cast<double>(result.finished_us - begin) / 1e6 : 0.0},
         {"adapter_response", result.adapter_response},
         {"message", nullable(result.message)},
         {"failures", result.failures ? Json(*result.failures) : Json(nullptr)},
         {"unique_id", result.unique_id},
         {"compiled", result.compiled},
         {"compiled_code", result.compiled ? Json(result.compiled_code) : Json(nullptr)},
         {"relation_name", nullable(result.relation_name)},
         {"batch_results", nullptr}});
  }
  json["elapsed_time"] = elapsed_seconds;
  json["args"] = metadata.arguments;
  return json;
}

Json catalog_to_json(const Manifest& manifest, const std::vector<CatalogEntry>& entries,
                     const ArtifactMetadata& metadata) {
  Json json;
  json["metadata"] = metadata_to_json(metadata, "catalog/v1");
  json["nodes"] = Json::object();
  json["sources"] = Json::object();
  for (const CatalogEntry& entry : entries) {
    Json columns = Json::object();
    int index = 1;
    for (const CatalogColumn& column : entry.columns) {
      columns[column.name] = {
          {"type", column.type}, {"index", index++}, {"name", column.name}, {"comment", nullable(column.comment)}};
    }
    Json stats = Json::object();
    const auto add = [&](const char* id, const char* label, Json value, const char* description) {
      stats[id] = {
          {"id", id}, {"label", label}, {"value", std::move(value)}, {"include", true}, {"description", description}};
    };
    if (entry.row_count)
      add("num_rows", "# Rows", *entry.row_count, "Rows in the current snapshot");
    if (entry.size_bytes)
      add("num_bytes", "Approximate Size", *entry.size_bytes, "Bytes of the data files of the current snapshot");
    if (!entry.last_modified.empty())
      add("last_modified", "Last Modified", entry.last_modified, "When the current snapshot was committed");
    stats["has_stats"] = {{"id", "has_stats"},
                          {"label", "Has Stats?"},
                          {"value", stats.size() > 0},
                          {"include", false},
                          {"description", "Indicates whether there are statistics for this table"}};
    Json node{{"metadata",
               {{"type", entry.is_view ? "VIEW" : "BASE TABLE"},
                {"schema", entry.schema},
                {"name", entry.name},
                {"database", nullptr},
                {"comment", nullptr},
                {"owner", nullptr}}},
              {"columns", columns},
              {"stats", stats},
              {"unique_id", entry.unique_id}};
    json[manifest.sources.contains(entry.unique_id) ? "sources" : "nodes"][entry.unique_id] = std::move(node);
  }
  json["errors"] = nullptr;
  return json;
}

Json freshness_to_json(const std::vector<FreshnessResult>& results, double elapsed_seconds,
                       const ArtifactMetadata& metadata) {
  Json json;
  json["metadata"] = metadata_to_json(metadata, "sources/v3");
  Json& list = json["results"] = Json::array();
  for (const FreshnessResult& result : results) {
    if (result.status == "runtime error") {
      list.push_back({{"unique_id", result.unique_id}, {"error", result.error}, {"status", "runtime error"}});
      continue;
    }
    list.push_back({{"unique_id", result.unique_id},
                    {"max_loaded_at", result.max_loaded_at},
                    {"snapshotted_at", result.snapshotted_at},
                    {"max_loaded_at_time_ago_in_s", result.age_seconds},
                    {"status", result.status},
                    {"criteria", result.criteria},
                    {"adapter_response", Json::object()},
                    {"timing", Json::array({timing("execute", result.started_us, result.finished_us)})},
                    {"thread_id", "Thread-1"},
                    {"execution_time", static_cast<double>(result.finished_us - result.started_us) / 1e6}});
  }
  json["elapsed_time"] = elapsed_seconds;
  return json;
}

}  // namespace shoplake::model
