// StructureMemo: structures of JSON records by their text, and what they became. Events say the same things again and
// again (a device, a place, a source, a parameter), so that most of a record is known before it is parsed: to compare a
// structure's text with one that was read before costs much less than to read its fields.
//
// What is remembered is what the record builder holds after a structure was read without complaint, so that a known
// text has the values that parsing it again would give, under the same ids of the same dictionaries: the output is the
// same byte for byte. A text is remembered when it comes for the second time, and a node whose texts seldom come again
// is left alone for a while. Belongs to one thread; memory is bounded for each node.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "transform/layout.h"
#include "transform/record_builder.h"

namespace shoplake::transform {

class StructureMemo {
 public:
  static constexpr std::size_t kTextBytesMax = 1024;  // of one structure
  // Of one node, which then begins anew.
  static constexpr std::size_t kStructuresMax = 4096;
  static constexpr std::size_t kTextsMax = 512 << 10;
  // After so many structures a node is judged: with less than a quarter known, it is not asked for so many more.
  static constexpr std::uint32_t kJudgedAfter = 4096;
  static constexpr std::uint32_t kPause = 16 * kJudgedAfter;

  struct Structure {
    std::size_t text_begin = 0;
    std::uint32_t number = 0;     // for RecordBuilder::repeat()
    std::uint32_t size = 0;       // of the text, from brace to brace
    std::uint32_t positions = 0;  // structural positions in it
  };
  // A text that find() did not know.
  struct Question {
    std::string_view text;
    std::uint64_t hash = 0;
  };

  // The builder must outlive it, and has no other memo.
  explicit StructureMemo(RecordBuilder& builder);
  ~StructureMemo();
  StructureMemo(const StructureMemo&) = delete;
  StructureMemo& operator=(const StructureMemo&) = delete;

  // Whether to ask about the next structure of a node.
  bool takes(std::uint16_t node) {
    Memory* memory = memories_[node].get();
    if (memory == nullptr)
      return false;
    if (memory->pause == 0) [[likely]]
      return true;
    --memory->pause;
    return false;
  }
  // Of a node that it takes: the structure that `text` begins with, if it is the one that was found last as this
  // element of a list (0: in no list).
  const Structure* same_as_last(std::uint16_t node, std::uint32_t element, std::string_view text) {
    Memory& memory = *memories_[node];
    const std::uint32_t number = memory.last[element % kLast];
    if (number == kNone)
      return nullptr;
    const Structure& last = memory.structures[number];
    if (last.size > text.size() || !is_same(memory, last, text.data()))
      return nullptr;
    ++memory.hits;
    ++memory.asked;
    return &last;
  }
  // Of a node that it takes: the structure with this text, from brace to brace. Valid until the next remember().
  const Structure* find(std::uint16_t node, std::uint32_t element, std::string_view text, Question& question);
  // After a text that find() did not know has been read into the builder's open record.
  void remember(std::uint16_t node, const Question& question, std::uint32_t positions);

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr std::size_t kLast = 16;
  static constexpr std::size_t kSightings = 1024;
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t number = kNone;
  };
  struct Memory {
    std::vector<Structure> structures;
    std::vector<char> texts;
    std::vector<Slot> slots;                // by hash; at most half full
    std::vector<std::uint32_t> sightings;   // tags of texts that came once
    std::array<std::uint32_t, kLast> last;  // numbers, by element
    std::uint32_t asked = 0;
    std::uint32_t hits = 0;
    std::uint32_t pause = 0;

    Memory() { last.fill(kNone); }
    void begin();
    void insert(std::uint64_t hash, std::uint32_t number);
    void grow_slots();
  };

  // `text` has the structure's size. Ends differ where begins do not: they have the values.
  static bool is_same(const Memory& memory, const Structure& structure, const char* text) {
    const char* const known = memory.texts.data() + structure.text_begin;
    constexpr std::size_t kEnd = 8;
    if (structure.size >= kEnd && std::memcmp(known + structure.size - kEnd, text + structure.size - kEnd, kEnd) != 0)
      return false;
    return std::memcmp(known, text, structure.size) == 0;
  }

  RecordBuilder& builder_;
  std::vector<std::unique_ptr<Memory>> memories_;  // by node; null: it cannot be repeated
};

}  // namespace shoplake::transform
