#include "app/consumer_metrics.h"

#include <algorithm>

namespace shoplake::app {

void describe_consumer_metrics(base::Metrics& metrics) {
  metrics.describe_gauge("shoplake_log_waiting_records", "Acknowledged records that a consumer has not done with.");
  metrics.describe_gauge("shoplake_log_freshness_seconds",
                         "Age of the oldest acknowledged record that a consumer has not done with; 0 if it has all.");
}

void set_consumer_metrics(base::Metrics& metrics, const wal::Log& log, const ConsumerPosition& position,
                          std::int64_t now_micros) {
  const wal::Offset end = log.end();
  const wal::Offset waiting = end > position.next ? end - position.next : 0;
  std::int64_t age = 0;
  if (waiting > 0) {
    const auto oldest = log.peek(position.next, 1, 1);
    if (oldest.ok() && !oldest->records.empty())
      age = std::max<std::int64_t>(0, now_micros - oldest->records.front().received_at_micros);
  }
  metrics.set("shoplake_log_waiting_records", {{"consumer", position.consumer}}, static_cast<double>(waiting));
  metrics.set("shoplake_log_freshness_seconds", {{"consumer", position.consumer}}, static_cast<double>(age) / 1e6);
}

}  // namespace shoplake::app
