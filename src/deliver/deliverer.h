// Deliverer: takes the log's records to raw objects, one sequence of objects for each stream, and is the log's consumer
// "deliver".
//
// An object is cut when its payload reached DeliveryOptions::bytes, or when `interval` has passed since its first
// record was received. A cut is recorded in the control plane (deliver/registry.h) before the file is written, and the
// file is written to a temporary name, synced, renamed and its folder synced before the row is completed, in one
// transaction with the consumer's position. So every record is in exactly one delivered object, and whoever is killed
// at any moment writes the same bytes to the same name again. Objects of a stream are delivered in order.
//
// A failure (disk full, permission) is retried with growing pauses; a day after the cut the object goes to the error
// prefix instead, and that is retried until it succeeds. Meanwhile the log keeps what is not delivered. Memory: objects
// that are open or waiting hold at most about buffer_bytes_max; beyond it the largest is cut early, then reading
// pauses.
//
// Raw objects below the lake are announced by on_object, on the deliverer's thread, after they count. That is a hint: a
// process that is killed in between never says it, so whoever must see each object asks list_delivered() at start.
//
// start(), stop() and run_round() belong to one thread; status() and flush() to any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "deliver/object_name.h"
#include "deliver/registry.h"
#include "io/env.h"
#include "wal/log.h"

namespace shoplake::deliver {

inline constexpr std::string_view kConsumerName = "deliver";

// Of one stream; asked for whenever an object is begun.
struct DeliveryOptions {
  bool is_delivered = true;    // false: the stream's records are passed over
  std::string prefix{};        // below the lake's root, ends with '/'; empty: raw/<stream>/
  std::string error_prefix{};  // empty: raw_errors/<stream>/
  std::chrono::seconds interval{60};
  std::uint64_t bytes = 5 << 20;  // of payload
  Compression compression = Compression::gzip;
};

struct DelivererOptions {
  io::Env* env = nullptr;
  wal::Log* log = nullptr;
  std::string control_plane;        // state.sqlite; the deliverer opens a connection of its own
  std::string lake_root;            // absolute, or of an object store
  std::string temporary_directory;  // on the lake's file system, or on this machine
  std::function<DeliveryOptions(std::string_view stream)> for_stream;  // absent: defaults for all
  std::function<void(const DeliveredObject&)> on_object;               // may be absent; must not block for long
  base::Metrics* metrics = nullptr;                                    // may be null; outlives the deliverer
  std::uint64_t buffer_bytes_max = 64 << 20;
  std::chrono::hours give_up_after{24};
  // Segments that every consumer (wal/consumers.h) has passed are removed from the log after a delivery.
  bool trims_log = true;
};

struct StreamStatus {
  std::string stream;
  std::uint64_t objects = 0;  // delivered since start
  std::uint64_t waiting = 0;  // cut and not delivered
  std::uint64_t open_records = 0;
  std::uint64_t open_bytes = 0;                // of payload
  std::int64_t oldest_received_at_micros = 0;  // of a record that is not delivered; 0: all are
};

struct DelivererStatus {
  wal::Offset consumed = 0;           // every record below is delivered
  wal::Offset next = 0;               // read so far
  std::vector<StreamStatus> streams;  // by name
  std::string last_error;             // of the last attempt, until one succeeds
};

class Deliverer {
 public:
  // Makes the tables and the consumer. Errors: those of io/sqlite.h.
  static base::Result<std::unique_ptr<Deliverer>> open(DelivererOptions options);
  ~Deliverer();
  Deliverer(const Deliverer&) = delete;
  Deliverer& operator=(const Deliverer&) = delete;

  // Delivers on a thread of its own until stop(). What is not delivered by then stays in the log.
  void start();
  void stop();

  // One round without waiting, for whoever has no thread: reads to the log's end, cuts what is due, delivers what
  // waits. Errors: the log cannot be read; the next round tries again.
  base::Result<void> run_round();

  // All that is in the log by now is cut at the next round, however young or small.
  void flush();

  DelivererStatus status() const;

 private:
  struct State;
  explicit Deliverer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::deliver
