#include "app/doctor.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <ctime>
#include <optional>
#include <utility>

#include "app/home.h"
#include "app/installation.h"
#include "app/object_store.h"
#include "catalog/catalog.h"
#include "catalog/table_metadata.h"
#include "engine/session.h"
#include "io/sqlite.h"
#include "s3/location.h"

namespace shoplake::app {
namespace {

using base::Result;
using Status = Check::Status;

constexpr const char* kEngineVersion = "v1.5.5";  // tools/pins.sh
constexpr std::uint64_t kMebibyte = 1024 * 1024;
constexpr std::uint64_t kFreeBytesProblem = 256 * kMebibyte;
constexpr std::uint64_t kFreeBytesWarning = 2048 * kMebibyte;
constexpr std::int64_t kFirstSaneSecond = 1'767'225'600;  // 2026-01-01: shoplake is younger
constexpr std::int64_t kLastSaneSecond = 4'102'444'800;   // 2100-01-01
constexpr std::int64_t kClockToleranceSeconds = 120;

Check ok(std::string name, std::string detail) { return {std::move(name), Status::ok, std::move(detail), ""}; }
Check problem(std::string name, std::string detail, std::string advice) {
  return {std::move(name), Status::problem, std::move(detail), std::move(advice)};
}
Check problem(std::string name, const base::Error& error) {
  return problem(std::move(name), error.message + " [" + error.code + "]", error.advice);
}

std::string mebibytes(std::uint64_t bytes) {
  const std::uint64_t count = bytes / kMebibyte;
  return count < 10'240 ? std::to_string(count) + " MiB" : std::to_string(count / 1024) + " GiB";
}

Check check_installation(io::Env& env, const Installation& installation) {
  constexpr const char* kFiles[] = {"lib/duckdb/avro.duckdb_extension", "lib/duckdb/iceberg.duckdb_extension",
                                    "share/shoplake/dbt/dbt_project.yml", "share/shoplake/datasets/events.yml",
                                    "share/shoplake/web/index.html"};
  std::string missing;
  for (const char* file : kFiles) {
    const std::string path = io::join_path(installation.prefix, file);
    if (!env.exists(path).value_or(false)) {
      missing.append(missing.empty() ? "" : ", ").append(file);
    }
  }
  if (!missing.empty()) {
    return problem("installation", installation.prefix + " lacks " + missing,
                   "Install again: `cmake --install`, or `./run build` in the sources.");
  }
  return ok("installation", installation.prefix);
}

Check check_engine(const Installation& installation) {
  const std::string version = engine::Database::version();
  if (version != kEngineVersion) {
    return problem("engine", "DuckDB is " + version + ", but shoplake was built for " + kEngineVersion,
                   "Another libduckdb.so is found first: check LD_LIBRARY_PATH.");
  }
  engine::DatabaseOptions options;
  options.extension_directory = installation.extension_directory;
  options.verify_signatures = true;
  const auto database = engine::Database::open(options);
  if (!database.ok()) {
    return problem("engine", database.error());
  }
  return ok("engine", "DuckDB " + version + ", extensions avro and iceberg with valid signatures");
}

// The folder itself, or the nearest one above that exists.
std::string nearest_existing(io::Env& env, std::string path) {
  while (!env.exists(path).value_or(true)) {
    path = io::parent_path(path);
  }
  return path.empty() ? "." : path;
}

Check check_writable(io::Env& env, std::string name, const std::string& folder) {
  if (!env.exists(folder).value_or(false)) {
    const std::string existing = nearest_existing(env, folder);
    if (::access(existing.c_str(), W_OK | X_OK) != 0) {
      return problem(std::move(name), folder + " is not there yet, and " + existing + " may not be written",
                     "Name another home with SHOPLAKE_HOME, or change the permissions.");
    }
    return ok(std::move(name), folder + " (not there yet; the first command makes it)");
  }
  const std::string probe = io::join_path(folder, ".doctor-" + env.new_uuid());
  const auto written = env.write_file(probe, "probe");
  if (!written.ok()) {
    return problem(std::move(name), written.error());
  }
  const auto removed = env.remove_file(probe);
  if (!removed.ok()) {
    return problem(std::move(name), removed.error());
  }
  return ok(std::move(name), folder);
}

// Whether the keys may do what a lake needs, by doing it with an object that goes again.
Check check_object_store(io::Env& env, const Home& home) {
  const auto look = [&]() -> Result<std::string> {
    const auto store = SHOPLAKE_TRY(ObjectStore::open(env, home));
    const std::string source = SHOPLAKE_TRY(store->credentials_source());
    SHOPLAKE_TRY(store->client().list(store->lake().bucket,
                                      {.prefix = store->lake().key, .page_size = 1, .first_page_only = true}));
    const s3::Location probe{store->lake().bucket, io::join_path(store->lake().key, ".doctor-" + env.new_uuid())};
    SHOPLAKE_TRY(store->client().put(probe, "probe"));
    const bool is_conditional = !store->client().put(probe, "other", {.only_if_absent = true}).ok();
    const s3::Piece read = SHOPLAKE_TRY(store->client().get(probe, 1, 3));
    SHOPLAKE_TRY(store->client().remove(probe));
    if (read.bytes != "rob") {
      return base::make_error(base::ErrorKind::environment, "s3.bad_answer",
                              s3::to_string(probe) + ": a range of an object came back otherwise than it was written");
    }
    return home.lake_root + " at " + store->client().options().endpoint + ", keys from " + source +
           (is_conditional ? ", with conditional writes" : ", without conditional writes (shoplake needs none)");
  };
  const auto found = look();
  if (!found.ok()) {
    return problem("lake", found.error());
  }
  return ok("lake", *found);
}

Check check_space(io::Env& env, const std::string& folder) {
  const std::string existing = nearest_existing(env, folder);
  struct statvfs status;
  if (::statvfs(existing.c_str(), &status) != 0) {
    return problem("disk space", "cannot ask for the space of " + existing, "");
  }
  const std::uint64_t free = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  const std::string detail = mebibytes(free) + " free below " + existing;
  if (free < kFreeBytesProblem || (status.f_files > 0 && status.f_favail == 0)) {
    return problem("disk space",
                   status.f_files > 0 && status.f_favail == 0 ? "no inodes are left below " + existing : detail,
                   "Free some space, or move the lake (key `lake` of shoplake.yml).");
  }
  if (free < kFreeBytesWarning) {
    return {"disk space", Status::warning, detail, "Loads and models need room for new files before old ones go."};
  }
  return ok("disk space", detail);
}

// `shoplake serve` without --listen.
Check check_port() {
  constexpr std::uint16_t kPort = 8080;
  const std::string address = "127.0.0.1:" + std::to_string(kPort);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return problem("port", "no network socket can be made",
                   "`shoplake serve` needs one; check the limits of this machine or container.");
  }
  const int reuse = 1;  // as the server does: connections that are just closing do not count
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_port = htons(kPort);
  local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_free = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&local), sizeof local) == 0;
  ::close(descriptor);
  if (!is_free) {
    return {"port", Status::warning, address + " is taken",
            "If that is no `shoplake serve` of yours, give it another: --listen 127.0.0.1:8081."};
  }
  return ok("port", address + " is free");
}

