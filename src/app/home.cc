#include "app/home.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "app/hash_key.h"
#include "app/installation.h"
#include "app/retention_settings.h"
#include "base/nearest_name.h"
#include "s3/location.h"

namespace shoplake::app {
namespace {

using base::ErrorKind;
using base::Result;

constexpr char kConfigurationFile[] = "shoplake.yml";
constexpr int kThreadsMax = 1024;
const std::vector<std::string> kKeys{"budgets",      "collector", "connections", "datasets", "lake",
                                     "memory_limit", "project",   "retention",   "s3",       "smtp",
                                     "streams",      "threads",   "topics"};

constexpr char kTemplate[] = R"(# shoplake.yml: the configuration of this home. Every key may be left out.
# Paths that are not absolute are relative to this folder.

# Where the lake's tables and raw files are: a folder, or a place in an object store.
#lake: lake
#lake: s3://bucket/prefix

# How the object store is reached; keys come from the environment, ~/.aws or the machine's role if they are not here.
#s3:
#  endpoint: https://s3.example.org   # of a store that is not Amazon's
#  region: eu-central-1
#  path_style: on                     # https://host/bucket/key; on by default with an endpoint
#  profile: shop                      # of ~/.aws/credentials
#  access_key_id: "${SHOPLAKE_S3_KEY}"
#  secret_access_key: "${SHOPLAKE_S3_SECRET}"
#  sse: AES256                        # the store is to encrypt what it keeps

# The dbt project and the data contracts. By default those that come with shoplake; copy them to change them.
#project: dbt
#datasets: datasets

# How much memory the engine may take before it spills to <lake>/tmp ("4GiB", "512MB"). By default 80 % of the machine.
#memory_limit: 4GiB

# How many threads the engine may use. By default one for each core.
#threads: 4

# How long each zone keeps what it has; `shoplake catalog retain` removes the rest. Days, or forever.
#retention: {raw: 30d, processed: forever, quarantine: forever, query-results: forever, datasets: {events: {raw: 90d}}}

# Who may send events to `shoplake serve`. ${NAME} is taken from the environment. Without keys, only a server that
# listens on this machine alone takes events, from anybody on it.
#collector:
#  access_keys:                     # of the Amazon Data Firehose API
#    - {id: AKIASHOPLAKE, secret: "${SHOPLAKE_SECRET}"}
#  api_keys: ["${SHOPLAKE_API_KEY}"]        # of POST /v1/events/<stream>
#  api_secrets: ["${SHOPLAKE_API_SECRET}"]  # of the GA4 Measurement Protocol
#  time_zone: Europe/Berlin         # of the property: which day an event belongs to
#  tls: {certificate: server.pem, key: server.key}

# Streams beside `events` (GA4) and `clickstream`. A stream is bound to the dataset of its name if it names no other;
# without a contract of that dataset its records are only delivered to the raw zone.
#streams:
#  orders: {dataset: orders, live: off, buffering: {seconds: 60, mebibytes: 5}}

# Who is told. The topics of shoplake: pipeline-notifications, data-quality-alerts, cost-alerts.
#topics:
#  data-quality-alerts:
#    - {email: analysts@example.com}
#    - {slack: "${SLACK_WEBHOOK_URL}"}
#  pipeline-notifications:
#    - {webhook: "https://example.com/hook", secret: "${HOOK_SECRET}"}
#smtp: {host: mail.example.com, port: 587, user: shoplake, password: "${SMTP_PASSWORD}", from: shoplake@example.com}

# How HTTP tasks of flows authorize: by user and password or by a key in a header, at these hosts alone.
#connections:
#  crm: {api_key: {header: X-Api-Key, value: "${CRM_KEY}"}, hosts: [api.example.com]}

# What a day and a month may cost, in dollars, as if it ran on AWS; more is told to cost-alerts.
#budgets: {daily: 5, monthly: 100}
)";

std::string absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path found = std::filesystem::absolute(path, error);
  std::string normal = (error ? std::filesystem::path(path) : found).lexically_normal().string();
  if (normal.size() > 1 && normal.ends_with('/')) {
    normal.pop_back();
  }
  return normal;
}

class Configuration {
 public:
  Configuration(std::string path, Home& home) : path_(std::move(path)), home_(home) {}

