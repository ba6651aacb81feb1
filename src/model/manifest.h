// What a dbt project says, after parsing: nodes (models, seeds, snapshots, data tests, operations), sources, unit
// tests, exposures, macros and documentation blocks, with configuration, names and dependencies resolved. A value;
// written once by parse_project(), read by selection, execution and the artifacts. Source:
// https://docs.getdbt.com/reference/artifacts/manifest-json
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/renderer.h"

namespace shoplake::model {

enum class ResourceType { model, seed, snapshot, test, unit_test, source, exposure, operation, analysis };
std::string_view name(ResourceType type);

struct ColumnDocument {
  std::string name;
  std::string description;
  std::string data_type;
  std::optional<bool> quote;
  Json meta = Json::object();
  std::vector<std::string> tags;
  Json constraints = Json::array();
};

// What a generic test was made from: not_null of column x of model y.
struct TestMetadata {
  std::string name;                       // "not_null"
  std::optional<std::string> name_space;  // package of a qualified test: "dbt_utils"
  Json arguments = Json::object();        // as written in YAML, with "model" and "column_name"
};

struct Node {
  std::string unique_id;  // "model.shoplake.stg_ga4_events"
  ResourceType type = ResourceType::model;
  std::string name;
  std::string package;
  std::string package_directory;   // absolute
  std::string path;                // below its resource folder: "staging/stg_ga4_events.sql"
  std::string original_file_path;  // below the package: "models/staging/stg_ga4_events.sql"
  int line = 0;                    // in original_file_path, for what YAML declares
  std::vector<std::string> fqn;    // "shoplake", "staging", "stg_ga4_events"
  std::string checksum;            // sha256 of the file, as dbt has it: without white space around it
  std::string content_digest;      // of a seed: sha256 of all its bytes

  std::string raw_code;       // the template
  std::string compiled_code;  // set by compilation
  std::string compiled_path;  // absolute, where compiled_code was written
  bool compiled = false;

  Json config = Json::object();  // merged; "materialized", "enabled", "tags" … are always there
  Json unrendered_config = Json::object();
  std::string database;
  std::string schema;
  std::string alias;
  std::string description;
  std::string patch_path;  // "shoplake://models/schema.yml"
  std::vector<ColumnDocument> columns;
  std::vector<std::string> tags;
  Json meta = Json::object();

  std::vector<RefCall> refs;
  std::vector<SourceCall> sources;
  std::vector<std::string> depends_on;  // unique ids, in order of first use
  std::vector<std::string> depends_on_macros;

  std::optional<TestMetadata> test;  // of a generic test
  std::string column_name;           // of a test of a column
  std::string attached_node;         // unique id of the model a generic test belongs to
  std::string file_key_name;         // "models.stg_ga4_events"

  std::string materialized() const { return config.value("materialized", std::string()); }
  bool is_refable() const {
    return type == ResourceType::model || type == ResourceType::seed || type == ResourceType::snapshot;
  }
  Relation relation() const;
};

struct Source {
  std::string unique_id;  // "source.shoplake.processed.events"
  std::string package;
  std::string source_name;
  std::string name;
  std::string original_file_path;
  int line = 0;
  std::vector<std::string> fqn;
  std::string database;
  std::string schema;
  std::string identifier;
  std::string loader;
  std::string loaded_at_field;
  std::string description;
  std::string source_description;
  Json freshness;  // {"warn_after": {"count","period"}, "error_after": …, "filter"} or null
  Json meta = Json::object();
  Json source_meta = Json::object();
  Json config = Json::object();
  std::vector<std::string> tags;
  std::vector<ColumnDocument> columns;

  Relation relation() const;
};

struct UnitTest {
  struct Given {
    std::string input;    // "ref('x')", "source('a', 'b')" or "this"
    std::string format;   // dict, csv, sql
    Json rows;            // list of objects, or text
    std::string fixture;  // name of a fixture file
  };
  std::string unique_id;  // "unit_test.shoplake.int_sessions.test_gap"
  std::string name;
  std::string package;
  std::string package_directory;
  std::string model_name;
  std::string model_id;  // unique id of the model
  std::string original_file_path;
  int line = 0;
  std::vector<std::string> fqn;
  std::string description;
  std::vector<Given> given;
  std::string expect_format;
  Json expect_rows;
  std::string expect_fixture;
  Json overrides = Json::object();  // {"macros": …, "vars": …, "env_vars": …}
  Json config = Json::object();
  std::vector<std::string> tags;
  std::vector<std::string> depends_on;
};

struct Exposure {
  std::string unique_id;
  std::string name;
  std::string package;
  std::string original_file_path;
  std::vector<std::string> fqn;
  std::string type;
  std::string label;
  std::string maturity;
  std::string url;
  std::string description;
  Json owner = Json::object();
  Json meta = Json::object();
  std::vector<std::string> tags;
  std::vector<RefCall> refs;
  std::vector<SourceCall> sources;
  std::vector<std::string> depends_on;
};

struct DocumentationBlock {
  std::string unique_id;  // "doc.shoplake.grain"
  std::string name;
  std::string package;
  std::string original_file_path;
  std::string contents;
};

struct Manifest {
  std::string project_name;
  std::map<std::string, Node> nodes;  // enabled only; by unique id
  std::map<std::string, Source> sources;
  std::map<std::string, UnitTest> unit_tests;
  std::map<std::string, Exposure> exposures;
  std::map<std::string, DocumentationBlock> docs;
  std::map<std::string, std::string> macro_descriptions;  // by unique id
  std::vector<Node> disabled;
  std::vector<std::string> warnings;  // "models/x.yml:3: …", each once

  // A model, seed or snapshot by name, as ref() finds it from `package`: the package's own, then the project's, then
  // any.
  const Node* find_ref(const RefCall& call, std::string_view package) const;
  const Source* find_source(const SourceCall& call, std::string_view package) const;
  std::string_view resource_type(const std::string& unique_id) const;
  const std::vector<std::string>* depends_on(const std::string& unique_id) const;
  // Index of refable nodes by name; made by index().
  void index();
  // Adds to `warnings` what is not there yet.
  void warn(std::string text);

 private:
  std::multimap<std::string, std::string, std::less<>> refable_;
  std::multimap<std::pair<std::string, std::string>, std::string> source_index_;
};

}  // namespace shoplake::model
