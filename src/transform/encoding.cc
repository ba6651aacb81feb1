#include "transform/encoding.h"

#include <bit>
#include <cstring>

namespace shoplake::transform {

namespace {

void append_varint(Buffer<char>& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

template <typename T>
std::size_t run_length(const T* values, std::size_t count) {
  const T value = values[0];
  std::size_t length = 1;
  if constexpr (sizeof(T) == 1) {
    std::uint64_t pattern;
    std::memset(&pattern, value, sizeof(pattern));
    while (length + 8 <= count) {
      std::uint64_t word;
      std::memcpy(&word, values + length, sizeof(word));
      if (word != pattern)
        return length + static_cast<std::size_t>(std::countr_zero(word ^ pattern)) / 8;
      length += 8;
    }
  }
  while (length < count && values[length] == value)
    ++length;
  return length;
}

// A bit-packed run of whole groups of eight; the last group is padded with zeros.
template <typename T>
void pack(const T* values, std::size_t count, int width, Buffer<char>& out) {
  if (count == 0)
    return;
  const std::size_t groups = (count + 7) / 8;
  append_varint(out, (static_cast<std::uint64_t>(groups) << 1) | 1);
  auto* place = reinterpret_cast<unsigned char*>(out.extend(groups * static_cast<std::size_t>(width)));
  std::uint64_t bits = 0;
  int held = 0;
  for (std::size_t index = 0; index < count; ++index) {
    bits |= static_cast<std::uint64_t>(values[index]) << held;
    held += width;
    if (held >= 32) {  // width is at most 32, so held stays below 64
      std::memcpy(place, &bits, 4);
      place += 4;
      bits >>= 32;
      held -= 32;
    }
  }
  const std::size_t total_bits = groups * 8 * static_cast<std::size_t>(width);
  const std::size_t padded_bits = total_bits - count * static_cast<std::size_t>(width);
  std::size_t left_bytes = (static_cast<std::size_t>(held) + padded_bits) / 8;
  while (left_bytes-- > 0) {
    *place++ = static_cast<unsigned char>(bits);
    bits >>= 8;
  }
}

template <typename T>
void hybrid(const T* values, std::size_t count, int width, Buffer<char>& out) {
  std::size_t at = 0;
  std::size_t literals = 0;  // where the values not yet written begin
  while (at < count) {
    std::size_t run = run_length(values + at, count - at);
    if (run < 8) {
      at += run;
      continue;
    }
    // Literals come in groups of eight; the run lends what is missing.
    const std::size_t missing = (8 - (at - literals) % 8) % 8;
    if (run - missing < 8) {
      at += run;
      continue;
    }
    at += missing;
    run -= missing;
    pack(values + literals, at - literals, width, out);
    encode_run(static_cast<std::uint32_t>(values[at]), run, width, out);
    at += run;
    literals = at;
  }
  pack(values + literals, count - literals, width, out);
}

}  // namespace

int bit_width(std::uint32_t max) { return std::bit_width(max); }

void encode_run(std::uint32_t value, std::size_t count, int width, Buffer<char>& out) {
  append_varint(out, static_cast<std::uint64_t>(count) << 1);
  for (int bits = 0; bits < width; bits += 8)
    out.push_back(static_cast<char>(value >> bits));
}

void encode_hybrid(const std::uint8_t* values, std::size_t count, int width, Buffer<char>& out) {
  hybrid(values, count, width, out);
}
void encode_hybrid(const std::uint32_t* values, std::size_t count, int width, Buffer<char>& out) {
  hybrid(values, count, width, out);
}

void CompactWriter::field(int id, int type) {
  const int delta = id - last_.back();
  if (delta > 0 && delta <= 15) {
    out_.push_back(static_cast<char>((delta << 4) | type));
  } else {
    out_.push_back(static_cast<char>(type));
    zigzag(id);
  }
  last_.back() = id;
}

void CompactWriter::field_list(int id, int element_type, std::size_t size) {
  field(id, 9);
  if (size < 15) {
    out_.push_back(static_cast<char>((size << 4) | static_cast<std::size_t>(element_type)));
  } else {
    out_.push_back(static_cast<char>(0xF0 | element_type));
    varint(size);
  }
}

void CompactWriter::varint(std::uint64_t value) { append_varint(out_, value); }

}  // namespace shoplake::transform
