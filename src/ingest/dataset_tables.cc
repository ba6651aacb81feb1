#include "ingest/dataset_tables.h"

#include <utility>
#include <vector>

#include "ingest/table_schema.h"
#include "transform/transform.h"

namespace shoplake::ingest {
namespace {

base::Result<void> create_absent(catalog::Catalog& catalog, const catalog::TableIdentifier& table,
                                 const std::vector<transform::Column>& columns, std::vector<std::string> partition_by) {
  if (SHOPLAKE_TRY(catalog.table_exists(table)))
    return {};
  auto created = catalog.create_table(
      table, catalog::CreateTable{table_schema(columns), std::move(partition_by), {}, std::nullopt});
  if (!created.ok() && created.error().kind != base::ErrorKind::already_exists)
    return std::move(created).error();
  return {};
}

}  // namespace

base::Result<DatasetTables> dataset_tables(const contract::Contract& contract) {
  DatasetTables tables;
  tables.table = SHOPLAKE_TRY(catalog::parse_table_identifier(contract.table));
  tables.quarantine = {catalog::Namespace{{"quarantine"}}, contract.dataset};
  return tables;
}

base::Result<DatasetTables> create_dataset_tables(catalog::Catalog& catalog, const contract::Contract& contract) {
  DatasetTables tables = SHOPLAKE_TRY(dataset_tables(contract));
  SHOPLAKE_TRY(create_absent(catalog, tables.table, transform::table_columns(contract), contract.partitioning.columns));
  SHOPLAKE_TRY(create_quarantine_table(catalog, tables.quarantine));
  return tables;
}

base::Result<void> create_quarantine_table(catalog::Catalog& catalog, const catalog::TableIdentifier& table) {
  return create_absent(catalog, table, transform::quarantine_columns(), {});
}

}  // namespace shoplake::ingest
