#include "app/object_store_settings.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "app/setting_reader.h"

namespace shoplake::app {

using base::Result;

namespace {

constexpr int kTimeoutSecondsMax = 3600;
constexpr int kAttemptsMax = 100;

// "https://host", "http://host:9000": scheme, host and port only.
bool is_endpoint(const std::string& text) {
  const std::size_t scheme = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  return scheme > 0 && text.size() > scheme && text.find_first_of("/?#@ ", scheme) == std::string::npos;
}

}  // namespace

Result<void> read_object_store(const YAML::Node& value, const std::string& file, ObjectStoreSettings& settings) {
  const SettingReader reader(file);
  const auto text = [&](std::string& out, const char* what) {
    return [&reader, &out, what](const YAML::Node& node) -> Result<void> {
      out = SHOPLAKE_TRY(reader.text(node, what));
      return {};
    };
  };
  const auto number = [&](int& out, const char* what, int max) {
    return [&reader, &out, what, max](const YAML::Node& node) -> Result<void> {
      out = SHOPLAKE_TRY(reader.number(node, what, 1, max));
      return {};
    };
  };
  SHOPLAKE_TRY(reader.mapping(
      value, "s3",
      {{"endpoint",
        [&](const YAML::Node& node) -> Result<void> {
          settings.endpoint = SHOPLAKE_TRY(reader.text(node, "endpoint"));
          while (settings.endpoint.ends_with('/'))
            settings.endpoint.pop_back();
          if (!is_endpoint(settings.endpoint))
            return reader.error(node, fmt::format("endpoint: \"{}\" is no address of a store", settings.endpoint),
                                "Write it as https://s3.example.org or http://127.0.0.1:9000.");
          return {};
        }},
       {"region", text(settings.region, "region")},
       {"path_style",
        [&](const YAML::Node& node) -> Result<void> {
          settings.path_style = SHOPLAKE_TRY(reader.flag(node, "path_style"));
          return {};
        }},
       {"profile", text(settings.profile, "profile")},
       {"access_key_id", text(settings.access_key_id, "access_key_id")},
       {"secret_access_key", text(settings.secret_access_key, "secret_access_key")},
       {"session_token", text(settings.session_token, "session_token")},
       {"sse",
        [&](const YAML::Node& node) -> Result<void> {
          const std::string wanted = SHOPLAKE_TRY(reader.text(node, "sse"));
          if (wanted != "AES256" && wanted != "off" && wanted != "false")
            return reader.error(node, fmt::format("sse: \"{}\" is neither AES256 nor off", wanted),
                                "Keys of KMS are set as the bucket's default encryption.");
          settings.encrypts = wanted == "AES256";
          return {};
        }},
       {"connect_timeout_seconds",
        number(settings.connect_timeout_seconds, "connect_timeout_seconds", kTimeoutSecondsMax)},
       {"stall_timeout_seconds", number(settings.stall_timeout_seconds, "stall_timeout_seconds", kTimeoutSecondsMax)},
       {"attempts", number(settings.attempts, "attempts", kAttemptsMax)}}));
  if (settings.access_key_id.empty() != settings.secret_access_key.empty())
    return reader.error(value, "s3: access_key_id and secret_access_key belong together");
  if (!settings.access_key_id.empty() && !settings.profile.empty())
    return reader.error(value, "s3: there are keys and a profile", "Keep one of them.");
  return {};
}

}  // namespace shoplake::app
