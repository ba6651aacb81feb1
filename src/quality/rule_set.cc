#include "quality/rule_set.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <set>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "dqdl/parser.h"
#include "dqdl/reference.h"

namespace shoplake::quality {
namespace {

using base::Error;
using base::ErrorKind;

constexpr const char* kAdvice = "Correct the file; docs/quality.md describes rule sets.";

Error invalid(std::string_view place, std::string_view what) {
  return base::make_error(ErrorKind::usage, "quality.invalid", fmt::format("{}: {}", place, what), kAdvice);
}

// Puts the filter into every single rule of a rule.
Result<void> add_where(dqdl::Rule& rule, const std::string& where, const std::string& place) {
  for (dqdl::Rule& part : rule.parts)
    SHOPLAKE_TRY(add_where(part, where, place));
  if (rule.kind != dqdl::Rule::Kind::single)
    return {};
  if (!rule.where.empty())
    return invalid(place, "the rule has a where of its own beside the one of the file");
  if (!dqdl::takes_where(rule.type))
    return invalid(place, fmt::format("{} takes no where", dqdl::name(rule.type)));
  rule.where = where;
  return {};
}

class Reader {
 public:
  Reader(std::string_view text, std::string_view path) : path_(path) {
    while (true) {
      const std::size_t end = text.find('\n');
      lines_.push_back(text.substr(0, end));
      if (end == std::string_view::npos)
        break;
      text.remove_prefix(end + 1);
    }
  }

  Result<std::vector<RuleSet>> read(const YAML::Node& root) {
    std::vector<RuleSet> sets;
    if (root.IsMap() && root["tables"]) {
      SHOPLAKE_TRY(check_keys(root, {"tables"}));
      const YAML::Node tables = root["tables"];
      if (!tables.IsSequence())
        return wrong(tables, "tables is no list");
      for (const YAML::Node& table : tables)
        sets.push_back(SHOPLAKE_TRY(rule_set(table)));
    } else {
      sets.push_back(SHOPLAKE_TRY(rule_set(root)));
    }
    return sets;
  }

 private:
  std::string place(const YAML::Mark& mark) const {
    return mark.is_null() ? fmt::format("{}:1:1", path_)
                          : fmt::format("{}:{}:{}", path_, mark.line + 1, mark.column + 1);
  }
  Error wrong(const YAML::Node& node, std::string_view what) const { return invalid(place(node.Mark()), what); }

  Result<void> check_keys(const YAML::Node& node, std::initializer_list<std::string_view> known) const {
    if (!node.IsMap())
      return wrong(node, "a mapping is expected here");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (std::find(known.begin(), known.end(), key) == known.end())
        return wrong(entry.first, fmt::format("unknown key \"{}\"; known are {}", key, fmt::join(known, ", ")));
      if (!seen.insert(key).second)
        return wrong(entry.first, fmt::format("\"{}\" is given twice", key));
    }
    return {};
  }

  Result<std::string> text(const YAML::Node& node, const char* key, std::string fallback = {}) const {
    const YAML::Node value = node[key];
    if (!value)
      return fallback;
    if (!value.IsScalar() || value.Scalar().empty())
      return wrong(value, fmt::format("{} must be a text", key));
    return value.Scalar();
  }

  Result<Severity> severity(const YAML::Node& node, Severity fallback) const {
    const std::string given = SHOPLAKE_TRY(text(node, "severity"));
    if (given.empty())
      return fallback;
    if (given == "warn" || given == "block")
      return given == "block" ? Severity::block : Severity::warn;
    return wrong(node["severity"], fmt::format("severity is \"{}\"; it is warn or block", given));
  }

  Result<RuleSet> rule_set(const YAML::Node& node) {
    SHOPLAKE_TRY(check_keys(node, {"table", "description", "severity", "owner", "rules"}));
    RuleSet set;
    set.table = SHOPLAKE_TRY(text(node, "table"));
    const std::size_t dot = set.table.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == set.table.size() ||
        set.table.find('.', dot + 1) != std::string::npos)
      return wrong(node["table"] ? node["table"] : node, "table must be a namespace and a name: marts.fact_sessions");
    SHOPLAKE_TRY(text(node, "description"));
    const Severity fallback = SHOPLAKE_TRY(severity(node, Severity::warn));
    const std::string owner = SHOPLAKE_TRY(text(node, "owner", std::string(kDefaultOwner)));
    const YAML::Node rules = node["rules"];
    if (!rules || !rules.IsSequence())
      return wrong(rules ? rules : node, "rules must be a list of DQDL rules");
    for (const YAML::Node& entry : rules) {
      RuleText given;
      given.severity = fallback;
      given.owner = owner;
      set.rules.push_back(SHOPLAKE_TRY(rule(entry, std::move(given))));
    }
    return set;
  }

  Result<QualityRule> rule(const YAML::Node& entry, RuleText given) {
    given.path = path_;
    YAML::Node scalar = entry;
    if (entry.IsMap()) {
      SHOPLAKE_TRY(check_keys(entry, {"rule", "name", "severity", "where", "description", "owner"}));
      given.name = SHOPLAKE_TRY(text(entry, "name"));
      given.severity = SHOPLAKE_TRY(severity(entry, given.severity));
      given.where = SHOPLAKE_TRY(text(entry, "where"));
      given.description = SHOPLAKE_TRY(text(entry, "description"));
      given.owner = SHOPLAKE_TRY(text(entry, "owner", given.owner));
      scalar.reset(entry["rule"]);
    }
    if (!scalar || !scalar.IsScalar())
      return wrong(entry, "a rule is a text, or a mapping with the key rule");
    given.text = scalar.Scalar();
    locate(scalar.Mark(), given);
    return make_rule(given);
  }

