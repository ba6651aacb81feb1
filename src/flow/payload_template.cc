#include "flow/payload_template.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace shoplake::flow {

using base::Result;

namespace {

struct Member;
using Members = std::vector<Member>;
using Elements = std::vector<TemplateNode>;

}  // namespace

struct TemplateNode {
  std::variant<Json, Expression, std::shared_ptr<const Members>, std::shared_ptr<const Elements>> value;
};

namespace {

struct Member {
  std::string name;
  TemplateNode value;
};

constexpr int kDepthMax = 100;

Result<TemplateNode> parse_node(const Json& document, int depth) {
  if (depth > kDepthMax)
    return base::make_error(base::ErrorKind::usage, "flow.bad_template", "the template is nested too deeply");
  if (document.is_array()) {
    auto elements = std::make_shared<Elements>();
    for (const Json& element : document)
      elements->push_back(SHOPLAKE_TRY(parse_node(element, depth + 1)));
    return TemplateNode{std::shared_ptr<const Elements>(std::move(elements))};
  }
  if (!document.is_object())
    return TemplateNode{document};
  auto members = std::make_shared<Members>();
  for (const auto& [key, value] : document.items()) {
    if (!key.ends_with(".$")) {
      auto node = SHOPLAKE_TRY(parse_node(value, depth + 1));
      members->push_back({key, std::move(node)});
      continue;
    }
    const std::string name = key.substr(0, key.size() - 2);
    if (!value.is_string()) {
      return base::make_error(base::ErrorKind::usage, "flow.bad_template",
                              fmt::format("the value of \"{}\" is no path and no call of a function", key));
    }
    if (document.contains(name)) {
      return base::make_error(base::ErrorKind::usage, "flow.bad_template",
                              fmt::format("\"{}\" stands beside \"{}\"; one of them has to go", name, key));
    }
    auto expression = Expression::parse(value.get_ref<const std::string&>());
    if (!expression.ok())
      return std::move(expression).error().within(fmt::format("\"{}\"", key));
    members->push_back({name, TemplateNode{std::move(expression).value()}});
  }
  return TemplateNode{std::shared_ptr<const Members>(std::move(members))};
}

Result<Json> evaluate_member(const Member& member, const Scope& scope);

Result<Json> evaluate_node(const TemplateNode& node, const Scope& scope) {
  if (const auto* literal = std::get_if<Json>(&node.value))
    return *literal;
  if (const auto* elements = std::get_if<std::shared_ptr<const Elements>>(&node.value)) {
    Json array = Json::array();
    for (const TemplateNode& element : **elements)
      array.push_back(SHOPLAKE_TRY(evaluate_node(element, scope)));
    return array;
  }
  if (const auto* expression = std::get_if<Expression>(&node.value))
    return expression->evaluate(scope);
  Json object = Json::object();
  for (const Member& member : *std::get<std::shared_ptr<const Members>>(node.value))
    object[member.name] = SHOPLAKE_TRY(evaluate_member(member, scope));
  return object;
}

Result<Json> evaluate_member(const Member& member, const Scope& scope) {
  const auto* expression = std::get_if<Expression>(&member.value.value);
  auto value = evaluate_node(member.value, scope);
  if (value.ok() || expression == nullptr)
    return value;
  base::Error error = std::move(value).error();
  if (error.code == "States.ParameterPathFailure") {
    error.message = fmt::format("The JSONPath '{}' specified for the field '{}.$' {}", expression->text(), member.name,
                                error.message);
  } else if (error.code == "States.IntrinsicFailure") {
    error.message = fmt::format("The function '{}' specified for the field '{}.$' failed: {}", expression->text(),
                                member.name, error.message);
  }
  return error;
}

}  // namespace

Result<PayloadTemplate> PayloadTemplate::parse(const Json& document) {
  PayloadTemplate parsed;
  parsed.root_ = std::make_shared<const TemplateNode>(SHOPLAKE_TRY(parse_node(document, 0)));
  return parsed;
}

Result<Json> PayloadTemplate::evaluate(const Scope& scope) const { return evaluate_node(*root_, scope); }

}  // namespace shoplake::flow
