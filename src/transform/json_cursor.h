// JsonCursor: a place in the JSON text of a record whose structural characters simdjson has found, and what can be read
// there without knowing the contract. Internal to the JSON reader (json_*.cc); hot, so most of it is inline. Belongs to
// one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "transform/buffer.h"
#include "transform/json_string.h"
#include "transform/layout.h"
#include "transform/number_text.h"
#include "transform/rejection.h"

namespace shoplake::transform {

inline bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

struct JsonCursor {
  const char* text = nullptr;
  const std::uint32_t* next = nullptr;  // the next structural position
  std::uint32_t end = 0;                // of the span
  bool in_array = false;                // the records are elements of an array
  Rejection rejection;
  std::uint32_t begin_of_record = 0;
  Buffer<char> unescaped;  // as large as the record before it is begun, so views of it stay

  // --- failures: set `rejection`; all return false so that callers can return them ---
  bool reject(std::string_view why, std::string message) {
    rejection.reason = why;
    rejection.message = std::move(message);
    return false;
  }
  bool reject(Rejection why) {
    rejection = std::move(why);
    return false;
  }
  // With the position in the record.
  bool malformed(std::string_view what);
  // `first` is the value's first character.
  bool wrong_type(const Node& node, char first);
  // A value that is not the field's: one that begins with one of `others` has another type, anything else is none. The
  // character has been taken.
  bool unexpected(const Node& node, char first, std::string_view others);
  bool duplicate(const Node& node);

  // --- what stands here ---
  char peek() const { return *next < end ? text[*next] : '\0'; }
  // The end of the scalar that begins at the position before `next`.
  std::uint32_t scalar_end() const {
    std::uint32_t at = std::min(*next, end);
    while (is_space(text[at - 1]))
      --at;
    return at;
  }
  bool is_literal(std::uint32_t at, std::string_view literal) const {
    return scalar_end() - at == literal.size() && std::memcmp(text + at, literal.data(), literal.size()) == 0;
  }
  // Whether a record may end before `next`: the span ends, or another record follows.
  bool ends_here() const {
    if (*next >= end)
      return true;
    const char c = text[*next];
    return in_array ? c == ',' || c == ']' : c == '{' || c == '[';
  }

  // --- strings and numbers; false: malformed ---
  // The inside of the string that begins at `at`, a position just taken; escapes are still in it.
  bool raw_string(std::uint32_t at, std::string_view& inside) {
    const std::uint32_t close = scalar_end() - 1;
    if (close <= at || text[close] != '"') [[unlikely]]
      return malformed("a string is not closed");
    inside = std::string_view(text + at + 1, close - at - 1);
    return true;
  }
  // The string that begins at `at`, a position just taken; valid for the record.
  bool string(std::uint32_t at, std::string_view& value) {
    if (!raw_string(at, value))
      return false;
    if (has_backslash(value.data(), value.size())) [[unlikely]] {
      char* place = unescaped.end();
      std::size_t size = 0;
      if (!unescape(value, place, size))
        return malformed("a string has an invalid escape");
      unescaped.extend(size);
      value = std::string_view(place, size);
    }
    return true;
  }
  // The same of a key whose inside raw_string() gave, with padding for KeyTable.
  bool decoded_key(std::string_view& raw) {
    char* place = unescaped.end();
    std::size_t size = 0;
    if (!unescape(raw, place, size))
      return malformed("a key has an invalid escape");
    std::memset(place + size, 0, 8);  // keys are compared by whole words; the slack behind the record's size holds them
    unescaped.extend(size);
    raw = std::string_view(place, size);
    return true;
  }
  // The number that begins at `at`, a position just taken, as it is written.
  bool number(std::uint32_t at, std::string_view& token, bool& is_integer) {
    const std::uint32_t token_end = scalar_end();
    if (scan_number(text + at, text + token_end, is_integer) != text + token_end)
      return malformed("a value is not JSON");
    token = std::string_view(text + at, token_end - at);
    return true;
  }
};

}  // namespace shoplake::transform
