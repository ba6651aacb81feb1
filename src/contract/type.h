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
  structure,
  list,
};

// As the contract spells it: string, long, double, boolean, timestamp, date, struct, list.
std::string_view name(Type type);

}  // namespace shoplake::contract
