// Spelling of numbers, money and words that the writers share.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "generate/random.h"

namespace shoplake::generate {

inline constexpr std::string_view kHost = "www.shop.example";

inline void append(std::string& text, std::int64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  text.append(digits, static_cast<std::size_t>(end - digits));
}

// 119.0, 79.5, 79.05
inline void append_money(std::string& text, std::int64_t cents) {
  append(text, cents / 100);
  const int rest = static_cast<int>(cents % 100);
  text.push_back('.');
  text.push_back(static_cast<char>('0' + rest / 10));
  if (rest % 10 != 0) {
    text.push_back(static_cast<char>('0' + rest % 10));
  }
}

inline void append_text_field(std::string& text, std::string_view name, std::string_view value) {
  text.append("\"").append(name).append("\":\"").append(value).append("\",");
}

inline std::string url_escaped(std::string_view words) {
  std::string out(words);
  std::replace(out.begin(), out.end(), ' ', '+');
  return out;
}

inline std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return out;
}

// A click id: `length` letters of it random.
inline std::string token(std::uint64_t seed, std::string_view prefix, int length) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out(prefix);
  Random random(seed);
  for (int written = 0; written < length; written += 10) {
    std::uint64_t bits = random.next();
    for (int i = 0; i < 10 && written + i < length; ++i, bits >>= 6) {
      out.push_back(kAlphabet[bits & 63]);
    }
  }
  return out;
}

}  // namespace shoplake::generate
