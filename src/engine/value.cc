#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "engine/duckdb_handle.h"
#include "engine/session.h"
#include "engine/type.h"

namespace shoplake::engine {
namespace {

template <typename T>
T at(duckdb_vector vector, idx_t row) {
  return static_cast<const T*>(duckdb_vector_get_data(vector))[row];
}

std::string_view bytes_at(duckdb_vector vector, idx_t row) {
  auto* text = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector)) + row;
  return {duckdb_string_t_data(text), duckdb_string_t_length(*text)};
}

template <typename Integer>
std::string integer_text(Integer integer) {
  std::array<char, 24> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), integer);
  return {buffer.data(), end};
}

// DuckDB's own spelling of a value, for the types that are too rare to be written here.
std::string spelled_by_duckdb(duckdb_value value) {
  const ValueHandle owner(value);
  return take_text(duckdb_get_varchar(value));
}

// The shortest digits that read back as the same number; plain up to 16 digits before the point, as DuckDB does.
template <typename Float>
std::string float_text(Float number) {
  if (std::isnan(number)) {
    return std::signbit(number) ? "-nan" : "nan";
  }
  if (std::isinf(number)) {
    return number > 0 ? "inf" : "-inf";
  }
  std::array<char, 64> buffer;
  auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::scientific);
  const std::string_view scientific(buffer.data(), end);
  const std::size_t e = scientific.rfind('e');
  const int exponent = std::atoi(std::string(scientific.substr(e + 1)).c_str());
  if (exponent < -4 || exponent >= 16) {
    return std::string(scientific);
  }
  std::array<char, 64> plain;
  end = std::to_chars(plain.data(), plain.data() + plain.size(), number, std::chars_format::fixed).ptr;
  std::string text(plain.data(), end);
  if (text.find('.') == std::string::npos) {
    text.append(".0");
  }
  return text;
}

double double_of(float number) {
  // 0.1f is meant as 0.1, not as 0.10000000149011612.
  if (!std::isfinite(number)) {
    return number;
  }
  return std::strtod(float_text(number).c_str(), nullptr);
}

std::string decimal_text(const Type& type, duckdb_vector vector, idx_t row) {
  std::int64_t unscaled;
  switch (type.storage) {
    case DUCKDB_TYPE_SMALLINT: unscaled = at<std::int16_t>(vector, row); break;
    case DUCKDB_TYPE_INTEGER: unscaled = at<std::int32_t>(vector, row); break;
    case DUCKDB_TYPE_BIGINT: unscaled = at<std::int64_t>(vector, row); break;
    default: return spelled_by_duckdb(duckdb_create_decimal({type.width, type.scale, at<duckdb_hugeint>(vector, row)}));
  }
  // At most 18 digits, so that the absolute value always exists.
  std::string digits = integer_text(unscaled < 0 ? -unscaled : unscaled);
  if (type.scale > 0) {
    // A DECIMAL as wide as its scale has no digit before the point in DuckDB's spelling: ".50". JSON wants one.
    if (digits.size() <= type.scale) {
      digits.insert(0, type.scale + 1 - digits.size(), '0');
    }
    digits.insert(digits.size() - type.scale, 1, '.');
  }
  return unscaled < 0 ? "-" + digits : digits;
}

void append_padded(std::string& text, std::int64_t number, std::size_t width) {
  const std::string digits = integer_text(number);
  text.append(width > digits.size() ? width - digits.size() : 0, '0').append(digits);
}

// DuckDB spells years before 1 and beyond 9999, and infinity, in ways of its own.
constexpr std::int32_t kFirstPlainDay = -719'162;  // 0001-01-01
constexpr std::int32_t kLastPlainDay = 2'932'896;  // 9999-12-31
constexpr std::int64_t kMicrosPerDay = 86'400'000'000;

std::string plain_date(std::int32_t days) {
  const duckdb_date_struct date = duckdb_from_date({days});
  std::string text;
  append_padded(text, date.year, 4);
  append_padded(text.append("-"), date.month, 2);
  append_padded(text.append("-"), date.day, 2);
  return text;
}

