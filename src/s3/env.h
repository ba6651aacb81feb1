// S3Env: an Env whose paths may begin with "s3://". Those are objects of a store; all others go to the Env below.
// io/env.h says what differs for objects.
//
// Writing. What is appended is kept until it fills a part (kPartBytes), and goes then as a part of an upload while the
// next one fills; a file that is smaller goes in one request. The object appears, whole, with sync(), or with close().
// close() of a small file only sends it on its way, as a disk's cache would: sync() (of append_file() too) says whether
// it has arrived, and reading it waits. A file that is dropped leaves nothing. An error of sync() proves nothing about
// the object.
//
// Reading. Opening fetches the first bytes with the size; small files need no more. Sequential readers are read ahead
// for. An object that is replaced while it is read is an error.
//
// Memory: kPartBytes for each of kWorkers requests and of kStreamsMax files that are being uploaded, and
// kSmallFilesBytes for all that fit in one part yet; beyond that, files wait in the staging directory on the disk.
// Readers: kBlocksKept blocks each.
//
// Time and random numbers are those of the Env below. Thread safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "io/env.h"
#include "s3/client.h"

namespace shoplake::s3 {

inline constexpr std::uint64_t kPartBytes = 8ULL << 20;
inline constexpr std::size_t kWorkers = 8;
inline constexpr int kStreamsMax = 4;
inline constexpr std::uint64_t kSmallFilesBytes = 64ULL << 20;

// For tests; production takes the constants.
struct TransferOptions {
  std::uint64_t part_bytes = kPartBytes;
  int streams_max = kStreamsMax;
  std::uint64_t small_files_bytes = kSmallFilesBytes;
  std::uint64_t first_read_bytes = 1ULL << 20;
  std::uint64_t block_bytes = 4ULL << 20;
};

struct S3EnvOptions {
  std::string staging_directory;  // on this machine; made when needed
  TransferOptions transfer = {};
};

class S3Env final : public io::Env {
 public:
  // `below` and `client` outlive it.
  S3Env(io::Env& below, Client& client, S3EnvOptions options);
  ~S3Env() override;  // waits for files that are on their way

  Result<std::unique_ptr<io::WritableFile>> create_file(const std::string& path) override;
  Result<std::unique_ptr<io::WritableFile>> append_file(const std::string& path) override;
  Result<std::unique_ptr<io::RandomAccessFile>> open_file(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<bool> is_directory(const std::string& path) override;
  Result<std::uint64_t> file_size(const std::string& path) override;
  Result<std::vector<io::DirectoryEntry>> list_directory(const std::string& path) override;
  Result<std::vector<io::DirectoryEntry>> list_tree(const std::string& path, const std::string& prefix = {}) override;
  Result<void> create_directories(const std::string& path) override;
  Result<void> remove_file(const std::string& path) override;
  void remove_files_quietly(const std::vector<std::string>& paths) override;
  Result<void> remove_tree(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<void> publish(const std::string& from, const std::string& to) override;
  std::string staging_directory(const std::string& path) override;
  Result<std::unique_ptr<io::FileLock>> lock_file(const std::string& path) override;
  Result<void> write_file(const std::string& path, std::string_view bytes) override;
  std::int64_t now_micros() override { return below_.now_micros(); }
  std::int64_t monotonic_micros() override { return below_.monotonic_micros(); }
  void fill_random(char* buffer, std::size_t size) override { below_.fill_random(buffer, size); }

 private:
  io::Env& below_;
  Client& client_;
  const S3EnvOptions options_;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::s3
