#include "app/quality.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "query/lake_views.h"

namespace shoplake::app {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

void add_personal(const std::vector<contract::Field>& fields, std::set<std::string>& names) {
  for (const contract::Field& field : fields) {
    if (field.pii != contract::PiiClass::none) {
      std::string name = field.name;
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      names.insert(std::move(name));
    }
    add_personal(field.fields, names);
  }
}

// By path.
Result<std::map<std::string, contract::Contract>> contracts(App& app) {
  std::map<std::string, contract::Contract> all;
  const std::string& directory = app.home().datasets_directory;
  if (!SHOPLAKE_TRY(app.env().exists(directory)))
    return all;
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(app.env().list_directory(directory))) {
    if (entry.is_directory || !entry.name.ends_with(".yml"))
      continue;
    const std::string path = io::join_path(directory, entry.name);
    all.emplace(path, SHOPLAKE_TRY(contract::read_contract(app.env(), path)));
  }
  return all;
}

// An engine whose sessions see the lake and nothing else.
class LakeSession {
 public:
  static Result<std::unique_ptr<LakeSession>> open(App& app) {
    std::unique_ptr<LakeSession> lake(new LakeSession());
    lake->env_ = &app.env();
    lake->catalog_ = SHOPLAKE_TRY(app.catalog());
    engine::DatabaseOptions options = app.engine_options();
    if (options.memory_limit_bytes == 0)
      options.memory_limit_bytes = kQualityMemoryBytes;
    lake->database_ = SHOPLAKE_TRY(engine::Database::open(options));
    lake->session_ = SHOPLAKE_TRY(lake->database_->connect());
    return lake;
  }
  // Views of all tables as of one moment; ends the engine's access to anything but the lake, and the folder where what
  // goes to the lake is staged.
  Result<void> show_tables() {
    views_ = SHOPLAKE_TRY(query::LakeViews::open(*session_, *catalog_));
    const std::string& root = catalog_->options().lake_root;
    std::vector<std::string> readable{root};
    if (const std::string staging = env_->staging_directory(root); !staging.empty())
      readable.push_back(staging);
    return database_->lock_down(readable);
  }

  engine::Session& session() { return *session_; }
  catalog::Catalog& catalog() { return *catalog_; }
  query::LakeViews& views() { return *views_; }

 private:
  LakeSession() = default;
  io::Env* env_ = nullptr;
  catalog::Catalog* catalog_ = nullptr;
  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<engine::Session> session_;
  std::optional<query::LakeViews> views_;
};

std::string sql_name(const std::string& table) {
  const std::size_t dot = table.find('.');
  return engine::quote_identifier(table.substr(0, dot)) + "." + engine::quote_identifier(table.substr(dot + 1));
}

class QualityRunner {
 public:
  QualityRunner(App& app, const QualityRunOptions& options) : app_(app), options_(options) {}

  Result<QualityReport> run() {
    const std::int64_t begin = app_.env().monotonic_micros();
    const std::vector<quality::RuleSet> sets = SHOPLAKE_TRY(chosen());
    hidden_ = SHOPLAKE_TRY(personal_columns(app_));
    lake_ = SHOPLAKE_TRY(LakeSession::open(app_));
    quality::ResultsTable results(app_.env(), lake_->catalog());
    report_.run.id = app_.env().new_uuid();
    report_.run.at_micros = app_.env().now_micros();
    report_.run.triggered_by = "quality run";
    const std::map<std::string, std::int64_t> before = snapshots(sets);
    SHOPLAKE_TRY(lake_->show_tables());
    const std::map<std::string, std::int64_t> after = snapshots(sets);
    const std::stop_callback interrupt(options_.stop, [this] { lake_->session().interrupt(); });
    const std::vector<std::string> known = lake_->views().names();
    for (const quality::RuleSet& set : sets) {
      if (options_.tables.empty() && std::find(known.begin(), known.end(), set.table) == known.end()) {
        report_.absent.push_back(set.table);
        continue;
      }
      quality::TableRun table = SHOPLAKE_TRY(evaluate(set, results));
      // The views are of one moment between the two readings.
      const auto old_snapshot = before.find(set.table), new_snapshot = after.find(set.table);
      if (old_snapshot != before.end() && new_snapshot != after.end() && *old_snapshot == *new_snapshot)
        table.snapshot_id = old_snapshot->second;
      if (options_.on_table)
        options_.on_table(table);
      report_.run.tables.push_back(std::move(table));
    }
    if (options_.record)
      SHOPLAKE_TRY(results.append(lake_->session(), report_.run).within("quality.results"));
    tell_failures();
    report_.micros = app_.env().monotonic_micros() - begin;
    return std::move(report_);
  }

