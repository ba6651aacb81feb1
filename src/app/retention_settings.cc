#include "app/retention_settings.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace shoplake::app {
namespace {

using base::Result;

constexpr std::int64_t kDaysMax = 36'600;

base::Error wrong(const YAML::Node& node, const std::string& path, const std::string& what) {
  return base::make_error(base::ErrorKind::usage, "home.configuration",
                          fmt::format("{}:{}: retention: {}", path, node.Mark().line + 1, what),
                          "Write days or forever: {raw: 30d, processed: forever, datasets: {events: {raw: 90d}}}.");
}

Result<std::optional<std::int64_t>> days(const YAML::Node& node, const std::string& path) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  if (text == "forever") {
    return std::optional<std::int64_t>();
  }
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, text.data() + text.size());
  if (code != std::errc() || (unit != "d" && !unit.empty()) || value < 1 || value > kDaysMax) {
    return wrong(node, path, fmt::format("\"{}\" is no number of days from 1 to {}", text, kDaysMax));
  }
  return std::optional(value);
}

Result<void> read_dataset(const YAML::Node& node, const std::string& path, const std::string& name,
                          maintain::RetentionPolicy& policy) {
  if (!node.IsMap()) {
    return wrong(node, path, name + " is no mapping of zones to days");
  }
  for (const auto& entry : node) {
    const std::string& zone = entry.first.Scalar();
    if (zone != "raw" && zone != "processed" && zone != "curated" && zone != "quarantine") {
      return wrong(entry.first, path, "there is no zone " + zone + "; known are raw, processed, curated, quarantine");
    }
    policy.datasets[name].zones[zone] = SHOPLAKE_TRY(days(entry.second, path));
  }
  return {};
}

}  // namespace

Result<void> read_retention(const YAML::Node& node, const std::string& path, maintain::RetentionPolicy& policy) {
  if (!node.IsMap()) {
    return wrong(node, path, "it is no mapping of zones to days");
  }
  for (const auto& entry : node) {
    const std::string& key = entry.first.Scalar();
    std::optional<std::int64_t>* zone = key == "raw"             ? &policy.raw
                                        : key == "processed"     ? &policy.processed
                                        : key == "curated"       ? &policy.curated
                                        : key == "quarantine"    ? &policy.quarantine
                                        : key == "query-results" ? &policy.query_results
                                                                 : nullptr;
    if (zone != nullptr) {
      *zone = SHOPLAKE_TRY(days(entry.second, path));
    } else if (key == "datasets" && entry.second.IsMap()) {
      for (const auto& dataset : entry.second) {
        SHOPLAKE_TRY(read_dataset(dataset.second, path, dataset.first.Scalar(), policy));
      }
    } else {
      return wrong(entry.first, path,
                   key == "datasets" ? "datasets is no mapping"
                                     : "there is no zone " + key +
                                           "; known are raw, processed, curated, quarantine, query-results, datasets");
    }
  }
  return {};
}

}  // namespace shoplake::app
