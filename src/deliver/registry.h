// The registry of delivered raw objects, table delivered_object of the control plane. A row is made when an object is
// cut, before its file is written: it fixes name and cut for good, so that whoever has to write it again after a crash
// writes the same bytes to the same name, whatever the stream's settings and the clock say by then. The row is
// completed when the file is durable, in the transaction that moves the log's consumer.
//
// So: a raw object counts if and only if its row says that it was delivered. Table: docs/formats/raw_objects.md.
// Errors: those of io/sqlite.h. Belongs to the thread of the database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "deliver/object_name.h"
#include "io/sqlite.h"
#include "wal/segment.h"

namespace shoplake::deliver {

using base::Result;

struct DeliveredObject {
  std::string object;  // below the lake's root
  std::string stream;
  wal::Offset first = 0;  // offsets of its first and last record; records of other streams lie between
  wal::Offset last = 0;
  std::uint64_t records = 0;
  std::uint64_t payload_bytes = 0;  // before compression
  Compression compression = Compression::gzip;
  std::int64_t first_received_at_micros = 0;
  std::int64_t last_received_at_micros = 0;
  std::int64_t cut_at_micros = 0;
  bool is_error = false;  // it stands below the error prefix, because its own path could not be written for a day

  // Once it is delivered:
  std::uint64_t bytes = 0;  // of the file
  std::string md5;          // of the file
  std::int64_t delivered_at_micros = 0;
};

// Creates the table if absent.
Result<void> prepare_registry(io::Database& database);

// An object was cut.
Result<void> insert_cut(io::Database& database, const DeliveredObject& object);
// It is given up at its path and goes to another. Inside a transaction or not.
Result<void> redirect_cut(io::Database& database, std::string_view object, std::string_view new_object);
// Its file is durable: completes the row. Inside the caller's transaction.
Result<void> complete_cut(io::Database& database, const DeliveredObject& object);
// None of its records can be read any more.
Result<void> drop_cut(io::Database& database, std::string_view object);

// Cut and not delivered, by first offset.
Result<std::vector<DeliveredObject>> list_cuts(io::Database& database);

struct StreamPosition {
  std::string stream;
  wal::Offset next = 0;  // behind the last delivered record of the stream
};
// Of streams with a delivered record at or beyond `from`.
Result<std::vector<StreamPosition>> delivered_positions(io::Database& database, wal::Offset from);

struct ObjectFilter {
  std::string stream;                                // empty: all
  std::optional<std::int64_t> received_from_micros;  // records received at or after it …
  std::optional<std::int64_t> received_to_micros;    // … and before it
};
// Delivered objects that have such records, by first offset.
Result<std::vector<DeliveredObject>> list_delivered(io::Database& database, const ObjectFilter& filter);

}  // namespace shoplake::deliver
