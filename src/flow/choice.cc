#include "flow/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "base/moment.h"
#include "flow/json_path.h"

namespace shoplake::flow {

using base::Result;

namespace {

enum class Operand { text, number, boolean, time };
enum class Relation { equal, less, less_equal, greater, greater_equal, matches };
enum class Question { is_null, is_present, is_numeric, is_string, is_boolean, is_timestamp };

struct Comparison {
  JsonPath variable;
  Operand operand = Operand::text;
  Relation relation = Relation::equal;
  std::variant<Json, JsonPath> value;
};
struct TypeTest {
  JsonPath variable;
  Question question = Question::is_null;
  bool wanted = true;
};
struct Combination {
  enum class Kind { all, any, negation } kind = Kind::all;
  std::vector<std::shared_ptr<const ChoiceNode>> parts;
};

}  // namespace

struct ChoiceNode {
  std::variant<Comparison, TypeTest, Combination> value;
};

namespace {

constexpr int kDepthMax = 50;

base::Error bad_choice(std::string message) {
  return base::make_error(
      base::ErrorKind::usage, "flow.bad_choice", std::move(message),
      "A rule has Variable and one comparison (StringEquals, NumericGreaterThanPath, IsPresent …), or And, Or, Not.");
}

struct Operator {
  Operand operand;
  Relation relation;
  bool of_path;
};

std::optional<Operator> parse_operator(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Operand>, 4> kOperands = {{{"String", Operand::text},
                                                                                     {"Numeric", Operand::number},
                                                                                     {"Boolean", Operand::boolean},
                                                                                     {"Timestamp", Operand::time}}};
  static constexpr std::array<std::pair<std::string_view, Relation>, 6> kRelations = {
      {{"Equals", Relation::equal},
       {"LessThanEquals", Relation::less_equal},
       {"LessThan", Relation::less},
       {"GreaterThanEquals", Relation::greater_equal},
       {"GreaterThan", Relation::greater},
       {"Matches", Relation::matches}}};
  const auto operand = std::ranges::find_if(kOperands, [&](const auto& each) { return name.starts_with(each.first); });
  if (operand == kOperands.end())
    return std::nullopt;
  name.remove_prefix(operand->first.size());
  const auto relation =
      std::ranges::find_if(kRelations, [&](const auto& each) { return name.starts_with(each.first); });
  if (relation == kRelations.end())
    return std::nullopt;
  name.remove_prefix(relation->first.size());
  const bool of_path = name == "Path";
  const bool known = (name.empty() || of_path) &&
                     (relation->second != Relation::matches || (operand->second == Operand::text && !of_path)) &&
                     (operand->second != Operand::boolean || relation->second == Relation::equal);
  return known ? std::optional(Operator{operand->second, relation->second, of_path}) : std::nullopt;
}

std::optional<Question> parse_question(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Question>, 6> kQuestions = {
      {{"IsNull", Question::is_null},
       {"IsPresent", Question::is_present},
       {"IsNumeric", Question::is_numeric},
       {"IsString", Question::is_string},
       {"IsBoolean", Question::is_boolean},
       {"IsTimestamp", Question::is_timestamp}}};
  for (const auto& [spelled, question] : kQuestions) {
    if (spelled == name)
      return question;
  }
  return std::nullopt;
}

bool is_of(Operand operand, const Json& value) {
  switch (operand) {
    case Operand::text: return value.is_string();
    case Operand::number: return value.is_number();
    case Operand::boolean: return value.is_boolean();
    case Operand::time:
      return value.is_string() && parse_offset_date_time(value.get_ref<const std::string&>()).has_value();
  }
  return false;
}

std::string_view name_of(Operand operand) {
  switch (operand) {
    case Operand::text: return "a text";
    case Operand::number: return "a number";
    case Operand::boolean: return "true or false";
    case Operand::time: return "a time (2026-11-21T10:00:00Z)";
  }
  return "";
}

Result<std::shared_ptr<const ChoiceNode>> parse_node(const Json& rule, bool is_top, int depth);

Result<std::shared_ptr<const ChoiceNode>> parse_combination(const Json& rule, Combination::Kind kind, const char* name,
                                                            int depth) {
  Combination combination{.kind = kind, .parts = {}};
  const Json& parts = rule[name];
  if (kind == Combination::Kind::negation) {
    combination.parts.push_back(SHOPLAKE_TRY(parse_node(parts, false, depth + 1)));
  } else {
    if (!parts.is_array() || parts.empty())
      return bad_choice(fmt::format("{} is no list of rules", name));
    for (const Json& part : parts)
      combination.parts.push_back(SHOPLAKE_TRY(parse_node(part, false, depth + 1)));
  }
  return std::make_shared<const ChoiceNode>(ChoiceNode{std::move(combination)});
}

Result<std::shared_ptr<const ChoiceNode>> parse_comparison(const JsonPath& variable, const std::string& name,
                                                           const Json& value) {
  if (const auto question = parse_question(name)) {
    if (!value.is_boolean())
      return bad_choice(fmt::format("{} takes true or false", name));
    return std::make_shared<const ChoiceNode>(ChoiceNode{TypeTest{variable, *question, value.get<bool>()}});
  }
  const auto spelled = parse_operator(name);
  if (!spelled)
    return bad_choice(fmt::format("there is no comparison {}", name));
  Comparison comparison{
      .variable = variable, .operand = spelled->operand, .relation = spelled->relation, .value = value};
  if (spelled->of_path) {
    if (!value.is_string())
      return bad_choice(fmt::format("{} takes a path", name));
    comparison.value = SHOPLAKE_TRY(JsonPath::parse(value.get_ref<const std::string&>()));
  } else if (!is_of(spelled->operand, value)) {
    return bad_choice(fmt::format("{} takes {}", name, name_of(spelled->operand)));
  }
  return std::make_shared<const ChoiceNode>(ChoiceNode{std::move(comparison)});
}

Result<std::shared_ptr<const ChoiceNode>> parse_node(const Json& rule, bool is_top, int depth) {
  if (!rule.is_object())
    return bad_choice("a rule is no object");
  if (depth > kDepthMax)
    return bad_choice("rules are nested too deeply");
  if (!is_top && rule.contains("Next"))
    return bad_choice("only the outermost rule has Next");
  std::vector<std::string> names;
  for (const auto& [key, value] : rule.items()) {
    if (key != "Next" && key != "Variable" && key != "Comment")
      names.push_back(key);
  }
  if (names.size() != 1)
    return bad_choice(names.empty() ? "a rule compares nothing"
                                    : fmt::format("a rule has both {} and {}", names[0], names[1]));
  if (names[0] == "And")
    return parse_combination(rule, Combination::Kind::all, "And", depth);
  if (names[0] == "Or")
    return parse_combination(rule, Combination::Kind::any, "Or", depth);
  if (names[0] == "Not")
    return parse_combination(rule, Combination::Kind::negation, "Not", depth);
  const auto variable = rule.find("Variable");
  if (variable == rule.end() || !variable->is_string())
    return bad_choice(fmt::format("{} has no Variable beside it", names[0]));
  return parse_comparison(SHOPLAKE_TRY(JsonPath::parse(variable->get_ref<const std::string&>())), names[0],
                          rule[names[0]]);
}

// UTF-16 order from UTF-8: characters beyond U+FFFF come before those from U+E000.
int compare_texts(const std::string& a, const std::string& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (in_a == a.end() || in_b == b.end())
    return in_a == a.end() && in_b == b.end() ? 0 : in_a == a.end() ? -1 : 1;
  const auto rank = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0xF0 ? byte - 0x10 : byte >= 0xEE ? byte + 0x10 : byte;
  };
  return rank(*in_a) < rank(*in_b) ? -1 : 1;
}

// `*` stands for any text, \* for a star.
bool matches_pattern(std::string_view text, std::string_view pattern) {
  std::size_t at = 0, in = 0, star = std::string_view::npos, star_at = 0;
  while (at < text.size()) {
    const bool escaped =
        in + 1 < pattern.size() && pattern[in] == '\\' && (pattern[in + 1] == '*' || pattern[in + 1] == '\\');
    if (in < pattern.size() && pattern[in] == '*') {
      star = in++;
      star_at = at;
    } else if (in < pattern.size() && pattern[in + (escaped ? 1 : 0)] == text[at]) {
      in += escaped ? 2 : 1;
      ++at;
    } else if (star != std::string_view::npos) {
      in = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (in < pattern.size() && pattern[in] == '*')
    ++in;
  return in == pattern.size();
}

bool holds(const Comparison& comparison, const Json& left, const Json& right) {
  if (!is_of(comparison.operand, left) || !is_of(comparison.operand, right))
    return false;
  int order = 0;
  switch (comparison.operand) {
    case Operand::text: {
      const auto& text = left.get_ref<const std::string&>();
      if (comparison.relation == Relation::matches)
        return matches_pattern(text, right.get_ref<const std::string&>());
      order = compare_texts(text, right.get_ref<const std::string&>());
      break;
    }
    case Operand::number: order = left < right ? -1 : right < left ? 1 : 0; break;
    case Operand::boolean: return left == right;
    case Operand::time: {
      const std::int64_t a = *parse_offset_date_time(left.get_ref<const std::string&>());
      const std::int64_t b = *parse_offset_date_time(right.get_ref<const std::string&>());
      order = a < b ? -1 : a > b ? 1 : 0;
      break;
    }
  }
  switch (comparison.relation) {
    case Relation::equal: return order == 0;
    case Relation::less: return order < 0;
    case Relation::less_equal: return order <= 0;
    case Relation::greater: return order > 0;
    case Relation::greater_equal: return order >= 0;
    case Relation::matches: break;
  }
  return false;
}

bool answer(Question question, const Json& value) {
  switch (question) {
    case Question::is_null: return value.is_null();
    case Question::is_present: return true;
    case Question::is_numeric: return value.is_number();
    case Question::is_string: return value.is_string();
    case Question::is_boolean: return value.is_boolean();
    case Question::is_timestamp: return is_of(Operand::time, value);
  }
  return false;
}

std::optional<Json> find(const JsonPath& path, const Scope& scope) {
  return path.find(path.of_context() ? *scope.context : *scope.input);
}

Result<Json> find_or_fail(const JsonPath& path, const Scope& scope) {
  if (auto value = find(path, scope))
    return *std::move(value);
  return base::make_error(
      base::ErrorKind::failed, "States.Runtime",
      fmt::format("Invalid path '{}': The choice state's condition path references an invalid value.", path.text()));
}

Result<bool> holds(const ChoiceNode& node, const Scope& scope) {
  if (const auto* test = std::get_if<TypeTest>(&node.value)) {
    if (test->question == Question::is_present)
      return find(test->variable, scope).has_value() == test->wanted;
    return answer(test->question, SHOPLAKE_TRY(find_or_fail(test->variable, scope))) == test->wanted;
  }
  if (const auto* comparison = std::get_if<Comparison>(&node.value)) {
    const Json left = SHOPLAKE_TRY(find_or_fail(comparison->variable, scope));
    if (const auto* path = std::get_if<JsonPath>(&comparison->value))
      return holds(*comparison, left, SHOPLAKE_TRY(find_or_fail(*path, scope)));
    return holds(*comparison, left, std::get<Json>(comparison->value));
  }
  const auto& combination = std::get<Combination>(node.value);
  for (const auto& part : combination.parts) {
    const bool held = SHOPLAKE_TRY(holds(*part, scope));
    if (combination.kind == Combination::Kind::negation)
      return !held;
    if (held != (combination.kind == Combination::Kind::all))
      return held;
  }
  return combination.kind == Combination::Kind::all;
}

}  // namespace

Result<ChoiceRule> ChoiceRule::parse(const Json& rule) {
  ChoiceRule parsed;
  parsed.root_ = SHOPLAKE_TRY(parse_node(rule, true, 0));
  return parsed;
}

Result<bool> ChoiceRule::holds(const Scope& scope) const { return flow::holds(*root_, scope); }

std::optional<std::int64_t> parse_offset_date_time(std::string_view text) {
  // base reads more spellings than these.
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (text.size() <= kShape.size() || text[10] != 'T' || text[4] != '-' || text[13] != ':' || text[16] != ':')
    return std::nullopt;
  const std::size_t zone = text.find_first_of("Z+-", kShape.size());
  if (zone == std::string_view::npos ||
      (text[zone] == 'Z' ? zone + 1 != text.size() : text.size() != zone + 6 || text[zone + 3] != ':'))
    return std::nullopt;
  return base::parse_timestamp(text);
}

}  // namespace shoplake::flow
