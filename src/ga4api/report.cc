#include "ga4api/report.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/moment.h"

namespace shoplake::ga4api {
namespace {

using base::ErrorKind;
using base::make_error;
using Json = nlohmann::json;
namespace dom = simdjson::dom;

constexpr std::size_t kErrorTextBytesMax = 1'000;

base::Error invalid(const std::string& what) {
  return make_error(ErrorKind::environment, "ga4.invalid_answer", "The API's answer is not a report: " + what,
                    "Try again later; if it stays so, the API has changed.");
}

void append_string(std::string& out, std::string_view text) {
  out += Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// RFC 8259, section 6.
bool is_json_number(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9')
      ++at;
    return at > begin;
  };
  if (at < text.size() && text[at] == '-')
    ++at;
  if (at < text.size() && text[at] == '0') {
    ++at;
  } else if (!digits()) {
    return false;
  }
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits())
      return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-'))
      ++at;
    if (!digits())
      return false;
  }
  return at == text.size();
}

std::string_view text_of(const dom::object& object, const char* name) {
  std::string_view text;
  return object[name].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

// int64 in the API's JSON is a string; small numbers are numbers.
std::int64_t integer_of(const dom::object& object, const char* name) {
  std::int64_t number = 0;
  if (object[name].get(number) == simdjson::SUCCESS)
    return number;
  const std::string_view text = text_of(object, name);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool flag_of(const dom::object& object, const char* name) {
  bool flag = false;
  return object[name].get(flag) == simdjson::SUCCESS && flag;
}

void read_metadata(const dom::object& metadata, ReportPage& page) {
  page.currency_code = text_of(metadata, "currencyCode");
  page.time_zone = text_of(metadata, "timeZone");
  page.flags.is_thresholded = flag_of(metadata, "subjectToThresholding");
  page.flags.has_other_row = flag_of(metadata, "dataLossFromOtherRow");
  dom::array samplings;
  if (metadata["samplingMetadatas"].get(samplings) != simdjson::SUCCESS)
    return;
  for (const dom::element element : samplings) {
    dom::object sampling;
    if (element.get(sampling) != simdjson::SUCCESS)
      continue;
    page.flags.is_sampled = true;
    page.flags.samples_read += integer_of(sampling, "samplesReadCount");
    page.flags.sampling_space += integer_of(sampling, "samplingSpaceSize");
  }
}

Result<void> check_headers(const dom::object& report, const char* member, const std::vector<std::string>& wanted,
                           bool may_be_absent) {
  dom::array headers;
  if (report[member].get(headers) != simdjson::SUCCESS)
    return may_be_absent ? Result<void>() : Result<void>(invalid(fmt::format("it has no {}", member)));
  std::size_t index = 0;
  for (const dom::element element : headers) {
    dom::object header;
    if (element.get(header) != simdjson::SUCCESS || index >= wanted.size() || text_of(header, "name") != wanted[index])
      return invalid(fmt::format("its {} are not those that were asked for", member));
    ++index;
  }
  return index == wanted.size()
             ? Result<void>()
             : Result<void>(invalid(fmt::format("it has {} of {} {}", index, wanted.size(), member)));
}

// Calls take(index, value) for each of a row's values; false if it is no list of so many.
template <typename Take>
bool read_values(const dom::object& row, const char* member, std::size_t count, const Take& take) {
  dom::array values;
  if (row[member].get(values) != simdjson::SUCCESS)
    return count == 0;
  std::size_t index = 0;
  for (const dom::element element : values) {
    dom::object value;
    if (index >= count || element.get(value) != simdjson::SUCCESS)
      return false;
    take(index++, text_of(value, "value"));
  }
  return index == count;
}

class LandingLines {
 public:
  LandingLines(const ReportDefinition& definition, const LandingContext& context, const ReportPage& page)
      : definition_(definition), context_(context) {
    begin_ = "{\"property\":";
    append_string(begin_, context.property);
    begin_ += ",\"report\":";
    append_string(begin_, definition.name);
    end_ = ",\"currencyCode\":";
    append_string(end_, page.currency_code);
    end_ += ",\"timeZone\":";
    append_string(end_, page.time_zone);
    if (page.currency_code.empty())
      end_ = end_.substr(end_.find(",\"timeZone"));
    end_ += fmt::format(",\"is_sampled\":{}", page.flags.is_sampled);
    if (page.flags.is_sampled)
      end_ += fmt::format(",\"samplesReadCount\":{},\"samplingSpaceSize\":{}", page.flags.samples_read,
                          page.flags.sampling_space);
    end_ += fmt::format(",\"subjectToThresholding\":{},\"dataLossFromOtherRow\":{}}}\n", page.flags.is_thresholded,
                        page.flags.has_other_row);
    const auto key_of = [](const std::string& name) {
      std::string key = ",";
      append_string(key, name);
      return key + ":";
    };
    for (const std::string& name : definition.dimensions)
      dimension_keys_.push_back(key_of(name));
    for (const std::string& name : definition.metrics)
      metric_keys_.push_back(key_of(name));
  }

  Result<void> append(const dom::object& row, std::string& out) const {
    out += begin_;
    std::string day;
    const bool has_dimensions =
        read_values(row, "dimensionValues", dimension_keys_.size(), [&](std::size_t index, std::string_view value) {
          if (index == 0)
            day = value;
          out += dimension_keys_[index];
          append_string(out, value);
        });
    const bool has_metrics =
        read_values(row, "metricValues", metric_keys_.size(), [&](std::size_t index, std::string_view value) {
          out += metric_keys_[index];
          if (is_json_number(value)) {
            out += value;
          } else {
            append_string(out, value);
          }
        });
    out += end_;
    if (!has_dimensions || !has_metrics)
      return invalid("a row has another number of values than of headers");
    const auto parsed = base::parse_date(day);
    if (!parsed || base::date_text(*parsed) != context_.day)
      return invalid(fmt::format("a row is of \"{}\", not of {}", day, context_.day));
    return {};
  }

 private:
  const ReportDefinition& definition_;
  const LandingContext& context_;
  std::string begin_;
  std::string end_;
  std::vector<std::string> dimension_keys_;
  std::vector<std::string> metric_keys_;
};

void read_quota(const dom::object& report, Quota& quota) {
  dom::object statuses;
  if (report["propertyQuota"].get(statuses) != simdjson::SUCCESS)
    return;
  for (const auto field : statuses) {
    dom::object status;
    if (field.value.get(status) == simdjson::SUCCESS)
      quota[std::string(field.key)] = {integer_of(status, "consumed"), integer_of(status, "remaining")};
  }
}

}  // namespace

const std::vector<ReportDefinition>& daily_reports() {
  static const std::vector<std::string> kMetrics = {"sessions",     "engagedSessions", "activeUsers", "newUsers",
                                                    "totalUsers",   "screenPageViews", "eventCount",  "keyEvents",
                                                    "transactions", "purchaseRevenue"};
  static const std::vector<ReportDefinition> kReports = {
      {"traffic",
       {"date", "sessionSource", "sessionMedium", "sessionCampaignName", "sessionDefaultChannelGroup", "deviceCategory",
        "country"},
       kMetrics},
      {"channel", {"date", "sessionDefaultChannelGroup"}, kMetrics},
      {"day", {"date"}, kMetrics},
      {"event", {"date", "eventName"}, {"eventCount", "totalUsers", "keyEvents", "purchaseRevenue"}},
  };
  return kReports;
}

std::string request_body(const ReportDefinition& definition, const PageRequest& page) {
  Json body;
  body["dateRanges"] = Json::array({{{"startDate", page.first_day}, {"endDate", page.last_day}}});
  body["dimensions"] = Json::array();
  body["metrics"] = Json::array();
  body["orderBys"] = Json::array();
  for (const std::string& name : definition.dimensions) {
    body["dimensions"].push_back({{"name", name}});
    body["orderBys"].push_back({{"dimension", {{"dimensionName", name}}}});
  }
  for (const std::string& name : definition.metrics)
    body["metrics"].push_back({{"name", name}});
  body["offset"] = std::to_string(page.offset);
  body["limit"] = std::to_string(page.limit);
  body["returnPropertyQuota"] = true;
  return body.dump();
}

std::string to_json(const Quota& quota) {
  Json json = Json::object();
  for (const auto& [name, status] : quota)
    json[name] = {{"consumed", status.consumed}, {"remaining", status.remaining}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string exhausted_tokens(const Quota& quota) {
  for (const char* name : {"tokensPerDay", "tokensPerHour", "tokensPerProjectPerHour"}) {
    const auto found = quota.find(name);
    if (found != quota.end() && found->second.remaining < std::max<std::int64_t>(found->second.consumed, 1))
      return name;
  }
  return "";
}

void ReportFlags::merge(const ReportFlags& other) {
  is_sampled = is_sampled || other.is_sampled;
  samples_read = std::max(samples_read, other.samples_read);
  sampling_space = std::max(sampling_space, other.sampling_space);
  is_thresholded = is_thresholded || other.is_thresholded;
  has_other_row = has_other_row || other.has_other_row;
}

Result<ReportPage> parse_page(std::string_view body, const ReportDefinition& definition,
                              const LandingContext& context) {
  dom::parser parser;
  dom::object report;
  if (const auto failed = parser.parse(body.data(), body.size()).get(report); failed != simdjson::SUCCESS)
    return invalid(simdjson::error_message(failed));
  ReportPage page;
  page.row_count = integer_of(report, "rowCount");
  dom::object metadata;
  if (report["metadata"].get(metadata) == simdjson::SUCCESS)
    read_metadata(metadata, page);
  read_quota(report, page.quota);
  dom::array rows;
  const bool has_rows = report["rows"].get(rows) == simdjson::SUCCESS;
  SHOPLAKE_TRY(check_headers(report, "dimensionHeaders", definition.dimensions, !has_rows));
  SHOPLAKE_TRY(check_headers(report, "metricHeaders", definition.metrics, !has_rows));
  if (!has_rows)
    return page;
  const LandingLines lines(definition, context, page);
  for (const dom::element element : rows) {
    dom::object row;
    if (element.get(row) != simdjson::SUCCESS)
      return invalid("a row is no object");
    ++page.rows;
    if (!context.day.empty())
      SHOPLAKE_TRY(lines.append(row, page.lines));
  }
  return page;
}

std::string landing_name(const std::string& day, std::int64_t read_at_micros) {
  const std::int64_t seconds = read_at_micros / 1'000'000 % 86'400;
  return fmt::format("ga4_events_{}_{:02}{:02}{:02}.json", day, seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string error_message(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("error") || !json["error"].is_object())
    return "";
  const Json& error = json["error"];
  const auto member = [&](const char* name) {
    return error.contains(name) && error[name].is_string() ? error[name].get<std::string>() : std::string();
  };
  std::string text = member("status");
  if (const std::string message = member("message"); !message.empty())
    text += (text.empty() ? "" : ": ") + message;
  return text.substr(0, kErrorTextBytesMax);
}

}  // namespace shoplake::ga4api
