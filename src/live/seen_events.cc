#include "live/seen_events.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <numeric>

#include "base/digest.h"

namespace shoplake::live {
namespace {

constexpr std::int64_t kMinuteMicros = 60'000'000;
constexpr std::size_t kSlotsMin = 1024;
// So much of what is kept goes when it is full, so that it is rebuilt seldom.
constexpr std::size_t kEvictedParts = 4;

constexpr std::array<std::uint8_t, 256> kDigits = [] {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(0xFF);
  for (int value = 0; value < 16; ++value)
    digits[static_cast<unsigned char>("0123456789abcdef"[value])] = static_cast<std::uint8_t>(value);
  return digits;
}();

// Minutes count from 1, so that 0 is free; moments outside of the years that contracts allow share the ends.
std::uint32_t minute_of(std::int64_t micros) {
  const std::int64_t minute = micros <= 0 ? 0 : micros / kMinuteMicros;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(minute, 0xFFFF'FFF0) + 1);
}

}  // namespace

EventDigest event_digest(std::string_view event_id) {
  EventDigest id;
  if (event_id.size() == 64) {
    std::uint8_t bits = 0;
    for (std::size_t at = 0; at < event_id.size(); ++at) {
      const std::uint8_t value = kDigits[static_cast<unsigned char>(event_id[at])];
      bits |= value;
      if (at < 16) {
        id.high = id.high << 4 | value;
      } else if (at < 24) {
        id.low = id.low << 4 | value;
      }
    }
    if (bits < 16)
      return id;
  }
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

std::size_t SeenEvents::slots_for(std::size_t events) const {
  const std::size_t most = events_max_ == kAll ? kAll : events_max_ + events_max_ / 4 + kSlotsMin;
  return std::min(std::max(kSlotsMin, events * 2), most);
}

bool SeenEvents::contains(const EventDigest& id) const { return !slots_.empty() && slots_[find(id)].minute != 0; }

bool SeenEvents::add(const EventDigest& id, std::int64_t event_micros) {
  if (event_micros < begin_micros_)
    return !contains(id);
  if (size_ + 1 > slots_.size() - slots_.size() / 5) {
    if (size_ >= events_max_)
      evict();
    rebuild(slots_for(size_));
  } else if (size_ >= events_max_) {
    evict();
    rebuild(slots_.size());
  }
  if (event_micros < begin_micros_)
    return !contains(id);
  Slot& slot = slots_[find(id)];
  if (slot.minute != 0)
    return false;
  slot = {id.high, id.low, minute_of(event_micros)};
  ++size_;
  return true;
}

// An event is taken as of the end of its minute, so that none is missing that begin_micros() promises. The slots are in
// the order of their ids, as are this table's: once there is room for all, they are added from begin to end, through
// memory in order. If some have to go for others the table cannot have that room beforehand, and ids in order would
// crowd its begin, so they are taken in steps.
void SeenEvents::add_all(const SeenEvents& others) {
  const std::size_t slots = others.slots_.size();
  if (others.size_ == 0)
    return;
  if (size_ == 0 && events_max_ == kAll) {
    slots_ = others.slots_;
    size_ = others.size_;
    return;
  }
  std::size_t step = 1;
  const std::size_t together = size_ + others.size_;
  if (together < events_max_) {
    if (together + 1 > slots_.size() - slots_.size() / 5)
      rebuild(slots_for(together));
  } else {
    // Multiples of the golden section are spread evenly, however few of them.
    step = static_cast<std::size_t>(static_cast<double>(slots) * 0.6180339887498949) | 1;
    while (std::gcd(step, slots) != 1)
      step += 2;
  }
  for (std::size_t count = 0, at = 0; count < slots; ++count, at = (at + step) % slots) {
    const Slot& slot = others.slots_[at];
    if (slot.minute != 0)
      add({slot.high, slot.low}, static_cast<std::int64_t>(slot.minute) * kMinuteMicros - 1);
  }
}

bool SeenEvents::intersects(const SeenEvents& others) const {
  if (size_ > others.size_)
    return others.intersects(*this);
  return std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) {
    return slot.minute != 0 && others.contains({slot.high, slot.low});
  });
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
