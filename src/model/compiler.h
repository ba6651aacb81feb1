// Compiling a node: its template with refs and sources resolved to relations of the lake, and the ephemeral models it
// uses put in front as CTEs (__dbt__cte__x).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/session.h"
#include "model/lake.h"
#include "model/manifest.h"

namespace shoplake::model {

// SQL with CTEs put in front of it, before the ones that it has itself. Each is {name, body}.
std::string inject_ctes(const std::string& sql, const std::vector<std::pair<std::string, std::string>>& ctes);

struct CompiledNode {
  std::string sql;
  std::vector<std::pair<std::string, std::string>> ctes;  // that are in front of it
};

class Compiler {
 public:
  using Log = std::function<void(std::string_view message, bool to_terminal)>;

  // `lake` and `session` may be null: then nothing can be asked of the database (compile without a lake).
  Compiler(const Manifest& manifest, const Renderer& renderer, Lake* lake, engine::Session* session, Log log)
      : manifest_(manifest), renderer_(renderer), lake_(lake), session_(session), log_(std::move(log)) {}

  struct Options {
    bool is_incremental = false;
    // Instead of the real relation of a node or source (by unique id; "this" for the node itself): unit tests.
    const std::map<std::string, Relation>* stand_ins = nullptr;
    Json extra = Json::object();
  };
  Result<CompiledNode> compile(const Node& node, const Options& options);
  Result<CompiledNode> compile(const Node& node) { return compile(node, Options()); }
  // One template in the context of a node: hooks.
  Result<std::string> render(const Node& node, const std::string& text, const Options& options);

 private:
  friend class CompileHost;
  const Manifest& manifest_;
  const Renderer& renderer_;
  Lake* lake_;
  engine::Session* session_;
  Log log_;
};

// The rows of an answer as run_query() gives them.
Json result_to_json(const engine::ResultSet& result);

}  // namespace shoplake::model
