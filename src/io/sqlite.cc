#include "io/sqlite.h"

#include <sqlite3.h>

#include <chrono>
#include <utility>

namespace shoplake::io {
namespace {

using base::Error;
using base::ErrorKind;

Error sqlite_error(std::string_view what, sqlite3* database, int code) {
  const char* path = database != nullptr ? sqlite3_db_filename(database, "main") : nullptr;
  std::string message(what);
  if (path != nullptr && *path != '\0') {
    message.append(" in ").append(path);
  }
  message.append(": ").append(database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code));
  const int extended = database != nullptr ? sqlite3_extended_errcode(database) : code;
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return base::make_error(
          ErrorKind::environment, "sqlite.busy", std::move(message),
          "Another shoplake process holds the control plane; run it again when that one has finished.");
    case SQLITE_FULL:
      return base::make_error(ErrorKind::environment, "sqlite.full", std::move(message),
                              "Free some space and run it again.");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return base::make_error(ErrorKind::environment, "sqlite.corrupt", std::move(message),
                              "Restore the file from a backup; `shoplake doctor` checks it.");
    case SQLITE_CANTOPEN:
      return base::make_error(ErrorKind::environment, "sqlite.cannot_open", std::move(message),
                              "Check that the folder exists and may be written.");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return base::make_error(ErrorKind::environment, "sqlite.read_only", std::move(message),
                              "Check the owner and the permissions of the file and its folder.");
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL: return base::make_error(ErrorKind::environment, "sqlite.io", std::move(message));
    case SQLITE_CONSTRAINT: {
      const bool duplicate = extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY ||
                             extended == SQLITE_CONSTRAINT_ROWID;
      return base::make_error(duplicate ? ErrorKind::already_exists : ErrorKind::internal, "sqlite.constraint",
                              std::move(message));
    }
    default: return base::make_error(ErrorKind::internal, "sqlite.sql", std::move(message));
  }
}

// Switching a new file to write-ahead logging needs it alone, and SQLite answers "busy" at once where waiting could
// deadlock; two processes that create a database at the same moment meet here.
int set_write_ahead_log(sqlite3* handle) {
  const auto deadline = std::chrono::steady_clock::now() + kBusyTimeout;
  while (true) {
    const int code = sqlite3_exec(handle, "PRAGMA journal_mode=WAL", nullptr, nullptr, nullptr);
    if ((code != SQLITE_BUSY && code != SQLITE_LOCKED) || std::chrono::steady_clock::now() >= deadline) {
      return code;
    }
    sqlite3_sleep(5);  // milliseconds
  }
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)), statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(database_, other.database_);
  std::swap(statement_, other.statement_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int index, std::string_view text) {
  // A null pointer would bind NULL, and the text of an empty view may be one.
  const char* data = text.data() != nullptr ? text.data() : "";
  const int code = sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  SHOPLAKE_CHECK(code == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int index, std::int64_t integer) {
  SHOPLAKE_CHECK(sqlite3_bind_int64(statement_, index, integer) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int index, double number) {
  SHOPLAKE_CHECK(sqlite3_bind_double(statement_, index, number) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind_null(int index) {
  SHOPLAKE_CHECK(sqlite3_bind_null(statement_, index) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int index, const std::optional<std::string>& text) {
  return text ? bind(index, std::string_view(*text)) : bind_null(index);
}

Statement& Statement::bind(int index, const std::optional<std::int64_t>& integer) {
  return integer ? bind(index, *integer) : bind_null(index);
}

base::Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code == SQLITE_DONE) {
    return false;
  }
  auto error = sqlite_error("cannot run a statement", database_, code);
  sqlite3_reset(statement_);
  return error;
}

base::Result<std::int64_t> Statement::run() {
  const auto changes_before = sqlite3_total_changes64(database_);
  while (SHOPLAKE_TRY(step())) {
  }
  sqlite3_reset(statement_);
  // sqlite3_changes64() keeps the count of an earlier statement where this one changed nothing.
  return sqlite3_total_changes64(database_) == changes_before ? 0 : sqlite3_changes64(database_);
}

void Statement::reset() { sqlite3_reset(statement_); }

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (data == nullptr) {
    return {};
  }
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::number(int column) const { return sqlite3_column_double(statement_, column); }

std::optional<std::string> Statement::optional_text(int column) const {
  return is_null(column) ? std::nullopt : std::optional(text(column));
}

std::optional<std::int64_t> Statement::optional_integer(int column) const {
  return is_null(column) ? std::nullopt : std::optional(integer(column));
}

base::Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int opened =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Database> database(new Database(handle));
  if (opened != SQLITE_OK) {
    return sqlite_error("cannot open the control plane " + path, handle, opened);
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, static_cast<int>(std::chrono::milliseconds(kBusyTimeout).count()));
  if (const int code = set_write_ahead_log(handle); code != SQLITE_OK) {
    return sqlite_error("cannot open the control plane", handle, code);
  }
  SHOPLAKE_TRY(database->execute("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON"));
  return database;
}

Database::~Database() { sqlite3_close_v2(handle_); }

base::Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) {
    return sqlite_error("cannot prepare a statement", handle_, code);
  }
  SHOPLAKE_CHECK(statement != nullptr);  // the text holds no statement
  return Statement(handle_, statement);
}

base::Result<void> Database::execute(std::string_view sql) {
  const char* rest = sql.data();
  const char* end = sql.data() + sql.size();
  while (rest < end) {
    sqlite3_stmt* prepared = nullptr;
    const int code = sqlite3_prepare_v2(handle_, rest, static_cast<int>(end - rest), &prepared, &rest);
    if (code != SQLITE_OK) {
      return sqlite_error("cannot prepare a statement", handle_, code);
    }
    if (prepared == nullptr) {
      continue;  // white space or a comment
    }
    Statement statement(handle_, prepared);
    SHOPLAKE_TRY(statement.run());
  }
  return {};
}

base::Result<std::string> Database::check_integrity() {
  auto statement = SHOPLAKE_TRY(prepare("PRAGMA quick_check"));
  std::string findings;
  while (SHOPLAKE_TRY(statement.step())) {
    findings.append(findings.empty() ? "" : "\n").append(statement.text(0));
  }
  return findings;
}

base::Result<Transaction> Transaction::begin(Database& database) {
  SHOPLAKE_TRY(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  if (database_ != nullptr) {
    (void)database_->execute("ROLLBACK");  // an error here means that SQLite has rolled back already
  }
}

base::Result<void> Transaction::commit() {
  SHOPLAKE_CHECK(database_ != nullptr);
  SHOPLAKE_TRY(database_->execute("COMMIT"));  // on an error the destructor rolls back
  database_ = nullptr;
  return {};
}

}  // namespace shoplake::io
