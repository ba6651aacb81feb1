// What a statement is and what it reads, from its text alone: Session::check_read_only(), syntax_tree(), table_names().
#include <algorithm>
#include <cctype>
#include <set>

#include <nlohmann/json.hpp>

#include "engine/duckdb_handle.h"
#include "engine/session.h"
#include "engine/session_state.h"

namespace shoplake::engine {
namespace {

using base::ErrorKind;
using Json = nlohmann::json;

constexpr char kReadingAdvice[] =
    "Only a query may run here: SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN.";

constexpr std::string_view kReadingWords[] = {"SELECT", "WITH",      "FROM",  "VALUES",  "DESCRIBE", "DESC",
                                              "SHOW",   "SUMMARIZE", "TABLE", "EXPLAIN", "PIVOT",    "UNPIVOT"};

// Takes white space and comments off the front.
std::string_view skip_space(std::string_view sql) {
  while (!sql.empty()) {
    if (std::isspace(static_cast<unsigned char>(sql[0]))) {
      sql.remove_prefix(1);
    } else if (sql.starts_with("--")) {
      sql.remove_prefix(std::min(sql.find('\n'), sql.size()));
    } else if (sql.starts_with("/*")) {
      // Comments nest, as in PostgreSQL.
      std::size_t depth = 1;
      std::size_t end = 2;
      while (end < sql.size() && depth > 0) {
        if (sql.substr(end).starts_with("*/")) {
          --depth;
          end += 2;
        } else if (sql.substr(end).starts_with("/*")) {
          ++depth;
          end += 2;
        } else {
          ++end;
        }
      }
      sql.remove_prefix(end);
    } else {
      break;
    }
  }
  return sql;
}

// Takes the first word off, in upper case; empty if none is there.
std::string take_word(std::string_view& sql) {
  sql = skip_space(sql);
  std::string word;
  while (word.size() < sql.size() &&
         (std::isalnum(static_cast<unsigned char>(sql[word.size()])) || sql[word.size()] == '_')) {
    word.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(sql[word.size()]))));
  }
  sql.remove_prefix(word.size());
  return word;
}

// The statement that an EXPLAIN explains: ANALYZE runs it, so it must be a reading one itself.
std::string_view explained(std::string_view sql) {
  (void)take_word(sql);  // EXPLAIN
  std::string_view rest = skip_space(sql);
  if (rest.starts_with('(')) {  // options, without nesting; or a SELECT in parentheses
    std::string_view inside = rest.substr(1);
    const std::string word = take_word(inside);
    if (word == "ANALYZE" || word == "FORMAT" || word == "VERBOSE") {
      const std::size_t end = rest.find(')');
      return end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    return rest;
  }
  std::string_view after = rest;
  const std::string word = take_word(after);
  return word == "ANALYZE" || word == "VERBOSE" ? after : rest;
}

// DuckDB writes constants such as 1e400 into its syntax tree as Infinity, which is no JSON; nobody reads them, so null
// will do.
void replace_undefined_numbers(std::string& json) {
  bool quoted = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '"') {
      quoted = !quoted;
    } else if (quoted) {
      i += json[i] == '\\' ? 1 : 0;
    } else {
      for (const std::string_view word : {"-Infinity", "Infinity", "-NaN", "NaN"}) {
        if (std::string_view(json).substr(i).starts_with(word)) {
          json.replace(i, word.size(), "null");
          break;
        }
      }
    }
  }
}

base::Error not_a_query(std::string message, std::string advice = kReadingAdvice) {
  return base::make_error(ErrorKind::usage, "engine.not_a_query", std::move(message), std::move(advice));
}

base::Error tree_is_no_json() {
  return base::make_error(ErrorKind::internal, "engine.syntax_tree",
                          "DuckDB's syntax tree of the statement is no JSON");
}

std::string unquoted_if_plain(const std::string& name) {
  const bool plain = !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
                     std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) || c == '_'; });
  return plain ? name : quote_identifier(name);
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Gathers the tables of a syntax tree; knows which names are those of CTEs where it stands.
class TableNames {
 public:
  void visit(const Json& node, const std::set<std::string>& outer) {
    if (node.is_array()) {
      for (const Json& element : node) {
        visit(element, outer);
      }
      return;
    }
    if (!node.is_object()) {
      return;
    }
    if (has_type(node, "BASE_TABLE") && node.contains("table_name")) {
      add(node, outer);
    }
    const auto ctes = node.find("cte_map");
    if (ctes == node.end() || ctes->at("map").empty()) {
      visit_children(node, outer);
      return;
    }
    std::set<std::string> names = outer;
    for (const Json& cte : ctes->at("map")) {
      // A CTE sees the ones before it, and itself only if it is recursive; so `with x as (from x)` reads a table x.
      const std::string name = lower(cte.at("key"));
      std::set<std::string> visible = names;
      if (is_recursive(cte.at("value"))) {
        visible.insert(name);
      }
      visit(cte.at("value"), visible);
      names.insert(name);
    }
    visit_children(node, names);
  }

  std::vector<std::string> take() { return std::move(found_); }

 private:
  static bool has_type(const Json& node, std::string_view type) {
    const auto found = node.find("type");
    return found != node.end() && found->is_string() && found->get_ref<const std::string&>() == type;
  }

  void visit_children(const Json& node, const std::set<std::string>& names) {
    for (auto child = node.begin(); child != node.end(); ++child) {
      if (child->is_structured() && child.key() != "cte_map") {
        visit(*child, names);
      }
    }
  }

