// The server's connections. One of the two files that include Boost.Beast and Asio: they cost many seconds to compile.
//
// Beast parses requests; answers are written as text here, because header and body in one gathered write is all they
// need. Time limits are deadlines that a sweep of each I/O thread looks at: a timer an operation would cost more than
// the operation.

#include "http/server.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <condition_variable>
#include <ctime>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "base/log.h"
#include "http/address.h"
#include "http/responder.h"
#include "http/router.h"

namespace shoplake::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
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
constexpr net::use_awaitable_t<Executor> kAwait;

constexpr std::size_t kReadAheadBytes = 64 * 1024;  // beside the header limit, in a connection's buffer
constexpr std::size_t kIdleBufferBytesMax = 16 * 1024;
constexpr std::size_t kFirstReadBytes = 4 * 1024;  // an idle connection's
constexpr std::size_t kLingerBytesMax = 16 << 20;  // read and dropped after an answer that refused a body
constexpr milliseconds kLingerTimeout{2'000};
constexpr std::size_t kTargetBytesMax = 8 * 1024;
constexpr milliseconds kAcceptRetryDelay{50};
constexpr milliseconds kSweepPeriodMax{250};
constexpr milliseconds kSweepPeriodMin{10};
constexpr rlim_t kOtherFiles = 256;  // beside the connections
constexpr auto kPreflightSeconds = "7200";

std::string_view authority_of_origin(std::string_view origin) {
  const auto scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

bool is_known_method(std::string_view method) {
  static constexpr std::array<std::string_view, 7> kKnown = {"GET",    "HEAD",  "POST",   "PUT",
                                                             "DELETE", "PATCH", "OPTIONS"};
  return std::find(kKnown.begin(), kKnown.end(), method) != kKnown.end();
}

// IMF-fixdate (RFC 9110, 5.6.7), independent of the locale.
std::string http_date(std::int64_t seconds_since_1970) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<std::time_t>(seconds_since_1970);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(parts.tm_wday)],
                     parts.tm_mday, kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

// Header values come from handlers, and handlers may quote what a client sent.
void append_without_line_breaks(std::string& out, std::string_view value) {
  for (const char c : value)
    out.push_back(static_cast<unsigned char>(c) < 0x20 && c != '\t' ? ' ' : c);
}

// So many connections need as many open files, and a shell's usual limit is 1,024.
void raise_file_limit(std::size_t connections_max) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, connections_max + kOtherFiles);
  if (limit.rlim_cur >= wanted)
    return;
  limit.rlim_cur = wanted;
  setrlimit(RLIMIT_NOFILE, &limit);
}

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
  beast::flat_buffer buffer;
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

// Suspends the coroutine until the awaited answer is settled.
Task<void> until_settled(Awaited& awaited) {
  if (awaited.response || awaited.abandoned)
    co_return;
  co_await net::async_initiate<const net::use_awaitable_t<Executor>, void()>(
      [&awaited](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        awaited.resume = [shared] { std::move (*shared)(); };
      },
      kAwait);
}

template <typename Stream>
Socket& socket_of(Stream& stream) {
  if constexpr (std::is_same_v<Stream, Socket>) {
    return stream;
  } else {
    return stream.next_layer();
  }
}

}  // namespace

struct Server::State {
  State(ServerOptions options_, io::Env& env_, base::Metrics& metrics_)
      : options(std::move(options_)), env(env_), metrics(metrics_) {}

  ServerOptions options;
  io::Env& env;
  base::Metrics& metrics;
  Router router;

  std::vector<std::unique_ptr<IoThread>> threads;
  std::unique_ptr<Acceptor> acceptor;  // runs on the first thread
  std::unique_ptr<net::ssl::context> tls;
  std::unique_ptr<net::thread_pool> workers;
  std::shared_ptr<const RunOnWorker> run_on_worker;
  Tcp::endpoint endpoint;
  milliseconds sweep_period{kSweepPeriodMax};
  bool started = false;

  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> waiting_requests{0};
  std::atomic<std::size_t> requests_in_flight{0};
  std::atomic<std::uint64_t> bytes_in_flight{0};
  std::atomic<std::uint64_t> next_sequence{1};

  std::mutex connections_mutex;
  std::condition_variable connections_changed;
  std::size_t connections = 0;

  // What is known of a request before its body, and what came of it: for metrics and the log.
  struct Exchange {
    explicit Exchange(State& state_) : state(state_) {}
    ~Exchange() { release(); }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    // The request does not count as in flight any more.
    void release() {
      if (const auto bytes = std::exchange(bytes_held, 0); bytes > 0)
        state.bytes_in_flight.fetch_sub(bytes, std::memory_order_relaxed);
      if (std::exchange(in_flight, false))
        state.requests_in_flight.fetch_sub(1, std::memory_order_relaxed);
    }

    State& state;
    Request request;
    Response response;
    const Route* route = nullptr;
    std::string original_method;
    std::string origin;  // of the page that sent it, where the route is for pages of other sites
    unsigned version = 11;
    std::uint64_t sequence = 0;
    bool keep_alive = false;
    bool head_only = false;
    std::int64_t began_micros = 0;
    std::uint64_t bytes_written = 0;
    std::uint64_t bytes_held = 0;
    bool in_flight = false;
  };

