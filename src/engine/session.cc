#include "engine/session.h"

#include <algorithm>
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

}  // namespace

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;

Result<void> Session::State::renew_secret() { return secret ? secret->renew(connection.get()) : Result<void>(); }

Result<PreparedHandle> Session::State::run_up_to_last(const std::string& sql) {
  SHOPLAKE_TRY(renew_secret());
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
    if (duckdb_execute_prepared(prepared.get(), result.address()) != DuckDBSuccess) {
      return duckdb_error(duckdb_result_error(result.address()));
    }
  }
}

Result<ResultSet> Session::query(std::string_view sql) {
  SHOPLAKE_TRY(state_->renew_secret());
  auto state = std::make_unique<ResultSet::State>();
  duckdb_result* result = state->result.address();
  // Not prepared first: DuckDB would bind many statements a second time when it runs what was prepared.
  if (duckdb_query(state_->connection.get(), std::string(sql).c_str(), result) != DuckDBSuccess) {
    return duckdb_error(duckdb_result_error(result));
  }
  if (duckdb_result_statement_type(*result) == DUCKDB_STATEMENT_TYPE_INVALID) {
    return base::make_error(ErrorKind::usage, "engine.sql", "there is no SQL statement");
  }
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
