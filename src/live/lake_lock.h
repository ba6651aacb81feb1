// LakeLock: who may change the models' tables of a home. `shoplake build` and live exclude each other by it, because
// live keeps rows of these tables in memory together with their places in the data files.
//
// Two lock files in the home: live.lock is held by who writes, live.lock.wanted by who waits for it. Live asks
// is_wanted() between two steps and lets a waiting build go first. Both are freed by the system when a process dies.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::live {

using base::Result;

// The lock of that file, once nobody else has it. Error live.lock_cancelled (kind cancelled) if `stop` came first.
Result<std::unique_ptr<io::FileLock>> lock_when_free(io::Env& env, const std::string& path,
                                                     const std::stop_token& stop);

class LakeLock {
 public:
  // Waits until the lock is free; live gives it up within one step. Errors: live.lock_cancelled (kind cancelled) if
  // `stop` came first; those of Env.
  static Result<std::unique_ptr<LakeLock>> acquire(io::Env& env, const std::string& home_directory,
                                                   std::stop_token stop);
  // None if another holds it or waits for it: who has just given it up to a waiting build does not overtake the build.
  static Result<std::unique_ptr<LakeLock>> try_acquire(io::Env& env, const std::string& home_directory);
  // Whether somebody waits in acquire(). To be asked by the holder.
  static bool is_wanted(io::Env& env, const std::string& home_directory);

 private:
  explicit LakeLock(std::unique_ptr<io::FileLock> lock) : lock_(std::move(lock)) {}
  std::unique_ptr<io::FileLock> lock_;
};

}  // namespace shoplake::live