  // --- connections ---

  Task<void> accept_connections() {
    for (std::size_t turn = 0;; ++turn) {
      IoThread& thread = *threads[turn % threads.size()];
      Socket socket(thread.context.get_executor());
      error_code error;
      co_await acceptor->async_accept(socket, net::redirect_error(kAwait, error));
      if (stopping || error == net::error::operation_aborted || error == net::error::bad_descriptor)
        co_return;
      if (error) {
        // Out of file descriptors or memory, or the peer is gone already: others may still get through.
        base::log::warning("http.accept_failed", {{"reason", error.message()}});
        Timer timer(acceptor->get_executor(), kAcceptRetryDelay);
        co_await timer.async_wait(net::redirect_error(kAwait, error));
        continue;
      }
      error_code ignored;
      socket.set_option(Tcp::no_delay(true), ignored);
      if (!count_connection()) {
        refuse_connection(socket);
        continue;
      }
      auto connection =
          std::make_shared<Connection>(std::move(socket), thread, options.limits.header_bytes_max + kReadAheadBytes);
      const auto remote = connection->socket.remote_endpoint(ignored);
      if (!ignored)
        connection->peer = remote.address().to_string();
      net::post(thread.context, [this, connection] { begin(connection); });
    }
  }

  bool count_connection() {
    const std::scoped_lock lock(connections_mutex);
    if (connections >= options.limits.connections_max)
      return false;
    ++connections;
    metrics.set("shoplake_http_connections", {}, static_cast<double>(connections));
    return true;
  }

  void refuse_connection(Socket& socket) {
    metrics.add("shoplake_http_refused_total", {{"reason", "connections"}});
    if (tls)
      return;  // there is no way to say it before a handshake
    static constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(net::buffer(kFull), ignored);
    socket.shutdown(Tcp::socket::shutdown_send, ignored);
  }

  void begin(const std::shared_ptr<Connection>& connection) {
    IoThread& thread = connection->thread;
    thread.connections.insert(connection);
    connection->closing = stopping;
    if (!std::exchange(thread.sweeping, true))
      sweep_later(thread);
    net::co_spawn(thread.context, serve(connection), net::detached);
  }

  // Closes what is over its deadline, as long as there are connections.
  void sweep_later(IoThread& thread) {
    thread.sweep.expires_after(sweep_period);
    thread.sweep.async_wait([this, &thread](const error_code& error) {
      if (error)
        return;
      const auto now = Clock::now();
      for (const auto& connection : thread.connections) {
        if (now >= connection->deadline && !connection->timed_out) {
          connection->timed_out = true;
          connection->close();
        }
      }
      thread.sweeping = !thread.connections.empty();
      if (thread.sweeping)
        sweep_later(thread);
    });
  }

  Task<void> serve(std::shared_ptr<Connection> connection) {
    error_code ignored;
    if (!tls) {
      co_await serve_requests(*connection, connection->socket);
      connection->socket.shutdown(Tcp::socket::shutdown_both, ignored);
    } else {
      connection->tls = std::make_unique<TlsStream>(connection->socket, *tls);
      error_code error;
      connection->expires_after(options.limits.header_timeout);
      co_await connection->tls->async_handshake(net::ssl::stream_base::server, net::redirect_error(kAwait, error));
      if (error) {
        metrics.add("shoplake_http_refused_total", {{"reason", "tls"}});
      } else {
        co_await serve_requests(*connection, *connection->tls);
        connection->expires_after(kLingerTimeout);
        co_await connection->tls->async_shutdown(net::redirect_error(kAwait, ignored));
      }
    }
    connection->close();
    connection->thread.connections.erase(connection);
    // Whoever waits for the last connection may destroy this right after, so the lock covers all of it.
    const std::scoped_lock lock(connections_mutex);
    --connections;
    metrics.set("shoplake_http_connections", {}, static_cast<double>(connections));
    connections_changed.notify_all();
  }

  template <typename Stream>
  Task<void> serve_requests(Connection& connection, Stream& stream) {
    bool more = true;
    while (more && !connection.closing)
      more = co_await serve_one(connection, stream);
  }

  using Parser = bhttp::request_parser<bhttp::string_body>;

  // Reads one request, answers it; false when the connection is to be closed.
  template <typename Stream>
  Task<bool> serve_one(Connection& connection, Stream& stream) {
    auto& buffer = connection.buffer;
    error_code error;
    if (buffer.size() == 0) {
      connection.idle = true;
      if (buffer.capacity() > kIdleBufferBytesMax)
        buffer.shrink_to_fit();  // a large body has passed, and an idle connection should cost little
      connection.expires_after(options.limits.idle_timeout);
      const std::size_t size =
          co_await stream.async_read_some(buffer.prepare(kFirstReadBytes), net::redirect_error(kAwait, error));
      if (error)
        co_return false;
      buffer.commit(size);
    }
    connection.idle = false;

    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(options.limits.header_bytes_max));
    parser.body_limit(boost::none);  // the route's own, once the header is known
    connection.expires_after(options.limits.header_timeout);
    for (;;) {
      error = {};
      buffer.consume(parser.put(buffer.data(), error));
      if (error != bhttp::error::need_more)
        break;
      error = {};
      if (buffer.size() >= options.limits.header_bytes_max) {
        error = bhttp::error::header_limit;
        break;
      }
      const std::size_t size =
          co_await stream.async_read_some(buffer.prepare(kFirstReadBytes), net::redirect_error(kAwait, error));
      if (error) {
        note_timeout(connection);
        co_return false;
      }
      buffer.commit(size);
    }

