#include "model/yaml.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace shoplake::model {
namespace {

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789_") == std::string_view::npos && text.front() != '_';
}

std::string without_underscores(std::string_view text) {
  std::string plain;
  for (char c : text) {
    if (c != '_')
      plain += c;
  }
  return plain;
}

std::optional<Json> integer(std::string_view text) {
  std::string_view digits = text;
  bool negative = false;
  if (!digits.empty() && (digits.front() == '-' || digits.front() == '+')) {
    negative = digits.front() == '-';
    digits.remove_prefix(1);
  }
  int base = 10;
  std::string plain;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    base = 16;
    plain = without_underscores(digits.substr(2));
  } else {
    if (!is_digits(digits))
      return std::nullopt;
    plain = without_underscores(digits);
    if (plain.size() > 1 && plain.front() == '0') {
      if (plain.find_first_of("89") != std::string::npos)
        return std::nullopt;
      base = 8;
    }
  }
  std::uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), magnitude, base);
  if (error != std::errc() || end != plain.data() + plain.size() || plain.empty())
    return std::nullopt;
  const auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (magnitude > limit)
    return std::nullopt;
  const auto value = static_cast<std::int64_t>(magnitude);
  return Json(negative ? -value : value);
}

std::optional<Json> number(std::string_view text) {
  std::string_view digits = text;
  if (!digits.empty() && (digits.front() == '-' || digits.front() == '+'))
    digits.remove_prefix(1);
  if (digits.empty() || !(std::isdigit(static_cast<unsigned char>(digits.front())) || digits.front() == '.'))
    return std::nullopt;
  if (digits.find('.') == std::string_view::npos)
    return std::nullopt;
  const std::string plain = without_underscores(text);
  char* end = nullptr;
  const double value = std::strtod(plain.c_str(), &end);
  if (end != plain.c_str() + plain.size() || !std::isfinite(value))
    return std::nullopt;
  return Json(value);
}

Json plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return nullptr;
  for (const char* yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (text == yes)
      return true;
  }
  for (const char* no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (text == no)
      return false;
  }
  if (auto value = integer(text))
    return *value;
  if (auto value = number(text))
    return *value;
  return text;
}

std::string pointer_token(std::string_view key) {
  std::string token;
  for (char c : key) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += c;
    }
  }
  return token;
}

class Converter {
 public:
  Converter(const std::string& path, std::unordered_map<std::string, int>& lines) : path_(path), lines_(lines) {}

  Result<Json> convert(const YAML::Node& node, const std::string& pointer, int depth) {
    if (depth > kYamlDepthMax)
      return too_large(node, fmt::format("is nested more than {} levels deep", kYamlDepthMax));
    if (++count_ > kYamlNodesMax)
      return too_large(node, fmt::format("has more than {} values", kYamlNodesMax));
    if (node.Mark().line >= 0)
      lines_.emplace(pointer, node.Mark().line + 1);
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null: return Json(nullptr);
      case YAML::NodeType::Scalar:
        if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str" || node.Tag() == "!!str")
          return Json(node.Scalar());
        return plain_scalar(node.Scalar());
      case YAML::NodeType::Sequence: {
        Json list = Json::array();
        std::size_t index = 0;
        for (const auto& item : node) {
          list.push_back(SHOPLAKE_TRY(convert(item, pointer + "/" + std::to_string(index++), depth + 1)));
        }
        return list;
      }
      case YAML::NodeType::Map: return mapping(node, pointer, depth);
    }
    return Json(nullptr);
  }

 private:
  Result<Json> mapping(const YAML::Node& node, const std::string& pointer, int depth) {
    Json object = Json::object();
    Json merged = Json::object();
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        return base::make_error(
            base::ErrorKind::usage, "model.yaml",
            fmt::format("{}:{}: a mapping key is not a plain value", path_, entry.first.Mark().line + 1));
      }
      const std::string key = entry.first.Scalar();
      const std::string at = pointer + "/" + pointer_token(key);
      Json value = SHOPLAKE_TRY(convert(entry.second, at, depth + 1));
      if (entry.first.Mark().line >= 0)
        lines_[at] = entry.first.Mark().line + 1;
      if (key == "<<") {
        for (const Json& source : value.is_array() ? value : Json::array({value})) {
          if (!source.is_object())
            continue;
          for (const auto& [name, inherited] : source.items()) {
            if (!merged.contains(name))
              merged[name] = inherited;
          }
        }
        continue;
      }
      object[key] = std::move(value);
    }
    for (const auto& [name, inherited] : merged.items()) {
      if (!object.contains(name))
        object[name] = inherited;
    }
    return object;
  }

  base::Error too_large(const YAML::Node& node, const std::string& why) const {
    return base::make_error(base::ErrorKind::usage, "model.yaml",
                            fmt::format("{}:{}: the document {}", path_, node.Mark().line + 1, why));
  }

  const std::string& path_;
  std::unordered_map<std::string, int>& lines_;
  std::size_t count_ = 0;
};

}  // namespace

Result<YamlDocument> YamlDocument::parse(std::string_view text, std::string path) {
  YamlDocument document;
  document.path_ = std::move(path);
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    Converter converter(document.path_, document.lines_);
    document.value_ = SHOPLAKE_TRY(converter.convert(root, "", 0));
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 1 : error.mark.line + 1;
    return base::make_error(base::ErrorKind::usage, "model.yaml",
                            fmt::format("{}:{}: not valid YAML: {}", document.path_, line, error.msg),
                            "Look at the indentation and quotes of that line and the one before it.");
  }
  return document;
}

int YamlDocument::line(std::string_view pointer) const {
  std::string at(pointer);
  while (true) {
    if (auto found = lines_.find(at); found != lines_.end())
      return found->second;
    const auto slash = at.rfind('/');
    if (slash == std::string::npos)
      return 1;
    at.resize(slash);
  }
}

std::string YamlDocument::place(std::string_view pointer) const { return fmt::format("{}:{}", path_, line(pointer)); }

Result<Json> parse_yaml_value(std::string_view text, std::string_view what) {
  return SHOPLAKE_TRY(YamlDocument::parse(text, std::string(what))).value();
}

std::string scalar_text(const Json& value) {
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_null())
    return "";
  return value.dump();
}

}  // namespace shoplake::model
