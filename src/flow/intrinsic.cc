#include "flow/intrinsic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/base64.h"
#include "base/digest.h"
#include "flow/json_path.h"

namespace shoplake::flow {

using base::Result;

namespace {

using Arguments = std::vector<Json>;
using Function = Result<Json> (*)(const Arguments&, io::Env&);

constexpr std::size_t kHashBytesMax = 10'000;     // Hash, Base64Encode and Base64Decode: as Step Functions has it
constexpr std::int64_t kArrayElementsMax = 1000;  // ArrayRange
constexpr int kNestingMax = 10;

struct FunctionDefinition {
  std::string_view name;
  std::size_t arguments_min;
  std::size_t arguments_max;
  Function function;
};

constexpr std::size_t kAnyNumber = 1000;

base::Error failure(std::string message) {
  return base::make_error(base::ErrorKind::failed, "States.IntrinsicFailure", std::move(message));
}

base::Error wrong_argument(std::string_view function, std::string_view what, const Json& got) {
  return failure(fmt::format("States.{} takes {}, not {}", function, what, compact(got)));
}

// Rounded half up, as Java's Math.round.
Result<std::int64_t> rounded(std::string_view function, const Json& value) {
  if (value.is_number_integer())
    return value.get<std::int64_t>();
  constexpr double kLimit = 9.2e18;
  if (!value.is_number() || std::abs(value.get<double>()) > kLimit)
    return wrong_argument(function, "a number", value);
  return static_cast<std::int64_t>(std::floor(value.get<double>() + 0.5));
}

Result<const std::string*> text_of(std::string_view function, const Json& value) {
  if (!value.is_string())
    return wrong_argument(function, "a text", value);
  return value.get_ptr<const std::string*>();
}

Result<void> check_array(std::string_view function, const Json& value) {
  if (!value.is_array())
    return wrong_argument(function, "an array", value);
  return {};
}

// {a=1, b=[2, x]}: how structures stand in a formatted text.
void append_plain(std::string& out, const Json& value) {
  if (value.is_string()) {
    out += value.get_ref<const std::string&>();
  } else if (value.is_object()) {
    out += '{';
    for (const auto& [key, member] : value.items()) {
      if (out.back() != '{')
        out += ", ";
      out += key + '=';
      append_plain(out, member);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (std::size_t i = 0; i < value.size(); ++i) {
      out += i == 0 ? "" : ", ";
      append_plain(out, value[i]);
    }
    out += ']';
  } else {
    out += compact(value);
  }
}

Result<Json> format(const Arguments& arguments, io::Env&) {
  const std::string& pattern = *SHOPLAKE_TRY(text_of("Format", arguments[0]));
  std::string out;
  std::size_t next = 1;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size() && (pattern[i + 1] == '{' || pattern[i + 1] == '}')) {
      out += pattern[++i];
    } else if (pattern[i] == '{' && i + 1 < pattern.size() && pattern[i + 1] == '}') {
      if (next == arguments.size())
        return failure("States.Format has more {} than arguments");
      append_plain(out, arguments[next++]);
      ++i;
    } else {
      out += pattern[i];
    }
  }
  if (next != arguments.size())
    return failure("States.Format has fewer {} than arguments");
  return Json(std::move(out));
}

Result<Json> string_to_json(const Arguments& arguments, io::Env&) {
  const std::string& text = *SHOPLAKE_TRY(text_of("StringToJson", arguments[0]));
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    return Json(nullptr);
  auto value = parse_json(text);
  if (!value)
    return failure(fmt::format("States.StringToJson: \"{}\" is not JSON", text));
  if (value->is_number_float() && value->get<double>() == 0 && text.find_first_of(".eE") == std::string::npos)
    return Json(0);  // "-0"
  return std::move(*value);
}

Result<Json> json_to_string(const Arguments& arguments, io::Env&) { return Json(compact(arguments[0])); }

Result<Json> array(const Arguments& arguments, io::Env&) {
  Json out = Json::array();
  for (const Json& argument : arguments)
    out.push_back(argument);
  return out;
}

Result<Json> array_partition(const Arguments& arguments, io::Env&) {
  SHOPLAKE_TRY(check_array("ArrayPartition", arguments[0]));
  const std::int64_t size = SHOPLAKE_TRY(rounded("ArrayPartition", arguments[1]));
  if (size <= 0)
    return wrong_argument("ArrayPartition", "a positive size", arguments[1]);
  Json parts = Json::array();
  for (std::size_t i = 0; i < arguments[0].size(); ++i) {
    if (i % static_cast<std::size_t>(size) == 0)
      parts.push_back(Json::array());
    parts.back().push_back(arguments[0][i]);
  }
  return parts;
}

Result<Json> array_contains(const Arguments& arguments, io::Env&) {
  SHOPLAKE_TRY(check_array("ArrayContains", arguments[0]));
  return Json(std::any_of(arguments[0].begin(), arguments[0].end(),
                          [&](const Json& each) { return equal(each, arguments[1]); }));
}

Result<Json> array_range(const Arguments& arguments, io::Env&) {
  const std::int64_t from = SHOPLAKE_TRY(rounded("ArrayRange", arguments[0]));
  const std::int64_t to = SHOPLAKE_TRY(rounded("ArrayRange", arguments[1]));
  const std::int64_t step = SHOPLAKE_TRY(rounded("ArrayRange", arguments[2]));
  if (step == 0)
    return wrong_argument("ArrayRange", "a step that is not 0", arguments[2]);
  Json out = Json::array();
  for (std::int64_t i = from; step > 0 ? i <= to : i >= to;) {
    if (out.size() == kArrayElementsMax)
      return failure(fmt::format("States.ArrayRange would have more than {} elements", kArrayElementsMax));
    out.push_back(i);
    if (__builtin_add_overflow(i, step, &i))
      break;
  }
  return out;
}

Result<Json> array_get_item(const Arguments& arguments, io::Env&) {
  SHOPLAKE_TRY(check_array("ArrayGetItem", arguments[0]));
  const std::int64_t index = SHOPLAKE_TRY(rounded("ArrayGetItem", arguments[1]));
  if (index < 0 || index >= static_cast<std::int64_t>(arguments[0].size()))
    return failure(fmt::format("States.ArrayGetItem: there is no element {} among {}", index, arguments[0].size()));
  return arguments[0][static_cast<std::size_t>(index)];
}

Result<Json> array_length(const Arguments& arguments, io::Env&) {
  SHOPLAKE_TRY(check_array("ArrayLength", arguments[0]));
  return Json(arguments[0].size());
}

Result<Json> array_unique(const Arguments& arguments, io::Env&) {
  SHOPLAKE_TRY(check_array("ArrayUnique", arguments[0]));
  Json out = Json::array();
  for (const Json& each : arguments[0]) {
    if (std::none_of(out.begin(), out.end(), [&](const Json& other) { return equal(each, other); }))
      out.push_back(each);
  }
  return out;
}

Result<Json> base64_encode(const Arguments& arguments, io::Env&) {
  const std::string& text = *SHOPLAKE_TRY(text_of("Base64Encode", arguments[0]));
  if (text.size() > kHashBytesMax)
    return failure("States.Base64Encode takes at most 10,000 characters");
  return Json(base::base64_encode(text));
}

Result<Json> base64_decode(const Arguments& arguments, io::Env&) {
  const std::string& text = *SHOPLAKE_TRY(text_of("Base64Decode", arguments[0]));
  if (text.size() > kHashBytesMax)
    return failure("States.Base64Decode takes at most 10,000 characters");
  std::string out;
  if (!base::base64_decode(text, out))
    return failure(fmt::format("States.Base64Decode: \"{}\" is not Base64", text));
  return Json(std::move(out));
}

Result<Json> hash(const Arguments& arguments, io::Env&) {
  using Algorithm = base::Digest::Algorithm;
  static constexpr std::array<std::pair<std::string_view, Algorithm>, 5> kAlgorithms = {
      {{"MD5", Algorithm::md5},
       {"SHA-1", Algorithm::sha1},
       {"SHA-256", Algorithm::sha256},
       {"SHA-384", Algorithm::sha384},
       {"SHA-512", Algorithm::sha512}}};
  const std::string data = arguments[0].is_string() ? arguments[0].get<std::string>() : compact(arguments[0]);
  if (data.size() > kHashBytesMax)
    return failure("States.Hash takes at most 10,000 characters");
  const std::string& wanted = *SHOPLAKE_TRY(text_of("Hash", arguments[1]));
  for (const auto& [name, algorithm] : kAlgorithms) {
    if (name == wanted) {
      base::Digest digest(algorithm);
      digest.update(data);
      return Json(digest.finish_hex());
    }
  }
  return wrong_argument("Hash", "MD5, SHA-1, SHA-256, SHA-384 or SHA-512", arguments[1]);
}

Result<Json> json_merge(const Arguments& arguments, io::Env&) {
  if (!arguments[0].is_object() || !arguments[1].is_object())
    return wrong_argument("JsonMerge", "two objects", arguments[0].is_object() ? arguments[1] : arguments[0]);
  if (!arguments[2].is_boolean() || arguments[2].get<bool>())
    return wrong_argument("JsonMerge", "false as the third argument (a shallow merge)", arguments[2]);
  Json merged = arguments[0];
  for (const auto& [key, value] : arguments[1].items())
    merged[key] = value;
  return merged;
}

// The next number of a small generator, so that a seed gives the same number everywhere.
std::uint64_t scrambled(std::uint64_t seed) {
  seed += 0x9e3779b97f4a7c15;
  seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9;
  seed = (seed ^ (seed >> 27)) * 0x94d049bb133111eb;
  return seed ^ (seed >> 31);
}

Result<Json> math_random(const Arguments& arguments, io::Env& env) {
  const std::int64_t from = SHOPLAKE_TRY(rounded("MathRandom", arguments[0]));
  const std::int64_t to = SHOPLAKE_TRY(rounded("MathRandom", arguments[1]));
  if (from >= to)
    return failure("States.MathRandom takes a first number that is below the second");
  std::uint64_t bits = 0;
  if (arguments.size() == 3)
    bits = scrambled(static_cast<std::uint64_t>(SHOPLAKE_TRY(rounded("MathRandom", arguments[2]))));
  else
    bits = env.random_uint64();
  const std::uint64_t width = static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
  return Json(static_cast<std::int64_t>(static_cast<std::uint64_t>(from) + bits % width));
}

Result<Json> math_add(const Arguments& arguments, io::Env&) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(SHOPLAKE_TRY(rounded("MathAdd", arguments[0])),
                             SHOPLAKE_TRY(rounded("MathAdd", arguments[1])), &sum))
    return failure("States.MathAdd: the sum is too large");
  return Json(sum);
}

