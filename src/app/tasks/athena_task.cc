#include "app/tasks/athena_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/query.h"
#include "app/tasks/outcome.h"

namespace shoplake::app {

using base::Result;
using flow::Json;

namespace {

constexpr char kResults[] = "query-results";

// Workgroups and ids become folders and names of files.
bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

Result<std::int64_t> write_result(App& app, const flow::TaskCall& call, const std::string& sql,
                                  const std::string& object) {
  const std::string path = io::join_path(app.home().lake_root, object);
  SHOPLAKE_TRY(app.env().create_directories(io::parent_path(path)));
  QueryOptions options;
  options.sql = sql;
  options.stop = call.stop;
  return query_file(app, options, QueryFormat::csv, path);
}

}  // namespace

flow::TaskOutcome AthenaQueryTask::run(const flow::TaskCall& call) {
  const auto sql = needed_parameter(*call.input, "QueryString");
  const auto workgroup = text_parameter(*call.input, "WorkGroup");
  if (!sql.ok() || !workgroup.ok())
    return task_failed("Athena.InvalidRequestException", (sql.ok() ? workgroup.error() : sql.error()).message);
  const std::string group = workgroup->value_or("primary");
  if (!is_name(group))
    return task_failed("Athena.InvalidRequestException", fmt::format("WorkGroup {} is not found.", group));
  const std::string id = call_uuid(call);
  const std::string object = fmt::format("{}/{}/{}.csv", kResults, group, id);
  const std::int64_t begin = app_.env().now_micros();
  const Result<std::int64_t> rows = write_result(app_, call, *sql, object);
  const std::int64_t end = app_.env().now_micros();

  Json status{{"State", rows.ok()                    ? "SUCCEEDED"
                        : call.stop.stop_requested() ? "CANCELLED"
                                                     : "FAILED"},
              {"SubmissionDateTime", begin / 1'000},
              {"CompletionDateTime", end / 1'000}};
  if (!rows.ok())
    status["StateChangeReason"] = base::to_string(rows.error());
  Json execution{{"QueryExecutionId", id},
                 {"Query", *sql},
                 {"StatementType", "DML"},
                 {"ResultConfiguration", {{"OutputLocation", io::join_path(app_.home().lake_root, object)}}},
                 {"Status", std::move(status)},
                 {"Statistics", {{"EngineExecutionTimeInMillis", (end - begin) / 1'000}}},
                 {"WorkGroup", group}};
  if (!rows.ok())
    return task_failed_with(is_transient(rows.error()) ? "Athena.InternalServerException" : "States.TaskFailed",
                            Json{{"QueryExecution", std::move(execution)}});
  return task_succeeded(Json{{"QueryExecution", std::move(execution)}});
}

}  // namespace shoplake::app
