// Connection: one session with a server of the PostgreSQL protocol (PostgreSQL, Redshift), by libpq, of which this is
// the only includer. Belongs to one thread; the session speaks UTF-8, ISO dates, UTC.
//
// Errors: warehouse.cannot_connect and warehouse.connection_lost (environment), warehouse.login (usage: user, password,
// database), warehouse.busy (conflict: deadlock, serialization, lock time-out), warehouse.resources (environment: disk,
// memory, too many connections), warehouse.cancelled (cancelled), warehouse.sql (failed). All tell the server's own
// words and its SQLSTATE; none holds a password. Source: https://www.postgresql.org/docs/15/errcodes-appendix.html
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"

namespace shoplake::warehouse {

using base::Result;

struct Rows {
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::int64_t affected = 0;  // by INSERT, UPDATE, DELETE, COPY
};

class Connection {
 public:
  // "postgresql://user@host:5432/database?sslmode=verify-full", as libpq understands it: passwords also from PGPASSWORD
  // and ~/.pgpass. A stop cancels the running statement.
  static Result<std::unique_ptr<Connection>> open(const std::string& url, std::stop_token stop);
  ~Connection();

  Result<Rows> execute(const std::string& sql);
  // With parameters $1, $2 … as text.
  Result<Rows> execute(const std::string& sql, const std::vector<std::string>& parameters);

  // COPY … FROM STDIN: `read` gives pieces until an empty one. An error of it ends the COPY without a row. Returns the
  // rows that were taken.
  Result<std::int64_t> copy_in(const std::string& sql, const std::function<Result<std::string>()>& read);

  // After warehouse.connection_lost nothing is known of the running transaction.
  bool is_lost() const;
  std::string place() const;  // "host:port/database", for people

 private:
  struct State;
  explicit Connection(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::warehouse
