#include "collect/ga4_measurement.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <string>

#include "collect/ga4_hit.h"
#include "collect/ga4_measurement_json.h"
#include "collect/ga4_measurement_rows.h"
#include "collect/ga4_measurement_rules.h"

namespace shoplake::collect {
namespace {

constexpr std::size_t kDepthMax = 32;

struct Parsed {
  dom::parser parser;
  dom::object body;
  dom::array events;
  std::size_t event_count = 0;
};

// False and a message if the body is no JSON object with events.
bool parse(const Ga4Request& request, Parsed& parsed, std::vector<ValidationMessage>& messages, Ga4Rejected& trouble) {
  const auto fail = [&](std::string_view reason, std::string_view code, std::string_view path, std::string message) {
    trouble = {std::string(reason), message, {}};
    messages.push_back({std::string(path), std::move(message), std::string(code)});
    return false;
  };
  // Bytes that simdjson may copy: it must not be given the null pointer of a view of nothing.
  std::string_view text = request.body.empty() ? std::string_view("") : request.body;
  if (text.starts_with("\xEF\xBB\xBF")) {
    text.remove_prefix(3);
  }
  if (text.size() >= kGa4BodyBytesMax) {
    return fail("ga4.too_large", "VALUE_OUT_OF_BOUNDS", "",
                fmt::format("The body must have fewer than {} bytes.", kGa4BodyBytesMax));
  }
  if (parsed.parser.allocate(std::max<std::size_t>(text.size(), 64), kDepthMax) != simdjson::SUCCESS) {
    return fail("ga4.bad_json", "VALUE_INVALID", "", "There is no memory to read the body.");
  }
  dom::element root;
  if (const simdjson::error_code error = parsed.parser.parse(text.data(), text.size()).get(root);
      error != simdjson::SUCCESS) {
    return fail("ga4.bad_json", "VALUE_INVALID", "",
                fmt::format("Unable to parse Measurement Protocol JSON payload. {}", simdjson::error_message(error)));
  }
  if (root.get(parsed.body) != simdjson::SUCCESS) {
    return fail("ga4.bad_json", "VALUE_INVALID", "", "The body must be a JSON object.");
  }
  if (parsed.body["events"].get(parsed.events) != simdjson::SUCCESS || parsed.events.begin() == parsed.events.end()) {
    return fail("ga4.no_events", "VALUE_REQUIRED", "events",
                "Measurement requires events, an array that is not empty.");
  }
  for ([[maybe_unused]] const dom::element event : parsed.events) {
    ++parsed.event_count;
  }
  return true;
}

}  // namespace

void validate_measurement(const Ga4Request& request, Ga4Result& result) {
  TextArena arena;
  Parsed parsed;
  Ga4Rejected trouble;
  if (!parse(request, parsed, result.messages, trouble)) {
    return;
  }
  Findings findings(result.messages, parsed.event_count);
  check_measurement(read_query(request.query, arena), parsed.body, parsed.events, request.received_at_micros, findings);
}

void collect_measurement(const Ga4Request& request, const Ga4Options& options, Ga4Result& result) {
  const auto reject = [&](std::string_view reason, std::string message, std::string bytes) {
    result.rejected.push_back({std::string(reason), std::move(message), std::move(bytes)});
  };
  TextArena arena;
  const MeasurementQuery query = read_query(request.query, arena);
  if (options.accepts_secret && !options.accepts_secret(query.stream(), query.api_secret)) {
    return reject("ga4.bad_secret", "The request's api_secret is none of those that the collector was given.",
                  std::string(request.body));
  }
  Parsed parsed;
  Ga4Rejected trouble;
  if (!parse(request, parsed, result.messages, trouble)) {
    return reject(trouble.reason, std::move(trouble.message), std::string(request.body));
  }
  Findings findings(result.messages, parsed.event_count);
  if (text_member(parsed.body, "validation_behavior") == "ENFORCE_RECOMMENDATIONS") {
    findings.strict();
  }
  check_measurement(query, parsed.body, parsed.events, request.received_at_micros, findings);
  if (findings.request_refused()) {
    return reject(findings.request_reason(), findings.request_message(), std::string(request.body));
  }
  MeasurementRows rows(request, options, query, parsed.body, arena);
  std::size_t index = 0;
  std::string others;
  for (const dom::element event : parsed.events) {
    if (index >= kGa4EventsMax) {
      others.append(others.empty() ? "[" : ",").append(simdjson::minify(event));
    } else if (findings.refused(index)) {
      reject(findings.reason(index), findings.message(index), simdjson::minify(event));
    } else {
      rows.write(event, index, result.rows);
    }
    ++index;
  }
  if (!others.empty()) {
    reject("ga4.too_many_events", fmt::format("A request has at most {} events; these are the others.", kGa4EventsMax),
           others + "]");
  }
}

}  // namespace shoplake::collect
