// The view that makes a folder of raw objects a table: schema-on-read. SQL over read_csv(), read_json() and
// read_parquet() with the merged columns, so that a query finds the same columns whatever a single object has; what an
// object does not have is null, what does not fit its column is an error that names it. Partition keys are columns, and
// _shoplake_source_object says which object a row came from.
//
// The view names patterns of paths, not objects: objects that come later in the same places are read at once, those
// that are gone are not missed.
#pragma once

#include <map>
#include <string>

#include "crawl/columns.h"
#include "crawl/store.h"

namespace shoplake::crawl {

inline constexpr const char* kSourceColumn = "_shoplake_source_object";

// Column types of the partition keys, from their values: int or long where all are whole numbers, date where all are
// dates, else string. In the order of the folders.
Columns partition_columns(const std::map<std::string, KnownObject>& objects);

struct ExternalView {
  std::string sql;
  Columns columns;  // as the view has them, with partition keys and the source column
};

// `folder`: absolute, or in an object store, where the engine expands no patterns and the view names each object: new
// ones are seen after the next crawl. Needs at least one object whose format is known.
ExternalView external_view(const std::string& folder, const TableState& state);

}  // namespace shoplake::crawl
