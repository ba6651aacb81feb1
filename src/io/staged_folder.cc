#include "io/staged_folder.h"

#include <charconv>
#include <string_view>
#include <utility>

#include "io/parallel.h"
#include "io/sync_files.h"

namespace shoplake::io {
namespace {

constexpr std::size_t kSendBytes = 1 << 20;
constexpr std::int64_t kAbandonedAfterMicros = 24LL * 3600 * 1'000'000;

}  // namespace

Result<std::unique_ptr<StagedFolder>> StagedFolder::open(Env& env, const std::string& folder) {
  const std::string staging = env.staging_directory(folder);
  const std::string directory = staging.empty() ? folder : new_staged_path(env, staging);
  SHOPLAKE_TRY(env.create_directories(directory));
  return std::unique_ptr<StagedFolder>(new StagedFolder(env, folder, directory));
}

StagedFolder::StagedFolder(Env& env, std::string folder, std::string directory)
    : env_(env), folder_(std::move(folder)), directory_(std::move(directory)) {}

StagedFolder::~StagedFolder() {
  if (is_elsewhere())
    static_cast<void>(env_.remove_tree(directory_));
}

std::string StagedFolder::final_path(const std::string& staged_path) const {
  if (!is_elsewhere() || !staged_path.starts_with(directory_ + "/"))
    return staged_path;
  return join_path(folder_, std::string_view(staged_path).substr(directory_.size() + 1));
}

Result<void> StagedFolder::publish(const std::vector<std::string>& staged_paths) {
  if (!is_elsewhere()) {
    SHOPLAKE_TRY(sync_files(env_, staged_paths));
    return env_.sync_directory(folder_);  // for folders that were made in it
  }
  return for_each_in_parallel(staged_paths,
                              [&](const std::string& path) { return env_.publish(path, final_path(path)); });
}

Result<void> StagedFolder::send(const std::string& staged_path) {
  if (!is_elsewhere())
    return {};
  const auto from = SHOPLAKE_TRY(env_.open_file(staged_path));
  const auto to = SHOPLAKE_TRY(env_.create_file(final_path(staged_path)));
  std::string buffer(kSendBytes, '\0');
  for (std::uint64_t offset = 0;;) {
    const std::size_t got = SHOPLAKE_TRY(from->read(offset, buffer.size(), buffer.data()));
    SHOPLAKE_TRY(to->append(std::string_view(buffer).substr(0, got)));
    offset += got;
    if (got < buffer.size())
      break;
  }
  SHOPLAKE_TRY(to->close());
  return env_.remove_file(staged_path);
}

std::string new_staged_path(Env& env, const std::string& staging_directory, std::string_view prefix) {
  return join_path(staging_directory, std::string(prefix) + std::to_string(env.now_micros()) + "-" + env.new_uuid());
}

void remove_abandoned_stages(Env& env, const std::string& staging_directory, std::string_view prefix) {
  const auto entries = env.list_directory(staging_directory);
  if (!entries.ok())
    return;
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.name.starts_with(prefix))
      continue;
    std::int64_t made = 0;
    const char* digits = entry.name.data() + prefix.size();
    if (std::from_chars(digits, entry.name.data() + entry.name.size(), made).ec == std::errc() &&
        env.now_micros() - made > kAbandonedAfterMicros)
      static_cast<void>(env.remove_tree(join_path(staging_directory, entry.name)));
  }
}

}  // namespace shoplake::io
