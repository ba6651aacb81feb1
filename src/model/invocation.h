// One invocation of a dbt command on one project: the project read and parsed, and its artifacts written.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "io/env.h"
#include "model/artifacts.h"
#include "model/graph.h"
#include "model/manifest.h"
#include "model/parser.h"
#include "model/project.h"

namespace shoplake::model {

struct InvocationOptions {
  io::Env* env = nullptr;
  std::string project_directory;  // absolute
  std::string target_directory;   // absolute; artifacts and compiled SQL
  Json vars = Json::object();     // --vars
  // What a variable that dbt_project.yml sets to `auto` stands for in this lake; without it, and for what it does not
  // know, false. dbt-core sees the text `auto`.
  std::function<Result<bool>(const std::string& variable)> decide_automatic;
  std::string target_name = "dev";
  std::string target_schema = "main";
  int threads = 2;
  bool full_refresh = false;
  bool store_failures = false;
  std::string command;                             // "build", for `flags.WHICH` and run_results
  std::map<std::string, std::string> environment;  // env_var()
};

class Invocation {
 public:
  static Result<std::unique_ptr<Invocation>> load(const InvocationOptions& options);

  const InvocationOptions& options() const { return options_; }
  const Project& project() const { return project_; }
  Manifest& manifest() { return manifest_; }
  const Graph& graph() const { return graph_; }
  const Renderer& renderer() const { return *renderer_; }
  const ArtifactMetadata& metadata() const { return metadata_; }
  std::int64_t started_us() const { return started_us_; }

  // The same project with other vars, macros and environment variables, for unit tests.
  Result<std::unique_ptr<Renderer>> renderer_with(const Json& overrides) const;

  // Writes <target>/<name> as a whole or not at all. Not synced: an artifact can be made again.
  Result<void> write_artifact(const std::string& name, const Json& json) const;
  Result<void> write_manifest() const;

 private:
  RendererOptions renderer_options(const Json& vars) const;

  InvocationOptions options_;
  Project project_;
  std::vector<MacroFile> macros_;
  std::unique_ptr<Renderer> renderer_;
  Manifest manifest_;
  Graph graph_;
  ArtifactMetadata metadata_;
  std::int64_t started_us_ = 0;
};

}  // namespace shoplake::model
