// Env: the only door to files, clock and randomness, so that tests can stop time, fill the disk, tear writes and crash.
//
// Three versions: posix_env() is the machine; MemoryEnv keeps files in memory and a clock that only moves when told;
// FaultyEnv wraps another Env, fails chosen operations and forgets what was not synced (as LevelDB's fault-injection
// Env).
//
// Durability: bytes are durable after WritableFile::sync(), a name is durable after sync_directory() of its folder.
// An error of sync() proves nothing about what is on the disk: the file must be given up, not synced again.
// Errors: io.not_found (kind not_found), io.is_directory (kind usage: a folder where a file is meant), io.locked (kind
// conflict), and of kind environment io.disk_full, io.permission_denied, io.failed; each message names the path and the
// system's reason. Paths are UTF-8, '/'-separated. Env is thread safe; a WritableFile belongs to one thread at a time.
//
// A path may also name a place in an object store ("s3://bucket/key"; s3/env.h). There a file appears whole, when it is
// synced or closed, and never changes; folders are what the names of files imply, so making and syncing them does
// nothing, an absent one lists as empty, and remove_file() of an absent file is fine; rename(), lock_file() and
// appending are refused. What must be right on both is written by create_file(), write_file() or publish().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shoplake::io {

using base::Result;

// Sequential writer of a new file. Dropping it without close() leaves the file in any state.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual Result<void> append(std::string_view bytes) = 0;
  virtual Result<void> sync() = 0;   // fdatasync
  virtual Result<void> close() = 0;  // does not sync
};

// Positional reader; many threads may read at once.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  // Reads up to `size` bytes at `offset` into `buffer`; fewer only at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t offset, std::size_t size, char* buffer) const = 0;
  virtual Result<std::uint64_t> size() const = 0;
};

// An exclusive lock, held as long as the object lives; the system frees it when the process dies, however it dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct DirectoryEntry {
  std::string name;  // without the directory
  bool is_directory = false;
  std::uint64_t size_bytes = 0;      // 0 for directories
  std::int64_t modified_micros = 0;  // of a file: when its content was last written, in microseconds since 1970 UTC
  std::string entity_tag = {};       // of an object of a store that gives one: changes with its content
};

class Env {
 public:
  virtual ~Env() = default;

  // Creates or truncates.
  virtual Result<std::unique_ptr<WritableFile>> create_file(const std::string& path) = 0;
  // Appends to what is there; creates the file if absent.
  virtual Result<std::unique_ptr<WritableFile>> append_file(const std::string& path) = 0;
  virtual Result<std::unique_ptr<RandomAccessFile>> open_file(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<bool> is_directory(const std::string& path) = 0;
  virtual Result<std::uint64_t> file_size(const std::string& path) = 0;
  // Sorted by name.
  virtual Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) = 0;
  // All files in and below `path` whose path from there (their `name` here) begins with `prefix`, sorted by it. Of an
  // object store that is one listing, however many folders there are.
  virtual Result<std::vector<DirectoryEntry>> list_tree(const std::string& path, const std::string& prefix = {});
  // With all parents that are missing; the new names are durable when it returns.
  virtual Result<void> create_directories(const std::string& path) = 0;
  virtual Result<void> remove_file(const std::string& path) = 0;  // not_found if absent
  // Many at once, for what is harmless if it stays: failures are not told.
  virtual void remove_files_quietly(const std::vector<std::string>& paths);
  virtual Result<void> remove_tree(const std::string& path) = 0;                    // fine if absent
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;  // replaces `to` atomically
  virtual Result<void> sync_directory(const std::string& path) = 0;
  // Moves a file that is complete and synced to its final name; the name is durable when it returns. Makes missing
  // folders, replaces what is there. `from` may be on this machine's disk when `to` is in an object store.
  virtual Result<void> publish(const std::string& from, const std::string& to);
  // Empty where any program can write files below `path` itself. Otherwise a folder of this machine where programs that
  // know only files put what is then published below `path` (io/staged_folder.h).
  virtual std::string staging_directory(const std::string& path);
  // Creates the file if absent and locks it; the file stays when the lock goes. Error io.locked (kind conflict) at once
  // if another process, or another FileLock of this one, holds it.
  virtual Result<std::unique_ptr<FileLock>> lock_file(const std::string& path) = 0;

  virtual std::int64_t now_micros() = 0;        // microseconds since 1970-01-01 UTC
  virtual std::int64_t monotonic_micros() = 0;  // for durations
  virtual void fill_random(char* buffer, std::size_t size) = 0;

  // Conveniences over the above.
  Result<std::string> read_file(const std::string& path);
  // Replaces `path` atomically and durably: temporary file beside it, sync, rename, sync of the folder.
  virtual Result<void> write_file(const std::string& path, std::string_view bytes);
  // A random (version 4) UUID in its canonical text form.
  std::string new_uuid();
  std::uint64_t random_uint64();
};

// The machine's own files, clock and random numbers. One instance for the process.
Env& posix_env();

// A path below a folder: join("a", "b/c") == "a/b/c".
std::string join_path(std::string_view folder, std::string_view name);
std::string parent_path(std::string_view path);
std::string file_name(std::string_view path);

}  // namespace shoplake::io
