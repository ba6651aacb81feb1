#include "flow/json_path_filter.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "flow/json_path.h"

namespace shoplake::flow {

using base::Result;

namespace {

enum class Comparison { exists, equal, unequal, less, less_equal, greater, greater_equal, matches, in, not_in };

struct Side {
  std::variant<Json, JsonPath> value;
  bool of_node = false;  // the path begins with @

  // A path that names several nodes is an array of them.
  std::optional<Json> of(const Json& node, const Json& root) const {
    if (const auto* literal = std::get_if<Json>(&value))
      return *literal;
    return std::get<JsonPath>(value).find(of_node ? node : root);
  }
};

constexpr int kDepthMax = 50;

}  // namespace

struct Filter {
  enum class Kind { comparison, all, any, negation } kind = Kind::comparison;
  std::vector<std::shared_ptr<const Filter>> parts;  // of all, any, negation
  Comparison comparison = Comparison::exists;
  Side left, right;
  std::regex pattern;  // of =~
};

namespace {

class FilterParser {
 public:
  explicit FilterParser(std::string_view& text) : text_(text) {}

  Result<std::shared_ptr<const Filter>> any(int depth) { return chain(Filter::Kind::any, "||", depth); }

 private:
  static base::Error error(std::string_view what) {
    return base::make_error(base::ErrorKind::usage, "flow.bad_path", std::string(what));
  }
  void skip_space() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\t'))
      text_.remove_prefix(1);
  }
  bool take(std::string_view token) {
    skip_space();
    if (!text_.starts_with(token))
      return false;
    text_.remove_prefix(token.size());
    return true;
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (!text_.starts_with(word) ||
        (text_.size() > word.size() && std::isalnum(static_cast<unsigned char>(text_[word.size()]))))
      return false;
    text_.remove_prefix(word.size());
    return true;
  }

  Result<std::shared_ptr<const Filter>> chain(Filter::Kind kind, std::string_view token, int depth) {
    const auto part = [&] { return kind == Filter::Kind::any ? chain(Filter::Kind::all, "&&", depth) : single(depth); };
    auto filter = std::make_shared<Filter>();
    filter->kind = kind;
    do {
      filter->parts.push_back(SHOPLAKE_TRY(part()));
    } while (take(token));
    return filter->parts.size() == 1 ? filter->parts.front() : filter;
  }

  Result<std::shared_ptr<const Filter>> single(int depth) {
    if (depth > kDepthMax)
      return error("a filter is nested too deeply");
    skip_space();
    if (text_.starts_with("!") && !text_.starts_with("!=")) {
      text_.remove_prefix(1);
      auto negation = std::make_shared<Filter>();
      negation->kind = Filter::Kind::negation;
      negation->parts.push_back(SHOPLAKE_TRY(single(depth + 1)));
      return std::shared_ptr<const Filter>(std::move(negation));
    }
    if (take("(")) {
      auto inner = SHOPLAKE_TRY(any(depth + 1));
      if (!take(")"))
        return error(") is missing");
      return inner;
    }
    return comparison();
  }

  Result<std::shared_ptr<const Filter>> comparison() {
    auto filter = std::make_shared<Filter>();
    filter->left = SHOPLAKE_TRY(side());
    if (take("=~")) {
      filter->comparison = Comparison::matches;
      filter->pattern = SHOPLAKE_TRY(pattern());
      return std::shared_ptr<const Filter>(std::move(filter));
    }
    static constexpr std::array<std::pair<std::string_view, Comparison>, 6> kSigns = {
        {{"==", Comparison::equal},
         {"!=", Comparison::unequal},
         {"<=", Comparison::less_equal},
         {">=", Comparison::greater_equal},
         {"<", Comparison::less},
         {">", Comparison::greater}}};
    for (const auto& [sign, comparison] : kSigns) {
      if (take(sign)) {
        filter->comparison = comparison;
        filter->right = SHOPLAKE_TRY(side());
        return std::shared_ptr<const Filter>(std::move(filter));
      }
    }
    const bool in = take_word("in");
    if (in || take_word("nin")) {
      filter->comparison = in ? Comparison::in : Comparison::not_in;
      filter->right = SHOPLAKE_TRY(side());
    }
    return std::shared_ptr<const Filter>(std::move(filter));
  }

  Result<Side> side() {
    skip_space();
    if (text_.starts_with("@") || text_.starts_with("$")) {
      const bool of_node = text_[0] == '@';
      return Side{SHOPLAKE_TRY(JsonPath::parse_prefix(text_)), of_node};
    }
    return Side{SHOPLAKE_TRY(literal(0))};
  }

