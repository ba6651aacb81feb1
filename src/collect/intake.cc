#include "collect/intake.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/base64.h"
#include "base/log.h"

namespace shoplake::collect {
namespace {

constexpr std::size_t kShownNameBytesMax = 2 * kStreamNameBytesMax;  // of the name of a stream that is none
constexpr std::size_t kLetterFrameBytes = 256;                       // what a letter costs beside its bytes

}  // namespace

Intake::Intake(const Options& options)
    : env_(*options.env), log_(*options.log), metrics_(*options.metrics), dead_letters_(options.dead_letters) {
  metrics_.describe_counter("IncomingRecords", "Records that were acknowledged, by stream.");
  metrics_.describe_counter("IncomingBytes", "Bytes of the records that were acknowledged, by stream.");
  metrics_.describe_counter("ThrottledRecords", "Records that were refused because the log could not take them.");
  metrics_.describe_counter("shoplake_collect_rejected_total", "Records that were refused, by stream, source, reason.");
  metrics_.describe_counter("shoplake_collect_dead_letters_total", "Dead letters that were kept, by reason.");
  metrics_.describe_counter("shoplake_collect_dead_letters_dropped_total",
                            "Dead letters that were not kept, because of their limits or because the log could not "
                            "take them, by reason.");
}

Intake::Counters Intake::counters_of(const std::string& stream) {
  const std::scoped_lock lock(mutex_);
  auto found = counters_.find(stream);
  if (found == counters_.end()) {
    Counters counters;
    counters.records = metrics_.handle("IncomingRecords", {{"stream", stream}});
    counters.bytes = metrics_.handle("IncomingBytes", {{"stream", stream}});
    counters.throttled = metrics_.handle("ThrottledRecords", {{"stream", stream}});
    found = counters_.emplace(stream, counters).first;
  }
  return found->second;
}

void Intake::append(const Stream& stream, std::span<const std::string_view> payloads, std::int64_t received_at_micros,
                    wal::Log::Done done) {
  if (payloads.empty()) {
    done(log_.end());
    return;
  }
  thread_local std::vector<wal::Entry> entries;
  entries.clear();
  std::size_t bytes = 0;
  for (const std::string_view payload : payloads) {
    entries.push_back({stream.name, received_at_micros, payload});
    bytes += payload.size();
  }
  log_.append(entries, [counters = counters_of(stream.name), count = payloads.size(), bytes,
                        done = std::move(done)](base::Result<wal::Offset> first) mutable {
    if (first.ok()) {
      counters.records.add(static_cast<double>(count));
      counters.bytes.add(static_cast<double>(bytes));
    } else {
      counters.throttled.add(static_cast<double>(count));
    }
    done(std::move(first));
  });
}

void Intake::count_rejected(const Stream* stream, std::string_view source, std::string_view reason,
                            std::size_t records) {
  // Names of streams that do not exist come from anybody, and metrics keep every name for ever.
  metrics_.add("shoplake_collect_rejected_total",
               {{"stream", stream != nullptr ? std::string_view(stream->name) : "(unknown)"},
                {"source", source},
                {"reason", reason}},
               static_cast<double>(records));
}

std::string Intake::line_of(const DeadLetter& letter, std::int64_t received_at_micros) const {
  const std::string_view kept = letter.bytes.substr(0, dead_letters_.letter_bytes_max);
  nlohmann::ordered_json line;
  line["stream"] = letter.stream.substr(0, kShownNameBytesMax);
  line["source"] = letter.source;
  line["reason"] = letter.reason;
  line["message"] = letter.message;
  line["received_at_micros"] = received_at_micros;
  line["size"] = letter.bytes.size();
  line["truncated"] = kept.size() < letter.bytes.size();
  line["bytes_base64"] = base::base64_encode(kept);
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void Intake::keep(std::span<const DeadLetter> letters) {
  keep(letters, [](const base::Result<wal::Offset>& first) {
    if (!first.ok())
      base::log::warning("collect.dead_letters_lost", {{"reason", base::to_string(first.error())}});
  });
}

void Intake::keep(std::span<const DeadLetter> letters, wal::Log::Done done) {
  if (letters.empty()) {
    done(log_.end());
    return;
  }
  const std::int64_t now = now_micros();
  std::vector<std::string> lines;
  std::map<std::string, double, std::less<>> by_reason;
  for (const DeadLetter& letter : letters) {
    if (may_keep(letter, now)) {
      lines.push_back(line_of(letter, now));
      ++by_reason[std::string(letter.reason)];
    } else {
      metrics_.add("shoplake_collect_dead_letters_dropped_total", {{"reason", letter.reason}});
    }
  }
  if (lines.empty()) {
    done(log_.end());
    return;
  }
  std::vector<wal::Entry> entries;
  for (const std::string& line : lines)
    entries.push_back({kDeadLetterStream, now, line});
  log_.append(entries, [metrics = &metrics_, by_reason = std::move(by_reason),
                        done = std::move(done)](base::Result<wal::Offset> first) mutable {
    const char* counter =
        first.ok() ? "shoplake_collect_dead_letters_total" : "shoplake_collect_dead_letters_dropped_total";
    for (const auto& [reason, count] : by_reason)
      metrics->add(counter, {{"reason", reason}}, count);
    done(std::move(first));
  });
}

bool Intake::may_keep(const DeadLetter& letter, std::int64_t now_micros) {
  const auto burst = static_cast<double>(dead_letters_.burst_bytes_max);
  const auto rate = static_cast<double>(dead_letters_.bytes_per_second_max);
  const auto bytes =
      static_cast<double>(std::min(letter.bytes.size(), dead_letters_.letter_bytes_max) + kLetterFrameBytes);
  const std::scoped_lock lock(mutex_);
  auto found = budgets_.find(letter.source);
  if (found == budgets_.end())
    found = budgets_.emplace(letter.source, Budget{burst, now_micros, false}).first;
  Budget& budget = found->second;
  const auto seconds = static_cast<double>(std::max<std::int64_t>(0, now_micros - budget.at_micros)) / 1e6;
  budget.bytes = std::min(burst, budget.bytes + seconds * rate);
  budget.at_micros = std::max(budget.at_micros, now_micros);
  if (budget.bytes >= bytes) {
    budget.bytes -= bytes;
    budget.is_spent = false;
    return true;
  }
  if (!std::exchange(budget.is_spent, true)) {
    base::log::warning("collect.dead_letters_dropped",
                       {{"source", letter.source},
                        {"reason", letter.reason},
                        {"advice", "more is refused than is kept; shoplake_collect_rejected_total says why"}});
  }
  return false;
}

bool is_temporary(const base::Error& error) { return error.code == "wal.overloaded"; }

http::Response unavailable(const base::Error& error) {
  http::Response response = http::error_response(503, error.code, error.message, error.advice);
  response.set("Retry-After", "1");
  return response;
}

}  // namespace shoplake::collect
