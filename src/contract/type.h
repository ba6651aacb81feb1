// The types of a contract's fields.
#pragma once

#include <cstdint>
#include <string_view>

namespace shoplake::contract {

enum class Type : std::uint8_t {
  text,
  integer,
  real,
  boolean,
  timestamp,  // microseconds since 1970-01-01 UTC
  date,       // days since 1970-01-01
  decimal,    // an exact number of `precision` digits, `scale` of them behind the point: contract/decimal.h
  structure,
  list,
};

// As the contract spells it: string, long, double, boolean, timestamp, date, decimal, struct, list.
std::string_view name(Type type);

// What a decimal can hold. (0, 0): of no decimal.
struct DecimalShape {
  std::uint8_t precision = 0;  // digits, 1 to kDecimalDigitsMax
  std::uint8_t scale = 0;      // of them behind the point
  friend bool operator==(const DecimalShape&, const DecimalShape&) = default;
};

}  // namespace shoplake::contract
