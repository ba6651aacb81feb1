#include "collect/ga4_measurement_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"

namespace shoplake::collect {
namespace {

// Of these a text that is a number means the number.
constexpr std::string_view kNumericParameters[] = {"value", "tax", "shipping", "engagement_time_msec"};

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

}  // namespace

MeasurementRows::MeasurementRows(const Ga4Request& request, const Ga4Options& options, const MeasurementQuery& query,
                                 dom::object body, TextArena& arena)
    : request_(request), options_(options), arena_(arena) {
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

void MeasurementRows::write(dom::element element, std::size_t index, std::vector<std::string>& rows) {
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
  std::string& row = rows.emplace_back();
  row.reserve(2'048);
  write_row(hit, options_.time_zone, row);
}

void MeasurementRows::read_device(dom::object body) {
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

void MeasurementRows::read_location(dom::object body) {
  dom::object location;
  if (body["user_location"].get(location) == simdjson::SUCCESS) {
    shared_.geo = {text_member(location, "city"), text_member(location, "region_id"),
                   text_member(location, "country_id"), text_member(location, "subcontinent_id"),
                   text_member(location, "continent_id")};
  }
}

void MeasurementRows::read_user_properties(dom::object body) {
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

void MeasurementRows::read_parameters(dom::object parameters, Hit& hit) {
  std::string_view location, referrer, source, medium, campaign;
  for (const auto& [name, element] : parameters) {
    if (name == "items") {
      read_items(element, hit);
      continue;
    }
    Value value = value_of(element, arena_);
    std::string_view key = name;
    const bool is_text = value.kind == Value::Kind::text;
    if (is_text && std::ranges::find(kNumericParameters, name) != std::end(kNumericParameters)) {
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

void MeasurementRows::read_items(dom::element element, Hit& hit) {
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

void MeasurementRows::set_item_field(std::string_view name, dom::element field, Item& item) {
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
std::string MeasurementRows::identity(dom::element event, const Hit& hit) {
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

}  // namespace shoplake::collect
