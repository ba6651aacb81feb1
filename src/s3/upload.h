// Uploads: an object written from memory, part by part, or from a file of this machine. Internal to s3/; env.h says
// what it keeps in memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/env.h"
#include "s3/client.h"
#include "s3/env.h"
#include "s3/workers.h"

namespace shoplake::s3 {

// What all uploads of an S3Env share.
struct Transfers {
  Transfers(io::Env& given_local, Client& given_client, S3EnvOptions given_options)
      : local(given_local), client(given_client), options(std::move(given_options)), workers(kWorkers) {}

  io::Env& local;
  Client& client;
  const S3EnvOptions options;
  std::atomic<std::uint64_t> small_bytes = 0;  // of files that fit in one part yet
  std::atomic<int> streams = 0;                // files that go in parts as they are written
  Workers workers;                             // last: its tasks use the others
};

// The size of part `number` (from 1): they grow, so that kPartsMax of them are as much as an object may have.
std::uint64_t part_size(std::uint64_t part_bytes, int number);

// One upload in parts. Parts go beside each other; an error shows at the next call and at all after it. Without
// complete() it is aborted.
class PartUpload {
 public:
  PartUpload(Transfers& transfers, Location location) : transfers_(transfers), location_(std::move(location)) {}
  ~PartUpload();
  PartUpload(const PartUpload&) = delete;
  PartUpload& operator=(const PartUpload&) = delete;

  Result<void> begin();
  std::uint64_t next_part_bytes() const { return part_size(transfers_.options.transfer.part_bytes, next_number_); }
  // `make` gives the part's bytes; it runs on another thread.
  Result<void> add(std::function<Result<std::string>()> make);
  // The error of a part that failed, if one is known.
  Result<void> check();
  Result<void> complete();

 private:
  // Waits for all parts that are on their way. Error: of the first part that failed.
  Result<void> collect_all();

  Transfers& transfers_;
  const Location location_;
  std::string upload_id_;
  int next_number_ = 1;
  std::atomic<bool> has_failed_ = false;
  std::deque<std::future<Result<UploadedPart>>> parts_;  // on their way
  std::vector<UploadedPart> uploaded_;                   // in order
  std::optional<base::Error> failure_;
  bool is_complete_ = false;
};

// Writes an object from a file of this machine.
Result<void> upload_file(Transfers& transfers, const std::string& path, const Location& location);

// Takes the bytes of a small file that was closed but not synced, and sends them while others go on.
using SendLater = std::function<void(const Location& location, std::string bytes)>;

std::unique_ptr<io::WritableFile> make_object_writer(Transfers& transfers, Location location, SendLater send_later);

}  // namespace shoplake::s3
