#include "warehouse/stage.h"

#include <string_view>

#include "base/log.h"

namespace shoplake::warehouse {
namespace {

constexpr std::string_view kLocks = "warehouse-stages";
constexpr std::string_view kLockEnding = ".lock";
constexpr std::string_view kFolderPrefix = "warehouse-";
constexpr int kAttempts = 10;

std::string stage_folder(const std::string& temporary_directory, std::string_view id) {
  return io::join_path(temporary_directory, std::string(kFolderPrefix) + std::string(id));
}

}  // namespace

Result<int> remove_abandoned_stages(io::Env& env, const std::string& home_directory,
                                    const std::string& temporary_directory) {
  const std::string locks = io::join_path(home_directory, kLocks);
  SHOPLAKE_TRY(env.create_directories(locks));
  int removed = 0;
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(locks))) {
    if (!entry.name.ends_with(kLockEnding))
      continue;
    const std::string path = io::join_path(locks, entry.name);
    const auto lock = env.lock_file(path);
    if (!lock.ok())
      continue;  // its load lives
    const std::string id = entry.name.substr(0, entry.name.size() - kLockEnding.size());
    if (const auto gone = env.remove_tree(stage_folder(temporary_directory, id)); !gone.ok()) {
      base::log::warning("warehouse.stage_stays", {{"id", id}, {"reason", gone.error().message}});
      continue;
    }
    SHOPLAKE_TRY(env.remove_file(path));
    ++removed;
  }
  return removed;
}

Result<std::unique_ptr<Stage>> Stage::make(io::Env& env, const std::string& home_directory,
                                           const std::string& temporary_directory) {
  SHOPLAKE_TRY(remove_abandoned_stages(env, home_directory, temporary_directory));
  for (int attempt = 1;; ++attempt) {
    const std::string id = std::to_string(env.now_micros()) + "-" + env.new_uuid();
    const std::string lock_path = io::join_path(io::join_path(home_directory, kLocks), id + std::string(kLockEnding));
    auto lock = env.lock_file(lock_path);
    // Who cleans up may have taken a new file before it was locked.
    const bool is_there = lock.ok() && SHOPLAKE_TRY(env.exists(lock_path));
    if (!is_there && attempt < kAttempts)
      continue;
    if (!lock.ok())
      return std::move(lock).error();
    const std::string directory = stage_folder(temporary_directory, id);
    std::unique_ptr<Stage> stage(new Stage(env, directory, lock_path, std::move(lock).value()));
    SHOPLAKE_TRY(env.create_directories(directory));
    return stage;
  }
}

Stage::~Stage() {
  // The lock's file goes last: as long as it is there, the next load removes what this one could not.
  if (const auto gone = env_.remove_tree(directory_); !gone.ok()) {
    base::log::warning("warehouse.stage_stays", {{"folder", directory_}, {"reason", gone.error().message}});
    return;
  }
  static_cast<void>(env_.remove_file(lock_path_));
}

}  // namespace shoplake::warehouse
