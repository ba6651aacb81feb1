#include "app/query.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "app/cost.h"
#include "query/format.h"
#include "query/point_in_time.h"
#include "query/runner.h"

namespace shoplake::app {
namespace {

using base::Result;

constexpr std::chrono::milliseconds kProgressInterval{100};

// Tells a running query's progress until it goes.
class ProgressReporter {
 public:
  ProgressReporter(const query::QueryRunner& runner, base::Progress* progress) : progress_(progress) {
    if (progress_ == nullptr) {
      return;
    }
    progress_->begin("query", 100, base::Progress::Unit::items);
    thread_ = std::jthread([this, &runner](const std::stop_token& stop) {
      std::unique_lock lock(mutex_);
      while (!wake_.wait_for(lock, stop, kProgressInterval, [&] { return stop.stop_requested(); })) {
        if (const double percent = runner.progress(); percent > 0) {
          progress_->update(static_cast<std::uint64_t>(percent));
        }
      }
    });
  }
  ~ProgressReporter() {
    if (progress_ != nullptr) {
      thread_.request_stop();
      thread_.join();
      progress_->end();
    }
  }

 private:
  base::Progress* progress_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

Result<std::unique_ptr<query::QueryRunner>> prepare(App& app, const QueryOptions& options) {
  std::optional<query::PointInTime> at;
  if (!options.at.empty()) {
    at = SHOPLAKE_TRY(query::parse_point_in_time(options.at));
  }
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  auto engine = SHOPLAKE_TRY(app.open_engine());
  return query::QueryRunner::prepare(std::move(engine), *catalog, options.sql, at);
}

// A query's answer, with the engine that holds it.
struct Answer {
  std::unique_ptr<query::QueryRunner> runner;
  engine::ResultSet rows;
};

Result<Answer> run(App& app, const QueryOptions& options) {
  for (bool is_second = false;; is_second = true) {
    auto runner = SHOPLAKE_TRY(prepare(app, options));
    QueryMeter meter(app, "cli");
    auto rows = [&] {
      const ProgressReporter reporter(*runner, options.progress);
      return runner->run(options.stop);
    }();
    if (rows.ok()) {
      meter.end(options.sql);
      return Answer{std::move(runner), std::move(rows).value()};
    }
    // Files of the snapshot may have been expired since the catalog was read; a fresh reading names others.
    if (is_second || rows.error().code != "engine.io") {
      return std::move(rows).error();
    }
  }
}

bool is_number(std::string_view type) {
  constexpr std::string_view kNumbers[] = {"TINYINT",  "SMALLINT",  "INTEGER",  "BIGINT",  "HUGEINT",
                                           "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
                                           "FLOAT",    "DOUBLE",    "BIGNUM"};
  for (const std::string_view number : kNumbers) {
    if (type == number) {
      return true;
    }
  }
  return type.starts_with("DECIMAL(") && type.ends_with(')');
}

QueryTable::Row row_of(const engine::ResultSet& answer, std::int64_t row) {
  QueryTable::Row cells;
  for (std::size_t column = 0; column < answer.columns().size(); ++column) {
    cells.push_back(answer.text(row, column));
  }
  return cells;
}

}  // namespace

Result<QueryTable> query_table(App& app, const QueryOptions& options, std::int64_t rows_max) {
  const Answer found = SHOPLAKE_TRY(run(app, options));
  const engine::ResultSet& answer = found.rows;
  QueryTable table;
  table.row_count = answer.row_count();
  for (const engine::Column& column : answer.columns()) {
    table.columns.push_back({column.name, column.type, is_number(column.type)});
  }
  const bool all = rows_max <= 0 || answer.row_count() <= rows_max;
  const std::int64_t last = all ? 0 : rows_max / 2;
  const std::int64_t first = all ? answer.row_count() : rows_max - last;
  for (std::int64_t row = 0; row < first; ++row) {
    table.first.push_back(row_of(answer, row));
  }
  for (std::int64_t row = answer.row_count() - last; row < answer.row_count(); ++row) {
    table.last.push_back(row_of(answer, row));
  }
  return table;
}

Result<std::int64_t> query_bytes(App& app, const QueryOptions& options, QueryFormat format,
                                 const query::Output& output) {
  if (format == QueryFormat::parquet) {
    const auto runner = SHOPLAKE_TRY(prepare(app, options));
    const ProgressReporter reporter(*runner, options.progress);
    std::int64_t rows = 0;
    const auto write = [&](ArrowArrayStream* answer) -> Result<void> {
      rows = SHOPLAKE_TRY(query::write_parquet(answer, output));
      return {};
    };
    QueryMeter meter(app, "cli");
    SHOPLAKE_TRY(runner->stream(write, options.stop));
    meter.end(options.sql);
    return rows;
  }
  const Answer found = SHOPLAKE_TRY(run(app, options));
  const engine::ResultSet& answer = found.rows;
  SHOPLAKE_TRY(format == QueryFormat::csv ? query::write_csv(answer, output) : query::write_json(answer, output));
  return answer.row_count();
}

Result<std::int64_t> query_file(App& app, const QueryOptions& options, QueryFormat format, const std::string& path) {
  io::Env& env = app.env();
  if (SHOPLAKE_TRY(env.is_directory(path))) {
    return base::make_error(base::ErrorKind::usage, "io.is_directory", path + " is a folder",
                            "Name the file to write.");
  }
  const std::string temporary = path + "." + env.new_uuid() + ".tmp";
  const auto write = [&]() -> Result<std::int64_t> {
    const auto file = SHOPLAKE_TRY(env.create_file(temporary));
    const std::int64_t rows =
        SHOPLAKE_TRY(query_bytes(app, options, format, [&](std::string_view piece) { return file->append(piece); }));
    SHOPLAKE_TRY(file->sync());
    SHOPLAKE_TRY(file->close());
    SHOPLAKE_TRY(env.rename(temporary, path));
    SHOPLAKE_TRY(env.sync_directory(io::parent_path(path)));
    return rows;
  };
  auto outcome = write();
  if (!outcome.ok()) {
    (void)env.remove_file(temporary);  // the first error is the one to tell
  }
  return outcome;
}

}  // namespace shoplake::app
