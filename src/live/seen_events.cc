#include "live/seen_events.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/digest.h"

namespace shoplake::live {
namespace {

constexpr std::int64_t kMinuteMicros = 60'000'000;
constexpr std::size_t kSlotsMin = 1024;
// So much of what is kept goes when it is full, so that it is rebuilt seldom.
constexpr std::size_t kEvictedParts = 4;

int digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return -1;
}

// Minutes count from 1, so that 0 is free; moments outside of the years that contracts allow share the ends.
std::uint32_t minute_of(std::int64_t micros) {
  const std::int64_t minute = micros <= 0 ? 0 : micros / kMinuteMicros;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(minute, 0xFFFF'FFF0) + 1);
}

}  // namespace

EventDigest event_digest(std::string_view event_id) {
  EventDigest id;
  bool is_digest = event_id.size() == 64;
  for (std::size_t at = 0; is_digest && at < event_id.size(); ++at) {
    const int value = digit(event_id[at]);
    is_digest = value >= 0;
    if (at < 16) {
      id.high = id.high << 4 | static_cast<std::uint64_t>(value);
    } else if (at < 24) {
      id.low = id.low << 4 | static_cast<std::uint32_t>(value);
    }
  }
  if (is_digest)
    return id;
  const auto digest = base::sha256(event_id);
  std::memcpy(&id.high, digest.data(), sizeof(id.high));
  std::memcpy(&id.low, digest.data() + sizeof(id.high), sizeof(id.low));
  return id;
}

// The slot of the id, or the free one where it would go. There is always a free one.
std::size_t SeenEvents::find(const EventDigest& id) const {
  std::size_t at = static_cast<std::size_t>(static_cast<unsigned __int128>(id.high) * slots_.size() >> 64);
  while (slots_[at].minute != 0 && !(slots_[at].high == id.high && slots_[at].low == id.low))
    at = at + 1 == slots_.size() ? 0 : at + 1;
  return at;
}

bool SeenEvents::contains(const EventDigest& id) const { return !slots_.empty() && slots_[find(id)].minute != 0; }

void SeenEvents::add(const EventDigest& id, std::int64_t event_micros) {
  if (event_micros < begin_micros_)
    return;
  if (size_ + 1 > slots_.size() - slots_.size() / 5) {
    if (size_ >= events_max_)
      evict();
    const std::size_t most = events_max_ + events_max_ / 4 + kSlotsMin;
    rebuild(std::min(std::max(kSlotsMin, size_ * 2), most));
    if (event_micros < begin_micros_)
      return;
  } else if (size_ >= events_max_) {
    evict();
    rebuild(slots_.size());
    if (event_micros < begin_micros_)
      return;
  }
  Slot& slot = slots_[find(id)];
  if (slot.minute != 0)
    return;
  slot = {id.high, id.low, minute_of(event_micros)};
  ++size_;
}

void SeenEvents::raise_begin(std::int64_t micros) { begin_micros_ = std::max(begin_micros_, micros); }

// Forgets the oldest minutes, at least a quarter of all.
void SeenEvents::evict() {
  std::map<std::uint32_t, std::size_t> minutes;
  for (const Slot& slot : slots_) {
    if (slot.minute != 0)
      ++minutes[slot.minute];
  }
  std::size_t gone = 0;
  std::uint32_t last = 0;
  for (const auto& [minute, count] : minutes) {
    gone += count;
    last = minute;
    if (gone >= size_ / kEvictedParts)
      break;
  }
  for (Slot& slot : slots_) {
    if (slot.minute != 0 && slot.minute <= last)
      slot.minute = 0;
  }
  size_ -= gone;
  begin_micros_ = std::max(begin_micros_, static_cast<std::int64_t>(last) * kMinuteMicros);
}

void SeenEvents::rebuild(std::size_t slots) {
  std::vector<Slot> old(slots);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.minute != 0)
      slots_[find({slot.high, slot.low})] = slot;
  }
}

}  // namespace shoplake::live
