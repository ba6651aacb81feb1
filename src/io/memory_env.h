// MemoryEnv: files in memory, a clock that moves only when told, random numbers from a seed. For tests that want
// neither a disk nor chance. Folders must exist before files are created in them, as on a disk; "/" and "" do. What is
// written is seen at once and sync() does nothing: wrap it in a FaultyEnv to lose what was not synced. Thread safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>

#include "io/env.h"

namespace shoplake::io {

class MemoryEnv final : public Env {
 public:
  explicit MemoryEnv(std::int64_t now_micros = 0, std::uint64_t seed = 0) : now_micros_(now_micros), random_(seed) {}

  // Both clocks move.
  void advance(std::int64_t micros);

  Result<std::unique_ptr<WritableFile>> create_file(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> append_file(const std::string& path) override;
  Result<std::unique_ptr<RandomAccessFile>> open_file(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<bool> is_directory(const std::string& path) override;
  Result<std::uint64_t> file_size(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) override;
  Result<void> create_directories(const std::string& path) override;
  Result<void> remove_file(const std::string& path) override;
  Result<void> remove_tree(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock_file(const std::string& path) override;  // goes before the Env does
  std::int64_t now_micros() override;
  std::int64_t monotonic_micros() override;
  void fill_random(char* buffer, std::size_t size) override;

  struct File {
    std::mutex mutex;
    std::string bytes;
    std::int64_t modified_micros = 0;
  };

 private:
  friend class MemoryFileLock;
  Result<std::unique_ptr<WritableFile>> open_for_writing(const std::string& path, bool truncate);
  bool is_folder(const std::string& path) const;

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<File>> files_;  // an open file outlives its name, as on a disk
  std::set<std::string> folders_{"", "/", "."};
  std::set<std::string> locked_;
  std::int64_t now_micros_;
  std::int64_t monotonic_micros_ = 0;
  std::mt19937_64 random_;
};

}  // namespace shoplake::io