std::string plain_time(std::int64_t micros) {
  std::string text;
  append_padded(text, micros / 3'600'000'000, 2);
  append_padded(text.append(":"), micros / 60'000'000 % 60, 2);
  append_padded(text.append(":"), micros / 1'000'000 % 60, 2);
  if (micros % 1'000'000 != 0) {
    append_padded(text.append("."), micros % 1'000'000, 6);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text;
}

std::optional<std::string> plain_timestamp(std::int64_t micros) {
  std::int64_t days = micros / kMicrosPerDay;
  std::int64_t rest = micros % kMicrosPerDay;
  if (rest < 0) {
    rest += kMicrosPerDay;
    --days;
  }
  if (days < kFirstPlainDay || days > kLastPlainDay) {
    return std::nullopt;
  }
  return plain_date(static_cast<std::int32_t>(days)).append(" ").append(plain_time(rest));
}

std::string timestamp_text(duckdb_type id, std::int64_t ticks) {
  switch (id) {
    case DUCKDB_TYPE_TIMESTAMP_S: return spelled_by_duckdb(duckdb_create_timestamp_s({ticks}));
    case DUCKDB_TYPE_TIMESTAMP_MS: return spelled_by_duckdb(duckdb_create_timestamp_ms({ticks}));
    case DUCKDB_TYPE_TIMESTAMP_NS: return spelled_by_duckdb(duckdb_create_timestamp_ns({ticks}));
    case DUCKDB_TYPE_TIMESTAMP_TZ: {
      const auto plain = plain_timestamp(ticks);
      return plain ? *plain + "+00" : spelled_by_duckdb(duckdb_create_timestamp_tz({ticks}));
    }
    default: {
      auto plain = plain_timestamp(ticks);
      return plain ? *std::move(plain) : spelled_by_duckdb(duckdb_create_timestamp({ticks}));
    }
  }
}

std::string blob_text(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : bytes) {
    if (c >= ' ' && c <= '~' && c != '\\' && c != '\'' && c != '"') {
      text.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text.append("\\x").push_back(kHex[byte >> 4]);
      text.push_back(kHex[byte & 15]);
    }
  }
  return text;
}

// A UUID lies in its vector as a HUGEINT with the first bit turned round, so that it sorts as its text does.
std::string uuid_text(duckdb_hugeint stored) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::array<std::uint64_t, 2> words{static_cast<std::uint64_t>(stored.upper) ^ (std::uint64_t{1} << 63),
                                           stored.lower};
  std::string text;
  for (int digit = 0; digit < 32; ++digit) {
    if (digit == 8 || digit == 12 || digit == 16 || digit == 20) {
      text.push_back('-');
    }
    text.push_back(kHex[(words[digit / 16] >> (60 - digit % 16 * 4)) & 15]);
  }
  return text;
}

// DuckDB's storage of BIGNUM: three header bytes (sign and length), then the magnitude, big endian; all bits are turned
// round for negative numbers.
std::string bignum_text(std::string_view stored) {
  SHOPLAKE_CHECK(stored.size() > 3);
  const bool negative = (static_cast<unsigned char>(stored[0]) & 0x80) == 0;
  std::string magnitude(stored.substr(3));
  if (negative) {
    for (char& c : magnitude) {
      c = static_cast<char>(~c);
    }
  }
  return spelled_by_duckdb(
      duckdb_create_bignum({reinterpret_cast<std::uint8_t*>(magnitude.data()), magnitude.size(), negative}));
}

std::uint64_t enum_index(const Type& type, duckdb_vector vector, idx_t row) {
  switch (type.storage) {
    case DUCKDB_TYPE_UTINYINT: return at<std::uint8_t>(vector, row);
    case DUCKDB_TYPE_USMALLINT: return at<std::uint16_t>(vector, row);
    default: return at<std::uint32_t>(vector, row);
  }
}

bool is_nested(duckdb_type id) {
  return id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_ARRAY || id == DUCKDB_TYPE_MAP || id == DUCKDB_TYPE_STRUCT ||
         id == DUCKDB_TYPE_UNION;
}

