// Hits of Google Analytics 4, as gtag and the Measurement Protocol send them, made into lines of JSON in the schema of
// the GA4 export to BigQuery: what `datasets/events.yml` describes and `shoplake load events` takes.
//
//   POST /mp/collect, /debug/mp/collect    Measurement Protocol: one JSON object with up to 25 events
//   GET, POST /g/collect                   gtag: an event in the query; or several, one each line of the body, that
//   share
//                                          the query
//
// A pure function of the request and the moment of its receipt: no I/O, no clock, no randomness. Whatever the bytes
// are, each row is one line of valid JSON that the contract of `events` accepts, and whatever does not become a row is
// in `rejected` with its reason. A hit that is sent again gives its rows the same `insert_id`, so it is counted once.
//
// What each parameter becomes is specified in docs/formats/ga4_collect.md.
// Sources: https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference,
// https://support.google.com/analytics/answer/7029846. gtag's own protocol is not documented by Google.
//
// Thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "collect/ga4_time_zone.h"

namespace shoplake::collect {

// Bodies from this size on are refused by Google; Route::body_bytes_max of these endpoints.
inline constexpr std::size_t kGa4BodyBytesMax = 130'000;
// Events of one request; more become dead letters.
inline constexpr std::size_t kGa4EventsMax = 25;

enum class Ga4Endpoint { none, gtag, measurement_protocol, measurement_protocol_debug };
// "/g/collect", "/mp/collect", "/debug/mp/collect"; with or without a slash at the end.
Ga4Endpoint ga4_endpoint(std::string_view path);

// The parts of a request that hits are made of. Views live until collect_ga4() returns. Absent headers are empty.
struct Ga4Request {
  std::string_view method{};
  std::string_view path{};
  std::string_view query{};  // percent-encoded, without the '?'
  std::string_view body{};   // after Content-Encoding was undone
  std::int64_t received_at_micros = 0;

  std::string_view user_agent{};
  std::string_view accept_language{};
  std::string_view referer{};  // the page, where a hit does not name it
  std::string_view sec_ch_ua{};
  std::string_view sec_ch_ua_full_version_list{};
  std::string_view sec_ch_ua_mobile{};
  std::string_view sec_ch_ua_model{};
  std::string_view sec_ch_ua_platform{};
  std::string_view sec_ch_ua_platform_version{};
};

struct Ga4Options {
  // Whether the API secret belongs to that measurement id (or Firebase app id). Not set: any secret does, also none.
  std::function<bool(std::string_view measurement_id, std::string_view api_secret)> accepts_secret;
  // Time zone of the property, which decides event_date. UTC if null. Not owned.
  const TimeZone* time_zone = nullptr;
};

// As /debug/mp/collect answers it.
struct ValidationMessage {
  std::string field_path;       // "events"
  std::string description;      // "Event at index: [0] has invalid name [_x]. Names must start with …"
  std::string validation_code;  // "NAME_INVALID"
};

// What became no row: of a gtag hit, the query and (after a line feed) the body's line; of the Measurement Protocol,
// the whole body or the JSON of one event.
struct Ga4Rejected {
  std::string reason;   // stable: "ga4.bad_json", "ga4.no_client_id" …; see docs/formats/ga4_collect.md
  std::string message;  // one sentence
  std::string bytes;
};

struct Ga4Result {
  std::vector<std::string> rows;  // one line of JSON each, which ends with '\n'
  std::vector<ValidationMessage> messages;
  std::vector<Ga4Rejected> rejected;
  // What to answer once the rows are durable. As Google's servers do, 204 whatever the content; 200 with validation
  // messages from the debug endpoint, which makes no rows; 404 and 405 for other paths and methods.
  int status = 204;
  std::string content_type;  // empty: no body
  std::string body;
};

Ga4Result collect_ga4(const Ga4Request& request, const Ga4Options& options);

}  // namespace shoplake::collect
