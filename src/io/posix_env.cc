#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "io/env.h"
#include "io/io_error.h"

namespace shoplake::io {
namespace {

// Small appends are gathered; a write of at least this size goes straight to the file.
constexpr std::size_t kWriteBufferBytes = 64 * 1024;

class FileDescriptor {
 public:
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  ~FileDescriptor() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }

  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

int open_retrying(const char* path, int flags) {
  int descriptor;
  do {
    descriptor = ::open(path, flags | O_CLOEXEC, 0644);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(FileDescriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  Result<void> append(std::string_view bytes) override {
    if (buffer_.size() + bytes.size() <= kWriteBufferBytes) {
      buffer_.append(bytes);
      return {};
    }
    SHOPLAKE_TRY(flush());
    if (bytes.size() < kWriteBufferBytes) {
      buffer_.append(bytes);
      return {};
    }
    return write(bytes);
  }

  Result<void> sync() override {
    SHOPLAKE_TRY(flush());
    if (::fdatasync(file_.get()) != 0) {
      return system_error("cannot sync", path_, errno);
    }
    return {};
  }

  Result<void> close() override {
    SHOPLAKE_TRY(flush());
    // After EINTR Linux has closed the descriptor all the same.
    if (::close(file_.release()) != 0 && errno != EINTR) {
      return system_error("cannot close", path_, errno);
    }
    return {};
  }

 private:
  Result<void> flush() {
    if (buffer_.empty()) {
      return {};
    }
    auto outcome = write(buffer_);
    buffer_.clear();
    return outcome;
  }

  Result<void> write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) {
          continue;
        }
        return system_error("cannot write", path_, errno);
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  FileDescriptor file_;
  std::string path_;
  std::string buffer_;
};

class PosixRandomAccessFile final : public RandomAccessFile {
 public:
  PosixRandomAccessFile(FileDescriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t offset, std::size_t size, char* buffer) const override {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got = ::pread(file_.get(), buffer + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0) {
        if (errno == EINTR) {
          continue;
        }
        return system_error("cannot read", path_, errno);
      }
      if (got == 0) {
        break;
      }
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<std::uint64_t> size() const override {
    struct stat status;
    if (::fstat(file_.get(), &status) != 0) {
      return system_error("cannot look at", path_, errno);
    }
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  FileDescriptor file_;
  std::string path_;
};

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(FileDescriptor file) : file_(std::move(file)) {}

 private:
  FileDescriptor file_;  // closing it unlocks
};

class PosixEnv final : public Env {
 public:
  Result<std::unique_ptr<WritableFile>> create_file(const std::string& path) override {
    return open_for_writing("cannot create", path, O_WRONLY | O_CREAT | O_TRUNC);
  }

  Result<std::unique_ptr<WritableFile>> append_file(const std::string& path) override {
    return open_for_writing("cannot open for appending", path, O_WRONLY | O_CREAT | O_APPEND);
  }

  Result<std::unique_ptr<RandomAccessFile>> open_file(const std::string& path) override {
    FileDescriptor file(open_retrying(path.c_str(), O_RDONLY));
    if (file.get() < 0) {
      return system_error("cannot open", path, errno);
    }
    struct stat status;
    if (::fstat(file.get(), &status) != 0) {
      return system_error("cannot look at", path, errno);
    }
    if (S_ISDIR(status.st_mode)) {
      return system_error("cannot open", path, EISDIR);
    }
    return std::unique_ptr<RandomAccessFile>(std::make_unique<PosixRandomAccessFile>(std::move(file), path));
  }

  Result<bool> exists(const std::string& path) override {
    struct stat status;
    if (::stat(path.c_str(), &status) == 0) {
      return true;
    }
    if (errno == ENOENT || errno == ENOTDIR) {
      return false;
    }
    return system_error("cannot look at", path, errno);
  }

  Result<bool> is_directory(const std::string& path) override {
    struct stat status;
    if (::stat(path.c_str(), &status) == 0) {
      return S_ISDIR(status.st_mode);
    }
    if (errno == ENOENT || errno == ENOTDIR) {
      return false;
    }
    return system_error("cannot look at", path, errno);
  }

  Result<std::uint64_t> file_size(const std::string& path) override {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) {
      return system_error("cannot look at", path, errno);
    }
    if (S_ISDIR(status.st_mode)) {
      return system_error("cannot tell the size of", path, EISDIR);
    }
    return static_cast<std::uint64_t>(status.st_size);
  }

  Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
    if (!directory) {
      return system_error("cannot list", path, errno);
    }
    std::vector<DirectoryEntry> entries;
    while (true) {
      errno = 0;
      const dirent* found = ::readdir(directory.get());
      if (found == nullptr) {
        if (errno != 0) {
          return system_error("cannot list", path, errno);
        }
        break;
      }
      const std::string_view name = found->d_name;
      if (name == "." || name == "..") {
        continue;
      }
      struct stat status;
      if (::fstatat(::dirfd(directory.get()), found->d_name, &status, 0) != 0) {
        if (errno == ENOENT) {
          continue;  // removed meanwhile, or a link to nothing
        }
        return system_error("cannot look at", join_path(path, name), errno);
      }
      const bool is_directory = S_ISDIR(status.st_mode);
      DirectoryEntry& entry = entries.emplace_back();
      entry.name = name;
      entry.is_directory = is_directory;
      if (!is_directory) {
        entry.size_bytes = static_cast<std::uint64_t>(status.st_size);
        entry.modified_micros = std::int64_t{status.st_mtim.tv_sec} * 1'000'000 + status.st_mtim.tv_nsec / 1000;
      }
    }
    std::ranges::sort(entries, {}, &DirectoryEntry::name);
    return entries;
  }

  Result<void> create_directories(const std::string& path) override {
    if (path.empty()) {
      return {};
    }
    if (::mkdir(path.c_str(), 0755) != 0) {
      if (errno == EEXIST) {
        if (SHOPLAKE_TRY(is_directory(path))) {
          return {};
        }
        return system_error("cannot create the folder", path, EEXIST);
      }
      if (errno != ENOENT) {
        return system_error("cannot create the folder", path, errno);
      }
      const std::string parent = parent_path(path);
      if (parent.empty() || parent == path) {
        return system_error("cannot create the folder", path, ENOENT);
      }
      SHOPLAKE_TRY(create_directories(parent));
      if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
        return system_error("cannot create the folder", path, errno);
      }
    }
    return sync_directory(parent_path(path));
  }

