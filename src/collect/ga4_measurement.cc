#include "collect/ga4_measurement.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/digest.h"
#include "collect/ga4_hit.h"

namespace shoplake::collect {

namespace {

namespace dom = simdjson::dom;

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
constexpr std::size_t kDepthMax = 32;
constexpr std::size_t kShownBytesMax = 100;  // of a name in a message
constexpr std::size_t kMessagesMax = 100;

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
// Of these a text that is a number means the number.
constexpr std::string_view kNumericParameters[] = {"value", "tax", "shipping", "engagement_time_msec"};

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

// Whether a violation makes an event unreadable, or is against what Google recommends.
enum class Severity { malformed, recommendation };

// Messages, and which events and whether the request as a whole must not become rows.
class Findings {
 public:
  Findings(std::vector<ValidationMessage>& messages, std::size_t events) : messages_(messages), refused_(events) {}

  void strict() { strict_ = true; }
  // Of the whole request.
  void add(Severity severity, std::string_view code, std::string path, std::string description,
           std::string_view reason) {
    refuse(severity, request_reason_, request_message_, reason, description);
    append(code, std::move(path), std::move(description));
  }
  void add(std::size_t event, Severity severity, std::string_view code, std::string path, std::string description,
           std::string_view reason) {
    refuse(severity, refused_[event].first, refused_[event].second, reason, description);
    append(code, std::move(path), std::move(description));
  }

  bool request_refused() const { return !request_reason_.empty(); }
  std::string_view request_reason() const { return request_reason_; }
  const std::string& request_message() const { return request_message_; }
  bool refused(std::size_t event) const { return !refused_[event].first.empty(); }
  std::string_view reason(std::size_t event) const { return refused_[event].first; }
  const std::string& message(std::size_t event) const { return refused_[event].second; }

 private:
  void refuse(Severity severity, std::string_view& reason, std::string& message, std::string_view given,
              const std::string& description) {
    if ((severity == Severity::malformed || strict_) && reason.empty()) {
      reason = given;
      message = description;
    }
  }
  void append(std::string_view code, std::string path, std::string description) {
    if (messages_.size() < kMessagesMax) {
      messages_.push_back({std::move(path), std::move(description), std::string(code)});
    }
  }

  std::vector<ValidationMessage>& messages_;
  bool strict_ = false;
  std::string_view request_reason_;
  std::string request_message_;
  std::vector<std::pair<std::string_view, std::string>> refused_;  // by event: reason, message
};

struct Query {
  std::string_view measurement_id, firebase_app_id, api_secret;