 private:
  Result<std::vector<quality::RuleSet>> chosen() {
    std::vector<quality::RuleSet> sets = SHOPLAKE_TRY(load_rule_sets(app_));
    if (options_.tables.empty())
      return sets;
    std::vector<std::string> tables;
    for (const quality::RuleSet& set : sets)
      tables.push_back(set.table);
    std::vector<quality::RuleSet> wanted;
    for (const std::string& table : options_.tables) {
      const auto found = std::find(tables.begin(), tables.end(), table);
      if (found == tables.end()) {
        const std::string meant = base::nearest_name(table, tables);
        return make_error(ErrorKind::usage, "quality.no_rules", fmt::format("there are no rules for {}", table),
                          meant.empty() ? fmt::format("Rule sets are in {}.", SHOPLAKE_TRY(quality_directory(app_)))
                                        : fmt::format("Did you mean {}?", meant));
      }
      const quality::RuleSet& set = sets[static_cast<std::size_t>(found - tables.begin())];
      const bool is_known =
          std::any_of(wanted.begin(), wanted.end(), [&](const auto& other) { return other.table == set.table; });
      if (!is_known)
        wanted.push_back(set);
    }
    return wanted;
  }

  std::map<std::string, std::int64_t> snapshots(const std::vector<quality::RuleSet>& sets) {
    std::map<std::string, std::int64_t> ids;
    for (const quality::RuleSet& set : sets) {
      const auto identifier = catalog::parse_table_identifier(set.table);
      const auto table = identifier.ok() ? lake_->catalog().load_table(*identifier) : identifier.error();
      if (table.ok() && table->metadata->current_snapshot_id())
        ids[set.table] = *table->metadata->current_snapshot_id();
    }
    return ids;
  }

  Result<quality::TableRun> evaluate(const quality::RuleSet& set, quality::ResultsTable& results) {
    quality::EvaluatorOptions options;
    options.env = &app_.env();
    options.session = &lake_->session();
    options.now_micros = report_.run.at_micros;
    options.prepare = [this](std::string_view sql) { return lake_->views().prepare(sql); };
    options.history = [&](std::string_view table, std::string_view metric, std::int64_t runs) {
      return results.history(lake_->session(), table, metric, runs);
    };
    options.hidden_columns = hidden_;
    const std::string relation = sql_name(set.table);
    // A table that cannot be read is what the rules then say.
    (void)lake_->views().prepare("SELECT * FROM " + relation);
    quality::TableRun table;
    table.table = set.table;
    table.results = SHOPLAKE_TRY(quality::evaluate(options, {set.table, relation}, set.rules));
    return table;
  }

  void tell_failures() {
    if (!options_.on_failures)
      return;
    quality::Run failures = report_.run;
    for (quality::TableRun& table : failures.tables)
      std::erase_if(table.results, [](const quality::RuleResult& result) { return !quality::is_bad(result); });
    std::erase_if(failures.tables, [](const quality::TableRun& table) { return table.results.empty(); });
    if (!failures.tables.empty())
      options_.on_failures(failures);
  }

  App& app_;
  const QualityRunOptions& options_;
  std::unique_ptr<LakeSession> lake_;
  std::set<std::string> hidden_;
  QualityReport report_;
};

}  // namespace

Result<std::string> quality_directory(App& app) {
  std::string own = io::join_path(app.home().directory, "quality");
  if (SHOPLAKE_TRY(app.env().exists(own)))
    return own;
  return io::join_path(app.installation().share_directory, "quality");
}

Result<std::vector<quality::RuleSet>> load_rule_sets(App& app) {
  std::vector<quality::RuleSet> sets =
      SHOPLAKE_TRY(quality::read_rule_sets(app.env(), SHOPLAKE_TRY(quality_directory(app))));
  for (const auto& [path, contract] : SHOPLAKE_TRY(contracts(app))) {
    quality::RuleSet expected = SHOPLAKE_TRY(expectations_of(contract, path));
    // A rule that the table's own rule set has too is said there.
    const auto own =
        std::find_if(sets.begin(), sets.end(), [&](const auto& set) { return set.table == expected.table; });
    if (own != sets.end()) {
      std::erase_if(expected.rules, [&](const quality::QualityRule& rule) {
        const auto same = std::find_if(own->rules.begin(), own->rules.end(), [&](const auto& other) {
          return other.name == rule.name || other.text == rule.text;
        });
        if (same != own->rules.end() && rule.severity == quality::Severity::block)
          same->severity = quality::Severity::block;
        return same != own->rules.end();
      });
    }
    if (!expected.rules.empty())
      sets.push_back(std::move(expected));
  }
  return quality::merge(std::move(sets));
}

Result<quality::RuleSet> expectations_of(const contract::Contract& contract, const std::string& path) {
  quality::RuleSet set;
  set.table = contract.table;
  for (const contract::Expectation& expectation : contract.expectations) {
    quality::RuleText given;
    given.text = expectation.text;
    given.path = path;
    given.line = expectation.line;
    given.severity = expectation.severity == contract::Expectation::Severity::block ? quality::Severity::block
                                                                                    : quality::Severity::warn;
    given.description = expectation.description;
    quality::QualityRule rule = SHOPLAKE_TRY(quality::make_rule(given));
    rule.asks_new_rows = quality::can_ask_new_rows(rule.rule, contract.table);
    set.rules.push_back(std::move(rule));
  }
  return set;
}

