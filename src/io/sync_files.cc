#include "io/sync_files.h"

#include <set>

#include "io/parallel.h"

namespace shoplake::io {

Result<void> sync_files(Env& env, const std::vector<std::string>& paths) {
  SHOPLAKE_TRY(for_each_in_parallel(paths, [&](const std::string& path) -> Result<void> {
    const auto file = SHOPLAKE_TRY(env.append_file(path));
    SHOPLAKE_TRY(file->sync());
    return file->close();
  }));
  std::set<std::string> folders;
  for (const std::string& path : paths)
    folders.insert(parent_path(path));
  return for_each_in_parallel(std::vector<std::string>(folders.begin(), folders.end()),
                              [&](const std::string& folder) { return env.sync_directory(folder); });
}

}  // namespace shoplake::io
