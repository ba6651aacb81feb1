#include "app/installation.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace shoplake::app {

Installation find_installation() {
  Installation found;
  if (const char* prefix = std::getenv("SHOPLAKE_PREFIX"); prefix != nullptr && *prefix != '\0') {
    found.prefix = prefix;
  } else {
    std::error_code error;
    const std::filesystem::path executable = std::filesystem::read_symlink("/proc/self/exe", error);
    found.prefix = executable.parent_path().parent_path().string();
  }
  found.extension_directory = found.prefix + "/lib/duckdb";
  found.share_directory = found.prefix + "/share/shoplake";
  return found;
}

}  // namespace shoplake::app
