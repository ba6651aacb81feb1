// JsonLeaves: values of the contract's fields, from JSON as docs/formats/contract.md lets them be written, into a
// RecordBuilder. Internal to the JSON reader. Belongs to one thread.
#pragma once

#include <cstdint>

#include "transform/json_cursor.h"
#include "transform/layout.h"
#include "transform/record_builder.h"
#include "transform/value_checks.h"

namespace shoplake::transform {

class JsonLeaves {
 public:
  // `has_formats`: moments as text are in the formats that the contract declares.
  JsonLeaves(RecordBuilder& builder, bool has_formats)
      : builder_(builder), layout_(builder.layout()), checks_(layout_), has_formats_(has_formats) {}

  // Reads the value at the cursor. All return false with the cursor's rejection.
  bool leaf(JsonCursor& cursor, std::uint16_t node_index);
  // The moment that begins at `at`, a position just taken, within the field's range.
  bool timestamp(JsonCursor& cursor, const Node& node, std::uint32_t at, char first, std::int64_t& micros);
  // The day that begins at `at`, a position just taken, within the field's range.
  bool date(JsonCursor& cursor, const Node& node, std::uint32_t at, char first, std::int64_t& days);

  // What has been read before its turn: the field that the record's partition follows from.
  struct Early {
    static constexpr std::uint32_t kNowhere = 0xFFFFFFFF;  // a position that no record has
    std::uint32_t at = kNowhere;
    std::int64_t micros = 0;  // of a timestamp
    std::int64_t day = 0;     // of it, or of a date
  };
  void begin_record() { early_.at = Early::kNowhere; }
  void remember(const Early& early) { early_ = early; }

 private:
  bool text_leaf(JsonCursor& cursor, const Node& node, std::uint16_t node_index, std::uint32_t at, char first);
  bool integer_leaf(JsonCursor& cursor, const Node& node, std::uint16_t node_index, std::uint32_t at, char first);
  bool decimal_leaf(JsonCursor& cursor, const Node& node, std::uint16_t node_index, std::uint32_t at, char first);
  bool real_leaf(JsonCursor& cursor, const Node& node, std::uint16_t node_index, std::uint32_t at, char first);
  bool boolean_leaf(JsonCursor& cursor, const Node& node, std::uint16_t node_index, std::uint32_t at, char first);

  RecordBuilder& builder_;
  const Layout& layout_;
  ValueChecks checks_;
  bool has_formats_;
  Early early_;
};

}  // namespace shoplake::transform
