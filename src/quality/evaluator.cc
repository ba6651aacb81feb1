#include "quality/evaluator.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "dqdl/reference.h"
#include "quality/custom_sql.h"
#include "quality/metric_name.h"
#include "quality/row_condition.h"

namespace shoplake::quality {
namespace {

using base::Error;
using base::ErrorKind;
using dqdl::Condition;
using dqdl::NumberExpression;
using dqdl::Operator;
using dqdl::Rule;
using dqdl::RuleType;

// Numbers that are equal but for how they were added up.
constexpr double kRelativeTolerance = 1e-12;
// Columns that lead back to where a row came from.
constexpr std::string_view kTraceColumns[] = {"_shoplake_source_object", "_shoplake_line"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

Error failed(const char* code, std::string message, std::string advice = {}) {
  return base::make_error(ErrorKind::failed, code, std::move(message), std::move(advice));
}

std::string number_text(double value) {
  return value == std::floor(value) && std::fabs(value) < 1e15 ? fmt::format("{:.0f}", value)
                                                               : fmt::format("{:.6g}", value);
}

std::string count_text(double value) {
  std::string digits = fmt::format("{:.0f}", value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::optional<double> to_number(const engine::Value& value) {
  std::optional<double> number;
  if (const auto* truth = std::get_if<bool>(&value.data))
    number = *truth ? 1 : 0;
  if (const auto* integer = std::get_if<std::int64_t>(&value.data))
    number = static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&value.data))
    number = *real;
  if (const auto* exact = std::get_if<engine::Exact>(&value.data))
    number = std::strtod(exact->text.c_str(), nullptr);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

bool is_equal(double left, double right) {
  return std::fabs(left - right) <= kRelativeTolerance * std::max({1.0, std::fabs(left), std::fabs(right)});
}

bool holds(double value, Operator op, const std::vector<double>& right) {
  const auto is_one_of = [&] {
    return std::any_of(right.begin(), right.end(), [&](double each) { return is_equal(value, each); });
  };
  switch (op) {
    case Operator::equal:
    case Operator::in: return is_one_of();
    case Operator::not_equal:
    case Operator::not_in: return !is_one_of();
    case Operator::less: return value < right[0] && !is_equal(value, right[0]);
    case Operator::less_equal: return value <= right[0] || is_equal(value, right[0]);
    case Operator::greater: return value > right[0] && !is_equal(value, right[0]);
    case Operator::greater_equal: return value >= right[0] || is_equal(value, right[0]);
    case Operator::between: return value > right[0] && value < right[1];
    case Operator::not_between: return value <= right[0] || value >= right[1];
    default: return false;
  }
}

// One single rule, alone or as a part of a composite one, from its plan to its outcome.
struct Leaf {
  const Rule* rule = nullptr;
  std::vector<std::size_t> aggregates;  // places in the common statement
  std::string group;                    // key of the grouping it needs; empty: none
  std::string good;                     // condition of good rows, if it is about rows
  std::vector<engine::Column> columns;

  Outcome outcome = Outcome::error;
  std::vector<Metric> metrics;
  std::string expected;
  std::string message;
  std::optional<std::int64_t> failed_rows;
  std::vector<std::string> examples;
  std::int64_t micros = 0;
  std::string no_history;   // why it cannot be judged yet, though it was measured
  bool is_settled = false;  // by the plan: it failed, or there is nothing to measure
};

// Values of columns, grouped: each distinct combination that is not all NULL.
struct Grouping {
  std::string sql;
  bool is_done = false;
  std::optional<Error> error;
  double distinct = 0;
  double unique = 0;  // that occur once
  double rows = 0;
  double entropy = 0;
};

class Evaluation {
 public:
  Evaluation(const EvaluatorOptions& options, const Subject& subject) : options_(options), subject_(subject) {}

  Result<std::vector<RuleResult>> run(std::span<const QualityRule> rules) {
    std::vector<std::vector<std::size_t>> of_rule;
    for (const QualityRule& rule : rules) {
      of_rule.emplace_back();
      collect(rule.rule, of_rule.back());
    }
    if (Result<void> described = describe(); !described.ok()) {
      SHOPLAKE_TRY(not_interrupted(described));
      for (Leaf& leaf : leaves_)
        settle(leaf, described.error());
    }
    for (Leaf& leaf : leaves_) {
      if (!leaf.is_settled)
        SHOPLAKE_TRY(guarded(leaf, [&] { return plan(leaf); }));
    }
    SHOPLAKE_TRY(scan());
    for (Leaf& leaf : leaves_) {
      if (!leaf.is_settled)
        SHOPLAKE_TRY(guarded(leaf, [&] { return measure(leaf); }));
      if (leaf.outcome == Outcome::fail)
        SHOPLAKE_TRY(guarded(leaf, [&] { return find_examples(leaf); }));
    }
    std::vector<RuleResult> results;
    for (std::size_t at = 0; at < rules.size(); ++at)
      results.push_back(result_of(rules[at], of_rule[at]));
    return results;
  }

 private:
  // ── plan ──────────────────────────────────────────────────────────────────────────────────────────────────────

  void collect(const Rule& rule, std::vector<std::size_t>& indexes) {
    for (const Rule& part : rule.parts)
      collect(part, indexes);
    if (rule.kind != Rule::Kind::single)
      return;
    indexes.push_back(leaves_.size());
    leaves_.emplace_back();
    leaves_.back().rule = &rule;
  }

  static Result<void> not_interrupted(const Result<void>& result) {
    if (!result.ok() && result.error().kind == ErrorKind::cancelled)
      return result;
    return {};
  }

  static void settle(Leaf& leaf, const Error& error) {
    leaf.is_settled = true;
    leaf.outcome = error.code == "quality.no_history" ? Outcome::skipped : Outcome::error;
    leaf.message = error.message + (error.advice.empty() ? "" : ". " + error.advice);
  }

  // An error of a step is the outcome of its rule, unless the whole run is to end.
  template <typename Step>
  Result<void> guarded(Leaf& leaf, Step step) {
    const std::int64_t begin = options_.env->monotonic_micros();
    const Result<void> done = step();
    leaf.micros += options_.env->monotonic_micros() - begin;
    SHOPLAKE_TRY(not_interrupted(done));
    if (!done.ok())
      settle(leaf, done.error());
    return {};
  }

  Result<engine::ResultSet> query(const std::string& sql) { return options_.session->query(sql); }

  Result<void> describe() {
    const engine::ResultSet described = SHOPLAKE_TRY(query("DESCRIBE SELECT * FROM " + subject_.relation));
    for (std::int64_t row = 0; row < described.row_count(); ++row) {
      engine::Column column{described.text(row, 0).value_or(""), described.text(row, 1).value_or("")};
      columns_.emplace(lower(column.name), column);
      names_.push_back(std::move(column.name));
    }
    return {};
  }

  Result<engine::Column> column(const std::string& given) {
    const auto found = columns_.find(lower(given));
    if (found != columns_.end())
      return found->second;
    const std::string meant = base::nearest_name(given, names_);
    return failed("quality.no_such_column", fmt::format("{} has no column {}", subject_.table, given),
                  meant.empty() ? "" : fmt::format("Did you mean {}?", meant));
  }

  std::size_t aggregate(Leaf& leaf, const std::string& sql) {
    const std::string filtered =
        leaf.rule->where.empty() ? sql : fmt::format("{} FILTER (WHERE ({}\n))", sql, leaf.rule->where);
    const auto [found, is_new] = aggregate_index_.emplace(filtered, aggregates_.size());
    if (is_new)
      aggregates_.push_back(filtered);
    leaf.aggregates.push_back(found->second);
    return found->second;
  }

  void count_good(Leaf& leaf, std::string good) {
    leaf.good = std::move(good);
    aggregate(leaf, "count(*)");
    aggregate(leaf, fmt::format("count(CASE WHEN {} THEN 1 END)", leaf.good));
  }

  Result<std::vector<double>> history(const std::string& metric, std::int64_t runs) {
    if (runs == 0)
      return std::vector<double>();
    if (!options_.history)
      return failed("quality.no_history", "there is no history of earlier runs");
    return options_.history(subject_.table, metric, runs);
  }

  Result<void> plan(Leaf& leaf) {
    const Rule& rule = *leaf.rule;
    SHOPLAKE_TRY(check_where(rule));
    if (is_about_columns(rule.type)) {
      for (const std::string& name : rule.parameters)
        leaf.columns.push_back(SHOPLAKE_TRY(column(name)));
    }
    const auto first = [&] { return engine::quote_identifier(leaf.columns[0].name); };
    switch (rule.type) {
      case RuleType::row_count: aggregate(leaf, "count(*)"); return {};
      case RuleType::is_complete:
      case RuleType::completeness: count_good(leaf, first() + " IS NOT NULL"); return {};
      case RuleType::mean: return plan_number(leaf, fmt::format("avg({})", first()));
      case RuleType::sum: return plan_number(leaf, fmt::format("sum({})", first()));
      case RuleType::standard_deviation: return plan_number(leaf, fmt::format("stddev_pop({})", first()));
      case RuleType::column_values: return plan_values(leaf);
      case RuleType::column_length: return plan_length(leaf);
      case RuleType::column_data_type:
        count_good(leaf, data_type_condition(leaf.columns[0], *rule.condition));
        return {};
      case RuleType::data_freshness:
        count_good(leaf, SHOPLAKE_TRY(freshness_condition(leaf.columns[0], *rule.condition, options_.now_micros)));
        aggregate(leaf, fmt::format("max(epoch_us({}))", SHOPLAKE_TRY(as_timestamp(leaf.columns[0]))));
        return {};
      case RuleType::is_primary_key: {
        std::vector<std::string> given;
        for (const engine::Column& each : leaf.columns)
          given.push_back(engine::quote_identifier(each.name) + " IS NOT NULL");
        count_good(leaf, fmt::format("({})", fmt::join(given, " AND ")));
        plan_grouping(leaf);
        return {};
      }
      case RuleType::is_unique:
      case RuleType::uniqueness:
      case RuleType::unique_value_ratio:
      case RuleType::distinct_values_count:
      case RuleType::entropy: plan_grouping(leaf); return {};
      case RuleType::referential_integrity:
        for (const std::string& name : dqdl::column_list(rule.parameters[0]))
          leaf.columns.push_back(SHOPLAKE_TRY(column(name)));
        return {};
      case RuleType::custom_sql:
        if (!rule.condition)
          aggregate(leaf, "count(*)");
        return {};
      default: return {};
    }
  }

  static bool is_about_columns(RuleType type) {
    switch (type) {
      case RuleType::aggregate_match:
      case RuleType::column_count:
      case RuleType::column_exists:
      case RuleType::custom_sql:
      case RuleType::referential_integrity:
      case RuleType::row_count:
      case RuleType::row_count_match: return false;
      default: return true;
    }
  }

  // The filter alone must be a condition that the engine understands: what else stands in the common statement does not
  // fail for it.
  Result<void> check_where(const Rule& rule) {
    if (rule.where.empty())
      return {};
    const std::string sql = fmt::format("SELECT 1 FROM {} WHERE ({}\n)", subject_.relation, rule.where);
    SHOPLAKE_TRY(options_.session->check_read_only(sql));
    SHOPLAKE_TRY(query("DESCRIBE " + sql).within("where"));
    return {};
  }

  Result<void> plan_number(Leaf& leaf, const std::string& sql) {
    const engine::Column& column = leaf.columns[0];
    if (kind_of(column) != ColumnKind::number) {
      return failed("quality.column_type", fmt::format("the column {} is {}, and {} is of numbers", column.name,
                                                       column.type, dqdl::name(leaf.rule->type)));
    }
    aggregate(leaf, sql);
    return {};
  }

  Result<void> plan_values(Leaf& leaf) {
    const Rule& rule = *leaf.rule;
    const engine::Column& column = leaf.columns[0];
    const std::int64_t runs = dqdl::runs_needed(*rule.condition);
    const std::vector<double> minima = SHOPLAKE_TRY(history(metric_name(rule, "Minimum"), runs));
    const std::vector<double> maxima = SHOPLAKE_TRY(history(metric_name(rule, "Maximum"), runs));
    // Where the condition looks back, the least and greatest values of this run are what the next one compares with.
    if (kind_of(column) == ColumnKind::number) {
      const RowContext context{options_.now_micros, minima, maxima};
      const Result<std::string> good = values_condition(column, *rule.condition, context);
      if (!good.ok() && good.error().code == "quality.no_history") {
        leaf.no_history = good.error().message;
        count_good(leaf, "true");
      } else {
        count_good(leaf, SHOPLAKE_TRY(Result<std::string>(good)));
      }
      const std::string name = engine::quote_identifier(column.name);
      aggregate(leaf, fmt::format("min({})", name));
      aggregate(leaf, fmt::format("max({})", name));
      return {};
    }
    count_good(leaf, SHOPLAKE_TRY(values_condition(column, *rule.condition, {options_.now_micros, minima, maxima})));
    return {};
  }

  Result<void> plan_length(Leaf& leaf) {
    count_good(leaf, SHOPLAKE_TRY(length_condition(leaf.columns[0], *leaf.rule->condition)));
    aggregate(leaf, fmt::format("min({})", length_of(leaf.columns[0])));
    aggregate(leaf, fmt::format("max({})", length_of(leaf.columns[0])));
    return {};
  }

  std::string column_list(const Leaf& leaf) const {
    std::vector<std::string> names;
    for (const engine::Column& each : leaf.columns)
      names.push_back(engine::quote_identifier(each.name));
    return fmt::format("{}", fmt::join(names, ", "));
  }

  // Rows of the relation whose columns are not all NULL, filtered as the rule says.
  std::string grouped_rows(const Leaf& leaf) const {
    std::vector<std::string> given;
    for (const engine::Column& each : leaf.columns)
      given.push_back(engine::quote_identifier(each.name) + " IS NOT NULL");
    std::string where = fmt::format("({})", fmt::join(given, " OR "));
    if (!leaf.rule->where.empty())
      where += fmt::format(" AND ({}\n)", leaf.rule->where);
    return fmt::format("{} WHERE {}", subject_.relation, where);
  }

  void plan_grouping(Leaf& leaf) {
    leaf.group = column_list(leaf) + "\n" + leaf.rule->where;
    Grouping& grouping = groupings_[leaf.group];
    grouping.sql = fmt::format(
        "SELECT count(*), count(CASE WHEN n = 1 THEN 1 END), coalesce(sum(n), 0), "
        "coalesce(ln(sum(n)) - sum(n * ln(n)) / sum(n), 0) "
        "FROM (SELECT count(*) AS n FROM {} GROUP BY {}) AS grouped",
        grouped_rows(leaf), column_list(leaf));
  }

  // ── measure ───────────────────────────────────────────────────────────────────────────────────────────────────

  // All aggregates in one statement; where that fails, one statement a rule, so that the others have their values.
  Result<void> scan() {
    values_.assign(aggregates_.size(), std::nullopt);
    if (aggregates_.empty())
      return {};
    const std::int64_t begin = options_.env->monotonic_micros();
    std::vector<std::size_t> all(aggregates_.size());
    for (std::size_t at = 0; at < all.size(); ++at)
      all[at] = at;
    Result<void> scanned = read_aggregates(all);
    SHOPLAKE_TRY(not_interrupted(scanned));
    std::vector<Leaf*> sharing;
    for (Leaf& leaf : leaves_) {
      if (!leaf.is_settled && !leaf.aggregates.empty())
        sharing.push_back(&leaf);
    }
    if (scanned.ok()) {
      const std::int64_t each = (options_.env->monotonic_micros() - begin) /
                                std::max<std::int64_t>(1, static_cast<std::int64_t>(sharing.size()));
      for (Leaf* leaf : sharing)
        leaf->micros += each;
      return {};
    }
    for (Leaf* leaf : sharing)
      SHOPLAKE_TRY(guarded(*leaf, [&] { return read_aggregates(leaf->aggregates); }));
    return {};
  }

  Result<void> read_aggregates(const std::vector<std::size_t>& indexes) {
    std::vector<std::string> list;
    for (const std::size_t index : indexes)
      list.push_back(aggregates_[index]);
    const engine::ResultSet answer =
        SHOPLAKE_TRY(query(fmt::format("SELECT {} FROM {}", fmt::join(list, ", "), subject_.relation)));
    for (std::size_t at = 0; at < indexes.size(); ++at)
      values_[indexes[at]] = to_number(answer.value(0, at));
    return {};
  }

  std::optional<double> value(const Leaf& leaf, std::size_t at) const { return values_[leaf.aggregates[at]]; }

  Result<Grouping*> grouping(const Leaf& leaf) {
    Grouping& found = groupings_.at(leaf.group);
    if (found.is_done)
      return found.error ? Result<Grouping*>(*found.error) : Result<Grouping*>(&found);
    const Result<engine::ResultSet> answer = query(found.sql);
    if (!answer.ok() && answer.error().kind == ErrorKind::cancelled)
      return answer.error();
    found.is_done = true;
    if (!answer.ok()) {
      found.error = answer.error();
      return answer.error();
    }
    const auto number = [&](std::size_t at) { return to_number(answer->value(0, at)).value_or(0); };
    found.distinct = number(0);
    found.unique = number(1);
    found.rows = number(2);
    found.entropy = number(3);
    return &found;
  }

  Result<void> measure(Leaf& leaf) {
    const Rule& rule = *leaf.rule;
    switch (rule.type) {
      case RuleType::row_count: return judge(leaf, value(leaf, 0), "");
      case RuleType::column_count: return judge(leaf, static_cast<double>(names_.size()), "");
      case RuleType::column_exists: return measure_exists(leaf);
      case RuleType::mean:
      case RuleType::standard_deviation: return judge(leaf, value(leaf, 0), "");
      case RuleType::sum: return judge(leaf, value(leaf, 0).value_or(0), "");
      case RuleType::is_complete:
      case RuleType::completeness: return measure_rows(leaf, "have no value");
      case RuleType::column_values: return measure_values(leaf);
      case RuleType::column_length: return measure_length(leaf);
      case RuleType::column_data_type: return measure_rows(leaf, "are of another type");
      case RuleType::data_freshness: return measure_freshness(leaf);
      case RuleType::is_primary_key: return measure_primary_key(leaf);
      case RuleType::referential_integrity: return measure_references(leaf);
      case RuleType::row_count_match: return measure_row_count_match(leaf);
      case RuleType::aggregate_match: return measure_aggregate_match(leaf);
      case RuleType::custom_sql: return rule.condition ? measure_custom_number(leaf) : measure_custom_rows(leaf);
      default: return measure_grouping(leaf);
    }
  }

  Result<void> measure_exists(Leaf& leaf) {
    const bool exists = columns_.contains(lower(leaf.rule->parameters[0]));
    leaf.expected = "exists";
    leaf.outcome = exists ? Outcome::pass : Outcome::fail;
    if (!exists)
      leaf.message = column(leaf.rule->parameters[0]).error().message;
    return {};
  }

  // The share of rows that are good. Where there are no rows, none is bad.
  Result<void> measure_rows(Leaf& leaf, std::string_view what_bad_rows_do) {
    const double rows = value(leaf, 0).value_or(0);
    const double good = value(leaf, 1).value_or(0);
    leaf.failed_rows = static_cast<std::int64_t>(rows - good);
    return judge(leaf, rows == 0 ? 1 : good / rows,
                 fmt::format("{} of {} rows {}", count_text(rows - good), count_text(rows), what_bad_rows_do));
  }

  void note(Leaf& leaf, std::string_view what, std::optional<double> number) {
    if (number)
      leaf.metrics.push_back({metric_name(*leaf.rule, what), *number});
  }

  Result<void> measure_values(Leaf& leaf) {
    SHOPLAKE_TRY(measure_rows(leaf, "do not satisfy " + dqdl::to_string(*leaf.rule->condition)));
    if (leaf.aggregates.size() > 2) {
      note(leaf, "Minimum", value(leaf, 2));
      note(leaf, "Maximum", value(leaf, 3));
    }
    if (!leaf.no_history.empty()) {
      leaf.outcome = Outcome::skipped;
      leaf.message = leaf.no_history + ": this run is what the next one compares with";
      leaf.failed_rows.reset();
    }
    return {};
  }

  Result<void> measure_length(Leaf& leaf) {
    SHOPLAKE_TRY(measure_rows(leaf, "do not satisfy " + dqdl::to_string(*leaf.rule->condition)));
    note(leaf, "MinimumLength", value(leaf, 2));
    note(leaf, "MaximumLength", value(leaf, 3));
    return {};
  }

  Result<void> measure_freshness(Leaf& leaf) {
    if (value(leaf, 0).value_or(0) == 0)
      return failed("quality.no_values", fmt::format("there is no row whose {} could be fresh", leaf.columns[0].name));
    SHOPLAKE_TRY(measure_rows(leaf, "are not " + dqdl::to_string(*leaf.rule->condition) + " old"));
    if (const auto newest = value(leaf, 2); newest && leaf.outcome == Outcome::fail) {
      const double hours = (static_cast<double>(options_.now_micros) - *newest) / 3.6e9;
      leaf.message += fmt::format("; the newest is {:.1f} hours old", hours);
    }
    return {};
  }

  Result<void> measure_primary_key(Leaf& leaf) {
    const Grouping& groups = *SHOPLAKE_TRY(grouping(leaf));
    const double rows = value(leaf, 0).value_or(0);
    const double complete = value(leaf, 1).value_or(0);
    const double repeated = groups.rows - groups.distinct;
    leaf.failed_rows = static_cast<std::int64_t>(repeated + (rows - complete));
    note(leaf, "Uniqueness", groups.rows == 0 ? 1 : groups.unique / groups.rows);
    note(leaf, "Completeness", rows == 0 ? 1 : complete / rows);
    leaf.expected = "unique and complete";
    leaf.outcome = repeated == 0 && complete == rows ? Outcome::pass : Outcome::fail;
    if (leaf.outcome == Outcome::fail) {
      leaf.message = fmt::format("{} of {} rows repeat the key of another, {} lack a part of it", count_text(repeated),
                                 count_text(rows), count_text(rows - complete));
    }
    return {};
  }

  Result<void> measure_grouping(Leaf& leaf) {
    const Grouping& groups = *SHOPLAKE_TRY(grouping(leaf));
    switch (leaf.rule->type) {
      case RuleType::distinct_values_count: return judge(leaf, groups.distinct, "");
      case RuleType::entropy: return judge(leaf, groups.entropy, "");
      case RuleType::unique_value_ratio:
        return judge(leaf, groups.distinct == 0 ? 1 : groups.unique / groups.distinct, "");
      default:
        leaf.failed_rows = static_cast<std::int64_t>(groups.rows - groups.unique);
        return judge(leaf, groups.rows == 0 ? 1 : groups.unique / groups.rows,
                     fmt::format("{} of {} values are not unique", count_text(groups.rows - groups.unique),
                                 count_text(groups.rows)));
    }
  }

  // ── comparisons with other tables ─────────────────────────────────────────────────────────────────────────────

  // SQL of another table, or of the rows under test where that is meant.
  Result<std::string> relation_of(const std::string& table) {
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

  static std::string filter(const Rule& rule) {
    return rule.where.empty() ? "" : fmt::format(" WHERE ({}\n)", rule.where);
  }

  // The two sides of a referential check, joined: keys of the rows with their number, and what they refer to.
  Result<std::string> references(const Leaf& leaf) {
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

  Result<void> measure_references(Leaf& leaf) {
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
  Result<void> judge_ratio(Leaf& leaf, const engine::ResultSet& answer) {
    const double left = to_number(answer.value(0, 0)).value_or(0);
    const double right = to_number(answer.value(0, 1)).value_or(0);
    if (right == 0 && left != 0) {
      return failed("quality.no_values",
                    fmt::format("{} cannot be compared with 0 of {}", number_text(left), leaf.rule->parameters.back()));
    }
    return judge(leaf, right == 0 ? 1 : left / right,
                 fmt::format("{} here, {} there", number_text(left), number_text(right)));
  }

  Result<void> measure_row_count_match(Leaf& leaf) {
    const std::string other = SHOPLAKE_TRY(relation_of(leaf.rule->parameters[0]));
    return judge_ratio(leaf,
                       SHOPLAKE_TRY(query(fmt::format("SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {})",
                                                      subject_.relation, other))));
  }

  Result<void> measure_aggregate_match(Leaf& leaf) {
    std::vector<std::string> sides;
    for (const std::string& parameter : leaf.rule->parameters) {
      const auto term = dqdl::parse_column_aggregate(parameter);
      sides.push_back(fmt::format("(SELECT CAST({}({}) AS DOUBLE) FROM {})", term->is_average ? "avg" : "sum",
                                  engine::quote_identifier(term->column),
                                  SHOPLAKE_TRY(relation_of(term->table.empty() ? "primary" : term->table))));
    }
    return judge_ratio(leaf, SHOPLAKE_TRY(query(fmt::format("SELECT {}, {}", sides[0], sides[1]))));
  }

  Result<engine::ResultSet> run_custom(const Leaf& leaf, std::string_view what) {
    const std::string sql = name_primary(leaf.rule->parameters[0], subject_.table);
    SHOPLAKE_TRY(options_.session->check_read_only(sql));
    if (options_.prepare)
      SHOPLAKE_TRY(options_.prepare(sql));
    return query(
        fmt::format("WITH \"primary\" AS NOT MATERIALIZED (SELECT * FROM {}) SELECT {} FROM (\n{}\n) AS custom",
                    subject_.relation, what, sql));
  }

  Result<void> measure_custom_number(Leaf& leaf) {
    const engine::ResultSet answer = SHOPLAKE_TRY(run_custom(leaf, "*"));
    if (answer.row_count() != 1 || answer.columns().size() != 1) {
      return failed("quality.custom_sql", fmt::format("the SQL gave {} rows of {} columns instead of one number",
                                                      answer.row_count(), answer.columns().size()));
    }
    return judge(leaf, to_number(answer.value(0, 0)), "");
  }

  Result<void> measure_custom_rows(Leaf& leaf) {
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

  // ── judge ─────────────────────────────────────────────────────────────────────────────────────────────────────

  // Compares a metric with what the rule wants. For conditions on rows it is the share of good ones, which must be all
  // of them unless there is a threshold.
  Result<void> judge(Leaf& leaf, std::optional<double> number, const std::string& detail) {
    const Rule& rule = *leaf.rule;
    const std::string metric = metric_name(rule);
    if (!number)
      return failed("quality.no_values", fmt::format("there is no value to take {} of", metric));
    leaf.metrics.push_back({metric, *number});
    const bool is_about_rows = rule.type == RuleType::column_values || rule.type == RuleType::column_length ||
                               rule.type == RuleType::column_data_type || rule.type == RuleType::data_freshness ||
                               rule.type == RuleType::is_complete || rule.type == RuleType::is_unique ||
                               (rule.type == RuleType::custom_sql && !rule.condition);
    static const Condition kAll = [] {
      NumberExpression one;
      one.number = 1;
      one.text = "1";
      return Condition{Operator::equal, {one}};
    }();
    const Condition& wanted = rule.threshold ? *rule.threshold : is_about_rows ? kAll : *rule.condition;
    const std::int64_t runs = dqdl::runs_needed(wanted);
    const std::vector<double> earlier = SHOPLAKE_TRY(history(metric, runs));
    std::vector<double> right;
    for (const dqdl::Operand& operand : wanted.operands) {
      const std::optional<double> each = dqdl::evaluate(std::get<NumberExpression>(operand), earlier);
      if (!each) {
        leaf.expected = dqdl::to_string(wanted);
        return failed("quality.no_history",
                      fmt::format("{} has no value yet: this run is what the next one compares with", leaf.expected));
      }
      right.push_back(*each);
    }
    leaf.expected = expected_text(wanted, right, runs > 0);
    leaf.outcome = holds(*number, wanted.op, right) ? Outcome::pass : Outcome::fail;
    if (leaf.outcome == Outcome::fail) {
      leaf.message = fmt::format("{} is {}, not {}", metric, number_text(*number), leaf.expected);
      if (!detail.empty())
        leaf.message += ": " + detail;
    }
    return {};
  }

  static std::string expected_text(const Condition& wanted, const std::vector<double>& right, bool is_dynamic) {
    if (!is_dynamic)
      return dqdl::to_string(wanted);
    std::vector<std::string> numbers;
    for (const double each : right)
      numbers.push_back(number_text(each));
    return fmt::format("{} {} ({})", dqdl::symbol(wanted.op), fmt::join(numbers, " and "), dqdl::to_string(wanted));
  }

  // ── examples ──────────────────────────────────────────────────────────────────────────────────────────────────

  void show(std::vector<std::string>& list, const std::string& name, const std::string& sql) const {
    if (options_.hidden_columns.contains(lower(name)))
      return;
    const std::string field =
        fmt::format("{} := left(CAST({} AS VARCHAR), {})", engine::quote_identifier(name), sql, kExampleTextMax);
    if (std::find(list.begin(), list.end(), field) == list.end())
      list.push_back(field);
  }

  bool is_hidden(const Leaf& leaf) const {
    return std::all_of(leaf.columns.begin(), leaf.columns.end(), [&](const engine::Column& column) {
      return options_.hidden_columns.contains(lower(column.name));
    });
  }

  Result<void> find_examples(Leaf& leaf) {
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
      from = leaf.group.empty()
                 ? SHOPLAKE_TRY(references(leaf)) + " WHERE r.is_found IS NULL"
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
    const engine::ResultSet rows = SHOPLAKE_TRY(query(
        fmt::format("SELECT CAST(to_json(struct_pack({})) AS VARCHAR) AS example FROM {} ORDER BY example LIMIT {}",
                    fmt::join(fields, ", "), from, kExamplesMax)));
    for (std::int64_t row = 0; row < rows.row_count(); ++row)
      leaf.examples.push_back(rows.text(row, 0).value_or(""));
    return {};
  }

  // ── composite rules ───────────────────────────────────────────────────────────────────────────────────────────

  // The outcome of a rule of its parts, which come in the order in which collect() met them. What cannot be evaluated
  // makes the whole an error; what had nothing to compare with leaves the answer to the others.
  Outcome combine(const Rule& rule, const std::vector<std::size_t>& indexes, std::size_t& at) const {
    if (rule.kind == Rule::Kind::single)
      return leaves_[indexes[at++]].outcome;
    const Outcome decisive = rule.kind == Rule::Kind::all_of ? Outcome::fail : Outcome::pass;
    bool has_error = false, has_decisive = false, has_skipped = false;
    for (const Rule& part : rule.parts) {
      const Outcome outcome = combine(part, indexes, at);
      has_error = has_error || outcome == Outcome::error;
      has_decisive = has_decisive || outcome == decisive;
      has_skipped = has_skipped || outcome == Outcome::skipped;
    }
    if (has_error)
      return Outcome::error;
    if (has_decisive)
      return decisive;
    if (has_skipped)
      return Outcome::skipped;
    return decisive == Outcome::fail ? Outcome::pass : Outcome::fail;
  }

  RuleResult result_of(const QualityRule& rule, const std::vector<std::size_t>& indexes) {
    RuleResult result;
    result.rule = rule;
    std::size_t at = 0;
    result.outcome = combine(rule.rule, indexes, at);
    std::vector<std::string> expected, messages;
    for (const std::size_t index : indexes) {
      Leaf& leaf = leaves_[index];
      result.micros += leaf.micros;
      for (Metric& metric : leaf.metrics) {
        const bool is_known = std::any_of(result.metrics.begin(), result.metrics.end(),
                                          [&](const Metric& other) { return other.name == metric.name; });
        if (!is_known)
          result.metrics.push_back(std::move(metric));
      }
      expected.push_back(leaf.expected);
      if (leaf.outcome != Outcome::pass && !leaf.message.empty())
        messages.push_back(leaf.message);
      if (result.outcome == Outcome::fail) {
        for (std::string& example : leaf.examples) {
          if (result.examples.size() < kExamplesMax)
            result.examples.push_back(std::move(example));
        }
      }
    }
    result.expected = indexes.size() == 1 ? expected[0] : rule.text;
    if (indexes.size() == 1)
      result.failed_rows = leaves_[indexes[0]].failed_rows;
    if (result.outcome != Outcome::pass)
      result.message = fmt::format("{}", fmt::join(messages, "; "));
    return result;
  }

  const EvaluatorOptions& options_;
  const Subject& subject_;
  std::map<std::string, engine::Column> columns_;  // by name in lower case
  std::vector<std::string> names_;
  std::vector<Leaf> leaves_;
  std::vector<std::string> aggregates_;
  std::map<std::string, std::size_t> aggregate_index_;
  std::vector<std::optional<double>> values_;
  std::map<std::string, Grouping> groupings_;
};

}  // namespace

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass: return "pass";
    case Outcome::fail: return "fail";
    case Outcome::error: return "error";
    case Outcome::skipped: return "skipped";
  }
  return "";
}

bool is_bad(const RuleResult& result) { return result.outcome == Outcome::fail || result.outcome == Outcome::error; }

bool is_blocking(const RuleResult& result) { return is_bad(result) && result.rule.severity == Severity::block; }

Result<std::vector<RuleResult>> evaluate(const EvaluatorOptions& options, const Subject& subject,
                                         std::span<const QualityRule> rules) {
  return Evaluation(options, subject).run(rules);
}

}  // namespace shoplake::quality
