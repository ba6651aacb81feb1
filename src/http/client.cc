#include "http/client.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/version.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "http/server.h"

namespace shoplake::http {
namespace {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
namespace net = boost::asio;

}  // namespace

base::Result<Url> parse_url(std::string_view text) {
  const auto bad = [&](std::string advice) {
    return base::make_error(base::ErrorKind::usage, "http.bad_url",
                            fmt::format("\"{}\" is no address to send to", text), std::move(advice));
  };
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme))
    return bad("Write it as http://127.0.0.1:8080/…");
  const std::string_view rest = text.substr(kScheme.size());
  const std::size_t slash = rest.find_first_of("/?");
  const std::string_view authority = rest.substr(0, slash);
  if (authority.empty() || authority.find('@') != std::string_view::npos)
    return bad("Write it as http://127.0.0.1:8080/…");
  auto place = parse_host_and_port(authority, {"127.0.0.1", 80});
  if (!place.ok())
    return bad(place.error().message);
  Url url;
  url.host = std::move(place->host);
  url.port = place->port;
  if (slash != std::string_view::npos)
    url.target = (rest[slash] == '?' ? "/" : "") + std::string(rest.substr(slash));
  return url;
}

struct Client::State {
  std::string host;
  std::uint16_t port;
  ClientOptions options;
  net::io_context context{1};
  std::optional<beast::tcp_stream> stream;
  beast::flat_buffer buffer;

  base::Error error(const char* code, const std::string& what) const {
    return base::make_error(base::ErrorKind::environment, code, fmt::format("{}:{}: {}", host, port, what));
  }

  // Runs one asynchronous operation to its end; tcp_stream's deadline ends it if nothing else does.
  template <typename Start>
  beast::error_code wait(Start&& start) {
    beast::error_code outcome;
    start(outcome);
    context.restart();
    context.run();
    return outcome;
  }

  base::Result<void> connect() {
    if (stream)
      return {};
    beast::error_code failed;
    net::ip::tcp::resolver resolver(context);
    const auto found = resolver.resolve(host, std::to_string(port), failed);
    if (failed)
      return error("http.cannot_connect", failed.message());
    stream.emplace(context);
    buffer.clear();
    stream->expires_after(options.timeout);
    failed = wait([&](beast::error_code& outcome) {
      stream->async_connect(found, [&](beast::error_code code, const auto&) { outcome = code; });
    });
    if (failed) {
      stream.reset();
      return error("http.cannot_connect", failed.message());
    }
    stream->socket().set_option(net::ip::tcp::no_delay(true), failed);
    return {};
  }

  // `begun` tells whether a byte of the answer arrived.
  base::Result<Response> exchange(const bhttp::request<bhttp::string_body>& request, bool& begun) {
    stream->expires_after(options.timeout);
    beast::error_code failed = wait([&](beast::error_code& outcome) {
      bhttp::async_write(*stream, request, [&](beast::error_code code, std::size_t) { outcome = code; });
    });
    bhttp::response_parser<bhttp::string_body> parser;
    parser.body_limit(options.body_bytes_max);
    if (!failed) {
      failed = wait([&](beast::error_code& outcome) {
        bhttp::async_read(*stream, buffer, parser, [&](beast::error_code code, std::size_t) { outcome = code; });
      });
    }
    begun = parser.got_some() || buffer.size() > 0;
    if (failed) {
      stream.reset();
      if (failed == beast::error::timeout)
        return error("http.timeout", fmt::format("no answer within {} ms", options.timeout.count()));
      return error("http.broken", failed.message());
    }
    auto message = parser.release();
    Response response;
    response.status = static_cast<int>(message.result_int());
    response.content_type = std::string(message[bhttp::field::content_type]);
    for (const auto& field : message)
      response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    response.body = std::move(message.body());
    if (!message.keep_alive())
      stream.reset();
    return response;
  }
};

Client::Client(std::string host, std::uint16_t port, ClientOptions options) : state_(std::make_unique<State>()) {
  state_->host = std::move(host);
  state_->port = port;
  state_->options = options;
}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

base::Result<Response> Client::send(std::string_view method, std::string_view target, const Headers& headers,
                                    std::string_view body) {
  const auto view = [](std::string_view text) { return beast::string_view(text.data(), text.size()); };
  bhttp::request<bhttp::string_body> request;
  request.method_string(view(method));
  request.target(view(target));
  request.version(11);
  request.set(bhttp::field::host, fmt::format("{}:{}", state_->host, state_->port));
  request.set(bhttp::field::user_agent, "shoplake");
  for (const auto& [name, value] : headers)
    request.set(view(name), value);
  request.body().assign(body);
  request.prepare_payload();
  for (int attempt = 1;; ++attempt) {
    const bool reused = state_->stream.has_value();
    SHOPLAKE_TRY(state_->connect());
    bool begun = false;
    auto response = state_->exchange(request, begun);
    if (response.ok() || begun || !reused || attempt > 1 || response.error().code == "http.timeout")
      return response;
  }
}

}  // namespace shoplake::http
