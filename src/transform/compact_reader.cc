#include "transform/compact_reader.h"

#include <limits>

namespace shoplake::transform {
namespace {

constexpr int kDepthMax = 32;

std::int64_t from_zigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

}  // namespace

std::uint8_t CompactReader::next() {
  if (failed_ || position_ >= bytes_.size()) {
    failed_ = true;
    return 0;
  }
  return static_cast<std::uint8_t>(bytes_[position_++]);
}

std::uint64_t CompactReader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = next();
    value |= std::uint64_t{byte & 0x7Fu} << shift;
    if ((byte & 0x80) == 0)
      return failed_ ? 0 : value;
  }
  failed_ = true;
  return 0;
}

std::int64_t CompactReader::integer() { return from_zigzag(varint()); }

CompactReader::Field CompactReader::field(std::int16_t last) {
  const std::uint8_t header = next();
  Field field;
  field.type = static_cast<CompactType>(header & 0x0F);
  if (failed_ || field.type == CompactType::stop)
    return {};
  const std::int64_t id = header >> 4 != 0 ? last + (header >> 4) : integer();
  if (failed_ || id <= last || id > std::numeric_limits<std::int16_t>::max()) {
    failed_ = true;
    return {};
  }
  field.id = static_cast<std::int16_t>(id);
  return field;
}

CompactReader::List CompactReader::list() {
  const std::uint8_t header = next();
  const std::uint64_t size = header >> 4 != 15 ? header >> 4 : varint();
  // Every element has a byte at least.
  if (failed_ || size > bytes_.size() - position_) {
    failed_ = true;
    return {};
  }
  return {static_cast<CompactType>(header & 0x0F), static_cast<std::uint32_t>(size)};
}

std::string_view CompactReader::skip(CompactType type) {
  const std::size_t begin = position_;
  skip_value(type, false, 0);
  return failed_ ? std::string_view() : since(begin);
}

void CompactReader::skip_bytes(std::uint64_t count) {
  if (failed_ || count > bytes_.size() - position_) {
    failed_ = true;
    return;
  }
  position_ += count;
}

void CompactReader::skip_value(CompactType type, bool is_element, int depth) {
  if (failed_ || depth > kDepthMax) {
    failed_ = true;
    return;
  }
  switch (type) {
    case CompactType::boolean_true:
    case CompactType::boolean_false:
      if (is_element)  // of a field the type says it
        skip_bytes(1);
      return;
    case CompactType::byte: skip_bytes(1); return;
    case CompactType::i16:
    case CompactType::i32:
    case CompactType::i64: (void)varint(); return;
    case CompactType::real: skip_bytes(8); return;
    case CompactType::uuid: skip_bytes(16); return;
    case CompactType::binary: skip_bytes(varint()); return;
    case CompactType::list:
    case CompactType::set: {
      const List elements = list();
      for (std::uint32_t index = 0; index < elements.size && !failed_; ++index)
        skip_value(elements.type, true, depth + 1);
      return;
    }
    case CompactType::map: {
      const std::uint64_t size = varint();
      if (failed_ || size == 0)
        return;
      if (size > bytes_.size() - position_) {
        failed_ = true;
        return;
      }
      const std::uint8_t types = next();
      for (std::uint64_t index = 0; index < size && !failed_; ++index) {
        skip_value(static_cast<CompactType>(types >> 4), true, depth + 1);
        skip_value(static_cast<CompactType>(types & 0x0F), true, depth + 1);
      }
      return;
    }
    case CompactType::structure: {
      std::int16_t last = 0;
      for (Field one = field(last); one.type != CompactType::stop; one = field(last)) {
        skip_value(one.type, false, depth + 1);
        last = one.id;
      }
      return;
    }
    case CompactType::stop: break;
  }
  failed_ = true;
}

}  // namespace shoplake::transform
