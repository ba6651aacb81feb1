#include "wal/consumers.h"

#include <fmt/format.h>

#include <utility>

namespace shoplake::wal {

Result<void> prepare_consumers(io::Database& database) {
  return database.execute(
      "create table if not exists wal_consumers ("
      " name text not null primary key,"
      " next_offset integer not null,"
      " moved_at_micros integer not null"
      ") without rowid");
}

Result<std::vector<Consumer>> list_consumers(io::Database& database) {
  auto statement =
      SHOPLAKE_TRY(database.prepare("select name, next_offset, moved_at_micros from wal_consumers order by name"));
  std::vector<Consumer> consumers;
  while (SHOPLAKE_TRY(statement.step())) {
    consumers.push_back({statement.text(0), static_cast<Offset>(statement.integer(1)), statement.integer(2)});
  }
  return consumers;
}

Result<std::optional<Offset>> find_consumer(io::Database& database, std::string_view name) {
  auto statement = SHOPLAKE_TRY(database.prepare("select next_offset from wal_consumers where name = ?"));
  if (!SHOPLAKE_TRY(statement.bind(1, name).step())) {
    return std::optional<Offset>();
  }
  return std::optional<Offset>(static_cast<Offset>(statement.integer(0)));
}

Result<Offset> ensure_consumer(io::Database& database, std::string_view name, Offset next, std::int64_t now_micros) {
  auto statement = SHOPLAKE_TRY(database.prepare(
      "insert into wal_consumers (name, next_offset, moved_at_micros) values (?, ?, ?) on conflict (name) do nothing"));
  SHOPLAKE_TRY(statement.bind(1, name).bind(2, next).bind(3, now_micros).run());
  return SHOPLAKE_TRY(find_consumer(database, name)).value_or(next);
}

Result<void> move_consumer(io::Database& database, std::string_view name, const Move& move, std::int64_t now_micros) {
  auto statement = SHOPLAKE_TRY(database.prepare(
      "update wal_consumers set next_offset = ?, moved_at_micros = ? where name = ? and next_offset = ?"));
  const auto changed =
      SHOPLAKE_TRY(statement.bind(1, move.to).bind(2, now_micros).bind(3, name).bind(4, move.from).run());
  if (changed == 0) {
    return base::make_error(
        base::ErrorKind::conflict, "wal.consumer_moved",
        fmt::format("the log's consumer {} is no longer at offset {}: somebody else consumed from there", name,
                    move.from),
        "Only one process of a home may consume the log; stop the other one.");
  }
  return {};
}

Result<void> remove_consumer(io::Database& database, std::string_view name) {
  auto statement = SHOPLAKE_TRY(database.prepare("delete from wal_consumers where name = ?"));
  SHOPLAKE_TRY(statement.bind(1, name).run());
  return {};
}

Result<std::optional<Positions>> consumer_positions(io::Database& database) {
  auto statement = SHOPLAKE_TRY(database.prepare("select min(next_offset), max(next_offset) from wal_consumers"));
  if (!SHOPLAKE_TRY(statement.step()) || statement.is_null(0)) {
    return std::optional<Positions>();
  }
  return std::optional(Positions{static_cast<Offset>(statement.integer(0)), static_cast<Offset>(statement.integer(1))});
}

}  // namespace shoplake::wal
