#include "model/shared_scan.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "engine/session.h"
#include "model/config.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

bool is_plain_column(const std::string& column) {
  return !column.empty() && !std::isdigit(static_cast<unsigned char>(column[0])) &&
         std::all_of(column.begin(), column.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

}  // namespace

std::optional<std::string> failures_in_scan(const Node& node, bool store_failures) {
  if (!node.test || node.test->name_space || !is_plain_column(node.column_name))
    return std::nullopt;
  const Json& config = node.config;
  if (!config_text(config, "where").empty() || !config_text(config, "limit").empty() ||
      config_text(config, "fail_calc") != "count(*)" || config_text(config, "warn_if") != "!= 0" ||
      config_text(config, "error_if") != "!= 0" || config_flag(config, "store_failures", store_failures) ||
      !config_text(config, "store_failures_as").empty()) {
    return std::nullopt;
  }
  const std::string column = engine::quote_identifier(node.column_name);
  if (node.test->name == "not_null")
    return fmt::format("count(*) FILTER (WHERE {} IS NULL)", column);
  if (node.test->name == "unique")
    return fmt::format("count({0}) - count(DISTINCT {0})", column);
  if (node.test->name == "accepted_values") {
    const Json& arguments = node.test->arguments;
    if (!arguments.contains("values") || !arguments["values"].is_array() || arguments["values"].empty())
      return std::nullopt;
    const bool quote = config_flag(arguments, "quote", true);
    std::string list;
    for (const Json& value : arguments["values"]) {
      if (value.is_structured() || value.is_null())
        return std::nullopt;
      const std::string text = value.is_boolean() ? (value.get<bool>() ? "True" : "False") : scalar_text(value);
      if (text.find("{{") != std::string::npos || text.find('\'') != std::string::npos)
        return std::nullopt;
      list += (list.empty() ? "" : ", ") + (quote ? engine::quote_literal(text) : text);
    }
    return fmt::format("count(*) FILTER (WHERE {} NOT IN ({}))", column, list);
  }
  return std::nullopt;
}

}  // namespace shoplake::model
