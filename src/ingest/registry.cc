#include "ingest/registry.h"

#include <fmt/format.h>

namespace shoplake::ingest {

namespace {

constexpr std::string_view kTables = R"sql(
create table if not exists loaded_object (
  dataset text not null,
  md5 text not null,
  size_bytes integer not null,
  source_name text not null,
  raw_object text not null,
  rows integer not null,
  rejected integer not null,
  loaded_at_micros integer not null,
  primary key (dataset, md5, size_bytes)
) strict, without rowid;
create index if not exists loaded_object_by_size on loaded_object (dataset, size_bytes);
create table if not exists raw_object (
  path text primary key,
  dataset text not null,
  md5 text not null,
  size_bytes integer not null
) strict, without rowid;
)sql";

// "ga4.ndjson.gz" → "ga4-1a2b3c4d.ndjson.gz".
std::string with_suffix(const std::string& file_name, std::string_view suffix) {
  const std::size_t dot = file_name.find('.', 1);
  if (dot == std::string::npos)
    return fmt::format("{}-{}", file_name, suffix);
  return fmt::format("{}-{}{}", file_name.substr(0, dot), suffix, file_name.substr(dot));
}

std::string raw_path(const std::string& dataset, const std::string& day, const std::string& file_name) {
  return fmt::format("raw/{}/date={}/{}", dataset, day, file_name);
}

// What is reserved for a path.
Result<std::optional<Content>> content_at(io::Database& database, const std::string& path) {
  io::Statement select =
      SHOPLAKE_TRY(database.prepare("select dataset, md5, size_bytes from raw_object where path = ?1"));
  select.bind(1, std::string_view(path));
  if (!SHOPLAKE_TRY(select.step()))
    return std::optional<Content>();
  return std::optional(Content{select.text(0), select.text(1), static_cast<std::uint64_t>(select.integer(2))});
}

struct RawPath {
  std::string path;
  bool is_reserved = false;  // for this content
};
Result<RawPath> choose_raw_path(io::Database& database, const Content& content, const std::string& day,
                                const std::string& file_name) {
  const std::string names[] = {file_name, with_suffix(file_name, std::string_view(content.md5).substr(0, 8)),
                               with_suffix(file_name, content.md5)};
  for (const std::string& name : names) {
    std::string path = raw_path(content.dataset, day, name);
    const std::optional<Content> there = SHOPLAKE_TRY(content_at(database, path));
    if (!there || (there->md5 == content.md5 && there->size_bytes == content.size_bytes))
      return RawPath{std::move(path), there.has_value()};
  }
  return base::make_error(
      base::ErrorKind::environment, "ingest.no_raw_path",
      fmt::format("there is no free name for {} in raw/{}/date={}", file_name, content.dataset, day),
      "Name the file differently.");
}

}  // namespace

Result<void> prepare_registry(io::Database& database) {
  {
    io::Statement known = SHOPLAKE_TRY(
        database.prepare("select count(*) from sqlite_schema where name in ('loaded_object', 'loaded_object_by_size', "
                         "'raw_object')"));
    if (SHOPLAKE_TRY(known.step()) && known.integer(0) == 3)
      return {};
  }
  io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(database));
  SHOPLAKE_TRY(database.execute(kTables));
  return transaction.commit();
}

Result<std::optional<LoadedObject>> find_loaded(io::Database& database, const Content& content) {
  io::Statement statement =
      SHOPLAKE_TRY(database.prepare("select source_name, raw_object, rows, rejected, loaded_at_micros from "
                                    "loaded_object where dataset = ?1 and md5 = ?2 and size_bytes = ?3"));
  statement.bind(1, std::string_view(content.dataset))
      .bind(2, std::string_view(content.md5))
      .bind(3, static_cast<std::int64_t>(content.size_bytes));
  if (!SHOPLAKE_TRY(statement.step()))
    return std::optional<LoadedObject>();
  LoadedObject object;
  object.content = content;
  object.source_name = statement.text(0);
  object.raw_object = statement.text(1);
  object.rows = statement.integer(2);
  object.rejected = statement.integer(3);
  object.loaded_at_micros = statement.integer(4);
  return std::optional<LoadedObject>(std::move(object));
}

