#include "base/base64.h"

#include <array>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace shoplake::base {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> make_digits() {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return digits;
}
constexpr std::array<std::uint8_t, 256> kDigits = make_digits();

#if defined(__x86_64__)
// The same 16 bytes in both halves.
__attribute__((target("avx2"))) __m256i broadcast(const std::array<char, 16>& half) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(half.data())));
}

// 32 characters into 24 bytes a step; stops before the first step that holds anything but digits, and before the last
// characters, since a step writes 32 bytes. Returns the characters taken.
//
// A character's high half decides which ranges it may be in, and its low half which of these it is in: two look-ups
// whose bits meet only in characters that are no digits. The high half also tells what to add to get the digit's value;
// '/' shares it with '+' and is corrected first.
__attribute__((target("avx2"))) std::size_t decode_avx2(const char* in, std::size_t size, char* out) {
  // Bit of a low half: the ranges in which it is no digit. Bit of a high half: the range it belongs to.
  //   0x01: 0x2_ ('+' and '/' only)   0x02: 0x3_ (0 to 9)   0x04: 0x4_ and 0x6_ (1 to f)   0x08: 0x5_ and 0x7_ (0 to a)
  //   0x10: all others
  std::array<char, 16> low{}, high{};
  for (int nibble = 0; nibble < 16; ++nibble) {
    const bool in_2 = nibble == 0x0b || nibble == 0x0f;
    const bool in_3 = nibble <= 9;
    const bool in_4 = nibble >= 1;
    const bool in_5 = nibble <= 10;
    low[static_cast<std::size_t>(nibble)] =
        static_cast<char>((in_2 ? 0 : 1) | (in_3 ? 0 : 2) | (in_4 ? 0 : 4) | (in_5 ? 0 : 8) | 0x10);
    high[static_cast<std::size_t>(nibble)] = 0x10;
  }
  high[2] = 1;
  high[3] = 2;
  high[4] = high[6] = 4;
  high[5] = high[7] = 8;
  const __m256i low_table = broadcast(low);
  const __m256i high_table = broadcast(high);
  // By high half; index 1 is for '/'.
  const __m256i shift_table = broadcast({0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0});
  const __m256i nibble_mask = _mm256_set1_epi8(0x0f);
  const __m256i slash = _mm256_set1_epi8('/');
  const __m256i pack = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1,  //
                                        2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  const __m256i join = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7);
  std::size_t taken = 0;
  // 44 characters hold 33 bytes, so the 32 that are written have room.
  while (size - taken >= 44) {
    const __m256i text = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + taken));
    const __m256i high_half = _mm256_and_si256(_mm256_srli_epi32(text, 4), nibble_mask);
    const __m256i low_half = _mm256_and_si256(text, nibble_mask);
    const __m256i wrong =
        _mm256_and_si256(_mm256_shuffle_epi8(low_table, low_half), _mm256_shuffle_epi8(high_table, high_half));
    if (!_mm256_testz_si256(wrong, wrong))
      break;
    // The comparison is -1 where it holds, so the index 2 of '/' becomes 1.
    const __m256i shift = _mm256_shuffle_epi8(shift_table, _mm256_add_epi8(high_half, _mm256_cmpeq_epi8(text, slash)));
    const __m256i digits = _mm256_add_epi8(text, shift);
    // Four digits of six bits into 24 bits: first pairs into 12 bits, then both.
    const __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi32(0x01400140));
    const __m256i quads = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(quads, pack), join);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + taken / 4 * 3), bytes);
    taken += 32;
  }
  return taken;
}

bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}
#endif

}  // namespace

bool base64_decode(std::string_view encoded, std::string& out) {
  if (encoded.size() % 4 != 0)
    return false;
  if (encoded.empty())
    return true;
  const std::size_t padding = encoded.ends_with("==") ? 2 : encoded.ends_with('=') ? 1 : 0;
  const std::size_t before = out.size();
  out.resize(before + base64_decoded_bytes_max(encoded.size()));
  char* to = out.data() + before;
  std::size_t at = 0;
#if defined(__x86_64__)
  if (has_avx2()) {
    at = decode_avx2(encoded.data(), encoded.size(), to);
    to += at / 4 * 3;
  }
#endif
  const auto digit = [&](std::size_t i) { return kDigits[static_cast<unsigned char>(encoded[i])]; };
  const std::size_t whole = encoded.size() - (padding > 0 ? 4 : 0);
  std::uint32_t wrong = 0;
  for (; at < whole; at += 4) {
    const std::uint32_t a = digit(at), b = digit(at + 1), c = digit(at + 2), d = digit(at + 3);
    wrong |= a | b | c | d;
    const std::uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    *to++ = static_cast<char>(bits >> 16);
    *to++ = static_cast<char>(bits >> 8);
    *to++ = static_cast<char>(bits);
  }
  if (padding > 0) {
    const std::uint32_t a = digit(at), b = digit(at + 1), c = padding == 1 ? digit(at + 2) : 0;
    wrong |= a | b | c;
    const std::uint32_t bits = a << 18 | b << 12 | c << 6;
    *to++ = static_cast<char>(bits >> 16);
    if (padding == 1)
      *to++ = static_cast<char>(bits >> 8);
    // What lies beyond the last byte has to be zero.
    wrong |= (padding == 1 ? bits & 0xff : bits & 0xffff) != 0 ? kNoDigit : 0u;
  }
  if ((wrong & 0x80) != 0) {
    out.resize(before);
    return false;
  }
  out.resize(out.size() - padding);
  return true;
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  const auto byte = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) : 0u;
  };
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::uint32_t bits = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
    out.push_back(kAlphabet[bits >> 18]);
    out.push_back(kAlphabet[bits >> 12 & 63]);
    out.push_back(at + 1 < bytes.size() ? kAlphabet[bits >> 6 & 63] : '=');
    out.push_back(at + 2 < bytes.size() ? kAlphabet[bits & 63] : '=');
  }
  return out;
}

}  // namespace shoplake::base
