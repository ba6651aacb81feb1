// `athena:startQueryExecution.sync`: a reading statement over the lake, by the rules of `shoplake query`.
//
//   Parameters {"QueryString": "select …", "WorkGroup": "primary"}
//   output     {"QueryExecution": {"QueryExecutionId", "Query", "StatementType", "ResultConfiguration":
//              {"OutputLocation"}, "Status": {"State": "SUCCEEDED", …}, "Statistics", "WorkGroup"}}
//
// The result is a CSV file, query-results/<workgroup>/<QueryExecutionId>.csv of the lake, which appears whole or not
// at all; its path is the OutputLocation. The id belongs to the start of the state, so that a query that is run again
// after a crash writes the same file. Errors: States.TaskFailed with the QueryExecution as cause (State FAILED,
// StateChangeReason), Athena.InternalServerException (it may go well the next time), Athena.InvalidRequestException.
#pragma once

#include "app/app.h"
#include "flow/task.h"

namespace shoplake::app {

class AthenaQueryTask : public flow::Task {
 public:
  explicit AthenaQueryTask(App& app) : app_(app) {}  // outlives it
  bool is_resumable() const override { return true; }
  flow::TaskOutcome run(const flow::TaskCall& call) override;

 private:
  App& app_;
};

}  // namespace shoplake::app