Result<std::vector<quality::RuleSet>> blocking_rule_sets(App& app, bool is_own) {
  const std::string directory = SHOPLAKE_TRY(quality_directory(app));
  const bool is_shipped = directory == io::join_path(app.installation().share_directory, "quality");
  if (is_shipped && !is_own)
    return std::vector<quality::RuleSet>();
  return quality::blocking(SHOPLAKE_TRY(quality::read_rule_sets(app.env(), directory)));
}

Result<std::unique_ptr<quality::Auditor>> make_auditor(App& app, bool is_own) {
  std::vector<quality::RuleSet> sets = SHOPLAKE_TRY(blocking_rule_sets(app, is_own));
  if (sets.empty())
    return std::unique_ptr<quality::Auditor>();
  quality::AuditOptions options;
  options.env = &app.env();
  options.catalog = SHOPLAKE_TRY(app.catalog());
  options.sets = std::move(sets);
  options.hidden_columns = SHOPLAKE_TRY(personal_columns(app));
  options.triggered_by = "build";
  return std::make_unique<quality::Auditor>(std::move(options));
}

Result<std::set<std::string>> personal_columns(App& app) {
  std::set<std::string> names;
  for (const auto& [path, contract] : SHOPLAKE_TRY(contracts(app))) {
    add_personal(contract.fields, names);
    names.insert(contract.unknown_fields_column);  // of fields that nobody has classified
  }
  return names;
}

std::int64_t QualityReport::count(quality::Outcome outcome) const {
  std::int64_t total = 0;
  for (const quality::TableRun& table : run.tables)
    total += std::count_if(table.results.begin(), table.results.end(),
                           [&](const quality::RuleResult& result) { return result.outcome == outcome; });
  return total;
}

bool QualityReport::blocks() const {
  return std::any_of(run.tables.begin(), run.tables.end(), [](const quality::TableRun& table) {
    return std::any_of(table.results.begin(), table.results.end(), quality::is_blocking);
  });
}

Result<QualityReport> run_quality(App& app, const QualityRunOptions& options) {
  return QualityRunner(app, options).run();
}

Result<std::vector<RuleStatus>> list_rules(App& app, const std::string& table) {
  std::vector<quality::RuleSet> sets = SHOPLAKE_TRY(load_rule_sets(app));
  std::vector<quality::StoredResult> latest;
  const auto lake = SHOPLAKE_TRY(LakeSession::open(app));
  quality::ResultsTable results(app.env(), lake->catalog());
  latest = SHOPLAKE_TRY(results.latest(lake->session(), table));
  std::vector<RuleStatus> rules;
  for (quality::RuleSet& set : sets) {
    if (!table.empty() && set.table != table)
      continue;
    for (quality::QualityRule& rule : set.rules) {
      RuleStatus status{set.table, std::move(rule), {}};
      const auto last = std::find_if(latest.begin(), latest.end(), [&](const quality::StoredResult& result) {
        return result.table == status.table && result.rule_name == status.rule.name;
      });
      if (last != latest.end())
        status.last = *last;
      rules.push_back(std::move(status));
    }
  }
  return rules;
}

Result<std::vector<quality::StoredResult>> show_quality(App& app, const std::string& table_or_run) {
  const auto lake = SHOPLAKE_TRY(LakeSession::open(app));
  quality::ResultsTable results(app.env(), lake->catalog());
  const bool is_table = table_or_run.find('.') != std::string::npos;
  std::vector<quality::StoredResult> found =
      is_table ? SHOPLAKE_TRY(results.of_table(lake->session(), table_or_run, kShownResultsMax))
               : SHOPLAKE_TRY(results.of_run(lake->session(), table_or_run));
  if (found.empty()) {
    return make_error(
        ErrorKind::not_found, "quality.no_results",
        fmt::format("quality.results has nothing of {} {}", is_table ? "the table" : "a run", table_or_run),
        "`shoplake quality run` evaluates the rules; `shoplake quality ls` lists them.");
  }
  return found;
}

Result<std::vector<QualityCheck>> check_rule_sets(App& app, const std::vector<std::string>& paths) {
  std::vector<std::string> files = paths;
  if (files.empty()) {
    const std::string directory = SHOPLAKE_TRY(quality_directory(app));
    if (SHOPLAKE_TRY(app.env().exists(directory))) {
      for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(app.env().list_directory(directory))) {
        if (!entry.is_directory && entry.name.ends_with(".yml"))
          files.push_back(io::join_path(directory, entry.name));
      }
    }
  }
  std::vector<QualityCheck> checks;
  std::vector<quality::RuleSet> all;
  for (const std::string& path : files) {
    QualityCheck check{path, 0, 0};
    for (quality::RuleSet& set : SHOPLAKE_TRY(quality::read_rule_sets_of_file(app.env(), path))) {
      ++check.tables;
      check.rules += static_cast<std::int64_t>(set.rules.size());
      all.push_back(std::move(set));
    }
    checks.push_back(std::move(check));
  }
  SHOPLAKE_TRY(quality::merge(std::move(all)));
  return checks;
}

}  // namespace shoplake::app
