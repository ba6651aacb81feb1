#include "live/models_behind.h"

namespace shoplake::live {

Result<void> prepare_models_behind(io::Database& database) {
  return database.execute(
      "create table if not exists live_models_behind ("
      " id integer not null primary key check (id = 1),"
      " commits integer not null"
      ");"
      "insert into live_models_behind (id, commits) values (1, 0) on conflict (id) do nothing");
}

Result<std::int64_t> models_behind(io::Database& database) {
  auto statement = SHOPLAKE_TRY(database.prepare("select commits from live_models_behind"));
  return SHOPLAKE_TRY(statement.step()) ? statement.integer(0) : 0;
}

Result<void> add_models_behind(io::Database& database) {
  return database.execute("update live_models_behind set commits = commits + 1");
}

Result<void> settle_models_behind(io::Database& database, std::int64_t commits) {
  auto statement = SHOPLAKE_TRY(database.prepare("update live_models_behind set commits = max(commits - ?, 0)"));
  SHOPLAKE_TRY(statement.bind(1, commits).run());
  return {};
}

}  // namespace shoplake::live
