// The state machine of a connection. Beast parses requests here, and nowhere else.
#include "http/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <exception>
#include <optional>
#include <stdexcept>

#include "base/log.h"
#include "http/address.h"
#include "http/answer_writer.h"

namespace shoplake::http {
namespace {

namespace bhttp = boost::beast::http;
using Parser = bhttp::request_parser<bhttp::string_body>;

constexpr std::size_t kIdleBufferBytesMax = 16 * 1024;
constexpr std::size_t kFirstReadBytes = 4 * 1024;  // an idle connection's
constexpr std::size_t kLingerBytesMax = 16 << 20;  // read and dropped after an answer that refused a body
constexpr milliseconds kLingerTimeout{2'000};

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

std::optional<std::uint64_t> length_of(const Parser& parser) {
  const auto length = parser.content_length();
  return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}

// What is said on one connection. Lives in the coroutine of converse().
template <typename Stream>
class Conversation {
 public:
  Conversation(ConnectionContext& context, Connection& connection, Stream& stream)
      : context_(context), connection_(connection), stream_(stream), writer_(context, connection, stream) {}

  Task<void> serve_requests() {
    bool more = true;
    while (more && !connection_.closing)
      more = co_await serve_one();
  }

 private:
  // Reads one request, answers it; false when the connection is to be closed.
  Task<bool> serve_one() {
    auto& buffer = connection_.buffer;
    error_code error;
    if (buffer.size() == 0) {
      connection_.idle = true;
      if (buffer.capacity() > kIdleBufferBytesMax)
        buffer.shrink_to_fit();  // a large body has passed, and an idle connection should cost little
      connection_.expires_after(context_.options.limits.idle_timeout);
      const std::size_t size =
          co_await stream_.async_read_some(buffer.prepare(kFirstReadBytes), net::redirect_error(kAwait, error));
      if (error)
        co_return false;
      buffer.commit(size);
    }
    connection_.idle = false;

    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(context_.options.limits.header_bytes_max));
    parser.body_limit(boost::none);  // the route's own, once the header is known
    connection_.expires_after(context_.options.limits.header_timeout);
    for (;;) {
      error = {};
      buffer.consume(parser.put(buffer.data(), error));
      if (error != bhttp::error::need_more)
        break;
      error = {};
      if (buffer.size() >= context_.options.limits.header_bytes_max) {
        error = bhttp::error::header_limit;
        break;
      }
      const std::size_t size =
          co_await stream_.async_read_some(buffer.prepare(kFirstReadBytes), net::redirect_error(kAwait, error));
      if (error) {
        note_timeout();
        co_return false;
      }
      buffer.commit(size);
    }

    Exchange exchange(*context_.in_flight);
    exchange.began_micros = context_.env.monotonic_micros();
    exchange.sequence = exchange.request.sequence = context_.next_sequence.fetch_add(1, std::memory_order_relaxed);
    exchange.request.peer = connection_.peer;
    if (error) {
      describe_parse_error(error, exchange);
      co_await refuse(exchange);
      co_return false;
    }
    begin_exchange(parser.get(), exchange);
    const bool has_body = parser.content_length().value_or(0) > 0 || parser.chunked();
    if (!context_.admission.admit(exchange, length_of(parser))) {
      if (has_body) {
        co_await refuse(exchange);
        co_return false;
      }
      const bool sent = co_await writer_.answer(exchange);
      co_return sent&& exchange.keep_alive;
    }
    if (has_body) {
      const bool read = co_await read_body(parser, exchange);
      if (!read)
        co_return false;
    }
    connection_.never_expires();
    const bool called = co_await call(exchange);
    if (!called)
      co_return false;
    exchange.release();
    if (context_.stopping || connection_.closing)
      exchange.keep_alive = false;
    const bool sent = co_await writer_.answer(exchange);
    co_return sent&& exchange.keep_alive;
  }

  void note_timeout() {
    if (connection_.timed_out)
      context_.metrics.add("shoplake_http_refused_total", {{"reason", "timeout"}});
  }

  // False: there is nothing more to do with the connection_.
  Task<bool> read_body(Parser& parser, Exchange& exchange) {
    auto& buffer = connection_.buffer;
    const Route& route = *exchange.route;
    if (exchange.version == 11 && exchange.request.header("expect") && buffer.size() == 0) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      const bool sent = co_await writer_.write_all(net::buffer(kContinue), net::const_buffer());
      if (!sent)
        co_return false;
    }
    parser.body_limit(route.body_bytes_max);
    parser.eager(true);
    const auto rate = route.body_bytes_per_second_min.value_or(context_.options.limits.body_bytes_per_second_min);
    const auto length_allowance =
        milliseconds(1000 * parser.content_length().value_or(route.body_bytes_max) / std::max<std::uint64_t>(1, rate));
    connection_.expires_after(route.body_timeout.value_or(context_.options.limits.body_timeout) + length_allowance);
    error_code error;
    bool needs_more = buffer.size() == 0;
    while (!parser.is_done()) {
      if (needs_more) {
        const auto space = buffer.prepare(std::min(kReadAheadBytes, buffer.max_size() - buffer.size()));
        const std::size_t size = co_await stream_.async_read_some(space, net::redirect_error(kAwait, error));
        if (error) {
          note_timeout();
          co_return false;
        }
        buffer.commit(size);
        exchange.bytes_held += size;
        if (context_.in_flight->bytes.fetch_add(size, std::memory_order_relaxed) + size >
            context_.options.limits.bytes_in_flight_max) {
          overloaded(exchange, "bytes");
          parser.get().body() = std::string();
          co_await refuse(exchange);
          co_return false;
        }
      }
      error = {};
      buffer.consume(parser.put(buffer.data(), error));
      needs_more = error == bhttp::error::need_more || buffer.size() == 0;
      if (error && error != bhttp::error::need_more) {
        describe_parse_error(error, exchange);
        co_await refuse(exchange);
        co_return false;
      }
      if (needs_more && buffer.size() == buffer.max_size()) {
        describe_parse_error(bhttp::error::header_limit, exchange);
        co_await refuse(exchange);
        co_return false;
      }
    }
    exchange.request.body = std::move(parser.get().body());
    co_return true;
  }

