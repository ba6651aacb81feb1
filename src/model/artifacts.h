// dbt's artifacts, in the schemas of dbt 1.9 (manifest v12, run_results v6, catalog v1, sources v3): what docs sites,
// state comparison and other tools around dbt read. Source: https://schemas.getdbt.com
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/graph.h"
#include "model/manifest.h"

namespace shoplake::model {

inline constexpr const char* kDbtVersion = "1.9.0";  // the dialect that is spoken

enum class NodeStatus { success, error, skipped, pass, fail, warn };
std::string_view name(NodeStatus status);

// What came of one node.
struct NodeResult {
  std::string unique_id;
  NodeStatus status = NodeStatus::success;
  std::string message;
  std::optional<std::int64_t> failures;  // of tests
  std::int64_t compile_started_us = 0;   // microseconds since 1970; 0: not done
  std::int64_t compile_finished_us = 0;
  std::int64_t started_us = 0;
  std::int64_t finished_us = 0;
  std::string thread = "Thread-1";
  std::optional<std::int64_t> rows;  // rows written
  Json adapter_response = Json::object();
  std::string relation_name;
  std::string compiled_code;
  bool compiled = false;
  bool kept = false;  // nothing was done, because nothing has changed
};

struct ArtifactMetadata {
  std::string invocation_id;
  std::string generated_at;  // ISO 8601
  std::string project_name;
  std::string adapter = "duckdb";
  Json arguments = Json::object();  // of the command, for run_results
};

// A node as it stands in the manifest, and as `model` in Jinja.
Json node_to_json(const Node& node);
Json manifest_to_json(const Manifest& manifest, const Graph& graph, const Renderer& renderer,
                      const ArtifactMetadata& metadata);
Json run_results_to_json(const std::vector<NodeResult>& results, double elapsed_seconds,
                         const ArtifactMetadata& metadata);

struct CatalogColumn {
  std::string name;
  std::string type;
  std::string comment;
};
struct CatalogEntry {
  std::string unique_id;
  std::string schema;
  std::string name;
  bool is_view = false;
  std::vector<CatalogColumn> columns;
  std::optional<std::int64_t> row_count;
  std::optional<std::int64_t> size_bytes;
  std::string last_modified;  // ISO 8601, empty if not known
};
Json catalog_to_json(const Manifest& manifest, const std::vector<CatalogEntry>& entries,
                     const ArtifactMetadata& metadata);

struct FreshnessResult {
  std::string unique_id;
  std::string status;  // pass, warn, error, runtime error
  std::string error;
  std::string max_loaded_at;  // ISO 8601
  std::string snapshotted_at;
  double age_seconds = 0;
  Json criteria;
  std::int64_t started_us = 0;
  std::int64_t finished_us = 0;
};
Json freshness_to_json(const std::vector<FreshnessResult>& results, double elapsed_seconds,
                       const ArtifactMetadata& metadata);

std::string iso8601(std::int64_t micros);                                             // "2026-11-21T02:04:05.000006Z"
std::string relation_name(const std::string& schema, const std::string& identifier);  // "marts"."x", quoted
// Where a node's compiled SQL lies below <target>/compiled and <target>/run: "shop/models/staging/x.sql".
std::string compiled_file(const Node& node);

}  // namespace shoplake::model
