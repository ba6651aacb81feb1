// Intake: what all endpoints do with what they received: append it to the write-ahead log, count it, keep what was
// refused. Thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "collect/streams.h"
#include "http/message.h"
#include "io/env.h"
#include "wal/log.h"

namespace shoplake::collect {

// Something that was refused, and how much of it there is to keep.
struct DeadLetter {
  std::string_view stream;   // where it was meant to go
  std::string_view source;   // "firehose", "plain", "ga4"
  std::string_view reason;   // stable: "collect.too_large"
  std::string_view message;  // one sentence
  std::string_view bytes;
};

class Intake {
 public:
  struct Options {
    io::Env* env = nullptr;
    wal::Log* log = nullptr;
    base::Metrics* metrics = nullptr;
    std::size_t dead_letter_bytes_max = 0;
  };
  explicit Intake(const Options& options);

  std::int64_t now_micros() const { return env_.now_micros(); }

  // Appends records of one stream, all or none; counts IncomingRecords and IncomingBytes, or ThrottledRecords. `done`
  // runs as wal::Log::append says. No records: done at once.
  void append(const Stream& stream, std::span<const std::string_view> payloads, std::int64_t received_at_micros,
              wal::Log::Done done);

  // Records that were not taken, by why. `stream` is null if there is none of that name.
  void count_rejected(const Stream* stream, std::string_view source, std::string_view reason, std::size_t records = 1);
  // Appends the dead letters to the log without waiting, and counts them: if the log is full, losing the copy of what
  // the sender was told is refused is better than refusing what is good.
  void keep(std::span<const DeadLetter> letters);
  // The same, with `done` when they are durable; for senders that are not told.
  void keep(std::span<const DeadLetter> letters, wal::Log::Done done);

  // The JSON line that a dead letter is kept as.
  std::string line_of(const DeadLetter& letter, std::int64_t received_at_micros) const;

 private:
  struct Counters {
    base::Metrics::Handle records, bytes, throttled;
  };
  Counters counters_of(const std::string& stream);

  io::Env& env_;
  wal::Log& log_;
  base::Metrics& metrics_;
  std::size_t dead_letter_bytes_max_;
  std::mutex mutex_;
  std::map<std::string, Counters, std::less<>> counters_;
};

// Whether the log refused because it has too much to do, so that the sender should come again.
bool is_temporary(const base::Error& error);

// {"error": …} of an append that failed: 503 with Retry-After.
http::Response unavailable(const base::Error& error);

}  // namespace shoplake::collect
