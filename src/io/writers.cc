#include "io/writers.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace shoplake::io {
namespace {

// Where every writer goes through this kernel, and a file has one inode.
bool is_local(int file) {
  struct statfs status {};
  if (::fstatfs(file, &status) != 0)
    return false;
  constexpr std::array<long, 5> kLocal{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
                                       F2FS_SUPER_MAGIC};
  return std::ranges::find(kLocal, static_cast<long>(status.f_type)) != kLocal.end();
}

Writers writers_of_file(int file) {
  if (!is_local(file))
    return Writers::unknown;
  // A writer that comes while the lease is held is told by a signal, whose default (SIGIO) would end this process.
  if (::fcntl(file, F_SETSIG, SIGURG) != 0)
    return Writers::unknown;
  if (::fcntl(file, F_SETLEASE, F_RDLCK) == 0) {
    ::fcntl(file, F_SETLEASE, F_UNLCK);
    return Writers::none;
  }
  return errno == EAGAIN ? Writers::some : Writers::unknown;
}

}  // namespace

Writers writers_of(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0)
    return Writers::unknown;
  const Writers writers = writers_of_file(file);
  ::close(file);
  return writers;
}

}  // namespace shoplake::io
