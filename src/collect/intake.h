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

// Stream name of dead letters in the log. No client can write to it: it is no stream of the registry.
inline constexpr std::string_view kDeadLetterStream = "dead_letters";

// How much of what was refused is kept. Anybody's browser may send hits, so this must not fill the disk; and it holds
// for each source by itself, so that the rubbish of one does not crowd out what another one refused.
struct DeadLetterLimits {
  std::size_t letter_bytes_max = 64 << 10;         // of one letter: as much as quarantine keeps of a record
  std::uint64_t burst_bytes_max = 64 << 20;        // at once …
  std::uint64_t bytes_per_second_max = 128 << 10;  // … and from then on
};

class Intake {
 public:
  struct Options {
    io::Env* env = nullptr;
    wal::Log* log = nullptr;
    base::Metrics* metrics = nullptr;
    DeadLetterLimits dead_letters{};
  };
  explicit Intake(const Options& options);

  std::int64_t now_micros() const { return env_.now_micros(); }

  // Appends records of one stream, all or none; counts IncomingRecords and IncomingBytes, or ThrottledRecords. `done`
  // runs as wal::Log::append says. No records: done at once.
  void append(const Stream& stream, std::span<const std::string_view> payloads, std::int64_t received_at_micros,
              wal::Log::Done done);

  // Records that were not taken, by why. `stream` is null if there is none of that name.
  void count_rejected(const Stream* stream, std::string_view source, std::string_view reason, std::size_t records = 1);
  // Appends the dead letters to the log without waiting, as far as the limits allow, and counts what is kept and what
  // is dropped: if the log is full, losing the copy of what the sender was told is refused is better than refusing what
  // is good.
  void keep(std::span<const DeadLetter> letters);
  void keep(const DeadLetter& letter) { keep(std::span(&letter, 1)); }
  // The same, with `done` when they are durable; for senders that are not told.
  void keep(std::span<const DeadLetter> letters, wal::Log::Done done);

  // The JSON line that a dead letter is kept as.
  std::string line_of(const DeadLetter& letter, std::int64_t received_at_micros) const;

 private:
  struct Counters {
    base::Metrics::Handle records, bytes, throttled;
  };
  Counters counters_of(const std::string& stream);

  // What a source may still keep: grows with time up to the burst.
  struct Budget {
    double bytes = 0;
    std::int64_t at_micros = 0;
    bool is_spent = false;
  };
  bool may_keep(const DeadLetter& letter, std::int64_t now_micros);

  io::Env& env_;
  wal::Log& log_;
  base::Metrics& metrics_;
  DeadLetterLimits dead_letters_;
  std::mutex mutex_;
  std::map<std::string, Counters, std::less<>> counters_;
  std::map<std::string, Budget, std::less<>> budgets_;  // by source
};

// Whether the log refused because it has too much to do, so that the sender should come again.
bool is_temporary(const base::Error& error);

// {"error": …} of an append that failed: 503 with Retry-After.
http::Response unavailable(const base::Error& error);

}  // namespace shoplake::collect