    Exchange exchange(*this);
    exchange.began_micros = env.monotonic_micros();
    exchange.sequence = exchange.request.sequence = next_sequence.fetch_add(1, std::memory_order_relaxed);
    exchange.request.peer = connection.peer;
    if (error) {
      describe_parse_error(error, exchange);
      co_await refuse(connection, stream, exchange);
      co_return false;
    }
    begin_exchange(parser.get(), exchange);
    const bool has_body = parser.content_length().value_or(0) > 0 || parser.chunked();
    if (!admit(parser, exchange)) {
      if (has_body) {
        co_await refuse(connection, stream, exchange);
        co_return false;
      }
      const bool sent = co_await answer(connection, stream, exchange);
      co_return sent&& exchange.keep_alive;
    }
    if (has_body) {
      const bool read = co_await read_body(connection, stream, parser, exchange);
      if (!read)
        co_return false;
    }
    connection.never_expires();
    const bool called = co_await call(connection, exchange);
    if (!called)
      co_return false;
    exchange.release();
    if (stopping || connection.closing)
      exchange.keep_alive = false;
    const bool sent = co_await answer(connection, stream, exchange);
    co_return sent&& exchange.keep_alive;
  }

  void note_timeout(const Connection& connection) {
    if (connection.timed_out)
      metrics.add("shoplake_http_refused_total", {{"reason", "timeout"}});
  }

  // False: there is nothing more to do with the connection.
  template <typename Stream>
  Task<bool> read_body(Connection& connection, Stream& stream, Parser& parser, Exchange& exchange) {
    auto& buffer = connection.buffer;
    const Route& route = *exchange.route;
    if (exchange.version == 11 && exchange.request.header("expect") && buffer.size() == 0) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      const bool sent = co_await write_all(connection, stream, net::buffer(kContinue), net::const_buffer());
      if (!sent)
        co_return false;
    }
    parser.body_limit(route.body_bytes_max);
    parser.eager(true);
    const auto rate = route.body_bytes_per_second_min.value_or(options.limits.body_bytes_per_second_min);
    const auto length_allowance =
        milliseconds(1000 * parser.content_length().value_or(route.body_bytes_max) / std::max<std::uint64_t>(1, rate));
    connection.expires_after(route.body_timeout.value_or(options.limits.body_timeout) + length_allowance);
    error_code error;
    bool needs_more = buffer.size() == 0;
    while (!parser.is_done()) {
      if (needs_more) {
        const auto space = buffer.prepare(std::min(kReadAheadBytes, buffer.max_size() - buffer.size()));
        const std::size_t size = co_await stream.async_read_some(space, net::redirect_error(kAwait, error));
        if (error) {
          note_timeout(connection);
          co_return false;
        }
        buffer.commit(size);
        exchange.bytes_held += size;
        if (bytes_in_flight.fetch_add(size, std::memory_order_relaxed) + size > options.limits.bytes_in_flight_max) {
          overloaded(exchange, "bytes");
          parser.get().body() = std::string();
          co_await refuse(connection, stream, exchange);
          co_return false;
        }
      }
      error = {};
      buffer.consume(parser.put(buffer.data(), error));
      needs_more = error == bhttp::error::need_more || buffer.size() == 0;
      if (error && error != bhttp::error::need_more) {
        describe_parse_error(error, exchange);
        co_await refuse(connection, stream, exchange);
        co_return false;
      }
      if (needs_more && buffer.size() == buffer.max_size()) {
        describe_parse_error(bhttp::error::header_limit, exchange);
        co_await refuse(connection, stream, exchange);
        co_return false;
      }
    }
    exchange.request.body = std::move(parser.get().body());
    co_return true;
  }

  void overloaded(Exchange& exchange, const char* reason) {
    metrics.add("shoplake_http_refused_total", {{"reason", reason}});
    exchange.response = refusal(exchange.route, 503, "serve.overloaded",
                                "the server has as many requests in flight as it may", "try again in a second");
    exchange.response.set("Retry-After", "1");
  }

  // Gets exchange.response from the route's handler; false if the server stops before.
  Task<bool> call(Connection& connection, Exchange& exchange) {
    const Route& route = *exchange.route;
    if (!route.async_handler && route.where == Route::Where::io) {
      exchange.response = answer_of([&] { return route.handler(exchange.request); }, exchange.request.path);
      co_return true;
    }
    exchange.in_flight = true;
    if (requests_in_flight.fetch_add(1, std::memory_order_relaxed) >= options.limits.requests_in_flight_max) {
      overloaded(exchange, "requests");
      co_return true;
    }
    const auto awaited = std::make_shared<Awaited>();
    if (route.async_handler) {
      connection.awaited = awaited;
      const Responder responder(std::make_shared<Responder::State>(awaited, connection.thread.handover, run_on_worker));
      try {
        route.async_handler(std::move(exchange.request), responder);
      } catch (const std::exception& exception) {
        responder.answer_with([what = std::string(exception.what())]() -> Response { throw std::runtime_error(what); });
      }
    } else {
      const bool taken = (*run_on_worker)([awaited, &exchange, handover = connection.thread.handover] {
        auto made = std::make_shared<Response>(
            answer_of([&] { return exchange.route->handler(exchange.request); }, exchange.request.path));
        handover->put([awaited, made] { awaited->settle(std::move(*made)); });
      });
      if (!taken) {
        metrics.add("shoplake_http_refused_total", {{"reason", "busy"}});
        exchange.response =
            refusal(&route, 503, "serve.busy", "the server has too many requests waiting", "try again in a second");
        exchange.response.set("Retry-After", "1");
        co_return true;
      }
    }
    co_await until_settled(*awaited);
    connection.awaited = nullptr;
    if (awaited->abandoned)
      co_return false;
    exchange.response = std::move(*awaited->response);
    co_return true;
  }

  // Runs `work` on a worker thread, whatever waits there.
  Task<void> on_worker(Connection& connection, std::function<void()> work) {
    const auto awaited = std::make_shared<Awaited>();
    net::post(*workers, [&work, awaited, handover = connection.thread.handover] {
      work();
      handover->put([awaited] { awaited->settle(Response()); });
    });
    co_await until_settled(*awaited);
  }

  Response refusal(const Route* route, int status, std::string_view code, std::string_view message,
                   std::string_view advice) const {
    if (route != nullptr && route->refusal)
      return route->refusal(status, code, message);
    return error_response(status, code, message, advice);
  }

  // What an error of the parser means for the client.
  void describe_parse_error(const error_code& error, Exchange& exchange) {
    const auto refused = [&](const char* reason) { metrics.add("shoplake_http_refused_total", {{"reason", reason}}); };
    if (error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow) {
      refused("header_size");
      exchange.response =
          refusal(exchange.route, 431, "serve.header_too_large",
                  fmt::format("the request's header is larger than {} bytes", options.limits.header_bytes_max),
                  "send fewer or shorter header fields");
    } else if (error == bhttp::error::body_limit) {
      refused("body_size");
      exchange.response = refusal(exchange.route, 413, "serve.body_too_large",
                                  "the request's body is larger than this address takes", "send smaller pieces");
    } else {
      refused("malformed");
      exchange.response = refusal(exchange.route, 400, "serve.malformed_request",
                                  "the request is not HTTP/1.1: " + error.message(), "check the client");
    }
  }

  template <typename Message>
  void begin_exchange(const Message& message, Exchange& exchange) {
    Request& request = exchange.request;
    exchange.version = message.version();
    exchange.keep_alive = message.keep_alive();
    exchange.original_method = std::string(message.method_string());
    exchange.head_only = exchange.original_method == "HEAD";
    request.method = exchange.head_only ? "GET" : exchange.original_method;
    request.headers.reserve(16);
    for (const auto& field : message) {
      request.headers.emplace_back(lower_case({field.name_string().data(), field.name_string().size()}),
                                   std::string(field.value()));
    }
    std::string_view target{message.target().data(), message.target().size()};
    if (const auto scheme = target.find("://");
        scheme != std::string_view::npos && scheme < target.find('/')) {  // absolute form
      const auto slash = target.find('/', scheme + 3);
      target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    }
    target = target.substr(0, target.find('#'));
    const auto question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string_view::npos)
      request.query = target.substr(question + 1);
  }

  // Decides what can be decided before the body; false: exchange.response is the answer.
  bool admit(const Parser& parser, Exchange& exchange) {
    const Request& request = exchange.request;
    const auto refuse_with = [&](const char* reason, int status, std::string_view code, const std::string& message,
                                 std::string_view advice) {
      exchange.response = refusal(exchange.route, status, code, message, advice);
      metrics.add("shoplake_http_refused_total", {{"reason", reason}});
      return false;
    };
    if (exchange.version == 11) {
      const auto hosts = std::count_if(request.headers.begin(), request.headers.end(),
                                       [](const auto& header) { return header.first == "host"; });
      if (hosts != 1) {
        return refuse_with("malformed", 400, "serve.malformed_request", "the request needs exactly one Host field",
                           "check the client");
      }
    }
    if (request.path.size() + request.query.size() > kTargetBytesMax) {
      return refuse_with("target_size", 414, "serve.target_too_long",
                         fmt::format("the address is longer than {} bytes", kTargetBytesMax),
                         "send the parameters in the body where the address takes one");
    }
    if (!request.path.starts_with('/') && request.path != "*") {
      return refuse_with("malformed", 400, "serve.malformed_request", "the address does not begin with '/'",
                         "check the client");
    }
    if (const auto host = request.header("host"); host && !answers_to(host_name(*host))) {
      return refuse_with("foreign_host", 421, "serve.foreign_host",
                         fmt::format("this server does not answer to the host name '{}'", host_name(*host)),
                         "use the address that `shoplake serve` printed, or start it with --host-name");
    }
    const auto preflight = request.method == "OPTIONS" && request.header("origin")
                               ? request.header("access-control-request-method")
                               : std::nullopt;
    exchange.route = router.find(request.path, preflight ? *preflight : std::string_view(request.method));
    if (exchange.head_only && exchange.route != nullptr && exchange.route->methods.empty())
      exchange.request.method = "HEAD";
    if (exchange.route == nullptr) {
      exchange.response =
          error_response(404, "serve.no_such_address", fmt::format("there is nothing at {}", request.path),
                         "docs/http_api.md lists the addresses");
      return false;
    }
    const Route& route = *exchange.route;
    if (route.cross_origin) {
      if (const auto origin = request.header("origin"))
        exchange.origin = *origin;
      if (request.method == "OPTIONS") {
        answer_options(exchange);
        return false;
      }
    }
    if (!Router::takes(route, request.method)) {
      const std::string allowed = router.allowed_methods(route);
      exchange.response =
          refusal(&route, 405, "serve.method_not_allowed",
                  fmt::format("{} does not take {}", request.path, exchange.original_method), "it takes " + allowed);
      exchange.response.set("Allow", allowed);
      return false;
    }
    if (!route.cross_origin && request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS" &&
        comes_from_another_site(request)) {
      return refuse_with("cross_origin", 403, "serve.cross_origin", "the request comes from a page of another site",
                         "send it from the dashboard or from a program");
    }
    if (const auto expect = request.header("expect"); expect && lower_case(*expect) != "100-continue") {
      return refuse_with("malformed", 417, "serve.expectation", "only `Expect: 100-continue` can be met",
                         "leave the field out");
    }
    if (const auto length = parser.content_length(); length && *length > route.body_bytes_max) {
      return refuse_with("body_size", 413, "serve.body_too_large",
                         fmt::format("the request's body has {} bytes, and {} takes at most {}", *length, request.path,
                                     route.body_bytes_max),
                         "send smaller pieces");
    }
    return true;
  }

  bool answers_to(const std::string& host) const {
    if (is_loopback_name(host))
      return true;
    if (!options.host_names.empty()) {
      return std::any_of(options.host_names.begin(), options.host_names.end(),
                         [&](const auto& name) { return lower_case(name) == host; });
    }
    return !endpoint.address().is_loopback();
  }

  static bool comes_from_another_site(const Request& request) {
    if (const auto site = request.header("sec-fetch-site"); site && (*site == "cross-site" || *site == "same-site"))
      return true;
    const auto origin = request.header("origin");
    if (!origin)
      return false;
    const auto host = request.header("host");
    return !host || lower_case(authority_of_origin(*origin)) != lower_case(*host);
  }

  // A preflight of a browser (https://fetch.spec.whatwg.org/#http-cors-protocol), or anybody's question.
  void answer_options(Exchange& exchange) const {
    Response& response = exchange.response;
    response = Response();
    response.status = 204;
    const std::string methods = router.allowed_methods(*exchange.route);
    response.set("Allow", methods);
    if (!exchange.request.header("access-control-request-method"))
      return;
    response.set("Access-Control-Allow-Methods", methods);
    if (const auto headers = exchange.request.header("access-control-request-headers"))
      response.set("Access-Control-Allow-Headers", std::string(*headers));
    if (exchange.request.header("access-control-request-private-network"))
      response.set("Access-Control-Allow-Private-Network", "true");
    response.set("Access-Control-Max-Age", kPreflightSeconds);
  }

  // --- answers ---

  template <typename Stream>
  Task<bool> write_all(Connection& connection, Stream& stream, net::const_buffer first, net::const_buffer second) {
    while (first.size() + second.size() > 0) {
      const std::array<net::const_buffer, 2> buffers = {first, second};
      error_code error;
      connection.expires_after(options.limits.write_timeout);
      const std::size_t size = co_await stream.async_write_some(buffers, net::redirect_error(kAwait, error));
      if (error)
        co_return false;
      const std::size_t of_first = std::min(size, first.size());
      first += of_first;
      second += size - of_first;
    }
    co_return true;
  }

  const std::string& date(IoThread& thread) const {
    const std::int64_t seconds = env.now_micros() / 1'000'000;
    if (seconds != thread.date_seconds) {
      thread.date_seconds = seconds;
      thread.date = http_date(seconds);
    }
    return thread.date;
  }

  void write_header(Connection& connection, const Exchange& exchange, bool chunked) const {
    const Response& response = exchange.response;
    std::string& text = connection.header;
    text.clear();
    const auto out = std::back_inserter(text);
    fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status, reason_phrase(response.status),
                   date(connection.thread));
    const bool has_content = response.status != 204 && response.status != 304 && response.status >= 200;
    if (has_content && (chunked || !response.bytes().empty())) {
      text += "Content-Type: ";
      append_without_line_breaks(text, response.content_type);
      text += "\r\n";
    }
    for (const auto& [name, value] : response.headers) {
      text.append(name).append(": ");
      append_without_line_breaks(text, value);
      text += "\r\n";
    }
    if (!exchange.origin.empty()) {
      text += "Access-Control-Allow-Origin: ";
      append_without_line_breaks(text, exchange.origin);
      text += "\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n";
    }
    fmt::format_to(out, "X-Content-Type-Options: nosniff\r\nX-Request-Id: {}\r\n", exchange.sequence);
    if (chunked && exchange.version == 11) {
      text += "Transfer-Encoding: chunked\r\n";
    } else if (!chunked && has_content) {
      fmt::format_to(out, "Content-Length: {}\r\n", response.bytes().size());
    }
    if (!exchange.keep_alive) {
      text += "Connection: close\r\n";
    } else if (exchange.version == 10) {
      text += "Connection: keep-alive\r\n";
    }
    text += "\r\n";
  }

  template <typename Stream>
  Task<bool> answer(Connection& connection, Stream& stream, Exchange& exchange) {
    const Response& response = exchange.response;
    const bool endless = response.feed != nullptr;
    const bool chunked = endless || static_cast<bool>(response.stream);
    if (endless || (chunked && exchange.version == 10))
      exchange.keep_alive = false;  // the end of the connection is the end of the body
    write_header(connection, exchange, chunked);
    exchange.bytes_written = connection.header.size();
    bool sent = false;
    if (!chunked) {
      const bool has_content = !exchange.head_only && response.status != 204 && response.status != 304;
      const std::string_view body = has_content ? response.bytes() : std::string_view();
      sent = co_await write_all(connection, stream, net::buffer(connection.header), net::buffer(body));
      exchange.bytes_written += body.size();
    } else {
      sent = co_await write_all(connection, stream, net::buffer(connection.header), net::const_buffer());
      if (sent && !exchange.head_only) {
        if (endless) {
          sent = co_await write_feed(connection, stream, exchange);
        } else {
          sent = co_await write_stream(connection, stream, exchange);
        }
      }
      if (stopping)
        exchange.keep_alive = false;
    }
    record(connection.thread, exchange);
    co_return sent;
  }

  template <typename Stream>
  Task<bool> write_chunk(Connection& connection, Stream& stream, Exchange& exchange, std::string_view chunk) {
    std::string piece;
    if (exchange.version == 11) {
      piece = fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
    } else {
      piece = chunk;
    }
    exchange.bytes_written += piece.size();
    co_return co_await write_all(connection, stream, net::buffer(piece), net::const_buffer());
  }

  template <typename Stream>
  Task<bool> write_stream(Connection& connection, Stream& stream, Exchange& exchange) {
    for (;;) {
      base::Result<std::optional<std::string>> chunk = std::optional<std::string>();
      connection.never_expires();
      co_await on_worker(connection, [&] {
        try {
          chunk = exchange.response.stream();
        } catch (const std::exception& exception) {
          chunk = base::make_error(base::ErrorKind::internal, "serve.internal", exception.what());
        }
      });
      if (!chunk.ok()) {
        base::log::warning("http.stream_broken",
                           {{"path", exchange.request.path}, {"reason", base::to_string(chunk.error())}});
        co_return false;
      }
      if (chunk->has_value() && (*chunk)->empty())
        continue;
      if (!chunk->has_value() && exchange.version == 10)
        co_return true;
      const bool sent = co_await write_chunk(connection, stream, exchange, chunk->value_or(""));
      if (!sent || !chunk->has_value())
        co_return sent;
    }
  }

  // What the coroutine of a feed waits for: news, or that the client has gone. Belongs to the I/O thread.
  struct FeedNews {
    Awaited awaited;
    bool client_is_gone = false;
    std::array<char, 512> dropped;  // what the client still sends

    void tell() { awaited.settle(Response()); }
    void listen() { awaited.response.reset(); }
  };

  // Reads on, only to notice when the client goes.
  template <typename Stream>
  static void watch(const std::shared_ptr<FeedNews>& news, const std::shared_ptr<Connection>& connection,
                    Stream& stream) {
    stream.async_read_some(net::buffer(news->dropped),
                           [news, connection, &stream](const error_code& error, std::size_t) {
                             if (!error)
                               return watch(news, connection, stream);
                             news->client_is_gone = true;
                             news->tell();
                           });
  }

  template <typename Stream>
  Task<bool> write_feed(Connection& connection, Stream& stream, Exchange& exchange) {
    const auto news = std::make_shared<FeedNews>();
    FeedReader reader(exchange.response.feed,
                      [news, handover = connection.thread.handover] { handover->put([news] { news->tell(); }); });
    connection.feed = exchange.response.feed;
    if (stopping)
      connection.feed->close();
    const auto self = std::find_if(connection.thread.connections.begin(), connection.thread.connections.end(),
                                   [&](const auto& other) { return other.get() == &connection; });
    watch(news, *self, stream);
    bool sent = true;
    while (sent && !news->client_is_gone) {
      news->listen();
      bool ended = false;
      const std::string text = reader.take(&ended);
      if (ended) {
        if (exchange.version == 11)
          sent = co_await write_chunk(connection, stream, exchange, {});
        break;
      }
      if (!text.empty()) {
        sent = co_await write_chunk(connection, stream, exchange, text);
        continue;
      }
      connection.never_expires();
      co_await until_settled(news->awaited);
    }
    connection.feed = nullptr;
    co_return sent && !news->client_is_gone;
  }

  // Answers and closes, reading on for a moment: closing with unread bytes would reset the connection, and the client
  // might never see the answer.
  template <typename Stream>
  Task<void> refuse(Connection& connection, Stream& stream, Exchange& exchange) {
    exchange.release();
    exchange.keep_alive = false;
    const bool sent = co_await answer(connection, stream, exchange);
    if (!sent)
      co_return;
    error_code error;
    if constexpr (std::is_same_v<Stream, Socket>)
      stream.shutdown(Tcp::socket::shutdown_send, error);
    std::array<char, 16 * 1024> dropped;
    std::size_t total = 0;
    connection.expires_after(kLingerTimeout);
    while (!error && total < kLingerBytesMax && !stopping)
      total += co_await stream.async_read_some(net::buffer(dropped), net::redirect_error(kAwait, error));
  }

  void record(IoThread& thread, const Exchange& exchange) {
    const std::string& method = exchange.original_method;
    auto key = std::make_tuple(exchange.route, is_known_method(method) ? method : std::string("other"),
                               exchange.response.status);
    auto found = thread.series.find(key);
    if (found == thread.series.end()) {
      const std::string route = exchange.route == nullptr ? "none" : exchange.route->name;
      IoThread::Series series;
      series.requests = metrics.handle(
          "shoplake_http_requests_total",
          {{"route", route}, {"method", std::get<1>(key)}, {"status", std::to_string(exchange.response.status)}});
      series.duration = metrics.handle("shoplake_http_request_duration_seconds", {{"route", route}});
      series.bytes = metrics.handle("shoplake_http_response_bytes_total", {{"route", route}});
      found = thread.series.emplace(std::move(key), series).first;
    }
    const auto micros = env.monotonic_micros() - exchange.began_micros;
    found->second.requests.add();
    found->second.duration.observe(static_cast<double>(micros) / 1e6);
    found->second.bytes.add(static_cast<double>(exchange.bytes_written));
    if (base::log::enabled(base::log::Level::debug)) {
      base::log::debug("http.request", {{"method", method},
                                        {"path", exchange.request.path},
                                        {"route", exchange.route == nullptr ? "" : exchange.route->name},
                                        {"status", exchange.response.status},
                                        {"micros", micros},
                                        {"bytes", exchange.bytes_written},
                                        {"peer", exchange.request.peer},
                                        {"request", exchange.sequence}});
    }
  }

  // --- start and stop ---

  base::Result<void> load_certificate() {
    if (!options.tls)
      return {};
    error_code error;
    auto made = std::make_unique<net::ssl::context>(net::ssl::context::tls_server);
    made->set_options(net::ssl::context::default_workarounds | net::ssl::context::no_sslv2 |
                          net::ssl::context::no_sslv3 | net::ssl::context::no_tlsv1 | net::ssl::context::no_tlsv1_1 |
                          net::ssl::context::single_dh_use,
                      error);
    const auto bad = [&](const std::string& file) {
      return base::make_error(base::ErrorKind::usage, "serve.bad_certificate",
                              fmt::format("cannot use {} for TLS: {}", file, error.message()),
                              "give a certificate with its chain and its private key, both as PEM files");
    };
    made->use_certificate_chain_file(options.tls->certificate_file, error);
    if (error)
      return bad(options.tls->certificate_file);
    made->use_private_key_file(options.tls->key_file, net::ssl::context::pem, error);
    if (error)
      return bad(options.tls->key_file);
    tls = std::move(made);
    return {};
  }

  base::Result<void> listen() {
    error_code error;
    net::io_context& context = threads.front()->context;
    Tcp::resolver resolver(context);
    const auto found = resolver.resolve(options.host, std::to_string(options.port),
                                        Tcp::resolver::passive | Tcp::resolver::numeric_service, error);
    const auto fail = [&](const std::string& what) -> base::Error {
      return base::make_error(
          base::ErrorKind::environment, "serve.cannot_listen",
          fmt::format("cannot listen on {}:{}: {}", options.host, options.port, what),
          error == net::error::address_in_use
              ? "another program uses this port: end it, or choose another one with --port (0: any free one)"
              : "give an address of this machine with --listen HOST:PORT");
    };
    if (error || found.empty())
      return fail(error ? error.message() : "no such address");
    // "localhost" may be both ::1 and 127.0.0.1: the latter is what other programs take it for.
    endpoint = found.begin()->endpoint();
    for (const auto& entry : found) {
      if (entry.endpoint().address().is_v4()) {
        endpoint = entry.endpoint();
        break;
      }
    }
    acceptor = std::make_unique<Acceptor>(context.get_executor());
    acceptor->open(endpoint.protocol(), error);
    if (!error)
      acceptor->set_option(Acceptor::reuse_address(true), error);
    if (!error)
      acceptor->bind(endpoint, error);
    if (!error)
      acceptor->listen(net::socket_base::max_listen_connections, error);
    if (error)
      return fail(error.message());
    endpoint = acceptor->local_endpoint(error);
    return {};
  }

  void make_threads() {
    for (int i = 0; i < std::max(1, options.io_threads); ++i) {
      auto thread = std::make_unique<IoThread>();
      thread->handover = std::make_shared<Handover>(
          [raw = thread.get()] { net::post(raw->context, [handover = raw->handover] { handover->run(); }); });
      threads.push_back(std::move(thread));
    }
    const Limits& limits = options.limits;
    const milliseconds shortest =
        std::min({limits.idle_timeout, limits.header_timeout, limits.body_timeout, limits.write_timeout});
    sweep_period = std::clamp(shortest / 4, kSweepPeriodMin, kSweepPeriodMax);
  }

  void make_workers() {
    workers = std::make_unique<net::thread_pool>(static_cast<std::size_t>(std::max(1, options.worker_threads)));
    run_on_worker = std::make_shared<const RunOnWorker>([this](std::function<void()> work) {
      if (stopping)
        return false;
      if (waiting_requests.fetch_add(1) >= options.limits.waiting_requests_max) {
        --waiting_requests;
        return false;
      }
      net::post(*workers, [this, work = std::move(work)] {
        --waiting_requests;
        work();
      });
      return true;
    });
  }

  void close_connections(bool also_busy) {
    for (const auto& thread : threads) {
      net::post(thread->context, [raw = thread.get(), also_busy] {
        for (const auto& connection : raw->connections) {
          connection->closing = true;
          if (connection->feed)
            connection->feed->close();
          if (connection->idle || also_busy)
            connection->close();
          if (also_busy && connection->awaited)
            net::post(raw->context, [awaited = connection->awaited] { awaited->settle(std::nullopt); });
        }
      });
    }
  }

  bool wait_for_connections(milliseconds timeout) {
    std::unique_lock lock(connections_mutex);
    return connections_changed.wait_for(lock, timeout, [this] { return connections == 0; });
  }
};

