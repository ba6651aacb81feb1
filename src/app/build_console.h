// What a dbt command shows: the lines that dbt people know, or one JSON object a line. Not thread safe by itself; the
// runner calls it one at a time.
//
// JSON lines: {"event": "started"|"finished"|"message"|"warning"|"summary", …}; see docs/dbt.md.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "app/build.h"
#include "model/runner.h"

namespace shoplake::app {

class BuildConsole : public model::RunListener {
 public:
  BuildConsole(io::Env& env, const ModelOutput& output) : env_(env), output_(output) {}

  void begin(std::string_view command, const model::Manifest& manifest, std::size_t macro_count);
  void concurrency(int threads, const std::string& target);
  void quiet_nodes(bool quiet) { quiet_nodes_ = quiet; }
  void line(std::string_view text);
  void warning(std::string_view text);

  void started(int index, int total, const model::Manifest& manifest, const std::string& unique_id) override;
  void finished(int index, int total, const model::Manifest& manifest, const model::NodeResult& result) override;
  void message(std::string_view text) override;

  void freshness_started(int index, int total, const model::Source& source);
  void freshness_finished(int index, int total, const model::Source& source, const model::FreshnessResult& result);

  // The summary; returns the exit code.
  int end(const model::Manifest& manifest, const std::vector<model::NodeResult>& results, double elapsed_seconds);

 private:
  void progress_line(int index, int total, const std::string& text, ModelOutput::Tone tone, const std::string& status);
  io::Env& env_;
  const ModelOutput& output_;
  bool quiet_nodes_ = false;
};

}  // namespace shoplake::app
