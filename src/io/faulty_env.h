// FaultyEnv: wraps another Env, fails chosen operations, and on crash() makes the wrapped Env's files what a power cut
// would have left: bytes that were not synced are gone, and so are names (new files, renames, removals) whose folder
// was not synced. Follows the idea of LevelDB's fault-injection Env.
//
// Only files that were created, renamed or removed through this object are tracked; others count as durable. Folders
// are durable when they are made (as Env promises), and remove_tree() is durable at once. A truncated file's old bytes
// are gone. Thread safe; contents of tracked files are also kept in memory.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "io/env.h"

namespace shoplake::io {

class FaultyEnv final : public Env {
 public:
  enum class Operation {
    create,          // create_file, append_file
    open,            // open_file
    read,            // RandomAccessFile::read
    write,           // WritableFile::append
    sync,            // WritableFile::sync
    close,           // WritableFile::close
    list,            // list_directory
    make_directory,  // create_directories
    remove,          // remove_file, remove_tree
    rename,
    sync_directory,
  };
  static constexpr std::size_t kOperations = 11;

  explicit FaultyEnv(Env& target) : target_(target) {}

  // The `nth` operation of a kind from now on (1: the next one) fails with the errno `error_number` and does nothing.
  void fail(Operation operation, int nth, int error_number);
  // The nth write from now on writes only its first `bytes` bytes, then fails with EIO.
  void tear_write(int nth, std::size_t bytes);
  // After `bytes` more bytes the disk is full: the write that passes the limit is cut there and fails with ENOSPC.
  void limit_space(std::uint64_t bytes);
  // Forgets all of the above.
  void heal();

  // How many operations of a kind there were, failed ones too.
  int count(Operation operation) const;

  // The power goes. Files that are open for writing fail from here on. Without a seed everything unsynced is lost; with
  // one, a random part of each file's unsynced bytes and some of the unsynced names survive, as they may on a real
  // disk.
  Result<void> crash(std::optional<std::uint64_t> seed = std::nullopt);

  Result<std::unique_ptr<WritableFile>> create_file(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> append_file(const std::string& path) override;
  Result<std::unique_ptr<RandomAccessFile>> open_file(const std::string& path) override;
  Result<bool> exists(const std::string& path) override { return target_.exists(path); }
  Result<bool> is_directory(const std::string& path) override { return target_.is_directory(path); }
  Result<std::uint64_t> file_size(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) override;
  Result<void> create_directories(const std::string& path) override;
  Result<void> remove_file(const std::string& path) override;
  Result<void> remove_tree(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock_file(const std::string& path) override { return target_.lock_file(path); }
  std::int64_t now_micros() override { return target_.now_micros(); }
  std::int64_t monotonic_micros() override { return target_.monotonic_micros(); }
  void fill_random(char* buffer, std::size_t size) override { target_.fill_random(buffer, size); }

  // What a name stands for; several names may have stood for one file.
  struct Content {
    std::string bytes;
    std::size_t synced = 0;  // so many of them are durable
  };

 private:
  friend class FaultyWritableFile;
  friend class FaultyRandomAccessFile;
  using Names = std::map<std::string, std::shared_ptr<Content>>;

  struct Fault {
    int operations_left = 0;
    int error_number = 0;
    std::optional<std::size_t> torn_after;
  };

  // Counts an operation; the fault that it meets, if any.
  std::optional<Fault> begin(Operation operation);
  Result<void> begin(Operation operation, std::string_view what, const std::string& path);
  Result<std::unique_ptr<WritableFile>> open_for_writing(const std::string& path, bool truncate);
  Result<void> adopt(const std::string& path);  // starts to track a file that was there before

  Env& target_;
  mutable std::mutex mutex_;
  std::array<int, kOperations> counts_{};
  std::multimap<Operation, Fault> faults_;
  std::optional<std::uint64_t> space_left_;
  std::set<std::string> tracked_;
  Names live_;
  Names durable_;
  int crashes_ = 0;
};

}  // namespace shoplake::io
