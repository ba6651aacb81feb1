// RowRemoval: the rows of one raw object out of a table, as a part of the commit that brings what takes their place.
//
// The object's own data files are removed as a whole. Where maintenance has merged them with others meanwhile, the rows
// are found by their source object and removed by position delete files.
#pragma once

#include <string>
#include <vector>

#include "app/app.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "ingest/file_registry.h"
#include "transform/data_file.h"

namespace shoplake::app {

struct RowRemoval {
  std::vector<std::string> removed_paths;    // data files
  std::vector<transform::DataFile> deletes;  // position delete files: durable, not referenced until the commit

  bool empty() const { return removed_paths.empty() && deletes.empty(); }
};

// `files`: those that the registry knows of the object in this table. Errors: the catalog's and the engine's.
base::Result<RowRemoval> plan_row_removal(App& app, const catalog::TableIdentifier& table, const std::string& object,
                                          const std::vector<std::string>& files);

// The same where the registry knows none of them: rows are found by their source object, in all files of the table.
base::Result<RowRemoval> plan_row_removal(App& app, const catalog::TableIdentifier& table, const std::string& object);

// Removes the delete files of a removal whose commit did not happen.
void discard(io::Env& env, const RowRemoval& removal);

}  // namespace shoplake::app
