#include "collect/ga4_measurement_json.h"

#include <algorithm>

namespace shoplake::collect {

MeasurementQuery read_query(std::string_view text, TextArena& arena) {
  MeasurementQuery query;
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

std::optional<std::int64_t> integer_of(dom::element element) {
  std::int64_t integer = 0;
  std::string_view text;
  if (element.get(integer) == simdjson::SUCCESS) {
    return integer;
  }
  return element.get(text) == simdjson::SUCCESS ? to_integer(text) : std::nullopt;
}

}  // namespace shoplake::collect
