#include "app/lake_claim.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/hash_key.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/moment.h"

namespace shoplake::app {
namespace {

using base::ErrorKind;
using base::Result;
using nlohmann::json;

constexpr char kClaimedFile[] = "lake-claimed";  // the roots of claimed lakes, one a line
constexpr std::size_t kIdSize = 32;
constexpr std::uint64_t kClaimBytesMax = 4096;

Result<std::string> claimed_lakes(io::Env& env, const std::string& path) {
  return SHOPLAKE_TRY(env.exists(path)) ? env.read_file(path) : Result<std::string>(std::string());
}

// Whose claim the object is; nothing where it is none of shoplake's.
std::string owner_of(const std::string& claim) {
  const json document = json::parse(claim, nullptr, false);
  return document.is_object() && document.contains("home") && document["home"].is_string()
             ? document["home"].get<std::string>()
             : std::string();
}

base::Error lake_of_another(const std::string& lake, const std::string& object, const std::string& claim) {
  const json document = json::parse(claim, nullptr, false);
  const std::string since = document.is_object() ? document.value("claimed_at", std::string()) : std::string();
  return base::make_error(
      ErrorKind::usage, "home.lake_of_another",
      fmt::format("{} is the lake of another home{}: its control plane says which tables there are", lake,
                  since.empty() ? std::string() : ", since " + since),
      fmt::format("Name another prefix (lake: in shoplake.yml). If that home is gone for good, remove {}.", object));
}

}  // namespace

Result<void> claim_lake(io::Env& env, ObjectStore& store, const Home& home) {
  const std::string path = io::join_path(home.directory, kClaimedFile);
  std::string claimed = SHOPLAKE_TRY(claimed_lakes(env, path));
  const std::string line = home.lake_root + "\n";
  if (claimed.starts_with(line) || claimed.find("\n" + line) != std::string::npos)
    return {};
  const std::string id = base::sha256_hex("lake of " + SHOPLAKE_TRY(hash_key(env, home.directory))).substr(0, kIdSize);
  const s3::Location object{store.lake().bucket, io::join_path(store.lake().key, kClaimObject)};
  const json claim = {{"home", id}, {"claimed_at", base::timestamp_text(env.now_micros() / 1'000'000 * 1'000'000)}};
  const auto written = store.client().put(object, claim.dump() + "\n", {.only_if_absent = true});
  if (!written.ok() && written.error().code == "s3.not_supported") {
    base::log::warning("home.lake_not_claimed", {{"lake", home.lake_root}, {"reason", written.error().message}});
  } else if (!written.ok() && written.error().code == "s3.precondition_failed") {
    const s3::Piece there = SHOPLAKE_TRY(store.client().get(object, 0, kClaimBytesMax));
    if (owner_of(there.bytes) != id)
      return lake_of_another(home.lake_root, s3::to_string(object), there.bytes);
  } else if (!written.ok()) {
    return base::Error(written.error()).within("claim of the lake " + home.lake_root);
  }
  return env.write_file(path, claimed + line);
}

}  // namespace shoplake::app
