#include "crawl/store.h"

#include <set>
#include <unordered_map>

namespace shoplake::crawl {
namespace {

constexpr const char* kTables = R"sql(
CREATE TABLE IF NOT EXISTS crawl_table (
  name TEXT PRIMARY KEY,
  folder TEXT NOT NULL,
  columns TEXT NOT NULL,
  crawled_at_micros INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS crawl_columns (
  id INTEGER PRIMARY KEY,
  columns TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS crawl_object (
  name TEXT NOT NULL,
  path TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  modified_micros INTEGER NOT NULL,
  entity_tag TEXT NOT NULL,
  format TEXT NOT NULL,
  is_gzip INTEGER NOT NULL,
  delimiter TEXT NOT NULL,
  has_header INTEGER NOT NULL,
  columns_id INTEGER NOT NULL,
  problem TEXT NOT NULL,
  PRIMARY KEY (name, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS crawl_partition (
  name TEXT NOT NULL,
  partition TEXT NOT NULL,
  PRIMARY KEY (name, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS crawl_history (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  at_micros INTEGER NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS crawl_history_by_name ON crawl_history (name, id);
)sql";

// Ids of columns, which many objects share.
class ColumnIds {
 public:
  explicit ColumnIds(io::Database& database) : database_(database) {}

  Result<std::int64_t> id(const Columns& columns) {
    const std::string text = columns_to_json(columns);
    if (const auto known = ids_.find(text); known != ids_.end()) {
      return known->second;
    }
    auto insert =
        SHOPLAKE_TRY(database_.prepare("INSERT INTO crawl_columns (columns) VALUES (?1) ON CONFLICT DO NOTHING"));
    insert.bind(1, text);
    SHOPLAKE_TRY(insert.run());
    auto select = SHOPLAKE_TRY(database_.prepare("SELECT id FROM crawl_columns WHERE columns = ?1"));
    select.bind(1, text);
    SHOPLAKE_TRY(select.step());
    return ids_.emplace(text, select.integer(0)).first->second;
  }

 private:
  io::Database& database_;
  std::unordered_map<std::string, std::int64_t> ids_;
};

}  // namespace

Result<Store> Store::open(io::Database& database) {
  auto known = SHOPLAKE_TRY(database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'crawl_history_by_name'"));
  const bool exists = SHOPLAKE_TRY(known.step());
  known.reset();
  if (!exists) {
    auto transaction = SHOPLAKE_TRY(io::Transaction::begin(database));
    SHOPLAKE_TRY(database.execute(kTables));
    SHOPLAKE_TRY(transaction.commit());
  }
  return Store(database);
}

Result<std::vector<std::string>> Store::tables() {
  auto select = SHOPLAKE_TRY(database_->prepare("SELECT name FROM crawl_table ORDER BY name"));
  std::vector<std::string> names;
  while (SHOPLAKE_TRY(select.step())) {
    names.push_back(select.text(0));
  }
  return names;
}

Result<std::optional<TableState>> Store::load(const std::string& table) {
  auto select = SHOPLAKE_TRY(database_->prepare("SELECT folder, columns FROM crawl_table WHERE name = ?1"));
  select.bind(1, table);
  if (!SHOPLAKE_TRY(select.step())) {
    return std::optional<TableState>();
  }
  TableState state;
  state.folder = select.text(0);
  state.columns = SHOPLAKE_TRY(columns_from_json(select.text(1)));
  std::unordered_map<std::int64_t, Columns> columns;
  auto objects = SHOPLAKE_TRY(database_->prepare(
      "SELECT path, size_bytes, modified_micros, entity_tag, format, is_gzip, delimiter, has_header, "
      "columns_id, problem FROM crawl_object WHERE name = ?1"));
  objects.bind(1, table);
  while (SHOPLAKE_TRY(objects.step())) {
    KnownObject known;
    known.object = {objects.text(0), static_cast<std::uint64_t>(objects.integer(1)), objects.integer(2),
                    objects.text(3)};
    known.format = format_named(objects.text(4));
    known.is_gzip = objects.integer(5) != 0;
    const std::string delimiter = objects.text(6);
    known.delimiter = delimiter.empty() ? ',' : delimiter[0];
    known.has_header = objects.integer(7) != 0;
    const std::int64_t id = objects.integer(8);
    known.problem = objects.text(9);
    if (!columns.contains(id)) {
      auto one = SHOPLAKE_TRY(database_->prepare("SELECT columns FROM crawl_columns WHERE id = ?1"));
      one.bind(1, id);
      const bool found = SHOPLAKE_TRY(one.step());
      columns[id] = found ? SHOPLAKE_TRY(columns_from_json(one.text(0))) : Columns();
    }
    known.columns = columns[id];
    std::string path = known.object.path;
    state.objects.emplace(std::move(path), std::move(known));
  }
  auto partitions =
      SHOPLAKE_TRY(database_->prepare("SELECT partition FROM crawl_partition WHERE name = ?1 ORDER BY partition"));
  partitions.bind(1, table);
  while (SHOPLAKE_TRY(partitions.step())) {
    state.partitions.push_back(partitions.text(0));
  }
  return std::optional(std::move(state));
}

Result<void> Store::save(const Update& update) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  const TableState& state = *update.state;
  auto table = SHOPLAKE_TRY(database_->prepare(
      "INSERT INTO crawl_table (name, folder, columns, crawled_at_micros) VALUES (?1, ?2, ?3, ?4) ON "
      "CONFLICT (name) DO UPDATE SET folder = ?2, columns = ?3, crawled_at_micros = ?4"));
  table.bind(1, update.table).bind(2, state.folder).bind(3, columns_to_json(state.columns)).bind(4, update.now_micros);
  SHOPLAKE_TRY(table.run());

  auto remove = SHOPLAKE_TRY(database_->prepare("DELETE FROM crawl_object WHERE name = ?1 AND path = ?2"));
  for (const std::string& path : update.removed_objects) {
    remove.bind(1, update.table).bind(2, path);
    SHOPLAKE_TRY(remove.run());
  }
  ColumnIds ids(*database_);
  auto insert = SHOPLAKE_TRY(
      database_->prepare("INSERT OR REPLACE INTO crawl_object (name, path, size_bytes, modified_micros, entity_tag, "
                         "format, is_gzip, delimiter, has_header, columns_id, problem) VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
                         "?7, ?8, ?9, ?10, ?11)"));
  for (const std::string& path : update.written_objects) {
    const KnownObject& known = state.objects.at(path);
    insert.bind(1, update.table)
        .bind(2, path)
        .bind(3, static_cast<std::int64_t>(known.object.bytes))
        .bind(4, known.object.modified_micros)
        .bind(5, known.object.entity_tag)
        .bind(6, name(known.format))
        .bind(7, known.is_gzip ? 1 : 0)
        .bind(8, std::string(1, known.delimiter))
        .bind(9, known.has_header ? 1 : 0)
        .bind(10, SHOPLAKE_TRY(ids.id(known.columns)))
        .bind(11, known.problem);
    SHOPLAKE_TRY(insert.run());
  }

  auto forget = SHOPLAKE_TRY(database_->prepare("DELETE FROM crawl_partition WHERE name = ?1"));
  forget.bind(1, update.table);
  SHOPLAKE_TRY(forget.run());
  auto partition = SHOPLAKE_TRY(database_->prepare("INSERT INTO crawl_partition (name, partition) VALUES (?1, ?2)"));
  for (const std::string& one : state.partitions) {
    partition.bind(1, update.table).bind(2, one);
    SHOPLAKE_TRY(partition.run());
  }
  SHOPLAKE_TRY(note(update.table, update.changes, update.now_micros));
  return transaction.commit();
}

Result<void> Store::note(const std::string& table, const std::vector<Change>& changes, std::int64_t now_micros) {
  auto insert = SHOPLAKE_TRY(
      database_->prepare("INSERT INTO crawl_history (name, at_micros, kind, detail) VALUES (?1, ?2, ?3, ?4)"));
  for (const Change& change : changes) {
    insert.bind(1, table).bind(2, now_micros).bind(3, change.kind).bind(4, change.detail);
    SHOPLAKE_TRY(insert.run());
  }
  return {};
}

Result<void> Store::remove(const std::string& table, const std::vector<Change>& changes, std::int64_t now_micros) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  for (const char* sql : {"DELETE FROM crawl_object WHERE name = ?1", "DELETE FROM crawl_partition WHERE name = ?1",
                          "DELETE FROM crawl_table WHERE name = ?1"}) {
    auto forget = SHOPLAKE_TRY(database_->prepare(sql));
    forget.bind(1, table);
    SHOPLAKE_TRY(forget.run());
  }
  SHOPLAKE_TRY(note(table, changes, now_micros));
  return transaction.commit();
}

Result<std::vector<Store::HistoryEntry>> Store::history(const std::string& table) {
  auto select =
      SHOPLAKE_TRY(database_->prepare("SELECT at_micros, kind, detail FROM crawl_history WHERE name = ?1 ORDER BY id"));
  select.bind(1, table);
  std::vector<HistoryEntry> entries;
  while (SHOPLAKE_TRY(select.step())) {
    entries.push_back({table, select.integer(0), {select.text(1), select.text(2)}});
  }
  return entries;
}

}  // namespace shoplake::crawl
