// Server: HTTP/1.1 for everything that `shoplake serve` offers, as a table of routes to handlers.
//
// One or more I/O threads run the connections (coroutines, one strand each); handlers run on a pool of worker threads,
// so a slow query never delays another connection's bytes, or directly on the I/O thread if the route says that they
// never block. Requests of one connection are answered in order; pipelined ones wait in the connection's buffer.
//
// Bounded: connections, header and body sizes, requests waiting for a worker; each wait for a client has a time limit.
// Over a limit the answer is 431, 413, 414 or 503 with a JSON error; over a time limit the connection is closed.
// `Expect: 100-continue` is answered once the declared length is known to be acceptable, so a refused body is never
// sent.
//
// A page of another origin that makes its visitor's browser call a server on the same machine must not get through: a
// server that listens on a loopback address answers only to loopback host names (421), and requests that may change
// something are refused if the browser says that they come from another site (403).
//
// start() and stop() belong to one thread; route() only before start().
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/env.h"
#include "http/message.h"
#include "base/metrics.h"

namespace shoplake::http {

struct Route {
  enum class Match { exact, prefix };
  enum class Where { worker, io };  // io: the handler never blocks

  std::string path{};  // "/health", or as a prefix "/v1/"; of several prefixes the longest wins
  Handler handler{};
  std::string name{};  // label of the metrics; the path if empty
  Match match = Match::exact;
  Where where = Where::worker;
  std::vector<std::string> methods = {
      "GET"};  // others get 405 with Allow; empty: the handler decides, and sees HEAD as such
  std::uint64_t body_bytes_max = 64 * 1024;
  bool cross_origin = false;  // takes POST and the like from pages of other sites
};

struct Limits {
  std::size_t connections_max = 1024;
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t waiting_requests_max = 256;            // accepted for the workers and not begun
  std::chrono::milliseconds idle_timeout{75'000};    // between requests of a connection
  std::chrono::milliseconds header_timeout{10'000};  // from the first byte of a request to the end of its header
  std::chrono::milliseconds body_timeout{30'000};    // for the whole body, plus its length at body_bytes_per_second_min
  std::uint64_t body_bytes_per_second_min = 64 * 1024;
  std::chrono::milliseconds write_timeout{30'000};  // without the client taking a single byte
  std::chrono::milliseconds stop_timeout{10'000};   // for requests in flight when the server stops
};

struct ServerOptions {
  std::string host = "127.0.0.1";  // an address or a name; "0.0.0.0" and "::" are all interfaces
  std::uint16_t port = 8080;       // 0: any free one
  int io_threads = 1;
  int worker_threads = 4;
  Limits limits;
  // Host names to answer to, beside loopback names; empty and listening on other than loopback: any.
  std::vector<std::string> host_names;
};

class Server {
 public:
  Server(ServerOptions options, io::Env& env, base::Metrics& metrics);
  ~Server();  // stops

  void route(Route route);

  // Binds, listens and starts the threads. Error serve.cannot_listen (environment).
  base::Result<void> start();
  // After start(): the port that was bound, and the address for people ("http://127.0.0.1:8080").
  std::uint16_t port() const;
  std::string address() const;
  bool on_loopback() const;

  // Stops accepting, closes idle connections, lets requests in flight finish (for stop_timeout), ends the threads.
  // Handlers must return by themselves: a streamed answer ends at its next chunk.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct HostAndPort {
  std::string host;
  std::uint16_t port = 0;
};
// "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" (all interfaces), "8080" (default host). Error
// serve.bad_address (usage).
base::Result<HostAndPort> parse_host_and_port(std::string_view text, const HostAndPort& defaults);

}  // namespace shoplake::http
