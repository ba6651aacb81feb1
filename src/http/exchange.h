// One request and its answer, as the parts of the server hand it on. Internal to http; knows no sockets.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "http/message.h"
#include "http/server.h"

namespace shoplake::http {

// What is in flight, over all connections. Shared with /metrics, which may outlive the server.
struct InFlight {
  std::atomic<std::size_t> requests{0};
  std::atomic<std::uint64_t> bytes{0};
};

// What is known of a request before its body, and what came of it: for the answer, metrics and the log.
struct Exchange {
  explicit Exchange(InFlight& in_flight_) : in_flight(in_flight_) {}
  ~Exchange() { release(); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // The request does not count as in flight any more.
  void release() {
    if (const auto bytes = std::exchange(bytes_held, 0); bytes > 0)
      in_flight.bytes.fetch_sub(bytes, std::memory_order_relaxed);
    if (std::exchange(is_in_flight, false))
      in_flight.requests.fetch_sub(1, std::memory_order_relaxed);
  }

  InFlight& in_flight;
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
  bool is_in_flight = false;
};

}  // namespace shoplake::http
