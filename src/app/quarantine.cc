#include "app/quarantine.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/moment.h"
#include "ingest/file_registry.h"
#include "query/runner.h"

namespace shoplake::app {

namespace {

using base::Result;

// The tables to read as one: "(select * from quarantine.a union all …)". Nothing if there are none.
Result<std::optional<std::string>> source(App& app, const QuarantineFilter& filter) {
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  std::vector<std::string> names;
  for (const catalog::TableIdentifier& table : SHOPLAKE_TRY(catalog->list_tables(catalog::Namespace{{"quarantine"}})))
    names.push_back(table.name);
  if (!filter.dataset.empty()) {
    if (std::find(names.begin(), names.end(), filter.dataset) == names.end()) {
      return base::make_error(base::ErrorKind::usage, "quarantine.no_such_dataset",
                              fmt::format("nothing was ever loaded into dataset \"{}\" here", filter.dataset),
                              names.empty() ? "Load something first: shoplake load events FILE."
                                            : fmt::format("Known are: {}.", fmt::join(names, ", ")));
    }
    names = {filter.dataset};
  }
  if (names.empty())
    return std::optional<std::string>();
  std::string sql;
  for (const std::string& name : names) {
    sql +=
        fmt::format("{}select * from quarantine.{}", sql.empty() ? "" : " union all ", engine::quote_identifier(name));
  }
  return std::optional<std::string>(sql);
}

std::string condition(const QuarantineFilter& filter) {
  std::string sql = "true";
  if (!filter.reason.empty())
    sql += fmt::format(" and reason_code = {}", engine::quote_literal(filter.reason));
  if (!filter.source_object.empty())
    sql += fmt::format(" and contains(source_object, {})", engine::quote_literal(filter.source_object));
  if (filter.line)
    sql += fmt::format(" and line = {}", *filter.line);
  return sql;
}

Result<engine::ResultSet> answer(App& app, std::string sql) {
  auto runner = SHOPLAKE_TRY(
      query::QueryRunner::prepare(SHOPLAKE_TRY(app.open_engine()), *SHOPLAKE_TRY(app.catalog()), std::move(sql)));
  return runner->run();
}

constexpr std::string_view kUtc = "strftime(timezone('UTC', {}), '%Y-%m-%dT%H:%M:%SZ')";

std::string text(const engine::ResultSet& rows, std::int64_t row, std::size_t column) {
  return rows.text(row, column).value_or("");
}

// Files of which nothing was published, from the registry.
Result<void> add_files(App& app, const QuarantineFilter& filter, std::vector<QuarantineGroup>& groups) {
  const auto control_plane = SHOPLAKE_TRY(SHOPLAKE_TRY(app.catalog())->open_control_plane());
  SHOPLAKE_TRY(ingest::prepare_file_registry(*control_plane));
  const ingest::FileFilter refused{filter.dataset, true, filter.reason, filter.source_object};
  for (const ingest::FileRecord& file : SHOPLAKE_TRY(ingest::list_files(*control_plane, refused))) {
    groups.push_back({file.key.dataset, file.reason, file.object, true, 0, 0, file.message,
                      base::timestamp_text(file.at_micros / base::kMicrosPerSecond * base::kMicrosPerSecond)});
  }
  return {};
}

}  // namespace

base::Result<std::vector<QuarantineGroup>> list_quarantine(App& app, const QuarantineFilter& filter) {
  std::vector<QuarantineGroup> groups;
  const std::optional<std::string> from = SHOPLAKE_TRY(source(app, filter));
  if (!from)
    return groups;
  const engine::ResultSet rows = SHOPLAKE_TRY(
      answer(app, fmt::format("select dataset, reason_code, source_object, count(*), min(line), arg_min(message, "
                              "line), {} from ({}) where {} "
                              "group by dataset, reason_code, source_object order by max(quarantined_at) desc, "
                              "dataset, source_object, reason_code",
                              fmt::format(fmt::runtime(kUtc), "max(quarantined_at)"), *from, condition(filter))));
  for (std::int64_t row = 0; row < rows.row_count(); ++row) {
    groups.push_back({text(rows, row, 0), text(rows, row, 1), text(rows, row, 2), false, rows.integer(row, 3),
                      rows.integer(row, 4), text(rows, row, 5), text(rows, row, 6)});
  }
  SHOPLAKE_TRY(add_files(app, filter, groups));
  return groups;
}

base::Result<std::vector<QuarantinedRecord>> show_quarantine(App& app, const QuarantineFilter& filter) {
  std::vector<QuarantinedRecord> records;
  const std::optional<std::string> from = SHOPLAKE_TRY(source(app, filter));
  if (!from)
    return records;
  const engine::ResultSet rows = SHOPLAKE_TRY(answer(
      app, fmt::format("select dataset, reason_code, message, source_object, line, byte_offset, record_bytes, record, "
                       "{} from ({}) where {} "
                       "order by quarantined_at desc, dataset, source_object, line limit {}",
                       fmt::format(fmt::runtime(kUtc), "quarantined_at"), *from, condition(filter), filter.limit)));
  for (std::int64_t row = 0; row < rows.row_count(); ++row) {
    QuarantinedRecord record;
    record.dataset = text(rows, row, 0);
    record.reason_code = text(rows, row, 1);
    record.message = text(rows, row, 2);
    record.source_object = text(rows, row, 3);
    record.line = rows.integer(row, 4);
    if (rows.text(row, 5))
      record.byte_offset = rows.integer(row, 5);
    record.record_bytes = rows.integer(row, 6);
    record.record = text(rows, row, 7);
    record.quarantined_at = text(rows, row, 8);
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace shoplake::app
