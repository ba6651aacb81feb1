// Which relations the text of a SQL statement may read: what stands where a name can stand. Taking a statement apart
// with the engine's parser costs a millisecond of a long one; this is one pass over its characters, and it is asked of
// every statement of a run.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace shoplake::model {

struct RelationName {
  std::string schema;
  std::string identifier;
  friend auto operator<=>(const RelationName&, const RelationName&) = default;
};

// In lower case, each once, in order of appearance: every name ("x" alone is main.x) and every two neighbours of a
// dotted one (catalog.schema.table, table.column and schema.table look alike). So it is a superset of what the
// statement reads: look the names up among the relations that there are. Literals and comments are passed over.
std::vector<RelationName> possible_relations(std::string_view sql);

// The names that a parenthesis follows, in lower case, each once: every function that the statement calls is among
// them.
std::set<std::string> called_names(std::string_view sql);

// Whether the text has what is white space to the engine and a part of names to the two above: U+00A0, U+2000 to
// U+200B, U+202F, U+205F, U+2060, U+3000, U+FEFF; or a carriage return alone, which ends a comment. Their answers are
// worth nothing then.
bool has_odd_spaces(std::string_view sql);

}  // namespace shoplake::model
