// JSONPath as Amazon States Language uses it: `$` is the given document, `$$` the context object.
//
// A path is a reference path if it names at most one node (names and indices only); it is then "definite". Any other
// path (wildcard, slice, list of names or indices, filter, `..`) gives an array of what it found, empty if nothing.
//
// Understood: .name ['name'] ["name"] ['a','b'] [0] [-1] [0,2] [from:to:step] [*] .* ..name ..* ..[…] and
// [?(filter)] with && || ! ( ) == != < <= > >= =~ in nin, paths beginning with @ or $, numbers, 'strings', true, false,
// null, [lists] and /regular expressions/i. A dot may stand before a bracket.
//
// Values of pure functions; immutable after parse(), so that threads may share them. Sources:
// https://states-language.net/spec.html (Paths), and the dialect of Jayway JsonPath that Step Functions answers by.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "flow/json.h"

namespace shoplake::flow {

struct PathSegment;

class JsonPath {
 public:
  // Error: flow.bad_path (kind usage), which says where.
  static base::Result<JsonPath> parse(std::string_view text);
  // The path at the begin of `text`, which is cut off it: arguments of intrinsic functions, sides of filters.
  static base::Result<JsonPath> parse_prefix(std::string_view& text);

  const std::string& text() const { return text_; }
  bool of_context() const { return of_context_; }
  bool is_reference() const { return is_reference_; }
  // "$['a'][0]": how Step Functions writes a path in its messages.
  std::string canonical() const;

  // Every node it names, in the document's order.
  std::vector<const Json*> select(const Json& root) const;
  // The node of a reference path, or nothing; the array of all nodes of any other path.
  std::optional<Json> find(const Json& root) const;
  // A reference path's node is set, its parents made as objects where they are missing. Error
  // States.ResultPathMatchFailure: the place is inside something that is no object, or an index that is not there.
  base::Result<void> assign(Json& root, Json value) const;

 private:
  std::string text_;
  bool of_context_ = false;
  bool is_reference_ = true;
  std::shared_ptr<const std::vector<PathSegment>> segments_;
};

}  // namespace shoplake::flow
