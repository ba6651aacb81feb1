#include "watch/alarm_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/moment.h"
#include "watch/topics.h"

namespace shoplake::watch {
namespace {

using base::kMicrosPerSecond;
using base::Result;

constexpr std::int64_t kLongSlotSeconds = 60;
constexpr std::int64_t kShortSlotSeconds = 10;
constexpr std::int64_t kReadingsPerLongSlot = 6;

constexpr char kTables[] = R"(
create table if not exists alarm_states (
  name text primary key,
  condition text not null,           -- digest of what is watched: another condition begins anew
  state text not null,
  since integer not null,
  reason text not null,
  told text,                         -- the state that was told last
  evaluated_until integer not null   -- end of the last period that was looked at
) without rowid;
create table if not exists alarm_history (
  id integer primary key,
  name text not null,
  at integer not null,
  old_state text not null,
  new_state text not null,
  reason text not null
);
create index if not exists alarm_history_by_name on alarm_history (name, id);
)";

std::string condition_digest(const Alarm& alarm) {
  return base::sha256_hex(fmt::format("{}|{}", condition_text(alarm), name(alarm.missing_data)));
}

constexpr std::int64_t aligned(std::int64_t micros, std::int64_t length) { return micros - micros % length; }

// What alarm_states says, or what holds for a new alarm.
struct Stored {
  bool is_known = false;
  AlarmState state = AlarmState::insufficient_data;
  std::int64_t since = 0;
  std::string reason;
  std::string told;
  std::int64_t evaluated_until = 0;
};

Result<Stored> load(io::Database& database, const Alarm& alarm) {
  auto select = SHOPLAKE_TRY(database.prepare(
      "select state, since, reason, told, evaluated_until from alarm_states where name = ? and condition = ?"));
  select.bind(1, alarm.name).bind(2, condition_digest(alarm));
  if (!SHOPLAKE_TRY(select.step()))
    return Stored{};
  return Stored{true,
                parse_alarm_state(select.text(0)).value_or(AlarmState::insufficient_data),
                select.integer(1),
                select.text(2),
                select.text(3),
                select.integer(4)};
}

Result<void> save(io::Database& database, const Alarm& alarm, const Stored& stored) {
  auto insert =
      SHOPLAKE_TRY(database.prepare("insert or replace into alarm_states (name, condition, state, since, reason, told, "
                                    "evaluated_until) values (?, ?, ?, ?, ?, ?, ?)"));
  insert.bind(1, alarm.name)
      .bind(2, condition_digest(alarm))
      .bind(3, name(stored.state))
      .bind(4, stored.since)
      .bind(5, stored.reason);
  stored.told.empty() ? insert.bind_null(6) : insert.bind(6, stored.told);
  SHOPLAKE_TRY(insert.bind(7, stored.evaluated_until).run());
  return {};
}

Result<void> add_history(io::Database& database, const StateChange& change) {
  auto insert = SHOPLAKE_TRY(
      database.prepare("insert into alarm_history (name, at, old_state, new_state, reason) values (?, ?, ?, ?, ?)"));
  insert.bind(1, change.alarm)
      .bind(2, change.at_micros)
      .bind(3, name(change.from))
      .bind(4, name(change.to))
      .bind(5, change.reason);
  SHOPLAKE_TRY(insert.run());
  auto bound =
      SHOPLAKE_TRY(database.prepare("delete from alarm_history where id <= (select max(id) from alarm_history) - ?"));
  SHOPLAKE_TRY(bound.bind(1, kAlarmHistoryRowsMax).run());
  return {};
}

// How many whole periods before `end` are since the alarm began. That moment is known as long as it matters: an alarm
// begins with INSUFFICIENT_DATA, and once it has left that, no period before its begin decides any more.
int watched_periods(const Alarm& alarm, const Stored& stored, std::int64_t end_micros) {
  if (stored.state != AlarmState::insufficient_data)
    return kWatchedLongAgo;
  const std::int64_t period = alarm.period_seconds * kMicrosPerSecond;
  const std::int64_t first_whole = aligned(stored.since + period - 1, period);
  const std::int64_t count = std::max<std::int64_t>(0, end_micros - first_whole) / period;
  return static_cast<int>(std::min<std::int64_t>(count, evaluation_range(alarm)));
}

bool is_told(const Alarm& alarm, const Stored& before, AlarmState to) {
  if (!alarm.notify.contains(to))
    return false;
  return to != AlarmState::ok || (!before.told.empty() && before.told != name(AlarmState::ok));
}

std::string message_text(const Alarm& alarm, const StateChange& change, const std::string& origin, bool is_test) {
  std::string text;
  if (is_test)
    text += "This is a test: the alarm's state has not changed.\n\n";
  if (!alarm.description.empty())
    text += alarm.description + "\n\n";
  text += fmt::format("State: {} (before: {}) since {}\nReason: {}\nCondition: {}", name(change.to), name(change.from),
                      base::timestamp_text(change.at_micros), change.reason, condition_text(alarm));
  if (!origin.empty())
    text += "\nHome: " + origin;
  return text;
}

}  // namespace

