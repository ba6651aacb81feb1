#include "quality/evaluation.h"

#include <fmt/format.h>

#include "dqdl/reference.h"
#include "quality/custom_sql.h"

namespace shoplake::quality {
namespace {

std::string filter(const Rule& rule) { return rule.where.empty() ? "" : fmt::format(" WHERE ({}\n)", rule.where); }

}  // namespace

// SQL of another table, or of the rows under test where that is meant.
Result<std::string> Evaluation::relation_of(const std::string& table) {
  if (lower(table) == lower(subject_.table) || lower(table) == "primary")
    return subject_.relation;
  std::vector<std::string> parts;
  for (const std::string& part : engine::split_name(table))
    parts.push_back(engine::quote_identifier(part));
  const std::string name = fmt::format("{}", fmt::join(parts, "."));
  if (options_.prepare)
    SHOPLAKE_TRY(options_.prepare("SELECT 1 FROM " + name));
  return name;
}

// The two sides of a referential check, joined: keys of the rows with their number, and what they refer to.
Result<std::string> Evaluation::references(const Leaf& leaf) {
  const auto reference = dqdl::parse_reference(leaf.rule->parameters[1]);
  const std::string other = SHOPLAKE_TRY(relation_of(reference->table));
  std::vector<std::string> keys, targets, given, joined;
  for (std::size_t at = 0; at < leaf.columns.size(); ++at) {
    const std::string target = engine::quote_identifier(reference->columns[at]);
    keys.push_back(fmt::format("{} AS k{}", engine::quote_identifier(leaf.columns[at].name), at));
    targets.push_back(fmt::format("{} AS k{}", target, at));
    given.push_back(target + " IS NOT NULL");
    joined.push_back(fmt::format("p.k{0} = r.k{0}", at));
  }
  return fmt::format(
      "(SELECT {}, count(*) AS n FROM {}{} GROUP BY ALL) AS p LEFT JOIN (SELECT DISTINCT {}, true AS is_found FROM "
      "{} "
      "WHERE {}) AS r ON {}",
      fmt::join(keys, ", "), subject_.relation, filter(*leaf.rule), fmt::join(targets, ", "), other,
      fmt::join(given, " AND "), fmt::join(joined, " AND "));
}

Result<void> Evaluation::measure_references(Leaf& leaf) {
  const engine::ResultSet answer =
      SHOPLAKE_TRY(query("SELECT coalesce(sum(p.n), 0), coalesce(sum(p.n) FILTER (WHERE r.is_found), 0) FROM " +
                         SHOPLAKE_TRY(references(leaf))));
  const double rows = to_number(answer.value(0, 0)).value_or(0);
  const double found = to_number(answer.value(0, 1)).value_or(0);
  leaf.failed_rows = static_cast<std::int64_t>(rows - found);
  return judge(leaf, rows == 0 ? 1 : found / rows,
               fmt::format("{} of {} rows have no counterpart in {}", count_text(rows - found), count_text(rows),
                           leaf.rule->parameters[1]));
}

// The first number divided by the second; two zeros match.
Result<void> Evaluation::judge_ratio(Leaf& leaf, const engine::ResultSet& answer) {
  const double left = to_number(answer.value(0, 0)).value_or(0);
  const double right = to_number(answer.value(0, 1)).value_or(0);
  if (right == 0 && left != 0) {
    return failed("quality.no_values",
                  fmt::format("{} cannot be compared with 0 of {}", number_text(left), leaf.rule->parameters.back()));
  }
  return judge(leaf, right == 0 ? 1 : left / right,
               fmt::format("{} here, {} there", number_text(left), number_text(right)));
}

Result<void> Evaluation::measure_row_count_match(Leaf& leaf) {
  const std::string other = SHOPLAKE_TRY(relation_of(leaf.rule->parameters[0]));
  return judge_ratio(leaf, SHOPLAKE_TRY(query(fmt::format("SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {})",
                                                          subject_.relation, other))));
}

Result<void> Evaluation::measure_aggregate_match(Leaf& leaf) {
  std::vector<std::string> sides;
  for (const std::string& parameter : leaf.rule->parameters) {
    const auto term = dqdl::parse_column_aggregate(parameter);
    sides.push_back(fmt::format("(SELECT CAST({}({}) AS DOUBLE) FROM {})", term->is_average ? "avg" : "sum",
                                engine::quote_identifier(term->column),
                                SHOPLAKE_TRY(relation_of(term->table.empty() ? "primary" : term->table))));
  }
  return judge_ratio(leaf, SHOPLAKE_TRY(query(fmt::format("SELECT {}, {}", sides[0], sides[1]))));
}

Result<engine::ResultSet> Evaluation::run_custom(const Leaf& leaf, std::string_view what) {
  const std::string sql = name_primary(leaf.rule->parameters[0], subject_.table);
  SHOPLAKE_TRY(options_.session->check_read_only(sql));
  if (options_.prepare)
    SHOPLAKE_TRY(options_.prepare(sql));
  return query(fmt::format("WITH \"primary\" AS NOT MATERIALIZED (SELECT * FROM {}) SELECT {} FROM (\n{}\n) AS custom",
                           subject_.relation, what, sql));
}

Result<void> Evaluation::measure_custom_number(Leaf& leaf) {
  const engine::ResultSet answer = SHOPLAKE_TRY(run_custom(leaf, "*"));
  if (answer.row_count() != 1 || answer.columns().size() != 1) {
    return failed("quality.custom_sql", fmt::format("the SQL gave {} rows of {} columns instead of one number",
                                                    answer.row_count(), answer.columns().size()));
  }
  return judge(leaf, to_number(answer.value(0, 0)), "");
}

Result<void> Evaluation::measure_custom_rows(Leaf& leaf) {
  const engine::ResultSet answer = SHOPLAKE_TRY(run_custom(leaf, "count(*)"));
  const double rows = value(leaf, 0).value_or(0);
  const double good = to_number(answer.value(0, 0)).value_or(0);
  if (good > rows) {
    return failed("quality.custom_sql",
                  fmt::format("the SQL gave {} rows of a table of {}", count_text(good), count_text(rows)),
                  "It must give the good rows, each once.");
  }
  leaf.failed_rows = static_cast<std::int64_t>(rows - good);
  return judge(leaf, rows == 0 ? 1 : good / rows,
               fmt::format("{} of {} rows are not among the good ones", count_text(rows - good), count_text(rows)));
}
}  // namespace shoplake::quality
