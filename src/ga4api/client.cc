#include "ga4api/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace shoplake::ga4api {
namespace {

using base::ErrorKind;
using base::make_error;

constexpr std::uint64_t kPageBytesMax = 256ULL << 20;
constexpr std::size_t kPropertyDigitsMax = 20;

}  // namespace

Result<std::string> parse_property(std::string_view text) {
  constexpr std::string_view kPrefix = "properties/";
  const std::string_view digits = text.starts_with(kPrefix) ? text.substr(kPrefix.size()) : text;
  if (digits.empty() || digits.size() > kPropertyDigitsMax ||
      !std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) {
    return make_error(ErrorKind::usage, "ga4.bad_property", fmt::format("\"{}\" is no id of a GA4 property", text),
                      "It is a number (GA4: Admin, Property details), not the measurement id G-….");
  }
  return std::string(digits);
}

base::Error Client::refused(const http::Answer& answer) const {
  std::string said = error_message(answer.body);
  if (said.empty())
    said = "it gives no reason";
  const std::string what =
      fmt::format("The Data API answers {} for property {}: {}", answer.status, options_.property, said);
  switch (answer.status) {
    case 400:
      return make_error(
          ErrorKind::usage, "ga4.bad_request", what,
          "Check the property and the days; a report that the API no longer takes is an error of shoplake.");
    case 401:
      return make_error(
          ErrorKind::usage, "ga4.unauthorized", what,
          fmt::format("Check the key of {}, and that this machine's clock is right.", tokens_.client_email()));
    case 403:
      return make_error(ErrorKind::usage, "ga4.forbidden", what,
                        fmt::format("Make {} a Viewer of the property (GA4: Admin, Property access management), and "
                                    "enable the Google Analytics Data API in its Google Cloud project.",
                                    tokens_.client_email()));
    case 404: return make_error(ErrorKind::not_found, "ga4.no_such_property", what, "Check the property's id.");
    case 429:
      return make_error(ErrorKind::environment, "ga4.quota_exhausted", what,
                        "Run the same command again when the quota is back: days that are complete stay.");
    default:
      return make_error(ErrorKind::environment, "ga4.unavailable", what,
                        "Try again later: days that are complete stay.");
  }
}

Result<ReportPage> Client::read_page(const ReportDefinition& definition, const PageRequest& request,
                                     const LandingContext& context) {
  if (const std::string name = exhausted_tokens(quota_); !name.empty()) {
    return make_error(ErrorKind::environment, "ga4.quota_exhausted",
                      fmt::format("Property {} has {} tokens left of {}, and the last request took {}",
                                  options_.property, quota_[name].remaining, name, quota_[name].consumed),
                      "Run the same command again when the quota is back: days that are complete stay.");
  }
  const std::string body = request_body(definition, request);
  std::optional<ReportPage> page;
  const auto check = [&](const http::Answer& answer) -> Result<void> {
    page = SHOPLAKE_TRY(parse_page(answer.body, definition, context));
    return {};
  };
  for (bool is_first = true;; is_first = false) {
    const std::string token = SHOPLAKE_TRY(tokens_.token(exchange_));
    http::Call call;
    call.method = "POST";
    call.url = fmt::format("{}/v1beta/properties/{}:runReport", options_.api_url, options_.property);
    call.headers = {{"Authorization", "Bearer " + token}, {"Content-Type", "application/json"}};
    call.body = body;
    call.total_timeout = options_.timeout;
    call.stall_timeout = options_.timeout;
    call.body_bytes_max = kPageBytesMax;
    call.ca_file = options_.ca_file;
    const http::Answer answer = SHOPLAKE_TRY(exchange_.send(call, check));
    if (answer.status == 200) {
      quota_ = page->quota;
      return std::move(*page);
    }
    if (answer.status != 401 || !is_first)
      return refused(answer);
    tokens_.invalidate();  // it expired earlier than it said, or was revoked
  }
}

Result<std::string> Client::time_zone() {
  const ReportDefinition definition{"time_zone", {"date"}, {"sessions"}};
  const ReportPage page =
      SHOPLAKE_TRY(read_page(definition, {"yesterday", "yesterday", 0, 1}, {options_.property, ""}));
  if (page.time_zone.empty()) {
    return make_error(ErrorKind::environment, "ga4.invalid_answer", "The API's answer names no time zone",
                      "Name the days: --date YYYY-MM-DD.");
  }
  return page.time_zone;
}

Result<Report> Client::read(const ReportDefinition& definition, const std::string& day) {
  const LandingContext context{options_.property, day};
  const auto changed = [&](const std::string& what) {
    return make_error(ErrorKind::environment, "ga4.inconsistent_report",
                      fmt::format("The report {} of {} changed while it was read: {}", definition.name, day, what),
                      "Try again later.");
  };
  std::optional<base::Error> outcome;
  for (int read = 0; read < kReadsMax; ++read) {
    Report report;
    std::optional<std::int64_t> row_count;
    outcome.reset();
    while (!outcome && (!row_count || report.rows < *row_count)) {
      ReportPage page = SHOPLAKE_TRY(read_page(definition, {day, day, report.rows, options_.page_rows}, context));
      if (page.row_count > kReportRowsMax) {
        return make_error(ErrorKind::environment, "ga4.too_many_rows",
                          fmt::format("The report {} of {} has {} rows, more than {}", definition.name, day,
                                      page.row_count, kReportRowsMax),
                          "Such a property is better read from its BigQuery export: shoplake load events.");
      }
      if (row_count && *row_count != page.row_count) {
        outcome = changed(fmt::format("{} rows, then {}", *row_count, page.row_count));
      } else if (page.rows == 0 && report.rows < page.row_count) {
        outcome = changed(fmt::format("{} rows, and none after {}", page.row_count, report.rows));
      }
      row_count = page.row_count;
      report.rows += page.rows;
      report.flags.merge(page.flags);
      report.lines += page.lines;
    }
    if (!outcome && report.rows != *row_count)
      outcome = changed(fmt::format("{} rows, of which it gave {}", *row_count, report.rows));
    if (!outcome)
      return report;
  }
  return std::move(*outcome);
}

}  // namespace shoplake::ga4api
