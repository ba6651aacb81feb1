#include "app/flows/trigger_watcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/moment.h"
#include "ingest/file_name.h"

namespace shoplake::app {

using base::Result;
using flow::Json;

namespace {

bool is_one_of(const std::string& object, const ObjectCreated& objects) {
  const auto begins = [&](const std::string& prefix) { return object.starts_with(prefix); };
  const auto ends = [&](const std::string& suffix) { return object.ends_with(suffix); };
  return std::ranges::any_of(objects.prefixes, begins) &&
         (objects.suffixes.empty() || std::ranges::any_of(objects.suffixes, ends));
}

// The objects below a folder of the lake.
Result<void> list(io::Env& env, const std::string& lake_root, const std::string& folder, const ObjectCreated& objects,
                  std::map<std::string, ObjectVersion>& found) {
  const std::string path = io::join_path(lake_root, folder);
  if (!SHOPLAKE_TRY(env.is_directory(path)))
    return {};
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(path))) {
    const std::string object = io::join_path(folder, entry.name);
    if (entry.is_directory)
      SHOPLAKE_TRY(list(env, lake_root, object, objects, found));
    else if (!ingest::is_unfinished_name(entry.name) && is_one_of(object, objects))
      found[object] = {entry.size_bytes, entry.modified_micros};
  }
  return {};
}

// "20261121T060000Z"
std::string compact_time(std::int64_t micros) {
  std::string text = base::timestamp_text(micros / base::kMicrosPerSecond * base::kMicrosPerSecond);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

}  // namespace

Result<std::unique_ptr<TriggerWatcher>> TriggerWatcher::open(TriggerWatcherOptions options) {
  auto watcher = std::unique_ptr<TriggerWatcher>(new TriggerWatcher(std::move(options)));
  watcher->store_ = SHOPLAKE_TRY(TriggerStore::open(watcher->options_.control_plane));
  const std::int64_t now = watcher->options_.env->now_micros();
  watcher->opened_micros_ = now;
  for (Trigger& trigger : watcher->options_.triggers) {
    if (!trigger.is_enabled || trigger.http_token)
      continue;
    Watched& watched = watcher->watched_.emplace_back();
    watched.trigger = std::move(trigger);
    if (!watched.trigger.object_created)
      continue;
    const std::string& name = watched.trigger.name;
    for (const TriggerStore::Batch& batch : SHOPLAKE_TRY(watcher->store_->open_batches(name)))
      SHOPLAKE_TRY(watcher->start_batch(watched, batch));
    watched.objects = SHOPLAKE_TRY(watcher->store_->objects(name));
    watched.waiting = std::ranges::count_if(watched.objects, [](const auto& each) { return each.second.batch == 0; });
    watched.first_waiting_micros = watched.last_change_micros = now;
  }
  return watcher;
}

Result<void> TriggerWatcher::note_objects() {
  for (Watched& watched : watched_) {
    if (watched.trigger.object_created)
      SHOPLAKE_TRY(note_objects(watched));
  }
  return {};
}

Result<void> TriggerWatcher::look() {
  for (Watched& watched : watched_) {
    if (!watched.trigger.object_created) {
      SHOPLAKE_TRY(look_at_clock(watched));
      continue;
    }
    SHOPLAKE_TRY(note_objects(watched));
    SHOPLAKE_TRY(start_batches(watched));
  }
  return {};
}

std::optional<std::int64_t> TriggerWatcher::due_micros() const {
  std::optional<std::int64_t> earliest;
  for (const Watched& watched : watched_) {
    if (watched.waiting == 0)
      continue;
    const ObjectCreated& objects = *watched.trigger.object_created;
    const std::int64_t due = std::min(watched.last_change_micros + objects.quiet_micros,
                                      watched.first_waiting_micros + objects.at_most_micros);
    earliest = std::min(earliest.value_or(due), due);
  }
  return earliest;
}

Result<void> TriggerWatcher::note_objects(Watched& watched) {
  const ObjectCreated& objects = *watched.trigger.object_created;
  std::map<std::string, ObjectVersion> found;
  for (const std::string& prefix : objects.prefixes)
    SHOPLAKE_TRY(list(*options_.env, options_.lake_root, prefix.substr(0, prefix.rfind('/')), objects, found));
  std::vector<std::string> gone;
  for (const auto& [object, seen] : watched.objects) {
    if (!found.contains(object))
      gone.push_back(object);
  }
  std::erase_if(found, [&](const auto& each) {
    const auto known = watched.objects.find(each.first);
    return known != watched.objects.end() && known->second.version == each.second;
  });
  SHOPLAKE_TRY(pass_over_copies(watched, found));
  const std::string& name = watched.trigger.name;
  const bool is_first = !SHOPLAKE_TRY(store_->looked_until(name)).has_value();
  if (found.empty() && gone.empty() && !is_first)
    return {};
  const std::int64_t now = options_.env->now_micros();
  SHOPLAKE_TRY(store_->note_objects(name, found, gone, is_first, now));
  watched.objects = SHOPLAKE_TRY(store_->objects(name));
  if (found.empty() || is_first)
    return {};
  if (options_.on_objects)
    options_.on_objects();
  if (watched.waiting == 0)
    watched.first_waiting_micros = now;
  watched.last_change_micros = now;
  watched.waiting = std::ranges::count_if(watched.objects, [](const auto& each) { return each.second.batch == 0; });
  return {};
}

