#include "app/tasks/glue_task.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "app/build.h"
#include "app/crawl.h"
#include "app/tasks/outcome.h"
#include "base/moment.h"
#include "base/nearest_name.h"
#include "io/sqlite.h"

namespace shoplake::app {

using base::Result;
using flow::Json;

namespace {

// With their ancestors where nothing before them in a flow builds these. Tests that need tables of two jobs run with
// the merge.
constexpr std::array<EtlJob, 8> kJobs{{
    {"transaction_etl", "+path:models/shop/transaction_etl"},
    {"product_enrichment", "+path:models/shop/product_enrichment"},
    {"clickstream_aggregation", "+path:models/shop/clickstream_aggregation"},
    {"review_cleaning", "+path:models/shop/review_cleaning"},
    {"master_data_merge", "path:models/shop/master_data_merge"},
    {"ga4_models", "+path:models/marts"},
    {"ga4_report_models", "path:models/ga4_report"},
    {"attribution",
     "+mart_attribution_comparison +mart_attribution_daily +mart_channel_performance "
     "+mart_first_click_attribution +mart_last_click_attribution"},
}};
constexpr std::string_view kAnySelection = "dbt";
constexpr std::size_t kMessagesMax = 5;
constexpr std::string_view kCrawlerEnding = "_crawler";

std::int64_t milliseconds(std::int64_t micros) { return micros / 1'000; }

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> all;
  for (std::string word; stream >> word;)
    all.push_back(word);
  return all;
}

Result<ModelCommand::Kind> command_kind(const std::string& name) {
  constexpr std::pair<std::string_view, ModelCommand::Kind> kKinds[] = {{"build", ModelCommand::Kind::build},
                                                                        {"run", ModelCommand::Kind::run},
                                                                        {"test", ModelCommand::Kind::test},
                                                                        {"seed", ModelCommand::Kind::seed},
                                                                        {"snapshot", ModelCommand::Kind::snapshot}};
  for (const auto& [known, kind] : kKinds) {
    if (name == known)
      return kind;
  }
  return base::make_error(base::ErrorKind::usage, "task.parameters", fmt::format("--command is \"{}\"", name),
                          "It is build, run, test, seed or snapshot.");
}

// What a job does: the job's own selection, unless the arguments say another.
Result<ModelCommand> command_of(const App& app, const flow::TaskCall& call, const std::string& job,
                                std::string_view selection) {
  ModelCommand command;
  const auto arguments = call.input->find("Arguments");
  const Json given = arguments == call.input->end() ? Json::object() : *arguments;
  const auto argument = [&](const char* name) -> Result<std::string> {
    return SHOPLAKE_TRY(text_parameter(given, name)).value_or("");
  };
  const std::string kind = SHOPLAKE_TRY(argument("--command"));
  command.kind = kind.empty() ? ModelCommand::Kind::build : SHOPLAKE_TRY(command_kind(kind));
  const std::string select = SHOPLAKE_TRY(argument("--select"));
  command.select = words(select.empty() ? std::string(selection) : select);
  command.exclude = words(SHOPLAKE_TRY(argument("--exclude")));
  if (!selection.empty() && command.exclude.empty())
    command.exclude = {"test_type:unit"};  // they test SQL, not data
  command.indirect_selection = selection.empty() ? "eager" : "buildable";
  command.vars = SHOPLAKE_TRY(argument("--vars"));
  command.full_refresh = SHOPLAKE_TRY(argument("--full_refresh")) == "true";
  if (std::string target = SHOPLAKE_TRY(argument("--target")); !target.empty())
    command.target = std::move(target);
  command.target_path = io::join_path(app.home().directory, "target/jobs/" + job);
  return command;
}

// The lines of a run, for the cause of a failure.
class RunMessages {
 public:
  void take(std::string_view line) {
    const Json event = Json::parse(line, nullptr, false);
    if (event.is_discarded() || !event.is_object())
      return;
    const std::string what = event.value("event", "");
    const std::string status = event.value("status", "");
    if (what == "finished" && (status == "error" || status == "fail" || status == "runtime error")) {
      ++failures_;
      if (messages_.size() < kMessagesMax)
        messages_.push_back(fmt::format("{}: {}", event.value("unique_id", ""), event.value("message", status)));
    } else if (what == "summary") {
      summary_ = event;
      summary_.erase("event");
    }
  }
  std::string text() const {
    std::string all;
    for (const std::string& each : messages_)
      all += (all.empty() ? "" : "; ") + each;
    if (failures_ > messages_.size())
      all += fmt::format("; and {} more", failures_ - messages_.size());
    return all;
  }
  const Json& summary() const { return summary_; }

