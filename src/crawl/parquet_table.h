// Parquet files as they lie, as an Iceberg table: nothing is rewritten. Footers give columns, row counts and bounds;
// paths give partition values; the table's name mapping says which column of a file is which field, since such files
// have no field ids. Source: https://iceberg.apache.org/spec/#column-projection, "Name Mapping Serialization".
#pragma once

#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "crawl/store.h"
#include "engine/session.h"

namespace shoplake::crawl {

// The columns of Parquet files, by path; files that cannot be read get a problem instead.
struct Footer {
  Columns columns;
  std::string problem;
};
Result<std::vector<Footer>> read_footers(engine::Session& session, const std::vector<std::string>& paths);

// Makes the table of `state` what it is in the catalog: creates it, appends files that it does not have, removes those
// that are gone or changed, evolves its columns. `folder` is absolute. One commit. Errors: crawl.not_registered
// (failed): the table is shoplake's own or another engine's, or its columns cannot become the wanted ones.
struct ParquetTable {
  catalog::Catalog* catalog = nullptr;
  engine::Session* session = nullptr;
  catalog::TableIdentifier table;
  std::string folder;
  const TableState* state = nullptr;
  std::vector<std::string> added;    // paths of objects that are new or changed
  std::vector<std::string> removed;  // that are gone or changed
};
Result<void> register_parquet(const ParquetTable& table);

inline constexpr const char* kRegisteredProperty = "shoplake.registered-from";  // the folder, below the lake's root

}  // namespace shoplake::crawl
