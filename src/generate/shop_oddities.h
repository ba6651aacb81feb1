// What the shop's files contain on bad days, planted on purpose: lines that the contract refuses, and odd ones that it
// takes. The manifest of a chaotic folder counts them by name.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "generate/chaos.h"
#include "generate/random.h"
#include "generate/shop.h"

namespace shoplake::generate {

struct ShopOddities {
  std::map<std::string, std::uint64_t> rejected, accepted;
  std::uint64_t number = 0;  // of the planted line, for keys of its own

  // Appends an odd line of a day (YYYY-MM-DD), with its line end.
  void plant(ShopDataset dataset, const std::string& date, Random& random, std::string& text);
};

// A text as a field of CSV (RFC 4180), in quotes where it needs them; a text as JSON, in quotes.
std::string csv_field(std::string_view text);
std::string json_text(std::string_view text);

}  // namespace shoplake::generate
