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

const std::set<std::string, std::less<>> kScans = {"read_csv", "read_json", "read_parquet"};

// Whether an expression is a constant path below the lake, or a list of them.
bool is_lake_path(const Json& node, const std::string& root) {
  if (node.value("type", "") == "VALUE_CONSTANT") {
    const Json value = node.value("value", Json());
    const std::string path = value.is_object() && value.contains("value") && value["value"].is_string()
                                 ? value["value"].get<std::string>()
                                 : "";
    return path.starts_with(root) && path.find("/../") == std::string::npos && !path.ends_with("/..");
  }
  if (node.value("type", "") == "FUNCTION" && node.value("function_name", "") == "list_value") {
    const Json& items = node.at("children");
    return !items.empty() && std::all_of(items.begin(), items.end(), [&](const Json& item) {
      return item.value("type", "") == "VALUE_CONSTANT" && is_lake_path(item, root);
    });
  }
  return false;
}

// Named parameters come as comparisons of a name with a value; everything before them is a path.
bool scans_the_lake(const Json& function, const std::string& root) {
  bool has_path = false;
  for (const Json& argument : function.at("children")) {
    if (argument.value("type", "") == "COMPARE_EQUAL") {
      continue;
    }
    if (!is_lake_path(argument, root)) {
      return false;
    }
    has_path = true;
  }
  return has_path;
}

Result<void> check_function(const Json& node, const std::string& readable) {
  const auto function = node.find("function");
  if (function == node.end() || !function->is_object()) {
    return {};
  }
  std::string name = function->value("function_name", "");
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (kAllowedFunctions.contains(name)) {
    return {};
  }
  if (!readable.empty() && kScans.contains(name) && scans_the_lake(*function, readable)) {
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

// `readable`: below it views may scan files; empty: nowhere.
Result<void> walk(const Json& node, const std::string& readable) {
  if (node.is_object()) {
    const auto type = node.find("type");
    if (type != node.end() && *type == "TABLE_FUNCTION") {
      SHOPLAKE_TRY(check_function(node, readable));
    } else if (type != node.end() && *type == "BASE_TABLE") {
      SHOPLAKE_TRY(check_table(node));
    }
  }
  if (node.is_structured()) {
    for (const Json& child : node) {
      SHOPLAKE_TRY(walk(child, readable));
    }
  }
  return {};
}

Result<void> check(engine::Session& session, std::string_view sql, const std::string& readable) {
  SHOPLAKE_TRY(session.check_read_only(sql));
  const std::string tree = SHOPLAKE_TRY(session.syntax_tree(sql));
  try {
    return walk(Json::parse(tree), readable);
  } catch (const Json::exception& exception) {  // a tree of another shape than this DuckDB's: nothing is let through
    return base::make_error(ErrorKind::internal, "query.syntax_tree",
                            std::string("cannot read the query's syntax tree: ") + exception.what());
  }
}

}  // namespace

Result<void> check_query(engine::Session& session, std::string_view sql) { return check(session, sql, ""); }

Result<void> check_view(engine::Session& session, std::string_view sql, std::string_view lake_root) {
  return check(session, sql, std::string(lake_root) + "/");
}

}  // namespace shoplake::query
