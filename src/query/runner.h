// One user's query, from text to answer: an engine of its own with views of the lake as of one moment, locked down
// before the query runs. Reads only: a statement that writes, attaches, sets, loads or reads files is refused
// (query/guard.h). A QueryRunner belongs to one thread and runs one query.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "query/lake_views.h"
#include "query/point_in_time.h"

namespace shoplake::query {

class QueryRunner {
 public:
  // Errors from the catalog and the engine, those of LakeViews and of check_query(); nothing has run then.
  // query.unknown_table (kind not_found) comes from run() and says which one was probably meant.
  static Result<std::unique_ptr<QueryRunner>> prepare(std::unique_ptr<engine::Database> database,
                                                      catalog::Catalog& catalog, std::string sql,
                                                      std::optional<PointInTime> at = std::nullopt);
  ~QueryRunner();

  // The answer in memory. A stop ends it with engine.interrupted (kind cancelled).
  Result<engine::ResultSet> run(std::stop_token stop = {});

  // The answer as a stream of Arrow batches, given to `consume` and ended when that returns.
  Result<void> stream(const std::function<Result<void>(ArrowArrayStream*)>& consume, std::stop_token stop = {});

  // 0…100 of the running query, or -1. Any thread.
  double progress() const { return session_->progress(); }

 private:
  QueryRunner(std::unique_ptr<engine::Database> database, std::unique_ptr<engine::Session> session, LakeViews views,
              std::string sql);
  base::Error explained(base::Error error);

  std::unique_ptr<engine::Database> database_;
  std::unique_ptr<engine::Session> session_;
  LakeViews views_;
  std::string sql_;
};

}  // namespace shoplake::query
