#include "warehouse/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace shoplake::warehouse {
namespace {

using base::ErrorKind;
using base::make_error;

constexpr char kConnectSeconds[] = "10";
constexpr std::size_t kMessageBytesMax = 2'000;

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, ResultDeleter>;

std::string trimmed(const char* text) {
  std::string message(text == nullptr ? "" : text);
  while (!message.empty() && (message.back() == '\n' || message.back() == ' '))
    message.pop_back();
  std::ranges::replace(message, '\n', ' ');
  return message.substr(0, kMessageBytesMax);
}

void ignore_notice(void*, const char*) {}

}  // namespace

struct Connection::State {
  PGconn* connection = nullptr;
  PGcancel* cancel = nullptr;
  std::stop_token stop;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  ~State() {
    on_stop.reset();
    if (cancel != nullptr)
      PQfreeCancel(cancel);
    PQfinish(connection);
  }

  std::string place() const {
    const auto text = [](const char* value) { return std::string(value == nullptr ? "" : value); };
    return fmt::format("{}:{}/{}", text(PQhost(connection)), text(PQport(connection)), text(PQdb(connection)));
  }

  bool is_lost() const { return PQstatus(connection) != CONNECTION_OK; }

  base::Error error_of(const PGresult* result) const {
    const char* state_text = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string sqlstate = state_text == nullptr ? "" : state_text;
    std::string message = trimmed(result == nullptr ? PQerrorMessage(connection) : PQresultErrorMessage(result));
    if (message.empty())
      message = trimmed(PQerrorMessage(connection));
    const std::string what =
        fmt::format("{}: {}{}", place(), message, sqlstate.empty() ? "" : " (SQLSTATE " + sqlstate + ")");
    const std::string_view kind = std::string_view(sqlstate).substr(0, 2);
    if (is_lost() || kind == "08" || sqlstate == "57P01" || sqlstate == "57P02")
      return make_error(ErrorKind::environment, "warehouse.connection_lost", what, "Run the same command again.");
    if (sqlstate == "57014" && stop.stop_requested())
      return make_error(ErrorKind::cancelled, "warehouse.cancelled", "Interrupted; the transaction was rolled back",
                        "");
    if (kind == "28")
      return make_error(ErrorKind::usage, "warehouse.login", what, "Check user and password.");
    if (sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03")
      return make_error(ErrorKind::conflict, "warehouse.busy", what, "Run the same command again.");
    if (kind == "53")
      return make_error(ErrorKind::environment, "warehouse.resources", what, "Run it again when the server has room.");
    return make_error(ErrorKind::failed, "warehouse.sql", what, "Nothing was changed.");
  }

  Result<Rows> rows_of(const Answer& answer) const {
    const ExecStatusType status = PQresultStatus(answer.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
      return error_of(answer.get());
    Rows rows;
    const int columns = PQnfields(answer.get());
    for (int row = 0; row < PQntuples(answer.get()); ++row) {
      auto& values = rows.rows.emplace_back();
      for (int column = 0; column < columns; ++column) {
        values.push_back(PQgetisnull(answer.get(), row, column)
                             ? std::nullopt
                             : std::optional<std::string>(PQgetvalue(answer.get(), row, column)));
      }
    }
    const std::string_view affected = PQcmdTuples(answer.get());
    std::from_chars(affected.data(), affected.data() + affected.size(), rows.affected);
    return rows;
  }
};

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::open(const std::string& url, std::stop_token stop) {
  auto state = std::make_unique<State>();
  // What stands before dbname is a default: the URL may say otherwise. What stands behind it holds.
  const std::array<const char*, 5> names = {"connect_timeout", "fallback_application_name", "dbname", "client_encoding",
                                            nullptr};
  const std::array<const char*, 5> values = {kConnectSeconds, "shoplake", url.c_str(), "UTF8", nullptr};
  state->connection = PQconnectdbParams(names.data(), values.data(), 1);
  SHOPLAKE_CHECK(state->connection != nullptr);
  if (state->is_lost()) {
    const std::string message = trimmed(PQerrorMessage(state->connection));
    const bool is_login =
        PQconnectionNeedsPassword(state->connection) == 1 || PQconnectionUsedPassword(state->connection) == 1;
    return make_error(is_login ? ErrorKind::usage : ErrorKind::environment,
                      is_login ? "warehouse.login" : "warehouse.cannot_connect", message,
                      "Check host, database and user of --to; a password comes from PGPASSWORD or ~/.pgpass.");
  }
  PQsetNoticeProcessor(state->connection, &ignore_notice, nullptr);
  state->cancel = PQgetCancel(state->connection);
  state->stop = stop;
  state->on_stop.emplace(stop, [cancel = state->cancel] {
    std::array<char, 256> reason{};
    PQcancel(cancel, reason.data(), static_cast<int>(reason.size()));
  });
  std::unique_ptr<Connection> connection(new Connection(std::move(state)));
  SHOPLAKE_TRY(connection->execute("SET datestyle TO ISO"));
  SHOPLAKE_TRY(connection->execute("SET timezone TO 'UTC'"));
  return connection;
}

Result<Rows> Connection::execute(const std::string& sql) {
  return state_->rows_of(Answer(PQexec(state_->connection, sql.c_str())));
}

Result<Rows> Connection::execute(const std::string& sql, const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  for (const std::string& parameter : parameters)
    values.push_back(parameter.c_str());
  return state_->rows_of(Answer(PQexecParams(state_->connection, sql.c_str(), static_cast<int>(values.size()), nullptr,
                                             values.data(), nullptr, nullptr, 0)));
}

Result<std::int64_t> Connection::copy_in(const std::string& sql, const std::function<Result<std::string>()>& read) {
  PGconn* connection = state_->connection;
  if (const Answer begun(PQexec(connection, sql.c_str())); PQresultStatus(begun.get()) != PGRES_COPY_IN)
    return state_->error_of(begun.get());
  std::optional<base::Error> failed;
  while (!failed) {
    auto piece = read();
    if (!piece.ok()) {
      failed = std::move(piece).error();
    } else if (piece->empty()) {
      break;
    } else if (state_->stop.stop_requested()) {
      failed =
          make_error(ErrorKind::cancelled, "warehouse.cancelled", "Interrupted; the transaction was rolled back", "");
    } else if (PQputCopyData(connection, piece->data(), static_cast<int>(piece->size())) != 1) {
      failed = state_->error_of(nullptr);
    }
  }
  PQputCopyEnd(connection, failed ? "given up by the sender" : nullptr);
  std::int64_t rows = 0;
  std::optional<base::Error> outcome;
  while (Answer answer{PQgetResult(connection)}) {
    auto taken = state_->rows_of(answer);
    if (!taken.ok()) {
      outcome = std::move(taken).error();
    } else {
      rows += taken->affected;
    }
  }
  // The server's own reason is the better one, unless we are the reason.
  if (failed && (failed->code == "warehouse.cancelled" || !outcome || !failed->code.starts_with("warehouse.")))
    return std::move(*failed);
  if (outcome)
    return std::move(*outcome);
  return rows;
}

bool Connection::is_lost() const { return state_->is_lost(); }
std::string Connection::place() const { return state_->place(); }

}  // namespace shoplake::warehouse
