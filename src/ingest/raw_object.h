// RawCopy: the bytes of one input file on their way into the raw zone. They are copied unchanged to the lake's tmp
// folder with their MD5 computed on the way; place() moves them to their path. What is not placed is removed.
//
// The copy is what is transformed, so the raw zone holds exactly the bytes that were loaded even if the input changes
// meanwhile.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::ingest {

using base::Result;

class RawCopy {
 public:
  // Copies `path` into a new folder below `temporary_directory`. Errors: of Env; ingest.cancelled.
  static Result<std::unique_ptr<RawCopy>> make(io::Env& env, const std::string& path,
                                               const std::string& temporary_directory, std::stop_token stop);
  ~RawCopy();

  const std::string& md5() const { return md5_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  // The copy, for reading; valid as long as this object.
  const io::RandomAccessFile& file() const { return *reading_; }

  // Begins to make the bytes durable on another thread.
  void begin_sync();
  // Makes bytes and name durable at `path` (absolute); replaces what a load that did not finish left there.
  Result<void> place(const std::string& path);

 private:
  explicit RawCopy(io::Env& env) : env_(env) {}

  io::Env& env_;
  std::string directory_;
  std::string path_;
  std::string md5_;
  std::uint64_t size_bytes_ = 0;
  std::unique_ptr<io::WritableFile> writing_;
  std::unique_ptr<io::RandomAccessFile> reading_;
  std::future<Result<void>> synced_;
};

// Removes folders that loads which were killed left in the tmp folder (io/staged_folder.h). Best effort.
void remove_abandoned_copies(io::Env& env, const std::string& temporary_directory);

}  // namespace shoplake::ingest
