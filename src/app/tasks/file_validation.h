// validate_files: what became of files that were dropped into raw/<dataset>/date=YYYY-MM-DD/, the first step of a flow
// that they start.
//
//   payload  {"datasets": ["transactions", …], "objects": ["raw/transactions/date=2026-11-20/a.csv", …],
//             "since": "2026-11-20T10:00:00Z", "on_rejected": "fail" | "continue"}
//   answer   {"loaded", "duplicates", "rejected", "blocked", "rows", "rejected_rows", "files": [{"object", "state",
//   …}]}
//
// It looks at the drop folders of the datasets (all of them, if none is named), which loads what is new, and reports on
// the given objects and on every file that was looked at since the given time, whoever did it: so the answer is the
// same again after a crash. Given objects that are too young to be looked at (kSettleMicros) are waited for. Errors,
// unless on_rejected is "continue": files.rejected; quality.blocked, where all that is wrong is that block rules keep
// files out. A given object that is nowhere counts as rejected.
#pragma once

#include "app/app.h"
#include "base/result.h"
#include "flow/json.h"
#include "flow/task.h"

namespace shoplake::app {

base::Result<flow::Json> validate_files(App& app, const flow::TaskCall& call, const flow::Json& payload);

}  // namespace shoplake::app