Result<Json> string_split(const Arguments& arguments, io::Env&) {
  const std::string& text = *SHOPLAKE_TRY(text_of("StringSplit", arguments[0]));
  const std::string& separators = *SHOPLAKE_TRY(text_of("StringSplit", arguments[1]));
  Json parts = Json::array();
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
    if (end > at)
      parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

Result<Json> uuid(const Arguments&, io::Env& env) { return Json(env.new_uuid()); }

constexpr std::array kFunctions = {
    FunctionDefinition{"Format", 1, kAnyNumber, format},
    FunctionDefinition{"StringToJson", 1, 1, string_to_json},
    FunctionDefinition{"JsonToString", 1, 1, json_to_string},
    FunctionDefinition{"Array", 0, kAnyNumber, array},
    FunctionDefinition{"ArrayPartition", 2, 2, array_partition},
    FunctionDefinition{"ArrayContains", 2, 2, array_contains},
    FunctionDefinition{"ArrayRange", 3, 3, array_range},
    FunctionDefinition{"ArrayGetItem", 2, 2, array_get_item},
    FunctionDefinition{"ArrayLength", 1, 1, array_length},
    FunctionDefinition{"ArrayUnique", 1, 1, array_unique},
    FunctionDefinition{"Base64Encode", 1, 1, base64_encode},
    FunctionDefinition{"Base64Decode", 1, 1, base64_decode},
    FunctionDefinition{"Hash", 2, 2, hash},
    FunctionDefinition{"JsonMerge", 3, 3, json_merge},
    FunctionDefinition{"MathRandom", 2, 3, math_random},
    FunctionDefinition{"MathAdd", 2, 2, math_add},
    FunctionDefinition{"StringSplit", 2, 2, string_split},
    FunctionDefinition{"UUID", 0, 0, uuid},
};

struct Call {
  const FunctionDefinition* function = nullptr;
  std::vector<ExpressionNode> arguments;
};

}  // namespace

