#include "collect/plain.h"

#include <fmt/format.h>
#include <libdeflate.h>
#include <simdjson.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "collect/sigv4.h"

namespace shoplake::collect {
namespace {

using base::ErrorKind;
using base::Result;

constexpr std::string_view kSource = "plain";
constexpr std::size_t kRejectedShownMax = 1000;
// Parsers keep the memory of the largest document; larger ones than this get a parser of their own.
constexpr std::size_t kKeptParserBytesMax = 1 << 20;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_space(text.back()))
    text.remove_suffix(1);
  return text;
}

// Takes the events of one body apart. The body has room for simdjson's padding, so every part of it can be parsed where
// it stands.
class Splitter {
 public:
  Splitter(std::string& body, const PlainLimits& limits) : limits_(limits) {
    events_.body.swap(body);
    events_.body += '\n';
    events_.body.reserve(events_.body.size() + simdjson::SIMDJSON_PADDING);
  }

  Result<PlainEvents> split() {
    const std::string_view text = trimmed(events_.body);
    if (text.empty()) {
      return base::make_error(ErrorKind::input, "collect.empty", "the request has no event",
                              "Send a JSON object, an array of objects, or one object a line.");
    }
    if (text.front() == '[') {
      SHOPLAKE_TRY(split_array(text));
    } else {
      SHOPLAKE_TRY(split_lines(text));
    }
    end_lines();
    return std::move(events_);
  }

  // After an error: the body as it came.
  void give_back(std::string& body) {
    events_.body.pop_back();
    body.swap(events_.body);
  }

 private:
  struct Place {
    std::size_t begin = 0;
    std::size_t size = 0;
    bool minified = false;
  };

  // The array is checked as a whole; after that, its elements are what stands between its commas.
  Result<void> split_array(std::string_view text) {
    simdjson::dom::parser parser;
    simdjson::dom::array array;
    if (const auto error = parser.parse(text.data(), text.size(), false).get(array))
      return not_an_array(simdjson::error_message(error));
    if (array.begin() == array.end())
      return {};
    std::size_t depth = 0;
    bool in_string = false;
    std::size_t begin = 1;
    for (std::size_t at = 0; at < text.size(); ++at) {
      const char c = text[at];
      if (in_string) {
        if (c == '\\') {
          ++at;
        } else if (c == '"') {
          in_string = false;
        }
        continue;
      }
      if (c == '"') {
        in_string = true;
      } else if (c == '[' || c == '{') {
        ++depth;
      } else if ((c == ',' && depth == 1) || ((c == ']' || c == '}') && --depth == 0)) {
        if (count_ == limits_.events_max)
          return too_many();
        const std::string_view element = trimmed(text.substr(begin, at - begin));
        take(element, element.front() == '{' ? Kind::object : Kind::other);
        begin = at + 1;
      }
    }
    return {};
  }

  static Result<void> not_an_array(std::string_view why) {
    return base::make_error(ErrorKind::input, "collect.not_json", fmt::format("the body is no JSON array: {}", why),
                            "Nothing was taken; send it again as JSON, or one object a line.");
  }

  Result<void> too_many() const {
    return base::make_error(ErrorKind::input, "collect.too_many_events",
                            fmt::format("the request has more than {} events", limits_.events_max),
                            "Nothing was taken; send fewer at once.");
  }

  Result<void> split_lines(std::string_view text) {
    // One object over several lines. Lines of NDJSON end with '}', the first line of such an object hardly ever.
    const std::string_view first = trimmed(text.substr(0, text.find('\n')));
    if (first.size() < text.size() && !first.ends_with('}') && text.size() <= limits_.event_bytes_max &&
        kind_of(text) == Kind::object) {
      take(text, Kind::object);
      return {};
    }
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = trimmed(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      if (line.empty())
        continue;
      if (count_ == limits_.events_max)
        return too_many();
      take(line, line.size() <= limits_.event_bytes_max ? kind_of(line) : Kind::other);
    }
    return {};
  }

  enum class Kind { object, other, not_json };
  static Kind kind_of(std::string_view text) {
    thread_local simdjson::dom::parser kept;
    simdjson::dom::parser own;
    simdjson::dom::parser& parser = text.size() <= kKeptParserBytesMax ? kept : own;
    simdjson::dom::element element;
    if (parser.parse(text.data(), text.size(), false).get(element) != simdjson::SUCCESS)
      return Kind::not_json;
    return element.is_object() ? Kind::object : Kind::other;
  }

