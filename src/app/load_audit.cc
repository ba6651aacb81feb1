#include "app/load_audit.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/quality.h"
#include "base/log.h"
#include "model/lake.h"
#include "quality/file_proof.h"
#include "quality/results.h"
#include "transform/layout.h"

namespace shoplake::app {
namespace {

using base::Result;
using transform::DataFile;

// SQL after FROM: the staged rows. Empty: there are none.
std::string new_rows(const catalog::TableChange& change) {
  std::vector<std::string> files;
  for (const DataFile& file : change.added) {
    if (file.content == DataFile::Content::data)
      files.push_back(engine::quote_literal(file.path));
  }
  if (files.empty())
    return {};
  return fmt::format("(SELECT * FROM read_parquet([{}], hive_partitioning = false, union_by_name = true))",
                     fmt::join(files, ", "));
}

// SQL after FROM: the table's present rows but for those that are replaced, and the staged ones. Empty: there are none.
std::string rows_after(const catalog::Table& table, const std::string& staged, const std::string& replaced_object) {
  std::vector<std::string> parts;
  if (table.metadata->current_snapshot_id()) {
    std::string present = fmt::format("SELECT * FROM iceberg_scan({})", engine::quote_literal(table.metadata_location));
    if (!replaced_object.empty()) {
      present += fmt::format(" WHERE {} IS DISTINCT FROM {}", engine::quote_identifier(transform::kSourceObjectColumn),
                             engine::quote_literal(replaced_object));
    }
    parts.push_back(std::move(present));
  }
  if (!staged.empty())
    parts.push_back("SELECT * FROM " + staged);
  return parts.empty() ? std::string() : fmt::format("({})", fmt::join(parts, " UNION ALL BY NAME "));
}

// What the current snapshot says of itself.
std::optional<std::int64_t> total(const catalog::Table& table, const char* key) {
  const auto id = table.metadata->current_snapshot_id();
  const auto& document = table.metadata->document();
  const auto snapshots = document.find("snapshots");
  if (!id || snapshots == document.end() || !snapshots->is_array())
    return std::nullopt;
  for (const auto& snapshot : *snapshots) {
    if (snapshot.value("snapshot-id", std::int64_t{0}) != *id || !snapshot.contains("summary"))
      continue;
    const std::string text = snapshot["summary"].value(key, std::string());
    return text.empty() ? std::nullopt : std::optional<std::int64_t>(std::strtoll(text.c_str(), nullptr, 10));
  }
  return std::nullopt;
}

quality::StagedRows staged_rows(const catalog::TableChange& change, const catalog::Table& table) {
  quality::StagedRows staged;
  if (change.evolve_to)
    staged.schema = &*change.evolve_to;
  bool only_adds = change.removed_paths.empty();
  for (const DataFile& file : change.added) {
    if (file.content == DataFile::Content::data) {
      staged.files.push_back(&file);
      staged.table_rows_min += file.record_count;
    } else {
      only_adds = false;
    }
  }
  staged.table_rows_max = staged.table_rows_min;
  if (!table.metadata->current_snapshot_id())
    return staged;
  constexpr std::int64_t kUnknown = std::int64_t{1} << 52;  // more than any table has
  const auto present = total(table, "total-records"), delete_files = total(table, "total-delete-files");
  staged.table_rows_max += present.value_or(kUnknown);
  if (only_adds && present && delete_files == 0)
    staged.table_rows_min += *present;
  return staged;
}

}  // namespace

Result<std::unique_ptr<LoadAudit>> LoadAudit::open(App& app, const contract::Contract& contract,
                                                   const catalog::TableIdentifier& table) {
  const std::string& datasets = app.home().datasets_directory;
  const bool is_own = datasets == io::join_path(app.installation().share_directory, "datasets");
  auto* const catalog = SHOPLAKE_TRY(app.catalog());
  std::unique_ptr<LoadAudit> audit(new LoadAudit(app, *catalog, table));
  const std::string name = catalog::to_string(table);
  const auto is_own_table = [&](const std::string& other) {
    return std::ranges::equal(other, name, {}, ::tolower, ::tolower);
  };
  for (quality::RuleSet& set : SHOPLAKE_TRY(blocking_rule_sets(app, is_own))) {
    if (is_own_table(set.table))
      audit->rules_ = std::move(set);
  }
  audit->expectations_ = SHOPLAKE_TRY(expectations_of(contract, io::join_path(datasets, contract.dataset + ".yml")));
  std::erase_if(audit->expectations_.rules, [&](const quality::QualityRule& rule) {
    const std::vector<quality::QualityRule>& others = audit->rules_.rules;
    return rule.severity != quality::Severity::block ||
           std::any_of(others.begin(), others.end(), [&](const quality::QualityRule& other) {
             return other.name == rule.name || other.text == rule.text;
           });
  });
  if (audit->rules_.rules.empty() && audit->expectations_.rules.empty())
    return std::unique_ptr<LoadAudit>();
  return audit;
}

Result<engine::Session*> LoadAudit::session() {
  if (session_ == nullptr) {
    hidden_columns_ = SHOPLAKE_TRY(personal_columns(app_));
    database_ = SHOPLAKE_TRY(app_.open_engine());
    session_ = SHOPLAKE_TRY(database_->connect());
  }
  return session_.get();
}

// The rules that the engine must answer.
Result<quality::RuleSet> LoadAudit::rules_left(const catalog::TableChange& change, const catalog::Table& table) const {
  quality::RuleSet left = rules_;
  left.table = catalog::to_string(table_);
  const quality::StagedRows staged = staged_rows(change, table);
  for (const quality::QualityRule& rule : expectations_.rules) {
    const bool has_nothing_to_ask = rule.asks_new_rows && staged.files.empty();
    if (!has_nothing_to_ask && !quality::is_proved(rule, staged))
      left.rules.push_back(rule);
  }
  return left;
}

Result<std::optional<catalog::TableChange>> LoadAudit::check(const catalog::TableChange& change,
                                                             const std::string& replaced_object) {
  const catalog::Table table = SHOPLAKE_TRY(catalog_.load_table(change.table));
  quality::RuleSet left = SHOPLAKE_TRY(rules_left(change, table));
  const std::string staged = new_rows(change);
  const std::string rows = rows_after(table, staged, replaced_object);
  if (left.rules.empty() || rows.empty())
    return std::optional<catalog::TableChange>();
  engine::Session& engine = *SHOPLAKE_TRY(session());
  const auto lake = SHOPLAKE_TRY(model::Lake::open({&app_.env(), &catalog_}, engine));
  quality::AuditOptions options;
  options.env = &app_.env();
  options.catalog = &catalog_;
  options.hidden_columns = hidden_columns_;
  options.triggered_by = "load";
  options.sets.push_back(std::move(left));
  quality::Auditor auditor(std::move(options));
  const Result<void> audited = auditor.check(engine, {catalog::to_string(table_), rows}, staged,
                                             [&](std::string_view sql) { return lake->prepare(engine, sql); });
  const quality::Run run = auditor.take_run();
  quality::ResultsTable results(app_.env(), catalog_);
  if (audited.ok())
    return results.write(engine, run);
  SHOPLAKE_TRY(results.append(engine, run).within("quality.results"));
  return audited.error();
}

void LoadAudit::done(const catalog::TableChange& results, bool is_committed) {
  if (!is_committed) {
    for (const DataFile& file : results.added)
      (void)app_.env().remove_file(file.path);
    return;
  }
  // Housekeeping: the next load does what this one cannot.
  const Result<void> maintained = quality::ResultsTable(app_.env(), catalog_).maintain(*session_);
  if (!maintained.ok())
    base::log::warning("quality.not_maintained", {{"reason", maintained.error().message}});
}

}  // namespace shoplake::app