  Result<void> read(const std::string& text) {
    YAML::Node document;
    try {
      document = YAML::Load(text);
    } catch (const YAML::Exception& exception) {
      return error(exception.mark, exception.msg, "");
    }
    if (document.IsNull()) {
      return {};
    }
    if (!document.IsMap()) {
      return error(document.Mark(), "the document is no mapping of keys to values", "Write lines such as: threads: 4");
    }
    std::vector<std::string> seen;
    for (const auto& entry : document) {
      if (!entry.first.IsScalar()) {
        return error(entry.first.Mark(), "a key is no plain word", known_keys());
      }
      const std::string& key = entry.first.Scalar();
      if (std::ranges::find(seen, key) != seen.end()) {
        return error(entry.first.Mark(), "the key " + key + " stands twice", "Keep one of them.");
      }
      seen.push_back(key);
      SHOPLAKE_TRY(set(key, entry.first.Mark(), entry.second));
    }
    return {};
  }

 private:
  Result<void> set(const std::string& key, const YAML::Mark& mark, const YAML::Node& value) {
    if (std::ranges::find(kKeys, key) == kKeys.end()) {
      const std::string nearest = base::nearest_name(key, kKeys);
      return error(mark, "there is no key " + key, nearest.empty() ? known_keys() : "Did you mean " + nearest + "?");
    }
    if (value.IsNull()) {
      return {};
    }
    if (key == "collector") {
      return read_collector(value, path_, home_.directory, home_.collector);
    }
    if (key == "connections") {
      return read_connections(value, path_, home_.directory, home_.connections);
    }
    if (key == "retention") {
      return read_retention(value, path_, home_.retention);
    }
    if (key == "streams") {
      return read_streams(value, path_, home_.collector);
    }
    if (key == "s3") {
      return read_object_store(value, path_, home_.object_store);
    }
    if (key == "topics") {
      return read_topics(value, path_, home_.directory, home_.watch);
    }
    if (key == "smtp") {
      return read_smtp(value, path_, home_.directory, home_.watch);
    }
    if (key == "budgets") {
      return read_budgets(value, path_, home_.watch);
    }
    if (!value.IsScalar() || value.Scalar().empty()) {
      return error(value.Mark(), key + " is no single value", "");
    }
    const std::string& text = value.Scalar();
    if (key == "memory_limit") {
      auto bytes = parse_size(text);
      if (!bytes.ok()) {
        return error(value.Mark(), "memory_limit: " + bytes.error().message, bytes.error().advice);
      }
      home_.memory_limit_bytes = *bytes;
      return {};
    }
    if (key == "threads") {
      int threads = 0;
      const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), threads);
      if (code != std::errc() || end != text.data() + text.size() || threads < 1 || threads > kThreadsMax) {
        return error(value.Mark(),
                     "threads: \"" + text + "\" is no whole number from 1 to " + std::to_string(kThreadsMax), "");
      }
      home_.threads = threads;
      return {};
    }
    if (key == "lake" && s3::is_s3(text)) {
      auto location = s3::parse_location(text);
      if (!location.ok()) {
        return error(value.Mark(), "lake: " + location.error().message, location.error().advice);
      }
      home_.lake_root = s3::to_string(*location);
      return {};
    }
    if (text.find("://") != std::string::npos) {
      return error(value.Mark(), key + ": " + text + " is no local folder",
                   key == "lake" ? "Name a folder, or s3://bucket/prefix." : "Name a folder.");
    }
    const std::string folder = absolute(text.starts_with('/') ? text : io::join_path(home_.directory, text));
    if (key == "lake") {
      home_.lake_root = folder;
    } else if (key == "project") {
      home_.project_directory = folder;
    } else {
      home_.datasets_directory = folder;
    }
    return {};
  }

  static std::string known_keys() {
    std::string text = "Known keys:";
    for (const std::string& key : kKeys) {
      text.append(" ").append(key);
    }
    return text + ".";
  }

  base::Error error(const YAML::Mark& mark, const std::string& what, std::string advice) const {
    return base::make_error(ErrorKind::usage, "home.configuration",
                            path_ + ":" + std::to_string(mark.line + 1) + ": " + what, std::move(advice));
  }

  std::string path_;
  Home& home_;
};

