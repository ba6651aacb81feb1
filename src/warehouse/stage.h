// Stage: the folder tmp/warehouse-<id>/ of the lake where one load keeps its files, removed when the object goes. What
// a killed load left is removed by the next one: a load holds a lock in the home, <home>/warehouse-stages/<id>.lock,
// which the system frees when its process dies.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::warehouse {

using base::Result;

class Stage {
 public:
  // `temporary_directory` is the lake's; it may be of an object store. Removes abandoned stages first.
  static Result<std::unique_ptr<Stage>> make(io::Env& env, const std::string& home_directory,
                                             const std::string& temporary_directory);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  const std::string& directory() const { return directory_; }

 private:
  Stage(io::Env& env, std::string directory, std::string lock_path, std::unique_ptr<io::FileLock> lock)
      : env_(env), directory_(std::move(directory)), lock_path_(std::move(lock_path)), lock_(std::move(lock)) {}

  io::Env& env_;
  std::string directory_;
  std::string lock_path_;
  std::unique_ptr<io::FileLock> lock_;
};

// Removes the stages whose load died; returns how many. One that cannot be removed is logged and stays for the next
// call.
Result<int> remove_abandoned_stages(io::Env& env, const std::string& home_directory,
                                    const std::string& temporary_directory);

}  // namespace shoplake::warehouse
