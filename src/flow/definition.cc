#include "flow/definition.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace shoplake::flow {

namespace {

constexpr std::size_t kNameCharactersMax = 80;
constexpr std::int64_t kSecondsMax = 99'999'999;
constexpr int kDepthMax = 20;

constexpr std::array<std::pair<std::string_view, StateType>, 8> kTypes = {{{"Pass", StateType::pass},
                                                                           {"Task", StateType::task},
                                                                           {"Choice", StateType::choice},
                                                                           {"Wait", StateType::wait},
                                                                           {"Succeed", StateType::succeed},
                                                                           {"Fail", StateType::fail},
                                                                           {"Parallel", StateType::parallel},
                                                                           {"Map", StateType::map}}};

// Reads one object; what is wrong in it becomes findings. Fields that nobody asked for are findings too.
class Object {
 public:
  Object(const Json& document, std::string path, std::vector<Finding>& findings)
      : document_(document), path_(std::move(path)), findings_(findings) {}

  const std::string& path() const { return path_; }
  std::vector<Finding>& findings() { return findings_; }
  void say(std::string_view field, std::string message) {
    findings_.push_back({field.empty() ? path_ : fmt::format("{}.{}", path_, field), std::move(message)});
  }

  const Json* get(const char* field) {
    known_.insert(field);
    const auto found = document_.find(field);
    return found == document_.end() ? nullptr : &*found;
  }
  bool has(const char* field) { return get(field) != nullptr; }

  std::optional<std::string> text(const char* field) {
    const Json* value = get(field);
    if (value == nullptr)
      return std::nullopt;
    if (value->is_string())
      return value->get<std::string>();
    say(field, "it is no text");
    return std::nullopt;
  }
  std::optional<std::int64_t> integer(const char* field, std::int64_t min, std::int64_t max) {
    const Json* value = get(field);
    if (value == nullptr)
      return std::nullopt;
    if (value->is_number_integer() && value->get<std::int64_t>() >= min && value->get<std::int64_t>() <= max)
      return value->get<std::int64_t>();
    say(field, fmt::format("it is no whole number from {} to {}", min, max));
    return std::nullopt;
  }

  // A value that T::parse reads from a text.
  template <typename T>
  std::optional<T> parsed(const char* field) {
    const auto spelled = text(field);
    if (!spelled)
      return std::nullopt;
    auto value = T::parse(*spelled);
    if (value.ok())
      return std::move(value).value();
    say(field, value.error().message);
    return std::nullopt;
  }
  std::optional<JsonPath> reference(const char* field) {
    auto path = parsed<JsonPath>(field);
    if (path && !path->is_reference()) {
      say(field, fmt::format("{} may name several values; a reference path names one", path->text()));
      return std::nullopt;
    }
    return path;
  }
  std::optional<DataPath> data_path(const char* field, bool is_reference) {
    const Json* value = get(field);
    if (value == nullptr)
      return std::nullopt;
    if (value->is_null())
      return DataPath{};
    auto path = is_reference ? reference(field) : parsed<JsonPath>(field);
    if (path && is_reference && path->of_context())
      say(field, "it cannot write to the context object");
    return path ? std::optional(DataPath{std::move(path)}) : std::nullopt;
  }
  std::optional<PayloadTemplate> payload(const char* field) {
    const Json* value = get(field);
    if (value == nullptr)
      return std::nullopt;
    auto parsed = PayloadTemplate::parse(*value);
    if (parsed.ok())
      return std::move(parsed).value();
    say(field, parsed.error().message);
    return std::nullopt;
  }

  void refuse_unknown() {
    for (const auto& [key, value] : document_.items()) {
      if (!known_.contains(key))
        say(key, "this field has no place here");
    }
  }

 private:
  const Json& document_;
  std::string path_;
  std::vector<Finding>& findings_;
  std::set<std::string, std::less<>> known_;
};

class MachineReader {
 public:
  MachineReader(std::vector<Finding>& findings, std::set<std::string>& names) : findings_(findings), names_(names) {}

