#include "app/alarms.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/nearest_name.h"

namespace shoplake::app {
namespace {

using base::Result;

constexpr std::int64_t kShownChanges = 20;

Result<const watch::Alarm*> find_alarm(const watch::AlarmKeeper& keeper, const std::string& name) {
  const auto& alarms = keeper.alarms();
  const auto found = std::ranges::find(alarms, name, &watch::Alarm::name);
  if (found != alarms.end())
    return &*found;
  std::vector<std::string> names;
  for (const watch::Alarm& alarm : alarms)
    names.push_back(alarm.name);
  const std::string meant = base::nearest_name(name, names);
  return base::make_error(base::ErrorKind::not_found, "watch.no_such_alarm", fmt::format("there is no alarm {}", name),
                          meant.empty() ? "`shoplake alarm ls` lists them." : fmt::format("Did you mean {}?", meant));
}

}  // namespace

Result<std::string> alarms_directory(App& app) {
  std::string own = io::join_path(app.home().directory, "alarms");
  if (SHOPLAKE_TRY(app.env().exists(own)))
    return own;
  return io::join_path(app.installation().share_directory, "alarms");
}

Result<std::unique_ptr<watch::AlarmKeeper>> open_alarms(App& app) {
  auto alarms = SHOPLAKE_TRY(watch::read_alarms(app.env(), SHOPLAKE_TRY(alarms_directory(app))));
  return watch::AlarmKeeper::open(app.home().control_plane, std::move(alarms), io::file_name(app.home().directory));
}

Result<std::vector<AlarmView>> list_alarms(App& app) {
  const auto keeper = SHOPLAKE_TRY(open_alarms(app));
  std::vector<AlarmView> views;
  for (const watch::Alarm& alarm : keeper->alarms()) {
    auto status = SHOPLAKE_TRY(keeper->status(alarm.name));
    views.push_back({alarm, std::move(status)});
  }
  return views;
}

Result<AlarmDetail> show_alarm(App& app, const std::string& name) {
  const auto keeper = SHOPLAKE_TRY(open_alarms(app));
  const watch::Alarm* const alarm = SHOPLAKE_TRY(find_alarm(*keeper, name));
  auto status = SHOPLAKE_TRY(keeper->status(name));
  AlarmDetail detail{{*alarm, std::move(status)}, {}, {}};
  if (const auto until = detail.view.status.evaluated_until_micros)
    detail.datapoints = SHOPLAKE_TRY(keeper->datapoints(*alarm, *until, watch::evaluation_range(*alarm)));
  detail.history = SHOPLAKE_TRY(keeper->history(name, kShownChanges));
  return detail;
}

Result<std::vector<watch::StateChange>> alarm_history(App& app, const std::string& name, std::int64_t rows_max) {
  const auto keeper = SHOPLAKE_TRY(open_alarms(app));
  if (!name.empty())
    SHOPLAKE_TRY(find_alarm(*keeper, name));
  return keeper->history(name, rows_max);
}

Result<std::vector<watch::StateChange>> evaluate_alarms(App& app) {
  const auto keeper = SHOPLAKE_TRY(open_alarms(app));
  return keeper->evaluate(app.env().now_micros());
}

Result<AlarmTest> test_alarm(App& app, const std::string& name, watch::AlarmState state) {
  const auto keeper = SHOPLAKE_TRY(open_alarms(app));
  const watch::Alarm* const alarm = SHOPLAKE_TRY(find_alarm(*keeper, name));
  return AlarmTest{SHOPLAKE_TRY(keeper->publish_test(*alarm, state, app.env().now_micros())), alarm->topic};
}

}  // namespace shoplake::app
