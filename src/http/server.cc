// The only file that includes Boost.Beast and Asio: they cost many seconds to compile.
//
// Beast parses requests; answers are written as text here, because header and body in one gathered write is all they
// need.

#include "http/server.h"

#include <fmt/format.h>

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
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <charconv>
#include <condition_variable>
#include <ctime>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "base/log.h"

namespace shoplake::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
namespace net = boost::asio;
using tcp = net::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr std::size_t kReadAheadBytes = 64 * 1024;    // beside the header limit, in a connection's buffer
constexpr std::size_t kLingerBytesMax = 1024 * 1024;  // read and dropped after an answer that refused a body
constexpr milliseconds kLingerTimeout{2'000};
constexpr std::size_t kTargetBytesMax = 8 * 1024;
constexpr milliseconds kAcceptRetryDelay{50};

// One connection. Everything but the stream's executor belongs to its strand.
struct Connection {
  explicit Connection(tcp::socket socket) : stream(std::move(socket)) {}
  beast::tcp_stream stream;
  std::string peer;
  bool idle = true;      // no request has begun: may be closed at any time
  bool closing = false;  // the server stops: close after the answer
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// "Host: [::1]:8080" → "::1"; "localhost:8080" → "localhost".
std::string host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    return lower(authority.substr(1, authority.find(']') == std::string_view::npos ? 0 : authority.find(']') - 1));
  }
  auto host = authority.substr(0, authority.find(':'));
  if (host.ends_with('.'))
    host.remove_suffix(1);
  return lower(host);
}

bool is_loopback_name(std::string_view host) {
  if (host == "localhost" || host.ends_with(".localhost"))
    return true;
  error_code error;
  const auto address = net::ip::make_address(std::string(host), error);
  return !error && address.is_loopback();
}

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
std::string http_date(std::int64_t micros) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<std::time_t>(micros / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(parts.tm_wday)],
                     parts.tm_mday, kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

// Header values come from handlers, and handlers may quote what a client sent.
std::string without_line_breaks(std::string_view value) {
  std::string out(value);
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 && c != '\t'; }, ' ');
  return out;
}

Response call(const Handler& handler, const Request& request) {
  try {
    return handler(request);
  } catch (const std::exception& exception) {
    base::log::error("http.handler_failed", {{"path", request.path}, {"reason", exception.what()}});
    return error_response(500, "serve.internal", "the request failed inside shoplake: " + std::string(exception.what()),
                          "this is a defect of shoplake; the server's log has the request");
  }
}

}  // namespace

struct Server::State {
  State(ServerOptions options_, io::Env& env_, base::Metrics& metrics_)
      : options(std::move(options_)), env(env_), metrics(metrics_), acceptor(net::make_strand(context)) {}

  ServerOptions options;
  io::Env& env;
  base::Metrics& metrics;
  std::map<std::string, Route, std::less<>> exact_routes;
  std::vector<Route> prefix_routes;  // longest first

  net::io_context context;
  std::optional<net::executor_work_guard<net::io_context::executor_type>> work;
  tcp::acceptor acceptor;
  std::unique_ptr<net::thread_pool> workers;
  std::vector<std::jthread> io_threads;
  tcp::endpoint endpoint;
  bool started = false;

  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> waiting_requests{0};
  std::atomic<std::uint64_t> next_sequence{1};

  std::mutex connections_mutex;
  std::condition_variable connections_changed;
  std::unordered_set<std::shared_ptr<Connection>> connections;

  // What is known of a request before its body, and what came of it: for metrics and the log.
  struct Exchange {
    Request request;
    Response response;
    const Route* route = nullptr;
    std::string original_method;
    unsigned version = 11;
    bool keep_alive = false;
    bool head_only = false;
    std::int64_t began_micros = 0;
    std::uint64_t bytes_written = 0;
  };

  const Route* find_route(std::string_view path) const {
    if (const auto exact = exact_routes.find(path); exact != exact_routes.end())
      return &exact->second;
    for (const Route& route : prefix_routes) {
      if (path.starts_with(route.path))
        return &route;
    }
    return nullptr;
  }

  // --- connections ---