Result<bool> is_size_loaded(io::Database& database, const std::string& dataset, std::uint64_t size_bytes) {
  io::Statement statement =
      SHOPLAKE_TRY(database.prepare("select 1 from loaded_object where dataset = ?1 and size_bytes = ?2 limit 1"));
  statement.bind(1, std::string_view(dataset)).bind(2, static_cast<std::int64_t>(size_bytes));
  return statement.step();
}

Result<void> record_loaded(io::Database& database, const LoadedObject& object) {
  io::Statement statement =
      SHOPLAKE_TRY(database.prepare("insert or ignore into loaded_object (dataset, md5, size_bytes, source_name, "
                                    "raw_object, rows, rejected, loaded_at_micros) "
                                    "values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
  statement.bind(1, std::string_view(object.content.dataset))
      .bind(2, std::string_view(object.content.md5))
      .bind(3, static_cast<std::int64_t>(object.content.size_bytes))
      .bind(4, std::string_view(object.source_name))
      .bind(5, std::string_view(object.raw_object))
      .bind(6, object.rows)
      .bind(7, object.rejected)
      .bind(8, object.loaded_at_micros);
  if (SHOPLAKE_TRY(statement.run()) == 0) {
    return base::make_error(base::ErrorKind::already_exists, std::string(kAlreadyLoaded),
                            fmt::format("{} was loaded by another process meanwhile", object.source_name));
  }
  return {};
}

Result<void> forget_loaded(io::Database& database, const Content& content) {
  io::Statement statement =
      SHOPLAKE_TRY(database.prepare("delete from loaded_object where dataset = ?1 and md5 = ?2 and size_bytes = ?3"));
  statement.bind(1, std::string_view(content.dataset))
      .bind(2, std::string_view(content.md5))
      .bind(3, static_cast<std::int64_t>(content.size_bytes));
  SHOPLAKE_TRY(statement.run());
  return {};
}

Result<bool> is_placed(io::Database& database, const std::string& path, std::uint64_t size_bytes) {
  io::Statement statement =
      SHOPLAKE_TRY(database.prepare("select count(*) from raw_object where path = ?1 and size_bytes = ?2"));
  statement.bind(1, std::string_view(path)).bind(2, static_cast<std::int64_t>(size_bytes));
  return SHOPLAKE_TRY(statement.step()) && statement.integer(0) > 0;
}

Result<std::optional<std::string>> expected_raw_path(io::Database& database, const Content& content,
                                                     const std::string& day, const std::string& file_name) {
  if (content.md5.empty()) {
    std::string path = raw_path(content.dataset, day, file_name);
    const bool is_free = !SHOPLAKE_TRY(content_at(database, path));
    return is_free ? std::optional(std::move(path)) : std::nullopt;
  }
  return std::optional(SHOPLAKE_TRY(choose_raw_path(database, content, day, file_name)).path);
}

Result<std::string> reserve_raw_path(io::Database& database, const Content& content, const std::string& day,
                                     const std::string& file_name) {
  io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(database));
  RawPath chosen = SHOPLAKE_TRY(choose_raw_path(database, content, day, file_name));
  if (chosen.is_reserved)
    return std::move(chosen.path);
  io::Statement insert =
      SHOPLAKE_TRY(database.prepare("insert into raw_object (path, dataset, md5, size_bytes) values (?1, ?2, ?3, ?4)"));
  insert.bind(1, std::string_view(chosen.path))
      .bind(2, std::string_view(content.dataset))
      .bind(3, std::string_view(content.md5))
      .bind(4, static_cast<std::int64_t>(content.size_bytes));
  SHOPLAKE_TRY(insert.run());
  SHOPLAKE_TRY(transaction.commit());
  return std::move(chosen.path);
}

}  // namespace shoplake::ingest
