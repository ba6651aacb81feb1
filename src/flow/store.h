// Executions in the control plane (SQLite): what a crash leaves, and what `flow ls|status|history` show. One commit
// takes the changes of many executions; it is durable when save() returns.
//
// Tables (docs/formats/flows.md): flow_executions, flow_branches (of running ones), flow_events.
//
// Errors: those of io::Database; flow.execution_exists (already_exists), flow.no_such_execution (not_found).
// One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "flow/execution.h"
#include "flow/json.h"
#include "io/sqlite.h"

namespace shoplake::flow {

struct ExecutionRow {
  std::int64_t id = 0;
  std::string flow;        // the machine's name
  std::string name;        // unique among its executions
  std::string definition;  // as it was when it started: a changed file does not change what runs
  std::string input;       // JSON
  std::string started_by;  // "cli", "schedule:nightly", "object:raw/transactions/…", "flow:shop_batch/…"
  std::int64_t started_micros = 0;
  ExecutionStatus status = ExecutionStatus::running;
  std::optional<std::int64_t> ended_micros;
  std::optional<std::string> output;  // JSON
  std::optional<std::string> error, cause;
};

struct ExecutionChanges {
  std::int64_t id = 0;
  Changes changes;
  // Of one that ended.
  ExecutionStatus status = ExecutionStatus::running;
  std::int64_t ended_micros = 0;
  std::optional<std::string> output;
  StateFailure failure;
};

struct StoredExecution {
  ExecutionRow row;
  std::vector<StoredBranch> branches;
  std::int64_t last_event_id = 0;
};

struct ExecutionFilter {
  std::string flow;  // empty: all
  std::optional<ExecutionStatus> status;
  std::int64_t rows_max = 100;
};

class Store {
 public:
  // Creates the tables if absent.
  static base::Result<std::unique_ptr<Store>> open(const std::string& control_plane);

  // Adds the execution with its first changes; returns its id. An execution of the same flow and name: its row comes
  // back if it has the same definition and input (starting it twice is starting it once), else flow.execution_exists.
  struct Created {
    std::int64_t id = 0;
    bool is_new = true;
  };
  base::Result<Created> create(const ExecutionRow& row, const Changes& first);

  base::Result<void> save(std::span<const ExecutionChanges> changes);

  // Running executions with ids above `after`, by id.
  base::Result<std::vector<StoredExecution>> load_running(std::int64_t after = 0);

  // Whoever runs the execution ends it as ABORTED with this error and cause. Nothing happens to one that has ended.
  base::Result<void> request_stop(std::int64_t execution, const StateFailure& failure);
  struct StopRequest {
    std::int64_t execution = 0;
    StateFailure failure;
  };
  base::Result<std::vector<StopRequest>> stop_requests();

  // Newest first.
  base::Result<std::vector<ExecutionRow>> list(const ExecutionFilter& filter);
  base::Result<ExecutionRow> find(const std::string& flow, const std::string& name);
  // Events after `after`, at most `rows_max`, as documents with "timestamp".
  base::Result<std::vector<Json>> history(std::int64_t execution, std::int64_t after, std::int64_t rows_max);
  // Removes ended executions older than the given time, with their events; returns how many.
  base::Result<std::int64_t> forget_before(std::int64_t micros);

 private:
  explicit Store(std::unique_ptr<io::Database> database);
  base::Result<void> write(std::int64_t execution, const Changes& changes);

  std::unique_ptr<io::Database> database_;
};

}  // namespace shoplake::flow