  Result<Json> literal(int depth) {
    skip_space();
    if (text_.empty())
      return error("a value is missing");
    for (const auto& [word, value] :
         {std::pair<std::string_view, Json>("true", true), {"false", false}, {"null", nullptr}}) {
      if (take_word(word))
        return value;
    }
    if (text_[0] == '\'' || text_[0] == '"')
      return quoted(text_[0]);
    if (text_[0] == '[') {
      if (depth > 4)
        return error("lists are nested too deeply");
      text_.remove_prefix(1);
      Json list = Json::array();
      while (!take("]")) {
        if (!list.empty() && !take(","))
          return error("a list is not closed");
        list.push_back(SHOPLAKE_TRY(literal(depth + 1)));
      }
      return list;
    }
    const std::size_t end = std::min(text_.find_first_not_of("+-.0123456789eE"), text_.size());
    Json number = Json::parse(text_.substr(0, end), nullptr, false);
    if (!number.is_number())
      return error("a path, a number or a quoted text is missing");
    text_.remove_prefix(end);
    return number;
  }

  Result<Json> quoted(char quote) {
    std::string value;
    std::size_t i = 1;
    for (; i < text_.size() && text_[i] != quote; ++i) {
      if (text_[i] == '\\' && i + 1 < text_.size())
        ++i;
      value.push_back(text_[i]);
    }
    if (i == text_.size())
      return error("a quote is not closed");
    text_.remove_prefix(i + 1);
    return Json(std::move(value));
  }

  Result<std::regex> pattern() {
    skip_space();
    if (!text_.starts_with("/"))
      return error("a regular expression stands between slashes");
    std::size_t end = 1;
    while (end < text_.size() && text_[end] != '/')
      end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size())
      return error("a regular expression is not closed");
    const std::string expression(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    auto flags = std::regex::ECMAScript | std::regex::optimize;
    if (take("i"))
      flags |= std::regex::icase;
    constexpr std::size_t kPatternBytesMax = 256;
    if (expression.size() > kPatternBytesMax)
      return error("a regular expression is longer than 256 characters");
    try {
      return std::regex(expression, flags);
    } catch (const std::regex_error&) {
      return error("a regular expression is wrong");
    }
  }

  std::string_view& text_;
};

// -1, 0, 1; nothing if they have no order.
std::optional<int> order(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    return a < b ? -1 : b < a ? 1 : 0;
  }
  if (a.is_string() && b.is_string()) {
    const int compared = a.get_ref<const std::string&>().compare(b.get_ref<const std::string&>());
    return compared < 0 ? -1 : compared > 0 ? 1 : 0;
  }
  return std::nullopt;
}

bool contains(const Json& list, const Json& value) {
  return list.is_array() && std::any_of(list.begin(), list.end(), [&](const Json& each) { return equal(each, value); });
}

bool compare(const Filter& filter, const Json& node, const Json& root) {
  const std::optional<Json> left = filter.left.of(node, root);
  if (filter.comparison == Comparison::exists) {
    const auto* path = std::get_if<JsonPath>(&filter.left.value);
    return left && (path == nullptr || path->is_reference() || !left->empty());
  }
  if (!left)
    return filter.comparison == Comparison::unequal || filter.comparison == Comparison::not_in;
  if (filter.comparison == Comparison::matches) {
    // A text that is very long could hold a backtracking matcher for ever.
    constexpr std::size_t kTextBytesMax = 4096;
    return left->is_string() && left->get_ref<const std::string&>().size() <= kTextBytesMax &&
           std::regex_match(left->get_ref<const std::string&>(), filter.pattern);
  }
  const std::optional<Json> right = filter.right.of(node, root);
  if (!right)
    return filter.comparison == Comparison::unequal || filter.comparison == Comparison::not_in;
  const auto ordered = order(*left, *right);
  switch (filter.comparison) {
    case Comparison::equal: return equal(*left, *right);
    case Comparison::unequal: return !equal(*left, *right);
    case Comparison::less: return ordered && *ordered < 0;
    case Comparison::less_equal: return ordered && *ordered <= 0;
    case Comparison::greater: return ordered && *ordered > 0;
    case Comparison::greater_equal: return ordered && *ordered >= 0;
    case Comparison::in: return contains(*right, *left);
    case Comparison::not_in: return !contains(*right, *left);
    case Comparison::exists:
    case Comparison::matches: break;
  }
  return false;
}

}  // namespace

Result<std::shared_ptr<const Filter>> parse_filter(std::string_view& text) { return FilterParser(text).any(0); }

bool matches(const Filter& filter, const Json& node, const Json& root) {
  const auto part = [&](const std::shared_ptr<const Filter>& each) { return matches(*each, node, root); };
  switch (filter.kind) {
    case Filter::Kind::comparison: return compare(filter, node, root);
    case Filter::Kind::all: return std::ranges::all_of(filter.parts, part);
    case Filter::Kind::any: return std::ranges::any_of(filter.parts, part);
    case Filter::Kind::negation: return !part(filter.parts.front());
  }
  return false;
}

}  // namespace shoplake::flow
