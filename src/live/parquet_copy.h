// Writing Parquet through the engine. What was written is made durable by io/sync_files.h.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/table_metadata.h"
#include "engine/session.h"
#include "io/env.h"
#include "transform/data_file.h"

namespace shoplake::live {

using base::Result;

// COPYs a query's rows, in their order, into one new file; `schema` gives the field ids; 0 rows a
// row group: the engine's default. The file is not synced.
Result<transform::DataFile> copy_rows(io::Env& env, engine::Session& session, const std::string& query,
                                      const catalog::Schema& schema, const std::string& path, int row_group_rows = 0);

// The same for position deletes: a query of file_path and pos, sorted by them.
Result<transform::DataFile> copy_position_deletes(io::Env& env, engine::Session& session, const std::string& query,
                                                  const std::string& path);

void remove_files(io::Env& env, const std::vector<std::string>& paths);  // what can be removed

}  // namespace shoplake::live