// Text of a scalar that is not NULL.
std::string scalar_text(const Type& type, duckdb_vector vector, idx_t row) {
  switch (type.id) {
    case DUCKDB_TYPE_BOOLEAN: return at<bool>(vector, row) ? "true" : "false";
    case DUCKDB_TYPE_TINYINT: return integer_text(static_cast<int>(at<std::int8_t>(vector, row)));
    case DUCKDB_TYPE_SMALLINT: return integer_text(at<std::int16_t>(vector, row));
    case DUCKDB_TYPE_INTEGER: return integer_text(at<std::int32_t>(vector, row));
    case DUCKDB_TYPE_BIGINT: return integer_text(at<std::int64_t>(vector, row));
    case DUCKDB_TYPE_UTINYINT: return integer_text(static_cast<unsigned>(at<std::uint8_t>(vector, row)));
    case DUCKDB_TYPE_USMALLINT: return integer_text(at<std::uint16_t>(vector, row));
    case DUCKDB_TYPE_UINTEGER: return integer_text(at<std::uint32_t>(vector, row));
    case DUCKDB_TYPE_UBIGINT: return integer_text(at<std::uint64_t>(vector, row));
    case DUCKDB_TYPE_FLOAT: return float_text(at<float>(vector, row));
    case DUCKDB_TYPE_DOUBLE: return float_text(at<double>(vector, row));
    case DUCKDB_TYPE_HUGEINT: return spelled_by_duckdb(duckdb_create_hugeint(at<duckdb_hugeint>(vector, row)));
    case DUCKDB_TYPE_UHUGEINT: return spelled_by_duckdb(duckdb_create_uhugeint(at<duckdb_uhugeint>(vector, row)));
    case DUCKDB_TYPE_DECIMAL: return decimal_text(type, vector, row);
    case DUCKDB_TYPE_VARCHAR: return std::string(bytes_at(vector, row));
    case DUCKDB_TYPE_BLOB: return blob_text(bytes_at(vector, row));
    case DUCKDB_TYPE_BIT: {
      std::string bits(bytes_at(vector, row));
      return spelled_by_duckdb(duckdb_create_bit({reinterpret_cast<std::uint8_t*>(bits.data()), bits.size()}));
    }
    case DUCKDB_TYPE_BIGNUM: return bignum_text(bytes_at(vector, row));
    case DUCKDB_TYPE_DATE: {
      const auto date = at<duckdb_date>(vector, row);
      const bool plain = date.days >= kFirstPlainDay && date.days <= kLastPlainDay;
      return plain ? plain_date(date.days) : spelled_by_duckdb(duckdb_create_date(date));
    }
    case DUCKDB_TYPE_TIME: return plain_time(at<std::int64_t>(vector, row));
    case DUCKDB_TYPE_TIME_NS: return spelled_by_duckdb(duckdb_create_time_ns(at<duckdb_time_ns>(vector, row)));
    case DUCKDB_TYPE_TIME_TZ: return spelled_by_duckdb(duckdb_create_time_tz_value(at<duckdb_time_tz>(vector, row)));
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ: return timestamp_text(type.id, at<std::int64_t>(vector, row));
    case DUCKDB_TYPE_INTERVAL: return spelled_by_duckdb(duckdb_create_interval(at<duckdb_interval>(vector, row)));
    case DUCKDB_TYPE_UUID: return uuid_text(at<duckdb_hugeint>(vector, row));
    case DUCKDB_TYPE_ENUM: return type.names[enum_index(type, vector, row)];
    default: return {};  // Session::query() lets no other type through
  }
}

List read_list(const Type& element, duckdb_vector vector, std::uint64_t offset, std::uint64_t length) {
  List list;
  list.reserve(length);
  for (std::uint64_t i = 0; i < length; ++i) {
    list.push_back(read_value(element, vector, offset + i));
  }
  return list;
}

Value read_nested(const Type& type, duckdb_vector vector, idx_t row) {
  switch (type.id) {
    case DUCKDB_TYPE_LIST: {
      const auto entry = at<duckdb_list_entry>(vector, row);
      return {read_list(type.children[0], duckdb_list_vector_get_child(vector), entry.offset, entry.length)};
    }
    case DUCKDB_TYPE_ARRAY:
      return {
          read_list(type.children[0], duckdb_array_vector_get_child(vector), row * type.array_size, type.array_size)};
    case DUCKDB_TYPE_MAP: {
      const auto entry = at<duckdb_list_entry>(vector, row);
      const duckdb_vector entries = duckdb_list_vector_get_child(vector);
      const duckdb_vector keys = duckdb_struct_vector_get_child(entries, 0);
      const duckdb_vector values = duckdb_struct_vector_get_child(entries, 1);
      List list;
      list.reserve(entry.length);
      for (std::uint64_t i = entry.offset; i < entry.offset + entry.length; ++i) {
        list.push_back({Struct{{"key", read_value(type.children[0], keys, i)},
                               {"value", read_value(type.children[1], values, i)}}});
      }
      return {std::move(list)};
    }
    case DUCKDB_TYPE_STRUCT: {
      Struct fields;
      fields.reserve(type.children.size());
      for (std::size_t i = 0; i < type.children.size(); ++i) {
        fields.push_back({type.names[i], read_value(type.children[i], duckdb_struct_vector_get_child(vector, i), row)});
      }
      return {std::move(fields)};
    }
    default: {  // UNION: the tag stands before the members
      const auto tag = at<std::uint8_t>(duckdb_struct_vector_get_child(vector, 0), row);
      return read_value(type.children[tag], duckdb_struct_vector_get_child(vector, tag + 1), row);
    }
  }
}

