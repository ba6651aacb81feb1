#include "app/tasks/ga_ingest_function.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "app/ga4_ingest.h"
#include "app/tasks/outcome.h"

namespace shoplake::app {

using base::make_error;
using base::Result;
using flow::Json;

namespace {

constexpr std::size_t kListedMax = 100;  // days; an answer has at most 256 KiB

Result<Ga4IngestOptions> options_of(const Json& payload) {
  Ga4IngestOptions options;
  const auto text = [&](std::string& out, const char* name) -> Result<void> {
    if (auto given = SHOPLAKE_TRY(text_parameter(payload, name)); given && !given->empty())
      out = std::move(*given);
    return {};
  };
  SHOPLAKE_TRY(text(options.property, "property"));
  SHOPLAKE_TRY(text(options.date, "date"));
  SHOPLAKE_TRY(text(options.from, "from"));
  SHOPLAKE_TRY(text(options.to, "to"));
  SHOPLAKE_TRY(text(options.client.api_url, "api_url"));
  SHOPLAKE_TRY(text(options.client.ca_file, "ca_file"));
  if (options.date.empty() && options.from.empty() && options.to.empty())
    options.date = "yesterday";
  if (const auto given = payload.find("reread_days"); given != payload.end() && !given->is_null()) {
    if (!given->is_number_integer() || *given < 1 || *given > kGa4DaysMax)
      return make_error(base::ErrorKind::usage, "task.parameters",
                        fmt::format("reread_days is no number from 1 to {}", kGa4DaysMax));
    options.reread_days = given->get<int>();
  }
  return options;
}

std::string_view status_name(Ga4Day::Status status) {
  switch (status) {
    case Ga4Day::Status::loaded: return "loaded";
    case Ga4Day::Status::unchanged: return "unchanged";
    case Ga4Day::Status::empty: break;
  }
  return "empty";
}

Json answer_of(const Ga4IngestReport& report) {
  Json days = Json::array();
  std::int64_t rejected = 0;
  for (const Ga4Day& day : report.days) {
    rejected += day.rejected;
    if (days.size() < kListedMax)
      days.push_back({{"day", day.day},
                      {"status", status_name(day.status)},
                      {"rows", day.rows},
                      {"rejected_rows", day.rejected},
                      {"landing_object", day.landing_object}});
  }
  return Json{{"run_id", report.run.id},
              {"property", report.run.property},
              {"days", std::move(days)},
              {"day_count", report.days.size()},
              {"rows", report.run.rows},
              {"rejected_rows", rejected},
              {"requests", report.run.requests},
              {"retries", report.run.retries},
              {"is_sampled", report.run.flags.is_sampled},
              {"is_thresholded", report.run.flags.is_thresholded},
              {"has_other_row", report.run.flags.has_other_row},
              {"quota", Json::parse(report.run.quota_json)}};
}

}  // namespace

Result<Json> ga_ingest(App& app, const flow::TaskCall& call, const Json& payload) {
  if (!payload.is_object())
    return make_error(base::ErrorKind::usage, "task.parameters", "the payload of ga_ingest is no object");
  Ga4IngestOptions options = SHOPLAKE_TRY(options_of(payload));
  options.stop = call.stop;
  Ga4Ingest ingest(app);
  Ga4IngestReport report = SHOPLAKE_TRY(ingest.run(options, [&](const Ga4Day&) { call.heartbeat(); }));
  if (report.error) {
    const std::size_t complete = report.days.size();
    return std::move(*report.error).within(fmt::format("after {} day{}", complete, complete == 1 ? "" : "s"));
  }
  return answer_of(report);
}

}  // namespace shoplake::app
