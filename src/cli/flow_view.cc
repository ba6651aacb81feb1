#include "cli/flow_view.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/moment.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/terminal.h"

namespace shoplake::cli {

namespace {

constexpr std::int64_t kLinesMax = 20;  // of one state: a Map may have thousands of them
constexpr std::int64_t kRedrawMicros = 100'000;
constexpr std::size_t kNamedMax = 4;
constexpr int kStateWidth = 32;
constexpr int kRemarkWidth = 160;

std::string json_or_null(const std::optional<std::string>& json) { return json.value_or("null"); }
std::string text_or_null(const std::optional<std::string>& text) { return text ? json_quoted(*text) : "null"; }

std::string first_line(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

// A cause that is a JSON document says what happened in one of these members.
std::string cause_in_words(const std::string& cause) {
  const flow::Json document = flow::Json::parse(cause, nullptr, false);
  if (document.is_object()) {
    for (const char* name : {"errorMessage", "ErrorMessage", "Cause", "Error"}) {
      if (const auto found = document.find(name); found != document.end() && found->is_string())
        return first_line(found->get<std::string>());
    }
  }
  return first_line(cause);
}

// "TaskStateEntered" → "Task"; empty for other events.
std::string state_type(std::string_view type, std::string_view ending) {
  return type.ends_with(ending) ? std::string(type.substr(0, type.size() - ending.size())) : "";
}

std::int64_t micros_of(const flow::Json& event) {
  return base::parse_timestamp(event.value("timestamp", "")).value_or(0);
}

// The member "…EventDetails" of an event.
flow::Json details_of(const flow::Json& event) {
  for (const auto& [name, value] : event.items()) {
    if (name.ends_with("EventDetails"))
      return value;
  }
  return flow::Json::object();
}

}  // namespace

std::string execution_as_json(const flow::ExecutionRow& row) {
  return fmt::format(
      R"({{"flow":{},"name":{},"status":"{}","started_by":{},"started_at":"{}","ended_at":{},"input":{},"output":{},"error":{},"cause":{}}})",
      json_quoted(row.flow), json_quoted(row.name), flow::name(row.status), json_quoted(row.started_by),
      base::timestamp_text(row.started_micros),
      row.ended_micros ? fmt::format("\"{}\"", base::timestamp_text(*row.ended_micros)) : "null", row.input,
      json_or_null(row.output), text_or_null(row.error), text_or_null(row.cause));
}

std::string styled_status(const flow::ExecutionRow& row) {
  const Style style = row.status == flow::ExecutionStatus::succeeded ? Style::good
                      : row.status == flow::ExecutionStatus::running ? Style::accent
                                                                     : Style::bad;
  return standard_output().styled(style, flow::name(row.status));
}

std::string format_moment(std::int64_t micros) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(micros / 1'000'000)));
}

std::string format_elapsed(const flow::ExecutionRow& row, std::int64_t now_micros) {
  return format_duration(row.ended_micros.value_or(now_micros) - row.started_micros);
}

std::string failure_in_words(const flow::ExecutionRow& row) {
  if (!row.error && !row.cause)
    return "";
  const std::string cause = cause_in_words(row.cause.value_or(""));
  return row.error.value_or("") + (cause.empty() ? "" : ": " + cause);
}

std::int64_t FlowView::run_of(const flow::Json& event) const {
  const auto found = run_by_event_.find(event.value("previousEventId", std::int64_t{0}));
  return found == run_by_event_.end() ? 0 : found->second;
}

void FlowView::take(const flow::Json& event) {
  const std::string type = event.value("type", "");
  const std::int64_t id = event.value("id", std::int64_t{0}), micros = micros_of(event);
  if (const std::string entered = state_type(type, "StateEntered"); !entered.empty()) {
    run_by_event_[id] = id;
    running_[id] = {details_of(event).value("name", ""), entered, micros, false};
    return;
  }
  std::int64_t run = run_of(event);
  if (!state_type(type, "StateExited").empty()) {
    // What follows a Parallel or Map follows its last branch, so the state is looked for by its name.
    const std::string name = details_of(event).value("name", "");
    if (const auto found = running_.find(run); found == running_.end() || found->second.state != name) {
      const auto named = std::ranges::find_if(running_, [&](const auto& each) { return each.second.state == name; });
      run = named == running_.end() ? 0 : named->first;
    }
    if (const auto found = running_.find(run); found != running_.end()) {
      end(found->second, micros);
      running_.erase(found);
    }
    run_by_event_[id] = 0;
    return;
  }
  run_by_event_[id] = run;
  const auto found = running_.find(run);
  if (found == running_.end())
    return;
  if (type.ends_with("Scheduled"))
    found->second.has_failed = false;
  else if ((type.ends_with("Failed") || type.ends_with("TimedOut")) && !type.starts_with("Execution"))
    fail(found->second, event, micros);
}

void FlowView::end(const Run& run, std::int64_t micros) {
  const bool is_work = run.type == "Task" || run.type == "Parallel" || run.type == "Map" || run.type == "Wait";
  if (!is_work)
    return;
  if (run.has_failed)
    say(run, standard_output().styled(Style::warning, "caught"), micros, "");
  else
    say(run, standard_output().styled(Style::good, "done"), micros, "");
}

void FlowView::fail(Run& run, const flow::Json& event, std::int64_t micros) {
  run.has_failed = true;
  const flow::Json details = details_of(event);
  say(run, standard_output().styled(Style::bad, "failed"), micros,
      details.value("error", "") + ": " + cause_in_words(details.value("cause", "")));
}

void FlowView::say(const Run& run, std::string_view what, std::int64_t micros, const std::string& remark) {
  const std::int64_t said = ++lines_[run.state];
  if (said > kLinesMax + 1)
    return;
  erase();
  if (said == kLinesMax + 1) {
    context_.say(fmt::format("  {}   …", run.state));
    return;
  }
  const int padding = std::max(0, kStateWidth - display_width(run.state));
  const int rest = std::max(0, 8 - display_width(what));
  context_.say(fmt::format("  {}{:{}}  {}{:{}}{:>10}{}", run.state, "", padding, what, "", rest,
                           format_duration(micros - run.begun_micros),
                           remark.empty() ? "" : "   " + shortened(remark, kRemarkWidth)));
}

void FlowView::draw() {
  const Terminal& terminal = standard_error();
  if (context_.json || context_.quiet || !terminal.interactive)
    return;
  const std::int64_t now = io::posix_env().now_micros();
  if (now - drawn_micros_ < kRedrawMicros)
    return;
  drawn_micros_ = now;
  std::vector<const Run*> work;
  for (const auto& [id, run] : running_) {
    if (run.type == "Task" || run.type == "Wait")
      work.push_back(&run);
  }
  if (work.empty())
    return erase();
  std::string text = "  running:";
  for (std::size_t i = 0; i < std::min(work.size(), kNamedMax); ++i)
    text += fmt::format("{} {} {}", i > 0 ? "," : "", work[i]->state, format_duration(now - work[i]->begun_micros));
  if (work.size() > kNamedMax)
    text += fmt::format(" and {} more", work.size() - kNamedMax);
  std::fprintf(stderr, "\r\033[K%s", shortened(text, terminal.width - 1).c_str());
  std::fflush(stderr);
  is_visible_ = true;
}

void FlowView::erase() {
  if (!is_visible_)
    return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  is_visible_ = false;
}

}  // namespace shoplake::cli
