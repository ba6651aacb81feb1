// One event on its way from a hit to a line of the GA4 export: what both protocols fill in, and how it is written.
// Schema: datasets/events.yml. Spelled as BigQuery's JSON export does: INT64 as text, absent for NULL.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collect/ga4_time_zone.h"
#include "collect/ga4_traffic.h"
#include "collect/user_agent.h"

namespace shoplake::collect {

// A parameter's value, in one of the export's columns string_value, int_value, double_value.
struct Value {
  enum class Kind : std::uint8_t { none, text, integer, real };

  Kind kind = Kind::none;
  std::string_view text{};
  std::int64_t integer = 0;
  double real = 0;

  static Value of(std::string_view text) { return {.kind = Kind::text, .text = text}; }
  static Value of(std::int64_t integer) { return {.kind = Kind::integer, .integer = integer}; }
  static Value of(double real);  // a whole number stays a double; not finite: none
  // A number if the text is one (decimal, no spaces), else the text.
  static Value number_or_text(std::string_view text);

  bool exists() const { return kind != Kind::none; }
  std::optional<double> number() const;
};

// A whole decimal number that fits.
std::optional<std::int64_t> to_integer(std::string_view text);

struct Parameter {
  std::string_view key;
  Value value;
  std::int64_t set_at_micros = 0;  // of a user property
};

// Columns of an item; others are item_params. `code` is how gtag names it.
enum class ItemColumnType : std::uint8_t { text, real, integer };
struct ItemColumn {
  std::string_view name;
  std::string_view code;
  ItemColumnType type;
};
inline constexpr ItemColumn kItemColumns[] = {
    {"item_id", "id", ItemColumnType::text},         {"item_name", "nm", ItemColumnType::text},
    {"item_brand", "br", ItemColumnType::text},      {"item_variant", "va", ItemColumnType::text},
    {"item_category", "ca", ItemColumnType::text},   {"item_category2", "c2", ItemColumnType::text},
    {"item_category3", "c3", ItemColumnType::text},  {"item_category4", "c4", ItemColumnType::text},
    {"item_category5", "c5", ItemColumnType::text},  {"price", "pr", ItemColumnType::real},
    {"quantity", "qt", ItemColumnType::integer},     {"coupon", "cp", ItemColumnType::text},
    {"affiliation", "af", ItemColumnType::text},     {"location_id", "lo", ItemColumnType::text},
    {"item_list_id", "li", ItemColumnType::text},    {"item_list_name", "ln", ItemColumnType::text},
    {"item_list_index", "lp", ItemColumnType::text}, {"promotion_id", "pi", ItemColumnType::text},
    {"promotion_name", "pn", ItemColumnType::text},  {"creative_name", "cn", ItemColumnType::text},
    {"creative_slot", "cs", ItemColumnType::text},
};
inline constexpr std::size_t kItemColumnCount = std::size(kItemColumns);
// Of an event, as GA4 limits them.
inline constexpr std::size_t kGa4ItemsMax = 200;

struct Item {
  std::array<Value, kItemColumnCount> columns;
  std::vector<Parameter> parameters;

  // Puts the value into its column, or into `parameters` if it does not fit there.
  void set(std::size_t column, Value value);
};

struct Geo {
  std::string_view city, region, country, sub_continent, continent;
};

// Views must live until write_row() returns.
struct Hit {
  std::int64_t timestamp_micros = 0;
  std::optional<std::int64_t> server_timestamp_offset;
  std::string_view event_name;
  std::vector<Parameter> parameters;
  std::vector<Parameter> user_properties;
  std::string_view user_id;
  std::string_view user_pseudo_id;
  std::optional<std::int64_t> first_touch_micros;
  // "Yes", "No", "Unset"; empty: nothing is known of consent.
  std::string_view analytics_storage;
  std::string_view ads_storage;
  Device device;
  std::string_view language;
  std::string_view hostname;
  Geo geo;
  TrafficSource traffic;
  std::string_view stream_id;
  std::string_view platform;  // "WEB", "ANDROID", "IOS"
  std::string_view firebase_app_id;
  std::string_view currency;
  std::string_view transaction_id;
  Value value, shipping, tax;
  std::vector<Item> items;
  std::optional<bool> is_active_user;
  std::optional<std::int64_t> bundle_sequence_id, batch_event_index, batch_page_id, batch_ordering_id;

  // Nothing for a value that does not exist or is an empty text.
  void add(std::string_view key, Value value) {
    if (value.exists() && (value.kind != Value::Kind::text || !value.text.empty())) {
      parameters.push_back({key, value});
    }
  }
};

// One line of JSON with its line end. Texts that are not UTF-8 get U+FFFD for what is not.
void write_row(const Hit& hit, const TimeZone* time_zone, std::string& out);

// A JSON string with its quotes.
void append_json_text(std::string_view text, std::string& out);

}  // namespace shoplake::collect