AlarmKeeper::AlarmKeeper(std::unique_ptr<io::Database> database, std::vector<Alarm> alarms, std::string origin)
    : database_(std::move(database)), alarms_(std::move(alarms)), origin_(std::move(origin)) {
  std::int64_t slot_seconds = kLongSlotSeconds;
  for (const Alarm& alarm : alarms_) {
    metrics_.insert(alarm.metric);
    if (alarm.period_seconds < kLongSlotSeconds)
      slot_seconds = kShortSlotSeconds;
    kept_micros_ = std::max(kept_micros_, (evaluation_range(alarm) + 1) * alarm.period_seconds * kMicrosPerSecond);
  }
  slot_micros_ = slot_seconds * kMicrosPerSecond;
}

AlarmKeeper::~AlarmKeeper() = default;

Result<std::unique_ptr<AlarmKeeper>> AlarmKeeper::open(const std::string& control_plane, std::vector<Alarm> alarms,
                                                       std::string origin) {
  auto database = SHOPLAKE_TRY(io::Database::open(control_plane));
  SHOPLAKE_TRY(prepare_topics(*database));
  SHOPLAKE_TRY(MetricStore::prepare(*database));
  SHOPLAKE_TRY(database->execute(kTables));
  return std::unique_ptr<AlarmKeeper>(new AlarmKeeper(std::move(database), std::move(alarms), std::move(origin)));
}

std::int64_t AlarmKeeper::reading_interval_seconds() const {
  const std::int64_t slot_seconds = slot_micros_ / kMicrosPerSecond;
  return slot_seconds == kLongSlotSeconds ? slot_seconds / kReadingsPerLongSlot : slot_seconds / 2;
}

Result<void> AlarmKeeper::write_slot(std::int64_t now_micros) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  for (const auto& [selection, set] : slot_)
    SHOPLAKE_TRY(MetricStore::add(*database_, selection, slot_begin_, set));
  SHOPLAKE_TRY(MetricStore::forget_before(*database_, now_micros - kept_micros_));
  SHOPLAKE_TRY(transaction.commit());
  slot_.clear();
  return {};
}

Result<std::vector<StateChange>> AlarmKeeper::observe(Probe& probe, std::int64_t now_micros) {
  const std::int64_t slot = aligned(now_micros, slot_micros_);
  std::vector<StateChange> changes;
  if (slot != slot_begin_) {
    SHOPLAKE_TRY(write_slot(now_micros));
    changes = SHOPLAKE_TRY(evaluate(now_micros));
  }
  slot_begin_ = slot;
  for (const base::Metrics::Sample& sample : probe.read(metrics_)) {
    const auto happened = differences_.of(sample);
    std::set<Selection> taken;  // alarms that share a selection share its row
    for (const Alarm& alarm : alarms_) {
      Selection selection = selection_of(alarm);
      if (happened && selection.takes(sample) && taken.insert(selection).second)
        slot_[std::move(selection)].add(*happened);
    }
  }
  return changes;
}

Result<void> AlarmKeeper::finish(Probe& probe, std::int64_t now_micros) {
  SHOPLAKE_TRY(observe(probe, now_micros));
  return write_slot(now_micros);
}

Result<std::vector<StateChange>> AlarmKeeper::evaluate(std::int64_t now_micros) {
  std::vector<StateChange> changes;
  for (const Alarm& alarm : alarms_) {
    if (auto change = SHOPLAKE_TRY(evaluate(alarm, now_micros)))
      changes.push_back(std::move(*change));
  }
  return changes;
}

Result<std::vector<std::optional<double>>> AlarmKeeper::datapoints(const Alarm& alarm, std::int64_t end_micros,
                                                                   int periods) {
  const std::int64_t period = alarm.period_seconds * kMicrosPerSecond;
  std::vector<std::optional<double>> values;
  for (int age = 0; age < periods; ++age) {
    const std::int64_t end = end_micros - age * period;
    const auto set = SHOPLAKE_TRY(MetricStore::read(*database_, selection_of(alarm), end - period, end));
    values.push_back(set ? std::optional(set->value(alarm.statistic)) : std::nullopt);
  }
  return values;
}

