#include "engine/spill_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace shoplake::engine {
namespace {

constexpr std::string_view kPrefix = "engine-";

// A descriptor that holds the folder's lock, or -1 if another holds it or the folder is gone.
int lock_folder(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return -1;
  struct stat locked {
  }, named{};
  // Who cleans up may have locked and removed it in between.
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0 && ::fstat(descriptor, &locked) == 0 &&
      ::stat(path.c_str(), &named) == 0 && locked.st_ino == named.st_ino)
    return descriptor;
  ::close(descriptor);
  return -1;
}

void remove_abandoned(const std::string& parent) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(parent, error), end; !error && entry != end; entry.increment(error)) {
    if (!entry->path().filename().string().starts_with(kPrefix))
      continue;
    const int descriptor = lock_folder(entry->path().string());
    if (descriptor < 0)
      continue;
    std::error_code ignored;
    std::filesystem::remove_all(entry->path(), ignored);
    ::close(descriptor);
  }
}

}  // namespace

SpillFolder::SpillFolder(const std::string& parent) {
  remove_abandoned(parent);
  static std::atomic<unsigned> counter = 0;
  const std::string stem = parent + "/" + std::string(kPrefix) + std::to_string(::getpid()) + "-";
  for (int attempt = 0; attempt < 100; ++attempt) {
    path_ = stem + std::to_string(counter++);
    std::error_code error;
    if (!std::filesystem::create_directory(path_, error)) {
      if (error)
        return;
      continue;  // of another process space that shares the folder
    }
    descriptor_ = lock_folder(path_);
    if (descriptor_ >= 0)
      return;
  }
}

SpillFolder::~SpillFolder() {
  if (descriptor_ < 0)
    return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  ::close(descriptor_);
}

}  // namespace shoplake::engine
