// Alarms, notifications and costs as the JSON that the command line prints and the API answers; docs/watch.md and
// docs/cost.md describe the members. Compact, one line.
#pragma once

#include <string>
#include <vector>

#include "app/alarms.h"
#include "app/cost.h"
#include "app/topics.h"

namespace shoplake::app {

std::string to_json(const AlarmView& view);
std::string to_json(const AlarmDetail& detail);
std::string to_json(const std::vector<AlarmView>& views);
std::string to_json(const std::vector<watch::StateChange>& changes);
std::string to_json(const std::vector<TopicView>& topics);
std::string to_json(const std::vector<watch::PublishedNotification>& notifications);
std::string to_json(const CostReport& report);

}  // namespace shoplake::app
