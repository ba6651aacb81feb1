#include "ingest/raw_object.h"

#include <string_view>
#include <vector>

#include "base/digest.h"
#include "io/staged_folder.h"

namespace shoplake::ingest {

namespace {

constexpr std::size_t kCopyBytes = 1 << 20;
constexpr std::string_view kFolderPrefix = "load-";

}  // namespace

Result<std::unique_ptr<RawCopy>> RawCopy::make(io::Env& env, const std::string& path,
                                               const std::string& temporary_directory, std::stop_token stop) {
  const auto source = SHOPLAKE_TRY(env.open_file(path));
  std::unique_ptr<RawCopy> copy(new RawCopy(env));
  copy->directory_ = io::new_staged_path(env, temporary_directory, kFolderPrefix);
  SHOPLAKE_TRY(env.create_directories(copy->directory_));
  copy->path_ = io::join_path(copy->directory_, io::file_name(path));
  copy->writing_ = SHOPLAKE_TRY(env.create_file(copy->path_));
  base::Digest digest(base::Digest::Algorithm::md5);
  std::vector<char> buffer(kCopyBytes);
  while (true) {
    if (stop.stop_requested())
      return base::make_error(base::ErrorKind::cancelled, "ingest.cancelled",
                              "The load was interrupted; nothing was loaded");
    const std::size_t got = SHOPLAKE_TRY(source->read(copy->size_bytes_, buffer.size(), buffer.data()));
    if (got == 0)
      break;
    const std::string_view bytes(buffer.data(), got);
    digest.update(bytes);
    SHOPLAKE_TRY(copy->writing_->append(bytes));
    copy->size_bytes_ += got;
  }
  copy->md5_ = digest.finish_hex();
  // A writer may hold bytes back until it is closed, and the copy is read before it is synced.
  SHOPLAKE_TRY(copy->writing_->close());
  copy->writing_ = SHOPLAKE_TRY(env.append_file(copy->path_));
  copy->reading_ = SHOPLAKE_TRY(env.open_file(copy->path_));
  return copy;
}

RawCopy::~RawCopy() {
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