  // Where the first character of a scalar's text stands: YAML's mark is at its quote, or at the | of a block.
  void locate(const YAML::Mark& mark, RuleText& given) const {
    if (mark.is_null())
      return;
    given.line = mark.line + 1;
    given.column = mark.column + 1;
    const std::string_view first_line = std::string_view(given.text).substr(0, given.text.find('\n'));
    for (std::size_t line = static_cast<std::size_t>(mark.line); line < lines_.size() && !first_line.empty(); ++line) {
      const std::size_t from = line == static_cast<std::size_t>(mark.line) ? static_cast<std::size_t>(mark.column) : 0;
      const std::size_t found =
          from <= lines_[line].size() ? lines_[line].find(first_line, from) : std::string_view::npos;
      if (found == std::string_view::npos)
        continue;
      given.line = static_cast<int>(line) + 1;
      given.column = static_cast<int>(found) + 1;
      return;
    }
    const char quote =
        static_cast<std::size_t>(mark.line) < lines_.size() &&
                static_cast<std::size_t>(mark.column) < lines_[static_cast<std::size_t>(mark.line)].size()
            ? lines_[static_cast<std::size_t>(mark.line)][static_cast<std::size_t>(mark.column)]
            : ' ';
    given.column += quote == '"' || quote == '\'' ? 1 : 0;
  }

  std::string path_;
  std::vector<std::string_view> lines_;
};

// Whether a rule compares with its own table: then rows that come may refer to rows that are there.
bool refers_to(const dqdl::Rule& rule, std::string_view table) {
  if (std::any_of(rule.parts.begin(), rule.parts.end(), [&](const dqdl::Rule& part) { return refers_to(part, table); }))
    return true;
  if (rule.kind != dqdl::Rule::Kind::single || rule.type != dqdl::RuleType::referential_integrity)
    return false;
  const auto reference = dqdl::parse_reference(rule.parameters[1]);
  return !reference || reference->table == table || reference->table == "primary";
}

}  // namespace

std::string_view name(Severity severity) { return severity == Severity::block ? "block" : "warn"; }

bool RuleSet::blocks() const {
  return std::any_of(rules.begin(), rules.end(),
                     [](const QualityRule& rule) { return rule.severity == Severity::block; });
}

Result<QualityRule> make_rule(const RuleText& given) {
  const dqdl::Origin origin{given.path, given.line, given.column, given.column - 1};
  QualityRule rule;
  rule.rule = SHOPLAKE_TRY(dqdl::parse_rule(given.text, origin));
  if (!given.where.empty())
    SHOPLAKE_TRY(add_where(rule.rule, given.where, fmt::format("{}:{}:{}", given.path, given.line, given.column)));
  rule.text = dqdl::to_string(rule.rule);
  rule.name = given.name.empty() ? rule.text : given.name;
  rule.severity = given.severity;
  rule.owner = given.owner;
  rule.description = given.description;
  rule.place = fmt::format("{}:{}", given.path, given.line);
  return rule;
}

bool can_ask_new_rows(const dqdl::Rule& rule, std::string_view table) {
  return dqdl::asks_each_row(rule) && !refers_to(rule, table);
}

Result<std::vector<RuleSet>> parse_rule_sets(std::string_view yaml, std::string_view path) {
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    if (!root || root.IsNull())
      return std::vector<RuleSet>();
    return Reader(yaml, path).read(root);
  } catch (const YAML::Exception& exception) {
    return invalid(fmt::format("{}:{}:{}", path, exception.mark.line + 1, exception.mark.column + 1), exception.msg);
  }
}

Result<std::vector<RuleSet>> merge(std::vector<RuleSet> sets) {
  std::map<std::string, RuleSet> by_table;
  for (RuleSet& set : sets) {
    RuleSet& merged = by_table[set.table];
    merged.table = set.table;
    for (QualityRule& rule : set.rules) {
      const auto same = std::find_if(merged.rules.begin(), merged.rules.end(),
                                     [&](const QualityRule& other) { return other.name == rule.name; });
      if (same != merged.rules.end()) {
        return invalid(rule.place,
                       fmt::format("{} has a rule named \"{}\" already, at {}", set.table, rule.name, same->place));
      }
      merged.rules.push_back(std::move(rule));
    }
    if (merged.rules.size() > kRulesMax)
      return invalid(merged.rules.back().place, fmt::format("{} has more than {} rules", set.table, kRulesMax));
  }
  std::vector<RuleSet> all;
  for (auto& [table, set] : by_table)
    all.push_back(std::move(set));
  return all;
}

Result<std::vector<RuleSet>> read_rule_sets_of_file(io::Env& env, const std::string& path) {
  const std::string text = SHOPLAKE_TRY(env.read_file(path));
  return parse_rule_sets(text, path);
}

Result<std::vector<RuleSet>> read_rule_sets(io::Env& env, const std::string& directory) {
  std::vector<RuleSet> sets;
  if (!SHOPLAKE_TRY(env.exists(directory)))
    return sets;
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(directory))) {
    if (entry.is_directory || !entry.name.ends_with(".yml"))
      continue;
    for (RuleSet& set : SHOPLAKE_TRY(read_rule_sets_of_file(env, io::join_path(directory, entry.name))))
      sets.push_back(std::move(set));
  }
  return merge(std::move(sets));
}

}  // namespace shoplake::quality
