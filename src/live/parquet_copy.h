// Writing Parquet through the engine, and making what was written durable.
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

// COPYs a query's rows, in their order, into one new file; `schema` gives the field ids. The file is not synced.
Result<transform::DataFile> copy_rows(engine::Session& session, const std::string& query, const catalog::Schema& schema,
                                      const std::string& path);

// The same for position deletes: a query of file_path and pos, sorted by them.
Result<transform::DataFile> copy_position_deletes(engine::Session& session, const std::string& query,
                                                  const std::string& path);

// Makes files that the engine wrote durable with their names; several at a time, since most of it is waiting.
Result<void> sync_files(io::Env& env, const std::vector<std::string>& paths);

void remove_files(io::Env& env, const std::vector<std::string>& paths);  // what can be removed

}  // namespace shoplake::live