  std::shared_ptr<const StateMachine> machine(const Json& document, const std::string& path, bool is_top, int depth) {
    if (!document.is_object()) {
      findings_.push_back({path, "a state machine is an object with StartAt and States"});
      return nullptr;
    }
    if (depth > kDepthMax) {
      findings_.push_back({path, "state machines are nested too deeply"});
      return nullptr;
    }
    auto machine = std::make_shared<StateMachine>();
    Object object(document, path, findings_);
    machine->comment = object.text("Comment").value_or("");
    read_head(object, *machine, is_top);
    const Json* states = object.get("States");
    if (states == nullptr || !states->is_object() || states->empty()) {
      object.say("States", "it is missing, or has no states");
    } else {
      for (const auto& [name, state] : states->items())
        machine->states.emplace(name, this->state(name, state, fmt::format("{}.States.{}", path, name), depth));
      check_transitions(*machine, path);
    }
    object.refuse_unknown();
    return machine;
  }

 private:
  void read_head(Object& object, StateMachine& machine, bool is_top) {
    if (const auto start = object.text("StartAt"))
      machine.start_at = *start;
    else if (!object.has("StartAt"))
      object.say("StartAt", "it is missing");
    if (!is_top) {
      object.get("ProcessorConfig");
      return;
    }
    machine.timeout_seconds = object.integer("TimeoutSeconds", 1, kSecondsMax);
    if (const auto version = object.text("Version"); version && *version != "1.0")
      object.say("Version", fmt::format("{} is not known; there is 1.0", *version));
    check_query_language(object);
  }

  static void check_query_language(Object& object) {
    if (const auto language = object.text("QueryLanguage"); language && *language != "JSONPath")
      object.say("QueryLanguage", fmt::format("{} is not supported; write the state with JSONPath", *language));
  }

  State state(const std::string& name, const Json& document, const std::string& path, int depth) {
    State state;
    state.name = name;
    if (!document.is_object()) {
      findings_.push_back({path, "a state is an object with Type"});
      return state;
    }
    Object object(document, path, findings_);
    if (name.empty() || characters(name) > kNameCharactersMax)
      object.say("", "a state's name has 1 to 80 characters");
    if (!names_.insert(name).second)
      object.say("", "another state has the same name");
    object.text("Comment");
    check_query_language(object);
    const auto type = object.text("Type");
    const auto known = std::ranges::find(kTypes, type.value_or(""), [](const auto& each) { return each.first; });
    if (known == kTypes.end()) {
      object.say("Type", type ? fmt::format("there is no state type {}", *type) : "it is missing");
      return state;
    }
    state.type = known->second;
    read_fields(object, state, depth);
    object.refuse_unknown();
    return state;
  }

  static std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  }

  void read_fields(Object& object, State& state, int depth) {
    const StateType type = state.type;
    const bool has_result = type == StateType::task || type == StateType::parallel || type == StateType::map;
    if (type != StateType::fail) {
      state.input_path = object.data_path("InputPath", false);
      state.output_path = object.data_path("OutputPath", false);
    }
    if (type != StateType::succeed && type != StateType::fail && type != StateType::choice)
      read_next(object, state);
    if (has_result || type == StateType::pass) {
      state.result_path = object.data_path("ResultPath", true);
      state.parameters = object.payload("Parameters");
    }
    if (has_result) {
      state.result_selector = object.payload("ResultSelector");
      read_retriers(object, state);
      read_catchers(object, state);
    }
    switch (type) {
      case StateType::pass:
        if (const Json* result = object.get("Result"))
          state.result = std::make_shared<const Json>(*result);
        break;
      case StateType::task: read_task(object, state); break;
      case StateType::choice: read_choice(object, state); break;
      case StateType::wait: read_wait(object, state); break;
      case StateType::fail: read_fail(object, state); break;
      case StateType::parallel: read_branches(object, state, depth); break;
      case StateType::map: read_map(object, state, depth); break;
      case StateType::succeed: break;
    }
  }

  static void read_next(Object& object, State& state) {
    state.next = object.text("Next");
    const Json* end = object.get("End");
    if (end != nullptr && !end->is_boolean())
      object.say("End", "it is neither true nor false");
    const bool ends = end != nullptr && end->is_boolean() && end->get<bool>();
    if (ends && state.next)
      object.say("", "it has both Next and End");
    if (!ends && !object.has("Next"))
      object.say("", "it has neither Next nor End");
  }