  void overloaded(Exchange& exchange, const char* reason) {
    context_.metrics.add("shoplake_http_refused_total", {{"reason", reason}});
    exchange.response = refusal(exchange.route, 503, "serve.overloaded",
                                "the server has as many requests in flight as it may", "try again in a second");
    exchange.response.set("Retry-After", "1");
  }

  // Gets exchange.response from the route's handler; false if the server stops before.
  Task<bool> call(Exchange& exchange) {
    const Route& route = *exchange.route;
    if (!route.async_handler && route.where == Route::Where::io) {
      exchange.response = answer_of([&] { return route.handler(exchange.request); }, exchange.request.path);
      co_return true;
    }
    exchange.is_in_flight = true;
    if (context_.in_flight->requests.fetch_add(1, std::memory_order_relaxed) >=
        context_.options.limits.requests_in_flight_max) {
      overloaded(exchange, "requests");
      co_return true;
    }
    const auto awaited = std::make_shared<Awaited>();
    if (route.async_handler) {
      connection_.awaited = awaited;
      const Responder responder(
          std::make_shared<Responder::State>(awaited, connection_.thread.handover, context_.run_on_worker));
      try {
        route.async_handler(std::move(exchange.request), responder);
      } catch (const std::exception& exception) {
        responder.answer_with([what = std::string(exception.what())]() -> Response { throw std::runtime_error(what); });
      }
    } else {
      const bool taken = (*context_.run_on_worker)([awaited, &exchange, handover = connection_.thread.handover] {
        auto made = std::make_shared<Response>(
            answer_of([&] { return exchange.route->handler(exchange.request); }, exchange.request.path));
        handover->put([awaited, made] { awaited->settle(std::move(*made)); });
      });
      if (!taken) {
        context_.metrics.add("shoplake_http_refused_total", {{"reason", "busy"}});
        exchange.response =
            refusal(&route, 503, "serve.busy", "the server has too many requests waiting", "try again in a second");
        exchange.response.set("Retry-After", "1");
        co_return true;
      }
    }
    co_await until_settled(*awaited);
    connection_.awaited = nullptr;
    if (awaited->abandoned)
      co_return false;
    exchange.response = std::move(*awaited->response);
    co_return true;
  }

  // What an error of the parser means for the client.
  void describe_parse_error(const error_code& error, Exchange& exchange) {
    const auto refused = [&](const char* reason) {
      context_.metrics.add("shoplake_http_refused_total", {{"reason", reason}});
    };
    if (error == bhttp::error::header_limit || error == bhttp::error::buffer_overflow) {
      refused("header_size");
      exchange.response =
          refusal(exchange.route, 431, "serve.header_too_large",
                  fmt::format("the request's header is larger than {} bytes", context_.options.limits.header_bytes_max),
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

  // Answers and closes, reading on for a moment: closing with unread bytes would reset the connection, and the client
  // might never see the answer.
  Task<void> refuse(Exchange& exchange) {
    exchange.release();
    exchange.keep_alive = false;
    const bool sent = co_await writer_.answer(exchange);
    if (!sent)
      co_return;
    error_code error;
    if constexpr (std::is_same_v<Stream, Socket>)
      stream_.shutdown(Tcp::socket::shutdown_send, error);
    std::array<char, 16 * 1024> dropped;
    std::size_t total = 0;
    connection_.expires_after(kLingerTimeout);
    while (!error && total < kLingerBytesMax && !context_.stopping)
      total += co_await stream_.async_read_some(net::buffer(dropped), net::redirect_error(kAwait, error));
  }

  ConnectionContext& context_;
  Connection& connection_;
  Stream& stream_;
  AnswerWriter<Stream> writer_;
};

}  // namespace

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

Task<void> converse(ConnectionContext& context, Connection& connection) {
  error_code ignored;
  if (!context.tls) {
    Conversation<Socket> conversation(context, connection, connection.socket);
    co_await conversation.serve_requests();
    connection.socket.shutdown(Tcp::socket::shutdown_both, ignored);
    co_return;
  }
  connection.tls = std::make_unique<TlsStream>(connection.socket, *context.tls);
  error_code error;
  connection.expires_after(context.options.limits.header_timeout);
  co_await connection.tls->async_handshake(net::ssl::stream_base::server, net::redirect_error(kAwait, error));
  if (error) {
    context.metrics.add("shoplake_http_refused_total", {{"reason", "tls"}});
    co_return;
  }
  Conversation<TlsStream> conversation(context, connection, *connection.tls);
  co_await conversation.serve_requests();
  connection.expires_after(kLingerTimeout);
  co_await connection.tls->async_shutdown(net::redirect_error(kAwait, ignored));
}

}  // namespace shoplake::http
