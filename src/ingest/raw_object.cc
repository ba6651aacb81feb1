#include "ingest/raw_object.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/digest.h"
#include "io/staged_folder.h"

namespace shoplake::ingest {

namespace {

constexpr std::size_t kCopyBytes = 1 << 20;
constexpr std::string_view kFolderPrefix = "load-";

base::Error cancelled() {
  return base::make_error(base::ErrorKind::cancelled, "ingest.cancelled",
                          "The load was interrupted; nothing was loaded");
}

}  // namespace

Result<std::unique_ptr<RawCopy>> RawCopy::make(io::Env& env, const std::string& path,
                                               const std::string& temporary_directory, std::stop_token stop) {
  const auto source = SHOPLAKE_TRY(env.open_file(path));
  std::unique_ptr<RawCopy> copy(new RawCopy(env));
  copy->directory_ = io::new_staged_path(env, temporary_directory, kFolderPrefix);
  SHOPLAKE_TRY(env.create_directories(copy->directory_));
  copy->path_ = io::join_path(copy->directory_, io::file_name(path));
  copy->writing_ = SHOPLAKE_TRY(env.create_file(copy->path_));
  std::vector<char> buffer(kCopyBytes);
  while (true) {
    if (stop.stop_requested())
      return cancelled();
    const std::size_t got = SHOPLAKE_TRY(source->read(copy->size_bytes_, buffer.size(), buffer.data()));
    if (got == 0)
      break;
    SHOPLAKE_TRY(copy->writing_->append(std::string_view(buffer.data(), got)));
    copy->size_bytes_ += got;
  }
  // A writer may hold bytes back until it is closed, and the copy is read before it is synced.
  SHOPLAKE_TRY(copy->writing_->close());
  copy->writing_ = SHOPLAKE_TRY(env.append_file(copy->path_));
  copy->reading_ = SHOPLAKE_TRY(env.open_file(copy->path_));
  // A small file is not worth a thread.
  const auto launch = copy->size_bytes_ <= kCopyBytes ? std::launch::deferred : std::launch::async;
  copy->md5_ = std::async(launch, [&copy = *copy, stop = std::move(stop)] { return copy.digest(stop); }).share();
  return copy;
}

Result<std::string> RawCopy::digest(const std::stop_token& stop) const {
  base::Digest digest(base::Digest::Algorithm::md5);
  std::vector<char> buffer(std::min<std::size_t>(kCopyBytes, size_bytes_));
  for (std::uint64_t done = 0; done < size_bytes_;) {
    if (stop.stop_requested() || abandoned_.stop_requested())
      return cancelled();
    const std::size_t got = SHOPLAKE_TRY(reading_->read(done, buffer.size(), buffer.data()));
    if (got == 0)
      return base::make_error(base::ErrorKind::environment, "ingest.copy_changed",
                              fmt::format("{} became shorter while it was read", path_),
                              "Only shoplake writes to its tmp folder; load the file again.");
    digest.update(std::string_view(buffer.data(), got));
    done += got;
  }
  return digest.finish_hex();
}

Result<std::string> RawCopy::md5() { return md5_.get(); }

RawCopy::~RawCopy() {
  abandoned_.request_stop();
  md5_ = {};  // of a thread: waits for its end
  if (synced_.valid())
    synced_.wait();
  writing_.reset();
  reading_.reset();
  if (!directory_.empty())
    static_cast<void>(env_.remove_tree(directory_));
}

void RawCopy::begin_sync() {
  synced_ = std::async(std::launch::async, [this]() -> Result<void> {
    SHOPLAKE_TRY(writing_->sync());
    return writing_->close();
  });
}

Result<void> RawCopy::place(const std::string& path) {
  if (!synced_.valid())
    begin_sync();
  SHOPLAKE_TRY(synced_.get());
  return env_.publish(path_, path);
}

void remove_abandoned_copies(io::Env& env, const std::string& temporary_directory) {
  io::remove_abandoned_stages(env, temporary_directory, kFolderPrefix);
}

}  // namespace shoplake::ingest