Result<std::optional<StateChange>> AlarmKeeper::evaluate(const Alarm& alarm, std::int64_t now_micros) {
  const std::int64_t end = aligned(now_micros, alarm.period_seconds * kMicrosPerSecond);
  {
    const Stored known = SHOPLAKE_TRY(load(*database_, alarm));
    if (known.is_known && known.evaluated_until >= end)
      return std::optional<StateChange>();
  }
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  Stored stored = SHOPLAKE_TRY(load(*database_, alarm));
  if (stored.is_known && stored.evaluated_until >= end)
    return std::optional<StateChange>();  // another process was quicker
  if (!stored.is_known) {
    stored.since = now_micros;
    stored.reason = "it has not been evaluated yet";
    stored.evaluated_until = end;
    SHOPLAKE_TRY(save(*database_, alarm, stored));
    SHOPLAKE_TRY(transaction.commit());
    return std::optional<StateChange>();
  }
  const Evaluation evaluation = watch::evaluate(alarm, SHOPLAKE_TRY(datapoints(alarm, end, evaluation_range(alarm))),
                                                watched_periods(alarm, stored, end));
  std::optional<StateChange> change;
  stored.evaluated_until = end;
  stored.reason = evaluation.reason;
  if (evaluation.state && *evaluation.state != stored.state) {
    change = StateChange{alarm.name, now_micros, stored.state, *evaluation.state, evaluation.reason};
    SHOPLAKE_TRY(add_history(*database_, *change));
    if (is_told(alarm, stored, change->to)) {
      SHOPLAKE_TRY(
          publish_change(alarm, *change, fmt::format("alarm/{}/{}", alarm.name, end / kMicrosPerSecond), false));
      stored.told = name(change->to);
    }
    stored.state = change->to;
    stored.since = now_micros;
  }
  SHOPLAKE_TRY(save(*database_, alarm, stored));
  SHOPLAKE_TRY(transaction.commit());
  return change;
}

Result<void> AlarmKeeper::publish_change(const Alarm& alarm, const StateChange& change, const std::string& id,
                                         bool is_test) {
  Notification notification;
  notification.id = id;
  notification.topic = alarm.topic;
  notification.subject =
      fmt::format("{}{}: {}", is_test ? "Test of " : "", name(change.to), alarm.name).substr(0, kSubjectCharactersMax);
  notification.message = message_text(alarm, change, origin_, is_test);
  notification.attributes = {{"alarm", alarm.name},
                             {"state", std::string(name(change.to))},
                             {"previous_state", std::string(name(change.from))},
                             {"metric", selection_of(alarm).text()}};
  const auto published = publish(*database_, notification, change.at_micros);
  if (!published.ok() && published.error().code != "watch.outbox_full")  // the state changes nevertheless
    return published.error();
  return {};
}

Result<std::string> AlarmKeeper::publish_test(const Alarm& alarm, AlarmState state, std::int64_t now_micros) {
  const Stored stored = SHOPLAKE_TRY(load(*database_, alarm));
  std::string id = fmt::format("alarm-test/{}/{}", alarm.name, now_micros);
  SHOPLAKE_TRY(
      publish_change(alarm, {alarm.name, now_micros, stored.state, state, "asked for by alarm test"}, id, true));
  return id;
}

Result<AlarmStatus> AlarmKeeper::status(const std::string& alarm_name) {
  const auto alarm = std::ranges::find(alarms_, alarm_name, &Alarm::name);
  if (alarm == alarms_.end())
    return AlarmStatus{};
  const Stored stored = SHOPLAKE_TRY(load(*database_, *alarm));
  if (!stored.is_known)
    return AlarmStatus{};
  return AlarmStatus{stored.state, stored.since, stored.reason, stored.evaluated_until};
}

Result<std::vector<StateChange>> AlarmKeeper::history(const std::string& alarm, std::int64_t rows_max) {
  auto select = SHOPLAKE_TRY(
      database_->prepare("select name, at, old_state, new_state, reason from alarm_history where ?1 = '' or name = ?1 "
                         "order by id desc limit ?2"));
  select.bind(1, alarm).bind(2, rows_max);
  std::vector<StateChange> changes;
  while (SHOPLAKE_TRY(select.step())) {
    changes.push_back({select.text(0), select.integer(1),
                       parse_alarm_state(select.text(2)).value_or(AlarmState::insufficient_data),
                       parse_alarm_state(select.text(3)).value_or(AlarmState::insufficient_data), select.text(4)});
  }
  return changes;
}

}  // namespace shoplake::watch
