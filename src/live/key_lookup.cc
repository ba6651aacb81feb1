#include "live/key_lookup.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "live/cold_rows.h"
#include "model/iceberg_type.h"

namespace shoplake::live {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& node, const char* name) {
  const auto found = node.find(name);
  return found != node.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// The column that an expression is; empty if it is none.
std::string column_of(const Json& expression) {
  if (text_of(expression, "class") != "COLUMN_REF")
    return {};
  const auto names = expression.find("column_names");
  return names != expression.end() && names->is_array() && !names->empty() ? names->back().get<std::string>()
                                                                           : std::string();
}

// The columns of `a` or `(a, b)`; empty if it is something else.
std::vector<std::string> columns_of(const Json& expression) {
  if (text_of(expression, "class") == "COLUMN_REF")
    return {column_of(expression)};
  std::vector<std::string> columns;
  if (text_of(expression, "class") != "FUNCTION" || text_of(expression, "function_name") != "row")
    return columns;
  for (const Json& child : expression.value("children", Json::array())) {
    columns.push_back(column_of(child));
    if (columns.back().empty())
      return {};
  }
  return columns;
}

class TermFinder {
 public:
  explicit TermFinder(engine::Session& session) : session_(session) {}

  Result<std::vector<KeyTerm>> find(const Json& expression) {
    const std::string type = text_of(expression, "type");
    if (type == "CONJUNCTION_AND")
      return any_of(expression);
    if (type == "CONJUNCTION_OR")
      return all_of(expression);
    const bool is_in = type == "SUBQUERY" && text_of(expression, "subquery_type") == "ANY" &&
                       text_of(expression, "comparison_type") == "COMPARE_EQUAL";
    std::vector<KeyTerm> terms;
    if (!is_in)
      return terms;
    KeyTerm term;
    term.columns = columns_of(expression.value("child", Json::object()));
    if (term.columns.empty())
      return terms;
    const Json statement{{"error", false}, {"statements", Json::array({expression.at("subquery")})}};
    const engine::ResultSet spelled = SHOPLAKE_TRY(
        session_.query(fmt::format("SELECT json_deserialize_sql({})", engine::quote_literal(statement.dump()))));
    term.query = spelled.text(0, 0).value_or("");
    if (!term.query.empty())
      terms.push_back(std::move(term));
    return terms;
  }

 private:
  // What is true where all are: that with the fewest terms says enough.
  Result<std::vector<KeyTerm>> any_of(const Json& conjunction) {
    std::vector<KeyTerm> fewest;
    for (const Json& child : conjunction.value("children", Json::array())) {
      std::vector<KeyTerm> terms = SHOPLAKE_TRY(find(child));
      if (!terms.empty() && (fewest.empty() || terms.size() < fewest.size()))
        fewest = std::move(terms);
    }
    return fewest;
  }

  Result<std::vector<KeyTerm>> all_of(const Json& conjunction) {
    std::vector<KeyTerm> all;
    for (const Json& child : conjunction.value("children", Json::array())) {
      std::vector<KeyTerm> terms = SHOPLAKE_TRY(find(child));
      if (terms.empty())
        return terms;
      all.insert(all.end(), terms.begin(), terms.end());
    }
    return all;
  }

  engine::Session& session_;
};

// Five and a half bytes a row once compressed. Of a million rows and some thousand keys of a batch two share one about
// once in a thousand batches.
std::string hash_of(const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values)
    list += (list.empty() ? "" : ", ") + value;
  return fmt::format("CAST(hash({}) & {} AS BIGINT)", list, (std::int64_t{1} << ColdRows::kHashBits) - 1);
}

}  // namespace

Result<std::vector<KeyTerm>> key_terms(engine::Session& session, const std::string& predicate) {
  const Json tree = Json::parse(
      SHOPLAKE_TRY(session.syntax_tree(fmt::format("SELECT 1 FROM hot WHERE ({}\n)", predicate))), nullptr, false);
  const Json::json_pointer where("/statements/0/node/where_clause");
  if (tree.is_discarded() || !tree.contains(where))
    return std::vector<KeyTerm>();
  return TermFinder(session).find(tree.at(where));
}

bool KeyColumns::add(const std::vector<std::string>& columns) {
  const auto exists = [&](const std::string& column) { return schema_->find(column) != nullptr; };
  if (columns.empty() || !std::all_of(columns.begin(), columns.end(), exists))
    return false;
  const auto same = [&](const Key& key) { return key.columns == columns; };
  if (std::none_of(keys_.begin(), keys_.end(), same))
    keys_.push_back({columns, engine::quote_identifier(fmt::format("_shoplake_key_{}", keys_.size()))});
  return true;
}

std::size_t KeyColumns::number(const std::vector<std::string>& columns) const {
  const auto found = std::find_if(keys_.begin(), keys_.end(), [&](const Key& key) { return key.columns == columns; });
  SHOPLAKE_CHECK(found != keys_.end());
  return static_cast<std::size_t>(found - keys_.begin());
}

std::string KeyColumns::definitions() const {
  std::string text;
  for (const Key& key : keys_)
    text += fmt::format(", {} BIGINT", key.name);
  return text;
}

std::string KeyColumns::names() const {
  std::string text;
  for (const Key& key : keys_)
    text += ", " + key.name;
  return text;
}

std::string KeyColumns::values() const {
  std::string text;
  for (const Key& key : keys_) {
    std::vector<std::string> columns;
    for (const std::string& column : key.columns)
      columns.push_back(engine::quote_identifier(column));
    text += ", " + hash_of(columns);
  }
  return text;
}

std::string KeyColumns::keys(const KeyTerm& term) const {
  // Only equal types have equal hashes.
  std::vector<std::string> casts;
  std::string names, known;
  for (std::size_t index = 0; index < term.columns.size(); ++index) {
    const std::string name = fmt::format("part_{}", index);
    casts.push_back(fmt::format("CAST({} AS {})", name, model::duckdb_type(schema_->find(term.columns[index])->type)));
    known += fmt::format("{}{} IS NOT NULL", known.empty() ? "" : " AND ", name);  // NULL is in no list
    names += (names.empty() ? "" : ", ") + name;
  }
  return fmt::format("SELECT DISTINCT {} AS key FROM ({}\n) AS parts({}) WHERE {}", hash_of(casts), term.query, names,
                     known);
}

}  // namespace shoplake::live
