// Events of the Measurement Protocol as rows of the GA4 export. Internal to collect/ga4_measurement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collect/ga4_collect.h"
#include "collect/ga4_hit.h"
#include "collect/ga4_measurement_json.h"

namespace shoplake::collect {

// Of one request. The request, its parsed body and the arena outlive it.
class MeasurementRows {
 public:
  MeasurementRows(const Ga4Request& request, const Ga4Options& options, const MeasurementQuery& query, dom::object body,
                  TextArena& arena);

  // Appends the row of one event that was found good; `index` is its place in the request.
  void write(dom::element element, std::size_t index, std::vector<std::string>& rows);

 private:
  void read_device(dom::object body);
  void read_location(dom::object body);
  void read_user_properties(dom::object body);
  void read_parameters(dom::object parameters, Hit& hit);
  void read_items(dom::element element, Hit& hit);
  void set_item_field(std::string_view name, dom::element field, Item& item);
  std::string identity(dom::element event, const Hit& hit);

  const Ga4Request& request_;
  const Ga4Options& options_;
  TextArena& arena_;
  Hit shared_;  // what all events of the request have
  std::string_view screen_;
  std::optional<std::int64_t> request_timestamp_;
  bool has_own_id_ = false;
  std::vector<std::string> seen_;  // identities of the events before
};

}  // namespace shoplake::collect
