// A thin typed layer over SQLite, for the control plane ($SHOPLAKE_HOME/state.sqlite): catalog pointers, file registry,
// runs. Several processes may open one database: write-ahead log, synchronous=FULL, and a busy timeout.
//
// A Database and its Statements belong to one thread at a time. Writes go through Transaction (BEGIN IMMEDIATE), which
// rolls back unless commit() succeeded; an error of commit() means that nothing was committed.
//
// Errors, all of kind environment unless said: sqlite.busy (another process held the lock for kBusyTimeout),
// sqlite.full, sqlite.corrupt, sqlite.cannot_open, sqlite.read_only, sqlite.io; sqlite.constraint (already_exists for
// UNIQUE and PRIMARY KEY, else internal) and sqlite.sql (internal: shoplake's own SQL is wrong).
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace shoplake::io {

// How long a call waits for another process's lock before it fails with sqlite.busy.
inline constexpr std::chrono::seconds kBusyTimeout{30};

class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Parameters count from 1. Binding never fails for a valid index.
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, const std::string& text) { return bind(index, std::string_view(text)); }
  Statement& bind(int index, const char* text) { return bind(index, std::string_view(text)); }
  Statement& bind(int index, std::int64_t integer);
  template <std::integral Integer>
  Statement& bind(int index, Integer integer) {
    return bind(index, static_cast<std::int64_t>(integer));
  }
  Statement& bind(int index, double number);
  Statement& bind_null(int index);
  Statement& bind(int index, const std::optional<std::string>& text);
  Statement& bind(int index, const std::optional<std::int64_t>& integer);

  // True while there is a row. Columns count from 0.
  base::Result<bool> step();
  // Runs to the end, ignoring rows, and resets; returns the rows changed.
  base::Result<std::int64_t> run();
  void reset();  // parameters keep their values

  bool is_null(int column) const;
  std::string text(int column) const;
  std::int64_t integer(int column) const;
  double number(int column) const;
  std::optional<std::string> optional_text(int column) const;
  std::optional<std::int64_t> optional_integer(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  sqlite3* database_;
  sqlite3_stmt* statement_;
};

class Database {
 public:
  // Creates the file if absent.
  static base::Result<std::unique_ptr<Database>> open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  base::Result<Statement> prepare(std::string_view sql);
  base::Result<void> execute(std::string_view sql);  // several statements allowed

  // "ok", or what SQLite's quick_check found wrong, one finding a line.
  base::Result<std::string> check_integrity();

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}
  sqlite3* handle_;
};

class Transaction {
 public:
  static base::Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept;
  ~Transaction();  // rolls back unless committed

  base::Result<void> commit();
  Database& database() { return *database_; }

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace shoplake::io
