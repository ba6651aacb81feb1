#include "transform/key_table.h"

#include <utility>

namespace shoplake::transform {

void KeyTable::add(std::string_view name, std::uint16_t node) {
  Entry entry;
  entry.text.assign(name);
  entry.size = static_cast<std::uint32_t>(name.size());
  entry.text.append(8, '\0');  // same_text() reads whole words
  entry.node = node;
  entry.next = static_cast<std::uint16_t>(entries_.size() + 1);
  entries_.push_back(std::move(entry));
}

void KeyTable::finish() {
  std::size_t slots = 4;
  while (slots < entries_.size() * 2)
    slots *= 2;
  slots_.assign(slots, kUnknown);
  mask_ = slots - 1;
  for (std::size_t index = 0; index < entries_.size(); ++index) {
    std::size_t slot = hash_text(entries_[index].text.data(), entries_[index].size) & mask_;
    while (slots_[slot] != kUnknown)
      slot = (slot + 1) & mask_;
    slots_[slot] = static_cast<std::uint16_t>(index);
  }
  entries_.back().next = 0;
}

}  // namespace shoplake::transform