void append_json(std::string& text, const Value& value);

struct JsonWriter {
  std::string& text;
  void operator()(std::monostate) const { text.append("null"); }
  void operator()(bool value) const { text.append(value ? "true" : "false"); }
  void operator()(std::int64_t value) const { text.append(integer_text(value)); }
  void operator()(double value) const { text.append(std::isfinite(value) ? float_text(value) : "null"); }
  void operator()(const Exact& value) const { text.append(value.text); }
  void operator()(const std::string& value) const { text.append(to_json_string(value)); }
  void operator()(const List& list) const {
    text.push_back('[');
    for (std::size_t i = 0; i < list.size(); ++i) {
      text.append(i == 0 ? "" : ",");
      append_json(text, list[i]);
    }
    text.push_back(']');
  }
  void operator()(const Struct& fields) const {
    text.push_back('{');
    for (std::size_t i = 0; i < fields.size(); ++i) {
      text.append(i == 0 ? "" : ",").append(to_json_string(fields[i].name)).append(":");
      append_json(text, fields[i].value);
    }
    text.push_back('}');
  }
};

void append_json(std::string& text, const Value& value) { std::visit(JsonWriter{text}, value.data); }

}  // namespace

bool is_valid(duckdb_vector vector, idx_t row) {
  const std::uint64_t* validity = duckdb_vector_get_validity(vector);
  return validity == nullptr || (validity[row / 64] >> (row % 64) & 1) != 0;
}

Value read_value(const Type& type, duckdb_vector vector, idx_t row) {
  if (!is_valid(vector, row)) {
    return {};
  }
  switch (type.id) {
    case DUCKDB_TYPE_SQLNULL: return {};
    case DUCKDB_TYPE_BOOLEAN: return {at<bool>(vector, row)};
    case DUCKDB_TYPE_TINYINT: return {std::int64_t{at<std::int8_t>(vector, row)}};
    case DUCKDB_TYPE_SMALLINT: return {std::int64_t{at<std::int16_t>(vector, row)}};
    case DUCKDB_TYPE_INTEGER: return {std::int64_t{at<std::int32_t>(vector, row)}};
    case DUCKDB_TYPE_BIGINT: return {at<std::int64_t>(vector, row)};
    case DUCKDB_TYPE_UTINYINT: return {std::int64_t{at<std::uint8_t>(vector, row)}};
    case DUCKDB_TYPE_USMALLINT: return {std::int64_t{at<std::uint16_t>(vector, row)}};
    case DUCKDB_TYPE_UINTEGER: return {std::int64_t{at<std::uint32_t>(vector, row)}};
    case DUCKDB_TYPE_UBIGINT: {
      const auto number = at<std::uint64_t>(vector, row);
      if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return {static_cast<std::int64_t>(number)};
      }
      return {Exact{integer_text(number)}};
    }
    case DUCKDB_TYPE_FLOAT: return {double_of(at<float>(vector, row))};
    case DUCKDB_TYPE_DOUBLE: return {at<double>(vector, row)};
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_BIGNUM:
    case DUCKDB_TYPE_DECIMAL: return {Exact{scalar_text(type, vector, row)}};
    default: return is_nested(type.id) ? read_nested(type, vector, row) : Value{scalar_text(type, vector, row)};
  }
}

std::optional<std::string> read_text(const Type& type, duckdb_vector vector, idx_t row) {
  if (!is_valid(vector, row) || type.id == DUCKDB_TYPE_SQLNULL) {
    return std::nullopt;
  }
  if (!is_nested(type.id)) {
    return scalar_text(type, vector, row);
  }
  const Value value = read_nested(type, vector, row);
  if (type.id == DUCKDB_TYPE_UNION) {  // a union of scalars reads as its member does
    if (value.is_null()) {
      return std::nullopt;
    }
    if (const auto* text = std::get_if<std::string>(&value.data)) {
      return *text;
    }
  }
  return to_json(value);
}

std::string to_json(const Value& value) {
  std::string text;
  append_json(text, value);
  return text;
}

std::string to_json_string(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string json = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': json.append("\\\""); break;
      case '\\': json.append("\\\\"); break;
      case '\n': json.append("\\n"); break;
      case '\r': json.append("\\r"); break;
      case '\t': json.append("\\t"); break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          json.append("\\u00").push_back(kHex[c >> 4]);
          json.push_back(kHex[c & 15]);
        } else {
          json.push_back(c);
        }
    }
  }
  return json.append("\"");
}

}  // namespace shoplake::engine
