#include "query/guard.h"

#include <algorithm>
#include <cctype>
#include <set>

#include <nlohmann/json.hpp>

namespace shoplake::query {
namespace {

using base::ErrorKind;
using base::Result;
using Json = nlohmann::json;

constexpr char kTablesOnly[] = "A query reads tables of the lake only; `shoplake load` brings files in.";

const std::set<std::string, std::less<>> kAllowedFunctions = {
    // values out of nothing
    "generate_series", "range", "repeat", "repeat_row", "summary", "test_all_types", "unnest",
    // values out of values
    "json_each", "json_tree",
    // what is there
    "duckdb_columns", "duckdb_functions", "duckdb_keywords", "duckdb_schemas", "duckdb_tables", "duckdb_types",
    "duckdb_views", "icu_calendar_names", "pg_timezone_names", "pragma_collations", "pragma_show", "pragma_table_info",
    "pragma_version"};

Result<void> check_function(const Json& node) {
  const auto function = node.find("function");
  if (function == node.end() || !function->is_object()) {
    return {};
  }
  std::string name = function->value("function_name", "");
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (kAllowedFunctions.contains(name)) {
    return {};
  }
  return base::make_error(ErrorKind::usage, "query.forbidden_function",
                          "a query may not call the table function " + name + "()", kTablesOnly);
}

Result<void> check_table(const Json& node) {
  const std::string name = node.value("table_name", "");
  const bool is_file = node.value("schema_name", "").empty() && name.find_first_of("/.*:") != std::string::npos;
  if (!is_file) {
    return {};
  }
  return base::make_error(ErrorKind::usage, "query.reads_file", "a query may not read the file " + name, kTablesOnly);
}

Result<void> walk(const Json& node) {
  if (node.is_object()) {
    const auto type = node.find("type");
    if (type != node.end() && *type == "TABLE_FUNCTION") {
      SHOPLAKE_TRY(check_function(node));
    } else if (type != node.end() && *type == "BASE_TABLE") {
      SHOPLAKE_TRY(check_table(node));
    }
  }
  if (node.is_structured()) {
    for (const Json& child : node) {
      SHOPLAKE_TRY(walk(child));
    }
  }
  return {};
}

}  // namespace

Result<void> check_query(engine::Session& session, std::string_view sql) {
  SHOPLAKE_TRY(session.check_read_only(sql));
  const std::string tree = SHOPLAKE_TRY(session.syntax_tree(sql));
  try {
    return walk(Json::parse(tree));
  } catch (const Json::exception& exception) {  // a tree of another shape than this DuckDB's: nothing is let through
    return base::make_error(ErrorKind::internal, "query.syntax_tree",
                            std::string("cannot read the query's syntax tree: ") + exception.what());
  }
}

}  // namespace shoplake::query
