// What a crawl remembers, in the control plane (docs/formats/catalog.md, "Crawls"): of each table the objects as they
// were read, their columns, the partitions, and a history of changes. save() is one transaction: a crawl that died
// before it does the same again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crawl/columns.h"
#include "crawl/inventory.h"
#include "crawl/sample.h"
#include "io/sqlite.h"

namespace shoplake::crawl {

struct KnownObject {
  Object object;
  Format format = Format::unknown;
  bool is_gzip = false;
  char delimiter = ',';
  bool has_header = true;
  Columns columns;
  std::string problem;
};

struct Change {
  std::string kind;  // table_added, column_added, type_changed, column_gone, partition_added, partition_gone, …
  std::string detail;
};

struct TableState {
  std::string folder;                          // below the lake's root: "raw/events"
  Columns columns;                             // as they are registered
  std::map<std::string, KnownObject> objects;  // by path
  std::vector<std::string> partitions;         // sorted
};

class Store {
 public:
  // Creates the tables if absent. The database must outlive the store.
  static Result<Store> open(io::Database& database);

  // `table`: "raw.events". None: it was never crawled.
  Result<std::optional<TableState>> load(const std::string& table);
  Result<std::vector<std::string>> tables();

  struct Update {
    std::string table;
    const TableState* state = nullptr;
    std::vector<std::string> removed_objects;
    std::vector<std::string> written_objects;  // of state->objects: new or changed
    std::vector<Change> changes;
    std::int64_t now_micros = 0;
  };
  Result<void> save(const Update& update);
  // The table is gone: only its history stays.
  Result<void> remove(const std::string& table, const std::vector<Change>& changes, std::int64_t now_micros);

  struct HistoryEntry {
    std::string table;
    std::int64_t at_micros = 0;
    Change change;
  };
  // Newest last.
  Result<std::vector<HistoryEntry>> history(const std::string& table);

 private:
  Result<void> note(const std::string& table, const std::vector<Change>& changes, std::int64_t now_micros);
  explicit Store(io::Database& database) : database_(&database) {}
  io::Database* database_;
};

}  // namespace shoplake::crawl
