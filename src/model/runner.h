// Running nodes of a project: by graph, on a bounded number of threads, each node after what it waits for; what fails
// makes everything that needs it be skipped, and nothing else.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "model/artifacts.h"
#include "model/audit.h"
#include "model/compiler.h"
#include "model/graph.h"
#include "model/lake.h"
#include "model/reuse.h"
#include "model/unit_tests.h"

namespace shoplake::model {

inline constexpr int kConflictAttemptsMax = 20;
inline constexpr std::size_t kTestsPerScanMax = 64;
// A node that failed because of what is around it (disk, network, another writer), not because of what it says, is run
// again so many times, the first time after kRetryFirstUs, then after twice as long each time.
inline constexpr int kNodeRetriesMax = 3;
inline constexpr std::int64_t kRetryFirstUs = 1'000'000;

// What a run tells while it goes. Calls come from many threads, one at a time.
class RunListener {
 public:
  virtual ~RunListener() = default;
  virtual void started(int index, int total, const Manifest& manifest, const std::string& unique_id) = 0;
  virtual void finished(int index, int total, const Manifest& manifest, const NodeResult& result) = 0;
  virtual void message(std::string_view text) = 0;  // log(…, info=true) of a template
};

struct RunnerOptions {
  io::Env* env = nullptr;
  std::string target_directory;  // compiled SQL goes below it
  std::string invocation_id;
  int threads = 2;
  bool full_refresh = false;
  bool fail_fast = false;
  bool store_failures = false;
  bool compile_only = false;
  bool tests_gate = true;  // a failed test keeps what is downstream of the tested from being built
  std::int64_t retry_first_us = kRetryFirstUs;
  // The engine's limit, and what it may become: it is doubled when a node cannot do with it. 0: it stays as it is.
  std::uint64_t memory_bytes = 0;
  std::uint64_t memory_bytes_max = 0;
  std::stop_token stop;
  RendererWithOverrides with_overrides;
  Audit* audit = nullptr;      // of every table that is built
  Reuse* reuse = nullptr;      // where it is noted what need not be done again
  bool keep_unchanged = true;  // leave out what `reuse` knows to be complete; not with full_refresh
};

class Runner {
 public:
  Runner(Manifest& manifest, const Graph& graph, const Renderer& renderer, Lake& lake, engine::Database& database,
         RunnerOptions options, RunListener& listener);
  ~Runner();

  // The result of every selected node, in the order in which they ended. Compiled SQL is noted in the manifest.
  // Errors are of the run as a whole (no session); what is wrong with a node is in its result.
  Result<std::vector<NodeResult>> run(const std::set<std::string>& selected);
  // on-run-start or on-run-end.
  Result<std::vector<NodeResult>> run_hooks(std::string_view when);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::model
