// External tables of Redshift Spectrum and Athena over the Parquet files of a lake table, as of one snapshot.
//
// A table's folder also holds files of other snapshots, so the statement names a list of the files that count: a
// manifest for Spectrum, a symlink list for Athena, written beside the table's data. A snapshot with delete files
// cannot be read so (error warehouse.has_deletes, kind usage). Pure functions. Sources:
// https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_EXTERNAL_TABLE.html
// https://docs.aws.amazon.com/athena/latest/ug/create-table.html
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "warehouse/column.h"

namespace shoplake::warehouse {

struct ExternalFile {
  std::string url;  // "s3://bucket/prefix/processed/events/data/x.parquet"
  std::int64_t size_bytes = 0;
};

struct ExternalTable {
  Dialect dialect = Dialect::athena;  // or spectrum
  TableName name;
  std::vector<Column> columns;
  std::string location;  // of the list: the manifest itself (Spectrum), or the folder of the symlink list (Athena)
};

std::string create_statement(const ExternalTable& table);

// The list's content.
std::string file_list(Dialect dialect, const std::vector<ExternalFile>& files);

}  // namespace shoplake::warehouse
