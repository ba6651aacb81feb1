// SeenEvents: which events of one dataset are in its table already, as far as memory goes: the ids of the newest
// events, with the promise that every event of the table at or after begin_micros() is here. Older ones are asked of
// the table.
//
// An id is kept as 96 bits of a SHA-256 (event ids of shoplake are one; others are hashed): with two million ids here
// and ten million coming, two different ones meet with a probability of about 10^-16. 16 bytes an event, at most 0.8
// full.
//
// Belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace shoplake::live {

struct EventDigest {
  std::uint64_t high = 0;
  std::uint32_t low = 0;
  friend bool operator==(const EventDigest&, const EventDigest&) = default;
};
EventDigest event_digest(std::string_view event_id);

class SeenEvents {
 public:
  static constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

  // kAll: none goes, as for the events of one batch.
  explicit SeenEvents(std::size_t events_max) : events_max_(events_max) {}

  bool contains(const EventDigest& id) const;
  // An event of the table; false if it is here already. When there are too many, the oldest go and begin_micros()
  // rises.
  bool add(const EventDigest& id, std::int64_t event_micros);
  void add_all(const SeenEvents& others);
  // Some event is in both.
  bool intersects(const SeenEvents& others) const;
  // Every event of the table at or after this moment is here.
  std::int64_t begin_micros() const { return begin_micros_; }
  // Says that older events of the table were not added.
  void raise_begin(std::int64_t micros);

  std::size_t size() const { return size_; }
  std::size_t memory_bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint64_t high = 0;
    std::uint32_t low = 0;
    std::uint32_t minute = 0;  // of the event, from 1970 on; 0: the slot is empty
  };
  std::size_t find(const EventDigest& id) const;
  std::size_t slots_for(std::size_t events) const;  // with room to grow
  void rebuild(std::size_t slots);
  void evict();

  std::size_t events_max_;
  std::vector<Slot> slots_;
  std::size_t size_ = 0;
  std::int64_t begin_micros_ = std::numeric_limits<std::int64_t>::min();
};

}  // namespace shoplake::live
