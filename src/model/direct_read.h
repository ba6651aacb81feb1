// Reading a table of the lake by naming its files. Binding iceberg_scan() reads metadata and manifests anew for every
// mention of a table in a query, with the statistics of every column; who reads the same tables again and again lists
// their files once.
#pragma once

#include <optional>
#include <string>

#include "catalog/catalog.h"
#include "engine/session.h"

namespace shoplake::model {

enum class DeletedRows {
  none,     // a table with delete files is left to iceberg_scan(), which is faster for many rows
  left_out  // by a join with the position deletes
};

// What stands for the table, at this metadata file, in a FROM clause. None where only iceberg_scan() can tell what its
// rows are, or why it cannot be read: only a table of which shoplake wrote every snapshot, with one schema, is the same
// as its files.
std::optional<std::string> direct_read(catalog::Catalog& catalog, engine::Session& session,
                                       const catalog::TableIdentifier& table, const std::string& metadata_location,
                                       DeletedRows deleted);

}  // namespace shoplake::model
