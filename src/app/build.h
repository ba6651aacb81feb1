// The dbt commands on a home: build, run, test, seed, snapshot, compile, ls, docs, parse and source freshness. The
// project is the home's (shoplake.yml, else the installation's), or any folder; artifacts go to its target folder.
//
// Target folder: --target-path; else <project>/target for a project that was named; else <home>/target.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "app/app.h"
#include "base/result.h"

namespace shoplake::app {

// The engine's share of a build, where the home sets no memory_limit: with what it does not count (readers, writers,
// the allocator's reserve) the process stays below 1.5 GiB. Beyond it the engine spills; a model that cannot do so gets
// twice as much, up to 80 % of the machine.
inline constexpr std::uint64_t kBuildMemoryBytes = 1ull << 30;

struct ModelCommand {
  enum class Kind { build, run, test, seed, snapshot, compile, ls, docs, parse, freshness };
  Kind kind = Kind::build;
  std::vector<std::string> select;
  std::vector<std::string> exclude;
  std::vector<std::string> resource_types;  // build, ls: only these
  std::vector<std::string> exclude_resource_types;
  std::string indirect_selection = "eager";
  std::string vars;  // YAML
  std::string target = "dev";
  std::string project_directory;  // empty: the home's
  std::string target_path;
  std::string list_output = "selector";            // ls: selector, name, path, json
  std::string inline_sql;                          // compile
  int threads = 0;                                 // 0: the home's, else 2
  std::uint64_t memory_bytes = kBuildMemoryBytes;  // of the engine at first, if the home sets no memory_limit
  bool full_refresh = false;
  bool rebuild = false;  // build, run: also what has not changed
  bool fail_fast = false;
  bool store_failures = false;
  bool compile_docs = true;  // docs: false with --no-compile
};

// Where a command's lines go. `line` is for people (one line, or several separated by '\n'); `json` takes one JSON
// object a line and is used instead if as_json. `paint` colours a word of a line, by what it means.
struct ModelOutput {
  enum class Tone { good, warning, bad, dim };
  bool as_json = false;
  std::function<void(std::string_view)> line;
  std::function<void(std::string_view)> json;
  std::function<std::string(Tone, std::string_view)> paint;
};

// The exit code: 0 done, 1 a node failed. Errors: of the project (model.*), the catalog and the engine.
base::Result<int> run_models(App& app, const ModelCommand& command, const ModelOutput& output, std::stop_token stop);

}  // namespace shoplake::app