  net::awaitable<void> accept_connections() {
    for (;;) {
      tcp::socket socket(net::make_strand(context));
      error_code error;
      co_await acceptor.async_accept(socket, net::redirect_error(net::use_awaitable, error));
      if (stopping || error == net::error::operation_aborted || error == net::error::bad_descriptor)
        co_return;
      if (error) {
        // Out of file descriptors or memory, or the peer is gone already: others may still get through.
        base::log::warning("http.accept_failed", {{"reason", error.message()}});
        net::steady_timer timer(acceptor.get_executor(), kAcceptRetryDelay);
        co_await timer.async_wait(net::redirect_error(net::use_awaitable, error));
        continue;
      }
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      const auto executor = socket.get_executor();
      auto connection = std::make_shared<Connection>(std::move(socket));
      const auto remote = connection->stream.socket().remote_endpoint(ignored);
      if (!ignored)
        connection->peer = remote.address().to_string();
      bool admitted = false;
      {
        const std::scoped_lock lock(connections_mutex);
        admitted = connections.size() < options.limits.connections_max && connections.insert(connection).second;
        metrics.set("shoplake_http_connections", {}, static_cast<double>(connections.size()));
      }
      if (admitted) {
        net::co_spawn(executor, serve(connection), net::detached);
      } else {
        metrics.add("shoplake_http_refused_total", {{"reason", "connections"}});
        static constexpr std::string_view kFull =
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
        connection->stream.socket().non_blocking(true, ignored);
        connection->stream.socket().write_some(net::buffer(kFull), ignored);
        connection->stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
      }
    }
  }

  net::awaitable<void> serve(std::shared_ptr<Connection> connection) {
    beast::flat_buffer buffer(options.limits.header_bytes_max + kReadAheadBytes);
    bool more = true;
    while (more) {
      more = co_await serve_one(*connection, buffer);
    }
    error_code ignored;
    connection->stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
    connection->stream.socket().close(ignored);
    {
      const std::scoped_lock lock(connections_mutex);
      connections.erase(connection);
      metrics.set("shoplake_http_connections", {}, static_cast<double>(connections.size()));
    }
    connections_changed.notify_all();
  }

  // Reads one request, answers it; false when the connection is to be closed.
  net::awaitable<bool> serve_one(Connection& connection, beast::flat_buffer& buffer) {
    auto& stream = connection.stream;
    error_code error;
    if (connection.closing || stopping)
      co_return false;

    if (buffer.size() == 0) {
      connection.idle = true;
      stream.expires_after(options.limits.idle_timeout);
      const auto space = buffer.prepare(4 * 1024);
      const std::size_t size = co_await stream.async_read_some(space, net::redirect_error(net::use_awaitable, error));
      if (error)
        co_return false;
      buffer.commit(size);
    }
    connection.idle = false;

    bhttp::request_parser<bhttp::string_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(options.limits.header_bytes_max));
    parser.body_limit(boost::none);  // the route's own, once the header is known
    stream.expires_after(options.limits.header_timeout);
    co_await bhttp::async_read_header(stream, buffer, parser, net::redirect_error(net::use_awaitable, error));

    Exchange exchange;
    exchange.began_micros = env.monotonic_micros();
    exchange.request.sequence = next_sequence++;
    exchange.request.peer = connection.peer;
    if (error) {
      if (!describe_read_error(error, exchange.response))
        co_return false;
      co_await refuse(connection, exchange);
      co_return false;
    }
    begin_exchange(parser.get(), exchange);
    const bool has_body = parser.content_length().value_or(0) > 0 || parser.chunked();
    if (!admit(parser, exchange)) {
      if (has_body) {
        co_await refuse(connection, exchange);
        co_return false;
      }
      const bool sent = co_await answer(connection, exchange);
      co_return sent&& exchange.keep_alive;
    }

    if (has_body) {
      if (exchange.version == 11 && exchange.request.header("expect") && !parser.is_done() && buffer.size() == 0) {
        static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        const bool sent = co_await write_all(stream, net::buffer(kContinue), net::const_buffer());
        if (!sent)
          co_return false;
      }
      parser.body_limit(exchange.route->body_bytes_max);
      const auto length_allowance =
          milliseconds(1000 * parser.content_length().value_or(exchange.route->body_bytes_max) /
                       options.limits.body_bytes_per_second_min);
      stream.expires_after(options.limits.body_timeout + length_allowance);
      co_await bhttp::async_read(stream, buffer, parser, net::redirect_error(net::use_awaitable, error));
      if (error) {
        if (!describe_read_error(error, exchange.response))
          co_return false;
        co_await refuse(connection, exchange);
        co_return false;
      }
      exchange.request.body = std::move(parser.get().body());
    }

