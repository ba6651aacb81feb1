// KeyTable: the keys of one object of the contract. Records are much alike, so that a key is first compared with the
// one that followed the key before it last time. Belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "transform/dictionary.h"

namespace shoplake::transform {

// Reads up to 7 bytes past the texts, which padding allows.
inline bool same_text(const char* left, const char* right, std::size_t size) {
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    std::uint64_t a;
    std::uint64_t b;
    std::memcpy(&a, left + at, 8);
    std::memcpy(&b, right + at, 8);
    if (a != b)
      return false;
  }
  if (at == size)
    return true;
  std::uint64_t a;
  std::uint64_t b;
  std::memcpy(&a, left + at, 8);
  std::memcpy(&b, right + at, 8);
  return ((a ^ b) << (64 - 8 * (size - at))) == 0;
}

class KeyTable {
 public:
  static constexpr std::uint16_t kUnknown = 0xFFFF;

  // `node` is what node() gives for the key. Each key once.
  void add(std::string_view name, std::uint16_t node);
  // After the last add(), at least one; before find().
  void finish();

  // The entry of a key, given the entry found before it in this object (kUnknown at its begin); kUnknown: it is not
  // there. Reads up to 7 bytes past the key.
  std::uint16_t find(std::uint16_t previous, const char* key, std::size_t size) {
    std::uint16_t& hint = previous == kUnknown ? first_ : entries_[previous].next;
    const Entry& guess = entries_[hint];
    if (guess.size == size && same_text(guess.text.data(), key, size)) [[likely]]
      return hint;
    std::size_t slot = hash_text(key, size) & mask_;
    while (slots_[slot] != kUnknown) {
      const Entry& entry = entries_[slots_[slot]];
      if (entry.size == size && same_text(entry.text.data(), key, size)) {
        hint = slots_[slot];
        return hint;
      }
      slot = (slot + 1) & mask_;
    }
    return kUnknown;
  }
  std::uint16_t node(std::uint16_t entry) const { return entries_[entry].node; }

 private:
  struct Entry {
    std::string text;
    std::uint32_t size = 0;
    std::uint16_t node = 0;
    std::uint16_t next = 0;  // the entry that followed this one last time
  };
  std::vector<Entry> entries_;
  std::vector<std::uint16_t> slots_;
  std::size_t mask_ = 0;
  std::uint16_t first_ = 0;
};

}  // namespace shoplake::transform
