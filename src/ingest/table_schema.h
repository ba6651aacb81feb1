// The Iceberg schemas of the tables that loads write, and the field ids that data files need.
#pragma once

#include <vector>

#include "catalog/table_metadata.h"
#include "transform/layout.h"

namespace shoplake::ingest {

// All columns are optional: a required field is checked by the contract before it is written.
catalog::Schema table_schema(const std::vector<transform::Column>& columns);

// Ids by path ("items.element.price") of a schema whose ids are assigned. Valid as long as the schema.
transform::FieldIds field_ids(const catalog::Schema& schema);

}  // namespace shoplake::ingest
