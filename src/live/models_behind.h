// Whether the models' tables lack events that are in processed: in the control plane, how many commits added events
// without bringing the models along (table live_models_behind: one row, column commits). It is counted in the
// transaction of such a commit, so that it is true after a crash too, and taken back when the project's build has
// brought the models up.
//
// Functions run on the caller's thread, inside the caller's transaction if there is one. Errors: those of io/sqlite.h.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "io/sqlite.h"

namespace shoplake::live {

using base::Result;

// Creates the table if absent.
Result<void> prepare_models_behind(io::Database& database);

// 0: the models have all events that live brought in, but for late ones.
Result<std::int64_t> models_behind(io::Database& database);
Result<void> add_models_behind(io::Database& database);
// Takes back what models_behind() said before a build began: commits since then count on.
Result<void> settle_models_behind(io::Database& database, std::int64_t commits);

}  // namespace shoplake::live