  Result<void> remove_file(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) {
      return system_error("cannot remove", path, errno);
    }
    return {};
  }

  Result<void> remove_tree(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error && error != std::errc::no_such_file_or_directory) {
      return system_error("cannot remove", path, error.value());
    }
    return {};
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return system_error("cannot rename " + from + " to", to, errno);
    }
    return {};
  }

  Result<void> sync_directory(const std::string& path) override {
    const std::string folder = path.empty() ? "." : path;
    const FileDescriptor directory(open_retrying(folder.c_str(), O_RDONLY | O_DIRECTORY));
    if (directory.get() < 0) {
      return system_error("cannot open", folder, errno);
    }
    if (::fsync(directory.get()) != 0) {
      return system_error("cannot sync", folder, errno);
    }
    return {};
  }

  Result<std::unique_ptr<FileLock>> lock_file(const std::string& path) override {
    FileDescriptor file(open_retrying(path.c_str(), O_RDWR | O_CREAT));
    if (file.get() < 0) {
      return system_error("cannot open the lock", path, errno);
    }
    // A lock of the open file description: unlike classic POSIX locks, another close() in this process keeps it.
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(file.get(), F_OFD_SETLK, &whole) != 0) {
      if (errno == EAGAIN || errno == EACCES) {
        return locked_error(path);
      }
      return system_error("cannot lock", path, errno);
    }
    return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(std::move(file)));
  }

  std::int64_t now_micros() override { return clock_micros(CLOCK_REALTIME); }
  std::int64_t monotonic_micros() override { return clock_micros(CLOCK_MONOTONIC); }

  void fill_random(char* buffer, std::size_t size) override {
    while (size > 0) {
      const ssize_t got = ::getrandom(buffer, size, 0);
      if (got < 0) {
        SHOPLAKE_CHECK(errno == EINTR);
        continue;
      }
      buffer += got;
      size -= static_cast<std::size_t>(got);
    }
  }

 private:
  static Result<std::unique_ptr<WritableFile>> open_for_writing(std::string_view what, const std::string& path,
                                                                int flags) {
    FileDescriptor file(open_retrying(path.c_str(), flags));
    if (file.get() < 0) {
      return system_error(what, path, errno);
    }
    return std::unique_ptr<WritableFile>(std::make_unique<PosixWritableFile>(std::move(file), path));
  }

  static std::int64_t clock_micros(clockid_t clock) {
    timespec now;
    ::clock_gettime(clock, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
  }
};

}  // namespace

Env& posix_env() {
  static PosixEnv env;
  return env;
}

}  // namespace shoplake::io
