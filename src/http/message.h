// Requests and responses as plain values: what handlers see of HTTP. Source: RFC 9110, RFC 9112.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace shoplake::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string
      method;  // "GET"; HEAD arrives as GET (but see Route::methods), and the server leaves the body out of the answer
  std::string path;   // still percent-encoded, without the query: "/v1/namespaces/a%1Fb"
  std::string query;  // still percent-encoded, without the '?'
  Headers headers;    // names in lower case, in order of arrival
  std::string body;
  std::string peer;            // address of the client, without its port
  std::uint64_t sequence = 0;  // unique in the process; the X-Request-Id of the answer

  // The first header of that (lower-case) name.
  std::optional<std::string_view> header(std::string_view name) const;
  // The first query parameter of that name, decoded; no value if it is absent.
  std::optional<std::string> parameter(std::string_view name) const;
  // All query parameters, decoded, in order.
  std::vector<std::pair<std::string, std::string>> parameters() const;
};

// A body that is written while things happen (server-sent events): any thread pushes chunks, and none waits for the
// client. Give it out with Response::feed and keep a copy of the pointer to push to.
//
// Thread safe. A feed belongs to one answer.
class Feed {
 public:
  // A client that leaves more than so many bytes untaken is cut off: the feed closes.
  explicit Feed(std::size_t buffer_bytes_max = 256 * 1024);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // Takes a chunk for the client. False if the feed is closed: by close(), because the client is gone or too slow, or
  // because the server stops. Then drop it.
  bool push(std::string_view chunk);
  // Ends the body after what was pushed.
  void close();
  bool closed() const;

 private:
  friend class FeedReader;
  struct State;
  std::shared_ptr<State> state_;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers;  // without Content-Length, Connection, Date, which are the server's
  std::string body;
  // Instead of `body`: bytes that many answers share.
  std::shared_ptr<const std::string> shared_body;
  // Instead of both: a body of unknown length. Called until it gives no value, on a worker thread, one call at a time;
  // an error breaks the connection, so that the client sees that the answer is incomplete.
  std::function<base::Result<std::optional<std::string>>()> stream;
  // Or a body that other threads write to.
  std::shared_ptr<Feed> feed;

  std::string_view bytes() const { return shared_body ? std::string_view(*shared_body) : std::string_view(body); }
  Response& set(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
};

using Handler = std::function<Response(const Request&)>;

// Answers one request later, from any thread. Copies answer the same request: the first answer counts, others are
// ignored. A request whose responders are all gone without an answer is answered 500. Outliving the server is harmless.
class Responder {
 public:
  struct State;
  explicit Responder(std::shared_ptr<State> state) : state_(std::move(state)) {}

  void answer(Response response) const;
  // `make` runs on the connection's I/O thread: for answers that take time to build, given by a thread that has none
  // to spare (the log's). It must not block.
  void answer_with(std::function<Response()> make) const;
  // `make` runs on a worker thread and may block; 503 if too many requests wait for one already.
  void answer_on_worker(std::function<Response()> make) const;

 private:
  std::shared_ptr<State> state_;
};
// Runs on the I/O thread, so it must not block.
using AsyncHandler = std::function<void(Request&&, Responder)>;

Response json_response(std::string body, int status = 200);
Response text_response(std::string body, int status = 200);
// {"error": {"code", "message", "advice"}} with the status that fits the error's kind.
Response error_response(const base::Error& error);
Response error_response(int status, std::string_view code, std::string_view message, std::string_view advice = {});
int status_of(base::ErrorKind kind);

// Percent-decoding; a malformed escape stays as it is. `plus_is_space` for query strings.
std::string percent_decode(std::string_view text, bool plus_is_space = false);

// Whether the client takes gzip (Accept-Encoding with q > 0).
bool accepts_gzip(const Request& request);
// Gzip of `bytes`, deterministic.
std::string gzip(std::string_view bytes, int level);
// True if If-None-Match names this (strong) entity tag, quotes included.
bool matches_etag(const Request& request, std::string_view etag);

std::string_view reason_phrase(int status);

}  // namespace shoplake::http
