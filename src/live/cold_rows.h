// ColdRows: where the rows of a table lie that are not in memory, found by the hashes of their keys.
//
// A row has its place (number of the file, position in it) and one hash for each key of the table. They are kept in
// runs of up to a million rows: a run has the positions of its rows, in order of file and position, and for each key
// its rows ordered by 40 bits of the hash, six bytes a row. A lookup looks at some ten entries of each run, so it costs
// the same whatever the number of rows of a run. Two keys that share their 40 bits cost a row that is read in vain. A
// new run becomes one with those before it that are not larger, so there are few. In memory a row takes four bytes and
// half a one for each key; the rows by hash are in a file (spilled_bytes.h).
//
// Errors are those of reading that file; rows are missing after one of add(). Belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "live/spilled_bytes.h"

namespace shoplake::live {

using base::Result;

class ColdRows {
 public:
  struct Place {
    std::int32_t file = 0;
    std::int64_t position = 0;
    auto operator<=>(const Place&) const = default;
  };
  // A row that was found; until the next add(), move() or forget_file().
  struct Row {
    Place place;
    std::uint32_t run = 0;
    std::uint32_t number = 0;
    auto operator<=>(const Row&) const = default;
  };
  // Hashes have so many bits; see key_lookup.h.
  static constexpr int kHashBits = 44;

  explicit ColdRows(std::size_t keys = 0, SpillPlace spill = {});
  ColdRows(ColdRows&&) noexcept;
  ColdRows& operator=(ColdRows&&) noexcept;
  ~ColdRows();

  // Adds rows: their places, none of them cold already, and for each key the hash of each row.
  Result<void> add(const std::vector<Place>& places, const std::vector<std::vector<std::uint64_t>>& hashes);

  // Appends the rows whose hash of key `key` is one of these; others only if they share its bits.
  Result<void> find(std::size_t key, std::span<const std::uint64_t> hashes, std::vector<Row>& found) const;

  // These are not cold any more.
  void take(std::span<const Row> rows);

  // The file's rows lie in another: those of `positions` (old, new; in order of the old) in file `into`, at the new
  // position; the others are gone.
  void move(std::int32_t file, std::int32_t into, std::span<const std::pair<std::int64_t, std::int64_t>> positions);
  void forget_file(std::int32_t file) { move(file, file, {}); }

  std::vector<std::int32_t> files() const;  // that have cold rows, ascending
  std::size_t count() const;                // of cold rows
  std::size_t memory_bytes() const;

 private:
  class Run;
  struct Gathered;
  Result<void> add_run(Gathered gathered);

  std::size_t keys_;
  SpillPlace spill_;
  std::vector<Run> runs_;
};

}  // namespace shoplake::live
