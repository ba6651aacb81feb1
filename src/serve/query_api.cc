#include "serve/query_api.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <thread>
#include <utility>

#include "query/runner.h"

namespace shoplake::serve {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

struct Question {
  std::string sql;
  std::int64_t rows_max = 0;
};

Result<Question> parse_question(const http::Request& request, const QueryLimits& limits) {
  const auto bad = [](std::string message) {
    return make_error(ErrorKind::usage, "serve.bad_query_request", std::move(message),
                      R"(send {"sql": "select …", "limit": 1000} as application/json)");
  };
  // A page of another site can send a form without asking the browser, but not this type.
  if (const auto type = request.header("content-type"); !type || !type->starts_with("application/json"))
    return bad("the Content-Type is not application/json");
  const auto json = nlohmann::json::parse(request.body, nullptr, false);
  if (!json.is_object())
    return bad("the body is not a JSON object");
  for (const auto& [key, value] : json.items()) {
    if (key != "sql" && key != "limit")
      return bad(fmt::format("the member {} is not known", key));
  }
  if (!json.contains("sql") || !json["sql"].is_string())
    return bad("the member sql is not a string");
  Question question{json["sql"].get<std::string>(), limits.rows_default};
  if (json.contains("limit")) {
    if (!json["limit"].is_number_integer() || json["limit"].get<std::int64_t>() < 1 ||
        json["limit"].get<std::int64_t>() > limits.rows_max) {
      return bad(fmt::format("limit is not a number from 1 to {}", limits.rows_max));
    }
    question.rows_max = json["limit"].get<std::int64_t>();
  }
  return question;
}

// Requests a stop when the time is over, or when another token does.
class Deadline {
 public:
  Deadline(std::chrono::seconds limit, const std::stop_token& other)
      : on_other_(other, [this] { source_.request_stop(); }), timer_([this, limit](const std::stop_token& done) {
          std::mutex mutex;
          std::unique_lock lock(mutex);
          std::condition_variable_any ended;
          if (!ended.wait_for(lock, done, limit, [&] { return done.stop_requested(); })) {
            expired_ = true;
            source_.request_stop();
          }
        }) {}
  std::stop_token token() const { return source_.get_token(); }
  bool expired() const { return expired_; }

 private:
  std::stop_source source_;
  std::atomic<bool> expired_{false};
  std::stop_callback<std::function<void()>> on_other_;
  std::jthread timer_;
};

std::string answer_as_json(const engine::ResultSet& answer, std::int64_t rows_max, std::int64_t micros) {
  const std::int64_t rows = std::min(answer.row_count(), rows_max);
  std::string json = "{\"columns\":[";
  const auto& columns = answer.columns();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    json += fmt::format("{}{{\"name\":{},\"type\":{}}}", i == 0 ? "" : ",", engine::to_json_string(columns[i].name),
                        engine::to_json_string(columns[i].type));
  }
  json += "],\"rows\":[";
  for (std::int64_t row = 0; row < rows; ++row) {
    json += row == 0 ? "[" : ",[";
    for (std::size_t column = 0; column < columns.size(); ++column) {
      if (column != 0)
        json += ',';
      json += engine::to_json(answer.value(row, column));
    }
    json += ']';
  }
  json += fmt::format("],\"row_count\":{},\"truncated\":{},\"seconds\":{:.6f}}}", answer.row_count(),
                      answer.row_count() > rows, static_cast<double>(micros) / 1e6);
  return json;
}

}  // namespace

struct QueryApi::State {
  catalog::Catalog& catalog;
  OpenEngine open_engine;
  QueryLimits limits;
  std::atomic<int> running{0};
  std::stop_source stop;

  Result<http::Response> answer(const http::Request& request) {
    const Question question = SHOPLAKE_TRY(parse_question(request, limits));
    const auto began = std::chrono::steady_clock::now();
    auto database = SHOPLAKE_TRY(open_engine());
    auto runner = SHOPLAKE_TRY(query::QueryRunner::prepare(std::move(database), catalog, question.sql));
    Deadline deadline(std::chrono::seconds(limits.seconds_max), stop.get_token());
    const auto rows = runner->run(deadline.token());
    if (!rows.ok() && deadline.expired()) {
      return make_error(ErrorKind::failed, "serve.query_timeout",
                        fmt::format("the query took longer than {} seconds", limits.seconds_max),
                        "read fewer rows, or run it with `shoplake query`, which has no such limit");
    }
    if (!rows.ok())
      return rows.error();
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began).count();
    http::Response response = http::json_response(answer_as_json(*rows, question.rows_max, micros));
    response.set("Cache-Control", "no-store");
    return response;
  }
};

QueryApi::QueryApi(catalog::Catalog& catalog, OpenEngine open_engine, QueryLimits limits)
    : state_(new State{
          .catalog = catalog, .open_engine = std::move(open_engine), .limits = limits, .running = {}, .stop = {}}) {}
QueryApi::~QueryApi() { stop(); }

void QueryApi::stop() { state_->stop.request_stop(); }

std::string QueryApi::sql_of(const http::Request& request) {
  auto question = parse_question(request, {});
  return question.ok() ? std::move(question).value().sql : std::string();
}

http::Response QueryApi::respond(const http::Request& request) {
  if (++state_->running > state_->limits.running_max || state_->stop.stop_requested()) {
    --state_->running;
    http::Response busy = http::error_response(
        503, "serve.busy", fmt::format("{} queries are running already", state_->limits.running_max),
        "try again when one has ended");
    busy.set("Retry-After", "1");
    return busy;
  }
  auto answered = state_->answer(request);
  --state_->running;
  return answered.ok() ? std::move(answered).value() : http::error_response(answered.error());
}

}  // namespace shoplake::serve
