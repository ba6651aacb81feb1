#include "collect/ga4_hit.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace shoplake::collect {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

// Length of the UTF-8 sequence at the begin of the text, 0 if it is malformed (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (first >= 0xC2 && first <= 0xDF) {
    return continues(1) ? 2 : 0;
  }
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2) || (first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F)) {
      return 0;
    }
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3) || (first == 0xF0 && byte(1) < 0x90) ||
        (first == 0xF4 && byte(1) > 0x8F)) {
      return 0;
    }
    return 4;
  }
  return 0;
}

void append_escaped(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size();) {
    std::size_t plain = i;
    while (plain < text.size() && is_plain(text[plain])) {
      ++plain;
    }
    out.append(text, i, plain - i);
    i = plain;
    if (i == text.size()) {
      return;
    }
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x80) {
      const std::size_t length = utf8_length(text.substr(i));
      out.append(length == 0 ? kReplacement : text.substr(i, length));
      i += length == 0 ? 1 : length;
      continue;
    }
    switch (text[i]) {
      case '"': out.append("\\\""); break;
      case '\\': out.append("\\\\"); break;
      case '\n': out.append("\\n"); break;
      case '\r': out.append("\\r"); break;
      case '\t': out.append("\\t"); break;
      case '\0': out.append(kReplacement); break;  // not every reader of the lake can hold it
      default: {
        constexpr char kHex[] = "0123456789abcdef";
        out.append("\\u00");
        out.push_back(kHex[byte >> 4]);
        out.push_back(kHex[byte & 15]);
      }
    }
    ++i;
  }
}

template <typename Number>
void append_number(Number number, std::string& out) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, static_cast<std::size_t>(end - digits));
}

// Members of the object that is being written. Fields are left out where there is no value.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void text(std::string_view name, std::string_view value) {
    if (!value.empty()) {
      key(name);
      append_json_text(value, out_);
    }
  }
  void integer(std::string_view name, std::optional<std::int64_t> value) {
    if (value) {
      key(name);
      out_.push_back('"');
      append_number(*value, out_);
      out_.push_back('"');
    }
  }
  void real(std::string_view name, std::optional<double> value) {
    if (value && std::isfinite(*value)) {
      key(name);
      const std::size_t begin = out_.size();
      append_number(*value, out_);
      // A whole number of more than 64 bits is no double to every reader.
      if (out_.find_first_of(".e", begin) == std::string::npos) {
        out_.append(".0");
      }
    }
  }
  void boolean(std::string_view name, std::optional<bool> value) {
    if (value) {
      key(name);
      out_.append(*value ? "true" : "false");
    }
  }
  // Calls write() for the members of an object; leaves the object out if there are none.
  template <typename Write>
  void object(std::string_view name, Write write) {
    const std::size_t before = out_.size();
    key(name);
    out_.push_back('{');
    const std::size_t begin = out_.size();
    write();
    if (out_.size() == begin) {
      out_.resize(before);
    } else {
      out_.push_back('}');
    }
  }
  template <typename List, typename Write>
  void list(std::string_view name, const List& elements, Write write) {
    if (elements.empty()) {
      return;
    }
    key(name);
    out_.push_back('[');
    for (const auto& element : elements) {
      if (out_.back() != '[') {
        out_.push_back(',');
      }
      out_.push_back('{');
      write(element);
      out_.push_back('}');
    }
    out_.push_back(']');
  }
  void value(std::string_view name, const Value& value) {
    switch (value.kind) {
      case Value::Kind::none: break;
      case Value::Kind::text: text(name, value.text); break;
      case Value::Kind::integer: integer(name, value.integer); break;
      case Value::Kind::real: real(name, value.real); break;
    }
  }

 private:
  void key(std::string_view name) {
    if (out_.back() != '{') {
      out_.push_back(',');
    }
    out_.push_back('"');
    out_.append(name);
    out_.append("\":");
  }
  std::string& out_;
};

void write_value(Writer& writer, const Value& value) {
  switch (value.kind) {
    case Value::Kind::none: break;
    case Value::Kind::text: writer.text("string_value", value.text); break;
    case Value::Kind::integer: writer.integer("int_value", value.integer); break;
    case Value::Kind::real: writer.real("double_value", value.real); break;
  }
}

void write_parameters(Writer& writer, std::string_view name, const std::vector<Parameter>& parameters) {
  writer.list(name, parameters, [&](const Parameter& parameter) {
    writer.text("key", parameter.key);
    writer.object("value", [&] { write_value(writer, parameter.value); });
  });
}

void write_device(Writer& writer, const Hit& hit) {
  const Device& device = hit.device;
  writer.object("device", [&] {
    writer.text("category", device.category);
    writer.text("mobile_brand_name", device.brand);
    writer.text("mobile_model_name", device.model);
    writer.text("operating_system", device.operating_system);
    writer.text("operating_system_version", device.operating_system_version);
    writer.text("language", hit.language);
    writer.object("web_info", [&] {
      writer.text("browser", device.browser);
      writer.text("browser_version", device.browser_version);
      writer.text("hostname", hit.hostname);
    });
  });
}

