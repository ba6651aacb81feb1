// shoplake's own functions for flows, by the names under which lambda:invoke finds them. docs/flows.md lists their
// payloads and answers.
//
//   validate_files     looks at dropped files: format, contract, size, duplicates; loads the good ones, keeps the bad
//                      ones in quarantine. Error FilesRejected, QualityBlocked
//   load               files below the lake into a dataset
//   ga_ingest          days of a GA4 property by the Data API (ga_ingest_function.h)
//   quality_checks     evaluates rules. Error QualityCheckFailed
//   refresh_tables     brings the external tables of namespace raw up to date and reads the tables it is given
//   compact_tables, expire_snapshots, remove_orphans, apply_retention
//                      what keeps tables and zones small
//   forget_executions  removes executions of flows that ended long ago
//
// Each may be done twice: it finds what was done.
#pragma once

#include <map>
#include <string>

#include "app/app.h"
#include "app/tasks/lambda_task.h"

namespace shoplake::app {

// `app` outlives them.
std::map<std::string, Function, std::less<>> flow_functions(App& app);

}  // namespace shoplake::app
