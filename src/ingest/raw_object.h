// RawCopy: the bytes of one input file on their way into the raw zone. They are copied unchanged to the lake's tmp
// folder; place() moves them to their path. What is not placed is removed.
//
// The copy is what is transformed, so the raw zone holds exactly the bytes that were loaded even if the input changes
// meanwhile. Its MD5, half a second of a processor for 300 MB, is computed beside whatever reads it.
//
// Belongs to one thread at a time; file() may be read by others.
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
  // Copies `path` into a new folder below `temporary_directory` and begins to compute its MD5. Errors: of Env;
  // ingest.cancelled.
  static Result<std::unique_ptr<RawCopy>> make(io::Env& env, const std::string& path,
                                               const std::string& temporary_directory, std::stop_token stop);
  ~RawCopy();

  // Waits for it. Errors as make().
  Result<std::string> md5();
  std::uint64_t size_bytes() const { return size_bytes_; }
  // The copy, for reading; valid as long as this object.
  const io::RandomAccessFile& file() const { return *reading_; }

  // Begins to make the bytes durable on another thread.
  void begin_sync();
  // Makes bytes and name durable at `path` (absolute); replaces what a load that did not finish left there.
  Result<void> place(const std::string& path);

 private:
  explicit RawCopy(io::Env& env) : env_(env) {}
  Result<std::string> digest(const std::stop_token& stop) const;

  io::Env& env_;
  std::string directory_;
  std::string path_;
  std::uint64_t size_bytes_ = 0;
  std::unique_ptr<io::WritableFile> writing_;
  std::unique_ptr<io::RandomAccessFile> reading_;
  std::stop_source abandoned_;
  std::shared_future<Result<std::string>> md5_;
  std::future<Result<void>> synced_;
};

// Removes folders that loads which were killed left in the tmp folder (io/staged_folder.h). Best effort.
void remove_abandoned_copies(io::Env& env, const std::string& temporary_directory);

}  // namespace shoplake::ingest
