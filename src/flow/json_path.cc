#include "flow/json_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>
#include <utility>
#include <variant>

#include "flow/json_path_filter.h"

namespace shoplake::flow {

using base::Result;

namespace {

struct Name {
  std::vector<std::string> names;
};
struct Index {
  std::vector<std::int64_t> indices;
};
struct Slice {
  std::optional<std::int64_t> from, to;
  std::int64_t step = 1;
};
struct Wildcard {};

}  // namespace

struct PathSegment {
  bool descends = false;  // `..`: of the node and of everything below it
  std::variant<Name, Index, Slice, Wildcard, std::shared_ptr<const Filter>> selector;

  bool is_single() const {
    if (descends)
      return false;
    if (const auto* name = std::get_if<Name>(&selector))
      return name->names.size() == 1;
    const auto* index = std::get_if<Index>(&selector);
    return index != nullptr && index->indices.size() == 1;
  }
};

namespace {

constexpr std::size_t kPathBytesMax = 10'000;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }
  bool at_end() const { return at_ == text_.size(); }
  std::string_view rest() const { return text_.substr(at_); }

  base::Error error(std::string_view what) const {
    return base::make_error(base::ErrorKind::usage, "flow.bad_path",
                            fmt::format("the path \"{}\" is wrong at character {}: {}", text_, at_ + 1, what),
                            "Write it as $.orders[0].total; docs/flows.md lists what paths may hold.");
  }

  bool take(std::string_view token) {
    if (!rest().starts_with(token))
      return false;
    at_ += token.size();
    return true;
  }

  // False at a character that does not go on with the path.
  Result<bool> segment(std::vector<PathSegment>& segments) {
    PathSegment next;
    if (take("..")) {
      next.descends = true;
    } else if (rest().starts_with(".")) {
      ++at_;
    } else if (!rest().starts_with("[")) {
      return false;
    }
    if (rest().starts_with("[")) {
      SHOPLAKE_TRY(bracket(next));
    } else if (take("*")) {
      next.selector = Wildcard{};
    } else {
      next.selector = Name{{SHOPLAKE_TRY(bare_name())}};
    }
    segments.push_back(std::move(next));
    return true;
  }

 private:
  void skip_space() {
    while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t'))
      ++at_;
  }

  Result<std::string> bare_name() {
    static constexpr std::string_view kEnds = " .[](),'\"\t\n=<>!&|~?";
    const std::size_t end = std::min(text_.find_first_of(kEnds, at_), text_.size());
    if (end == at_)
      return error("a name is missing");
    std::string name(text_.substr(at_, end - at_));
    at_ = end;
    if (rest().starts_with("("))
      return error("functions have no place in a path");
    return name;
  }

  Result<std::string> quoted_name() {
    const char quote = text_[at_++];
    std::string name;
    while (!at_end() && text_[at_] != quote) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size())
        ++at_;
      name.push_back(text_[at_++]);
    }
    if (at_end())
      return error("a quote is not closed");
    ++at_;
    return name;
  }

  Result<std::optional<std::int64_t>> number() {
    skip_space();
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (failure == std::errc::result_out_of_range)
      return error("an index is too large");
    if (failure != std::errc())
      return std::optional<std::int64_t>();
    at_ = static_cast<std::size_t>(end - text_.data());
    skip_space();
    return std::optional(value);
  }

  Result<void> close() {
    skip_space();
    if (!take("]"))
      return error("] is missing");
    return {};
  }

  Result<void> bracket(PathSegment& segment) {
    ++at_;
    skip_space();
    if (take("*")) {
      segment.selector = Wildcard{};
      return close();
    }
    if (take("?")) {
      skip_space();
      if (!take("("))
        return error("a filter begins with ?(");
      std::string_view inner = rest();
      auto filter = parse_filter(inner);
      at_ = text_.size() - inner.size();
      if (!filter.ok())
        return error(filter.error().message);
      if (!take(")"))
        return error(") is missing");
      segment.selector = std::shared_ptr<const Filter>(std::move(filter).value());
      return close();
    }
    if (!at_end() && (text_[at_] == '\'' || text_[at_] == '"')) {
      Name names;
      do {
        skip_space();
        if (at_end() || (text_[at_] != '\'' && text_[at_] != '"'))
          return error("a quoted name is missing");
        names.names.push_back(SHOPLAKE_TRY(quoted_name()));
        skip_space();
      } while (take(","));
      segment.selector = std::move(names);
      return close();
    }
    return numbers(segment);
  }

  Result<void> numbers(PathSegment& segment) {
    const auto first = SHOPLAKE_TRY(number());
    if (take(":")) {
      Slice slice;
      slice.from = first;
      slice.to = SHOPLAKE_TRY(number());
      if (take(":")) {
        slice.step = SHOPLAKE_TRY(number()).value_or(1);
        if (slice.step <= 0)
          return error("a slice's step is at least 1");
      }
      segment.selector = slice;
      return close();
    }
    if (!first)
      return error("an index, a quoted name, * or ?( is missing");
    Index indices{{*first}};
    while (take(",")) {
      const auto next = SHOPLAKE_TRY(number());
      if (!next)
        return error("an index is missing");
      indices.indices.push_back(*next);
    }
    segment.selector = std::move(indices);
    return close();
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

const Json* element(const Json& array, std::int64_t index) {
  const auto size = static_cast<std::int64_t>(array.size());
  if (index < 0)
    index += size;
  return index >= 0 && index < size ? &array[static_cast<std::size_t>(index)] : nullptr;
}

// What a segment's selector names directly below `node`.
class Selection {
 public:
  Selection(const Json& node, const Json& root, std::vector<const Json*>& found)
      : node_(node), root_(root), found_(found) {}

  void operator()(const Name& names) const {
    if (!node_.is_object())
      return;
    for (const std::string& name : names.names) {
      if (const auto member = node_.find(name); member != node_.end())
        found_.push_back(&*member);
    }
  }
  void operator()(const Index& indices) const {
    if (!node_.is_array())
      return;
    for (const std::int64_t index : indices.indices) {
      if (const Json* at = element(node_, index))
        found_.push_back(at);
    }
  }
  void operator()(const Slice& slice) const {
    if (!node_.is_array())
      return;
    const auto size = static_cast<std::int64_t>(node_.size());
    const auto place = [&](std::int64_t index) {
      return std::clamp<std::int64_t>(index < 0 ? index + size : index, 0, size);
    };
    const std::int64_t to = place(slice.to.value_or(size));
    for (std::int64_t i = place(slice.from.value_or(0)); i < to; i += slice.step)
      found_.push_back(&node_[static_cast<std::size_t>(i)]);
  }
  void operator()(const Wildcard&) const {
    if (node_.is_structured()) {
      for (const Json& child : node_)
        found_.push_back(&child);
    }
  }
  void operator()(const std::shared_ptr<const Filter>& filter) const {
    // An object is asked itself, the elements of an array each.
    if (node_.is_object()) {
      if (matches(*filter, node_, root_))
        found_.push_back(&node_);
    } else if (node_.is_array()) {
      for (const Json& child : node_) {
        if (matches(*filter, child, root_))
          found_.push_back(&child);
      }
    }
  }

 private:
  const Json& node_;
  const Json& root_;
  std::vector<const Json*>& found_;
};

void select_below(const PathSegment& segment, const Json& node, const Json& root, std::vector<const Json*>& found) {
  std::visit(Selection(node, root, found), segment.selector);
  if (segment.descends && node.is_structured()) {
    for (const Json& child : node)
      select_below(segment, child, root, found);
  }
}

}  // namespace

