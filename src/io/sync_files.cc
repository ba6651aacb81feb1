#include "io/sync_files.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

namespace shoplake::io {
namespace {

constexpr std::size_t kThreadsMax = 12;

template <typename Sync>
Result<void> for_each(const std::vector<std::string>& names, const Sync& sync) {
  std::mutex mutex;
  std::optional<base::Error> failure;
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t index = next.fetch_add(1); index < names.size(); index = next.fetch_add(1)) {
      const Result<void> synced = sync(names[index]);
      if (!synced.ok()) {
        const std::lock_guard guard(mutex);
        if (!failure)
          failure = synced.error();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t index = 1; index < std::min(names.size(), kThreadsMax); ++index)
      threads.emplace_back(work);
    work();
  }
  return failure ? Result<void>(*failure) : Result<void>();
}

}  // namespace

Result<void> sync_files(Env& env, const std::vector<std::string>& paths) {
  SHOPLAKE_TRY(for_each(paths, [&](const std::string& path) -> Result<void> {
    const auto file = SHOPLAKE_TRY(env.append_file(path));
    SHOPLAKE_TRY(file->sync());
    return file->close();
  }));
  std::set<std::string> folders;
  for (const std::string& path : paths)
    folders.insert(parent_path(path));
  return for_each({folders.begin(), folders.end()},
                  [&](const std::string& folder) { return env.sync_directory(folder); });
}

}  // namespace shoplake::io
