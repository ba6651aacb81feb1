#include "app/hash_key.h"

#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "base/digest.h"

namespace shoplake::app {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
namespace fs = std::filesystem;

constexpr std::size_t kKeyBytes = 32;
constexpr std::string_view kFileName = "hash.key";

base::Error bad_key(const std::string& path, std::string_view what, std::string_view advice) {
  return make_error(ErrorKind::environment, "home.hash_key", fmt::format("{} {}", path, what), std::string(advice));
}

Result<void> create(io::Env& env, const std::string& path) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, env.new_uuid());
  auto file = SHOPLAKE_TRY(env.create_file(temporary));
  std::error_code failed;
  fs::permissions(temporary, fs::perms::owner_read | fs::perms::owner_write, failed);
  if (failed)
    return bad_key(temporary, "cannot be made private: " + failed.message(), "Check the file system.");
  std::string bytes(kKeyBytes, '\0');
  env.fill_random(bytes.data(), bytes.size());
  SHOPLAKE_TRY(file->append(base::hex(bytes) + "\n"));
  SHOPLAKE_TRY(file->sync());
  SHOPLAKE_TRY(file->close());
  // A link does not replace: of two processes the first one's key stays.
  fs::create_hard_link(temporary, path, failed);
  SHOPLAKE_TRY(env.remove_file(temporary));
  if (failed && failed != std::errc::file_exists)
    return bad_key(path, "cannot be created: " + failed.message(), "Check the folder.");
  return env.sync_directory(fs::path(path).parent_path().string());
}

}  // namespace

Result<std::string> hash_key(io::Env& env, const std::string& home_directory) {
  const std::string path = io::join_path(home_directory, std::string(kFileName));
  if (!SHOPLAKE_TRY(env.exists(path)))
    SHOPLAKE_TRY(create(env, path));
  std::error_code failed;
  const fs::perms permissions = fs::status(path, failed).permissions();
  if (failed || (permissions & (fs::perms::group_all | fs::perms::others_all)) != fs::perms::none)
    return bad_key(path, "is readable by others",
                   fmt::format("chmod 600 {}; if others may have read it, hashes made with it are known.", path));
  std::string key = SHOPLAKE_TRY(env.read_file(path));
  while (key.ends_with('\n') || key.ends_with('\r'))
    key.pop_back();
  if (key.size() < kKeyBytes)
    return bad_key(path, "holds no key",
                   "Restore it from a copy: with another key, equal values have other hashes than before.");
  return key;
}

}  // namespace shoplake::app
