#include "app/flows/trigger_store.h"

#include <utility>

namespace shoplake::app {

using base::Result;

namespace {

constexpr const char* kTables = R"(
create table if not exists flow_triggers (
  trigger_name text primary key,
  looked_until integer,              -- microseconds since 1970
  batches integer not null default 0,  -- that were made
  started integer not null default 0   -- the last one whose execution was started
) without rowid;
create table if not exists flow_trigger_objects (
  trigger_name text not null,
  object text not null,
  size_bytes integer not null,
  modified_at integer not null,
  batch integer not null,            -- 0: waits for one; -1: was there before the trigger
  primary key (trigger_name, object)
) without rowid;
create index if not exists flow_trigger_objects_by_batch on flow_trigger_objects (trigger_name, batch);
)";

constexpr std::int64_t kWaits = 0, kBefore = -1;

}  // namespace

Result<std::unique_ptr<TriggerStore>> TriggerStore::open(const std::string& control_plane) {
  auto database = SHOPLAKE_TRY(io::Database::open(control_plane));
  SHOPLAKE_TRY(database->execute(kTables));
  return std::unique_ptr<TriggerStore>(new TriggerStore(std::move(database)));
}

Result<std::optional<std::int64_t>> TriggerStore::looked_until(const std::string& trigger) {
  auto row = SHOPLAKE_TRY(database_->prepare("select looked_until from flow_triggers where trigger_name = ?"));
  row.bind(1, trigger);
  if (!SHOPLAKE_TRY(row.step()))
    return std::optional<std::int64_t>();
  return row.optional_integer(0);
}

Result<void> TriggerStore::set_looked_until(const std::string& trigger, std::int64_t micros) {
  auto row = SHOPLAKE_TRY(
      database_->prepare("insert into flow_triggers (trigger_name, looked_until) values (?, ?) on conflict "
                         "(trigger_name) do update set looked_until = excluded.looked_until"));
  SHOPLAKE_TRY(row.bind(1, trigger).bind(2, micros).run());
  return {};
}

Result<std::map<std::string, TriggerStore::SeenObject>> TriggerStore::objects(const std::string& trigger) {
  auto rows = SHOPLAKE_TRY(database_->prepare(
      "select object, size_bytes, modified_at, batch from flow_trigger_objects where trigger_name = ?"));
  rows.bind(1, trigger);
  std::map<std::string, SeenObject> found;
  while (SHOPLAKE_TRY(rows.step()))
    found[rows.text(0)] = {{static_cast<std::uint64_t>(rows.integer(1)), rows.integer(2)}, rows.integer(3)};
  return found;
}

Result<void> TriggerStore::note_objects(const std::string& trigger, const std::map<std::string, ObjectVersion>& found,
                                        const std::vector<std::string>& gone, bool is_first, std::int64_t now_micros) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  auto put = SHOPLAKE_TRY(database_->prepare("insert or replace into flow_trigger_objects values (?, ?, ?, ?, ?)"));
  for (const auto& [object, version] : found) {
    put.bind(1, trigger)
        .bind(2, object)
        .bind(3, version.size_bytes)
        .bind(4, version.modified_micros)
        .bind(5, is_first ? kBefore : kWaits);
    SHOPLAKE_TRY(put.run());
  }
  // Those of a batch that is not started yet stay, too: the execution is told of them.
  auto forget = SHOPLAKE_TRY(database_->prepare(
      "delete from flow_trigger_objects where trigger_name = ?1 and object = ?2 and (batch = -1 or batch between 1 and "
      "(select started from flow_triggers where trigger_name = ?1))"));
  for (const std::string& object : gone)
    SHOPLAKE_TRY(forget.bind(1, trigger).bind(2, object).run());
  SHOPLAKE_TRY(set_looked_until(trigger, now_micros));
  return transaction.commit();
}

Result<void> TriggerStore::touch(const std::string& trigger, const std::string& object, const ObjectVersion& version) {
  auto row = SHOPLAKE_TRY(database_->prepare(
      "update flow_trigger_objects set size_bytes = ?, modified_at = ? where trigger_name = ? and object = ?"));
  SHOPLAKE_TRY(row.bind(1, version.size_bytes).bind(2, version.modified_micros).bind(3, trigger).bind(4, object).run());
  return {};
}

Result<std::optional<TriggerStore::Batch>> TriggerStore::make_batch(const std::string& trigger,
                                                                    std::int64_t objects_max) {
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database_));
  Batch batch;
  {
    auto rows = SHOPLAKE_TRY(database_->prepare(
        "select object from flow_trigger_objects where trigger_name = ? and batch = 0 order by object limit ?"));
    rows.bind(1, trigger).bind(2, objects_max);
    while (SHOPLAKE_TRY(rows.step()))
      batch.objects.push_back(rows.text(0));
  }
  if (batch.objects.empty())
    return std::optional<Batch>();
  {
    auto next = SHOPLAKE_TRY(
        database_->prepare("update flow_triggers set batches = batches + 1 where trigger_name = ? returning batches"));
    next.bind(1, trigger);
    SHOPLAKE_TRY(next.step());
    batch.number = next.integer(0);
    next.reset();
  }
  auto mark = SHOPLAKE_TRY(
      database_->prepare("update flow_trigger_objects set batch = ? where trigger_name = ? and object = ?"));
  for (const std::string& object : batch.objects)
    SHOPLAKE_TRY(mark.bind(1, batch.number).bind(2, trigger).bind(3, object).run());
  SHOPLAKE_TRY(transaction.commit());
  return std::optional(std::move(batch));
}

Result<std::vector<TriggerStore::Batch>> TriggerStore::open_batches(const std::string& trigger) {
  auto rows =
      SHOPLAKE_TRY(database_->prepare("select batch, object from flow_trigger_objects join flow_triggers using "
                                      "(trigger_name) where trigger_name = ? and "
                                      "batch > started order by batch, object"));
  rows.bind(1, trigger);
  std::vector<Batch> batches;
  while (SHOPLAKE_TRY(rows.step())) {
    if (batches.empty() || batches.back().number != rows.integer(0))
      batches.push_back({rows.integer(0), {}});
    batches.back().objects.push_back(rows.text(1));
  }
  return batches;
}

Result<void> TriggerStore::set_started(const std::string& trigger, std::int64_t batch) {
  auto row =
      SHOPLAKE_TRY(database_->prepare("update flow_triggers set started = max(started, ?) where trigger_name = ?"));
  SHOPLAKE_TRY(row.bind(1, batch).bind(2, trigger).run());
  return {};
}

}  // namespace shoplake::app