  std::string_view stream() const { return measurement_id.empty() ? firebase_app_id : measurement_id; }
};

Query read_query(std::string_view text, TextArena& arena) {
  Query query;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view key = pair.substr(0, equals);
    std::string_view* const field = key == "measurement_id"    ? &query.measurement_id
                                    : key == "firebase_app_id" ? &query.firebase_app_id
                                    : key == "api_secret"      ? &query.api_secret
                                                               : nullptr;
    if (field != nullptr && field->empty() && equals < pair.size()) {
      *field = arena.decoded(pair.substr(equals + 1));
    }
  }
  return query;
}

std::string_view text_member(dom::object object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

// An integer, also one written as text.
std::optional<std::int64_t> integer_of(dom::element element) {
  std::int64_t integer = 0;
  std::string_view text;
  if (element.get(integer) == simdjson::SUCCESS) {
    return integer;
  }
  return element.get(text) == simdjson::SUCCESS ? to_integer(text) : std::nullopt;
}

Value value_of(dom::element element, TextArena& arena) {
  switch (element.type()) {
    case dom::element_type::STRING: return Value::of(element.get_string().value_unsafe());
    case dom::element_type::INT64: return Value::of(element.get_int64().value_unsafe());
    case dom::element_type::UINT64: return Value::of(static_cast<double>(element.get_uint64().value_unsafe()));
    case dom::element_type::DOUBLE: return Value::of(element.get_double().value_unsafe());
    case dom::element_type::BOOL: return Value::of(element.get_bool().value_unsafe() ? "true" : "false");
    case dom::element_type::NULL_VALUE: return {};
    // Google takes neither; they are kept as they are written.
    default: return Value::of(arena.copy(simdjson::minify(element)));
  }
}

// --- validation ---

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

  void request(const Query& query, dom::object body) {
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

// --- rows ---

class RowWriter {
 public:
  RowWriter(const Ga4Request& request, const Ga4Options& options, const Query& query, dom::object body,
            TextArena& arena, Ga4Result& result)
      : request_(request), options_(options), arena_(arena), result_(result) {
    const bool app = query.measurement_id.empty();
    shared_.stream_id = query.stream();
    shared_.user_pseudo_id = text_member(body, app ? "app_instance_id" : "client_id");
    shared_.user_id = text_member(body, "user_id");
    if (app) {
      shared_.firebase_app_id = query.firebase_app_id;
      shared_.platform = query.firebase_app_id.find(":ios:") != std::string_view::npos ? "IOS" : "ANDROID";
    } else {
      shared_.platform = "WEB";
    }
    dom::element element;
    if (body["timestamp_micros"].get(element) == simdjson::SUCCESS) {
      request_timestamp_ = integer_of(element);
    }
    read_device(body);
    read_location(body);
    read_user_properties(body);
  }

  void write(dom::element element, std::size_t index) {
    Hit hit = shared_;
    dom::object event;
    SHOPLAKE_CHECK(element.get(event) == simdjson::SUCCESS);  // validated
    hit.event_name = text_member(event, "name");
    std::optional<std::int64_t> timestamp = request_timestamp_;
    dom::element timestamp_element;
    if (event["timestamp_micros"].get(timestamp_element) == simdjson::SUCCESS && !timestamp_element.is_null()) {
      timestamp = integer_of(timestamp_element);
    }
    hit.timestamp_micros = timestamp.value_or(request_.received_at_micros);
    if (timestamp) {
      hit.server_timestamp_offset = request_.received_at_micros - *timestamp;
    }
    for (Parameter& property : hit.user_properties) {
      property.set_at_micros = property.set_at_micros != 0 ? property.set_at_micros : hit.timestamp_micros;
    }
    hit.batch_event_index = static_cast<std::int64_t>(index) + 1;
    has_own_id_ = false;
    dom::object parameters;
    if (event["params"].get(parameters) == simdjson::SUCCESS) {
      read_parameters(parameters, hit);
    }
    std::string id;
    if (timestamp && !has_own_id_) {
      id = identity(element, hit);
      hit.add("insert_id", Value::of(std::string_view(id)));
    }
    std::string& row = result_.rows.emplace_back();
    row.reserve(2'048);
    write_row(hit, options_.time_zone, row);
  }

 private:
  void read_device(dom::object body) {
    dom::object device;
    if (body["device"].get(device) != simdjson::SUCCESS) {
      return;
    }
    shared_.device.category = text_member(device, "category");
    shared_.device.operating_system = text_member(device, "operating_system");
    shared_.device.operating_system_version = text_member(device, "operating_system_version");
    shared_.device.browser = text_member(device, "browser");
    shared_.device.browser_version = text_member(device, "browser_version");
    shared_.device.brand = text_member(device, "brand");
    shared_.device.model = text_member(device, "model");
    shared_.language = arena_.lower(text_member(device, "language"));
    screen_ = text_member(device, "screen_resolution");
  }

  void read_location(dom::object body) {
    dom::object location;
    if (body["user_location"].get(location) == simdjson::SUCCESS) {
      shared_.geo = {text_member(location, "city"), text_member(location, "region_id"),
                     text_member(location, "country_id"), text_member(location, "subcontinent_id"),
                     text_member(location, "continent_id")};
    }
  }

  void read_user_properties(dom::object body) {
    dom::object properties;
    if (body["user_properties"].get(properties) != simdjson::SUCCESS) {
      return;
    }
    for (const auto& [name, property] : properties) {
      dom::element value, set_at;
      if (property["value"].get(value) != simdjson::SUCCESS || value.is_null()) {
        continue;
      }
      Parameter& added = shared_.user_properties.emplace_back(Parameter{name, value_of(value, arena_)});
      if (property["timestamp_micros"].get(set_at) == simdjson::SUCCESS) {
        added.set_at_micros = integer_of(set_at).value_or(0);
      }
    }
  }

  void read_parameters(dom::object parameters, Hit& hit) {
    std::string_view location, referrer, source, medium, campaign;
    for (const auto& [name, element] : parameters) {
      if (name == "items") {
        read_items(element, hit);
        continue;
      }
      Value value = value_of(element, arena_);
      std::string_view key = name;
      const bool is_text = value.kind == Value::Kind::text;
      if (is_text && is_one_of(name, kNumericParameters)) {
        value = Value::number_or_text(value.text);
      } else if (name == "session_id" || name == "ga_session_id") {
        key = "ga_session_id";
        value = is_text ? Value::number_or_text(value.text) : value;
      } else if (name == "session_number" || name == "ga_session_number") {
        key = "ga_session_number";
        value = is_text ? Value::number_or_text(value.text) : value;
      } else if (name == "debug_mode" && is_text && value.text == "true") {
        value = Value::of(std::int64_t{1});
      }
      hit.add(key, value);
      if (name == "value") {
        hit.value = value;
      } else if (name == "shipping") {
        hit.shipping = value;
      } else if (name == "tax") {
        hit.tax = value;
      } else if (name == "engagement_time_msec") {
        hit.is_active_user = value.number().value_or(0) > 0;
      } else if (name == "event_id" || name == "insert_id" || name == "insertId") {
        has_own_id_ = has_own_id_ || value.kind == Value::Kind::integer || (is_text && !value.text.empty());
      } else if (is_text) {
        std::string_view* const field = name == "currency"         ? &hit.currency
                                        : name == "transaction_id" ? &hit.transaction_id
                                        : name == "page_location"  ? &location
                                        : name == "page_referrer"  ? &referrer
                                        : name == "source"         ? &source
                                        : name == "medium"         ? &medium
                                        : name == "campaign"       ? &campaign
                                                                   : nullptr;
        if (field != nullptr) {
          *field = value.text;
        }
      } else if (name == "transaction_id" && value.kind == Value::Kind::integer) {
        hit.transaction_id = arena_.copy(std::to_string(value.integer));
      }
    }
    hit.add("language", Value::of(hit.language));
    hit.add("screen_resolution", Value::of(screen_));
    hit.hostname = url_host(location, arena_);
    // What the sender says about the campaign stands already among the parameters.
    const bool named = !source.empty() || !medium.empty() || !campaign.empty();
    hit.traffic.source = source;
    hit.traffic.medium = medium;
    hit.traffic.campaign = campaign;
    read_traffic_source(location, named ? std::string_view() : referrer, arena_, hit.traffic);
    if (source.empty()) {
      hit.add("source", Value::of(hit.traffic.source));
    }
    if (medium.empty()) {
      hit.add("medium", Value::of(hit.traffic.medium));
    }
    if (campaign.empty()) {
      hit.add("campaign", Value::of(hit.traffic.campaign));
    }
  }

  void read_items(dom::element element, Hit& hit) {
    dom::array items;
    if (element.get(items) != simdjson::SUCCESS) {
      return;
    }
    hit.items.clear();  // of a key that comes twice the last counts
    for (const dom::element item_element : items) {
      dom::object object;
      if (item_element.get(object) != simdjson::SUCCESS) {
        continue;
      }
      Item& item = hit.items.emplace_back();
      for (const auto& [name, field] : object) {
        set_item_field(name == "index" ? "item_list_index" : name, field, item);
      }
    }
  }

  void set_item_field(std::string_view name, dom::element field, Item& item) {
    Value value = value_of(field, arena_);
    for (std::size_t column = 0; column < kItemColumnCount; ++column) {
      if (kItemColumns[column].name != name) {
        continue;
      }
      if (kItemColumns[column].type == ItemColumnType::text && value.exists() && value.kind != Value::Kind::text) {
        value = Value::of(arena_.copy(simdjson::minify(field)));  // as it is spelled
      } else if (kItemColumns[column].type != ItemColumnType::text && value.kind == Value::Kind::text) {
        value = Value::number_or_text(value.text);
      }
      return item.set(column, value);
    }
    if (value.exists()) {
      item.parameters.push_back({name, value});
    }
  }

  // Of an event that says when it happened, the content: sent again it is the same, and of several like it in one
  // request each is another. One without a time cannot be told from its repetition, and none is lost.
  std::string identity(dom::element event, const Hit& hit) {
    std::string content = "shoplake.measurement-event/1";
    for (const std::string_view part : {hit.stream_id, hit.user_pseudo_id, hit.user_id}) {
      content.append(std::to_string(part.size())).append(":").append(part);
    }
    content.append(std::to_string(hit.timestamp_micros)).append(":").append(simdjson::minify(event));
    std::string id = base::sha256_hex(content).substr(0, 32);
    const auto alike = std::count(seen_.begin(), seen_.end(), id);
    seen_.push_back(id);
    return alike == 0 ? id : fmt::format("{}-{}", id, alike);
  }

  const Ga4Request& request_;
  const Ga4Options& options_;
  TextArena& arena_;
  Ga4Result& result_;
  Hit shared_;
  std::string_view screen_;
  std::optional<std::int64_t> request_timestamp_;
  bool has_own_id_ = false;
  std::vector<std::string> seen_;
};

struct Parsed {
  dom::parser parser;
  dom::object body;
  dom::array events;
  std::size_t event_count = 0;
};

// False and a message if the body is no JSON object with events.
bool parse(const Ga4Request& request, Parsed& parsed, std::vector<ValidationMessage>& messages, Ga4Rejected& trouble) {
  const auto fail = [&](std::string_view reason, std::string_view code, std::string_view path, std::string message) {
    trouble = {std::string(reason), message, {}};
    messages.push_back({std::string(path), std::move(message), std::string(code)});
    return false;
  };
  std::string_view text = request.body;
  if (text.starts_with("\xEF\xBB\xBF")) {
    text.remove_prefix(3);
  }
  if (text.size() >= kGa4BodyBytesMax) {
    return fail("ga4.too_large", "VALUE_OUT_OF_BOUNDS", "",
                fmt::format("The body must have fewer than {} bytes.", kGa4BodyBytesMax));
  }
  if (parsed.parser.allocate(std::max<std::size_t>(text.size(), 64), kDepthMax) != simdjson::SUCCESS) {
    return fail("ga4.bad_json", "VALUE_INVALID", "", "There is no memory to read the body.");
  }
  dom::element root;
  if (const simdjson::error_code error = parsed.parser.parse(text.data(), text.size()).get(root);
      error != simdjson::SUCCESS) {
    return fail("ga4.bad_json", "VALUE_INVALID", "",
                fmt::format("Unable to parse Measurement Protocol JSON payload. {}", simdjson::error_message(error)));
  }
  if (root.get(parsed.body) != simdjson::SUCCESS) {
    return fail("ga4.bad_json", "VALUE_INVALID", "", "The body must be a JSON object.");
  }
  if (parsed.body["events"].get(parsed.events) != simdjson::SUCCESS || parsed.events.begin() == parsed.events.end()) {
    return fail("ga4.no_events", "VALUE_REQUIRED", "events",
                "Measurement requires events, an array that is not empty.");
  }
  for ([[maybe_unused]] const dom::element event : parsed.events) {
    ++parsed.event_count;
  }
  return true;
}

}  // namespace

void validate_measurement(const Ga4Request& request, Ga4Result& result) {
  TextArena arena;
  Parsed parsed;
  Ga4Rejected trouble;
  if (!parse(request, parsed, result.messages, trouble)) {
    return;
  }
  Findings findings(result.messages, parsed.event_count);
  Validator validator(request.received_at_micros, findings);
  validator.request(read_query(request.query, arena), parsed.body);
  validator.events(parsed.events);
}

void collect_measurement(const Ga4Request& request, const Ga4Options& options, Ga4Result& result) {
  const auto reject = [&](std::string_view reason, std::string message, std::string bytes) {
    result.rejected.push_back({std::string(reason), std::move(message), std::move(bytes)});
  };
  TextArena arena;
  const Query query = read_query(request.query, arena);
  if (options.accepts_secret && !options.accepts_secret(query.stream(), query.api_secret)) {
    return reject("ga4.bad_secret", "The request's api_secret is none of those that the collector was given.",
                  std::string(request.body));
  }
  Parsed parsed;
  Ga4Rejected trouble;
  if (!parse(request, parsed, result.messages, trouble)) {
    return reject(trouble.reason, std::move(trouble.message), std::string(request.body));
  }
  Findings findings(result.messages, parsed.event_count);
  if (text_member(parsed.body, "validation_behavior") == "ENFORCE_RECOMMENDATIONS") {
    findings.strict();
  }
  Validator validator(request.received_at_micros, findings);
  validator.request(query, parsed.body);
  validator.events(parsed.events);
  if (findings.request_refused()) {
    return reject(findings.request_reason(), findings.request_message(), std::string(request.body));
  }
  RowWriter writer(request, options, query, parsed.body, arena, result);
  std::size_t index = 0;
  std::string others;
  for (const dom::element event : parsed.events) {
    if (index >= kGa4EventsMax) {
      others.append(others.empty() ? "[" : ",").append(simdjson::minify(event));
    } else if (findings.refused(index)) {
      reject(findings.reason(index), findings.message(index), simdjson::minify(event));
    } else {
      writer.write(event, index);
    }
    ++index;
  }
  if (!others.empty()) {
    reject("ga4.too_many_events", fmt::format("A request has at most {} events; these are the others.", kGa4EventsMax),
           others + "]");
  }
}

}  // namespace shoplake::collect
