// StagedFolder: where a program that knows only files (the engine's COPY) writes what belongs below a folder of any
// Env. On this machine's disk that is the folder itself; for an object store it is a folder of its own beside, whose
// files are then published, many at once. What is not published is removed when the object goes; what a killed process
// left, by remove_abandoned_stages().
//
// Belongs to one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/env.h"

namespace shoplake::io {

class StagedFolder {
 public:
  static Result<std::unique_ptr<StagedFolder>> open(Env& env, const std::string& folder);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  // Whether directory() is another folder than the one that was named.
  bool is_elsewhere() const { return directory_ != folder_; }
  // Where to write, and what the path of a file there will be.
  const std::string& directory() const { return directory_; }
  std::string final_path(const std::string& staged_path) const;

  // Makes files, given by their paths in directory(), durable at their final paths. The first error, if any; then
  // nothing is known of any of them.
  Result<void> publish(const std::vector<std::string>& staged_paths);
  // Sends one file on its way; io::sync_files() of its final path says that it has arrived. Nothing to do for a file
  // that is not elsewhere.
  Result<void> send(const std::string& staged_path);

 private:
  StagedFolder(Env& env, std::string folder, std::string directory);

  Env& env_;
  const std::string folder_;
  const std::string directory_;
};

inline constexpr std::string_view kStagePrefix = "stage-";

// A path of its own in a staging directory: <prefix><microseconds since 1970>-<UUID>.
std::string new_staged_path(Env& env, const std::string& staging_directory, std::string_view prefix = kStagePrefix);

// Removes what new_staged_path() named with that prefix more than a day ago: its process was killed. Best effort.
void remove_abandoned_stages(Env& env, const std::string& staging_directory, std::string_view prefix = kStagePrefix);

}  // namespace shoplake::io
