#include "live/lake_lock.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace shoplake::live {
namespace {

// How often a waiting process looks again: locks of files tell nobody when they become free.
constexpr std::chrono::milliseconds kLookAgain{20};

std::string lock_path(const std::string& home_directory) { return io::join_path(home_directory, "live.lock"); }
std::string wanted_path(const std::string& home_directory) { return io::join_path(home_directory, "live.lock.wanted"); }

Result<std::unique_ptr<io::FileLock>> try_lock(io::Env& env, const std::string& path) {
  auto lock = env.lock_file(path);
  if (!lock.ok() && lock.error().kind == base::ErrorKind::conflict)
    return std::unique_ptr<io::FileLock>();
  return lock;
}

}  // namespace

Result<std::unique_ptr<io::FileLock>> lock_when_free(io::Env& env, const std::string& path,
                                                     const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  while (true) {
    auto lock = SHOPLAKE_TRY(try_lock(env, path));
    if (lock)
      return lock;
    std::unique_lock guard(mutex);
    changed.wait_for(guard, stop, kLookAgain, [] { return false; });
    if (stop.stop_requested()) {
      return base::make_error(base::ErrorKind::cancelled, "live.lock_cancelled",
                              "interrupted while waiting for " + path, "");
    }
  }
}

Result<std::unique_ptr<LakeLock>> LakeLock::acquire(io::Env& env, const std::string& home_directory,
                                                    std::stop_token stop) {
  const auto wanted = SHOPLAKE_TRY(lock_when_free(env, wanted_path(home_directory), stop));
  auto lock = SHOPLAKE_TRY(lock_when_free(env, lock_path(home_directory), stop));
  return std::unique_ptr<LakeLock>(new LakeLock(std::move(lock)));
}

Result<std::unique_ptr<LakeLock>> LakeLock::try_acquire(io::Env& env, const std::string& home_directory) {
  const auto wanted = SHOPLAKE_TRY(try_lock(env, wanted_path(home_directory)));
  if (!wanted)
    return std::unique_ptr<LakeLock>();
  auto lock = SHOPLAKE_TRY(try_lock(env, lock_path(home_directory)));
  return lock ? std::unique_ptr<LakeLock>(new LakeLock(std::move(lock))) : nullptr;
}

bool LakeLock::is_wanted(io::Env& env, const std::string& home_directory) {
  const auto lock = try_lock(env, wanted_path(home_directory));
  return lock.ok() && *lock == nullptr;
}

}  // namespace shoplake::live
