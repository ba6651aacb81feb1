#include "app/flows/triggers.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/flows/definitions.h"
#include "app/maintenance.h"
#include "app/setting_reader.h"
#include "app/time_zone.h"
#include "flow/json.h"

namespace shoplake::app {

using base::Result;

namespace {

constexpr int kExecutionsAtOnceMax = 1'000;
constexpr std::size_t kTokenBytesMin = 16;

// YAML as JSON: plain words that are numbers, booleans or null become such.
Result<flow::Json> as_json(const YAML::Node& node, const SettingReader& reader) {
  if (node.IsNull())
    return flow::Json();
  if (node.IsSequence()) {
    flow::Json list = flow::Json::array();
    for (const auto& value : node)
      list.push_back(SHOPLAKE_TRY(as_json(value, reader)));
    return list;
  }
  if (node.IsMap()) {
    flow::Json object = flow::Json::object();
    for (const auto& entry : node)
      object[entry.first.Scalar()] = SHOPLAKE_TRY(as_json(entry.second, reader));
    return object;
  }
  if (node.Tag() != "!") {  // not quoted
    flow::Json value = flow::Json::parse(node.Scalar(), nullptr, false);
    if (value.is_primitive() && !value.is_discarded())
      return value;
  }
  return flow::Json(SHOPLAKE_TRY(reader.text(node, "input")));
}

class TriggerReader {
 public:
  TriggerReader(io::Env& env, const std::string& path) : env_(env), reader_(path) {}

  Result<void> read(const YAML::Node& root, TriggerSettings& settings) {
    return reader_.mapping(root, "the document",
                           {{"flows", [&](const YAML::Node& node) { return read_flows(node, settings); }},
                            {"triggers", [&](const YAML::Node& node) { return read_all(node, settings); }}});
  }

 private:
  using Setters = SettingReader::Setters;

  Result<void> need_mapping(const YAML::Node& node, const std::string& what) const {
    if (node.IsNull() || node.IsMap())
      return {};
    return reader_.error(node, what + " is no mapping of names to settings");
  }

  Result<void> read_flows(const YAML::Node& node, TriggerSettings& settings) {
    SHOPLAKE_TRY(need_mapping(node, "flows"));
    for (const auto& entry : node) {
      int& limit = settings.executions_at_once[entry.first.Scalar()];
      SHOPLAKE_TRY(reader_.mapping(entry.second, entry.first.Scalar(),
                                   {{"executions_at_once", [&](const YAML::Node& value) -> Result<void> {
                                       limit = SHOPLAKE_TRY(
                                           reader_.number(value, "executions_at_once", 1, kExecutionsAtOnceMax));
                                       return {};
                                     }}}));
    }
    return {};
  }

  Result<void> read_all(const YAML::Node& node, TriggerSettings& settings) {
    SHOPLAKE_TRY(need_mapping(node, "triggers"));
    for (const auto& entry : node) {
      const std::string& name = entry.first.Scalar();
      if (!check_flow_name(name).ok())
        return reader_.error(entry.first, fmt::format("\"{}\" is no name of a trigger", name),
                             "It has 1 to 80 letters, digits, - and _.");
      if (std::ranges::find(settings.triggers, name, &Trigger::name) != settings.triggers.end())
        return reader_.error(entry.first, fmt::format("the trigger {} stands twice", name), "Keep one of them.");
      settings.triggers.push_back(SHOPLAKE_TRY(read_trigger(name, entry.second)));
    }
    std::ranges::sort(settings.triggers, {}, &Trigger::name);
    return {};
  }

  Result<Trigger> read_trigger(const std::string& name, const YAML::Node& node) {
    Trigger trigger;
    trigger.name = name;
    Setters setters{
        {"flow", [&](const YAML::Node& value) { return read_text(value, "flow", trigger.flow); }},
        {"enabled",
         [&](const YAML::Node& value) -> Result<void> {
           trigger.is_enabled = SHOPLAKE_TRY(reader_.flag(value, "enabled"));
           return {};
         }},
        {"input",
         [&](const YAML::Node& value) -> Result<void> {
           if (!value.IsMap())
             return reader_.error(value, "input is no mapping");
           trigger.input = flow::compact(SHOPLAKE_TRY(as_json(value, reader_)));
           return {};
         }},
        {"object_created", [&](const YAML::Node& value) { return read_object_created(value, trigger); }},
        {"schedule", [&](const YAML::Node& value) { return read_schedule(value, trigger); }},
        {"time_zone", [](const YAML::Node&) { return Result<void>(); }},  // read with the schedule
        {"missed", [](const YAML::Node&) { return Result<void>(); }},
        {"http", [&](const YAML::Node& value) { return read_http(value, trigger); }},
    };
    SHOPLAKE_TRY(reader_.mapping(node, name, setters));
    if (trigger.flow.empty())
      return reader_.error(node, fmt::format("the trigger {} names no flow", name), "Write flow: shop_batch.");
    const int kinds = (trigger.object_created ? 1 : 0) + (trigger.schedule ? 1 : 0) + (trigger.http_token ? 1 : 0);
    if (kinds != 1 && (trigger.is_enabled || kinds > 1))
      return reader_.error(node, fmt::format("the trigger {} has not one of object_created, schedule and http", name),
                           "A trigger has one occasion; several may start the same flow.");
    SHOPLAKE_TRY(read_schedule_details(node, trigger));
    return trigger;
  }

  Result<void> read_text(const YAML::Node& node, const char* what, std::string& out) const {
    out = SHOPLAKE_TRY(reader_.text(node, what));
    return {};
  }

