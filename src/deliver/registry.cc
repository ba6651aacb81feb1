#include "deliver/registry.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

namespace shoplake::deliver {
namespace {

constexpr std::string_view kColumns =
    "object, stream, first_offset, last_offset, records, payload_bytes, compression, first_received_at_micros,"
    " last_received_at_micros, cut_at_micros, is_error, bytes, md5, delivered_at_micros";

Result<std::vector<DeliveredObject>> read_objects(io::Statement& statement) {
  std::vector<DeliveredObject> objects;
  while (SHOPLAKE_TRY(statement.step())) {
    DeliveredObject object;
    object.object = statement.text(0);
    object.stream = statement.text(1);
    object.first = static_cast<wal::Offset>(statement.integer(2));
    object.last = static_cast<wal::Offset>(statement.integer(3));
    object.records = static_cast<std::uint64_t>(statement.integer(4));
    object.payload_bytes = static_cast<std::uint64_t>(statement.integer(5));
    object.compression = statement.text(6) == name(Compression::none) ? Compression::none : Compression::gzip;
    object.first_received_at_micros = statement.integer(7);
    object.last_received_at_micros = statement.integer(8);
    object.cut_at_micros = statement.integer(9);
    object.is_error = statement.integer(10) != 0;
    object.bytes = static_cast<std::uint64_t>(statement.integer(11));
    object.md5 = statement.text(12);
    object.delivered_at_micros = statement.integer(13);
    objects.push_back(std::move(object));
  }
  return objects;
}

}  // namespace

Result<void> prepare_registry(io::Database& database) {
  return database.execute(
      "create table if not exists delivered_object ("
      " object text not null primary key,"
      " stream text not null,"
      " first_offset integer not null,"
      " last_offset integer not null,"
      " records integer not null,"
      " payload_bytes integer not null,"
      " compression text not null,"
      " first_received_at_micros integer not null,"
      " last_received_at_micros integer not null,"
      " cut_at_micros integer not null,"
      " is_error integer not null default 0,"
      " bytes integer,"
      " md5 text,"
      " delivered_at_micros integer,"
      " unique (stream, first_offset)"
      ");"
      "create index if not exists delivered_object_by_offset on delivered_object (last_offset);"
      "create index if not exists delivered_object_waiting on delivered_object (first_offset)"
      " where delivered_at_micros is null");
}

Result<void> insert_cut(io::Database& database, const DeliveredObject& object) {
  auto statement = SHOPLAKE_TRY(database.prepare(
      "insert into delivered_object (object, stream, first_offset, last_offset, records, payload_bytes, compression,"
      " first_received_at_micros, last_received_at_micros, cut_at_micros) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  statement.bind(1, object.object)
      .bind(2, object.stream)
      .bind(3, object.first)
      .bind(4, object.last)
      .bind(5, object.records)
      .bind(6, object.payload_bytes)
      .bind(7, name(object.compression))
      .bind(8, object.first_received_at_micros)
      .bind(9, object.last_received_at_micros)
      .bind(10, object.cut_at_micros);
  SHOPLAKE_TRY(statement.run());
  return {};
}

Result<void> redirect_cut(io::Database& database, std::string_view object, std::string_view new_object) {
  auto statement =
      SHOPLAKE_TRY(database.prepare("update delivered_object set object = ?, is_error = 1 where object = ?"));
  SHOPLAKE_TRY(statement.bind(1, new_object).bind(2, object).run());
  return {};
}

Result<void> complete_cut(io::Database& database, const DeliveredObject& object) {
  auto statement = SHOPLAKE_TRY(database.prepare(
      "update delivered_object set records = ?, payload_bytes = ?, bytes = ?, md5 = ?, delivered_at_micros = ?"
      " where object = ? and delivered_at_micros is null"));
  const auto changed = SHOPLAKE_TRY(statement.bind(1, object.records)
                                        .bind(2, object.payload_bytes)
                                        .bind(3, object.bytes)
                                        .bind(4, object.md5)
                                        .bind(5, object.delivered_at_micros)
                                        .bind(6, object.object)
                                        .run());
  if (changed == 0) {
    return base::make_error(base::ErrorKind::conflict, "deliver.delivered_by_another",
                            fmt::format("the raw object {} is delivered already, or is not to be", object.object),
                            "Only one process of a home may deliver; stop the other one.");
  }
  return {};
}

Result<void> drop_cut(io::Database& database, std::string_view object) {
  auto statement =
      SHOPLAKE_TRY(database.prepare("delete from delivered_object where object = ? and delivered_at_micros is null"));
  SHOPLAKE_TRY(statement.bind(1, object).run());
  return {};
}

Result<std::vector<DeliveredObject>> list_cuts(io::Database& database) {
  auto statement = SHOPLAKE_TRY(database.prepare(fmt::format(
      "select {} from delivered_object where delivered_at_micros is null order by first_offset", kColumns)));
  return read_objects(statement);
}

Result<std::vector<StreamPosition>> delivered_positions(io::Database& database, wal::Offset from) {
  auto statement =
      SHOPLAKE_TRY(database.prepare("select stream, max(last_offset) from delivered_object"
                                    " where last_offset >= ? and delivered_at_micros is not null group by stream"));
  statement.bind(1, from);
  std::vector<StreamPosition> positions;
  while (SHOPLAKE_TRY(statement.step())) {
    positions.push_back({statement.text(0), static_cast<wal::Offset>(statement.integer(1)) + 1});
  }
  return positions;
}

Result<std::vector<DeliveredObject>> list_delivered(io::Database& database, const ObjectFilter& filter) {
  auto statement = SHOPLAKE_TRY(database.prepare(
      fmt::format("select {} from delivered_object where delivered_at_micros is not null and (?1 = '' or stream = ?1)"
                  " and last_received_at_micros >= ?2 and first_received_at_micros < ?3 order by first_offset",
                  kColumns)));
  statement.bind(1, filter.stream)
      .bind(2, filter.received_from_micros.value_or(std::numeric_limits<std::int64_t>::min()))
      .bind(3, filter.received_to_micros.value_or(std::numeric_limits<std::int64_t>::max()));
  return read_objects(statement);
}

}  // namespace shoplake::deliver
