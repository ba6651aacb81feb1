// Reports of the Google Analytics Data API v1 as values: what is asked for, the request's body, one page of the answer,
// and its rows in the form of landing files. Pure functions. Source:
// https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/properties/runReport
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shoplake::ga4api {

using base::Result;

// At most 9 dimensions and 10 metrics; the first dimension is `date`.
struct ReportDefinition {
  std::string name;
  std::vector<std::string> dimensions;
  std::vector<std::string> metrics;
};

// What a day is asked for. Users are counted anew at each grain, because they may not be summed over rows:
//   traffic  date, source, medium, campaign, channel group, device, country
//   channel  date, channel group
//   day      date
//   event    date, event name
const std::vector<ReportDefinition>& daily_reports();

struct PageRequest {
  std::string first_day;  // YYYY-MM-DD, or yesterday, today, NdaysAgo in the property's time zone
  std::string last_day;
  std::int64_t offset = 0;
  std::int64_t limit = 0;  // at most 250,000
};
// The rows in the order of all dimensions, so that pages fit together.
std::string request_body(const ReportDefinition& definition, const PageRequest& page);

struct QuotaStatus {
  std::int64_t consumed = 0;  // by this request
  std::int64_t remaining = 0;
};
// propertyQuota, by the API's names: tokensPerDay, tokensPerHour, tokensPerProjectPerHour, concurrentRequests,
// serverErrorsPerProjectPerHour, potentiallyThresholdedRequestsPerHour.
using Quota = std::map<std::string, QuotaStatus>;
std::string to_json(const Quota& quota);
// The first quota of tokens that has less left than the last request took; empty if none.
std::string exhausted_tokens(const Quota& quota);

// What the API says of a report's trustworthiness.
struct ReportFlags {
  bool is_sampled = false;
  std::int64_t samples_read = 0;  // events
  std::int64_t sampling_space = 0;
  bool is_thresholded = false;  // subjectToThresholding: rows with few users are left out
  bool has_other_row = false;   // dataLossFromOtherRow: rare values stand together as (other)

  void merge(const ReportFlags& other);  // of other pages, of other reports
};

struct ReportPage {
  std::int64_t rows = 0;
  std::int64_t row_count = 0;  // of the whole report
  ReportFlags flags;
  std::string currency_code;
  std::string time_zone;
  Quota quota;
  std::string lines;  // the rows as landing lines
};

struct LandingContext {
  std::string property;  // "123456789"
  std::string day;       // YYYY-MM-DD, which all rows must be of; empty: no lines are made
};
// Landing lines are one JSON object a row: property, report, the dimensions and metrics by the API's names (metrics as
// numbers), currencyCode, timeZone, is_sampled, samplesReadCount, samplingSpaceSize, subjectToThresholding,
// dataLossFromOtherRow. Error ga4.invalid_answer (environment) says what is wrong: cut JSON, other columns than asked
// for, rows of other lengths or of another day.
Result<ReportPage> parse_page(std::string_view body, const ReportDefinition& definition, const LandingContext& context);

// "ga4_events_2026-11-20_061502.json": of the report's day, and the UTC time at which it was read.
std::string landing_name(const std::string& day, std::int64_t read_at_micros);

// What an error's body says: its status and message, "PERMISSION_DENIED: …"; empty if it says nothing.
std::string error_message(std::string_view body);

}  // namespace shoplake::ga4api
