#include "app/setting_reader.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/nearest_name.h"

namespace shoplake::app {

using base::Result;

base::Error SettingReader::error(const YAML::Node& at, const std::string& what, std::string advice) const {
  return base::make_error(base::ErrorKind::usage, "home.configuration",
                          fmt::format("{}:{}: {}", file_, at.Mark().line + 1, what), std::move(advice));
}

Result<void> SettingReader::mapping(const YAML::Node& node, const std::string& what, const Setters& setters) const {
  if (node.IsNull())
    return {};
  if (!node.IsMap())
    return error(node, what + " is no mapping of keys to values");
  std::vector<std::string> known;
  for (const auto& [key, setter] : setters)
    known.push_back(key);
  std::vector<std::string> seen;
  for (const auto& entry : node) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const auto setter = setters.find(key);
    if (setter == setters.end()) {
      const std::string nearest = base::nearest_name(key, known);
      return error(entry.first, fmt::format("{} has no key {}", what, key),
                   nearest.empty() ? fmt::format("Known keys: {}.", fmt::join(known, " "))
                                   : fmt::format("Did you mean {}?", nearest));
    }
    if (std::ranges::find(seen, key) != seen.end())
      return error(entry.first, fmt::format("{}: the key {} stands twice", what, key), "Keep one of them.");
    seen.push_back(key);
    SHOPLAKE_TRY(setter->second(entry.second));
  }
  return {};
}

Result<std::string> SettingReader::text(const YAML::Node& node, const std::string& what) const {
  if (!node.IsScalar() || node.Scalar().empty())
    return error(node, what + " is no single value");
  const std::string& value = node.Scalar();
  if (!value.starts_with("${") || !value.ends_with('}'))
    return value;
  const std::string name = value.substr(2, value.size() - 3);
  const char* given = std::getenv(name.c_str());
  if (given == nullptr || *given == '\0') {
    return error(node, fmt::format("{}: the environment has no {}", what, name),
                 "Set the variable, or write the value.");
  }
  return std::string(given);
}

Result<std::vector<std::string>> SettingReader::texts(const YAML::Node& node, const std::string& what) const {
  if (!node.IsSequence())
    return error(node, what + " is no list", fmt::format("Write it as {}: [one, two].", what));
  std::vector<std::string> values;
  for (const auto& value : node)
    values.push_back(SHOPLAKE_TRY(text(value, what)));
  return values;
}

Result<int> SettingReader::number(const YAML::Node& node, const std::string& what, int min, int max) const {
  const std::string value = SHOPLAKE_TRY(text(node, what));
  int out = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (code != std::errc() || end != value.data() + value.size() || out < min || out > max)
    return error(node, fmt::format("{}: \"{}\" is no whole number from {} to {}", what, value, min, max));
  return out;
}

Result<bool> SettingReader::flag(const YAML::Node& node, const std::string& what) const {
  const std::string value = SHOPLAKE_TRY(text(node, what));
  for (const char* yes : {"on", "true", "yes"}) {
    if (value == yes)
      return true;
  }
  for (const char* no : {"off", "false", "no"}) {
    if (value == no)
      return false;
  }
  return error(node, fmt::format("{}: \"{}\" is neither on nor off", what, value));
}

}  // namespace shoplake::app
