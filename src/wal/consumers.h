// Consumers of the log: each has a name and the offset that it will read next, a row of the control plane's table
// wal_consumers. A consumer moves its position in the transaction that commits what it made of the records, so that
// both are one fact. What every consumer has passed may be trimmed.
//
// Names: "live"; "deliver". Functions run on the caller's thread, inside the caller's transaction if there is one.
// Errors: those of io/sqlite.h. Table: docs/formats/wal.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/sqlite.h"
#include "wal/segment.h"

namespace shoplake::wal {

using base::Result;

struct Consumer {
  std::string name;
  Offset next = 0;  // everything below is consumed
  std::int64_t moved_at_micros = 0;
};

// Creates the table if absent.
Result<void> prepare_consumers(io::Database& database);

// Sorted by name.
Result<std::vector<Consumer>> list_consumers(io::Database& database);
Result<std::optional<Offset>> find_consumer(io::Database& database, std::string_view name);

// Adds the consumer at `next` if it does not exist; its position, in either case. Until a consumer exists, trimming
// does not wait for it.
Result<Offset> ensure_consumer(io::Database& database, std::string_view name, Offset next, std::int64_t now_micros);

// Moves a consumer. Error wal.consumer_moved (conflict) if it is not at `from`: somebody else has consumed these
// records, and the caller's transaction must be rolled back.
struct Move {
  Offset from = 0;
  Offset to = 0;
};
Result<void> move_consumer(io::Database& database, std::string_view name, const Move& move, std::int64_t now_micros);

// Fine if absent.
Result<void> remove_consumer(io::Database& database, std::string_view name);

// Of all consumers: the smallest position is what Log::trim() may take; the greatest is LogOptions::offset_min.
// Nothing if there is no consumer.
struct Positions {
  Offset min = 0;
  Offset max = 0;
};
Result<std::optional<Positions>> consumer_positions(io::Database& database);

}  // namespace shoplake::wal
