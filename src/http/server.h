// Server: HTTP/1.1 for everything that `shoplake serve` offers, as a table of routes to handlers.
//
// Each I/O thread runs its share of the connections, one coroutine each. Handlers run on a pool of worker threads, so a
// slow query never delays another connection's bytes; or on the I/O thread, if the route says that they never block; or
// they answer later, from any thread (Route::async_handler). Answers that come from other threads are handed over in
// batches, one wake-up for all that wait. Requests of one connection are answered in order; pipelined ones wait in the
// connection's buffer.
//
// Bounded: connections, header and body sizes, requests waiting for a worker, requests and body bytes in flight; each
// wait for a client has a time limit. Over a limit the answer is 431, 413, 414 or 503 with a JSON error (and
// Retry-After, where coming again helps); over a time limit the connection is closed. `Expect: 100-continue` is
// answered once the declared length is known to be acceptable, so a refused body is never sent.
//
// A page of another origin that makes its visitor's browser call a server on the same machine must not get through: a
// server that listens on a loopback address answers only to loopback host names (421), and requests that may change
// something are refused if the browser says that they come from another site (403). Routes that are meant for pages of
// other sites say so (Route::cross_origin), and then preflight requests are answered too (CORS).
//
// start() and stop() belong to one thread; route() only before start().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "http/address.h"
#include "http/message.h"
#include "io/env.h"

namespace shoplake::http {

struct Route {
  enum class Match { exact, prefix };
  enum class Where { worker, io };  // io: the handler never blocks

  // "/health", or as a prefix "/v1/". The exact path wins, then the longest prefix. Of several routes with one path the
  // first one that takes the method.
  std::string path{};
  Handler handler{};
  AsyncHandler async_handler{};  // instead of `handler`
  std::string name{};            // label of the metrics; the path if empty
  Match match = Match::exact;
  Where where = Where::worker;
  std::vector<std::string> methods = {
      "GET"};  // others get 405 with Allow; empty: the handler decides, and sees HEAD as such
  std::uint64_t body_bytes_max = 64 * 1024;
  // Takes requests from pages of other sites, with their cookies: the server answers preflights (OPTIONS) of such a
  // route itself, and adds Access-Control-Allow-Origin and -Credentials to its answers.
  bool cross_origin = false;
  // Other limits than the server's for slow bodies.
  std::optional<std::chrono::milliseconds> body_timeout{};
  std::optional<std::uint64_t> body_bytes_per_second_min{};
  // How the server's own refusals of requests to this route look, if not {"error": …}. Headers such as Retry-After are
  // added afterwards.
  std::function<Response(int status, std::string_view code, std::string_view message)> refusal{};
};

struct Limits {
  std::size_t connections_max = 4096;
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t waiting_requests_max = 256;            // accepted for the workers and not begun
  std::size_t requests_in_flight_max = 8192;         // handed to handlers and not answered
  std::uint64_t bytes_in_flight_max = 256ull << 20;  // of bodies, from their first byte until the answer
  std::chrono::milliseconds idle_timeout{75'000};    // between requests of a connection
  std::chrono::milliseconds header_timeout{10'000};  // from the first byte of a request to the end of its header
  std::chrono::milliseconds body_timeout{30'000};    // for the whole body, plus its length at body_bytes_per_second_min
  std::uint64_t body_bytes_per_second_min = 64 * 1024;
  std::chrono::milliseconds write_timeout{30'000};  // without the client taking a single byte
  std::chrono::milliseconds stop_timeout{10'000};   // for requests in flight when the server stops
};

// PEM files: the certificate with its chain, and its private key.
struct TlsOptions {
  std::string certificate_file;
  std::string key_file;
};

struct ServerOptions {
  std::string host = "127.0.0.1";  // an address or a name; "0.0.0.0" and "::" are all interfaces
  std::uint16_t port = 8080;       // 0: any free one
  int io_threads = 1;
  int worker_threads = 4;
  Limits limits{};
  std::optional<TlsOptions> tls{};  // 1.2 and newer; every connection then
  // Host names to answer to, beside loopback names; empty and listening on other than loopback: any.
  std::vector<std::string> host_names{};
};

class Server {
 public:
  Server(ServerOptions options, io::Env& env, base::Metrics& metrics);
  ~Server();  // stops

  void route(Route route);

  // Binds, listens and starts the threads. Raises the process's limit of open files if it is below connections_max.
  // Errors: serve.cannot_listen (environment), serve.bad_certificate (usage).
  base::Result<void> start();
  // After start(): the port that was bound, and the address for people ("http://127.0.0.1:8080").
  std::uint16_t port() const;
  std::string address() const;
  bool on_loopback() const;

  // Stops accepting, closes idle connections, lets requests in flight finish (for stop_timeout), ends the threads.
  // Handlers must return by themselves: a streamed answer ends at its next chunk, feeds are closed, and a responder
  // that comes after this is ignored.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::http
