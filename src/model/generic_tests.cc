#include "model/generic_tests.h"

#include <algorithm>
#include <cctype>
#include <regex>
#include <vector>

#include <fmt/format.h>

#include "base/digest.h"
#include "model/template_text.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

constexpr std::size_t kTestNameMax = 63;

// Python's repr() of a value whose scalars were made strings by str(): what dbt hashes for the id of a test.
std::string python_repr(const Json& value) {
  if (value.is_object()) {
    std::vector<std::string> keys;
    for (const auto& [key, item] : value.items())
      keys.push_back(key);
    std::sort(keys.begin(), keys.end());
    std::string text;
    for (const std::string& key : keys)
      text += (text.empty() ? "" : ", ") + python_repr(key) + ": " + python_repr(value[key]);
    return "{" + text + "}";
  }
  if (value.is_array()) {
    std::string text;
    for (const Json& item : value)
      text += (text.empty() ? "" : ", ") + python_repr(item);
    return "[" + text + "]";
  }
  const std::string plain = value.is_boolean() ? (value.get<bool>() ? "True" : "False")
                            : value.is_null()  ? "None"
                                               : scalar_text(value);
  const char quote = plain.find('\'') != std::string::npos && plain.find('"') == std::string::npos ? '"' : '\'';
  std::string text(1, quote);
  for (char c : plain) {
    if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (c == '\r') {
      text += "\\r";
    } else if (c == '\\' || c == quote) {
      text += '\\';
      text += c;
    } else {
      text += c;
    }
  }
  return text + quote;
}

// A JSON value as a Jinja expression.
std::string jinja_literal(const Json& value) {
  if (value.is_null())
    return "none";
  if (value.is_array()) {
    std::string text = "[";
    for (const Json& item : value)
      text += (text.size() > 1 ? ", " : "") + jinja_literal(item);
    return text + "]";
  }
  if (value.is_object()) {
    std::string text = "{";
    for (const auto& [key, item] : value.items())
      text += (text.size() > 1 ? ", " : "") + Json(key).dump() + ": " + jinja_literal(item);
    return text + "}";
  }
  return value.dump();
}

// dbt evaluates string arguments of tests: a call of ref(), source(), var(), env_var() or doc(), and {{ … }}.
std::string argument_expression(const std::string& key, const Json& value, std::string& prologue) {
  if (!value.is_string())
    return jinja_literal(value);
  const std::string text = value.get<std::string>();
  static const std::regex call(R"(^\s*(env_var|ref|var|source|doc)\s*\([\s\S]+\)\s*$)");
  if (std::regex_match(text, call))
    return "(" + trimmed(text) + ")";
  if (!has_jinja(text))
    return jinja_literal(value);
  const std::string inner = trimmed(text);
  if (inner.starts_with("{{") && inner.ends_with("}}") && inner.find("{{", 2) == std::string::npos)
    return "(" + trimmed(inner.substr(2, inner.size() - 4)) + ")";
  std::string variable = "argument_";
  for (char c : key)
    variable += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  prologue += fmt::format("{{% set {} %}}{}{{% endset %}}", variable, text);
  return variable;
}

}  // namespace

TestName generic_test_name(const std::string& type, const std::string& target, const Json& arguments) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : arguments.items()) {
    if (key != "model")
      keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  std::string unique;
  const auto add = [&](const Json& value) {
    std::string text = value.is_boolean() ? (value.get<bool>() ? "True" : "False")
                       : value.is_null()  ? "None"
                                          : scalar_text(value);
    std::string clean;
    for (char c : text) {
      const bool word = std::isalnum(static_cast<unsigned char>(c)) || c == '_';
      if (word) {
        clean += c;
      } else if (clean.empty() || clean.back() != '\x01') {
        clean += '\x01';
      }
    }
    std::replace(clean.begin(), clean.end(), '\x01', '_');
    unique += (unique.empty() ? "" : "__") + clean;
  };
  for (const std::string& key : keys) {
    const Json& value = arguments[key];
    if (value.is_array() || value.is_object()) {
      for (const Json& item : value)
        add(item);
    } else {
      add(value);
    }
  }
  const std::string identifier = fmt::format("{}_{}", type, target);
  TestName name;
  name.full_name = fmt::format("{}_{}", identifier, unique);
  name.short_name = name.full_name.size() > kTestNameMax
                        ? fmt::format("{}_{}", identifier.substr(0, 30), base::md5_hex(name.full_name))
                        : name.full_name;
  return name;
}

std::string generic_test_id(const std::string& package, const std::string& full_name, const TestMetadata& test) {
  // dbt's own rule, so that both give a test the same id.
  const Json identity{{"kwargs", test.arguments},
                      {"name", test.name},
                      {"namespace", test.name_space ? Json(*test.name_space) : Json(nullptr)}};
  return fmt::format("test.{}.{}.{}", package, full_name, base::md5_hex(full_name + python_repr(identity)).substr(22));
}

std::string generic_test_template(const TestMetadata& test, const std::string& model_expression) {
  std::string prologue;
  std::string call =
      fmt::format("{}test_{}(model={}", test.name_space ? *test.name_space + "." : "", test.name, model_expression);
  for (const auto& [key, value] : test.arguments.items()) {
    if (key == "model")
      continue;
    call += fmt::format(", {}={}", key, argument_expression(key, value, prologue));
  }
  return fmt::format("{}{{{{ {}) }}}}", prologue, call);
}

}  // namespace shoplake::model
