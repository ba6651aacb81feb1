// Collector: the endpoints that events arrive at, on one HTTP server.
//
//   POST /                       Amazon Data Firehose (X-Amz-Target: Firehose_20150804.…)           collect/firehose.h
//   POST /v1/events/<stream>     one JSON object, an array of them, or one a line                    collect/plain.h
//   /mp/collect, /debug/mp/collect, /g/collect        Google Analytics 4 collect/ga4_collect.h
//
// Every endpoint answers success only after the write-ahead log said that the records are durable. What cannot become a
// record is refused with its reason and counted; where the sender cannot be told (GA4's endpoints answer 204 to
// everything), or who sent it had the right to, it is also kept as a dead letter: a record of the stream
// `dead_letters`, one JSON object {"stream", "source", "reason", "message", "received_at_micros", "size", "truncated",
// "bytes_base64"}. How much of that is kept is bounded (DeadLetterLimits); what is not kept is counted.
//
// Thread safe once routes() was called.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "collect/firehose.h"
#include "collect/ga4_time_zone.h"
#include "collect/intake.h"
#include "collect/sigv4.h"
#include "collect/streams.h"
#include "http/server.h"
#include "io/env.h"
#include "wal/log.h"

namespace shoplake::collect {

struct CollectorLimits {
  std::size_t plain_body_bytes_max = 8 << 20;       // as sent
  std::size_t plain_inflated_bytes_max = 32 << 20;  // of a gzip body
  std::size_t plain_event_bytes_max = 1'024'000;    // one event, without its '\n'
  std::size_t plain_events_max = 10'000;            // of one request
  DeadLetterLimits dead_letters{};
};

struct CollectorOptions {
  io::Env* env = nullptr;
  wal::Log* log = nullptr;
  Streams* streams = nullptr;
  base::Metrics* metrics = nullptr;
  // Whoever holds one of these may write. Without any access key or API key, the Firehose API takes every request
  // (signed or not) and the plain one needs no key: fit for a server on a loopback address only, which the caller has
  // to see to. With keys of one kind, the other API takes nobody.
  std::vector<AccessKey> access_keys;
  std::vector<std::string> api_keys;     // plain endpoint
  std::vector<std::string> api_secrets;  // Measurement Protocol
  std::string region = "us-east-1";      // of the ARNs; signatures may name any region
  TimeZone time_zone;                    // of the GA4 property
  std::string ga4_stream = "events";
  CollectorLimits limits;
  std::function<void(const ControlCall&)> on_control = {};  // after an operation on streams; several at once
};

class Collector {
 public:
  explicit Collector(CollectorOptions options);
  ~Collector();

  // Adds the routes. Before the server starts; the collector outlives it.
  void routes(http::Server& server);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::collect