Server::Server(ServerOptions options, io::Env& env, base::Metrics& metrics)
    : state_(std::make_unique<State>(std::move(options), env, metrics)) {
  metrics.describe_counter("shoplake_http_requests_total", "Requests answered, by route, method and status.");
  metrics.describe_counter("shoplake_http_response_bytes_total", "Bytes written as answers, headers included.");
  metrics.describe_counter("shoplake_http_refused_total",
                           "Connections and requests refused before their handler, by reason.");
  metrics.describe_gauge("shoplake_http_connections", "Open connections.");
  metrics.describe_histogram("shoplake_http_request_duration_seconds",
                             "From the end of a request's header to the end of its answer.",
                             {0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30});
}

Server::~Server() { stop(); }

void Server::route(Route route) {
  SHOPLAKE_CHECK(!state_->started);
  SHOPLAKE_CHECK(static_cast<bool>(route.handler) != static_cast<bool>(route.async_handler));
  state_->router.add(std::move(route));
}

base::Result<void> Server::start() {
  State& state = *state_;
  SHOPLAKE_CHECK(!state.started);
  SHOPLAKE_TRY(state.load_certificate());
  state.threads.clear();
  state.make_threads();
  SHOPLAKE_TRY(state.listen());
  raise_file_limit(state.options.limits.connections_max);
  state.started = true;
  state.make_workers();
  net::co_spawn(state.threads.front()->context, state.accept_connections(), net::detached);
  for (const auto& thread : state.threads)
    thread->thread = std::jthread([raw = thread.get()] { raw->context.run(); });
  return {};
}

std::uint16_t Server::port() const { return state_->endpoint.port(); }

std::string Server::address() const {
  const auto ip = state_->endpoint.address();
  const std::string host = ip.is_unspecified() ? "localhost" : ip.is_v6() ? "[" + ip.to_string() + "]" : ip.to_string();
  return fmt::format("{}://{}:{}", state_->options.tls ? "https" : "http", host, state_->endpoint.port());
}

bool Server::on_loopback() const { return state_->endpoint.address().is_loopback(); }

void Server::stop() {
  State& state = *state_;
  if (!state.started || state.stopping.exchange(true))
    return;
  net::post(state.threads.front()->context, [&state] {
    error_code ignored;
    state.acceptor->close(ignored);
  });
  state.close_connections(false);
  state.wait_for_connections(state.options.limits.stop_timeout);
  state.close_connections(true);
  state.workers->join();
  state.wait_for_connections(std::chrono::seconds(1));
  for (const auto& thread : state.threads) {
    thread->handover->close();
    thread->work.reset();
    thread->context.stop();
  }
  for (const auto& thread : state.threads)
    thread->thread = std::jthread();
}

}  // namespace shoplake::http
