#include "http/answer_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <ctime>
#include <exception>

#include "base/log.h"

namespace shoplake::http {
namespace {

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

const std::string& date(IoThread& thread, io::Env& env) {
  const std::int64_t seconds = env.now_micros() / 1'000'000;
  if (seconds != thread.date_seconds) {
    thread.date_seconds = seconds;
    thread.date = http_date(seconds);
  }
  return thread.date;
}

void write_header(ConnectionContext& context, Connection& connection, const Exchange& exchange, bool chunked) {
  const Response& response = exchange.response;
  std::string& text = connection.header;
  text.clear();
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status, reason_phrase(response.status),
                 date(connection.thread, context.env));
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

void record(ConnectionContext& context, IoThread& thread, const Exchange& exchange) {
  const std::string& method = exchange.original_method;
  auto key = std::make_tuple(exchange.route, is_known_method(method) ? method : std::string("other"),
                             exchange.response.status);
  auto found = thread.series.find(key);
  if (found == thread.series.end()) {
    const std::string route = exchange.route == nullptr ? "none" : exchange.route->name;
    IoThread::Series series;
    series.requests = context.metrics.handle(
        "shoplake_http_requests_total",
        {{"route", route}, {"method", std::get<1>(key)}, {"status", std::to_string(exchange.response.status)}});
    series.duration = context.metrics.handle("shoplake_http_request_duration_seconds", {{"route", route}});
    series.bytes = context.metrics.handle("shoplake_http_response_bytes_total", {{"route", route}});
    found = thread.series.emplace(std::move(key), series).first;
  }
  const auto micros = context.env.monotonic_micros() - exchange.began_micros;
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
void watch(const std::shared_ptr<FeedNews>& news, const std::shared_ptr<Connection>& connection, Stream& stream) {
  stream.async_read_some(net::buffer(news->dropped), [news, connection, &stream](const error_code& error, std::size_t) {
    if (!error)
      return watch(news, connection, stream);
    news->client_is_gone = true;
    news->tell();
  });
}

}  // namespace

template <typename Stream>
Task<bool> AnswerWriter<Stream>::write_all(net::const_buffer first, net::const_buffer second) {
  while (first.size() + second.size() > 0) {
    const std::array<net::const_buffer, 2> buffers = {first, second};
    error_code error;
    connection_.expires_after(context_.options.limits.write_timeout);
    const std::size_t size = co_await stream_.async_write_some(buffers, net::redirect_error(kAwait, error));
    if (error)
      co_return false;
    const std::size_t of_first = std::min(size, first.size());
    first += of_first;
    second += size - of_first;
  }
  co_return true;
}

template <typename Stream>
Task<bool> AnswerWriter<Stream>::answer(Exchange& exchange) {
  const Response& response = exchange.response;
  const bool endless = response.feed != nullptr;
  const bool chunked = endless || static_cast<bool>(response.stream);
  if (endless || (chunked && exchange.version == 10))
    exchange.keep_alive = false;  // the end of the connection is the end of the body
  write_header(context_, connection_, exchange, chunked);
  exchange.bytes_written = connection_.header.size();
  bool sent = false;
  if (!chunked) {
    const bool has_content = !exchange.head_only && response.status != 204 && response.status != 304;
    const std::string_view body = has_content ? response.bytes() : std::string_view();
    sent = co_await write_all(net::buffer(connection_.header), net::buffer(body));
    exchange.bytes_written += body.size();
  } else {
    sent = co_await write_all(net::buffer(connection_.header), net::const_buffer());
    if (sent && !exchange.head_only) {
      if (endless) {
        sent = co_await write_feed(exchange);
      } else {
        sent = co_await write_stream(exchange);
      }
    }
    if (context_.stopping)
      exchange.keep_alive = false;
  }
  record(context_, connection_.thread, exchange);
  co_return sent;
}

template <typename Stream>
Task<bool> AnswerWriter<Stream>::write_chunk(Exchange& exchange, std::string_view chunk) {
  std::string piece;
  if (exchange.version == 11) {
    piece = fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
  } else {
    piece = chunk;
  }
  exchange.bytes_written += piece.size();
  co_return co_await write_all(net::buffer(piece), net::const_buffer());
}

template <typename Stream>
Task<bool> AnswerWriter<Stream>::write_stream(Exchange& exchange) {
  for (;;) {
    base::Result<std::optional<std::string>> chunk = std::optional<std::string>();
    connection_.never_expires();
    co_await on_worker([&] {
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
    const bool sent = co_await write_chunk(exchange, chunk->value_or(""));
    if (!sent || !chunk->has_value())
      co_return sent;
  }
}

// Runs `work` on a worker thread, whatever waits there.
template <typename Stream>
Task<void> AnswerWriter<Stream>::on_worker(std::function<void()> work) {
  const auto awaited = std::make_shared<Awaited>();
  net::post(*context_.workers, [&work, awaited, handover = connection_.thread.handover] {
    work();
    handover->put([awaited] { awaited->settle(Response()); });
  });
  co_await until_settled(*awaited);
}

template <typename Stream>
Task<bool> AnswerWriter<Stream>::write_feed(Exchange& exchange) {
  const auto news = std::make_shared<FeedNews>();
  FeedReader reader(exchange.response.feed,
                    [news, handover = connection_.thread.handover] { handover->put([news] { news->tell(); }); });
  connection_.feed = exchange.response.feed;
  if (context_.stopping)
    connection_.feed->close();
  const auto self = std::find_if(connection_.thread.connections.begin(), connection_.thread.connections.end(),
                                 [&](const auto& other) { return other.get() == &connection_; });
  watch(news, *self, stream_);
  bool sent = true;
  while (sent && !news->client_is_gone) {
    news->listen();
    bool ended = false;
    const std::string text = reader.take(&ended);
    if (ended) {
      if (exchange.version == 11)
        sent = co_await write_chunk(exchange, {});
      break;
    }
    if (!text.empty()) {
      sent = co_await write_chunk(exchange, text);
      continue;
    }
    connection_.never_expires();
    co_await until_settled(news->awaited);
  }
  connection_.feed = nullptr;
  co_return sent && !news->client_is_gone;
}

template class AnswerWriter<Socket>;
template class AnswerWriter<TlsStream>;

}  // namespace shoplake::http