  static std::vector<std::string> read_errors(Object& object, bool is_last) {
    std::vector<std::string> errors;
    const Json* names = object.get("ErrorEquals");
    if (names == nullptr || !names->is_array() || names->empty() ||
        !std::ranges::all_of(*names, [](const Json& name) { return name.is_string(); })) {
      object.say("ErrorEquals", "it is missing, or no list of error names");
      return errors;
    }
    for (const Json& name : *names)
      errors.push_back(name.get<std::string>());
    const bool all = std::ranges::find(errors, "States.ALL") != errors.end();
    if (all && errors.size() > 1)
      object.say("ErrorEquals", "States.ALL stands alone");
    if (all && !is_last)
      object.say("ErrorEquals", "States.ALL is in the last entry only");
    return errors;
  }

  template <typename Read>
  static void read_list(Object& object, const char* field, const Read& read) {
    const Json* list = object.get(field);
    if (list == nullptr)
      return;
    if (!list->is_array()) {
      object.say(field, "it is no list");
      return;
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
      const std::string path = fmt::format("{}.{}[{}]", object.path(), field, i);
      if (!(*list)[i].is_object()) {
        object.findings().push_back({path, "it is no object"});
        continue;
      }
      Object entry((*list)[i], path, object.findings());
      entry.text("Comment");
      read(entry, (*list)[i], i + 1 == list->size());
      entry.refuse_unknown();
    }
  }

  static void read_retriers(Object& object, State& state) {
    read_list(object, "Retry", [&](Object& entry, const Json& document, bool is_last) {
      Retrier retrier;
      retrier.errors = read_errors(entry, is_last);
      retrier.interval_seconds = entry.integer("IntervalSeconds", 1, kSecondsMax).value_or(1);
      retrier.attempts_max = entry.integer("MaxAttempts", 0, kSecondsMax).value_or(3);
      retrier.delay_seconds_max = entry.integer("MaxDelaySeconds", 1, 31'622'399);
      if (const Json* rate = entry.get("BackoffRate"); rate != nullptr) {
        if (rate->is_number() && rate->get<double>() >= 1)
          retrier.backoff_rate = rate->get<double>();
        else
          entry.say("BackoffRate", "it is no number of at least 1");
      }
      if (const auto strategy = entry.text("JitterStrategy")) {
        if (*strategy != "FULL" && *strategy != "NONE")
          entry.say("JitterStrategy", "it is neither FULL nor NONE");
        retrier.full_jitter = *strategy == "FULL";
      }
      if (retrier.delay_seconds_max && *retrier.delay_seconds_max <= retrier.interval_seconds &&
          document.contains("IntervalSeconds"))
        entry.say("MaxDelaySeconds", "it is not above IntervalSeconds");
      state.retriers.push_back(std::move(retrier));
    });
  }

  static void read_catchers(Object& object, State& state) {
    read_list(object, "Catch", [&](Object& entry, const Json&, bool is_last) {
      Catcher catcher;
      catcher.errors = read_errors(entry, is_last);
      catcher.result_path = entry.data_path("ResultPath", true);
      if (const auto next = entry.text("Next"))
        catcher.next = *next;
      else if (!entry.has("Next"))
        entry.say("Next", "it is missing");
      state.catchers.push_back(std::move(catcher));
    });
  }

  static void read_task(Object& object, State& state) {
    state.resource = object.text("Resource").value_or("");
    if (state.resource.empty())
      object.say("Resource", "it is missing");
    else if (!state.resource.starts_with("arn:"))
      object.say("Resource", "it is no ARN, such as arn:aws:states:::lambda:invoke");
    state.timeout_seconds = object.integer("TimeoutSeconds", 1, kSecondsMax);
    state.heartbeat_seconds = object.integer("HeartbeatSeconds", 1, kSecondsMax);
    state.timeout_path = object.reference("TimeoutSecondsPath");
    state.heartbeat_path = object.reference("HeartbeatSecondsPath");
    object.get("Credentials");  // a role of AWS; shoplake's tasks need none
    if (state.timeout_seconds && state.timeout_path)
      object.say("TimeoutSecondsPath", "TimeoutSeconds stands beside it");
    if (state.heartbeat_seconds && state.heartbeat_path)
      object.say("HeartbeatSecondsPath", "HeartbeatSeconds stands beside it");
    if (state.heartbeat_seconds && state.timeout_seconds && *state.heartbeat_seconds >= *state.timeout_seconds)
      object.say("HeartbeatSeconds", "it is not below TimeoutSeconds");
  }

