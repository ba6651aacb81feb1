#include "collect/ga4_measurement_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "collect/ga4_hit.h"

namespace shoplake::collect {
namespace {

// Limits of the protocol, which the strict validation checks; the lenient one only those that say Max in ga4_collect.h.
// https://developers.google.com/analytics/devguides/collection/protocol/ga4/sending-events#limitations
constexpr std::size_t kNameLength = 40;
constexpr std::size_t kParameterCount = 25;
constexpr std::size_t kParameterValueLength = 100;
constexpr std::size_t kPropertyCount = 25;
constexpr std::size_t kPropertyNameLength = 24;
constexpr std::size_t kPropertyValueLength = 36;
constexpr std::size_t kItemParameterCount = 10;
constexpr std::int64_t kBackdatingMicros = std::int64_t{72} * 3600 * 1'000'000;
// Clocks that run ahead by no more than this are believed; later events would make all others late.
constexpr std::int64_t kAheadMicros = std::int64_t{15} * 60 * 1'000'000;
constexpr std::size_t kShownBytesMax = 100;  // of a name in a message

constexpr std::string_view kReservedEventNames[] = {
    "ad_activeview",
    "ad_click",
    "ad_exposure",
    "ad_query",
    "ad_reward",
    "adunit_exposure",
    "app_clear_data",
    "app_exception",
    "app_install",
    "app_remove",
    "app_store_refund",
    "app_update",
    "app_upgrade",
    "dynamic_link_app_open",
    "dynamic_link_app_update",
    "dynamic_link_first_open",
    "error",
    "firebase_campaign",
    "firebase_in_app_message_action",
    "firebase_in_app_message_dismiss",
    "firebase_in_app_message_impression",
    "first_open",
    "first_visit",
    "notification_dismiss",
    "notification_foreground",
    "notification_open",
    "notification_receive",
    "notification_send",
    "os_update",
    "session_start",
    "user_engagement",
};
constexpr std::string_view kReservedPropertyNames[] = {"first_open_after_install", "first_open_time",
                                                       "first_visit_time", "last_deep_link_referrer", "user_id"};
constexpr std::string_view kReservedPrefixes[] = {"_", "firebase_", "ga_", "google_", "gtag."};

// Parameters that Google prescribes and that may be longer than others, or count as none.
constexpr std::string_view kLongParameters[] = {"page_location", "page_referrer", "page_title"};
template <std::size_t N>
bool is_one_of(std::string_view text, const std::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool has_reserved_prefix(std::string_view name) {
  return std::any_of(std::begin(kReservedPrefixes), std::end(kReservedPrefixes),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// Characters of UTF-8, as limits count them.
std::size_t length_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// The begin of a name, cut between characters.
std::string_view shown(std::string_view name) {
  std::size_t size = std::min(name.size(), kShownBytesMax);
  while (size < name.size() && size > 0 && (static_cast<unsigned char>(name[size]) & 0xC0) == 0x80) {
    --size;
  }
  return name.substr(0, size);
}

struct NameRule {
  std::string_view what;  // "name", "param [x] name"
  std::size_t length_max;
};

// What is wrong with a name, as the end of a sentence; empty: nothing.
std::string name_trouble(std::string_view name, std::size_t length_max) {
  if (name.empty() || !is_letter(name.front())) {
    return "Names must start with an alphabetic character.";
  }
  if (!std::all_of(name.begin(), name.end(),
                   [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; })) {
    return "Only alphanumeric characters and underscores are allowed.";
  }
  if (name.size() > length_max) {
    return fmt::format("Names must be {} characters or fewer.", length_max);
  }
  return {};
}

class Validator {
 public:
  Validator(std::int64_t received_at_micros, Findings& findings)
      : received_at_micros_(received_at_micros), findings_(findings) {}

  void request(const MeasurementQuery& query, dom::object body) {
    if (query.stream().empty()) {
      findings_.add(Severity::malformed, "VALUE_REQUIRED", "measurement_id",
                    "The request requires a measurement_id (or a firebase_app_id) in its query.", "ga4.no_stream");
    }
    const bool app = query.measurement_id.empty() && !query.firebase_app_id.empty();
    const std::string_view id = app ? "app_instance_id" : "client_id";
    if (text_member(body, id).empty()) {
      findings_.add(Severity::malformed, "VALUE_REQUIRED", std::string(id),
                    fmt::format("Measurement requires {} {}.", app ? "an" : "a", id), "ga4.no_client_id");
    }
    dom::element element;
    if (body["timestamp_micros"].get(element) == simdjson::SUCCESS) {
      if (const auto [severity, trouble] = timestamp_trouble(element); !trouble.empty()) {
        findings_.add(severity, "VALUE_INVALID", "timestamp_micros", "Measurement timestamp_micros " + trouble,
                      "ga4.bad_timestamp");
      }
    }
    if (body["user_id"].get(element) == simdjson::SUCCESS && !element.is_string() && !element.is_null()) {
      findings_.add(Severity::recommendation, "VALUE_INVALID", "user_id", "Measurement user_id must be a string.",
                    "ga4.bad_user_id");
    }
    user_properties(body);
  }

  void events(const dom::array& events) {
    std::size_t index = 0;
    for (const dom::element event : events) {
      if (index == kGa4EventsMax) {
        findings_.add(Severity::recommendation, "EXCEEDED_MAX_ENTITIES", "events",
                      fmt::format("Measurement has more than {} events.", kGa4EventsMax), "ga4.too_many_events");
        return;
      }
      this->event(index++, event);
    }
  }

 private:
  void user_properties(dom::object body) {
    dom::element element;
    if (body["user_properties"].get(element) != simdjson::SUCCESS || element.is_null()) {
      return;
    }
    dom::object properties;
    if (element.get(properties) != simdjson::SUCCESS) {
      findings_.add(Severity::recommendation, "VALUE_INVALID", "user_properties",
                    "Measurement user_properties must be an object.", "ga4.bad_user_properties");
      return;
    }
    std::size_t count = 0;
    for (const auto& [name, property] : properties) {
      const std::string path = fmt::format("user_properties.{}", shown(name));
      const auto report = [&](std::string_view code, std::string description) {
        findings_.add(Severity::recommendation, code, path, std::move(description), "ga4.bad_user_properties");
      };
      if (++count == kPropertyCount + 1) {
        findings_.add(Severity::recommendation, "EXCEEDED_MAX_ENTITIES", "user_properties",
                      fmt::format("Measurement has more than {} user properties.", kPropertyCount),
                      "ga4.bad_user_properties");
      }
      if (is_one_of(name, kReservedPropertyNames) || has_reserved_prefix(name)) {
        report("NAME_RESERVED", fmt::format("User property has name [{}] which is reserved.", shown(name)));
      } else if (const std::string trouble = name_trouble(name, kPropertyNameLength); !trouble.empty()) {
        report("NAME_INVALID", fmt::format("User property has invalid name [{}]. {}", shown(name), trouble));
      }
      dom::element value;
      if (property["value"].get(value) != simdjson::SUCCESS) {
        report("VALUE_REQUIRED", fmt::format("User property [{}] requires a value.", shown(name)));
      } else if (value.is_string() && length_of(value.get_string().value_unsafe()) > kPropertyValueLength) {
        report("VALUE_OUT_OF_BOUNDS", fmt::format("User property [{}] has a value of more than {} characters.",
                                                  shown(name), kPropertyValueLength));
      }
    }
  }

  void event(std::size_t index, dom::element element) {
    const auto report = [&](Severity severity, std::string_view code, std::string path, std::string description,
                            std::string_view reason) {
      findings_.add(index, severity, code, std::move(path), fmt::format("Event at index: [{}] {}", index, description),
                    reason);
    };
    dom::object event;
    if (element.get(event) != simdjson::SUCCESS) {
      return report(Severity::malformed, "VALUE_INVALID", "events", "must be an object.", "ga4.bad_event");
    }
    dom::element name_element;
    if (event["name"].get(name_element) != simdjson::SUCCESS || !name_element.is_string()) {
      report(Severity::malformed, "VALUE_REQUIRED", "events", "requires a name.", "ga4.no_event_name");
    } else {
      const std::string_view name = name_element.get_string().value_unsafe();
      if (const std::string trouble = name_trouble(name, kNameLength); !trouble.empty()) {
        report(Severity::malformed, "NAME_INVALID", "events",
               fmt::format("has invalid name [{}]. {}", shown(name), trouble), "ga4.bad_event_name");
      } else if (is_one_of(name, kReservedEventNames)) {
        report(Severity::recommendation, "NAME_RESERVED", "events",
               fmt::format("has name [{}] which is reserved.", name), "ga4.reserved_event_name");
      }
    }
    dom::element timestamp;
    if (event["timestamp_micros"].get(timestamp) == simdjson::SUCCESS) {
      if (const auto [severity, trouble] = timestamp_trouble(timestamp); !trouble.empty()) {
        report(severity, "VALUE_INVALID", "events.timestamp_micros", "timestamp_micros " + trouble,
               "ga4.bad_timestamp");
      }
    }
    dom::element parameters_element;
    if (event["params"].get(parameters_element) != simdjson::SUCCESS || parameters_element.is_null()) {
      return;
    }
    dom::object parameters;
    if (parameters_element.get(parameters) != simdjson::SUCCESS) {
      return report(Severity::malformed, "VALUE_INVALID", "events.params", "params must be an object.",
                    "ga4.bad_parameters");
    }
    event_parameters(parameters, report);
  }

  template <typename Report>
  void event_parameters(dom::object parameters, const Report& report) {
    std::size_t count = 0;
    std::vector<std::string_view> names;
    for (const auto& [name, value] : parameters) {
      const std::string path = fmt::format("events.params.{}", shown(name));
      if (name == "items") {
        items(value, report);
        continue;
      }
      if (++count == kParameterCount + 1) {
        report(Severity::recommendation, "EXCEEDED_MAX_ENTITIES", "events.params",
               fmt::format("has more than {} parameters.", kParameterCount), "ga4.too_many_parameters");
      }
      if (count <= kParameterCount) {
        if (std::find(names.begin(), names.end(), name) != names.end()) {
          report(Severity::recommendation, "NAME_DUPLICATED", path,
                 fmt::format("has parameter [{}] more than once.", shown(name)), "ga4.bad_parameters");
        }
        names.push_back(name);
      }
      if (has_reserved_prefix(name)) {
        report(Severity::recommendation, "NAME_RESERVED", path,
               fmt::format("has parameter name [{}] which is reserved.", shown(name)), "ga4.bad_parameters");
      } else if (const std::string trouble = name_trouble(name, kNameLength); !trouble.empty()) {
        report(Severity::recommendation, "NAME_INVALID", path,
               fmt::format("has invalid parameter name [{}]. {}", shown(name), trouble), "ga4.bad_parameters");
      }
      if (value.is_array() || value.is_object()) {
        report(Severity::recommendation, "VALUE_INVALID", path,
               fmt::format("has parameter [{}] that is neither text nor a number.", shown(name)), "ga4.bad_parameters");
      } else if (value.is_string() && !is_one_of(name, kLongParameters) &&
                 length_of(value.get_string().value_unsafe()) > kParameterValueLength) {
        report(Severity::recommendation, "VALUE_OUT_OF_BOUNDS", path,
               fmt::format("has parameter [{}] with a value of more than {} characters.", shown(name),
                           kParameterValueLength),
               "ga4.bad_parameters");
      } else if (name == "session_id" && !integer_of(value)) {
        report(Severity::recommendation, "VALUE_INVALID", path, "session_id must be a whole number.",
               "ga4.bad_parameters");
      }
    }
  }

  template <typename Report>
  void items(dom::element element, const Report& report) {
    dom::array items;
    if (element.get(items) != simdjson::SUCCESS) {
      return report(Severity::malformed, "VALUE_INVALID", "events.params.items", "items must be an array.",
                    "ga4.bad_items");
    }
    std::size_t count = 0;
    for (const dom::element item_element : items) {
      if (++count > kGa4ItemsMax) {
        return report(Severity::malformed, "EXCEEDED_MAX_ENTITIES", "events.params.items",
                      fmt::format("has more than {} items.", kGa4ItemsMax), "ga4.too_many_items");
      }
      dom::object item;
      if (item_element.get(item) != simdjson::SUCCESS) {
        return report(Severity::malformed, "VALUE_INVALID", "events.params.items", "items must hold objects.",
                      "ga4.bad_items");
      }
      std::size_t custom = 0;
      for (const auto& [name, value] : item) {
        custom += is_item_field(name) ? 0 : 1;
      }
      if (custom > kItemParameterCount) {
        report(Severity::recommendation, "EXCEEDED_MAX_ENTITIES", "events.params.items",
               fmt::format("has an item with more than {} custom parameters.", kItemParameterCount),
               "ga4.too_many_parameters");
      }
    }
  }

  static bool is_item_field(std::string_view name) {
    return name == "index" || name == "discount" || name == "currency" || name == "google_business_vertical" ||
           std::any_of(std::begin(kItemColumns), std::end(kItemColumns),
                       [&](const ItemColumn& column) { return column.name == name; });
  }

  // The end of a sentence; empty: nothing is wrong.
  std::pair<Severity, std::string> timestamp_trouble(dom::element element) const {
    if (element.is_null()) {
      return {Severity::recommendation, ""};
    }
    const std::optional<std::int64_t> micros = integer_of(element);
    if (!micros || *micros < 0) {
      return {Severity::malformed, "must be a whole number of microseconds since 1970."};
    }
    if (*micros < received_at_micros_ - kBackdatingMicros) {
      return {Severity::malformed, fmt::format("has timestamp [{}] that is more than 72 hours ago.", *micros)};
    }
    if (*micros > received_at_micros_ + kAheadMicros) {
      return {Severity::malformed, fmt::format("has timestamp [{}] that is in the future.", *micros)};
    }
    return {Severity::recommendation, ""};
  }

  const std::int64_t received_at_micros_;
  Findings& findings_;
};

}  // namespace

void check_measurement(const MeasurementQuery& query, dom::object body, const dom::array& events,
                       std::int64_t received_at_micros, Findings& findings) {
  Validator validator(received_at_micros, findings);
  validator.request(query, body);
  validator.events(events);
}

}  // namespace shoplake::collect
