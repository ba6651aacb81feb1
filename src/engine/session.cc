#include "engine/session.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "engine/duckdb_handle.h"
#include "engine/result_set_state.h"
#include "engine/session_state.h"

namespace shoplake::engine {
namespace {

using base::ErrorKind;

Result<void> check_supported(const std::vector<Column>& columns, const std::vector<Type>& types) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    for (const duckdb_type unsupported : {DUCKDB_TYPE_VARIANT, DUCKDB_TYPE_GEOMETRY}) {
      if (types[i].contains(unsupported)) {
        return base::make_error(
            ErrorKind::usage, "engine.unsupported_type",
            "column " + columns[i].name + " is of type " + columns[i].type + ", which cannot be shown",
            "Cast it: " + quote_identifier(columns[i].name) + "::VARCHAR");
      }
    }
  }
  return {};
}

// Runs a prepared statement to its end. DuckDB's own loop asks for the next task without a pause while other threads
// work on the last ones, which burns a core that another session could use; this one sleeps in between.
Result<void> run_to_end(duckdb_prepared_statement prepared, duckdb_result* result) {
  constexpr int kAsksBeforeSleep = 16;
  constexpr std::chrono::microseconds kSleepMin{20}, kSleepMax{200};
  PendingHandle pending;
  if (duckdb_pending_prepared(prepared, pending.address()) != DuckDBSuccess) {
    return duckdb_error(duckdb_pending_error(pending.get()));
  }
  int asked = 0;
  std::chrono::microseconds sleep = kSleepMin;
  while (true) {
    const duckdb_pending_state state = duckdb_pending_execute_task(pending.get());
    if (state == DUCKDB_PENDING_ERROR) {
      return duckdb_error(duckdb_pending_error(pending.get()));
    }
    if (duckdb_pending_execution_is_finished(state)) {
      break;
    }
    if (state != DUCKDB_PENDING_NO_TASKS_AVAILABLE) {
      asked = 0;
      sleep = kSleepMin;
    } else if (++asked > kAsksBeforeSleep) {
      std::this_thread::sleep_for(sleep);  // tidy: allowed: DuckDB has nothing to wait on here but asking again
      sleep = std::min(sleep * 2, kSleepMax);
    }
  }
  if (duckdb_execute_pending(pending.get(), result) != DuckDBSuccess) {
    return duckdb_error(duckdb_result_error(result));
  }
  return {};
}

}  // namespace

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;

Result<PreparedHandle> Session::State::run_up_to_last(const std::string& sql) {
  StatementsHandle statements;
  const idx_t count = duckdb_extract_statements(connection.get(), sql.c_str(), statements.address());
  if (count == 0) {
    const char* message = duckdb_extract_statements_error(statements.get());
    return message != nullptr ? duckdb_error(message)
                              : base::make_error(ErrorKind::usage, "engine.sql", "there is no SQL statement");
  }
  for (idx_t i = 0;; ++i) {
    PreparedHandle prepared;
    if (duckdb_prepare_extracted_statement(connection.get(), statements.get(), i, prepared.address()) !=
        DuckDBSuccess) {
      return duckdb_error(duckdb_prepare_error(prepared.get()));
    }
    if (i + 1 == count) {
      return prepared;
    }
    ResultHandle result;
    SHOPLAKE_TRY(run_to_end(prepared.get(), result.address()));
  }
}

Result<ResultSet> Session::query(std::string_view sql) {
  const PreparedHandle prepared = SHOPLAKE_TRY(state_->run_up_to_last(std::string(sql)));
  auto state = std::make_unique<ResultSet::State>();
  duckdb_result* result = state->result.address();
  SHOPLAKE_TRY(run_to_end(prepared.get(), result));
  const idx_t columns = duckdb_column_count(result);
  for (idx_t i = 0; i < columns; ++i) {
    const TypeHandle type(duckdb_column_logical_type(result, i));
    state->types.push_back(Type::of(type.get()));
    state->columns.push_back({duckdb_column_name(result, i), state->types.back().spelling()});
  }
  SHOPLAKE_TRY(check_supported(state->columns, state->types));
  state->row_count = static_cast<std::int64_t>(duckdb_row_count(result));
  state->rows_changed = static_cast<std::int64_t>(duckdb_rows_changed(result));
  return ResultSet(std::move(state));
}

Result<void> Session::execute(std::string_view sql) {
  SHOPLAKE_TRY(query(sql));
  return {};
}

void Session::interrupt() { duckdb_interrupt(state_->connection.get()); }

double Session::progress() const { return duckdb_query_progress(state_->connection.get()).percentage; }

}  // namespace shoplake::engine