  static void read_choice(Object& object, State& state) {
    if (!object.has("Choices"))
      object.say("Choices", "it is missing");
    const Json* choices = object.get("Choices");
    if (choices != nullptr && choices->is_array() && choices->empty())
      object.say("Choices", "it has no rule");
    if (choices != nullptr && !choices->is_array())
      object.say("Choices", "it is no list");
    for (std::size_t i = 0; choices != nullptr && choices->is_array() && i < choices->size(); ++i) {
      const Json& document = (*choices)[i];
      Object entry(document, fmt::format("{}.Choices[{}]", object.path(), i), object.findings());
      auto rule = ChoiceRule::parse(document);
      if (!rule.ok())
        entry.say("", rule.error().message);
      const auto next = document.is_object() ? entry.text("Next") : std::nullopt;
      if (!next)
        entry.say("Next", "it is missing");
      if (rule.ok() && next)
        state.choices.push_back({std::move(rule).value(), *next});
    }
    state.default_next = object.text("Default");
  }

  static void read_wait(Object& object, State& state) {
    state.wait_seconds = object.integer("Seconds", 0, kSecondsMax);
    state.seconds_path = object.reference("SecondsPath");
    state.timestamp_path = object.reference("TimestampPath");
    if (const auto timestamp = object.text("Timestamp")) {
      state.wait_until_micros = parse_offset_date_time(*timestamp);
      if (!state.wait_until_micros)
        object.say("Timestamp", fmt::format("{} is no time like 2026-11-21T10:00:00Z", *timestamp));
    }
    const int given = static_cast<int>(object.has("Seconds")) + static_cast<int>(object.has("SecondsPath")) +
                      static_cast<int>(object.has("Timestamp")) + static_cast<int>(object.has("TimestampPath"));
    if (given != 1)
      object.say("", "a Wait state has one of Seconds, SecondsPath, Timestamp and TimestampPath");
  }

  static void read_fail(Object& object, State& state) {
    state.error = object.text("Error");
    state.cause = object.text("Cause");
    state.error_path = object.parsed<Expression>("ErrorPath");
    state.cause_path = object.parsed<Expression>("CausePath");
    if (object.has("Error") && object.has("ErrorPath"))
      object.say("ErrorPath", "Error stands beside it");
    if (object.has("Cause") && object.has("CausePath"))
      object.say("CausePath", "Cause stands beside it");
  }

  void read_branches(Object& object, State& state, int depth) {
    const Json* branches = object.get("Branches");
    if (branches == nullptr || !branches->is_array() || branches->empty()) {
      object.say("Branches", "it is missing, or no list of state machines");
      return;
    }
    for (std::size_t i = 0; i < branches->size(); ++i)
      state.branches.push_back(
          machine((*branches)[i], fmt::format("{}.Branches[{}]", object.path(), i), false, depth + 1));
  }

  void read_map(Object& object, State& state, int depth) {
    state.items_path = object.reference("ItemsPath");
    state.item_selector = object.payload("ItemSelector");
    state.concurrency_max = object.integer("MaxConcurrency", 0, 1'000'000).value_or(0);
    state.concurrency_path = object.reference("MaxConcurrencyPath");
    if (object.has("ItemSelector") && object.has("Parameters"))
      object.say("Parameters", "it is the old name of ItemSelector, which stands beside it");
    if (state.parameters && !state.item_selector)
      state.item_selector = std::exchange(state.parameters, std::nullopt);
    const char* field = object.has("ItemProcessor") ? "ItemProcessor" : "Iterator";
    const Json* processor = object.get(field);
    if (processor == nullptr) {
      object.say("ItemProcessor", "it is missing");
      return;
    }
    if (object.has("ItemProcessor") && object.has("Iterator"))
      object.say("Iterator", "it is the old name of ItemProcessor, which stands beside it");
    if (processor->is_object() && processor->contains("ProcessorConfig")) {
      const Json& configuration = (*processor)["ProcessorConfig"];
      if (configuration.is_object() && configuration.value("Mode", "INLINE") != "INLINE")
        object.say(fmt::format("{}.ProcessorConfig.Mode", field), "only INLINE is supported");
    }
    state.branches.push_back(machine(*processor, fmt::format("{}.{}", object.path(), field), false, depth + 1));
  }

