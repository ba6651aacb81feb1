#include "flow/store.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace shoplake::flow {

using base::Result;

namespace {

constexpr const char* kTables = R"(
create table if not exists flow_executions (
  execution_id integer primary key,
  flow text not null,
  name text not null,
  definition text not null,
  input text not null,
  started_by text not null,
  started_at integer not null,
  status text not null,
  ended_at integer,
  output text,
  error text,
  cause text,
  stop_error text,
  stop_cause text,
  stop_requested integer not null default 0,
  unique (flow, name)
);
create index if not exists flow_executions_by_status on flow_executions (status, started_at);
create table if not exists flow_branches (
  execution_id integer not null,
  branch_id integer not null,
  document text not null,
  primary key (execution_id, branch_id)
) without rowid;
create table if not exists flow_events (
  execution_id integer not null,
  event_id integer not null,
  at_micros integer not null,
  document text not null,
  primary key (execution_id, event_id)
) without rowid;
)";

constexpr const char* kColumns =
    "execution_id, flow, name, definition, input, started_by, started_at, status, ended_at, output, error, cause";

ExecutionStatus status_of(std::string_view text) {
  for (const ExecutionStatus status :
       {ExecutionStatus::succeeded, ExecutionStatus::failed, ExecutionStatus::timed_out, ExecutionStatus::aborted}) {
    if (name(status) == text)
      return status;
  }
  return ExecutionStatus::running;
}

ExecutionRow row_of(const io::Statement& statement) {
  ExecutionRow row;
  row.id = statement.integer(0);
  row.flow = statement.text(1);
  row.name = statement.text(2);
  row.definition = statement.text(3);
  row.input = statement.text(4);
  row.started_by = statement.text(5);
  row.started_micros = statement.integer(6);
  row.status = status_of(statement.text(7));
  row.ended_micros = statement.optional_integer(8);
  row.output = statement.optional_text(9);
  row.error = statement.optional_text(10);
  row.cause = statement.optional_text(11);
  return row;
}

}  // namespace

Store::Store(std::unique_ptr<io::Database> database) : database_(std::move(database)) {}

Result<std::unique_ptr<Store>> Store::open(const std::string& control_plane) {
  auto database = SHOPLAKE_TRY(io::Database::open(control_plane));
  SHOPLAKE_TRY(database->execute(kTables));
  return std::unique_ptr<Store>(new Store(std::move(database)));
}

Result<Store::Created> Store::create(const ExecutionRow& row, const Changes& first) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  auto found = find(row.flow, row.name);
  if (found.ok()) {
    if (found->definition == row.definition && found->input == row.input)
      return Created{found->id, false};
    return base::make_error(
        base::ErrorKind::already_exists, "flow.execution_exists",
        fmt::format("flow {} has an execution {} with another definition or input", row.flow, row.name),
        "Give it another name.");
  }
  if (found.error().kind != base::ErrorKind::not_found)
    return std::move(found).error();
  auto insert =
      SHOPLAKE_TRY(database_->prepare("insert into flow_executions (flow, name, definition, input, started_by, "
                                      "started_at, status) values (?, ?, ?, ?, ?, ?, 'RUNNING') "
                                      "returning execution_id"));
  insert.bind(1, row.flow)
      .bind(2, row.name)
      .bind(3, row.definition)
      .bind(4, row.input)
      .bind(5, row.started_by)
      .bind(6, row.started_micros);
  SHOPLAKE_TRY(insert.step());
  const Created created{insert.integer(0), true};
  insert.reset();
  SHOPLAKE_TRY(write(created.id, first));
  SHOPLAKE_TRY(transaction.commit());
  return created;
}

Result<void> Store::write(std::int64_t execution, const Changes& changes) {
  auto event = SHOPLAKE_TRY(database_->prepare("insert into flow_events values (?, ?, ?, ?)"));
  for (const HistoryEvent& each : changes.events) {
    event.bind(1, execution).bind(2, each.id).bind(3, each.at_micros).bind(4, compact(*each.document));
    SHOPLAKE_TRY(event.run());
  }
  auto remove = SHOPLAKE_TRY(database_->prepare("delete from flow_branches where execution_id = ? and branch_id = ?"));
  for (const std::int64_t id : changes.removed_branches)
    SHOPLAKE_TRY(remove.bind(1, execution).bind(2, id).run());
  auto branch = SHOPLAKE_TRY(database_->prepare("insert or replace into flow_branches values (?, ?, ?)"));
  for (const StoredBranch& each : changes.branches)
    SHOPLAKE_TRY(branch.bind(1, execution).bind(2, each.id).bind(3, each.document).run());
  return {};
}

Result<void> Store::save(std::span<const ExecutionChanges> all) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  for (const ExecutionChanges& each : all) {
    SHOPLAKE_TRY(write(each.id, each.changes));
    if (!each.changes.ended)
      continue;
    auto end =
        SHOPLAKE_TRY(database_->prepare("update flow_executions set status = ?, ended_at = ?, output = ?, error = ?, "
                                        "cause = ? where execution_id = ?"));
    end.bind(1, name(each.status))
        .bind(2, each.ended_micros)
        .bind(3, each.output)
        .bind(4, each.failure.error)
        .bind(5, each.failure.cause)
        .bind(6, each.id);
    SHOPLAKE_TRY(end.run());
  }
  return transaction.commit();
}

