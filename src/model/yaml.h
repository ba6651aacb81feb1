// YAML files as JSON values, with the line of every key and list item, so that a message can name file and line.
//
// Scalars are typed as dbt (PyYAML, YAML 1.1) types them: yes/no/on/off are booleans, 012 is octal, quoted scalars are
// strings. Merge keys (<<) and aliases are resolved; a document that grows beyond kYamlNodesMax that way is refused.
// Errors: model.yaml (kind usage) with file and line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace shoplake::model {

using base::Result;
using Json = nlohmann::ordered_json;

inline constexpr std::size_t kYamlNodesMax = 1'000'000;
inline constexpr int kYamlDepthMax = 100;

class YamlDocument {
 public:
  // `path` is for messages only. An empty document is null.
  static Result<YamlDocument> parse(std::string_view text, std::string path);

  const Json& value() const { return value_; }
  const std::string& path() const { return path_; }
  // The line (from 1) of the element that a JSON pointer names ("/models/0/name"), or of its nearest parent.
  int line(std::string_view pointer) const;
  // "models/schema.yml:12".
  std::string place(std::string_view pointer) const;

 private:
  Json value_;
  std::string path_;
  std::unordered_map<std::string, int> lines_;
};

// One YAML value without a file: --vars. Errors: model.yaml.
Result<Json> parse_yaml_value(std::string_view text, std::string_view what);

// A scalar as text, as YAML authors mean it where a string is wanted: 1 → "1", true → "true".
std::string scalar_text(const Json& value);

}  // namespace shoplake::model
