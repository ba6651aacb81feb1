// How old the sources are, and what the relations of a project look like: what `source freshness` and `docs` tell.
#pragma once

#include "engine/session.h"
#include "io/env.h"
#include "model/artifacts.h"
#include "model/lake.h"

namespace shoplake::model {

// The newest loaded_at_field of a source against its rules. Without a loaded_at_field the time of the table's last
// commit counts. What goes wrong is in the result (status "runtime error").
FreshnessResult check_freshness(const Source& source, Lake& lake, engine::Session& session, io::Env& env);

// Every model, seed and source that exists, with columns, types and size.
Result<std::vector<CatalogEntry>> describe_catalog(const Manifest& manifest, Lake& lake, engine::Session& session);

}  // namespace shoplake::model
