// AnswerWriter: an exchange's answer onto its connection: bodies, streams of unknown length, feeds without end. Answers
// are written as text, because header and body in one gathered write is all they need. Internal to http.
#pragma once

#include <string_view>

#include "http/connection.h"

namespace shoplake::http {

// Stream is Socket or TlsStream. Belongs to the connection's I/O thread, and outlives the coroutines that it makes.
template <typename Stream>
class AnswerWriter {
 public:
  AnswerWriter(ConnectionContext& context, Connection& connection, Stream& stream)
      : context_(context), connection_(connection), stream_(stream) {}

  // Writes exchange.response and counts it; false if the client is gone or too slow. May clear exchange.keep_alive.
  Task<bool> answer(Exchange& exchange);
  // Both buffers, in as few writes as it takes.
  Task<bool> write_all(net::const_buffer first, net::const_buffer second);

 private:
  Task<bool> write_chunk(Exchange& exchange, std::string_view chunk);
  Task<bool> write_stream(Exchange& exchange);
  Task<bool> write_feed(Exchange& exchange);
  Task<void> on_worker(std::function<void()> work);

  ConnectionContext& context_;
  Connection& connection_;
  Stream& stream_;
};

extern template class AnswerWriter<Socket>;
extern template class AnswerWriter<TlsStream>;

}  // namespace shoplake::http