void write_traffic(Writer& writer, const TrafficSource& traffic) {
  writer.object("collected_traffic_source", [&] {
    writer.text("manual_campaign_id", traffic.campaign_id);
    writer.text("manual_campaign_name", traffic.campaign);
    writer.text("manual_source", traffic.source);
    writer.text("manual_medium", traffic.medium);
    writer.text("manual_term", traffic.term);
    writer.text("manual_content", traffic.content);
    writer.text("manual_source_platform", traffic.source_platform);
    writer.text("manual_creative_format", traffic.creative_format);
    writer.text("manual_marketing_tactic", traffic.marketing_tactic);
    writer.text("gclid", traffic.gclid);
    writer.text("dclid", traffic.dclid);
    writer.text("srsltid", traffic.srsltid);
  });
}

constexpr std::size_t column_of(std::string_view name) {
  for (std::size_t i = 0; i < kItemColumnCount; ++i) {
    if (kItemColumns[i].name == name) {
      return i;
    }
  }
  return kItemColumnCount;
}
constexpr std::size_t kIdColumn = column_of("item_id");
constexpr std::size_t kNameColumn = column_of("item_name");
constexpr std::size_t kPriceColumn = column_of("price");
constexpr std::size_t kQuantityColumn = column_of("quantity");

// A quantity is one where an item does not name it.
std::int64_t quantity_of(const Item& item) {
  const Value& quantity = item.columns[kQuantityColumn];
  return quantity.kind == Value::Kind::integer ? quantity.integer : 1;
}

std::optional<double> revenue_of(const Item& item) {
  const std::optional<double> price = item.columns[kPriceColumn].number();
  if (!price) {
    return std::nullopt;
  }
  const double revenue = *price * static_cast<double>(quantity_of(item));
  // To the millionth, as far as money is exact anywhere in shoplake.
  return std::abs(revenue) < 1e9 ? std::round(revenue * 1e6) / 1e6 : revenue;
}

std::int64_t distinct_items(const std::vector<Item>& items) {
  std::int64_t distinct = 0;
  const auto identity = [](const Item& item) {
    const Value& id = item.columns[kIdColumn];
    return id.exists() ? id.text : item.columns[kNameColumn].text;
  };
  for (std::size_t i = 0; i < items.size(); ++i) {
    bool seen = false;
    for (std::size_t j = 0; j < i && !seen; ++j) {
      seen = identity(items[j]) == identity(items[i]);
    }
    distinct += seen ? 0 : 1;
  }
  return distinct;
}

// Amounts in US dollars only where that is the currency: what a dollar costs is not known here.
void write_ecommerce(Writer& writer, const Hit& hit, bool in_usd) {
  const auto amount = [&](std::string_view name, std::string_view name_in_usd, const Value& value) {
    if (in_usd) {
      writer.real(name_in_usd, value.number());
    }
    writer.real(name, value.number());
  };
  writer.object("ecommerce", [&] {
    if (!hit.items.empty()) {
      std::int64_t total = 0;
      bool fits = true;
      for (const Item& item : hit.items) {
        fits = fits && !__builtin_add_overflow(total, quantity_of(item), &total);
      }
      writer.integer("total_item_quantity", fits ? std::optional(total) : std::nullopt);
    }
    if (hit.event_name == "purchase" || hit.event_name == "in_app_purchase") {
      amount("purchase_revenue", "purchase_revenue_in_usd", hit.value);
    } else if (hit.event_name == "refund") {
      amount("refund_value", "refund_value_in_usd", hit.value);
    }
    amount("shipping_value", "shipping_value_in_usd", hit.shipping);
    amount("tax_value", "tax_value_in_usd", hit.tax);
    if (!hit.items.empty()) {
      writer.integer("unique_items", distinct_items(hit.items));
    }
    writer.text("transaction_id", hit.transaction_id);
  });
}

void write_items(Writer& writer, const Hit& hit, bool in_usd) {
  const bool is_purchase = hit.event_name == "purchase";
  const bool is_refund = hit.event_name == "refund";
  writer.list("items", hit.items, [&](const Item& item) {
    for (std::size_t i = 0; i < kItemColumnCount; ++i) {
      if (i == kPriceColumn && in_usd) {
        writer.real("price_in_usd", item.columns[i].number());
      }
      if (kItemColumns[i].type == ItemColumnType::real) {
        writer.real(kItemColumns[i].name, item.columns[i].number());
      } else {
        writer.value(kItemColumns[i].name, item.columns[i]);
      }
    }
    if (is_purchase || is_refund) {
      const std::optional<double> revenue = revenue_of(item);
      if (in_usd) {
        writer.real(is_purchase ? "item_revenue_in_usd" : "item_refund_in_usd", revenue);
      }
      writer.real(is_purchase ? "item_revenue" : "item_refund", revenue);
    }
    write_parameters(writer, "item_params", item.parameters);
  });
}