 private:
  std::size_t failures_ = 0;
  std::vector<std::string> messages_;
  Json summary_;
};

}  // namespace

std::span<const EtlJob> etl_jobs() { return kJobs; }

flow::TaskOutcome GlueJobTask::run(const flow::TaskCall& call) {
  const auto name = needed_parameter(*call.input, "JobName");
  if (!name.ok())
    return task_failed("States.ParameterPathFailure", name.error().message);
  std::string_view selection;
  std::vector<std::string> names{std::string(kAnySelection)};
  for (const EtlJob& job : kJobs) {
    names.emplace_back(job.name);
    if (job.name == *name)
      selection = job.select;
  }
  if (selection.empty() && *name != kAnySelection) {
    const std::string nearest = base::nearest_name(*name, names);
    return task_failed("Glue.EntityNotFoundException",
                       fmt::format("Failed to start job run due to missing metadata: {}{}", *name,
                                   nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest)));
  }
  const std::int64_t begin = app_.env().now_micros();
  RunMessages messages;
  ModelOutput output;
  output.as_json = true;
  output.line = [](std::string_view) {};
  output.json = [&](std::string_view line) {
    messages.take(line);
    call.heartbeat();
  };
  output.paint = [](ModelOutput::Tone, std::string_view text) { return std::string(text); };
  const auto command = command_of(app_, call, *name, selection);
  if (!command.ok())
    return task_failed("Glue.InvalidInputException", command.error().message + " " + command.error().advice);
  const Result<int> done = run_models(app_, *command, output, call.stop);

  const std::int64_t end = app_.env().now_micros();
  const bool is_good = done.ok() && *done == 0;
  Json run{{"Id", "jr_" + call_uuid(call)},
           {"Attempt", 0},
           {"JobName", *name},
           {"StartedOn", milliseconds(begin)},
           {"LastModifiedOn", milliseconds(end)},
           {"CompletedOn", milliseconds(end)},
           {"JobRunState", is_good                      ? "SUCCEEDED"
                           : call.stop.stop_requested() ? "STOPPED"
                                                        : "FAILED"},
           {"PredecessorRuns", Json::array()},
           {"ExecutionTime", (end - begin) / 1'000'000}};
  if (const auto arguments = call.input->find("Arguments"); arguments != call.input->end())
    run["Arguments"] = *arguments;
  if (messages.summary().is_object())
    run["Summary"] = messages.summary();
  if (is_good)
    return task_succeeded(std::move(run));
  run["ErrorMessage"] = done.ok() ? messages.text() : base::to_string(done.error());
  const bool may_help = !done.ok() && is_transient(done.error());
  return task_failed_with(may_help ? "Glue.InternalServiceException" : "States.TaskFailed", run);
}

namespace {

constexpr const char* kCrawlsTable = R"(
create table if not exists flow_crawls (
  crawler text primary key,
  started_at integer not null,
  status text not null,
  message text not null
) without rowid;
)";

// "transactions_crawler" → "raw/transactions"; "raw_crawler" → "raw".
std::string folder_of_crawler(std::string_view name) {
  if (name.ends_with(kCrawlerEnding))
    name.remove_suffix(kCrawlerEnding.size());
  for (const std::string_view zone : {"raw", "processed", "curated"}) {
    if (name == zone)
      return std::string(name);
  }
  return "raw/" + std::string(name);
}

