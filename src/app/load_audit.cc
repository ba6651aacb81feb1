#include "app/load_audit.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "app/quality.h"
#include "base/log.h"
#include "model/lake.h"
#include "quality/results.h"
#include "transform/layout.h"

namespace shoplake::app {
namespace {

using base::Result;

// SQL after FROM: the table's present rows but for those that are replaced, and the staged ones. Empty: there are none.
Result<std::string> rows_after(catalog::Catalog& catalog, const catalog::TableChange& change,
                               const std::string& replaced_object) {
  std::vector<std::string> parts, files;
  const catalog::Table table = SHOPLAKE_TRY(catalog.load_table(change.table));
  if (table.metadata->current_snapshot_id()) {
    std::string present = fmt::format("SELECT * FROM iceberg_scan({})", engine::quote_literal(table.metadata_location));
    if (!replaced_object.empty()) {
      present += fmt::format(" WHERE {} IS DISTINCT FROM {}", engine::quote_identifier(transform::kSourceObjectColumn),
                             engine::quote_literal(replaced_object));
    }
    parts.push_back(std::move(present));
  }
  for (const transform::DataFile& file : change.added) {
    if (file.content == transform::DataFile::Content::data)
      files.push_back(engine::quote_literal(file.path));
  }
  if (!files.empty()) {
    parts.push_back(fmt::format("SELECT * FROM read_parquet([{}], hive_partitioning = false, union_by_name = true)",
                                fmt::join(files, ", ")));
  }
  return parts.empty() ? std::string() : fmt::format("({})", fmt::join(parts, " UNION ALL BY NAME "));
}

}  // namespace

Result<std::unique_ptr<LoadAudit>> LoadAudit::open(App& app, const catalog::TableIdentifier& table) {
  const bool is_own = app.home().datasets_directory == io::join_path(app.installation().share_directory, "datasets");
  std::unique_ptr<quality::Auditor> auditor = SHOPLAKE_TRY(make_auditor(app, "load", is_own));
  if (auditor == nullptr || !auditor->concerns(catalog::to_string(table)))
    return std::unique_ptr<LoadAudit>();
  std::unique_ptr<LoadAudit> audit(new LoadAudit(app, *SHOPLAKE_TRY(app.catalog()), table));
  audit->auditor_ = std::move(auditor);
  return audit;
}

Result<engine::Session*> LoadAudit::session() {
  if (session_ == nullptr) {
    database_ = SHOPLAKE_TRY(app_.open_engine());
    session_ = SHOPLAKE_TRY(database_->connect());
  }
  return session_.get();
}

Result<std::optional<catalog::TableChange>> LoadAudit::check(const catalog::TableChange& change,
                                                             const std::string& replaced_object) {
  const std::string rows = SHOPLAKE_TRY(rows_after(catalog_, change, replaced_object));
  if (rows.empty())
    return std::optional<catalog::TableChange>();
  engine::Session& engine = *SHOPLAKE_TRY(session());
  const auto lake = SHOPLAKE_TRY(model::Lake::open({&app_.env(), &catalog_}, engine));
  const model::RelationName name{catalog::to_string(table_.name_space), table_.name};
  const Result<void> audited = auditor_->check(engine, *lake, name, rows);
  const quality::Run run = auditor_->take_run();
  quality::ResultsTable results(app_.env(), catalog_);
  if (audited.ok())
    return results.write(engine, run);
  SHOPLAKE_TRY(results.append(engine, run).within("quality.results"));
  return audited.error();
}

void LoadAudit::done(const catalog::TableChange& results, bool is_committed) {
  if (!is_committed) {
    for (const transform::DataFile& file : results.added)
      (void)app_.env().remove_file(file.path);
    return;
  }
  // Housekeeping: the next load does what this one cannot.
  const Result<void> maintained = quality::ResultsTable(app_.env(), catalog_).maintain(*session_);
  if (!maintained.ok())
    base::log::warning("quality.not_maintained", {{"reason", maintained.error().message}});
}

}  // namespace shoplake::app
