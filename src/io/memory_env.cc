#include "io/memory_env.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/io_error.h"

namespace shoplake::io {
namespace {

class MemoryWritableFile final : public WritableFile {
 public:
  MemoryWritableFile(MemoryEnv& env, std::shared_ptr<MemoryEnv::File> file) : env_(env), file_(std::move(file)) {}

  Result<void> append(std::string_view bytes) override {
    const std::int64_t now = env_.now_micros();
    const std::lock_guard lock(file_->mutex);
    file_->bytes.append(bytes);
    file_->modified_micros = now;
    return {};
  }
  Result<void> sync() override { return {}; }
  Result<void> close() override { return {}; }

 private:
  MemoryEnv& env_;
  std::shared_ptr<MemoryEnv::File> file_;
};

class MemoryRandomAccessFile final : public RandomAccessFile {
 public:
  explicit MemoryRandomAccessFile(std::shared_ptr<MemoryEnv::File> file) : file_(std::move(file)) {}

  Result<std::size_t> read(std::uint64_t offset, std::size_t size, char* buffer) const override {
    const std::lock_guard lock(file_->mutex);
    if (offset >= file_->bytes.size()) {
      return std::size_t{0};
    }
    const std::size_t count = std::min<std::size_t>(size, file_->bytes.size() - offset);
    std::memcpy(buffer, file_->bytes.data() + offset, count);
    return count;
  }

  Result<std::uint64_t> size() const override {
    const std::lock_guard lock(file_->mutex);
    return static_cast<std::uint64_t>(file_->bytes.size());
  }

 private:
  std::shared_ptr<MemoryEnv::File> file_;
};

bool is_below(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) &&
         (folder.ends_with('/') || path[folder.size()] == '/');
}

std::string plain(const std::string& path) {
  return path.size() > 1 && path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
}

}  // namespace

class MemoryFileLock final : public FileLock {
 public:
  MemoryFileLock(MemoryEnv& env, std::string path) : env_(env), path_(std::move(path)) {}
  ~MemoryFileLock() override {
    const std::lock_guard lock(env_.mutex_);
    env_.locked_.erase(path_);
  }

 private:
  MemoryEnv& env_;
  std::string path_;
};

bool MemoryEnv::is_folder(const std::string& path) const { return folders_.contains(plain(path)); }

void MemoryEnv::advance(std::int64_t micros) {
  const std::lock_guard lock(mutex_);
  now_micros_ += micros;
  monotonic_micros_ += micros;
}

Result<std::unique_ptr<WritableFile>> MemoryEnv::open_for_writing(const std::string& path, bool truncate) {
  const std::lock_guard lock(mutex_);
  if (is_folder(path)) {
    return system_error("cannot create", path, EISDIR);
  }
  if (!is_folder(parent_path(path))) {
    return system_error("cannot create", path, ENOENT);
  }
  auto& file = files_[path];
  if (!file) {
    file = std::make_shared<File>();
  }
  if (truncate) {
    const std::lock_guard file_lock(file->mutex);
    file->bytes.clear();
    file->modified_micros = now_micros_;
  }
  return std::unique_ptr<WritableFile>(std::make_unique<MemoryWritableFile>(*this, file));
}

Result<std::unique_ptr<WritableFile>> MemoryEnv::create_file(const std::string& path) {
  return open_for_writing(path, true);
}

Result<std::unique_ptr<WritableFile>> MemoryEnv::append_file(const std::string& path) {
  return open_for_writing(path, false);
}

Result<std::unique_ptr<RandomAccessFile>> MemoryEnv::open_file(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(path);
  if (found == files_.end()) {
    return system_error("cannot open", path, is_folder(path) ? EISDIR : ENOENT);
  }
  return std::unique_ptr<RandomAccessFile>(std::make_unique<MemoryRandomAccessFile>(found->second));
}

Result<bool> MemoryEnv::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return files_.contains(path) || is_folder(path);
}

Result<bool> MemoryEnv::is_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return is_folder(path);
}