// A crawler of files that may yet come has nothing to do; any other name is a mistake.
Result<bool> may_come(App& app, const std::string& folder) {
  const std::string dataset = folder.substr(folder.find('/') + 1);
  return app.env().exists(io::join_path(app.home().datasets_directory, dataset + ".yml"));
}

// Of the tables that could not be brought up to date; empty if there is none.
std::string failures_of(const crawl::CrawlReport& report) {
  std::string text;
  for (const crawl::CrawledTable& table : report.tables) {
    if (table.error)
      text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", table.name, table.error->message);
  }
  return text;
}

Result<void> remember_crawl(App& app, const std::string& name, std::int64_t at, const std::string& status,
                            const std::string& message) {
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  const auto database = SHOPLAKE_TRY(catalog->open_control_plane());
  SHOPLAKE_TRY(database->execute(kCrawlsTable));
  auto insert = SHOPLAKE_TRY(database->prepare("insert or replace into flow_crawls values (?, ?, ?, ?)"));
  SHOPLAKE_TRY(insert.bind(1, name).bind(2, at).bind(3, status).bind(4, message).run());
  return {};
}

Result<Json> last_crawl(App& app, const std::string& name) {
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  const auto database = SHOPLAKE_TRY(catalog->open_control_plane());
  SHOPLAKE_TRY(database->execute(kCrawlsTable));
  auto row = SHOPLAKE_TRY(database->prepare("select started_at, status, message from flow_crawls where crawler = ?"));
  row.bind(1, name);
  if (!SHOPLAKE_TRY(row.step()))
    return Json();
  Json crawl{{"Status", row.text(1)}, {"StartTime", base::timestamp_text(row.integer(0))}};
  if (const std::string message = row.text(2); !message.empty())
    crawl["ErrorMessage"] = message;
  return crawl;
}

Result<void> crawl_and_remember(App& app, const flow::TaskCall& call, const std::string& name) {
  const std::string folder = folder_of_crawler(name);
  const std::int64_t at = app.env().now_micros();
  CrawlRequest request;
  request.place = folder;
  request.stop = call.stop;
  const auto report = crawl_lake(app, request);
  if (!report.ok() && report.error().kind == base::ErrorKind::not_found && SHOPLAKE_TRY(may_come(app, folder)))
    return remember_crawl(app, name, at, "SUCCEEDED", "");
  if (!report.ok())
    return report.error();
  const std::string failures = failures_of(*report);
  return remember_crawl(app, name, at, failures.empty() ? "SUCCEEDED" : "FAILED", failures);
}

flow::TaskOutcome crawler_failed(const base::Error& error) {
  const bool is_unknown = error.kind == base::ErrorKind::not_found || error.kind == base::ErrorKind::usage;
  return task_failed(is_unknown ? "Glue.EntityNotFoundException" : "Glue.InternalServiceException",
                     base::to_string(error));
}

}  // namespace

flow::TaskOutcome StartCrawlerTask::run(const flow::TaskCall& call) {
  const auto name = needed_parameter(*call.input, "Name");
  if (!name.ok())
    return task_failed("States.ParameterPathFailure", name.error().message);
  if (const Result<void> done = crawl_and_remember(app_, call, *name); !done.ok())
    return crawler_failed(done.error());
  return task_succeeded(Json::object());
}

flow::TaskOutcome GetCrawlerTask::run(const flow::TaskCall& call) {
  const auto name = needed_parameter(*call.input, "Name");
  if (!name.ok())
    return task_failed("States.ParameterPathFailure", name.error().message);
  auto last = last_crawl(app_, *name);
  if (!last.ok())
    return crawler_failed(last.error());
  const std::string folder = folder_of_crawler(*name);
  Json crawler{{"Name", *name},
               {"State", "READY"},
               {"DatabaseName", folder.substr(0, folder.find('/'))},
               {"Targets", {{"S3Targets", Json::array({{{"Path", folder}}})}}}};
  if (last->is_object())
    crawler["LastCrawl"] = std::move(*last);
  return task_succeeded(Json{{"Crawler", std::move(crawler)}});
}

}  // namespace shoplake::app