  void take(std::string_view text, Kind kind) {
    const std::size_t index = count_++;
    const auto reject = [&](const char* reason, std::string message) {
      events_.rejected.push_back({index, reason, std::move(message), text});
    };
    if (text.size() > limits_.event_bytes_max) {
      return reject("collect.too_large", fmt::format("the event has {} bytes, and at most {} are taken", text.size(),
                                                     limits_.event_bytes_max));
    }
    if (kind == Kind::not_json)
      return reject("collect.not_json", "the event is no JSON");
    if (kind == Kind::other)
      return reject("collect.not_an_object", "the event is JSON, but no object");
    Place place{static_cast<std::size_t>(text.data() - events_.body.data()), text.size(), false};
    if (text.find('\n') != std::string_view::npos)
      place = minify(text);
    places_.push_back(place);
  }

  // An event is one line. A line feed within JSON is white space.
  Place minify(std::string_view text) {
    const std::size_t begin = events_.minified.size();
    events_.minified.resize(begin + text.size() + 1 + simdjson::SIMDJSON_PADDING);
    std::size_t size = 0;
    const auto error = simdjson::minify(text.data(), text.size(), events_.minified.data() + begin, size);
    SHOPLAKE_CHECK(error == simdjson::SUCCESS);
    events_.minified.resize(begin + size + 1);
    return {begin, size, true};
  }

  // What stands behind an event is a separator, or the line feed at the end of the body. Rejected events are only
  // shown, so it does not matter that the byte after them changes.
  void end_lines() {
    for (const Place& place : places_) {
      std::string& text = place.minified ? events_.minified : events_.body;
      text[place.begin + place.size] = '\n';
      events_.accepted.push_back(std::string_view(text).substr(place.begin, place.size + 1));
    }
  }

  const PlainLimits& limits_;
  PlainEvents events_;
  std::vector<Place> places_;
  std::size_t count_ = 0;
};

http::Response answer_of(const PlainEvents& events) {
  nlohmann::ordered_json body;
  body["accepted"] = events.accepted.size();
  body["rejected"] = nlohmann::ordered_json::array();
  bool too_large = !events.rejected.empty();
  for (std::size_t i = 0; i < events.rejected.size(); ++i) {
    const auto& rejected = events.rejected[i];
    too_large = too_large && rejected.reason == "collect.too_large";
    if (i < kRejectedShownMax) {
      body["rejected"].push_back(
          {{"index", rejected.index}, {"reason", rejected.reason}, {"message", rejected.message}});
    }
  }
  if (events.rejected.size() > kRejectedShownMax)
    body["rejected_count"] = events.rejected.size();
  return http::json_response(body.dump(), !events.accepted.empty() ? 200 : too_large ? 413 : 400);
}

int status_of(const base::Error& error) {
  if (error.code == "collect.too_large" || error.code == "collect.too_many_events")
    return 413;
  return error.code == "collect.bad_encoding" ? 415 : 400;
}

}  // namespace

Result<PlainEvents> split_events(std::string& body, const PlainLimits& limits) {
  Splitter splitter(body, limits);
  auto events = splitter.split();
  if (!events.ok())
    splitter.give_back(body);
  return events;
}

Result<std::string> inflate(std::string_view gzip, std::size_t bytes_max) {
  const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor*)> decompressor(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  SHOPLAKE_CHECK(decompressor != nullptr);
  constexpr std::size_t kTrailerBytes = 4;
  std::string out;
  while (!gzip.empty()) {
    // The last bytes say how much it is, of the last member and if nobody lies; so it is where to begin.
    std::size_t guess = 0;
    for (std::size_t i = 0; i < kTrailerBytes && i < gzip.size(); ++i)
      guess = guess << 8 | static_cast<unsigned char>(gzip[gzip.size() - 1 - i]);
    std::size_t room = std::min(std::max(guess, gzip.size()), bytes_max - out.size());
    const std::size_t before = out.size();
    std::size_t taken = 0, made = 0;
    for (;;) {
      out.resize(before + room);
      const auto result = libdeflate_gzip_decompress_ex(decompressor.get(), gzip.data(), gzip.size(),
                                                        out.data() + before, room, &taken, &made);
      if (result == LIBDEFLATE_SUCCESS)
        break;
      if (result != LIBDEFLATE_INSUFFICIENT_SPACE) {
        return base::make_error(ErrorKind::input, "collect.bad_gzip", "the body is no gzip, or it is damaged",
                                "Send it without Content-Encoding, or compress it again.");
      }
      if (before + room >= bytes_max) {
        return base::make_error(ErrorKind::input, "collect.too_large",
                                fmt::format("the body inflates to more than {} bytes", bytes_max),
                                "Send smaller pieces.");
      }
      room = std::min(room * 2, bytes_max - before);
    }
    out.resize(before + made);
    gzip.remove_prefix(taken);
  }
  return out;
}