  static bool is_recursive(const Json& node) {
    if (node.is_object() && has_type(node, "RECURSIVE_CTE_NODE")) {
      return true;
    }
    if (const auto query = node.find("query"); node.is_object() && query != node.end() && query->is_object()) {
      return query->contains("node") && is_recursive(query->at("node"));
    }
    return false;
  }

  void add(const Json& node, const std::set<std::string>& ctes) {
    const std::string catalog = node.value("catalog_name", "");
    const std::string schema = node.value("schema_name", "");
    const std::string table = node.at("table_name");
    if (schema.empty() && ctes.contains(lower(table))) {
      return;
    }
    std::string name;
    for (const std::string& part : {catalog, schema, table}) {
      if (!part.empty()) {
        name.append(name.empty() ? "" : ".").append(unquoted_if_plain(part));
      }
    }
    if (std::ranges::find(found_, name) == found_.end()) {
      found_.push_back(std::move(name));
    }
  }

  std::vector<std::string> found_;
};

}  // namespace

Result<std::string> Session::State::unchecked_syntax_tree(Session& session, std::string_view sql) {
  if (std::string_view rest = sql; take_word(rest) == "EXPLAIN") {
    return unchecked_syntax_tree(session, explained(sql));
  }
  StatementsHandle statements;
  if (duckdb_extract_statements(connection.get(), std::string(sql).c_str(), statements.address()) == 0) {
    const char* message = duckdb_extract_statements_error(statements.get());
    return message != nullptr ? duckdb_error(message) : not_a_query("there is no SQL statement");
  }
  const ResultSet answer =
      SHOPLAKE_TRY(session.query("SELECT json_serialize_sql(" + quote_literal(sql) + "::VARCHAR)"));
  std::string tree = answer.text(0, 0).value_or("");
  if (tree.starts_with("{\"error\":true")) {
    std::string_view rest = sql;
    return not_a_query("a statement that begins with " + take_word(rest) + " is no query");
  }
  replace_undefined_numbers(tree);
  return tree;
}

Result<std::string> Session::syntax_tree(std::string_view sql) {
  std::string tree = SHOPLAKE_TRY(state_->unchecked_syntax_tree(*this, sql));
  if (!Json::accept(tree)) {
    return tree_is_no_json();
  }
  return tree;
}

Result<void> Session::check_read_only(std::string_view sql) {
  if (sql.find('\0') != std::string_view::npos) {
    return not_a_query("the text holds a NUL byte", "Take it out.");
  }
  std::string_view rest = sql;
  const std::string word = take_word(rest);
  rest = skip_space(rest);
  const bool opens_query = word.empty() && rest.starts_with('(');
  if (word.empty() && !opens_query) {
    return not_a_query(rest.empty() || rest == ";" ? "there is no SQL statement"
                                                   : "the text does not begin as a statement does");
  }
  // The first word decides before DuckDB sees the text: taking statements apart already reads the files of IMPORT
  // DATABASE.
  if (!opens_query && std::ranges::find(kReadingWords, word) == std::end(kReadingWords)) {
    return not_a_query("a statement that begins with " + word + " is no query");
  }
  if (word == "EXPLAIN") {
    return check_read_only(explained(sql));
  }
  StatementsHandle statements;
  const idx_t count =
      duckdb_extract_statements(state_->connection.get(), std::string(sql).c_str(), statements.address());
  if (count == 0) {
    const char* message = duckdb_extract_statements_error(statements.get());
    return message != nullptr ? duckdb_error(message) : not_a_query("there is no SQL statement");
  }
  if (count > 1) {
    if (word == "PIVOT") {
      return not_a_query("PIVOT without IN looks for its columns in a statement of its own, which writes a type",
                         "Name the columns: PIVOT … ON x IN ('a', 'b') USING …");
    }
    return not_a_query("there are " + std::to_string(count) + " statements", "Give one statement at a time.");
  }
  auto tree = syntax_tree(sql);
  if (!tree.ok()) {
    return std::move(tree).error();
  }
  return {};
}

Result<std::vector<std::string>> Session::table_names(std::string_view sql) {
  auto tree = state_->unchecked_syntax_tree(*this, sql);
  if (tree.ok()) {
    const Json document = Json::parse(*tree, nullptr, /*allow_exceptions=*/false);
    if (document.is_discarded()) {
      return tree_is_no_json();
    }
    TableNames names;
    names.visit(document, {});
    return names.take();
  }
  if (tree.error().code != "engine.not_a_query") {
    return std::move(tree).error();
  }
  // Other statements are taken apart by DuckDB, which has to bind them.
  const ValueHandle found(duckdb_get_table_names(state_->connection.get(), std::string(sql).c_str(), true));
  if (found.get() == nullptr) {
    return std::move(tree).error();
  }
  std::vector<std::string> names;
  for (idx_t i = 0; i < duckdb_get_list_size(found.get()); ++i) {
    const ValueHandle name(duckdb_get_list_child(found.get(), i));
    names.push_back(take_text(duckdb_get_varchar(name.get())));
  }
  return names;
}

std::vector<std::string> split_name(std::string_view name) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '"') {
      const bool doubled = quoted && i + 1 < name.size() && name[i + 1] == '"';
      if (doubled) {
        parts.back().push_back('"');
        ++i;
      } else {
        quoted = !quoted;
      }
    } else if (name[i] == '.' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back().push_back(name[i]);
    }
  }
  return parts;
}

}  // namespace shoplake::engine