// As a YAML scalar.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    out.append(c == '\'' ? 2 : 1, c);
  }
  return out + "'";
}

Home default_home(const std::string& directory) {
  const Installation installation = find_installation();
  Home home;
  home.directory = directory;
  home.lake_root = io::join_path(directory, "lake");
  home.control_plane = io::join_path(directory, "state.sqlite");
  home.wal_directory = io::join_path(directory, "wal");
  home.project_directory = io::join_path(installation.share_directory, "dbt");
  home.datasets_directory = io::join_path(installation.share_directory, "datasets");
  return home;
}

std::string temporary_directory(const Home& home) {
  return io::join_path(home.is_in_object_store() ? home.directory : home.lake_root, "tmp");
}

Result<Home> read_home_at(io::Env& env, const std::string& directory) {
  Home home = default_home(directory);
  const std::string path = io::join_path(directory, kConfigurationFile);
  if (SHOPLAKE_TRY(env.exists(path))) {
    const std::string text = SHOPLAKE_TRY(env.read_file(path));
    SHOPLAKE_TRY(Configuration(path, home).read(text));
  }
  home.temporary_directory = temporary_directory(home);
  return home;
}

Result<void> create_folders(io::Env& env, const Home& home) {
  SHOPLAKE_TRY(env.create_directories(home.directory).within("home " + home.directory));
  if (!home.is_in_object_store()) {
    for (const char* zone : {"raw", "processed", "curated", "quarantine"}) {
      SHOPLAKE_TRY(env.create_directories(io::join_path(home.lake_root, zone)));
    }
  }
  return env.create_directories(home.temporary_directory);
}

}  // namespace

std::string home_directory() {
  const char* given = std::getenv("SHOPLAKE_HOME");
  return absolute(given != nullptr && *given != '\0' ? given : "shoplake-data");
}

Result<Home> read_home(io::Env& env) { return read_home_at(env, home_directory()); }

Result<Home> open_home(io::Env& env) {
  Home home = SHOPLAKE_TRY(read_home(env));
  SHOPLAKE_TRY(create_folders(env, home));
  return home;
}

Result<Home> init_home(io::Env& env, const std::string& directory, const std::string& lake) {
  const std::string folder = absolute(directory);
  const std::string path = io::join_path(folder, kConfigurationFile);
  if (SHOPLAKE_TRY(env.exists(path))) {
    return base::make_error(ErrorKind::already_exists, "home.exists",
                            folder + " is a home already: it has a shoplake.yml",
                            "Edit that file, or name another folder.");
  }
  std::string text = kTemplate;
  if (!lake.empty()) {
    constexpr std::string_view kLine = "#lake: lake\n";
    text.replace(text.find(kLine), kLine.size(), "lake: " + quoted(lake) + "\n");
  }
  Home home = default_home(folder);
  SHOPLAKE_TRY(Configuration(path, home).read(text));
  home.temporary_directory = temporary_directory(home);
  SHOPLAKE_TRY(create_folders(env, home));
  SHOPLAKE_TRY(env.write_file(path, text));
  SHOPLAKE_TRY(hash_key(env, folder));
  return home;
}

Result<std::uint64_t> parse_size(const std::string& text) {
  constexpr std::string_view kPrefixes = "KMGT";
  const auto bad = [&] {
    return base::make_error(ErrorKind::usage, "home.size", "\"" + text + "\" is no size",
                            "Write a number and a unit: 4GiB, 512MB.");
  };
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  std::string unit(end, text.data() + text.size());
  std::erase(unit, ' ');
  std::ranges::transform(unit, unit.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (code != std::errc() || !std::isfinite(number) || number <= 0) {
    return bad();
  }
  double factor = 1;
  if (!unit.empty() && unit != "B") {
    const std::size_t power = kPrefixes.find(unit[0]);
    const std::string rest = unit.substr(1);
    if (power == std::string_view::npos || (!rest.empty() && rest != "B" && rest != "IB")) {
      return bad();
    }
    factor = std::pow(rest == "B" ? 1000.0 : 1024.0, static_cast<double>(power + 1));
  }
  const double bytes = std::floor(number * factor);
  if (bytes < 1 || bytes > 9e18) {
    return bad();
  }
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace shoplake::app