Result<JsonPath> JsonPath::parse_prefix(std::string_view& text) {
  if (text.size() > kPathBytesMax && text.find_first_of(" ,)") > kPathBytesMax)
    return base::make_error(base::ErrorKind::usage, "flow.bad_path", "a path is longer than 10,000 characters");
  Parser parser(text);
  JsonPath path;
  path.of_context_ = parser.take("$$");
  if (!path.of_context_ && !parser.take("$") && !parser.take("@"))
    return parser.error("it begins with $ or $$");
  auto segments = std::make_shared<std::vector<PathSegment>>();
  while (SHOPLAKE_TRY(parser.segment(*segments))) {
  }
  path.is_reference_ = std::ranges::all_of(*segments, &PathSegment::is_single);
  path.segments_ = std::move(segments);
  path.text_ = text.substr(0, parser.at());
  text.remove_prefix(parser.at());
  return path;
}

Result<JsonPath> JsonPath::parse(std::string_view text) {
  std::string_view rest = text;
  JsonPath path = SHOPLAKE_TRY(parse_prefix(rest));
  if (!rest.empty()) {
    return base::make_error(
        base::ErrorKind::usage, "flow.bad_path",
        fmt::format("the path \"{}\" is wrong at character {}", text, text.size() - rest.size() + 1),
        "Write it as $.orders[0].total; docs/flows.md lists what paths may hold.");
  }
  return path;
}

std::string JsonPath::canonical() const {
  std::string out = of_context_ ? "$$" : "$";
  if (!is_reference_)
    return text_;
  for (const PathSegment& segment : *segments_) {
    if (const auto* name = std::get_if<Name>(&segment.selector))
      out += fmt::format("['{}']", name->names.front());
    else
      out += fmt::format("[{}]", std::get<Index>(segment.selector).indices.front());
  }
  return out;
}

std::vector<const Json*> JsonPath::select(const Json& root) const {
  std::vector<const Json*> nodes = {&root};
  for (const PathSegment& segment : *segments_) {
    std::vector<const Json*> next;
    for (const Json* node : nodes)
      select_below(segment, *node, root, next);
    nodes = std::move(next);
  }
  return nodes;
}

std::optional<Json> JsonPath::find(const Json& root) const {
  const std::vector<const Json*> nodes = select(root);
  if (is_reference_)
    return nodes.empty() ? std::nullopt : std::optional<Json>(*nodes.front());
  Json all = Json::array();
  for (const Json* node : nodes)
    all.push_back(*node);
  return all;
}

Result<void> JsonPath::assign(Json& root, Json value) const {
  const auto failure = [&](std::string_view why) {
    return base::make_error(base::ErrorKind::failed, "States.ResultPathMatchFailure",
                            fmt::format("Unable to apply ReferencePath {} to input {}: {}", text_, root.dump(), why));
  };
  Json* node = &root;
  for (const PathSegment& segment : *segments_) {
    if (const auto* name = std::get_if<Name>(&segment.selector)) {
      if (node->is_null())
        *node = Json::object();
      if (!node->is_object())
        return failure("a member has no place in what is no object");
      node = &(*node)[name->names.front()];
    } else {
      const std::int64_t index = std::get<Index>(segment.selector).indices.front();
      if (!node->is_array() || element(*node, index) == nullptr)
        return failure("the index is not there");
      node = &(*node)[static_cast<std::size_t>(index < 0 ? index + static_cast<std::int64_t>(node->size()) : index)];
    }
  }
  *node = std::move(value);
  return {};
}

}  // namespace shoplake::flow