Result<std::uint64_t> MemoryEnv::file_size(const std::string& path) {
  const auto file = SHOPLAKE_TRY(open_file(path));
  return file->size();
}

Result<std::vector<DirectoryEntry>> MemoryEnv::list_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!is_folder(path)) {
    return system_error("cannot list", path, files_.contains(path) ? ENOTDIR : ENOENT);
  }
  std::vector<DirectoryEntry> entries;
  for (const std::string& folder : folders_) {
    if (!folder.empty() && folder != "/" && folder != "." && parent_path(folder) == plain(path)) {
      entries.push_back({.name = file_name(folder), .is_directory = true});
    }
  }
  for (const auto& [name, file] : files_) {
    if (parent_path(name) == plain(path)) {
      const std::lock_guard file_lock(file->mutex);
      entries.push_back(
          {.name = file_name(name), .size_bytes = file->bytes.size(), .modified_micros = file->modified_micros});
    }
  }
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return entries;
}

Result<void> MemoryEnv::create_directories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> missing;
  for (std::string folder = plain(path); !folders_.contains(folder); folder = parent_path(folder)) {
    if (files_.contains(folder)) {
      return system_error("cannot create the folder", path, folder == path ? EEXIST : ENOTDIR);
    }
    missing.push_back(folder);
  }
  folders_.insert(missing.begin(), missing.end());
  return {};
}

Result<void> MemoryEnv::remove_file(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (files_.erase(path) == 0) {
    return system_error("cannot remove", path, is_folder(path) ? EISDIR : ENOENT);
  }
  return {};
}

Result<void> MemoryEnv::remove_tree(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const std::string root = plain(path);
  std::erase_if(files_, [&](const auto& entry) { return entry.first == root || is_below(entry.first, root); });
  std::erase_if(folders_, [&](const std::string& folder) { return folder == root || is_below(folder, root); });
  folders_.insert({"", "/", "."});
  return {};
}

Result<void> MemoryEnv::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const auto fail = [&](int code) { return system_error("cannot rename " + from + " to", to, code); };
  if (!is_folder(parent_path(to))) {
    return fail(ENOENT);
  }
  if (const auto found = files_.find(from); found != files_.end()) {
    if (is_folder(to)) {
      return fail(EISDIR);
    }
    auto file = std::move(found->second);
    files_.erase(found);
    files_[to] = std::move(file);
    return {};
  }
  if (!is_folder(from)) {
    return fail(ENOENT);
  }
  if (files_.contains(to) || is_folder(to)) {
    return fail(files_.contains(to) ? ENOTDIR : ENOTEMPTY);
  }
  const auto moved = [&](const std::string& path) { return to + path.substr(from.size()); };
  std::map<std::string, std::shared_ptr<File>> files;
  for (auto& [path, file] : files_) {
    files.emplace(is_below(path, from) ? moved(path) : path, std::move(file));
  }
  files_ = std::move(files);
  std::set<std::string> folders;
  for (const std::string& folder : folders_) {
    folders.insert(folder == from || is_below(folder, from) ? moved(folder) : folder);
  }
  folders_ = std::move(folders);
  return {};
}

Result<void> MemoryEnv::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return is_folder(path) ? Result<void>() : system_error("cannot open", path, ENOENT);
}

Result<std::unique_ptr<FileLock>> MemoryEnv::lock_file(const std::string& path) {
  auto file = SHOPLAKE_TRY(open_for_writing(path, false));
  const std::lock_guard lock(mutex_);
  if (!locked_.insert(path).second) {
    return locked_error(path);
  }
  return std::unique_ptr<FileLock>(std::make_unique<MemoryFileLock>(*this, path));
}

std::int64_t MemoryEnv::now_micros() {
  const std::lock_guard lock(mutex_);
  return now_micros_;
}

std::int64_t MemoryEnv::monotonic_micros() {
  const std::lock_guard lock(mutex_);
  return monotonic_micros_;
}

void MemoryEnv::fill_random(char* buffer, std::size_t size) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < size; ++i) {
    buffer[i] = static_cast<char>(random_());
  }
}

}  // namespace shoplake::io
