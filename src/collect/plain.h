// POST /v1/events/<stream>: events as JSON, for whoever writes a line of code to send them.
//
//   body      one JSON object, an array of objects, or one object a line (NDJSON); Content-Encoding: gzip is undone
//   key       X-Api-Key: … or Authorization: Bearer …, if the collector has keys
//   answer    200 {"accepted": 2, "rejected": [{"index": 1, "reason": "collect.not_json", "message": "…"}]}
//             400 if nothing was accepted, 413 if it was too large; 401, 404 (no such stream), 415, 503 with
//             Retry-After
//
// Only what does not depend on the contract is looked at: each event is a JSON object of at most event_bytes_max bytes.
// Each becomes one line of the stream, white space around it removed; what breaks the contract becomes a dead letter
// downstream. Rejected events, and whole bodies that cannot be taken, are kept as dead letters, too.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "collect/intake.h"
#include "collect/streams.h"
#include "http/message.h"

namespace shoplake::collect {

struct PlainLimits {
  std::size_t inflated_bytes_max = 0;
  std::size_t event_bytes_max = 0;
  std::size_t events_max = 0;
};

// The events of a body. The views point into it, and each ends with '\n'.
struct PlainEvents {
  struct Rejected {
    std::size_t index = 0;  // counted from 0, over all events of the request
    std::string reason;     // "collect.not_json", "collect.not_an_object", "collect.too_large"
    std::string message;
    std::string_view bytes;
  };
  std::vector<std::string_view> accepted;
  std::vector<Rejected> rejected;

  std::string body;
  std::string minified;  // of events that were written over several lines
};

// Takes `body`, and gives it back with an error. Errors (input): collect.empty, collect.not_json (an array that is
// none), collect.too_many_events.
base::Result<PlainEvents> split_events(std::string& body, const PlainLimits& limits);

// Undoes gzip, of one or several members. Errors (input): collect.bad_gzip, collect.too_large.
base::Result<std::string> inflate(std::string_view gzip, std::size_t bytes_max);
// Undoes the Content-Encoding of a request's body, in its place; with an error it stays as it came. Errors: those of
// inflate(), collect.bad_encoding (input).
base::Result<void> decode_body(http::Request& request, std::size_t bytes_max);

class Plain {
 public:
  struct Options {
    Intake* intake = nullptr;
    Streams* streams = nullptr;
    std::vector<std::string> keys;
    bool open = false;  // no key is asked for
    PlainLimits limits;
  };
  explicit Plain(Options options) : options_(std::move(options)) {}

  // `prefix` of the path is what stands before the stream's name.
  void handle(http::Request&& request, http::Responder responder, std::string_view prefix) const;

 private:
  bool is_allowed(const http::Request& request) const;
  void refuse(const Stream* stream, const DeadLetter& letter, const http::Responder& responder,
              http::Response response) const;

  Options options_;
};

}  // namespace shoplake::collect
