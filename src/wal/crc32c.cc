#include "wal/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace shoplake::wal {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // reflected
constexpr std::size_t kSlices = 8;

using Tables = std::array<std::array<std::uint32_t, 256>, kSlices>;

// Table k: what a byte does to the checksum k bytes further on.
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    }
    tables[0][byte] = crc;
  }
  for (std::size_t slice = 1; slice < kSlices; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) std::uint32_t extend_by_instruction(std::uint32_t crc, std::string_view bytes) {
  std::uint64_t state = ~crc;
  const char* next = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; next += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, next, 8);
    state = _mm_crc32_u64(state, word);
  }
  auto narrow = static_cast<std::uint32_t>(state);
  for (; left > 0; ++next, --left) {
    narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*next));
  }
  return ~narrow;
}

bool has_instruction() { return __builtin_cpu_supports("sse4.2") != 0; }

#endif

}  // namespace

std::uint32_t extend_crc32c_by_tables(std::uint32_t crc, std::string_view bytes) {
  std::uint32_t state = ~crc;
  const auto* next = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  for (; left >= kSlices; next += kSlices, left -= kSlices) {
    state ^= static_cast<std::uint32_t>(next[0]) | static_cast<std::uint32_t>(next[1]) << 8 |
             static_cast<std::uint32_t>(next[2]) << 16 | static_cast<std::uint32_t>(next[3]) << 24;
    state = kTables[7][state & 0xFF] ^ kTables[6][(state >> 8) & 0xFF] ^ kTables[5][(state >> 16) & 0xFF] ^
            kTables[4][state >> 24] ^ kTables[3][next[4]] ^ kTables[2][next[5]] ^ kTables[1][next[6]] ^
            kTables[0][next[7]];
  }
  for (; left > 0; ++next, --left) {
    state = (state >> 8) ^ kTables[0][(state ^ *next) & 0xFF];
  }
  return ~state;
}

std::uint32_t extend_crc32c(std::uint32_t crc, std::string_view bytes) {
#if defined(__x86_64__)
  static const bool by_instruction = has_instruction();
  if (by_instruction) {
    return extend_by_instruction(crc, bytes);
  }
#endif
  return extend_crc32c_by_tables(crc, bytes);
}

}  // namespace shoplake::wal
