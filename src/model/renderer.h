// Renderer: all Jinja of one dbt project. It knows macros, contexts and dbt's functions; it does not know files, graphs
// or SQL engines: those are behind Host. Values cross as JSON.
//
// Parsing (execute = false) renders a node to learn its config(), ref() and source() calls; compiling renders it to
// SQL. Thread rule: a Renderer is immutable after load_macros(); parse(), render() and call_macro() may run on many
// threads at once, each with its own Host and NodeContext. Source:
// https://docs.getdbt.com/reference/dbt-jinja-functions
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace shoplake::model {

using base::Result;
using Json = nlohmann::ordered_json;

// dbt's relation: what ref(), source() and `this` give. Renders as "schema"."identifier" (with the database in front
// only if one is set).
struct Relation {
  std::string database;
  std::string schema;
  std::string identifier;
  std::string type;  // table, view, cte, external
  std::string sql;   // for ephemeral models: what stands instead of the name (__dbt__cte__x)
};
Json to_json(const Relation& relation);
Relation relation_from_json(const Json& json);

struct RefCall {
  std::string package;  // empty: any
  std::string name;
  std::optional<std::string> version;
  friend auto operator<=>(const RefCall&, const RefCall&) = default;
};
struct SourceCall {
  std::string source;
  std::string table;
  friend auto operator<=>(const SourceCall&, const SourceCall&) = default;
};

// What Jinja asks of the outside while it runs.
class Host {
 public:
  virtual ~Host() = default;
  virtual Result<Relation> ref(const RefCall& call) = 0;
  virtual Result<Relation> source(const SourceCall& call) = 0;
  // run_query() and statement(): {"columns": [{"name","type"}…], "rows": [[…]…]}. Called only when executing.
  virtual Result<Json> run_query(const std::string& sql) = 0;
  // adapter.get_relation(), load_relation(): nothing if it does not exist.
  virtual Result<std::optional<Relation>> get_relation(const Relation& relation) = 0;
  // adapter.get_columns_in_relation(): [{"name","dtype"}…].
  virtual Result<Json> columns_in_relation(const Relation& relation) = 0;
  virtual void log(std::string_view message, bool to_terminal) = 0;
};

// What a node's template sees beside the project-wide names.
struct NodeContext {
  std::string unique_id;         // "model.shoplake.stg_ga4_events"
  std::string package;           // whose macros come first
  std::string path;              // for messages: "models/staging/stg_ga4_events.sql"
  Json model = Json::object();   // the node as in the manifest: `model`
  Json config = Json::object();  // merged configuration: config.get()
  std::optional<Relation> self;  // `this`
  bool execute = false;
  bool is_incremental = false;  // what is_incremental() answers
  Json extra = Json::object();  // further names (arguments of a test, of an operation)
};

// What parsing a node found.
struct ParsedNode {
  Json config = Json::object();  // keyword arguments of all config() calls, later ones win; lists of tags added up
  std::vector<RefCall> refs;     // in order of first call, without repeats
  std::vector<SourceCall> sources;
  std::vector<std::string> macros;  // unique ids of the macros called
};

struct MacroFile {
  std::string package;
  std::string path;  // relative to the package: "macros/cents.sql"
  std::string text;
};

struct MacroInfo {
  std::string unique_id;  // "macro.shoplake.cents_to_micros"
  std::string package;
  std::string name;
  std::string path;
  std::string original_text;
  std::vector<std::string> arguments;
};

// A generic test found in a macro file: {% test name(model, column_name, …) %}, callable as macro "test_name".
struct RendererOptions {
  std::string project_name;
  std::string adapter = "duckdb";          // whose dispatch branch is taken: duckdb__x, then default__x
  Json vars = Json::object();              // dbt_project.yml vars, with --vars on top; {"package": {…}} is honoured
  Json target = Json::object();            // target.name, target.schema, target.type …
  std::map<std::string, std::string> env;  // env_var()
  std::string invocation_id;
  std::string run_started_at;      // ISO 8601, UTC
  Json flags = Json::object();     // FULL_REFRESH …
  Json dispatch = Json::object();  // dbt_project.yml dispatch: {"dbt_utils": ["shoplake", "dbt_utils"]}
  Json graph = {{"nodes", Json::object()},
                {"sources", Json::object()}};  // `graph`: what is known when the renderer is made
  Json selected_resources = Json::array();
};

class Renderer {
 public:
  // Loads shoplake's own macros (dbt's cross-database macros, generic tests, materialization parts for the adapter),
  // then the packages' and the project's in the given order; later ones override by dbt's rules (project, packages,
  // built in). Errors: model.jinja_syntax (kind failed) with file and line.
  static Result<std::unique_ptr<Renderer>> create(RendererOptions options, const std::vector<MacroFile>& macros);
  ~Renderer();

  const std::vector<MacroInfo>& macros() const;
  bool has_macro(std::string_view name) const;  // as seen from the project

  // Renders with execute = false; ref() and source() answer with stand-ins, so `host` is asked for nothing but log().
  Result<ParsedNode> parse(const std::string& text, const NodeContext& context, Host& host) const;
  // Errors: model.jinja (kind failed) with file, line, the message and the stack of macros.
  Result<std::string> render(const std::string& text, const NodeContext& context, Host& host) const;
  // Calls a macro; the answer is its return() value, or its text.
  Result<Json> call_macro(std::string_view name, const Json& positional, const Json& named, const NodeContext& context,
                          Host& host) const;
  // Renders one value of a YAML file (strings with {{ }} only), as dbt does: `vars`, env_var, target.
  Result<Json> render_yaml(const Json& value) const;

 private:
  struct State;
  explicit Renderer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::model
