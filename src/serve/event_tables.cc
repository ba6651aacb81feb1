#include "serve/event_tables.h"

#include <fmt/format.h>

#include <array>
#include <variant>

namespace shoplake::serve {
namespace {

constexpr std::array kEventTables = {
    EventTable{"processed.events", "event_timestamp", "event_timestamp", "quarantine.events"},
    EventTable{"processed.clickstream", "timestamp", "epoch_us(timestamp)", "quarantine.clickstream"},
};

std::int64_t integer_of(const engine::Value& value) {
  const auto* integer = std::get_if<std::int64_t>(&value.data);
  return integer == nullptr ? 0 : *integer;
}

}  // namespace

std::span<const EventTable> event_tables() { return kEventTables; }

std::string sql_of_events_in(const EventTable& table) {
  return fmt::format("select count(*) as events, max({}) as last_event_timestamp from {}", table.micros, table.name);
}

std::string sql_of_rejected_in(const EventTable& table) {
  return fmt::format("select count(*) as rejected from {}", table.rejected);
}

base::Result<Lake::Contents> contents_of(Lake& lake, const EventTable& table) {
  // Reading ten million events for it would be the most of what an open page costs.
  if (const auto contents = SHOPLAKE_TRY(lake.contents(table.name, table.time)))
    return *contents;
  const Rows rows = SHOPLAKE_TRY(lake.query(sql_of_events_in(table)));
  return Lake::Contents{integer_of(rows.rows.at(0).at(0)), integer_of(rows.rows.at(0).at(1))};
}

base::Result<std::int64_t> rejected_of(Lake& lake, const EventTable& table) {
  const Rows rows = SHOPLAKE_TRY(lake.query(sql_of_rejected_in(table)));
  return integer_of(rows.rows.at(0).at(0));
}

}  // namespace shoplake::serve
