#include "model/model_contract.h"

#include <algorithm>

#include <fmt/format.h>

#include "model/config.h"

namespace shoplake::model {

Result<void> check_contract(Lake& lake, engine::Session& session, const Node& node, const std::string& sql) {
  if (!node.config.contains("contract") || !node.config["contract"].is_object() ||
      !config_flag(node.config["contract"], "enforced", false))
    return {};
  std::string list;
  for (const ColumnDocument& column : node.columns) {
    if (column.data_type.empty()) {
      return base::make_error(
          base::ErrorKind::failed, "model.contract",
          fmt::format("the contract of {} is enforced, but column {} has no data_type", node.name, column.name));
    }
    list += fmt::format("{}CAST(NULL AS {}) AS {}", list.empty() ? "" : ", ", column.data_type,
                        engine::quote_identifier(column.name));
  }
  if (list.empty())
    return base::make_error(base::ErrorKind::failed, "model.contract",
                            fmt::format("the contract of {} is enforced, but it lists no columns", node.name));
  const std::vector<engine::Column> wanted = SHOPLAKE_TRY(lake.describe(session, "SELECT " + list));
  const std::vector<engine::Column> given = SHOPLAKE_TRY(lake.describe(session, sql));
  std::string differences;
  const auto find = [](const std::vector<engine::Column>& columns, const std::string& name) {
    return std::find_if(columns.begin(), columns.end(),
                        [&](const engine::Column& column) { return column.name == name; });
  };
  for (const engine::Column& column : wanted) {
    const auto other = find(given, column.name);
    if (other == given.end()) {
      differences += fmt::format("\n  {} {}: missing in the model", column.name, column.type);
    } else if (other->type != column.type) {
      differences +=
          fmt::format("\n  {}: the contract says {}, the model gives {}", column.name, column.type, other->type);
    }
  }
  for (const engine::Column& column : given) {
    if (find(wanted, column.name) == wanted.end())
      differences += fmt::format("\n  {} {}: missing in the contract", column.name, column.type);
  }
  if (differences.empty())
    return {};
  return base::make_error(
      base::ErrorKind::failed, "model.contract",
      fmt::format("the model {} has an enforced contract that it does not keep:{}", node.name, differences));
}

}  // namespace shoplake::model
