// POST /api/query: one read-only SQL statement over the lake, as `shoplake query` runs it, with limits that suit a
// shared server. Thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "http/message.h"

namespace shoplake::serve {

struct QueryLimits {
  std::int64_t rows_default = 10'000;
  std::int64_t rows_max = 100'000;
  std::int64_t seconds_max = 60;
  int running_max = 2;  // each has an engine of its own
};

class QueryApi {
 public:
  using OpenEngine = std::function<base::Result<std::unique_ptr<engine::Database>>()>;
  QueryApi(catalog::Catalog& catalog, OpenEngine open_engine, QueryLimits limits = {});
  ~QueryApi();

  http::Response respond(const http::Request& request);
  // The statement that a request holds; empty if it holds none.
  static std::string sql_of(const http::Request& request);
  // Ends running queries and refuses new ones.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::serve
