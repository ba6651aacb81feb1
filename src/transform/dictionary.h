// Dictionary: the distinct texts of one leaf column, numbered in order of first appearance, with the contract's
// treatment already applied: a text is looked up as received and stored as it will be written, so masking costs once a
// distinct text.
//
// One thread inserts; other threads may read entries whose ids reached them through a lock (entries never move).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace shoplake::transform {

// What hashes of texts are made of.
inline constexpr std::uint64_t kHashMultiplier = 0x9E3779B97F4A7C15ULL;
inline constexpr std::uint64_t kHashEnd = 0xD6E8FEB86659FD93ULL;
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
inline std::uint64_t load8(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

// A cheap hash of short texts; not stable across versions and never stored.
inline std::uint64_t hash_text(const char* data, std::size_t size) {
  const auto load4 = [](const char* at) {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    return static_cast<std::uint64_t>(word);
  };
  std::uint64_t state = size * kHashMultiplier;
  if (size >= 8) {
    std::size_t at = 0;
    for (; at + 8 < size; at += 8)
      state = mix(state ^ load8(data + at), kHashMultiplier);
    return mix(state ^ load8(data + size - 8), kHashEnd);
  }
  std::uint64_t word = 0;
  if (size >= 4) {
    word = load4(data) | (load4(data + size - 4) << 32);
  } else if (size > 0) {
    word = static_cast<unsigned char>(data[0]) |
           (static_cast<std::uint64_t>(static_cast<unsigned char>(data[size / 2])) << 8) |
           (static_cast<std::uint64_t>(static_cast<unsigned char>(data[size - 1])) << 16);
  }
  return mix(state ^ word, kHashEnd);
}

// memcmp() == 0 for short texts, without the call.
inline bool equal_text(const char* left, const char* right, std::size_t size) {
  const auto differs8 = [&](std::size_t at) {
    std::uint64_t a;
    std::uint64_t b;
    std::memcpy(&a, left + at, 8);
    std::memcpy(&b, right + at, 8);
    return a != b;
  };
  if (size >= 8) {
    for (std::size_t at = 0; at + 8 < size; at += 8) {
      if (differs8(at))
        return false;
    }
    return !differs8(size - 8);
  }
  if (size >= 4) {
    std::uint32_t a[2];
    std::uint32_t b[2];
    std::memcpy(&a[0], left, 4);
    std::memcpy(&a[1], left + size - 4, 4);
    std::memcpy(&b[0], right, 4);
    std::memcpy(&b[1], right + size - 4, 4);
    return a[0] == b[0] && a[1] == b[1];
  }
  for (std::size_t at = 0; at < size; ++at) {
    if (left[at] != right[at])
      return false;
  }
  return true;
}

class Dictionary {
 public:
  static constexpr std::uint32_t kEntriesMax = 16 * 1024;
  static constexpr std::size_t kBytesMax = 2 << 20;
  static constexpr std::size_t kTextBytesMax = 1024;  // longer texts are not worth a dictionary
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  Dictionary();

  // The id of a text as received, or kNone.
  std::uint32_t find(std::string_view received) {
    const std::uint64_t hash = hash_text(received.data(), received.size());
    std::size_t slot = hash & mask_;
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    while (slots_[slot].id != kNone) {
      if (slots_[slot].tag == tag) {
        const Key& key = keys_[slots_[slot].id];
        if (key.size == received.size() && equal_text(key.data, received.data(), received.size()))
          return slots_[slot].id;
      }
      slot = (slot + 1) & mask_;
    }
    return kNone;
  }

  // No more entries fit: the column goes on without a dictionary.
  bool is_full() const { return size_ >= kEntriesMax || bytes_ >= kBytesMax; }
  // Inserts a text that find() did not know, stored as `written`. Not when full.
  std::uint32_t insert(std::string_view received, std::string_view written);

  // As it was received, of the inserting thread.
  std::string_view received(std::uint32_t id) const { return {keys_[id].data, keys_[id].size}; }
  std::string_view written(std::uint32_t id) const { return chunks_[id / kChunk][id % kChunk]; }
  std::uint32_t size() const { return size_; }

 private:
  static constexpr std::size_t kChunk = 512;
  struct Slot {
    std::uint32_t tag;
    std::uint32_t id;
  };
  struct Key {
    const char* data;
    std::uint32_t size;
  };

  const char* store(std::string_view text);
  void grow();

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
  std::vector<Key> keys_;  // as received, by id
  std::array<std::unique_ptr<std::string_view[]>, kEntriesMax / kChunk> chunks_;
  std::vector<std::unique_ptr<char[]>> arenas_;
  char* arena_at_ = nullptr;
  std::size_t arena_left_ = 0;
  std::uint32_t size_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace shoplake::transform
