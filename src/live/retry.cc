// Live::retry(): quarantined records tried again. What is accepted (or turns out to be there already) leaves quarantine
// by position deletes, in the commit that adds it to the dataset's table.
#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "ingest/dataset_tables.h"
#include "io/sync_files.h"
#include "live/live_state.h"
#include "live/parquet_copy.h"
#include "live/table_files.h"
#include "model/lake_sql.h"

namespace shoplake::live {
namespace {

constexpr std::int64_t kRetryRecords = 5'000;  // of one commit; each has at most 64 KiB

std::string quarantine_rows(const TableFiles& files) {
  std::vector<std::string> paths, deletes;
  for (const auto& [number, file] : files.data)
    paths.push_back(file.path);
  for (const TableFiles::File& file : files.deletes)
    deletes.push_back(file.path);
  std::string rows = fmt::format(
      "SELECT * FROM read_parquet({}, hive_partitioning = false, union_by_name = true, filename = true, "
      "file_row_number = true) AS rows",
      engine::literal_list(paths));
  if (!deletes.empty())
    rows += " WHERE " + model::not_deleted("rows", deletes);
  return rows;
}

}  // namespace

Result<RetryReport> Live::retry(const RetryOptions& options) {
  State& state = *state_;
  SHOPLAKE_TRY(state.prepare(options.stop));
  const Dataset* found = state.writer.dataset(options.dataset);
  if (found == nullptr) {
    return base::make_error(base::ErrorKind::not_found, "live.no_such_dataset",
                            fmt::format("no live stream feeds the dataset \"{}\"", options.dataset),
                            "`streams` of shoplake.yml names them.");
  }
  const catalog::TableIdentifier quarantine = found->tables().quarantine;
  engine::Session* session = &state.writer.session();
  const int generation = state.writer.generation();
  RetryReport report;
  std::string chosen =
      options.reason_code.empty() ? std::string("true") : "reason_code = " + engine::quote_literal(options.reason_code);
  for (const std::string& object : options.left_objects)
    chosen += " AND source_object <> " + engine::quote_literal(object);
  // The rows are numbered once: a commit takes rows away, it does not move them.
  {
    const catalog::Table table = SHOPLAKE_TRY(state.options.catalog->load_table(quarantine));
    const TableFiles files = SHOPLAKE_TRY(list_table_files(*state.options.catalog, table, *session));
    if (files.data.empty())
      return report;
    SHOPLAKE_TRY(session->execute(fmt::format(
        "CREATE OR REPLACE TEMP TABLE retried AS SELECT row_number() OVER (ORDER BY filename, file_row_number) AS "
        "number, "
        "filename, file_row_number, source_object, line, record, record_bytes, epoch_us(quarantined_at) AS received "
        "FROM ({}) WHERE {}",
        quarantine_rows(files), chosen)));
  }
  const std::int64_t total = SHOPLAKE_TRY(session->query("SELECT count(*) FROM retried")).integer(0, 0);
  for (std::int64_t first = 1; first <= total; first += kRetryRecords) {
    const engine::ResultSet rows = SHOPLAKE_TRY(session->query(
        fmt::format("SELECT source_object, line, record, received, record_bytes > strlen(record) FROM retried WHERE "
                    "number BETWEEN {} AND {} ORDER BY number",
                    first, first + kRetryRecords - 1)));
    std::vector<std::string> texts;  // what the records' views point to
    texts.reserve(static_cast<std::size_t>(rows.row_count()));
    std::map<std::string, Records> by_object;
    for (std::int64_t row = 0; row < rows.row_count(); ++row) {
      if (rows.text(row, 4).value_or("") == "true") {
        ++report.truncated;
        continue;
      }
      texts.push_back(rows.text(row, 2).value_or("") + "\n");
      const std::string object = rows.text(row, 0).value_or("");
      Records& records = by_object[object];
      records.source_object = object;
      records.records.push_back({texts.back(), rows.integer(row, 1), rows.integer(row, 3)});
    }
    report.tried += texts.size();
    if (texts.empty())
      continue;
    Writer::Batch batch;
    batch.stop = options.stop;
    batch.keeps_rejected = false;
    for (auto& [object, records] : by_object)
      batch.records[options.dataset].push_back(std::move(records));
    std::vector<std::string> written;
    batch.on_transformed = [&](const Dataset&, const Transformed& one,
                               std::vector<catalog::TableChange>& changes) -> Result<void> {
      if (state.writer.generation() != generation) {
        return base::make_error(base::ErrorKind::conflict, "live.retry_interrupted",
                                "the lake was changed by another process during the retry", "Retry again.");
      }
      // All events of one line go together: a line that is rejected in part stays.
      std::string stays = "false";
      std::vector<std::string> rejected;
      for (const transform::DataFile& file : one.rejected_files)
        rejected.push_back(file.path);
      if (!rejected.empty())
        stays = fmt::format("(source_object, line) IN (SELECT (source_object, line) FROM read_parquet({}))",
                            engine::literal_list(rejected));
      const std::string leaves =
          fmt::format("FROM retried WHERE number BETWEEN {} AND {} AND record_bytes <= strlen(record) AND NOT ({})",
                      first, first + kRetryRecords - 1, stays);
      if (SHOPLAKE_TRY(session->query("SELECT count(*) " + leaves)).integer(0, 0) == 0)
        return {};
      const std::string path = io::join_path(SHOPLAKE_TRY(state.options.catalog->data_location(quarantine)),
                                             state.options.env->new_uuid() + "-deletes.parquet");
      written.push_back(path);
      catalog::TableChange change;
      change.table = quarantine;
      change.operation = catalog::TableChange::Operation::overwrite;
      const catalog::Table table = SHOPLAKE_TRY(state.options.catalog->load_table(quarantine));
      change.base_snapshot_id = table.metadata->current_snapshot_id();
      change.summary = {{"shoplake.live", "retry"}};
      change.added = {SHOPLAKE_TRY(copy_position_deletes(
          *state.options.env, *session,
          "SELECT filename AS file_path, file_row_number AS pos " + leaves + " ORDER BY ALL", path))};
      SHOPLAKE_TRY(io::sync_files(*state.options.env, {path}));
      changes.push_back(std::move(change));
      return {};
    };
    auto outcome = state.writer.write(batch);
    if (!outcome.ok()) {
      if (outcome.error().kind != base::ErrorKind::unknown_outcome)
        remove_files(*state.options.env, written);
      return std::move(outcome).error().within("retry of " + options.dataset);
    }
    report.accepted += outcome->accepted;
    report.already_there += outcome->duplicates;
    report.rejected += outcome->rejected;
    SHOPLAKE_TRY(state.prepare(options.stop));
    if (state.writer.generation() != generation)
      break;  // what was numbered is gone with the engine: the rest is for the next call
  }
  return report;
}

}  // namespace shoplake::live
