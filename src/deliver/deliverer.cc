#include "deliver/deliverer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/digest.h"
#include "base/log.h"
#include "base/thread_priority.h"
#include "deliver/object_writer.h"
#include "wal/consumers.h"

namespace shoplake::deliver {
namespace {

using std::chrono::milliseconds;
using wal::Offset;

constexpr std::size_t kReadRecordsMax = 20'000;
constexpr std::size_t kReadBytesMax = 4 << 20;

// A round begins when so much is new, or so long after the first new record: nothing here is urgent.
constexpr Offset kGatherRecords = 10'000;
constexpr milliseconds kGatherTime{200};
// How often freshness is told while anything is open, and how long a round waits when nothing is.
constexpr milliseconds kOpenWait{5'000};
constexpr milliseconds kIdleWait{60'000};
// The consumer moves so often even if no object is delivered (records of streams that are not).
constexpr std::int64_t kMoveMicros = 10'000'000;

constexpr std::int64_t kBackoffMicrosMin = 1'000'000;
constexpr std::int64_t kBackoffMicrosMax = 60'000'000;

std::int64_t micros(auto duration) { return std::chrono::duration_cast<std::chrono::microseconds>(duration).count(); }

// An object that still takes records.
struct Open {
  ObjectWriter writer;
  DeliveredObject object;
  std::int64_t due_at_micros = 0;
  std::uint64_t bytes_max = 0;
  // A cut that was recorded before a crash: it ends here, whatever the options say.
  std::optional<Offset> recorded_last;
};

// An object that is cut.
struct Cut {
  DeliveredObject object;
  std::string bytes;
  bool is_recorded = false;  // in the registry
  int attempts = 0;
  std::int64_t retry_at_micros = 0;  // monotonic
};

void describe(base::Metrics& metrics) {
  metrics.describe_counter("DeliveryToS3_Success", "Raw objects delivered, by stream.");
  metrics.describe_counter("DeliveryToS3_Records", "Records in delivered raw objects, by stream.");
  metrics.describe_counter("DeliveryToS3_Bytes", "Bytes of payload in delivered raw objects, by stream.");
  metrics.describe_gauge("DeliveryToS3_DataFreshness",
                         "Age in seconds of the oldest record that is in no raw object yet, by stream.");
  metrics.describe_counter("shoplake_delivery_failures_total",
                           "Attempts to deliver a raw object that failed, by stream.");
  metrics.describe_histogram("shoplake_delivery_seconds", "Recording, writing and registering one raw object.",
                             {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5});
  metrics.describe_gauge("shoplake_delivery_buffer_bytes", "Memory that open and waiting raw objects hold.");
}

}  // namespace

struct Deliverer::State {
  explicit State(DelivererOptions given) : options(std::move(given)), env(*options.env), log(*options.log) {}

  Result<void> recover();
  Result<void> run_round();
  void run(std::stop_token stop);
  milliseconds time_to_wait();

  Result<void> read_to(Offset end);
  void take(const wal::Record& record);
  Open* open_object(const wal::Record& record);
  void cut(Open& open);
  void cut_where(const std::function<bool(const Open&)>& is_meant);
  void cut_due(std::int64_t now_micros, bool is_flush);
  void cut_recorded();
  void cut_largest();
  Result<void> drop_unreadable();

  void deliver_waiting();
  Result<void> deliver(Cut& cut);
  Result<void> place(const Cut& cut);
  Result<void> complete(Cut& cut);
  void announce(const DeliveredObject& object, double seconds);
  void postpone(Cut& cut, const base::Error& error);
  void redirect(Cut& cut);
  Offset consumed_without(const Cut* delivered) const;
  Result<void> move_if_idle();
  void trim();

  std::uint64_t open_bytes() const;
  std::uint64_t waiting_bytes() const;
  bool is_full() const { return waiting_bytes() > options.buffer_bytes_max / 2; }
  void publish_status();

  DelivererOptions options;
  io::Env& env;
  wal::Log& log;
  std::unique_ptr<io::Database> database;
  Compressor compressor;

  // Of the deliverer's thread.
  Offset consumed = 0;  // as the control plane has it
  Offset next = 0;
  std::map<std::string, Offset, std::less<>> delivered;                      // by stream: records below are delivered
  std::map<std::string, std::deque<DeliveredObject>, std::less<>> recorded;  // by stream: cuts to make again
  std::map<std::string, Open, std::less<>> open;
  std::deque<Cut> cuts;
  std::vector<DeliveredObject> unreadable;                    // recorded, but the log has lost all their records
  std::map<std::string, std::uint64_t, std::less<>> objects;  // delivered since start, by stream
  std::int64_t moved_at_micros = 0;
  std::string last_error;

  mutable std::mutex mutex;
  DelivererStatus published;
  bool is_flush_wanted = false;
  std::atomic<bool> is_stopping = false;
  std::stop_source wake;
  std::jthread thread;
};

// ---- opening ----

Result<std::unique_ptr<Deliverer>> Deliverer::open(DelivererOptions options) {
  SHOPLAKE_CHECK(options.env != nullptr && options.log != nullptr);
  auto state = std::make_unique<State>(std::move(options));
  SHOPLAKE_TRY(state->recover());
  return std::unique_ptr<Deliverer>(new Deliverer(std::move(state)));
}

Deliverer::Deliverer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Deliverer::~Deliverer() { stop(); }

Result<void> Deliverer::State::recover() {
  if (options.metrics != nullptr) {
    describe(*options.metrics);
  }
  database = SHOPLAKE_TRY(io::Database::open(options.control_plane));
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  SHOPLAKE_TRY(wal::prepare_consumers(*database));
  SHOPLAKE_TRY(prepare_registry(*database));
  consumed = SHOPLAKE_TRY(wal::ensure_consumer(*database, kConsumerName, log.begin(), env.now_micros()));
  for (StreamPosition& position : SHOPLAKE_TRY(delivered_positions(*database, consumed))) {
    delivered.emplace(std::move(position.stream), position.next);
  }
  for (DeliveredObject& object : SHOPLAKE_TRY(list_cuts(*database))) {
    recorded[object.stream].push_back(std::move(object));
  }
  SHOPLAKE_TRY(transaction.commit());
  next = consumed;
  publish_status();
  return {};
}

// ---- the thread ----

void Deliverer::start() {
  SHOPLAKE_CHECK(!state_->thread.joinable());
  State* state = state_.get();
  state->thread = std::jthread([state](std::stop_token stop) { state->run(std::move(stop)); });
}

void Deliverer::stop() {
  if (!state_->thread.joinable()) {
    return;
  }
  state_->is_stopping = true;
  state_->thread.request_stop();
  {
    const std::lock_guard lock(state_->mutex);
    state_->wake.request_stop();
  }
  state_->thread.join();
  state_->is_stopping = false;
}

void Deliverer::flush() {
  const std::lock_guard lock(state_->mutex);
  state_->is_flush_wanted = true;
  state_->wake.request_stop();
}

Result<void> Deliverer::run_round() { return state_->run_round(); }

DelivererStatus Deliverer::status() const {
  const std::lock_guard lock(state_->mutex);
  return state_->published;
}

void Deliverer::State::run(std::stop_token stop) {
  base::make_background_thread();  // it matters when a backlog is taken
  while (!stop.stop_requested()) {
    std::stop_token woken;
    {
      const std::lock_guard lock(mutex);
      if (!stop.stop_requested()) {
        wake = std::stop_source();
      }
      woken = wake.get_token();
    }
    auto outcome = run_round();
    if (!outcome.ok()) {
      base::log::error("deliver.round_failed", {{"error", outcome.error().message}});
    }
    const milliseconds wait = outcome.ok() ? time_to_wait() : kOpenWait;
    const Offset awaited = outcome.ok() && !is_full() ? next : std::numeric_limits<Offset>::max();
    if (log.wait_past(awaited, woken, wait)) {
      log.wait_past(next + kGatherRecords, woken, std::min(wait, kGatherTime));
    }
  }
}

milliseconds Deliverer::State::time_to_wait() {
  std::int64_t wait = micros(open.empty() && cuts.empty() ? kIdleWait : kOpenWait);
  const std::int64_t now = env.now_micros();
  for (const auto& [stream, object] : open) {
    wait = std::min(wait, object.due_at_micros - now);
  }
  const std::int64_t monotonic = env.monotonic_micros();
  for (const Cut& cut : cuts) {
    wait = std::min(wait, cut.retry_at_micros - monotonic);
  }
  return milliseconds(std::max<std::int64_t>(wait, 0) / 1000 + 1);
}

Result<void> Deliverer::State::run_round() {
  bool is_flush = false;
  {
    const std::lock_guard lock(mutex);
    is_flush = std::exchange(is_flush_wanted, false);
  }
  const std::int64_t now = env.now_micros();
  const Offset end = log.end();
  auto outcome = read_to(end);
  if (next >= end) {  // else what is due may have more records
    cut_due(now, is_flush);
  } else if (is_flush) {
    const std::lock_guard lock(mutex);
    is_flush_wanted = true;
  }
  deliver_waiting();
  if (outcome.ok()) {
    outcome = drop_unreadable();
  }
  if (outcome.ok()) {
    outcome = move_if_idle();
  }
  publish_status();
  return outcome;
}

// ---- from records to cuts ----

Result<void> Deliverer::State::read_to(Offset end) {
  while (next < end) {
    if (is_full() || is_stopping) {
      break;
    }
    const wal::Batch batch = SHOPLAKE_TRY(log.read(next, kReadRecordsMax, kReadBytesMax));
    for (const wal::Record& record : batch.records) {
      take(record);
    }
    next = batch.next;
    cut_recorded();
    cut_largest();
    deliver_waiting();
  }
  return {};
}

void Deliverer::State::take(const wal::Record& record) {
  if (const auto found = delivered.find(record.stream); found != delivered.end()) {
    if (record.offset < found->second) {
      return;
    }
    delivered.erase(found);
  }
  auto found = open.find(record.stream);
  if (found != open.end()) {
    Open& current = found->second;
    const bool is_behind = current.recorded_last ? record.offset > *current.recorded_last
                                                 : record.received_at_micros >= current.due_at_micros;
    if (is_behind) {
      cut(current);
      open.erase(found);
      found = open.end();
    }
  }
  if (found == open.end()) {
    Open* begun = open_object(record);
    if (begun == nullptr) {
      return;
    }
    found = open.find(record.stream);
  }
  Open& current = found->second;
  current.writer.append(record.payload);
  current.object.last = record.offset;
  current.object.last_received_at_micros = std::max(current.object.last_received_at_micros, record.received_at_micros);
  ++current.object.records;
  const bool is_full = current.recorded_last ? record.offset == *current.recorded_last
                                             : current.writer.payload_bytes() >= current.bytes_max;
  if (is_full) {
    cut(current);
    open.erase(found);
  }
}

// Null if the stream is not delivered.
Open* Deliverer::State::open_object(const wal::Record& record) {
  const std::string stream(record.stream);
  if (const auto cuts_of_stream = recorded.find(stream); cuts_of_stream != recorded.end()) {
    std::deque<DeliveredObject>& queue = cuts_of_stream->second;
    while (!queue.empty() && queue.front().last < record.offset) {
      unreadable.push_back(std::move(queue.front()));
      queue.pop_front();
    }
    if (!queue.empty()) {
      Open begun{ObjectWriter(queue.front().compression, compressor), queue.front(), 0, 0, queue.front().last};
      begun.object.records = 0;
      queue.pop_front();
      return &open.emplace(stream, std::move(begun)).first->second;
    }
    recorded.erase(cuts_of_stream);
  }
  DeliveryOptions wanted = options.for_stream ? options.for_stream(record.stream) : DeliveryOptions{};
  if (!wanted.is_delivered) {
    return nullptr;
  }
  if (wanted.prefix.empty()) {
    wanted.prefix = default_prefix(stream);
  }
  if (!is_safe_prefix(wanted.prefix)) {
    base::log::error("deliver.bad_prefix", {{"stream", stream}, {"prefix", wanted.prefix}});
    wanted.prefix = default_prefix(stream);
  }
  Open begun{ObjectWriter(wanted.compression, compressor), {}, 0, wanted.bytes, std::nullopt};
  begun.due_at_micros = record.received_at_micros + micros(wanted.interval);
  begun.object.object =
      object_name({wanted.prefix, stream, record.received_at_micros, record.offset, wanted.compression});
  begun.object.stream = stream;
  begun.object.first = record.offset;
  begun.object.compression = wanted.compression;
  begun.object.first_received_at_micros = record.received_at_micros;
  begun.object.last_received_at_micros = record.received_at_micros;
  return &open.emplace(stream, std::move(begun)).first->second;
}

void Deliverer::State::cut(Open& current) {
  Cut made;
  made.object = std::move(current.object);
  made.is_recorded = current.recorded_last.has_value();
  made.object.payload_bytes = current.writer.payload_bytes();
  if (!made.is_recorded) {
    made.object.cut_at_micros = env.now_micros();
  }
  made.bytes = current.writer.finish();
  cuts.push_back(std::move(made));
}

void Deliverer::State::cut_where(const std::function<bool(const Open&)>& is_meant) {
  for (auto entry = open.begin(); entry != open.end();) {
    if (is_meant(entry->second)) {
      cut(entry->second);
      entry = open.erase(entry);
    } else {
      ++entry;
    }
  }
}

void Deliverer::State::cut_due(std::int64_t now_micros, bool is_flush) {
  cut_where(
      [&](const Open& current) { return !current.recorded_last && (is_flush || now_micros >= current.due_at_micros); });
}

// Objects whose cut was recorded before a crash end where they did then, also if their last records are lost.
void Deliverer::State::cut_recorded() {
  cut_where([&](const Open& current) { return current.recorded_last && *current.recorded_last < next; });
  for (auto& [stream, queue] : recorded) {
    while (!queue.empty() && queue.front().last < next) {
      unreadable.push_back(std::move(queue.front()));
      queue.pop_front();
    }
  }
  std::erase_if(recorded, [](const auto& entry) { return entry.second.empty(); });
}

// Keeps the memory of open objects within half of the limit; the other half is of those that wait.
void Deliverer::State::cut_largest() {
  while (open_bytes() > options.buffer_bytes_max / 2) {
    const auto largest = std::ranges::max_element(
        open, {}, [](const auto& entry) { return entry.second.recorded_last ? 0 : entry.second.writer.held_bytes(); });
    if (largest->second.recorded_last) {
      return;
    }
    cut(largest->second);
    open.erase(largest);
  }
}

Result<void> Deliverer::State::drop_unreadable() {
  while (!unreadable.empty()) {
    const DeliveredObject& object = unreadable.back();
    base::log::error("deliver.object_lost", {{"object", object.object},
                                             {"first_offset", object.first},
                                             {"last_offset", object.last},
                                             {"records", object.records}});
    SHOPLAKE_TRY(drop_cut(*database, object.object));
    unreadable.pop_back();
  }
  return {};
}

// ---- from cuts to objects ----

void Deliverer::State::deliver_waiting() {
  std::set<std::string, std::less<>> blocked;  // objects of a stream are delivered in order
  for (auto cut = cuts.begin(); cut != cuts.end() && !is_stopping;) {
    if (blocked.contains(cut->object.stream)) {
      ++cut;
      continue;
    }
    const std::int64_t started = env.monotonic_micros();
    if (started < cut->retry_at_micros) {
      blocked.insert(cut->object.stream);
      ++cut;
      continue;
    }
    auto outcome = deliver(*cut);
    if (!outcome.ok()) {
      postpone(*cut, outcome.error());
      blocked.insert(cut->object.stream);
      ++cut;
      continue;
    }
    const DeliveredObject object = std::move(cut->object);
    cut = cuts.erase(cut);
    last_error.clear();
    announce(object, static_cast<double>(env.monotonic_micros() - started) / 1e6);
  }
}

Result<void> Deliverer::State::deliver(Cut& cut) {
  if (!cut.is_recorded) {
    SHOPLAKE_TRY(insert_cut(*database, cut.object));
    cut.is_recorded = true;
  }
  SHOPLAKE_TRY(place(cut));
  return complete(cut);
}

// The temporary name follows from the object's, so that a repetition overwrites what a crash left.
Result<void> Deliverer::State::place(const Cut& cut) {
  SHOPLAKE_TRY(env.create_directories(options.temporary_directory));
  const std::string temporary =
      io::join_path(options.temporary_directory, fmt::format("deliver-{}", io::file_name(cut.object.object)));
  const std::string path = io::join_path(options.lake_root, cut.object.object);
  const auto write = [&]() -> Result<void> {
    const auto file = SHOPLAKE_TRY(env.create_file(temporary));
    SHOPLAKE_TRY(file->append(cut.bytes));
    SHOPLAKE_TRY(file->sync());
    SHOPLAKE_TRY(file->close());
    return env.publish(temporary, path);
  };
  auto outcome = write();
  if (!outcome.ok()) {
    static_cast<void>(env.remove_file(temporary));  // a full disk gets its space back
  }
  return outcome;
}

Result<void> Deliverer::State::complete(Cut& cut) {
  DeliveredObject& object = cut.object;
  object.bytes = cut.bytes.size();
  object.md5 = base::md5_hex(cut.bytes);
  object.delivered_at_micros = env.now_micros();
  const Offset to = consumed_without(&cut);
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  SHOPLAKE_TRY(complete_cut(*database, object));
  if (to != consumed) {
    SHOPLAKE_TRY(wal::move_consumer(*database, kConsumerName, {consumed, to}, object.delivered_at_micros));
  }
  SHOPLAKE_TRY(transaction.commit());
  if (to != consumed) {
    consumed = to;
    moved_at_micros = object.delivered_at_micros;
    trim();
  }
  return {};
}

// What will be consumed once this object is delivered: everything before the first record that then still is not.
Offset Deliverer::State::consumed_without(const Cut* delivered_now) const {
  Offset first = next;
  for (const auto& [stream, current] : open) {
    first = std::min(first, current.object.first);
  }
  for (const Cut& cut : cuts) {
    if (&cut != delivered_now) {
      first = std::min(first, cut.object.first);
    }
  }
  return std::max(first, consumed);
}

void Deliverer::State::announce(const DeliveredObject& object, double seconds) {
  ++objects[object.stream];
  base::log::debug("deliver.delivered", {{"object", object.object},
                                         {"records", object.records},
                                         {"first_offset", object.first},
                                         {"last_offset", object.last},
                                         {"bytes", object.bytes}});
  if (options.metrics != nullptr) {
    base::Metrics& metrics = *options.metrics;
    metrics.add("DeliveryToS3_Success", {{"stream", object.stream}});
    metrics.add("DeliveryToS3_Records", {{"stream", object.stream}}, static_cast<double>(object.records));
    metrics.add("DeliveryToS3_Bytes", {{"stream", object.stream}}, static_cast<double>(object.payload_bytes));
    metrics.observe("shoplake_delivery_seconds", {}, seconds);
  }
  if (options.on_object && !object.is_error) {
    options.on_object(object);
  }
}

void Deliverer::State::postpone(Cut& cut, const base::Error& error) {
  const std::int64_t pause =
      cut.attempts >= 6 ? kBackoffMicrosMax : std::min(kBackoffMicrosMin << cut.attempts, kBackoffMicrosMax);
  ++cut.attempts;
  cut.retry_at_micros = env.monotonic_micros() + pause;
  last_error = error.message;
  base::log::warning("deliver.failed", {{"object", cut.object.object},
                                        {"attempt", cut.attempts},
                                        {"retry_in_seconds", static_cast<double>(pause) / 1e6},
                                        {"error", error.message}});
  if (options.metrics != nullptr) {
    options.metrics->add("shoplake_delivery_failures_total", {{"stream", cut.object.stream}});
  }
  if (!cut.object.is_error && cut.is_recorded &&
      env.now_micros() - cut.object.cut_at_micros >= micros(options.give_up_after)) {
    redirect(cut);
  }
}

void Deliverer::State::redirect(Cut& cut) {
  DeliveredObject& object = cut.object;
  std::string prefix = options.for_stream ? options.for_stream(object.stream).error_prefix : std::string();
  if (prefix.empty() || !is_safe_prefix(prefix)) {
    prefix = fmt::format("raw_errors/{}/", object.stream);
  }
  const std::string path =
      object_name({prefix, object.stream, object.first_received_at_micros, object.first, object.compression});
  auto moved = redirect_cut(*database, object.object, path);
  if (!moved.ok()) {
    return;  // at the next failure again
  }
  base::log::error("deliver.gave_up", {{"object", object.object}, {"goes_to", path}, {"error", last_error}});
  static_cast<void>(env.remove_file(io::join_path(options.lake_root, object.object)));  // if only the sync failed
  object.object = path;
  object.is_error = true;
}

Result<void> Deliverer::State::move_if_idle() {
  const std::int64_t now = env.now_micros();
  const Offset to = consumed_without(nullptr);
  if (to == consumed || now - moved_at_micros < kMoveMicros) {
    return {};
  }
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  SHOPLAKE_TRY(wal::move_consumer(*database, kConsumerName, {consumed, to}, now));
  SHOPLAKE_TRY(transaction.commit());
  consumed = to;
  moved_at_micros = now;
  trim();
  return {};
}

void Deliverer::State::trim() {
  if (!options.trims_log) {
    return;
  }
  const auto positions = wal::consumer_positions(*database);
  if (positions.ok() && *positions) {
    auto trimmed = log.trim((*positions)->min);
    if (!trimmed.ok()) {
      base::log::warning("deliver.trim_failed", {{"error", trimmed.error().message}});
    }
  }
}

// ---- telling ----

std::uint64_t Deliverer::State::open_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [stream, current] : open) {
    bytes += current.writer.held_bytes();
  }
  return bytes;
}

std::uint64_t Deliverer::State::waiting_bytes() const {
  std::uint64_t bytes = 0;
  for (const Cut& cut : cuts) {
    bytes += cut.bytes.size();
  }
  return bytes;
}

void Deliverer::State::publish_status() {
  std::map<std::string, StreamStatus> streams;
  const auto take_oldest = [](StreamStatus& status, std::int64_t received_at) {
    if (status.oldest_received_at_micros == 0 || received_at < status.oldest_received_at_micros) {
      status.oldest_received_at_micros = received_at;
    }
  };
  for (const auto& [stream, count] : objects) {
    streams[stream].objects = count;
  }
  for (const Cut& cut : cuts) {
    StreamStatus& status = streams[cut.object.stream];
    ++status.waiting;
    take_oldest(status, cut.object.first_received_at_micros);
  }
  for (const auto& [stream, current] : open) {
    StreamStatus& status = streams[stream];
    status.open_records = current.object.records;
    status.open_bytes = current.writer.payload_bytes();
    take_oldest(status, current.object.first_received_at_micros);
  }
  DelivererStatus told{consumed, next, {}, last_error};
  const std::int64_t now = env.now_micros();
  for (auto& [stream, status] : streams) {
    status.stream = stream;
    if (options.metrics != nullptr) {
      const std::int64_t age =
          status.oldest_received_at_micros == 0 ? 0 : std::max<std::int64_t>(now - status.oldest_received_at_micros, 0);
      options.metrics->set("DeliveryToS3_DataFreshness", {{"stream", stream}}, static_cast<double>(age) / 1e6);
    }
    told.streams.push_back(std::move(status));
  }
  if (options.metrics != nullptr) {
    options.metrics->set("shoplake_delivery_buffer_bytes", {}, static_cast<double>(open_bytes() + waiting_bytes()));
  }
  const std::lock_guard lock(mutex);
  published = std::move(told);
}

}  // namespace shoplake::deliver