struct ExpressionNode {
  std::variant<Json, JsonPath, Call> value;
};

namespace {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view text) : text_(text), rest_(text) {}

  Result<ExpressionNode> whole() {
    ExpressionNode node;
    if (rest_.starts_with("$"))
      node.value = SHOPLAKE_TRY(JsonPath::parse_prefix(rest_));
    else
      node = SHOPLAKE_TRY(call(0));
    skip_space();
    if (!rest_.empty())
      return error("it goes on after its end");
    return node;
  }

 private:
  base::Error error(std::string_view what) const {
    return base::make_error(
        base::ErrorKind::usage, "flow.bad_expression",
        fmt::format("\"{}\" is wrong at character {}: {}", text_, text_.size() - rest_.size() + 1, what),
        "Write a path ($.total) or a call (States.Format('{} done', $.total)).");
  }
  void skip_space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\n' || rest_[0] == '\r'))
      rest_.remove_prefix(1);
  }
  bool take(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token))
      return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  Result<ExpressionNode> call(int depth) {
    if (!take("States."))
      return error("a path or a function of States is missing");
    const std::size_t end = std::min(rest_.find_first_of("( "), rest_.size());
    const std::string_view name = rest_.substr(0, end);
    const auto found = std::ranges::find(kFunctions, name, &FunctionDefinition::name);
    if (found == kFunctions.end())
      return error(fmt::format("there is no function States.{}", name));
    if (depth == kNestingMax)
      return error("calls are nested more than ten deep");
    rest_.remove_prefix(end);
    Call call{.function = &*found, .arguments = {}};
    if (!take("("))
      return error("( is missing");
    while (!take(")")) {
      if (!call.arguments.empty() && !take(","))
        return error(", or ) is missing");
      call.arguments.push_back(SHOPLAKE_TRY(argument(depth)));
    }
    if (call.arguments.size() < found->arguments_min || call.arguments.size() > found->arguments_max)
      return error(fmt::format("States.{} does not take {} arguments", name, call.arguments.size()));
    return ExpressionNode{std::move(call)};
  }

  Result<ExpressionNode> argument(int depth) {
    skip_space();
    if (rest_.starts_with("$"))
      return ExpressionNode{SHOPLAKE_TRY(JsonPath::parse_prefix(rest_))};
    if (rest_.starts_with("States."))
      return this->call(depth + 1);
    if (rest_.starts_with("'"))
      return ExpressionNode{SHOPLAKE_TRY(quoted())};
    const std::size_t end = std::min(rest_.find_first_of(" ,)"), rest_.size());
    Json value = Json::parse(rest_.substr(0, end), nullptr, false);
    if (!value.is_number() && !value.is_boolean() && !value.is_null())
      return error("an argument is a path, a 'text', a number, true, false, null or a call");
    rest_.remove_prefix(end);
    return ExpressionNode{std::move(value)};
  }

  // \' is a quote and \\ a backslash; \{ and \} stay, Format knows them.
  Result<Json> quoted() {
    std::string value;
    std::size_t i = 1;
    for (; i < rest_.size() && rest_[i] != '\''; ++i) {
      if (rest_[i] == '\\' && i + 1 < rest_.size()) {
        ++i;
        if (rest_[i] == '{' || rest_[i] == '}')
          value += '\\';
      }
      value += rest_[i];
    }
    if (i >= rest_.size())
      return error("a quote is not closed");
    rest_.remove_prefix(i + 1);
    return Json(std::move(value));
  }

  std::string_view text_;
  std::string_view rest_;
};

Result<Json> evaluate(const ExpressionNode& node, const Scope& scope) {
  if (const auto* literal = std::get_if<Json>(&node.value))
    return *literal;
  if (const auto* path = std::get_if<JsonPath>(&node.value)) {
    const Json& root = path->of_context() ? *scope.context : *scope.input;
    if (auto value = path->find(root))
      return *std::move(value);
    return base::make_error(base::ErrorKind::failed, "States.ParameterPathFailure",
                            fmt::format("could not be found in the input '{}'", compact(root)));
  }
  const auto& call = std::get<Call>(node.value);
  Arguments arguments;
  for (const ExpressionNode& argument : call.arguments)
    arguments.push_back(SHOPLAKE_TRY(evaluate(argument, scope)));
  return call.function->function(arguments, *scope.env);
}

}  // namespace

Result<Expression> Expression::parse(std::string_view text) {
  Expression expression;
  expression.text_ = text;
  expression.root_ = std::make_shared<const ExpressionNode>(SHOPLAKE_TRY(ExpressionParser(text).whole()));
  return expression;
}

Result<Json> Expression::evaluate(const Scope& scope) const { return flow::evaluate(*root_, scope); }

}  // namespace shoplake::flow