std::string utc(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm fields{};
  ::gmtime_r(&time, &fields);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &fields);
  return text;
}

Check check_clock(io::Env& env, const std::optional<Home>& home) {
  const std::int64_t now = env.now_micros() / 1'000'000;
  if (now < kFirstSaneSecond || now > kLastSaneSecond) {
    return problem("clock", "it is set to " + utc(now), "Set the clock: snapshots and partitions carry its time.");
  }
  struct stat status;
  if (home && ::stat(home->control_plane.c_str(), &status) == 0 &&
      status.st_mtim.tv_sec > now + kClockToleranceSeconds) {
    return problem("clock", utc(now) + ", but " + home->control_plane + " was written at " + utc(status.st_mtim.tv_sec),
                   "The clock was moved back, or the file comes from another machine.");
  }
  return ok("clock", utc(now));
}

Check check_control_plane(io::Env& env, const Home& home) {
  if (!env.exists(home.control_plane).value_or(false)) {
    return ok("control plane", home.control_plane + " (not there yet)");
  }
  const auto look = [&]() -> Result<std::string> {
    const auto database = SHOPLAKE_TRY(io::Database::open(home.control_plane));
    return database->check_integrity();
  };
  const auto findings = look();
  if (!findings.ok()) {
    return problem("control plane", findings.error());
  }
  if (*findings != "ok") {
    return problem("control plane", home.control_plane + " is damaged: " + *findings, "Restore it from a backup.");
  }
  return ok("control plane", home.control_plane + ", intact");
}

Check check_catalog(io::Env& env, const Home& home) {
  if (!env.exists(home.control_plane).value_or(false)) {
    return ok("catalog", "no table yet");
  }
  const auto look = [&]() -> Result<std::string> {
    const auto store = home.is_in_object_store() ? SHOPLAKE_TRY(ObjectStore::open(env, home)) : nullptr;
    const auto catalog =
        SHOPLAKE_TRY(catalog::Catalog::open({store ? &store->env() : &env, home.lake_root, home.control_plane, {}}));
    const auto snapshot = SHOPLAKE_TRY(catalog->snapshot());
    for (const auto& [table, metadata_location] : snapshot.tables) {
      auto metadata = catalog->load_table(table);
      if (!metadata.ok()) {
        return std::move(metadata).error().within("table " + catalog::to_string(table));
      }
    }
    return std::to_string(snapshot.tables.size()) + " tables, " + std::to_string(snapshot.views.size()) +
           " views, all metadata readable";
  };
  const auto found = look();
  if (!found.ok()) {
    return problem("catalog", found.error());
  }
  return ok("catalog", *found);
}

}  // namespace

std::vector<Check> run_doctor(io::Env& env) {
  std::vector<Check> checks;
  const Installation installation = find_installation();
  checks.push_back(check_installation(env, installation));
  checks.push_back(check_engine(installation));

  std::optional<Home> home;
  if (auto read = read_home(env); read.ok()) {
    home = std::move(read).value();
    const bool configured = env.exists(io::join_path(home->directory, "shoplake.yml")).value_or(false);
    checks.push_back(ok("configuration", configured ? io::join_path(home->directory, "shoplake.yml")
                                                    : "defaults (no shoplake.yml in " + home->directory + ")"));
  } else {
    checks.push_back(problem("configuration", read.error()));
  }
  if (home) {
    checks.push_back(check_writable(env, "home", home->directory));
    checks.push_back(home->is_in_object_store() ? check_object_store(env, *home)
                                                : check_writable(env, "lake", home->lake_root));
    checks.push_back(check_space(env, home->temporary_directory));
  }
  checks.push_back(check_clock(env, home));
  checks.push_back(check_port());
  if (home) {
    checks.push_back(check_control_plane(env, *home));
    if (checks.back().status == Status::ok) {
      checks.push_back(check_catalog(env, *home));
    }
  }
  return checks;
}

}  // namespace shoplake::app
