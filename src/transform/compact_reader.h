// CompactReader: walks over a struct in Thrift's compact protocol, as Parquet footers are, without its definition.
// Values that nobody asks for are taken as bytes. (encoding.h has the writer.)
//
// Any bytes may be given: a reader that meets the end or nonsense fails for good, then every answer is empty and every
// struct ends. Ask failed() before the answers count.
// Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shoplake::transform {

enum class CompactType : std::uint8_t {
  stop = 0,
  boolean_true = 1,
  boolean_false = 2,
  byte = 3,
  i16 = 4,
  i32 = 5,
  i64 = 6,
  real = 7,
  binary = 8,
  list = 9,
  set = 10,
  map = 11,
  structure = 12,
  uuid = 13
};

class CompactReader {
 public:
  explicit CompactReader(std::string_view bytes) : bytes_(bytes) {}

  bool failed() const { return failed_; }
  void fail() { failed_ = true; }
  std::size_t position() const { return position_; }
  std::string_view since(std::size_t begin) const { return bytes_.substr(begin, position_ - begin); }

  struct Field {
    std::int16_t id = 0;
    CompactType type = CompactType::stop;
  };
  // The next field of a struct, after the one with this id (0: the first). Type stop: the struct has ended.
  Field field(std::int16_t last);
  // A value of type i16, i32 or i64.
  std::int64_t integer();

  struct List {
    CompactType type = CompactType::stop;
    std::uint32_t size = 0;
  };
  List list();
  // Any value, or element of a list, of this type: its bytes.
  std::string_view skip(CompactType type);

 private:
  void skip_value(CompactType type, bool is_element, int depth);
  void skip_bytes(std::uint64_t count);
  std::uint8_t next();
  std::uint64_t varint();

  std::string_view bytes_;
  std::size_t position_ = 0;
  bool failed_ = false;
};

}  // namespace shoplake::transform
