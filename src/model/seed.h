// Seeds: a CSV file as a query. Columns without a configured type are typed as dbt does it, by looking at all values:
// boolean (true/false), integer (INTEGER, or BIGINT where it does not fit), number (DOUBLE), date, timestamp, else
// text. Empty and `null` are NULL.
#pragma once

#include <string>

#include "engine/session.h"
#include "model/manifest.h"

namespace shoplake::model {

// A query over the file that gives its rows with their types. The file must exist for as long as the query is used.
// Errors: model.seed (kind failed) with the file's name; a column_types entry that no column has.
Result<std::string> seed_query(engine::Session& session, const Node& seed);

}  // namespace shoplake::model