Result<void> TriggerWatcher::pass_over_copies(Watched& watched, std::map<std::string, ObjectVersion>& found) {
  for (auto each = found.begin(); each != found.end();) {
    const auto known = watched.objects.find(each->first);
    if (known == watched.objects.end() || known->second.version.size_bytes != each->second.size_bytes) {
      ++each;
      continue;
    }
    const std::optional<bool> is_loaded = SHOPLAKE_TRY(options_.is_loaded(each->first, each->second));
    if (!is_loaded) {
      each = found.erase(each);  // looked at again
      continue;
    }
    if (!*is_loaded) {
      ++each;
      continue;
    }
    SHOPLAKE_TRY(store_->touch(watched.trigger.name, each->first, each->second));
    known->second.version = each->second;
    each = found.erase(each);
  }
  return {};
}

Result<void> TriggerWatcher::start_batches(Watched& watched) {
  const ObjectCreated& objects = *watched.trigger.object_created;
  const std::string& name = watched.trigger.name;
  const std::int64_t now = options_.env->now_micros();
  // Those whose start failed before.
  for (const TriggerStore::Batch& batch : SHOPLAKE_TRY(store_->open_batches(name)))
    SHOPLAKE_TRY(start_batch(watched, batch));
  const bool is_quiet = now - watched.last_change_micros >= objects.quiet_micros;
  if (watched.waiting == 0 || (!is_quiet && now - watched.first_waiting_micros < objects.at_most_micros))
    return {};
  while (const auto batch = SHOPLAKE_TRY(store_->make_batch(name, kBatchObjectsMax)))
    SHOPLAKE_TRY(start_batch(watched, *batch));
  watched.waiting = 0;
  watched.objects = SHOPLAKE_TRY(store_->objects(name));
  return {};
}

Result<void> TriggerWatcher::start_batch(const Watched& watched, const TriggerStore::Batch& batch) {
  Json occasion{{"trigger", watched.trigger.name}, {"objects", batch.objects}};
  SHOPLAKE_TRY(start(watched, fmt::format("{}-{}", watched.trigger.name, batch.number), flow::compact(occasion),
                     "object:" + batch.objects.front()));
  return store_->set_started(watched.trigger.name, batch.number);
}

Result<void> TriggerWatcher::look_at_clock(const Watched& watched) {
  using Missed = ScheduledStart::Missed;
  const ScheduledStart& scheduled = *watched.trigger.schedule;
  const std::int64_t now = options_.env->now_micros();
  const auto until = SHOPLAKE_TRY(store_->looked_until(watched.trigger.name));
  if (!until)
    return store_->set_looked_until(watched.trigger.name, now);
  std::vector<std::int64_t> missed, due;
  for (auto at = scheduled.schedule.next(*until, scheduled.zone); at && *at <= now;
       at = scheduled.schedule.next(*at, scheduled.zone))
    (*at < opened_micros_ ? missed : due).push_back(*at);
  if (missed.empty() && due.empty())
    return {};
  const std::size_t kept = scheduled.missed == Missed::none   ? 0
                           : scheduled.missed == Missed::last ? 1
                                                              : static_cast<std::size_t>(kMissedMax);
  if (missed.size() > kept)
    missed.erase(missed.begin(), missed.end() - static_cast<std::ptrdiff_t>(kept));
  for (const std::int64_t at : missed)
    SHOPLAKE_TRY(start_at(watched, at));
  for (const std::int64_t at : due)
    SHOPLAKE_TRY(start_at(watched, at));
  return store_->set_looked_until(watched.trigger.name, now);
}

Result<void> TriggerWatcher::start_at(const Watched& watched, std::int64_t due_micros) {
  const ScheduledStart& scheduled = *watched.trigger.schedule;
  const std::int64_t offset =
      scheduled.zone.offset_seconds(due_micros / base::kMicrosPerSecond) * base::kMicrosPerSecond;
  const std::int64_t day = base::day_of(due_micros + offset);
  const Json occasion{{"trigger", watched.trigger.name},
                      {"scheduled_time", base::timestamp_text(due_micros)},
                      {"today", base::date_text(day)},
                      {"yesterday", base::date_text(day - 1)}};
  return start(watched, fmt::format("{}-{}", watched.trigger.name, compact_time(due_micros)), flow::compact(occasion),
               "schedule:" + watched.trigger.name);
}

// What the trigger's own input says stands before what the occasion says.
Result<void> TriggerWatcher::start(const Watched& watched, std::string name, const std::string& occasion_json,
                                   std::string started_by) {
  Json input = Json::parse(watched.trigger.input);
  const Json occasion = Json::parse(occasion_json);
  for (const auto& [member, value] : occasion.items()) {
    if (!input.contains(member))
      input[member] = value;
  }
  StartFlow request;
  request.flow = watched.trigger.flow;
  request.name = std::move(name);
  request.input = flow::compact(input);
  request.started_by = std::move(started_by);
  return options_.start(request);
}

}  // namespace shoplake::app
