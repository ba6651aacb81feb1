// Client: one keep-alive HTTP/1.1 connection, blocking, for shoplake's own tools that send to a server nearby (the
// traffic generator, probes). A request on a connection that the server has closed in between is sent once more on a
// new one if nothing of its answer had arrived.
//
// Not thread safe: a thread has its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace shoplake::http {

struct Url {
  std::string host;
  std::uint16_t port = 80;
  std::string target = "/";  // path and query
};
// "http://127.0.0.1:8080/v1/events/events". Error http.bad_url (usage); https is not for this client.
base::Result<Url> parse_url(std::string_view text);

struct ClientOptions {
  std::chrono::milliseconds timeout{30'000};   // for connecting, and for each request
  std::uint64_t body_bytes_max = 16ull << 20;  // of an answer
};

class Client {
 public:
  Client(std::string host, std::uint16_t port, ClientOptions options = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Any status is an answer. Errors (environment): http.cannot_connect, http.timeout, http.broken; they do not prove
  // that the server did nothing.
  base::Result<Response> send(std::string_view method, std::string_view target, const Headers& headers,
                              std::string_view body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::http
