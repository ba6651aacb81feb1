// The tables that events come into, and what is in them. Free functions; the Lake says who may call it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serve/dashboard.h"

namespace shoplake::serve {

struct EventTable {
  std::string_view name;      // "processed.events"
  std::string_view time;      // its column of when an event happened
  std::string_view micros;    // SQL of that: microseconds since 1970
  std::string_view rejected;  // the table of its rejected records
};

std::span<const EventTable> event_tables();

// SQL of rows and newest event, and of rejected records: one row each.
std::string sql_of_events_in(const EventTable& table);
std::string sql_of_rejected_in(const EventTable& table);

// Rows of a table that exists, and the microseconds of its newest event: from the catalog's account where that says
// (Lake::contents), by a query otherwise.
base::Result<Lake::Contents> contents_of(Lake& lake, const EventTable& table);

// Rejected records of a table whose table of them exists.
base::Result<std::int64_t> rejected_of(Lake& lake, const EventTable& table);

}  // namespace shoplake::serve
