// RunContext: what the nodes of one run have in common. Internal to runner.cc, table_runner.* and test_runner.*.
//
// Thread rule: everything may be called by many threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "model/compiler.h"
#include "model/lake.h"
#include "model/manifest.h"
#include "model/publisher.h"
#include "model/renderer.h"
#include "model/reuse.h"
#include "model/runner.h"

namespace shoplake::model {

struct RunContext {
  Manifest& manifest;
  const Renderer& renderer;
  Lake& lake;
  const RunnerOptions& options;
  RunListener& listener;
  std::mutex& mutex;  // of what nodes write into the manifest, and of calls of the listener
  // Gives what a node has made to the publisher, once the node is computed.
  std::function<void(const Node& node, Publication publication)> publish_later;
  // For what commits by itself: waits until all above the node is in the lake. Error model.upstream (kind failed): that
  // could not be.
  std::function<Result<void>(const std::string& id)> await_published_inputs;

  std::int64_t now() const { return options.env->now_micros(); }

  // For people to look at; not durable, and a failure to write it is not a failure of the node. Returns the path, or
  // nothing.
  std::string write_compiled(const Node& node, const std::string& sql) const;
  void note_compiled(Node& node, NodeResult& result, const std::string& sql) const;
  Compiler::Log log() const;

  // How the rows of a query become the node's table.
  TableWrite table_write(const Node& node, const std::string& sql) const;
  bool stores_failures(const Node& test) const;

  // What the node's work is, if it may be kept (model/reuse.h).
  std::optional<Work> work(const Node& node, const std::string& sql) const;
  // True if the node's work was found complete before: then its result says so and nothing is left to do.
  bool keep(const std::optional<Work>& work, NodeResult& result) const;
  // The node was done with what `before` says; if that is still what is there, it need not be done again. `is_settled`:
  // only if its table was left as it was.
  void complete(const Node& node, const std::optional<Work>& before, const std::string& sql,
                bool is_settled = false) const;
};

}  // namespace shoplake::model
