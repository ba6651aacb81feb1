// `shoplake generate … --stream URL`: generated visits sent to a collector as they happen, by the protocol of a shop's
// own senders, at a given rate. What is not acknowledged is sent again, as the same bytes, so that it is counted once.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::app {

struct SendOptions {
  enum class Protocol { plain, firehose, measurement_protocol };
  std::string url;      // of the server: http://127.0.0.1:8080
  std::string dataset;  // events or clickstream
  std::string stream;   // empty: of the dataset's name
  Protocol protocol = Protocol::plain;
  double rate = 100;         // events a second
  std::int64_t seconds = 0;  // 0: until stopped
  std::uint64_t seed = 42;
  int connections = 2;
  std::size_t batch_events_max = 500;
  std::string api_key;                        // plain
  std::string measurement_id = "G-SHOPLAKE";  // measurement_protocol
  std::string api_secret;
};

struct SendReport {
  std::uint64_t events = 0;    // acknowledged
  std::uint64_t requests = 0;  // acknowledged
  std::uint64_t retries = 0;   // requests that had to be sent again
  std::uint64_t refused = 0;   // events that the server will never take
  std::int64_t micros = 0;
  std::int64_t ack_p50_micros = 0;
  std::int64_t ack_p99_micros = 0;
};

// `told` hears how it goes, about once a second. Errors: generate.unknown_dataset, http.bad_url (usage),
// generate.refused: the first refusal, if nothing was ever taken. An interrupted run is a report, not an error.
base::Result<SendReport> send_generated(io::Env& env, const SendOptions& options,
                                        const std::function<void(const SendReport&)>& told, std::stop_token stop);

}  // namespace shoplake::app
