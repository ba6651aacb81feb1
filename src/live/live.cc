#include "live/live.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "live/bulk.h"
#include "live/collector_letters.h"
#include "live/compaction.h"
#include "live/lake_lock.h"
#include "live/live_state.h"
#include "live/models_behind.h"
#include "live/parquet_copy.h"
#include "live/plan.h"
#include "wal/consumers.h"

namespace shoplake::live {
namespace {

constexpr std::chrono::milliseconds kIdle{500};  // between two looks at the lock while nothing comes
// Merging what two batches left takes little longer than what one did, and events wait meanwhile.
constexpr int kUpkeepBatches = 2;
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{5'000};
// Of backlog_records_min: so little of a backlog is left to micro-batches, after the models were brought up.
constexpr std::uint64_t kBacklogParts = 20;

// A wait that stop() ends.
void pause(const std::stop_token& stop, std::chrono::microseconds time) {
  std::mutex mutex;
  std::condition_variable_any nothing;
  std::unique_lock guard(mutex);
  nothing.wait_for(guard, stop, time, [] { return false; });
}

}  // namespace

bool Live::State::takes_bulk() const {
  const std::uint64_t least = options.backlog_records_min;
  return backlog() >= (models_wait ? std::max<std::uint64_t>(least / kBacklogParts, 1) : least);
}

Result<void> Live::State::prepare(std::stop_token stop) {
  if (lock && LakeLock::is_wanted(*options.env, options.home_directory)) {
    // A build goes first.
    writer.forget();
    lock.reset();
  }
  if (lock && writer.is_loaded() && (!models_wait || models_failed || takes_bulk()))
    return {};
  if (!lock) {
    lock = SHOPLAKE_TRY(LakeLock::try_acquire(*options.env, options.home_directory));
    if (!lock) {
      board.set_state(LiveState::paused, "a build is running");
      lock = SHOPLAKE_TRY(LakeLock::acquire(*options.env, options.home_directory, stop));
    }
  }
  if (!control_plane)
    control_plane = SHOPLAKE_TRY(options.catalog->open_control_plane());
  position = SHOPLAKE_TRY(read_position());
  consumed.store(position);
  board.set_consumed(position);
  models_wait = SHOPLAKE_TRY(models_behind(*control_plane)) > 0;
  models_failed = false;
  if (models_wait && !takes_bulk())
    SHOPLAKE_TRY(bring_models_up(stop));
  return load(stop);
}

Result<void> Live::State::load(std::stop_token stop) {
  bool needs_build = false;
  if (models_wait) {
    SHOPLAKE_TRY(writer.load(&needs_build, Writer::Load::without_models));
    board.set_state(models_failed ? LiveState::running : LiveState::catching_up);
    return {};
  }
  board.set_state(LiveState::starting);
  SHOPLAKE_TRY(writer.load(&needs_build));
  if (needs_build && options.build && !tried_build) {
    tried_build = true;
    lock.reset();
    board.set_state(LiveState::paused, "the first build is running");
    const auto built = options.build(stop);
    if (!built.ok())
      base::log::error("live.first_build_failed", {{"reason", built.error().message}});
    lock = SHOPLAKE_TRY(LakeLock::acquire(*options.env, options.home_directory, stop));
    SHOPLAKE_TRY(writer.load(&needs_build));
  }
  if (needs_build)
    board.set_stale(writer.needed());
  board.set_state(LiveState::running);
  return {};
}

Result<void> Live::State::bring_models_up(std::stop_token stop) {
  const std::int64_t commits = SHOPLAKE_TRY(models_behind(*control_plane));
  writer.forget();
  lock.reset();
  board.set_state(LiveState::catching_up, "the models are being brought up");
  const std::int64_t begin = options.env->monotonic_micros();
  const auto done = [&]() -> Result<void> {
    if (!options.run_models) {
      return base::make_error(base::ErrorKind::failed, "live.models_wait",
                              "the models lack events that are in processed", "Run `shoplake build`.");
    }
    return options.run_models(SHOPLAKE_TRY(list_live_models(options.project)), stop);
  }();
  lock = SHOPLAKE_TRY(LakeLock::acquire(*options.env, options.home_directory, stop));
  if (!done.ok()) {
    models_failed = true;
    board.set_stale(done.error().message);
    return {};
  }
  board.part_done("catch_up", options.env->monotonic_micros() - begin);
  SHOPLAKE_TRY(settle_models_behind(*control_plane, commits));
  models_wait = SHOPLAKE_TRY(models_behind(*control_plane)) > 0;
  return {};
}

Result<wal::Offset> Live::State::read_position() {
  io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(*control_plane));
  const wal::Offset begin = options.log == nullptr ? 0 : options.log->begin();
  const wal::Offset next =
      SHOPLAKE_TRY(wal::ensure_consumer(*control_plane, kConsumerName, begin, options.env->now_micros()));
  SHOPLAKE_TRY(transaction.commit());
  return next;
}

namespace {

std::vector<std::string> paths_of(const std::vector<transform::DataFile>& files) {
  std::vector<std::string> paths;
  for (const transform::DataFile& file : files)
    paths.push_back(file.path);
  return paths;
}

}  // namespace

Result<Step> Live::State::step(std::stop_token stop) {
  SHOPLAKE_TRY(prepare(stop));
  if (takes_bulk())
    return bulk_step(stop);
  return micro_step(stop);
}

Result<Step> Live::State::micro_step(std::stop_token stop) {
  io::Env& env = *options.env;
  const std::int64_t begin = env.monotonic_micros();
  Step step;
  std::vector<wal::Batch> batches;
  wal::Offset next = position;
  std::size_t bytes = 0;
  while (next < options.log->end() && step.records < options.records_max && bytes < options.bytes_max) {
    wal::Batch batch = SHOPLAKE_TRY(options.log->read(
        next, options.records_max - static_cast<std::size_t>(step.records), options.bytes_max - bytes));
    if (batch.next <= next)
      break;
    next = batch.next;
    step.records += batch.records.size();
    for (const wal::LostRange& lost : batch.lost)
      step.lost += lost.end - lost.first;
    for (const wal::Record& record : batch.records)
      bytes += record.payload.size();
    batches.push_back(std::move(batch));
  }
  if (next == position)
    return step;

  Writer::Batch work;
  work.stop = stop;
  std::map<std::string_view, Records> by_stream;
  std::map<std::int64_t, std::uint64_t> received;  // milliseconds, records
  CollectorLetterWriter refused(env, *options.catalog, env.now_micros());
  for (const wal::Batch& batch : batches) {
    for (const wal::Record& record : batch.records) {
      if (record.stream == kCollectorLetterStream)
        SHOPLAKE_TRY(
            refused.add({record.payload, static_cast<std::int64_t>(record.offset), record.received_at_micros}));
      if (!streams.contains(record.stream))
        continue;
      Records& records = by_stream[record.stream];
      records.records.push_back({record.payload, static_cast<std::int64_t>(record.offset), record.received_at_micros});
      ++received[record.received_at_micros / 1000];
    }
  }
  for (auto& [name, records] : by_stream) {
    records.source_object = "wal/" + std::string(name);
    work.records[streams.find(name)->second].push_back(std::move(records));
  }
  work.also = [from = position, next, &env](io::Database& database) {
    return wal::move_consumer(database, kConsumerName, {from, next}, env.now_micros());
  };
  const CollectorLetters letters = SHOPLAKE_TRY(refused.finish());
  if (letters.count > 0)
    work.changes.push_back(letters.change);
  auto written = writer.write(work);
  if (!written.ok()) {
    // An unknown outcome may have been a commit: then the files belong to the table.
    if (written.error().kind != base::ErrorKind::unknown_outcome)
      remove_files(env, paths_of(letters.change.added));
    return std::move(written).error();
  }
  for (const auto& [reason, count] : letters.by_reason)
    board.rejected(std::string(kCollectorDataset), reason, count);
  step.rejected = letters.count;
  committed(step, *written, next, received, begin);
  return step;
}

void Live::State::committed(Step& step, const Writer::Outcome& outcome, wal::Offset next,
                            const std::map<std::int64_t, std::uint64_t>& received, std::int64_t begin_micros) {
  position = next;
  consumed.store(next);
  step.accepted = outcome.accepted;
  step.duplicates = outcome.duplicates;
  step.rejected += outcome.rejected;
  step.late = outcome.late;
  step.models_current = outcome.models_current;
  step.micros = options.env->monotonic_micros() - begin_micros;
  const std::int64_t now = options.env->now_micros();
  for (const auto& [millisecond, count] : received)
    board.latency(now - millisecond * 1000, count);
  board.step_done(step, next);
  compactor.committed(outcome.committed);
  board.feed(writer.newest_events());
}

Result<Step> Live::State::bulk_step(std::stop_token stop) {
  io::Env& env = *options.env;
  const std::int64_t begin = env.monotonic_micros();
  if (!models_wait || writer.models() != nullptr) {
    // Their rows are not needed again before the models were brought up.
    bool needs_build = false;
    models_wait = true;
    board.set_state(LiveState::catching_up);
    SHOPLAKE_TRY(writer.load(&needs_build, Writer::Load::without_models));
  }
  BulkRequest request;
  request.options = &options;
  request.session = &writer.session();
  request.from = position;
  request.to = position + std::min(backlog(), options.bulk_records_max);
  request.stop = stop;
  Bulk bulk;
  Writer::Batch work;
  work.stop = stop;
  work.transform = [&](std::map<std::string, Transformed>& transformed,
                       std::vector<catalog::TableChange>& changes) -> Result<void> {
    // The writer reads its datasets anew when a commit lost a race.
    request.session = &writer.session();
    request.datasets.clear();
    std::map<const Dataset*, std::string> names;
    for (const auto& [stream, dataset] : streams)
      names[request.datasets[stream] = writer.dataset(dataset)] = dataset;
    remove_files(env, paths_of(bulk.letters.change.added));
    bulk = Bulk();
    bulk = SHOPLAKE_TRY(transform_bulk(request));
    for (auto& [dataset, one] : bulk.transformed)
      transformed.emplace(names.at(dataset), std::move(one));
    bulk.transformed.clear();
    if (bulk.letters.count > 0)
      changes.push_back(bulk.letters.change);
    return {};
  };
  work.also = [from = position, to = request.to, &env](io::Database& database) {
    return wal::move_consumer(database, kConsumerName, {from, to}, env.now_micros());
  };
  const auto written = writer.write(work);
  if (!written.ok()) {
    if (written.error().kind != base::ErrorKind::unknown_outcome)
      remove_files(env, paths_of(bulk.letters.change.added));
    return written.error();
  }
  Step step;
  step.is_bulk = true;
  step.records = bulk.records;
  step.lost = bulk.lost;
  step.rejected = bulk.letters.count;
  for (const auto& [reason, count] : bulk.letters.by_reason)
    board.rejected(std::string(kCollectorDataset), reason, count);
  committed(step, *written, request.to, bulk.received, begin);
  return step;
}

void Live::State::loop(std::stop_token stop) {
  auto wait = kFirstPause;
  std::int64_t last_begin = 0;
  int batches = 0;
  while (!stop.stop_requested()) {
    const auto prepared = prepare(stop);
    if (prepared.ok()) {
      if (!options.log->wait_past(position, stop, kIdle)) {
        if (!stop.stop_requested())
          maintain_quietly(stop);
        continue;
      }
      // Steps begin at most so often: each writes files for every table that it changes.
      const std::int64_t since = options.env->monotonic_micros() - last_begin;
      const std::int64_t collect = std::chrono::microseconds(options.collect).count();
      if (last_begin != 0 && since < collect)
        pause(stop, std::chrono::microseconds(collect - since));
      last_begin = options.env->monotonic_micros();
    }
    const auto stepped = prepared.ok() ? step(stop) : Result<Step>(prepared.error());
    if (stepped.ok()) {
      wait = kFirstPause;
      if (++batches % kUpkeepBatches == 0)
        maintain_quietly(stop);
      continue;
    }
    if (stop.stop_requested())
      break;
    board.step_failed(stepped.error());
    writer.forget();
    pause(stop, wait);
    wait = std::min(wait * 2, kLongestPause);
  }
  writer.forget();
  lock.reset();
  board.set_state(LiveState::stopped);
}

void Live::State::maintain_quietly(std::stop_token stop) {
  writer.measure_memory();
  if (!writer.is_loaded() || takes_bulk())
    return;
  const auto done = compactor.run(stop);
  if (!done.ok()) {
    // Nothing is lost by it; what is in memory is read again, since a merge may have been committed.
    base::log::warning("live.maintenance_failed", {{"code", done.error().code}, {"reason", done.error().message}});
    writer.forget();
  }
}

Result<void> Live::State::maintain(const std::function<Result<void>()>& work) {
  SHOPLAKE_TRY(prepare({}));
  auto done = work();
  if (!done.ok())
    writer.forget();
  return done;
}

Result<std::unique_ptr<Live>> Live::open(LiveOptions options) {
  auto state = std::make_unique<State>(std::move(options));
  for (const Stream& stream : state->options.streams) {
    SHOPLAKE_TRY(contract::load_contract(*state->options.env, state->options.datasets_directory, stream.dataset)
                     .within("stream " + stream.name));
    state->streams.emplace(stream.name, stream.dataset);
  }
  state->control_plane = SHOPLAKE_TRY(state->options.catalog->open_control_plane());
  SHOPLAKE_TRY(wal::prepare_consumers(*state->control_plane));
  SHOPLAKE_TRY(prepare_models_behind(*state->control_plane));
  state->position = SHOPLAKE_TRY(state->read_position());
  state->consumed.store(state->position);
  state->board.set_consumed(state->position);
  return std::unique_ptr<Live>(new Live(std::move(state)));
}

Live::Live(std::unique_ptr<State> state) : state_(std::move(state)) {}

Live::~Live() { stop(); }

void Live::start() {
  SHOPLAKE_CHECK(state_->options.log != nullptr && !state_->thread.joinable());
  state_->board.set_state(LiveState::starting);
  state_->thread = std::jthread([state = state_.get()](std::stop_token stop) { state->loop(stop); });
}

void Live::stop() {
  if (!state_->thread.joinable())
    return;
  state_->thread.request_stop();
  state_->thread.join();
  state_->thread = std::jthread();
}

LiveStatus Live::status() const {
  return state_->board.status(state_->options.log == nullptr ? 0 : state_->options.log->end());
}

wal::Offset Live::consumed() const { return state_->consumed.load(); }

void Live::release() {
  state_->writer.forget();
  state_->lock.reset();
}

Result<Step> Live::run_once() {
  auto step = state_->step({});
  if (!step.ok())
    state_->writer.forget();
  return step;
}

Result<void> Live::maintain_once() {
  return state_->maintain([&] { return state_->compactor.run_all({}); });
}

Result<void> Live::upkeep_once() {
  return state_->maintain([&] { return state_->compactor.run({}); });
}

}  // namespace shoplake::live
