#include "app/flows/backfill.h"

#include <fmt/format.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "app/flows/operations.h"
#include "app/flows/runner.h"
#include "base/moment.h"

namespace shoplake::app {

using base::ErrorKind;
using base::make_error;
using base::Result;

namespace {

struct Range {
  std::int64_t first = 0, last = 0;  // days since 1970
};

Result<Range> range_of(const Backfill& request) {
  const auto first = base::parse_date(request.first_day), last = base::parse_date(request.last_day);
  if (!first || !last)
    return make_error(ErrorKind::usage, "flow.bad_range",
                      fmt::format("\"{}\" is no day", !first ? request.first_day : request.last_day),
                      "Write YYYY-MM-DD.");
  if (*last < *first || *last - *first >= kBackfillDaysMax)
    return make_error(
        ErrorKind::usage, "flow.bad_range",
        fmt::format("{} to {} are not 1 to {} days", request.first_day, request.last_day, kBackfillDaysMax),
        "Give the first day with --from and the last one with --to.");
  return Range{*first, *last};
}

class BackfillRun {
 public:
  BackfillRun(App& app, const Backfill& request, flow::Json input, std::string flow)
      : app_(app), request_(request), input_(std::move(input)) {
    report_.flow = std::move(flow);
  }

  Result<BackfillReport> run(const Range& range) {
    std::int64_t next = range.first;
    const auto total = static_cast<std::uint64_t>(range.last - range.first + 1);
    if (request_.progress != nullptr)
      request_.progress->begin("backfill " + report_.flow, total, base::Progress::Unit::items);
    while ((next <= range.last || !running_.empty()) && !request_.stop.stop_requested()) {
      while (next <= range.last && std::cmp_less(running_.size(), request_.at_once)) {
        SHOPLAKE_TRY(begin(base::date_text(next++)));
        tell(total - running_.size() - static_cast<std::uint64_t>(range.last - next + 1));
      }
      if (running_.empty())
        continue;
      if (!SHOPLAKE_TRY(finish_oldest()))
        break;
      tell(total - running_.size() - static_cast<std::uint64_t>(range.last - next + 1));
    }
    if (request_.progress != nullptr)
      request_.progress->end();
    report_.not_run = range.last - next + 1 + static_cast<std::int64_t>(running_.size());
    return std::move(report_);
  }

 private:
  struct Begun {
    std::string date, name;
  };

  void tell(std::uint64_t done) const {
    if (request_.progress != nullptr)
      request_.progress->update(done);
  }

  // The newest execution of the day, and the name of the next one.
  Result<std::pair<std::optional<flow::ExecutionRow>, std::string>> last_of(const std::string& date) {
    std::optional<flow::ExecutionRow> last;
    for (int number = 1;; ++number) {
      std::string name = number == 1 ? "backfill-" + date : fmt::format("backfill-{}-{}", date, number);
      auto found = find_execution(app_, report_.flow, name);
      if (found.ok()) {
        last = std::move(found).value();
        continue;
      }
      if (found.error().kind != ErrorKind::not_found)
        return std::move(found).error();
      return std::pair(std::move(last), std::move(name));
    }
  }

  Result<void> begin(const std::string& date) {
    auto [last, name] = SHOPLAKE_TRY(last_of(date));
    if (last && last->status == flow::ExecutionStatus::running) {
      running_.push_back({date, last->name});
      return {};
    }
    if (last && last->status == flow::ExecutionStatus::succeeded && !request_.again) {
      ++report_.skipped;
      if (request_.on_day)
        request_.on_day({date, std::move(*last), false});
      return {};
    }
    flow::Json input = input_;
    input["date"] = date;
    StartFlow start;
    start.flow = request_.flow;
    start.file = request_.file;
    start.name = name;
    start.input = flow::compact(input);
    start.started_by = "backfill";
    SHOPLAKE_TRY(start_flow(app_, start));
    running_.push_back({date, std::move(name)});
    return {};
  }

  // False: it was stopped first.
  Result<bool> finish_oldest() {
    WaitForExecution wait;
    wait.flow = report_.flow;
    wait.name = running_.front().name;
    wait.stop = request_.stop;
    wait.runner = &runner_;
    auto ended = SHOPLAKE_TRY(wait_for_execution(app_, wait));
    if (!ended)
      return false;
    ++(ended->status == flow::ExecutionStatus::succeeded ? report_.succeeded : report_.failed);
    if (request_.on_day)
      request_.on_day({running_.front().date, std::move(*ended), true});
    running_.pop_front();
    return true;
  }

  App& app_;
  const Backfill& request_;
  flow::Json input_;
  BackfillReport report_;
  std::deque<Begun> running_;
  std::unique_ptr<FlowRunner> runner_;  // kept over all days
};

}  // namespace

Result<BackfillReport> backfill_flow(App& app, const Backfill& request) {
  const Range range = SHOPLAKE_TRY(range_of(request));
  auto input = flow::parse_json(request.input);
  if (!input || !input->is_object())
    return make_error(ErrorKind::usage, "flow.bad_input", "the input of a backfill is no JSON object",
                      "Each day's execution gets its members and \"date\".");
  const FlowDescription flow = SHOPLAKE_TRY(describe_flow(app, request.flow, request.file));
  if (request.on_begin)
    request.on_begin(flow.file.flow, range.last - range.first + 1);
  return BackfillRun(app, request, std::move(*input), flow.file.flow).run(range);
}

}  // namespace shoplake::app
