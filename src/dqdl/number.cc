#include "dqdl/number.h"

#include <algorithm>
#include <cmath>

namespace shoplake::dqdl {
namespace {

// The values of a list: what last(k) stands for.
std::span<const double> list_of(const NumberExpression& last, std::span<const double> history) {
  return history.first(std::min(history.size(), static_cast<std::size_t>(last.runs)));
}

double median(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

std::optional<double> aggregate(NumberKind kind, std::span<const double> values) {
  if (values.empty())
    return std::nullopt;
  double sum = 0;
  for (const double value : values)
    sum += value;
  const double average = sum / static_cast<double>(values.size());
  switch (kind) {
    case NumberKind::average: return average;
    case NumberKind::minimum: return *std::min_element(values.begin(), values.end());
    case NumberKind::maximum: return *std::max_element(values.begin(), values.end());
    case NumberKind::median: return median(values);
    case NumberKind::sum: return sum;
    case NumberKind::deviation: {
      double squares = 0;
      for (const double value : values)
        squares += (value - average) * (value - average);
      return std::sqrt(squares / static_cast<double>(values.size()));
    }
    default: return values.front();
  }
}

const char* function_name(NumberKind kind) {
  switch (kind) {
    case NumberKind::absolute: return "abs";
    case NumberKind::average: return "avg";
    case NumberKind::minimum: return "min";
    case NumberKind::maximum: return "max";
    case NumberKind::median: return "median";
    case NumberKind::sum: return "sum";
    case NumberKind::deviation: return "std";
    default: return "index";
  }
}

const char* symbol(NumberKind kind) {
  switch (kind) {
    case NumberKind::add: return " + ";
    case NumberKind::subtract: return " - ";
    case NumberKind::multiply: return " * ";
    default: return " / ";
  }
}

int precedence(NumberKind kind) {
  switch (kind) {
    case NumberKind::add:
    case NumberKind::subtract: return 1;
    case NumberKind::multiply:
    case NumberKind::divide: return 2;
    case NumberKind::negate: return 3;
    default: return 4;
  }
}

std::string within(const NumberExpression& operand, int least) {
  const std::string text = to_string(operand);
  return precedence(operand.kind) < least ? "(" + text + ")" : text;
}

}  // namespace

std::int64_t runs_needed(const NumberExpression& expression) {
  std::int64_t runs = expression.kind == NumberKind::last ? expression.runs : 0;
  for (const NumberExpression& operand : expression.operands)
    runs = std::max(runs, runs_needed(operand));
  return runs;
}

std::optional<double> evaluate(const NumberExpression& expression, std::span<const double> history) {
  const auto operand = [&](std::size_t at) { return evaluate(expression.operands[at], history); };
  switch (expression.kind) {
    case NumberKind::literal: return expression.number;
    case NumberKind::last: return history.empty() ? std::nullopt : std::optional(history.front());
    case NumberKind::negate:
    case NumberKind::absolute: {
      const std::optional<double> value = operand(0);
      if (!value)
        return std::nullopt;
      return expression.kind == NumberKind::negate ? -*value : std::fabs(*value);
    }
    case NumberKind::add:
    case NumberKind::subtract:
    case NumberKind::multiply:
    case NumberKind::divide: {
      const std::optional<double> left = operand(0);
      const std::optional<double> right = operand(1);
      if (!left || !right || (expression.kind == NumberKind::divide && *right == 0))
        return std::nullopt;
      switch (expression.kind) {
        case NumberKind::add: return *left + *right;
        case NumberKind::subtract: return *left - *right;
        case NumberKind::multiply: return *left * *right;
        default: return *left / *right;
      }
    }
    case NumberKind::index: {
      const std::span<const double> values = list_of(expression.operands[0], history);
      const auto at = static_cast<std::size_t>(expression.operands[1].number);
      return at < values.size() ? std::optional(values[at]) : std::nullopt;
    }
    default: return aggregate(expression.kind, list_of(expression.operands[0], history));
  }
}

std::string to_string(const NumberExpression& expression) {
  switch (expression.kind) {
    case NumberKind::literal: return expression.text;
    case NumberKind::last: return "last(" + (expression.runs == 1 ? "" : std::to_string(expression.runs)) + ")";
    case NumberKind::negate: return "-" + within(expression.operands[0], 3);
    case NumberKind::add:
    case NumberKind::subtract:
    case NumberKind::multiply:
    case NumberKind::divide: {
      const int own = precedence(expression.kind);
      return within(expression.operands[0], own) + symbol(expression.kind) + within(expression.operands[1], own + 1);
    }
    default: {
      std::string text = std::string(function_name(expression.kind)) + "(" + to_string(expression.operands[0]);
      if (expression.kind == NumberKind::index)
        text += ", " + to_string(expression.operands[1]);
      return text + ")";
    }
  }
}

}  // namespace shoplake::dqdl
