#include "quality/evaluator.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "quality/evaluation.h"

namespace shoplake::quality {

using base::ErrorKind;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

Error failed(const char* code, std::string message, std::string advice) {
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

Result<void> Evaluation::not_interrupted(const Result<void>& result) {
  if (!result.ok() && result.error().kind == base::ErrorKind::cancelled)
    return result;
  return {};
}

Result<std::vector<RuleResult>> Evaluation::run(std::span<const QualityRule> rules) {
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

void Evaluation::collect(const Rule& rule, std::vector<std::size_t>& indexes) {
  for (const Rule& part : rule.parts)
    collect(part, indexes);
  if (rule.kind != Rule::Kind::single)
    return;
  indexes.push_back(leaves_.size());
  leaves_.emplace_back();
  leaves_.back().rule = &rule;
}

void Evaluation::settle(Leaf& leaf, const Error& error) {
  leaf.is_settled = true;
  leaf.outcome = error.code == "quality.no_history" ? Outcome::skipped : Outcome::error;
  leaf.message = error.message + (error.advice.empty() ? "" : ". " + error.advice);
}

// An error of a step is the outcome of its rule, unless the whole run is to end.
Result<void> Evaluation::guarded(Leaf& leaf, const std::function<Result<void>()>& step) {
  const std::int64_t begin = options_.env->monotonic_micros();
  const Result<void> done = step();
  leaf.micros += options_.env->monotonic_micros() - begin;
  SHOPLAKE_TRY(not_interrupted(done));
  if (!done.ok())
    settle(leaf, done.error());
  return {};
}

// The outcome of a rule of its parts, which come in the order in which collect() met them. What cannot be evaluated
// makes the whole an error; what had nothing to compare with leaves the answer to the others.
Outcome Evaluation::combine(const Rule& rule, const std::vector<std::size_t>& indexes, std::size_t& at) const {
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

RuleResult Evaluation::result_of(const QualityRule& rule, const std::vector<std::size_t>& indexes) {
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
