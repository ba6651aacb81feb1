// `shoplake alarm`: the alarms of a home, and what they said.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/app.h"
#include "base/result.h"
#include "watch/alarm_keeper.h"

namespace shoplake::app {

// Where alarms are: <home>/alarms if there is such a folder, else the installation's.
base::Result<std::string> alarms_directory(App& app);
// Of the home, with its alarms. Errors: those of watch::read_alarms().
base::Result<std::unique_ptr<watch::AlarmKeeper>> open_alarms(App& app);

struct AlarmView {
  watch::Alarm alarm;
  watch::AlarmStatus status;
};
base::Result<std::vector<AlarmView>> list_alarms(App& app);

struct AlarmDetail {
  AlarmView view;
  // Of the periods that were looked at last, the newest first; none where there was no data.
  std::vector<std::optional<double>> datapoints;
  std::vector<watch::StateChange> history;  // newest first
};
// Error watch.no_such_alarm (not_found).
base::Result<AlarmDetail> show_alarm(App& app, const std::string& name);

// Of all alarms if the name is empty, newest first.
base::Result<std::vector<watch::StateChange>> alarm_history(App& app, const std::string& name, std::int64_t rows_max);

// Decides with what is stored, now: for when no server runs. Notifications are published, not delivered.
base::Result<std::vector<watch::StateChange>> evaluate_alarms(App& app);

// Publishes what a change to that state would publish; returns the notification's id.
struct AlarmTest {
  std::string notification;
  std::string topic;
};
base::Result<AlarmTest> test_alarm(App& app, const std::string& name, watch::AlarmState state);

}  // namespace shoplake::app
