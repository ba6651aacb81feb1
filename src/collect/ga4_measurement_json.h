// What the rules and the rows of the Measurement Protocol both read of a request. Internal to collect/ga4_measurement.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "collect/ga4_hit.h"

namespace shoplake::collect {

namespace dom = simdjson::dom;

// Parameters of the request's query.
struct MeasurementQuery {
  std::string_view measurement_id, firebase_app_id, api_secret;

  std::string_view stream() const { return measurement_id.empty() ? firebase_app_id : measurement_id; }
};
MeasurementQuery read_query(std::string_view text, TextArena& arena);

// Empty if there is no such member, or it is no text.
std::string_view text_member(dom::object object, std::string_view key);

// An integer, also one written as text.
std::optional<std::int64_t> integer_of(dom::element element);

}  // namespace shoplake::collect
