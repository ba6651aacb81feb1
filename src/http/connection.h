// The server's connections: what each of them is, and the conversation on it. Internal to http. Includes Asio, which
// costs many seconds to compile.
//
// A connection belongs to one I/O thread and is one coroutine there. Time limits are deadlines that a sweep of each I/O
// thread looks at: a timer an operation would cost more than the operation.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_set>

#include "base/metrics.h"
#include "http/admission.h"
#include "http/exchange.h"
#include "http/responder.h"
#include "http/router.h"
#include "http/server.h"
#include "io/env.h"

namespace shoplake::http {

namespace net = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Everything of a connection runs on one io_context with one thread, so no strand and no type-erased executor is
// needed.
using Executor = net::io_context::executor_type;
using Tcp = net::ip::tcp;
using Socket = net::basic_stream_socket<Tcp, Executor>;
using Acceptor = net::basic_socket_acceptor<Tcp, Executor>;
using Timer = net::basic_waitable_timer<Clock, net::wait_traits<Clock>, Executor>;
using TlsStream = net::ssl::stream<Socket&>;
template <typename T>
using Task = net::awaitable<T, Executor>;
inline constexpr net::use_awaitable_t<Executor> kAwait;

inline constexpr std::size_t kReadAheadBytes = 64 * 1024;  // beside the header limit, in a connection's buffer

struct IoThread;

// One connection. Belongs to its I/O thread.
struct Connection {
  Connection(Socket socket_, IoThread& thread_, std::size_t buffer_bytes_max)
      : socket(std::move(socket_)), thread(thread_), buffer(buffer_bytes_max) {}

  void expires_after(milliseconds time) { deadline = Clock::now() + time; }
  void never_expires() { deadline = Clock::time_point::max(); }
  void close() {
    error_code ignored;
    socket.close(ignored);
  }

  Socket socket;
  IoThread& thread;
  std::unique_ptr<TlsStream> tls;
  boost::beast::flat_buffer buffer;
  std::string peer;
  std::string header;  // of the answer being written
  Clock::time_point deadline = Clock::time_point::max();
  bool timed_out = false;
  bool idle = true;                  // no request has begun: may be closed at any time
  bool closing = false;              // the server stops: close after the answer
  std::shared_ptr<Awaited> awaited;  // the answer that a responder owes
  std::shared_ptr<Feed> feed;        // the answer that has no end
};

// A thread with its share of the connections.
struct IoThread {
  net::io_context context{1};
  net::executor_work_guard<Executor> work{context.get_executor()};
  std::shared_ptr<Handover> handover;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  Timer sweep{context.get_executor()};
  bool sweeping = false;
  std::int64_t date_seconds = -1;
  std::string date;

  // What one (route, method, status) counts into.
  struct Series {
    base::Metrics::Handle requests, bytes, duration;
  };
  std::map<std::tuple<const Route*, std::string, int>, Series, std::less<>> series;

  std::jthread thread;
};

// What all connections share. Constant once the server has started, but for the atomics.
struct ConnectionContext {
  ConnectionContext(ServerOptions options_, io::Env& env_, base::Metrics& metrics_)
      : options(std::move(options_)), env(env_), metrics(metrics_), admission(options, router, metrics) {}

  ServerOptions options;
  io::Env& env;
  base::Metrics& metrics;
  Router router;
  Admission admission;
  std::unique_ptr<net::ssl::context> tls;  // null: plain
  std::unique_ptr<net::thread_pool> workers;
  std::shared_ptr<const RunOnWorker> run_on_worker;

  const std::shared_ptr<InFlight> in_flight = std::make_shared<InFlight>();
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> waiting_requests{0};
  std::atomic<std::uint64_t> next_sequence{1};
};

// Suspends the coroutine until the awaited answer is settled.
Task<void> until_settled(Awaited& awaited);

// Shakes hands, reads requests and answers them, until one of both sides has enough. The socket is shut down, not
// closed.
Task<void> converse(ConnectionContext& context, Connection& connection);

}  // namespace shoplake::http