Result<void> decode_body(http::Request& request, std::size_t bytes_max) {
  const auto encoding = request.header("content-encoding").value_or("");
  if (encoding.empty() || encoding == "identity")
    return {};
  if (encoding == "gzip" || encoding == "x-gzip") {
    request.body = SHOPLAKE_TRY(inflate(request.body, bytes_max));
    return {};
  }
  return base::make_error(ErrorKind::input, "collect.bad_encoding",
                          fmt::format("Content-Encoding: {} cannot be undone", encoding), "Use gzip, or none.");
}

bool Plain::is_allowed(const http::Request& request) const {
  if (options_.open)
    return true;
  std::string_view given = request.header("x-api-key").value_or("");
  if (given.empty()) {
    given = request.header("authorization").value_or("");
    constexpr std::string_view kBearer = "bearer ";
    const bool is_bearer =
        given.size() > kBearer.size() && std::equal(kBearer.begin(), kBearer.end(), given.begin(),
                                                    [](char a, unsigned char b) { return a == std::tolower(b); });
    given = is_bearer ? given.substr(kBearer.size()) : std::string_view();
  }
  bool allowed = false;
  for (const auto& key : options_.keys)
    allowed |= equal_in_constant_time(given, key);
  return allowed;
}

// Of a body as a whole.
void Plain::refuse(const Stream* stream, const DeadLetter& letter, const http::Responder& responder,
                   http::Response response) const {
  options_.intake->count_rejected(stream, letter.source, letter.reason);
  options_.intake->keep(letter);
  responder.answer(std::move(response));
}

void Plain::handle(http::Request&& request, http::Responder responder, std::string_view prefix) const {
  Intake& intake = *options_.intake;
  const std::int64_t received_at = intake.now_micros();
  if (!is_allowed(request)) {
    intake.count_rejected(nullptr, kSource, "collect.unauthorized");
    http::Response response =
        http::error_response(401, "collect.unauthorized", "the request has no API key that is known here",
                             "Send X-Api-Key: …, or Authorization: Bearer …, with a key of `collector.api_keys`.");
    response.set("WWW-Authenticate", "Bearer");
    return responder.answer(std::move(response));
  }
  const std::string name = http::percent_decode(std::string_view(request.path).substr(prefix.size()));
  const auto stream = options_.streams->find(name);
  if (!stream) {
    const std::string message = fmt::format("there is no stream {}", name);
    return refuse(nullptr, {name, kSource, "collect.no_such_stream", message, request.body}, responder,
                  http::error_response(404, "collect.no_such_stream", message,
                                       "Add it under `streams` of shoplake.yml, or create it with the Firehose API's "
                                       "CreateDeliveryStream."));
  }
  const auto decoded = decode_body(request, options_.limits.inflated_bytes_max);
  auto split = decoded.ok() ? split_events(request.body, options_.limits) : Result<PlainEvents>(decoded.error());
  if (!split.ok()) {
    const base::Error& error = split.error();
    return refuse(stream.get(), {stream->name, kSource, error.code, error.message, request.body}, responder,
                  http::error_response(status_of(error), error.code, error.message, error.advice));
  }
  auto events = std::make_shared<PlainEvents>(*std::move(split));
  std::vector<DeadLetter> letters;
  for (const auto& rejected : events->rejected) {
    intake.count_rejected(stream.get(), kSource, rejected.reason);
    letters.push_back({stream->name, kSource, rejected.reason, rejected.message, rejected.bytes});
  }
  intake.keep(letters);
  if (events->accepted.empty())
    return responder.answer(answer_of(*events));
  if (events->rejected.empty()) {
    // What nearly every request is: nothing of it is kept while it waits.
    return intake.append(
        *stream, events->accepted, received_at,
        [responder, count = events->accepted.size()](const base::Result<wal::Offset>& first) {
          responder.answer(first.ok() ? http::json_response(fmt::format(R"({{"accepted":{},"rejected":[]}})", count))
                                      : unavailable(first.error()));
        });
  }
  intake.append(*stream, events->accepted, received_at, [responder, events](const base::Result<wal::Offset>& first) {
    responder.answer(first.ok() ? answer_of(*events) : unavailable(first.error()));
  });
}

}  // namespace shoplake::collect