  // Every target exists, every state is reached, and something ends.
  void check_transitions(const StateMachine& machine, const std::string& path) {
    const auto check = [&](const std::string& place, const std::string& target) {
      if (!target.empty() && !machine.states.contains(target))
        findings_.push_back({place, fmt::format("there is no state {}", target)});
    };
    check(path + ".StartAt", machine.start_at);
    bool ends = false;
    for (const auto& [name, state] : machine.states) {
      const std::string place = fmt::format("{}.States.{}", path, name);
      if (state.next)
        check(place + ".Next", *state.next);
      if (state.default_next)
        check(place + ".Default", *state.default_next);
      for (std::size_t i = 0; i < state.choices.size(); ++i)
        check(fmt::format("{}.Choices[{}].Next", place, i), state.choices[i].next);
      for (std::size_t i = 0; i < state.catchers.size(); ++i)
        check(fmt::format("{}.Catch[{}].Next", place, i), state.catchers[i].next);
      ends |= state.type != StateType::choice && !state.next;
    }
    if (!ends)
      findings_.push_back({path + ".States", "no state ends the machine"});
    for (const std::string& name : unreached(machine))
      findings_.push_back({fmt::format("{}.States.{}", path, name), "no transition leads to it"});
  }

  static std::vector<std::string> unreached(const StateMachine& machine) {
    std::set<std::string> reached;
    std::vector<std::string> open = {machine.start_at};
    while (!open.empty()) {
      const std::string name = std::move(open.back());
      open.pop_back();
      const auto found = machine.states.find(name);
      if (found == machine.states.end() || !reached.insert(name).second)
        continue;
      const State& state = found->second;
      if (state.next)
        open.push_back(*state.next);
      if (state.default_next)
        open.push_back(*state.default_next);
      for (const Choice& choice : state.choices)
        open.push_back(choice.next);
      for (const Catcher& catcher : state.catchers)
        open.push_back(catcher.next);
    }
    std::vector<std::string> missing;
    for (const auto& [name, state] : machine.states) {
      if (!reached.contains(name))
        missing.push_back(name);
    }
    return missing;
  }

  std::vector<Finding>& findings_;
  std::set<std::string>& names_;
};

}  // namespace

std::string_view name(StateType type) {
  return std::ranges::find(kTypes, type, [](const auto& each) { return each.second; })->first;
}

CheckedDefinition check_definition(const Json& document) {
  CheckedDefinition checked;
  std::set<std::string> names;
  auto machine = MachineReader(checked.findings, names).machine(document, "$", true, 0);
  if (checked.findings.empty())
    checked.machine = std::move(machine);
  return checked;
}

CheckedDefinition check_definition_text(std::string_view text) {
  if (json_depth(text) > kJsonDepthMax)
    return {nullptr, {{"$", fmt::format("the document is nested more than {} deep", kJsonDepthMax)}}};
  try {
    return check_definition(Json::parse(text, nullptr, true, true));
  } catch (const Json::parse_error& error) {
    const std::string_view before = text.substr(0, std::min(error.byte == 0 ? 0 : error.byte - 1, text.size()));
    const auto line = 1 + std::ranges::count(before, '\n');
    const std::size_t begin = before.rfind('\n');
    const std::size_t column = before.size() - (begin == std::string_view::npos ? 0 : begin + 1) + 1;
    return {nullptr, {{"$", fmt::format("line {}, column {}: this is not JSON", line, column)}}};
  }
}

base::Result<std::shared_ptr<const StateMachine>> parse_definition(std::string_view text) {
  CheckedDefinition checked = check_definition_text(text);
  if (checked.machine)
    return std::move(checked.machine);
  std::string all;
  for (const Finding& finding : checked.findings)
    all += fmt::format("{}{}: {}", all.empty() ? "" : "; ", finding.path, finding.message);
  return base::make_error(base::ErrorKind::usage, "flow.bad_definition",
                          fmt::format("the state machine is wrong: {}", all),
                          "`shoplake flow validate FILE` lists what is wrong, one a line.");
}

}  // namespace shoplake::flow
