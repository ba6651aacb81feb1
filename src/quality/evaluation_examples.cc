#include "quality/evaluation.h"

#include <algorithm>

#include <fmt/format.h>

namespace shoplake::quality {
namespace {

// Columns that lead back to where a row came from.
constexpr std::string_view kTraceColumns[] = {"_shoplake_source_object", "_shoplake_line"};

}  // namespace

void Evaluation::show(std::vector<std::string>& list, const std::string& name, const std::string& sql) const {
  if (options_.hidden_columns.contains(lower(name)))
    return;
  const std::string field =
      fmt::format("{} := left(CAST({} AS VARCHAR), {})", engine::quote_identifier(name), sql, kExampleTextMax);
  if (std::find(list.begin(), list.end(), field) == list.end())
    list.push_back(field);
}

bool Evaluation::is_hidden(const Leaf& leaf) const {
  return std::all_of(leaf.columns.begin(), leaf.columns.end(), [&](const engine::Column& column) {
    return options_.hidden_columns.contains(lower(column.name));
  });
}

Result<void> Evaluation::find_examples(Leaf& leaf) {
  std::vector<std::string> fields;
  std::string from;
  if (!leaf.group.empty() || leaf.rule->type == RuleType::referential_integrity) {
    if (is_hidden(leaf))
      return {};
    for (std::size_t at = 0; at < leaf.columns.size(); ++at) {
      const std::string& name = leaf.columns[at].name;
      show(fields, name, leaf.group.empty() ? fmt::format("p.k{}", at) : engine::quote_identifier(name));
    }
    fields.push_back("\"rows\" := n");
    from = leaf.group.empty() ? SHOPLAKE_TRY(references(leaf)) + " WHERE r.is_found IS NULL"
                              : fmt::format("(SELECT {0}, count(*) AS n FROM {1} GROUP BY {0}) AS grouped WHERE n > 1",
                                            column_list(leaf), grouped_rows(leaf));
  } else if (!leaf.good.empty()) {
    for (const engine::Column& column : leaf.columns)
      show(fields, column.name, engine::quote_identifier(column.name));
    for (const Leaf& other : leaves_) {
      if (other.rule->type != RuleType::is_primary_key)
        continue;
      for (const engine::Column& column : other.columns)
        show(fields, column.name, engine::quote_identifier(column.name));
    }
    for (const std::string_view name : kTraceColumns) {
      if (columns_.contains(std::string(name)))
        show(fields, std::string(name), engine::quote_identifier(name));
    }
    const std::string where = leaf.rule->where.empty() ? "" : fmt::format(" AND ({}\n)", leaf.rule->where);
    from = fmt::format("{} WHERE NOT ({}){}", subject_.relation, leaf.good, where);
  }
  if (fields.empty())
    return {};
  const engine::ResultSet rows = SHOPLAKE_TRY(
      query(fmt::format("SELECT CAST(to_json(struct_pack({})) AS VARCHAR) AS example FROM {} ORDER BY example LIMIT {}",
                        fmt::join(fields, ", "), from, kExamplesMax)));
  for (std::int64_t row = 0; row < rows.row_count(); ++row)
    leaf.examples.push_back(rows.text(row, 0).value_or(""));
  return {};
}
}  // namespace shoplake::quality