void write_event_date(std::int64_t timestamp_micros, const TimeZone* time_zone, std::string& out) {
  using namespace std::chrono;
  std::int64_t at = floor<seconds>(microseconds(timestamp_micros)).count();
  if (time_zone != nullptr) {
    at += time_zone->offset_seconds(at);
  }
  const year_month_day date(floor<days>(sys_seconds(seconds(at))));
  char digits[16];
  const int length = std::snprintf(digits, sizeof digits, "%04d%02u%02u", static_cast<int>(date.year()),
                                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  out.append(digits, static_cast<std::size_t>(length));
}

}  // namespace

void append_json_text(std::string_view text, std::string& out) {
  out.push_back('"');
  append_escaped(text, out);
  out.push_back('"');
}

std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value)
                                                                                   : std::nullopt;
}

Value Value::of(double real) { return std::isfinite(real) ? Value{.kind = Kind::real, .real = real} : Value{}; }

Value Value::number_or_text(std::string_view text) {
  if (const std::optional<std::int64_t> integer = to_integer(text)) {
    return of(*integer);
  }
  double real = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), real);
  if (error == std::errc() && end == text.data() + text.size() && !text.empty() && std::isfinite(real)) {
    return of(real);
  }
  return text.empty() ? Value{} : of(text);
}

std::optional<double> Value::number() const {
  switch (kind) {
    case Kind::integer: return static_cast<double>(integer);
    case Kind::real: return real;
    default: return std::nullopt;
  }
}

void Item::set(std::size_t column, Value value) {
  const ItemColumn& description = kItemColumns[column];
  bool fits = false;
  switch (description.type) {
    case ItemColumnType::text: fits = value.kind == Value::Kind::text; break;
    case ItemColumnType::integer:
      if (value.kind == Value::Kind::real && std::abs(value.real) < 1e15 && std::trunc(value.real) == value.real) {
        value = Value::of(static_cast<std::int64_t>(value.real));
      }
      fits = value.kind == Value::Kind::integer;
      break;
    case ItemColumnType::real: fits = value.number().has_value(); break;
  }
  if (!value.exists()) {
    return;
  }
  if (fits && !columns[column].exists()) {
    columns[column] = value;
  } else {
    parameters.push_back({description.name, value});
  }
}

void write_row(const Hit& hit, const TimeZone* time_zone, std::string& out) {
  Writer writer(out);
  const bool in_usd = hit.currency == "USD";
  out.append(R"({"event_date":")");
  write_event_date(hit.timestamp_micros, time_zone, out);
  out.push_back('"');
  writer.integer("event_timestamp", hit.timestamp_micros);
  writer.text("event_name", hit.event_name);
  write_parameters(writer, "event_params", hit.parameters);
  if (in_usd) {
    writer.real("event_value_in_usd", hit.value.number());
  }
  writer.integer("event_bundle_sequence_id", hit.bundle_sequence_id);
  writer.integer("event_server_timestamp_offset", hit.server_timestamp_offset);
  writer.text("user_id", hit.user_id);
  writer.text("user_pseudo_id", hit.user_pseudo_id);
  if (!hit.analytics_storage.empty()) {
    writer.object("privacy_info", [&] {
      writer.text("analytics_storage", hit.analytics_storage);
      writer.text("ads_storage", hit.ads_storage);
      writer.text("uses_transient_token", hit.analytics_storage == "No" ? "Yes" : "No");
    });
  }
  writer.list("user_properties", hit.user_properties, [&](const Parameter& property) {
    writer.text("key", property.key);
    writer.object("value", [&] {
      write_value(writer, property.value);
      writer.integer("set_timestamp_micros", property.set_at_micros);
    });
  });
  writer.integer("user_first_touch_timestamp", hit.first_touch_micros);
  write_device(writer, hit);
  writer.object("geo", [&] {
    writer.text("city", hit.geo.city);
    writer.text("country", hit.geo.country);
    writer.text("continent", hit.geo.continent);
    writer.text("region", hit.geo.region);
    writer.text("sub_continent", hit.geo.sub_continent);
  });
  writer.object("app_info", [&] { writer.text("firebase_app_id", hit.firebase_app_id); });
  write_traffic(writer, hit.traffic);
  writer.text("stream_id", hit.stream_id);
  writer.text("platform", hit.platform);
  writer.object("event_dimensions", [&] { writer.text("hostname", hit.hostname); });
  write_ecommerce(writer, hit, in_usd);
  write_items(writer, hit, in_usd);
  writer.boolean("is_active_user", hit.is_active_user);
  writer.integer("batch_event_index", hit.batch_event_index);
  writer.integer("batch_page_id", hit.batch_page_id);
  writer.integer("batch_ordering_id", hit.batch_ordering_id);
  out.append("}\n");
}

}  // namespace shoplake::collect
