// SpillFolder: the folder of one Database for what does not fit into its memory. DuckDB names its spill files by a
// counter that every database begins at zero, so two databases that share a folder overwrite each other's.
#pragma once

#include <string>

namespace shoplake::engine {

class SpillFolder {
 public:
  // A new folder below `parent`, which exists. Removes those there whose process died: the living hold a lock on theirs
  // (flock(2), which the kernel frees). If none can be made (a file system that cannot be written), path() is one that
  // does not exist, and a statement that needs it fails then.
  explicit SpillFolder(const std::string& parent);
  ~SpillFolder();
  SpillFolder(const SpillFolder&) = delete;
  SpillFolder& operator=(const SpillFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace shoplake::engine
