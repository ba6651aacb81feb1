// How far the consumers of the log are behind, for /metrics.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/metrics.h"
#include "wal/log.h"

namespace shoplake::app {

void describe_consumer_metrics(base::Metrics& metrics);

struct ConsumerPosition {
  std::string_view consumer;
  wal::Offset next = 0;  // everything below is done
};
// Queue depth and freshness of one consumer. Reads one record of the log.
void set_consumer_metrics(base::Metrics& metrics, const wal::Log& log, const ConsumerPosition& position,
                          std::int64_t now_micros);

}  // namespace shoplake::app
