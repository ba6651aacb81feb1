// TableFiles: the data and delete files of one table that live writes to, and which of a data file's rows are deleted.
// A value that follows the table's snapshots; the hot rows name files by their numbers here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "transform/data_file.h"

namespace shoplake::live {

using base::Result;

struct TableFiles {
  struct File {
    std::string path;
    std::int64_t rows = 0;
    std::int64_t deleted_rows = 0;  // of a data file
    std::int64_t bytes = 0;
    std::vector<transform::PartitionValue> partition;
  };
  std::map<std::int32_t, File> data;  // by number
  std::vector<File> deletes;
  std::int32_t next_number = 0;
  std::optional<std::int64_t> snapshot_id;  // that they are of

  std::int32_t add(const transform::DataFile& file);
  std::int64_t live_rows() const;          // those that are not deleted
  std::vector<std::string> paths() const;  // of all
};

// The files of a table's current snapshot. Deleted rows are counted from the delete files. Error
// live.unsupported_table (kind failed): it has equality deletes, which only other engines write.
Result<TableFiles> list_table_files(catalog::Catalog& catalog, const catalog::Table& table, engine::Session& session);

}  // namespace shoplake::live
