// What compaction does next, decided from a table's files alone. Internal to maintain/.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "catalog/catalog.h"

namespace shoplake::maintain {

// What the delete files of a snapshot say about its data files.
struct DeletedRows {
  std::map<std::string, std::int64_t> rows;            // by data file: rows that position deletes hide
  std::map<std::string, std::vector<std::string>> of;  // by position delete file: the data files that it names
};

// Files of one partition that become fewer.
struct Bin {
  std::vector<transform::PartitionValue> partition;
  std::vector<std::string> paths;  // data files, in the table's order
  std::int64_t rows = 0;           // with deleted ones
  std::int64_t bytes = 0;
};

// What one commit does.
struct Group {
  std::vector<Bin> bins;
  std::vector<std::string> spent_deletes;  // delete files that hide nothing once the bins are written anew
  std::int64_t bytes = 0;
};

struct PlanOptions {
  std::int64_t target_file_bytes = 0;
  bool all_files = false;
  std::set<std::string> done;  // files that all_files does not mean
  std::int32_t spec_id = 0;    // files of other specs are left alone
};

// All groups, each planned as if those before it were committed. Empty: there is nothing to do.
std::vector<Group> plan_groups(const std::vector<catalog::Catalog::StoredFile>& files, const DeletedRows& deleted,
                               const PlanOptions& options);

}  // namespace shoplake::maintain
