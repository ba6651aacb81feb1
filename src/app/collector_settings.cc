#include "app/collector_settings.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "app/setting_reader.h"
#include "app/time_zone.h"
#include "io/env.h"

namespace shoplake::app {
namespace {

using base::Result;

}  // namespace

Result<void> read_collector(const YAML::Node& value, const std::string& file, const std::string& directory,
                            CollectorSettings& settings) {
  const SettingReader reader(file);
  const auto path = [&](std::string& out, const char* what) {
    return [&reader, &out, &directory, what](const YAML::Node& node) -> Result<void> {
      const std::string text = SHOPLAKE_TRY(reader.text(node, what));
      out = text.starts_with('/') ? text : io::join_path(directory, text);
      return {};
    };
  };
  SHOPLAKE_TRY(reader.mapping(
      value, "collector",
      {{"enabled",
        [&](const YAML::Node& node) -> Result<void> {
          settings.enabled = SHOPLAKE_TRY(reader.flag(node, "enabled"));
          return {};
        }},
       {"access_keys",
        [&](const YAML::Node& node) -> Result<void> {
          if (!node.IsSequence())
            return reader.error(node, "access_keys is no list", "Write it as access_keys: [{id: …, secret: …}].");
          for (const auto& entry : node) {
            collect::AccessKey key;
            SHOPLAKE_TRY(reader.mapping(entry, "an access key",
                                        {{"id",
                                          [&](const YAML::Node& id) -> Result<void> {
                                            key.id = SHOPLAKE_TRY(reader.text(id, "id"));
                                            return {};
                                          }},
                                         {"secret", [&](const YAML::Node& secret) -> Result<void> {
                                            key.secret = SHOPLAKE_TRY(reader.text(secret, "secret"));
                                            return {};
                                          }}}));
            if (key.id.empty() || key.secret.empty())
              return reader.error(entry, "an access key needs id and secret");
            settings.access_keys.push_back(std::move(key));
          }
          return {};
        }},
       {"api_keys",
        [&](const YAML::Node& node) -> Result<void> {
          settings.api_keys = SHOPLAKE_TRY(reader.texts(node, "api_keys"));
          return {};
        }},
       {"api_secrets",
        [&](const YAML::Node& node) -> Result<void> {
          settings.api_secrets = SHOPLAKE_TRY(reader.texts(node, "api_secrets"));
          return {};
        }},
       {"time_zone",
        [&](const YAML::Node& node) -> Result<void> {
          settings.time_zone = SHOPLAKE_TRY(reader.text(node, "time_zone"));
          if (!is_zone_name(settings.time_zone))
            return reader.error(node, fmt::format("\"{}\" is no name of a time zone", settings.time_zone),
                                "Write an IANA name such as Europe/Berlin.");
          return {};
        }},
       {"tls", [&](const YAML::Node& node) -> Result<void> {
          SHOPLAKE_TRY(reader.mapping(node, "tls",
                                      {{"certificate", path(settings.tls_certificate, "certificate")},
                                       {"key", path(settings.tls_key, "key")}}));
          if (settings.tls_certificate.empty() != settings.tls_key.empty())
            return reader.error(node, "tls needs certificate and key");
          return {};
        }}}));
  return {};
}

Result<void> read_streams(const YAML::Node& value, const std::string& file, CollectorSettings& settings) {
  const SettingReader reader(file);
  if (value.IsNull())
    return {};
  if (!value.IsMap())
    return reader.error(value, "streams is no mapping of names to streams",
                        "Write lines such as: orders: {dataset: orders}");
  for (const auto& entry : value) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (!collect::is_stream_name(name)) {
      return reader.error(entry.first, fmt::format("\"{}\" is no name of a stream", name),
                          "Use up to 64 letters, digits, _ . and -, as Amazon Data Firehose does.");
    }
    if (std::ranges::any_of(settings.streams, [&](const collect::Stream& other) { return other.name == name; }))
      return reader.error(entry.first, fmt::format("the stream {} stands twice", name), "Keep one of them.");
    collect::Stream stream = collect::default_stream(name);
    const auto text = [&reader](std::string& out, const char* what) {
      return [&reader, &out, what](const YAML::Node& node) -> Result<void> {
        out = SHOPLAKE_TRY(reader.text(node, what));
        return {};
      };
    };
    const auto number = [&reader](int& out, const char* what, int min, int max) {
      return [&reader, &out, what, min, max](const YAML::Node& node) -> Result<void> {
        out = SHOPLAKE_TRY(reader.number(node, what, min, max));
        return {};
      };
    };
    SHOPLAKE_TRY(reader.mapping(
        entry.second, fmt::format("the stream {}", name),
        {{"dataset", text(stream.dataset, "dataset")},
         {"prefix",
          [&](const YAML::Node& node) -> Result<void> {
            auto prefix = collect::effective_prefix(SHOPLAKE_TRY(reader.text(node, "prefix")), name);
            if (!prefix.ok())
              return reader.error(node, prefix.error().message, prefix.error().advice);
            stream.prefix = *std::move(prefix);
            return {};
          }},
         {"live",
          [&](const YAML::Node& node) -> Result<void> {
            stream.live = SHOPLAKE_TRY(reader.flag(node, "live"));
            return {};
          }},
         {"buffering", [&](const YAML::Node& node) {
            return reader.mapping(
                node, "buffering",
                {{"seconds", number(stream.buffering_seconds, "seconds", 0, collect::kBufferingSecondsMax)},
                 {"mebibytes", number(stream.buffering_mebibytes, "mebibytes", 1, collect::kBufferingMebibytesMax)}});
          }}}));
    settings.streams.push_back(std::move(stream));
  }
  return {};
}

}  // namespace shoplake::app
