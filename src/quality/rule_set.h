// Rule sets: which rules of dqdl the tables of the lake must satisfy, and what happens when one does not. YAML files,
// one table or several each; docs/quality.md describes them, quality/quality.schema.json checks them in editors.
//
// Values; pure but for read_rule_sets().
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dqdl/rule.h"
#include "io/env.h"

namespace shoplake::quality {

using base::Result;

inline constexpr std::size_t kRulesMax = 1'000;  // of one table
inline constexpr std::string_view kDefaultOwner = "data-quality-alerts";

enum class Severity {
  warn,   // reported
  block,  // data that does not satisfy it is not published
};
std::string_view name(Severity severity);

struct QualityRule {
  dqdl::Rule rule;
  std::string text;  // of the rule, in dqdl's one spelling
  std::string name;  // unique among the table's; the text if none was given
  Severity severity = Severity::warn;
  std::string owner;  // the topic that its failures go to
  std::string description;
  std::string place;  // "quality/marts.yml:12"
  // Of a load it asks the rows that come; else, and everywhere but at loads, all rows of the table as it would be.
  bool asks_new_rows = false;
};

struct RuleSet {
  std::string table;  // "marts.fact_sessions"
  std::vector<QualityRule> rules;

  bool blocks() const;  // has a rule of severity block
};

// A rule as some other file has it, such as the expectations of a data contract.
struct RuleText {
  std::string text;  // DQDL
  std::string path;  // of the file, for messages
  int line = 1;
  int column = 1;
  Severity severity = Severity::warn;
  std::string name;
  std::string where;
  std::string owner{kDefaultOwner};
  std::string description;
};
// Errors: those of dqdl::parse_rule; quality.invalid for a where that the rule does not take. Both of kind usage, with
// file, line and column.
Result<QualityRule> make_rule(const RuleText& given);

// Whether a rule of the table means the same if only rows that come are asked: it asks each row by itself, and does not
// look for it among the table's own.
bool can_ask_new_rows(const dqdl::Rule& rule, std::string_view table);

// The rule sets of one file. Errors, of kind usage and beginning with file, line and column: quality.invalid, and those
// of make_rule().
Result<std::vector<RuleSet>> parse_rule_sets(std::string_view yaml, std::string_view path);

// One set a table, in the order of their names; rules keep their order. Error quality.invalid: two rules of one table
// have the same name, or there are more than kRulesMax.
Result<std::vector<RuleSet>> merge(std::vector<RuleSet> sets);

// All rule sets of a folder's *.yml files, merged; none if there is no such folder.
Result<std::vector<RuleSet>> read_rule_sets(io::Env& env, const std::string& directory);
Result<std::vector<RuleSet>> read_rule_sets_of_file(io::Env& env, const std::string& path);

}  // namespace shoplake::quality
