// YamlReader: values of a YAML file with mistakes named by their line and column. For the .cc files of this module.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/result.h"

namespace shoplake::contract {

class YamlReader {
 public:
  explicit YamlReader(std::string_view path) : path_(path) {}

  const std::string& path() const { return path_; }

  // contract.invalid (kind usage): "<path>:<line>:<column>: what".
  base::Error invalid(const YAML::Node& node, std::string_view what) const;

  base::Result<void> check_keys(const YAML::Node& node, std::initializer_list<std::string_view> known) const;
  base::Result<std::string> text(const YAML::Node& node, std::string_view key) const;
  base::Result<std::string> required_text(const YAML::Node& node, const char* key) const;
  base::Result<std::string> optional_text(const YAML::Node& node, const char* key) const;
  // A list of texts; one text is a list of it.
  base::Result<std::vector<std::string>> texts(const YAML::Node& node, std::string_view key) const;
  base::Result<bool> flag(const YAML::Node& node, std::string_view key) const;
  base::Result<std::uint64_t> number(const YAML::Node& node, std::string_view key, std::uint64_t least,
                                     std::uint64_t most) const;
  base::Result<char> character(const YAML::Node& node, std::string_view key) const;

  template <typename T>
  base::Result<T> choice(const YAML::Node& node, std::string_view key,
                         std::initializer_list<std::pair<std::string_view, T>> choices) const {
    if (node.IsScalar()) {
      for (const auto& [spelling, value] : choices) {
        if (node.Scalar() == spelling)
          return value;
      }
    }
    std::string spellings;
    for (const auto& entry : choices)
      spellings += (spellings.empty() ? "" : ", ") + std::string(entry.first);
    return invalid(node, fmt::format("{} \"{}\" is not known; known are {}", key, node.IsScalar() ? node.Scalar() : "…",
                                     spellings));
  }

 private:
  std::string path_;
};

}  // namespace shoplake::contract
