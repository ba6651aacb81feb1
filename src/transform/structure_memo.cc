#include "transform/structure_memo.h"

#include "transform/dictionary.h"

namespace shoplake::transform {

namespace {

// Of whole structures, 32 bytes at a step; not stable across versions and never stored.
std::uint64_t hash_structure(const char* data, std::size_t size) {
  constexpr std::size_t kStep = 32;
  if (size < kStep)
    return hash_text(data, size);
  std::uint64_t left = size * kHashMultiplier;
  std::uint64_t right = kHashEnd;
  const auto step = [&](const char* at) {
    left = mix(left ^ load8(at), load8(at + 8) ^ kHashMultiplier);
    right = mix(right ^ load8(at + 16), load8(at + 24) ^ kHashEnd);
  };
  for (std::size_t at = 0; at + kStep < size; at += kStep)
    step(data + at);
  step(data + size - kStep);
  return mix(left ^ kHashEnd, right ^ kHashMultiplier);
}

std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

}  // namespace

StructureMemo::StructureMemo(RecordBuilder& builder) : builder_(builder) {
  memories_.resize(builder.layout().nodes.size());
  for (std::uint16_t node = 0; node < memories_.size(); ++node) {
    if (builder.is_repeatable(node))
      memories_[node] = std::make_unique<Memory>();
  }
}

StructureMemo::~StructureMemo() = default;

void StructureMemo::Memory::begin() {
  constexpr std::size_t kSlots = 64;
  structures.clear();
  texts.clear();
  slots.assign(kSlots, Slot{});
  sightings.assign(kSightings, 0);
  last.fill(kNone);
}

void StructureMemo::Memory::insert(std::uint64_t hash, std::uint32_t number) {
  const std::size_t mask = slots.size() - 1;
  std::size_t slot = hash & mask;
  while (slots[slot].number != kNone)
    slot = (slot + 1) & mask;
  slots[slot] = {tag_of(hash), number};
}

void StructureMemo::Memory::grow_slots() {
  slots.assign(slots.size() * 2, Slot{});
  for (std::uint32_t number = 0; number < structures.size(); ++number)
    insert(hash_structure(texts.data() + structures[number].text_begin, structures[number].size), number);
}

const StructureMemo::Structure* StructureMemo::find(std::uint16_t node, std::uint32_t element, std::string_view text,
                                                    Question& question) {
  Memory& memory = *memories_[node];
  if (memory.slots.empty())
    memory.begin();
  if (memory.asked >= kJudgedAfter) {
    if (memory.hits < memory.asked / 4)
      memory.pause = kPause;
    memory.asked = memory.hits = 0;
  }
  ++memory.asked;
  const std::uint64_t hash = hash_structure(text.data(), text.size());
  const std::size_t mask = memory.slots.size() - 1;
  for (std::size_t slot = hash & mask; memory.slots[slot].number != kNone; slot = (slot + 1) & mask) {
    if (memory.slots[slot].tag != tag_of(hash))
      continue;
    const Structure& structure = memory.structures[memory.slots[slot].number];
    if (structure.size == text.size() && is_same(memory, structure, text.data())) {
      ++memory.hits;
      memory.last[element % kLast] = memory.slots[slot].number;
      return &structure;
    }
  }
  question = {text, hash};
  return nullptr;
}

void StructureMemo::remember(std::uint16_t node, const Question& question, std::uint32_t positions) {
  Memory& memory = *memories_[node];
  std::uint32_t& sighting = memory.sightings[question.hash % kSightings];
  if (sighting != tag_of(question.hash)) {
    sighting = tag_of(question.hash);
    return;
  }
  if (memory.structures.size() >= kStructuresMax || memory.texts.size() + question.text.size() > kTextsMax) {
    builder_.forget(node);
    memory.begin();
  }
  if (!builder_.keep(node))
    return;
  const auto number = static_cast<std::uint32_t>(memory.structures.size());
  const auto size = static_cast<std::uint32_t>(question.text.size());
  memory.structures.push_back({memory.texts.size(), number, size, positions});
  memory.texts.insert(memory.texts.end(), question.text.begin(), question.text.end());
  if (memory.structures.size() * 2 > memory.slots.size()) {
    memory.grow_slots();
  } else {
    memory.insert(question.hash, number);
  }
}

}  // namespace shoplake::transform