Result<std::vector<StoredExecution>> Store::load_running(std::int64_t after) {
  std::vector<StoredExecution> running;
  auto rows = SHOPLAKE_TRY(database_->prepare(fmt::format(
      "select {} from flow_executions where status = 'RUNNING' and execution_id > ? order by execution_id", kColumns)));
  rows.bind(1, after);
  while (SHOPLAKE_TRY(rows.step()))
    running.push_back({.row = row_of(rows), .branches = {}, .last_event_id = 0});
  auto branches = SHOPLAKE_TRY(
      database_->prepare("select branch_id, document from flow_branches where execution_id = ? order by branch_id"));
  auto last =
      SHOPLAKE_TRY(database_->prepare("select coalesce(max(event_id), 0) from flow_events where execution_id = ?"));
  for (StoredExecution& each : running) {
    branches.bind(1, each.row.id);
    while (SHOPLAKE_TRY(branches.step()))
      each.branches.push_back({branches.integer(0), branches.text(1)});
    branches.reset();
    last.bind(1, each.row.id);
    if (SHOPLAKE_TRY(last.step()))
      each.last_event_id = last.integer(0);
    last.reset();
  }
  return running;
}

Result<void> Store::request_stop(std::int64_t execution, const StateFailure& failure) {
  auto update =
      SHOPLAKE_TRY(database_->prepare("update flow_executions set stop_requested = 1, stop_error = ?, stop_cause = ? "
                                      "where execution_id = ? and status = 'RUNNING'"));
  SHOPLAKE_TRY(update.bind(1, failure.error).bind(2, failure.cause).bind(3, execution).run());
  return {};
}

Result<std::vector<Store::StopRequest>> Store::stop_requests() {
  auto rows =
      SHOPLAKE_TRY(database_->prepare("select execution_id, stop_error, stop_cause from flow_executions where status = "
                                      "'RUNNING' and stop_requested = 1 order by 1"));
  std::vector<StopRequest> requests;
  while (SHOPLAKE_TRY(rows.step()))
    requests.push_back({rows.integer(0), {rows.optional_text(1), rows.optional_text(2)}});
  return requests;
}

Result<std::vector<ExecutionRow>> Store::list(const ExecutionFilter& filter) {
  auto rows =
      SHOPLAKE_TRY(database_->prepare(fmt::format("select {} from flow_executions where (?1 = '' or flow = ?1) and (?2 "
                                                  "= '' or status = ?2) order by execution_id desc limit ?3",
                                                  kColumns)));
  rows.bind(1, filter.flow).bind(2, filter.status ? name(*filter.status) : std::string_view()).bind(3, filter.rows_max);
  std::vector<ExecutionRow> found;
  while (SHOPLAKE_TRY(rows.step()))
    found.push_back(row_of(rows));
  return found;
}

Result<ExecutionRow> Store::find(const std::string& flow, const std::string& execution) {
  auto rows = SHOPLAKE_TRY(
      database_->prepare(fmt::format("select {} from flow_executions where flow = ? and name = ?", kColumns)));
  rows.bind(1, flow).bind(2, execution);
  if (SHOPLAKE_TRY(rows.step()))
    return row_of(rows);
  return base::make_error(base::ErrorKind::not_found, "flow.no_such_execution",
                          fmt::format("flow {} has no execution {}", flow, execution),
                          "`shoplake flow status` lists the executions.");
}

Result<std::vector<Json>> Store::history(std::int64_t execution, std::int64_t after, std::int64_t rows_max) {
  auto rows = SHOPLAKE_TRY(database_->prepare(
      "select at_micros, document from flow_events where execution_id = ? and event_id > ? order by event_id limit ?"));
  rows.bind(1, execution).bind(2, after).bind(3, rows_max);
  std::vector<Json> events;
  while (SHOPLAKE_TRY(rows.step())) {
    Json event = Json::parse(rows.text(1), nullptr, false);
    if (event.is_discarded())
      return base::make_error(base::ErrorKind::internal, "flow.bad_stored_execution",
                              fmt::format("an event of execution {} is no JSON", execution));
    event["timestamp"] = context_time(rows.integer(0));
    events.push_back(std::move(event));
  }
  return events;
}

Result<std::int64_t> Store::forget_before(std::int64_t micros) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  auto events =
      SHOPLAKE_TRY(database_->prepare("delete from flow_events where execution_id in (select execution_id from "
                                      "flow_executions where status <> 'RUNNING' and ended_at < ?)"));
  SHOPLAKE_TRY(events.bind(1, micros).run());
  auto executions =
      SHOPLAKE_TRY(database_->prepare("delete from flow_executions where status <> 'RUNNING' and ended_at < ?"));
  const std::int64_t forgotten = SHOPLAKE_TRY(executions.bind(1, micros).run());
  SHOPLAKE_TRY(transaction.commit());
  return forgotten;
}

}  // namespace shoplake::flow
