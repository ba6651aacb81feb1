// Parquet's encodings as far as shoplake writes them: the RLE / bit-packing hybrid, and Thrift's compact protocol for
// page headers and the footer. Source: https://parquet.apache.org/docs/file-format/data-pages/encodings/,
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "transform/buffer.h"

namespace shoplake::transform {

// Bits that values from 0 to `max` need.
int bit_width(std::uint32_t max);

// Appends the hybrid encoding, without length or width.
void encode_hybrid(const std::uint8_t* values, std::size_t count, int width, Buffer<char>& out);
void encode_hybrid(const std::uint32_t* values, std::size_t count, int width, Buffer<char>& out);
// Appends `count` times one value as a single run.
void encode_run(std::uint32_t value, std::size_t count, int width, Buffer<char>& out);

class CompactWriter {
 public:
  explicit CompactWriter(Buffer<char>& out) : out_(out) {}

  void begin_struct() { last_.push_back(0); }
  void end_struct() {
    out_.push_back(0);
    last_.pop_back();
  }
  void field_i32(int id, std::int32_t value) { field(id, 5), zigzag(value); }
  void field_i64(int id, std::int64_t value) { field(id, 6), zigzag(value); }
  void field_bool(int id, bool value) { field(id, value ? 1 : 2); }
  void field_text(int id, std::string_view value) { field(id, 8), text(value); }
  void field_struct(int id) { field(id, 12), begin_struct(); }
  void field_list(int id, int element_type, std::size_t size);  // then the elements
  void field(int id, int type);                                 // then the value
  // A value, or elements of a list, as they were written elsewhere.
  void bytes(std::string_view value) { out_.append(value.data(), value.size()); }
  void text(std::string_view value) {
    varint(value.size());
    out_.append(value.data(), value.size());
  }
  void zigzag(std::int64_t value) {
    varint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
  }

  static constexpr int kI32 = 5;
  static constexpr int kBinary = 8;
  static constexpr int kStruct = 12;

 private:
  void varint(std::uint64_t value);

  Buffer<char>& out_;
  std::vector<int> last_;  // last field id of each open struct
};

}  // namespace shoplake::transform
