// The datasets that can be generated.
#pragma once

#include <cstdint>
#include <string_view>

namespace shoplake::generate {

enum class Dataset : std::uint8_t {
  events,       // Google's GA4 export
  clickstream,  // flat events
};

constexpr std::string_view dataset_name(Dataset dataset) {
  return dataset == Dataset::events ? "events" : "clickstream";
}

}  // namespace shoplake::generate