    stream.expires_never();
    if (exchange.route->where == Route::Where::io) {
      exchange.response = call(exchange.route->handler, exchange.request);
    } else if (waiting_requests >= options.limits.waiting_requests_max) {
      metrics.add("shoplake_http_refused_total", {{"reason", "busy"}});
      exchange.response =
          error_response(503, "serve.busy", "the server has too many requests waiting", "try again in a second");
      exchange.response.set("Retry-After", "1");
    } else {
      ++waiting_requests;
      co_await net::co_spawn(workers->get_executor(), call_on_worker(exchange), net::use_awaitable);
    }
    if (stopping || connection.closing)
      exchange.keep_alive = false;
    const bool sent = co_await answer(connection, exchange);
    co_return sent&& exchange.keep_alive;
  }

  net::awaitable<void> call_on_worker(Exchange& exchange) {
    --waiting_requests;
    exchange.response = call(exchange.route->handler, exchange.request);
    co_return;
  }

  net::awaitable<void> next_chunk_on_worker(Response& response, base::Result<std::optional<std::string>>& chunk) {
    try {
      chunk = response.stream();
    } catch (const std::exception& exception) {
      chunk = base::make_error(base::ErrorKind::internal, "serve.internal", exception.what());
    }
    co_return;
  }

  // What an error while reading means for the client; false: nothing can or need be said.
  bool describe_read_error(const error_code& error, Response& response) {
    const auto refused = [&](const char* reason) { metrics.add("shoplake_http_refused_total", {{"reason", reason}}); };
    if (error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow) {
      refused("header_size");
      response =
          error_response(431, "serve.header_too_large",
                         fmt::format("the request's header is larger than {} bytes", options.limits.header_bytes_max),
                         "send fewer or shorter header fields");
      return true;
    }
    if (error == bhttp::error::body_limit) {
      refused("body_size");
      response = error_response(413, "serve.body_too_large", "the request's body is larger than this address takes",
                                "send smaller pieces");
      return true;
    }
    if (error == beast::error::timeout) {
      refused("timeout");  // the stream has closed the connection already
      return false;
    }
    if (error == bhttp::error::end_of_stream || error == bhttp::error::partial_message ||
        error.category() != make_error_code(bhttp::error::bad_method).category()) {
      return false;  // the peer is gone
    }
    refused("malformed");
    response = error_response(400, "serve.malformed_request", "the request is not HTTP/1.1: " + error.message(),
                              "check the client");
    return true;
  }

  template <typename Message>
  void begin_exchange(const Message& message, Exchange& exchange) {
    Request& request = exchange.request;
    exchange.version = message.version();
    exchange.keep_alive = message.keep_alive();
    exchange.original_method = std::string(message.method_string());
    exchange.head_only = exchange.original_method == "HEAD";
    request.method = exchange.head_only ? "GET" : exchange.original_method;
    for (const auto& field : message) {
      request.headers.emplace_back(lower({field.name_string().data(), field.name_string().size()}),
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

  // Decides what can be decided before the body; false: exchange.response refuses the request.
  template <typename Parser>
  bool admit(const Parser& parser, Exchange& exchange) {
    const Request& request = exchange.request;
    const auto refuse_with = [&](Response response, const char* reason) {
      exchange.response = std::move(response);
      metrics.add("shoplake_http_refused_total", {{"reason", reason}});
      return false;
    };
    if (exchange.version == 11) {
      const auto hosts = std::count_if(request.headers.begin(), request.headers.end(),
                                       [](const auto& header) { return header.first == "host"; });
      if (hosts != 1) {
        return refuse_with(error_response(400, "serve.malformed_request", "the request needs exactly one Host field",
                                          "check the client"),
                           "malformed");
      }
    }
    if (request.path.size() + request.query.size() > kTargetBytesMax) {
      return refuse_with(error_response(414, "serve.target_too_long",
                                        fmt::format("the address is longer than {} bytes", kTargetBytesMax),
                                        "send the parameters in the body where the address takes one"),
                         "target_size");
    }
    if (!request.path.starts_with('/') && request.path != "*") {
      return refuse_with(
          error_response(400, "serve.malformed_request", "the address does not begin with '/'", "check the client"),
          "malformed");
    }
    if (const auto host = request.header("host"); host && !answers_to(host_of(*host))) {
      return refuse_with(
          error_response(421, "serve.foreign_host",
                         fmt::format("this server does not answer to the host name '{}'", host_of(*host)),
                         "use the address that `shoplake serve` printed, or start it with --host-name"),
          "foreign_host");
    }
    exchange.route = find_route(request.path);
    if (exchange.head_only && exchange.route != nullptr && exchange.route->methods.empty())
      exchange.request.method = "HEAD";
    if (exchange.route == nullptr) {
      exchange.response =
          error_response(404, "serve.no_such_address", fmt::format("there is nothing at {}", request.path),
                         "docs/http_api.md lists the addresses");
      return false;
    }
    const Route& route = *exchange.route;
    if (!route.methods.empty() &&
        std::find(route.methods.begin(), route.methods.end(), request.method) == route.methods.end()) {
      std::string allowed;
      for (const auto& method : route.methods) {
        allowed += allowed.empty() ? "" : ", ";
        allowed += method == "GET" ? "GET, HEAD" : method;
      }
      exchange.response = error_response(405, "serve.method_not_allowed",
                                         fmt::format("{} does not take {}", request.path, exchange.original_method),
                                         "it takes " + allowed);
      exchange.response.set("Allow", allowed);
      return false;
    }
    if (!route.cross_origin && request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS" &&
        comes_from_another_site(request)) {
      return refuse_with(error_response(403, "serve.cross_origin", "the request comes from a page of another site",
                                        "send it from the dashboard or from a program"),
                         "cross_origin");
    }
    if (const auto expect = request.header("expect"); expect && lower(*expect) != "100-continue") {
      return refuse_with(
          error_response(417, "serve.expectation", "only `Expect: 100-continue` can be met", "leave the field out"),
          "malformed");
    }
    if (const auto length = parser.content_length(); length && *length > route.body_bytes_max) {
      return refuse_with(error_response(413, "serve.body_too_large",
                                        fmt::format("the request's body has {} bytes, and {} takes at most {}", *length,
                                                    request.path, route.body_bytes_max),
                                        "send smaller pieces"),
                         "body_size");
    }
    return true;
  }

  bool answers_to(const std::string& host) const {
    if (is_loopback_name(host))
      return true;
    if (!options.host_names.empty()) {
      return std::any_of(options.host_names.begin(), options.host_names.end(),
                         [&](const auto& name) { return lower(name) == host; });
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
    return !host || lower(authority_of_origin(*origin)) != lower(*host);
  }

  // --- answers ---

  net::awaitable<bool> write_all(beast::tcp_stream& stream, net::const_buffer first, net::const_buffer second) {
    while (first.size() + second.size() > 0) {
      const std::array<net::const_buffer, 2> buffers = {first, second};
      error_code error;
      stream.expires_after(options.limits.write_timeout);
      const std::size_t size =
          co_await stream.async_write_some(buffers, net::redirect_error(net::use_awaitable, error));
      if (error)
        co_return false;
      const std::size_t of_first = std::min(size, first.size());
      first += of_first;
      second += size - of_first;
    }
    co_return true;
  }

  std::string header_text(const Exchange& exchange, bool chunked) const {
    const Response& response = exchange.response;
    std::string text = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status, reason_phrase(response.status),
                                   http_date(env.now_micros()));
    const bool has_content = response.status != 204 && response.status != 304 && response.status >= 200;
    if (has_content && (chunked || !response.bytes().empty())) {
      text += fmt::format("Content-Type: {}\r\n", without_line_breaks(response.content_type));
    }
    for (const auto& [name, value] : response.headers)
      text += fmt::format("{}: {}\r\n", name, without_line_breaks(value));
    text += fmt::format("X-Content-Type-Options: nosniff\r\nX-Request-Id: {}\r\n", exchange.request.sequence);
    if (chunked && exchange.version == 11) {
      text += "Transfer-Encoding: chunked\r\n";
    } else if (!chunked && has_content) {
      text += fmt::format("Content-Length: {}\r\n", response.bytes().size());
    }
    if (!exchange.keep_alive) {
      text += "Connection: close\r\n";
    } else if (exchange.version == 10) {
      text += "Connection: keep-alive\r\n";
    }
    text += "\r\n";
    return text;
  }

  net::awaitable<bool> answer(Connection& connection, Exchange& exchange) {
    auto& stream = connection.stream;
    const bool streamed = static_cast<bool>(exchange.response.stream);
    if (streamed && exchange.version == 10)
      exchange.keep_alive = false;  // the end of the connection is the end of the body
    const std::string header = header_text(exchange, streamed);
    bool sent = false;
    if (!streamed) {
      const bool has_content =
          !exchange.head_only && exchange.response.status != 204 && exchange.response.status != 304;
      const std::string_view body = has_content ? exchange.response.bytes() : std::string_view();
      sent = co_await write_all(stream, net::buffer(header), net::buffer(body));
      exchange.bytes_written = header.size() + body.size();
    } else {
      sent = co_await write_all(stream, net::buffer(header), net::const_buffer());
      exchange.bytes_written = header.size();
      while (sent && !exchange.head_only) {
        base::Result<std::optional<std::string>> chunk = std::optional<std::string>();
        co_await net::co_spawn(workers->get_executor(), next_chunk_on_worker(exchange.response, chunk),
                               net::use_awaitable);
        if (!chunk.ok()) {
          base::log::warning("http.stream_broken",
                             {{"path", exchange.request.path}, {"reason", base::to_string(chunk.error())}});
          sent = false;
          break;
        }
        const bool last = !chunk->has_value();
        if (!last && (*chunk)->empty())
          continue;
        std::string piece;
        if (exchange.version == 11) {
          piece = last ? "0\r\n\r\n" : fmt::format("{:x}\r\n{}\r\n", (*chunk)->size(), **chunk);
        } else if (!last) {
          piece = std::move(**chunk);
        }
        sent = co_await write_all(stream, net::buffer(piece), net::const_buffer());
        exchange.bytes_written += piece.size();
        if (last)
          break;
      }
      if (stopping)
        exchange.keep_alive = false;
    }
    record(exchange);
    co_return sent;
  }

  // Answers and closes, reading on for a moment: closing with unread bytes would reset the connection, and the client
  // might never see the answer.
  net::awaitable<void> refuse(Connection& connection, Exchange& exchange) {
    exchange.keep_alive = false;
    const bool sent = co_await answer(connection, exchange);
    if (!sent)
      co_return;
    error_code error;
    connection.stream.socket().shutdown(tcp::socket::shutdown_send, error);
    std::array<char, 16 * 1024> dropped;
    std::size_t total = 0;
    connection.stream.expires_after(kLingerTimeout);
    while (!error && total < kLingerBytesMax && !stopping) {
      total += co_await connection.stream.async_read_some(net::buffer(dropped),
                                                          net::redirect_error(net::use_awaitable, error));
    }
  }

  void record(const Exchange& exchange) {
    const std::string route = exchange.route == nullptr ? "none" : exchange.route->name;
    const std::string_view method =
        is_known_method(exchange.original_method) ? std::string_view(exchange.original_method) : "other";
    const auto micros = env.monotonic_micros() - exchange.began_micros;
    metrics.add("shoplake_http_requests_total",
                {{"route", route}, {"method", method}, {"status", std::to_string(exchange.response.status)}});
    metrics.observe("shoplake_http_request_duration_seconds", {{"route", route}}, static_cast<double>(micros) / 1e6);
    metrics.add("shoplake_http_response_bytes_total", {{"route", route}}, static_cast<double>(exchange.bytes_written));
    base::log::debug("http.request", {{"method", exchange.original_method},
                                      {"path", exchange.request.path},
                                      {"status", exchange.response.status},
                                      {"micros", micros},
                                      {"bytes", exchange.bytes_written},
                                      {"peer", exchange.request.peer},
                                      {"request", exchange.request.sequence}});
  }

  // --- start and stop ---

  base::Result<void> listen() {
    error_code error;
    tcp::resolver resolver(context);
    const auto found = resolver.resolve(options.host, std::to_string(options.port),
                                        tcp::resolver::passive | tcp::resolver::numeric_service, error);
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
    acceptor.open(endpoint.protocol(), error);
    if (!error)
      acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error)
      acceptor.bind(endpoint, error);
    if (!error)
      acceptor.listen(net::socket_base::max_listen_connections, error);
    if (error)
      return fail(error.message());
    endpoint = acceptor.local_endpoint(error);
    return {};
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
  if (route.name.empty())
    route.name = route.path;
  if (route.match == Route::Match::exact) {
    state_->exact_routes.insert_or_assign(route.path, std::move(route));
    return;
  }
  auto& routes = state_->prefix_routes;
  routes.push_back(std::move(route));
  std::stable_sort(routes.begin(), routes.end(),
                   [](const Route& a, const Route& b) { return a.path.size() > b.path.size(); });
}

base::Result<void> Server::start() {
  State& state = *state_;
  SHOPLAKE_CHECK(!state.started);
  SHOPLAKE_TRY(state.listen());
  state.started = true;
  state.work.emplace(state.context.get_executor());
  state.workers =
      std::make_unique<net::thread_pool>(static_cast<std::size_t>(std::max(1, state.options.worker_threads)));
  net::co_spawn(state.acceptor.get_executor(), state.accept_connections(), net::detached);
  for (int i = 0; i < std::max(1, state.options.io_threads); ++i) {
    state.io_threads.emplace_back([&state] { state.context.run(); });
  }
  return {};
}

std::uint16_t Server::port() const { return state_->endpoint.port(); }

std::string Server::address() const {
  const auto ip = state_->endpoint.address();
  const std::string host = ip.is_unspecified() ? "localhost" : ip.is_v6() ? "[" + ip.to_string() + "]" : ip.to_string();
  return fmt::format("http://{}:{}", host, state_->endpoint.port());
}

bool Server::on_loopback() const { return state_->endpoint.address().is_loopback(); }

void Server::stop() {
  State& state = *state_;
  if (!state.started || state.stopping.exchange(true))
    return;
  net::post(state.acceptor.get_executor(), [&state] {
    error_code ignored;
    state.acceptor.close(ignored);
  });
  const auto close_connections = [&state](bool also_busy) {
    const std::scoped_lock lock(state.connections_mutex);
    for (const auto& connection : state.connections) {
      net::post(connection->stream.get_executor(), [connection, also_busy] {
        connection->closing = true;
        if (connection->idle || also_busy)
          connection->stream.close();
      });
    }
  };
  close_connections(false);
  {
    std::unique_lock lock(state.connections_mutex);
    state.connections_changed.wait_for(lock, state.options.limits.stop_timeout,
                                       [&state] { return state.connections.empty(); });
  }
  close_connections(true);
  state.workers->join();
  {
    std::unique_lock lock(state.connections_mutex);
    state.connections_changed.wait_for(lock, std::chrono::seconds(1), [&state] { return state.connections.empty(); });
  }
  state.work.reset();
  state.context.stop();
  state.io_threads.clear();
}

base::Result<HostAndPort> parse_host_and_port(std::string_view text, const HostAndPort& defaults) {
  HostAndPort parsed = defaults;
  std::string_view port;
  const auto bad = [&](const std::string& why) {
    return base::make_error(base::ErrorKind::usage, "serve.bad_address",
                            fmt::format("'{}' is not HOST:PORT: {}", text, why),
                            "examples: 127.0.0.1:8080, [::1]:8080, :8080 (all interfaces)");
  };
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos)
      return bad("a ']' is missing");
    parsed.host = text.substr(1, end - 1);
    auto rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':'))
      return bad("after ']' comes ':PORT'");
    if (!rest.empty())
      port = rest.substr(1);
    if (!rest.empty() && port.empty())
      return bad("the port is empty");
  } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    if (text.find(':') != colon)
      return bad("an IPv6 address stands in brackets");
    parsed.host = colon == 0 ? std::string("0.0.0.0") : std::string(text.substr(0, colon));
    port = text.substr(colon + 1);
    if (port.empty())
      return bad("the port is empty");
  } else if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
    port = text;
  } else {
    parsed.host = text;
  }
  if (parsed.host.empty())
    return bad("the host is empty");
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
    if (error != std::errc() || end != port.data() + port.size())
      return bad("the port is a number up to 65535");
  }
  return parsed;
}

}  // namespace shoplake::http
