#include "ingest/file_registry.h"

namespace shoplake::ingest {

namespace {

constexpr std::string_view kTables = R"sql(
create table if not exists ingested_file (
  dataset text not null,
  date text not null,
  name text not null,
  state text not null,
  reason text not null,
  message text not null,
  source_name text not null,
  object text not null,
  md5 text not null,
  size_bytes integer not null,
  modified_micros integer not null,
  rows integer not null,
  rejected integer not null,
  at_micros integer not null,
  primary key (dataset, date, name)
) strict, without rowid;
create index if not exists ingested_file_object on ingested_file (object);
create table if not exists object_data_file (
  object text not null,
  table_name text not null,
  path text not null,
  primary key (object, path)
) strict, without rowid;
)sql";

constexpr std::string_view kColumns =
    "dataset, date, name, state, reason, message, source_name, object, md5, size_bytes, modified_micros, rows, "
    "rejected, "
    "at_micros";

FileState state_of(std::string_view text) {
  return text == "loaded"      ? FileState::loaded
         : text == "duplicate" ? FileState::duplicate
         : text == "blocked"   ? FileState::blocked
                               : FileState::rejected;
}

FileRecord record_of(io::Statement& row) {
  FileRecord file;
  file.key = {std::string(row.text(0)), std::string(row.text(1)), std::string(row.text(2))};
  file.state = state_of(row.text(3));
  file.reason = row.text(4);
  file.message = row.text(5);
  file.source_name = row.text(6);
  file.object = row.text(7);
  file.md5 = row.text(8);
  file.size_bytes = static_cast<std::uint64_t>(row.integer(9));
  file.modified_micros = row.integer(10);
  file.rows = row.integer(11);
  file.rejected = row.integer(12);
  file.at_micros = row.integer(13);
  return file;
}

}  // namespace

std::string_view name(FileState state) {
  switch (state) {
    case FileState::loaded: return "loaded";
    case FileState::duplicate: return "duplicate";
    case FileState::blocked: return "blocked";
    case FileState::rejected: break;
  }
  return "rejected";
}

Result<void> prepare_file_registry(io::Database& database) {
  {
    io::Statement known = SHOPLAKE_TRY(
        database.prepare("select count(*) from sqlite_schema where name in ('ingested_file', 'object_data_file')"));
    if (SHOPLAKE_TRY(known.step()) && known.integer(0) == 2)
      return {};
  }
  io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(database));
  SHOPLAKE_TRY(database.execute(kTables));
  return transaction.commit();
}

Result<std::optional<FileRecord>> find_file(io::Database& database, const FileKey& key) {
  io::Statement statement = SHOPLAKE_TRY(database.prepare(
      "select " + std::string(kColumns) + " from ingested_file where dataset = ?1 and date = ?2 and name = ?3"));
  statement.bind(1, std::string_view(key.dataset))
      .bind(2, std::string_view(key.date))
      .bind(3, std::string_view(key.name));
  if (!SHOPLAKE_TRY(statement.step()))
    return std::optional<FileRecord>();
  return std::optional<FileRecord>(record_of(statement));
}

Result<std::optional<FileRecord>> find_file_at(io::Database& database, const std::string& object) {
  io::Statement statement =
      SHOPLAKE_TRY(database.prepare("select " + std::string(kColumns) +
                                    " from ingested_file where object = ?1 or (state = "
                                    "'rejected' and source_name = ?1) order by at_micros desc limit 1"));
  statement.bind(1, std::string_view(object));
  if (!SHOPLAKE_TRY(statement.step()))
    return std::optional<FileRecord>();
  return std::optional<FileRecord>(record_of(statement));
}

Result<void> record_file(io::Database& database, const FileRecord& file) {
  io::Statement statement =
      SHOPLAKE_TRY(database.prepare("insert or replace into ingested_file (" + std::string(kColumns) +
                                    ") values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"));
  statement.bind(1, std::string_view(file.key.dataset))
      .bind(2, std::string_view(file.key.date))
      .bind(3, std::string_view(file.key.name))
      .bind(4, name(file.state))
      .bind(5, std::string_view(file.reason))
      .bind(6, std::string_view(file.message))
      .bind(7, std::string_view(file.source_name))
      .bind(8, std::string_view(file.object))
      .bind(9, std::string_view(file.md5))
      .bind(10, static_cast<std::int64_t>(file.size_bytes))
      .bind(11, file.modified_micros)
      .bind(12, file.rows)
      .bind(13, file.rejected)
      .bind(14, file.at_micros);
  SHOPLAKE_TRY(statement.run());
  return {};
}

Result<void> forget_file(io::Database& database, const FileRecord& file) {
  io::Statement statement = SHOPLAKE_TRY(database.prepare(
      "delete from ingested_file where dataset = ?1 and date = ?2 and name = ?3 and object = ?4 and state "
      "= ?5"));
  statement.bind(1, std::string_view(file.key.dataset))
      .bind(2, std::string_view(file.key.date))
      .bind(3, std::string_view(file.key.name))
      .bind(4, std::string_view(file.object))
      .bind(5, name(file.state));
  SHOPLAKE_TRY(statement.run());
  return {};
}

std::string_view given_name(const FileRecord& file) {
  std::string_view name = file.key.name;
  const std::string_view ending = file.state == FileState::rejected  ? kRejectedEnding
                                  : file.state == FileState::blocked ? kBlockedEnding
                                                                     : std::string_view();
  if (name.ends_with(ending))
    name.remove_suffix(ending.size());
  return name;
}

Result<std::vector<FileRecord>> list_files(io::Database& database, const FileFilter& filter) {
  std::string sql = "select " + std::string(kColumns) + " from ingested_file where (?1 = '' or dataset = ?1)";
  if (filter.refused)
    sql += " and state in ('rejected', 'blocked') and (?2 = '' or reason = ?2) and instr(object, ?3) > 0";
  io::Statement statement = SHOPLAKE_TRY(database.prepare(sql + " order by dataset, date, name"));
  statement.bind(1, std::string_view(filter.dataset));
  if (filter.refused)
    statement.bind(2, std::string_view(filter.reason)).bind(3, std::string_view(filter.object_part));
  std::vector<FileRecord> files;
  while (SHOPLAKE_TRY(statement.step()))
    files.push_back(record_of(statement));
  return files;
}

Result<void> record_object_files(io::Database& database, const std::string& object,
                                 const std::vector<ObjectFile>& files) {
  for (const ObjectFile& file : files) {
    io::Statement statement = SHOPLAKE_TRY(
        database.prepare("insert or replace into object_data_file (object, table_name, path) values (?1, ?2, ?3)"));
    statement.bind(1, std::string_view(object))
        .bind(2, std::string_view(file.table))
        .bind(3, std::string_view(file.path));
    SHOPLAKE_TRY(statement.run());
  }
  return {};
}

Result<std::vector<ObjectFile>> object_files(io::Database& database, const std::string& object) {
  io::Statement statement =
      SHOPLAKE_TRY(database.prepare("select table_name, path from object_data_file where object = ?1 order by path"));
  statement.bind(1, std::string_view(object));
  std::vector<ObjectFile> files;
  while (SHOPLAKE_TRY(statement.step()))
    files.push_back({std::string(statement.text(0)), std::string(statement.text(1))});
  return files;
}

Result<void> forget_object_files(io::Database& database, const std::string& object) {
  io::Statement statement = SHOPLAKE_TRY(database.prepare("delete from object_data_file where object = ?1"));
  statement.bind(1, std::string_view(object));
  SHOPLAKE_TRY(statement.run());
  return {};
}

}  // namespace shoplake::ingest
