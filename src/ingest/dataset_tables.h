// The tables of a dataset: the one its contract names, and quarantine.<dataset>.
#pragma once

#include "base/result.h"
#include "catalog/catalog.h"
#include "contract/contract.h"

namespace shoplake::ingest {

struct DatasetTables {
  catalog::TableIdentifier table;
  catalog::TableIdentifier quarantine;
};
base::Result<DatasetTables> dataset_tables(const contract::Contract& contract);

// Creates those of the two that are absent, empty, so that models and queries of a lake without data have an answer.
// Errors: the catalog's.
base::Result<DatasetTables> create_dataset_tables(catalog::Catalog& catalog, const contract::Contract& contract);

// Creates a quarantine table if it is absent.
base::Result<void> create_quarantine_table(catalog::Catalog& catalog, const catalog::TableIdentifier& table);

}  // namespace shoplake::ingest
