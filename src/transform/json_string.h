// The text of JSON strings: between the quotes, as it stands in the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace shoplake::transform {

inline bool has_backslash(const char* text, std::size_t size) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  constexpr std::uint64_t kPattern = kOnes * '\\';
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, text + at, 8);
    word ^= kPattern;
    if (((word - kOnes) & ~word & (kOnes * 0x80)) != 0)
      return true;
  }
  for (; at < size; ++at) {
    if (text[at] == '\\')
      return true;
  }
  return false;
}

// Decodes the inside of a JSON string; the output is never longer than the input. False: an invalid escape.
bool unescape(std::string_view raw, char* out, std::size_t& size);

}  // namespace shoplake::transform
