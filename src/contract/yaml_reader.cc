#include "contract/yaml_reader.h"

namespace shoplake::contract {

using base::Error;
using base::ErrorKind;
using base::make_error;
using base::Result;

Error YamlReader::invalid(const YAML::Node& node, std::string_view what) const {
  const YAML::Mark mark = node.Mark();
  return make_error(ErrorKind::usage, "contract.invalid",
                    mark.is_null() ? fmt::format("{}:1:1: {}", path_, what)
                                   : fmt::format("{}:{}:{}: {}", path_, mark.line + 1, mark.column + 1, what),
                    "Correct the contract; docs/formats/contract.md describes its fields.");
}

Result<void> YamlReader::check_keys(const YAML::Node& node, std::initializer_list<std::string_view> known) const {
  if (!node.IsMap())
    return invalid(node, "a mapping is expected here");
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const std::string key = entry.first.Scalar();
    if (std::find(known.begin(), known.end(), key) == known.end())
      return invalid(entry.first, fmt::format("unknown key \"{}\"; known are {}", key, fmt::join(known, ", ")));
    if (!seen.insert(key).second)
      return invalid(entry.first, fmt::format("\"{}\" is given twice", key));
  }
  return {};
}

Result<std::string> YamlReader::text(const YAML::Node& node, std::string_view key) const {
  if (node.IsNull())
    return invalid(node, fmt::format("{} must be text; the word NULL is written in quotes", key));
  if (!node.IsScalar())
    return invalid(node, fmt::format("{} must be text", key));
  return node.Scalar();
}

Result<std::string> YamlReader::required_text(const YAML::Node& node, const char* key) const {
  const YAML::Node value = node[key];
  if (!value || !value.IsScalar() || value.Scalar().empty())
    return invalid(node, fmt::format("{} is missing", key));
  return value.Scalar();
}

Result<std::string> YamlReader::optional_text(const YAML::Node& node, const char* key) const {
  const YAML::Node value = node[key];
  if (!value)
    return std::string();
  return text(value, key);
}

Result<std::vector<std::string>> YamlReader::texts(const YAML::Node& node, std::string_view key) const {
  std::vector<std::string> result;
  if (node.IsScalar()) {
    result.push_back(node.Scalar());
    return result;
  }
  if (!node.IsSequence())
    return invalid(node, fmt::format("{} must be a list of texts", key));
  for (const YAML::Node& entry : node)
    result.push_back(SHOPLAKE_TRY(text(entry, key)));
  return result;
}

Result<bool> YamlReader::flag(const YAML::Node& node, std::string_view key) const {
  bool value = false;
  if (!YAML::convert<bool>::decode(node, value))
    return invalid(node, fmt::format("{} must be true or false", key));
  return value;
}

Result<std::uint64_t> YamlReader::number(const YAML::Node& node, std::string_view key, std::uint64_t least,
                                         std::uint64_t most) const {
  std::uint64_t value = 0;
  if (!YAML::convert<std::uint64_t>::decode(node, value) || value < least || value > most)
    return invalid(node, fmt::format("{} must be a number from {} to {}", key, least, most));
  return value;
}

Result<char> YamlReader::character(const YAML::Node& node, std::string_view key) const {
  const std::string value = SHOPLAKE_TRY(text(node, key));
  if (value == "tab" || value == "\\t")
    return '\t';
  if (value.size() != 1 || static_cast<unsigned char>(value[0]) >= 0x80 || value[0] == '\n' || value[0] == '\r')
    return invalid(node, fmt::format("{} must be one ASCII character, or tab", key));
  return value[0];
}

}  // namespace shoplake::contract
