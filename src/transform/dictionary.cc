#include "transform/dictionary.h"

#include <algorithm>

#include "base/result.h"

namespace shoplake::transform {

namespace {
constexpr std::size_t kArenaBytes = 64 << 10;
}

Dictionary::Dictionary() : slots_(64, Slot{0, kNone}), mask_(63) {}

const char* Dictionary::store(std::string_view text) {
  if (arena_left_ < text.size()) {
    const std::size_t size = std::max(kArenaBytes, text.size());
    arenas_.push_back(std::make_unique_for_overwrite<char[]>(size));
    arena_at_ = arenas_.back().get();
    arena_left_ = size;
  }
  char* place = arena_at_;
  if (!text.empty())
    std::memcpy(place, text.data(), text.size());
  arena_at_ += text.size();
  arena_left_ -= text.size();
  bytes_ += text.size();
  return place;
}

void Dictionary::grow() {
  mask_ = slots_.size() * 4 - 1;
  slots_.assign(mask_ + 1, Slot{0, kNone});
  for (std::uint32_t id = 0; id < size_; ++id) {
    const std::uint64_t hash = hash_text(keys_[id].data, keys_[id].size);
    std::size_t slot = hash & mask_;
    while (slots_[slot].id != kNone)
      slot = (slot + 1) & mask_;
    slots_[slot] = {static_cast<std::uint32_t>(hash >> 32), id};
  }
}

std::uint32_t Dictionary::insert(std::string_view received, std::string_view written) {
  SHOPLAKE_CHECK(!is_full());
  if ((size_ + 1) * 2 > slots_.size())
    grow();
  const std::uint32_t id = size_++;
  const char* key = store(received);
  const char* text = received == written ? key : store(written);
  keys_.push_back({key, static_cast<std::uint32_t>(received.size())});
  auto& chunk = chunks_[id / kChunk];
  if (!chunk)
    chunk = std::make_unique<std::string_view[]>(kChunk);
  chunk[id % kChunk] = {text, written.size()};
  const std::uint64_t hash = hash_text(received.data(), received.size());
  std::size_t slot = hash & mask_;
  while (slots_[slot].id != kNone)
    slot = (slot + 1) & mask_;
  slots_[slot] = {static_cast<std::uint32_t>(hash >> 32), id};
  return id;
}

}  // namespace shoplake::transform
