#include "model/node_error.h"

#include <string_view>

#include <fmt/format.h>

namespace shoplake::model {
namespace {

std::string indented(std::string_view text) {
  std::string out = "  ";
  for (char c : text) {
    out += c;
    if (c == '\n')
      out += "  ";
  }
  return out;
}

std::string describe(const Node& node) {
  return fmt::format(
      "{} {} ({})", name(node.type), node.name,
      node.line > 0 && node.test ? fmt::format("{}:{}", node.original_file_path, node.line) : node.original_file_path);
}

std::string_view heading(const base::Error& error) {
  if (error.kind == base::ErrorKind::cancelled)
    return "Interrupted";
  if (error.code.starts_with("engine."))
    return "Database Error";
  if (error.code.starts_with("model.jinja") || error.code == "model.unresolved")
    return "Compilation Error";
  if (error.code.starts_with("catalog.") || error.kind == base::ErrorKind::environment)
    return "Environment Error";
  return "Runtime Error";
}

}  // namespace

std::string explain(const Node& node, const base::Error& error) {
  std::string text = fmt::format("{} in {}\n{}", heading(error), describe(node), indented(error.message));
  if (!error.advice.empty())
    text += "\n" + indented(error.advice);
  if (node.compiled && !node.compiled_path.empty())
    text += fmt::format("\n  compiled code at {}", node.compiled_path);
  return text;
}

std::string explain(const UnitTest& test, const base::Error& error) {
  return fmt::format("{} in unit_test {} ({}:{})\n{}", heading(error), test.name, test.original_file_path, test.line,
                     indented(error.message + (error.advice.empty() ? "" : "\n" + error.advice)));
}

}  // namespace shoplake::model