  Result<void> read_duration(const YAML::Node& node, const char* what, std::int64_t& out) const {
    const auto micros = parse_duration(SHOPLAKE_TRY(reader_.text(node, what)));
    if (!micros.ok())
      return reader_.error(node, fmt::format("{}: {}", what, micros.error().message), micros.error().advice);
    out = *micros;
    return {};
  }

  Result<void> read_object_created(const YAML::Node& node, Trigger& trigger) {
    ObjectCreated& objects = trigger.object_created.emplace();
    const auto texts = [&](const char* what, std::vector<std::string>& out) {
      return [this, what, &out](const YAML::Node& value) -> Result<void> {
        out = SHOPLAKE_TRY(reader_.texts(value, what));
        return {};
      };
    };
    SHOPLAKE_TRY(reader_.mapping(
        node, "object_created",
        {{"prefixes", texts("prefixes", objects.prefixes)},
         {"suffixes", texts("suffixes", objects.suffixes)},
         {"quiet", [&](const YAML::Node& value) { return read_duration(value, "quiet", objects.quiet_micros); }},
         {"at_most",
          [&](const YAML::Node& value) { return read_duration(value, "at_most", objects.at_most_micros); }}}));
    if (objects.prefixes.empty())
      return reader_.error(node, "object_created has no prefixes", "Write prefixes: [raw/transactions/].");
    for (const std::string& prefix : objects.prefixes) {
      if (prefix.starts_with('/') || prefix.find('/') == std::string::npos || prefix.find("..") != std::string::npos)
        return reader_.error(node, fmt::format("the prefix {} is none of objects below the lake", prefix),
                             "Begin with a zone: raw/transactions/.");
    }
    return {};
  }

  Result<void> read_schedule(const YAML::Node& node, Trigger& trigger) {
    ScheduledStart scheduled;
    scheduled.expression = SHOPLAKE_TRY(reader_.text(node, "schedule"));
    auto schedule = Schedule::parse(scheduled.expression);
    if (!schedule.ok())
      return reader_.error(node, "schedule: " + schedule.error().message, schedule.error().advice);
    scheduled.schedule = *schedule;
    trigger.schedule = std::move(scheduled);
    return {};
  }

  Result<void> read_schedule_details(const YAML::Node& node, Trigger& trigger) {
    const YAML::Node zone = node["time_zone"], missed = node["missed"];
    if (!trigger.schedule) {
      for (const YAML::Node& each : {zone, missed}) {
        if (each.IsDefined())
          return reader_.error(each, "time_zone and missed belong to a schedule");
      }
      return {};
    }
    if (zone.IsDefined()) {
      trigger.schedule->time_zone = SHOPLAKE_TRY(reader_.text(zone, "time_zone"));
      auto read = read_time_zone(env_, trigger.schedule->time_zone);
      if (!read.ok())
        return reader_.error(zone, "time_zone: " + read.error().message, read.error().advice);
      trigger.schedule->zone = std::move(read).value();
    }
    if (!missed.IsDefined())
      return {};
    const std::string policy = SHOPLAKE_TRY(reader_.text(missed, "missed"));
    using Missed = ScheduledStart::Missed;
    for (const auto& [name, value] : {std::pair("none", Missed::none), {"last", Missed::last}, {"all", Missed::all}}) {
      if (policy == name) {
        trigger.schedule->missed = value;
        return {};
      }
    }
    return reader_.error(missed, fmt::format("missed: \"{}\" is neither none, last nor all", policy));
  }

  Result<void> read_http(const YAML::Node& node, Trigger& trigger) {
    std::string token;
    const bool is_off = !trigger.is_enabled;
    SHOPLAKE_TRY(reader_.mapping(node, "http", {{"token", [&](const YAML::Node& value) -> Result<void> {
                                                   if (is_off)
                                                     return {};  // its variable need not be set
                                                   token = SHOPLAKE_TRY(reader_.text(value, "token"));
                                                   return {};
                                                 }}}));
    if (!is_off && token.size() < kTokenBytesMin)
      return reader_.error(node, fmt::format("the token has less than {} characters", kTokenBytesMin),
                           "Make one: openssl rand -hex 32.");
    trigger.http_token = std::move(token);
    return {};
  }

  io::Env& env_;
  SettingReader reader_;
};

}  // namespace

Result<TriggerSettings> parse_triggers(io::Env& env, const std::string& yaml, const std::string& path) {
  TriggerSettings settings;
  settings.path = path;
  try {
    SHOPLAKE_TRY(TriggerReader(env, settings.path).read(YAML::Load(yaml), settings));
  } catch (const YAML::Exception& exception) {
    return base::make_error(base::ErrorKind::usage, "home.configuration",
                            fmt::format("{}:{}: {}", path, exception.mark.line + 1, exception.msg));
  }
  return settings;
}

Result<TriggerSettings> read_triggers(App& app) {
  for (const std::string& folder : {app.home().directory, app.installation().share_directory}) {
    const std::string path = io::join_path(folder, "flows/triggers.yml");
    if (!SHOPLAKE_TRY(app.env().exists(path)))
      continue;
    TriggerSettings settings = SHOPLAKE_TRY(parse_triggers(app.env(), SHOPLAKE_TRY(app.env().read_file(path)), path));
    for (const Trigger& trigger : settings.triggers) {
      if (trigger.is_enabled)
        SHOPLAKE_TRY(find_flow_file(app, trigger.flow).within(fmt::format("{}: trigger {}", path, trigger.name)));
    }
    return settings;
  }
  return TriggerSettings();
}

}  // namespace shoplake::app
