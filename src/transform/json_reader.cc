#include "transform/json_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/moment.h"
#include "transform/number_text.h"
#include "transform/value_checks.h"

namespace shoplake::transform {

namespace {

// Records are indexed in runs of about this many bytes: text and positions stay in the second-level cache.
constexpr std::size_t kRunBytes = 192 << 10;
// A position that no record has.
constexpr std::uint32_t kNowhere = 0xFFFFFFFF;
// Of values that the contract does not name.
constexpr int kUnknownDepthMax = 256;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Reads up to 7 bytes past the texts, which padding allows.
inline bool same_text(const char* left, const char* right, std::size_t size) {
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    std::uint64_t a;
    std::uint64_t b;
    std::memcpy(&a, left + at, 8);
    std::memcpy(&b, right + at, 8);
    if (a != b)
      return false;
  }
  if (at == size)
    return true;
  std::uint64_t a;
  std::uint64_t b;
  std::memcpy(&a, left + at, 8);
  std::memcpy(&b, right + at, 8);
  return ((a ^ b) << (64 - 8 * (size - at))) == 0;
}

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

void append_utf8(std::uint32_t code, char*& out) {
  if (code < 0x80) {
    *out++ = static_cast<char>(code);
  } else if (code < 0x800) {
    *out++ = static_cast<char>(0xC0 | code >> 6);
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out++ = static_cast<char>(0xE0 | code >> 12);
    *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
  } else {
    *out++ = static_cast<char>(0xF0 | code >> 18);
    *out++ = static_cast<char>(0x80 | (code >> 12 & 0x3F));
    *out++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *out++ = static_cast<char>(0x80 | (code & 0x3F));
  }
}

bool hex4(const char* text, const char* end, std::uint32_t& code) {
  if (end - text < 4)
    return false;
  const auto parsed = std::from_chars(text, text + 4, code, 16);
  return parsed.ec == std::errc() && parsed.ptr == text + 4 && *text != '-';
}

// Decodes the inside of a JSON string; the output is never longer than the input. False: an invalid escape.
bool unescape(std::string_view raw, char* out, std::size_t& size) {
  char* const begin = out;
  const char* at = raw.data();
  const char* const end = at + raw.size();
  while (at < end) {
    if (*at != '\\') {
      *out++ = *at++;
      continue;
    }
    if (++at == end)
      return false;
    switch (*at++) {
      case '"': *out++ = '"'; break;
      case '\\': *out++ = '\\'; break;
      case '/': *out++ = '/'; break;
      case 'b': *out++ = '\b'; break;
      case 'f': *out++ = '\f'; break;
      case 'n': *out++ = '\n'; break;
      case 'r': *out++ = '\r'; break;
      case 't': *out++ = '\t'; break;
      case 'u': {
        std::uint32_t code = 0;
        if (!hex4(at, end, code))
          return false;
        at += 4;
        if (code >= 0xD800 && code < 0xDC00) {
          std::uint32_t low = 0;
          if (end - at < 6 || at[0] != '\\' || at[1] != 'u' || !hex4(at + 2, end, low) || low < 0xDC00 || low >= 0xE000)
            return false;
          at += 6;
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC00 && code < 0xE000) {
          return false;
        }
        append_utf8(code, out);
        break;
      }
      default: return false;
    }
  }
  size = static_cast<std::size_t>(out - begin);
  return true;
}

// The keys of one object of the contract.
class KeyTable {
 public:
  static constexpr std::uint16_t kUnknown = 0xFFFF;

  void add(std::string_view name, std::uint16_t node) {
    Entry entry;
    entry.text.assign(name);
    entry.size = static_cast<std::uint32_t>(name.size());
    entry.text.append(8, '\0');  // same_text() reads whole words
    entry.node = node;
    entry.next = static_cast<std::uint16_t>(entries_.size() + 1);
    entries_.push_back(std::move(entry));
  }
  void finish() {
    std::size_t slots = 4;
    while (slots < entries_.size() * 2)
      slots *= 2;
    slots_.assign(slots, kUnknown);
    mask_ = slots - 1;
    for (std::size_t index = 0; index < entries_.size(); ++index) {
      std::size_t slot = hash_text(entries_[index].text.data(), entries_[index].size) & mask_;
      while (slots_[slot] != kUnknown)
        slot = (slot + 1) & mask_;
      slots_[slot] = static_cast<std::uint16_t>(index);
    }
    entries_.back().next = 0;
  }

  // The entry of a key, given the entry found before it in this object (kUnknown at its begin).
  std::uint16_t find(std::uint16_t previous, const char* key, std::size_t size) {
    std::uint16_t& hint = previous == kUnknown ? first_ : entries_[previous].next;
    const Entry& guess = entries_[hint];
    if (guess.size == size && same_text(guess.text.data(), key, size)) [[likely]]
      return hint;
    std::size_t slot = hash_text(key, size) & mask_;
    while (slots_[slot] != kUnknown) {
      const Entry& entry = entries_[slots_[slot]];
      if (entry.size == size && same_text(entry.text.data(), key, size)) {
        hint = slots_[slot];
        return hint;
      }
      slot = (slot + 1) & mask_;
    }
    return kUnknown;
  }
  std::uint16_t node(std::uint16_t entry) const { return entries_[entry].node; }

 private:
  struct Entry {
    std::string text;
    std::uint32_t size = 0;
    std::uint16_t node = 0;
    std::uint16_t next = 0;  // the entry that followed this one last time
  };
  std::vector<Entry> entries_;
  std::vector<std::uint16_t> slots_;
  std::size_t mask_ = 0;
  std::uint16_t first_ = 0;
};

}  // namespace

struct JsonReader::State {
  State(const contract::Contract& given_contract, RecordBuilder& given_builder, Drift& given_drift, Moments moments)
      : contract(given_contract),
        builder(given_builder),
        drift(given_drift),
        layout(given_builder.layout()),
        checks(layout),
        day_names(layout.partition_by),
        has_formats(moments == Moments::declared) {
    tables.resize(layout.nodes.size() + 1);
    element_index.resize(layout.streams.size());
    KeyTable record_table;
    for (std::size_t number = 0; number < contract.fields.size(); ++number) {
      const std::uint16_t node = layout.fields[number];
      record_table.add(layout.nodes[node].name, node);
      if (layout.nodes[node].required)
        required.push_back(node);
    }
    for (std::size_t number = 0; number < contract.fields.size(); ++number) {
      for (const std::string& place : contract.fields[number].also)
        add_place(record_table, place, layout.fields[number]);
    }
    for (std::size_t object = 0; object < objects.size(); ++object)
      tables[layout.nodes.size() + 1 + object].finish();
    record_table.finish();
    tables[layout.nodes.size()] = std::move(record_table);
    needs_client_id = contract.event_identity == contract::EventIdentity::client_id;
    partition_field = layout.partition_source;
    for (std::size_t number = 0; number < contract.fields.size(); ++number) {
      if (layout.fields[number] != partition_field)
        continue;
      partition_names = contract.fields[number].also;
      partition_names.insert(partition_names.begin(), contract.fields[number].name);
    }
    for (std::size_t node = 0; node < layout.nodes.size(); ++node) {
      if (layout.nodes[node].kind != Node::Kind::structure)
        continue;
      for (std::uint16_t child : layout.nodes[node].children)
        tables[node].add(layout.nodes[child].name, child);
      tables[node].finish();
    }
    reserve_index(kRunBytes + (64 << 10));
  }

  const contract::Contract& contract;
  RecordBuilder& builder;
  Drift& drift;
  const Layout& layout;
  ValueChecks checks;
  // A place that a field's value may also come from: a name, or one in an object that is no field itself.
  void add_place(KeyTable& record_table, const std::string& place, std::uint16_t node) {
    const std::size_t dot = place.find('.');
    if (dot == std::string::npos) {
      record_table.add(place, node);
      return;
    }
    const std::string object = place.substr(0, dot);
    std::size_t number = 0;
    while (number < objects.size() && objects[number] != object)
      ++number;
    const std::size_t table = layout.nodes.size() + 1 + number;
    if (number == objects.size()) {
      objects.push_back(object);
      tables.emplace_back();
      record_table.add(object, static_cast<std::uint16_t>(table));
    }
    tables[table].add(std::string_view(place).substr(dot + 1), node);
  }

  std::vector<KeyTable> tables;      // by node of a struct; then the record's own; then by object of `objects`
  std::vector<std::string> objects;  // names in the record of objects that only hold other places of fields
  bool needs_client_id = false;
  std::int16_t partition_field = -1;         // node of the field that the partition is, or follows from; -1: none
  std::vector<std::string> partition_names;  // its own and its other places
  std::vector<std::uint16_t> required;
  std::vector<std::uint32_t> element_index;  // by stream
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  std::size_t index_capacity = 0;
  std::int64_t accepted = 0;
  std::int64_t duplicates = 0;

  // The record being read.
  const char* text = nullptr;
  const std::uint32_t* next = nullptr;  // the next structural position
  std::uint32_t end = 0;                // of the span
  bool in_array = false;                // the records are elements of an array
  Rejection rejection;
  std::string unknown;                    // members of the JSON object of unknown fields
  std::uint32_t partition_at = kNowhere;  // where its partition's timestamp is, which is read before the other fields…
  std::int64_t partition_micros = 0;      // …and its value
  std::int64_t partition_day = 0;         // of it, or of a date
  PartitionDays day_names;
  bool has_formats;
  std::string partition_text;
  Buffer<char> unescaped;  // as large as the record before it is begun, so views of it stay
  std::string client_event_id;
  std::vector<std::pair<std::string, std::string_view>> seen;  // unknown fields, for drift

  void reserve_index(std::size_t bytes) {
    if (bytes <= index_capacity)
      return;
    parser.reset();
    const auto error = simdjson::get_active_implementation()->create_dom_parser_implementation(bytes, 64, parser);
    SHOPLAKE_CHECK(error == simdjson::SUCCESS);
    index_capacity = bytes;
  }

  // Runs simdjson's first stage; positions are relative to `begin`.
  simdjson::error_code index(const char* begin, std::size_t size) {
    reserve_index(size);
    return parser->stage1(reinterpret_cast<const std::uint8_t*>(begin), size, simdjson::stage1_mode::regular);
  }

  // --- failures; all return false so that callers can return them ---
  bool reject(std::string_view why, std::string message) {
    rejection.reason = why;
    rejection.message = std::move(message);
    return false;
  }
  [[gnu::noinline]] bool malformed(std::string_view what) {
    const std::uint32_t at = std::min(*next, end);
    return reject(reason::kMalformed, fmt::format("{} at byte {} of the record", what, at - begin_of_record));
  }
  bool reject(Rejection why) {
    rejection = std::move(why);
    return false;
  }
  [[gnu::noinline]] bool wrong_type(const Node& node, char first) {
    return reject(transform::wrong_type(node, type_name(first)));
  }
  static std::string_view type_name(char first) {
    switch (first) {
      case '{': return "an object";
      case '[': return "an array";
      case '"': return "a text that does not fit";
      case 't':
      case 'f': return "a boolean";
      default: return "a number that does not fit";
    }
  }
  [[gnu::noinline]] bool duplicate(const Node& node) {
    return reject(reason::kDuplicateField, fmt::format("{} is given twice", node.json_path));
  }
  // --- the walker ---
  std::uint32_t begin_of_record = 0;

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
  // The inside of the string that begins at `at`, a position just taken; escapes are still in it.
  bool raw_string(std::uint32_t at, std::string_view& inside) {
    const std::uint32_t close = scalar_end() - 1;
    if (close <= at || text[close] != '"') [[unlikely]]
      return malformed("a string is not closed");
    inside = std::string_view(text + at + 1, close - at - 1);
    return true;
  }
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
  bool number(std::uint32_t at, std::string_view& token, bool& is_integer) {
    const std::uint32_t token_end = scalar_end();
    if (scan_number(text + at, text + token_end, is_integer) != text + token_end)
      return malformed("a value is not JSON");
    token = std::string_view(text + at, token_end - at);
    return true;
  }

  bool leaf(std::uint16_t node_index) {
    const Node& node = layout.nodes[node_index];
    if (*next >= end)
      return malformed("the record ends early");
    const std::uint32_t at = *next++;
    const char first = text[at];
    if (first == 'n') {
      if (!is_literal(at, "null"))
        return malformed("a value is not JSON");
      return true;
    }
    switch (node.type) {
      case ColumnType::text: return text_leaf(node, node_index, at, first);
      case ColumnType::integer: return integer_leaf(node, node_index, at, first);
      case ColumnType::timestamp: {
        std::int64_t micros = partition_micros;
        if (at != partition_at && !timestamp(node, at, first, micros))
          return false;
        return builder.set_integer(node_index, micros) || duplicate(node);
      }
      case ColumnType::date: {
        std::int64_t days = partition_day;
        if (at != partition_at && !date(node, at, first, days))
          return false;
        return builder.set_integer(node_index, days) || duplicate(node);
      }
      case ColumnType::decimal: return decimal_leaf(node, node_index, at, first);
      case ColumnType::real: return real_leaf(node, node_index, at, first);
      case ColumnType::boolean: return boolean_leaf(node, node_index, at, first);
    }
    return false;
  }

  bool text_leaf(const Node& node, std::uint16_t node_index, std::uint32_t at, char first) {
    std::string_view value;
    bool is_integer = false;
    if (first == '"') [[likely]] {
      if (!string(at, value))
        return false;
    } else if (first == 't' || first == 'f') {
      if (!is_literal(at, first == 't' ? "true" : "false"))
        return malformed("a value is not JSON");
      value = first == 't' ? "true" : "false";
    } else if (first == '-' || is_digit(first)) {
      if (!number(at, value, is_integer))
        return false;
    } else {
      --next;
      return first == '{' || first == '[' ? wrong_type(node, first) : malformed("a value is expected");
    }
    if (node.is_date && !is_yyyymmdd(value))
      return reject(invalid_date(node, value));
    if (!checks.allows(node_index, value, rejection))
      return false;
    return builder.set_text(node_index, value) || duplicate(node);
  }

  bool integer_leaf(const Node& node, std::uint16_t node_index, std::uint32_t at, char first) {
    std::string_view token;
    std::int64_t value = 0;
    if (first == '"') {
      if (!string(at, token))
        return false;
      if (!to_integer(token, value))
        return wrong_type(node, first);
    } else if (first == '-' || is_digit(first)) {
      const std::uint32_t token_end = scalar_end();
      // The common case: up to 18 digits without a sign.
      const std::uint32_t size = token_end - at;
      std::uint64_t digits = 0;
      std::uint32_t taken = 0;
      if (size <= 18 && (first != '0' || size == 1)) {
        while (taken < size && is_digit(text[at + taken])) {
          digits = digits * 10 + static_cast<std::uint64_t>(text[at + taken] - '0');
          ++taken;
        }
      }
      if (taken == size) [[likely]] {
        value = static_cast<std::int64_t>(digits);
      } else {
        bool is_integer = false;
        if (!number(at, token, is_integer))
          return false;
        if (!to_integer(token, value))
          return wrong_type(node, first);
      }
    } else {
      --next;
      return first == '{' || first == '[' || first == 't' || first == 'f' ? wrong_type(node, first)
                                                                          : malformed("a value is expected");
    }
    if (!checks.allows(node_index, value, rejection)) [[unlikely]]
      return false;
    return builder.set_integer(node_index, value) || duplicate(node);
  }

  // The moment that begins at `at`, a position just taken, within the field's range.
  bool timestamp(const Node& node, std::uint32_t at, char first, std::int64_t& micros) {
    std::string_view token;
    std::optional<std::int64_t> moment;
    if (first == '"') {
      if (!string(at, token))
        return false;
      if (has_formats && !node.format.empty()) {
        moment = node.format.micros(token);
      } else {
        moment = base::parse_timestamp(token);
        if (!moment)
          moment = epoch_micros(token);
      }
    } else if (first == '-' || is_digit(first)) {
      bool is_integer = false;
      if (!number(at, token, is_integer))
        return false;
      moment = epoch_micros(token);
    } else {
      --next;
      return first == '{' || first == '[' || first == 't' || first == 'f' ? wrong_type(node, first)
                                                                          : malformed("a value is expected");
    }
    if (!moment) {
      return reject(invalid_timestamp(node, token));
    }
    if (*moment < node.min || *moment > node.max) [[unlikely]]
      return reject(out_of_range(node, *moment));
    micros = *moment;
    return true;
  }
  // The day that begins at `at`, a position just taken, within the field's range.
  bool date(const Node& node, std::uint32_t at, char first, std::int64_t& days) {
    std::string_view token;
    bool is_integer = false;
    if (first == '"') {
      if (!string(at, token))
        return false;
    } else if (is_digit(first)) {
      if (!number(at, token, is_integer))
        return false;
    } else {
      --next;
      return first == '{' || first == '[' || first == 't' || first == 'f' || first == '-'
                 ? wrong_type(node, first)
                 : malformed("a value is expected");
    }
    std::optional<std::int64_t> parsed;
    if (!has_formats || node.format.empty()) {
      parsed = base::parse_date(token);
    } else if (const auto micros = node.format.micros(token)) {
      parsed = base::day_of(*micros);
    }
    if (!parsed)
      return reject(invalid_date(node, token));
    if (*parsed < node.min || *parsed > node.max) [[unlikely]]
      return reject(out_of_range(node, *parsed));
    days = *parsed;
    return true;
  }

  bool decimal_leaf(const Node& node, std::uint16_t node_index, std::uint32_t at, char first) {
    std::string_view token;
    bool is_integer = false;
    if (first == '"') {
      if (!string(at, token))
        return false;
    } else if (first == '-' || is_digit(first)) {
      if (!number(at, token, is_integer))
        return false;
    } else {
      --next;
      return first == '{' || first == '[' || first == 't' || first == 'f' ? wrong_type(node, first)
                                                                          : malformed("a value is expected");
    }
    const auto value = contract::parse_decimal(token, node.decimal);
    if (!value)
      return wrong_type(node, first);
    if (!checks.allows(node_index, *value, rejection)) [[unlikely]]
      return false;
    return builder.set_integer(node_index, *value) || duplicate(node);
  }

  bool real_leaf(const Node& node, std::uint16_t node_index, std::uint32_t at, char first) {
    std::string_view token;
    bool is_integer = false;
    double value = 0;
    if (first == '"') {
      if (!string(at, token))
        return false;
      const char* token_end = token.data() + token.size();
      if (token == "NaN") {
        value = std::numeric_limits<double>::quiet_NaN();
      } else if (token == "Infinity" || token == "-Infinity") {
        value = token[0] == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
      } else if (token.empty() || scan_number(token.data(), token_end, is_integer) != token_end ||
                 !to_real(token, value)) {
        return wrong_type(node, first);
      }
    } else if (first == '-' || is_digit(first)) {
      if (!number(at, token, is_integer))
        return false;
      if (!to_real(token, value))
        return wrong_type(node, first);
    } else {
      --next;
      return first == '{' || first == '[' || first == 't' || first == 'f' ? wrong_type(node, first)
                                                                          : malformed("a value is expected");
    }
    if (!checks.allows(node_index, value, rejection)) [[unlikely]]
      return false;
    return builder.set_real(node_index, value) || duplicate(node);
  }

  bool boolean_leaf(const Node& node, std::uint16_t node_index, std::uint32_t at, char first) {
    std::string_view token;
    bool value = false;
    if (first == 't' || first == 'f') {
      value = first == 't';
      if (!is_literal(at, value ? "true" : "false"))
        return malformed("a value is not JSON");
    } else if (first == '"') {
      if (!string(at, token))
        return false;
      if (token != "true" && token != "false")
        return wrong_type(node, first);
      value = token == "true";
    } else {
      --next;
      return first == '{' || first == '[' || first == '-' || is_digit(first) ? wrong_type(node, first)
                                                                             : malformed("a value is expected");
    }
    return builder.set_boolean(node_index, value) || duplicate(node);
  }

  bool value(std::uint16_t node_index) {
    const Node& node = layout.nodes[node_index];
    if (node.treatment == contract::Treatment::drop && node.role == Role::none) [[unlikely]]
      return pass_over_value();
    if (node.kind == Node::Kind::leaf || node.kind == Node::Kind::dropped)
      return leaf(node_index);
    const char first = peek();
    if (first == 'n') {
      const std::uint32_t at = *next++;
      return is_literal(at, "null") || malformed("a value is not JSON");
    }
    if (node.kind == Node::Kind::structure) {
      if (first != '{')
        return bad_container(node, first);
      if (!builder.open_struct(node_index))
        return duplicate(node);
      return object(tables[node_index], node_index);
    }
    if (first != '[')
      return bad_container(node, first);
    return list(node_index);
  }

  // The value at `next` of an object that only holds other places of fields.
  bool place_object(std::uint16_t table) {
    const char first = peek();
    if (first == '{')
      return object(tables[table], table);
    if (first != 'n')
      return unknown_field(-1, objects[table - layout.nodes.size() - 1]);
    const std::uint32_t at = *next++;
    return is_literal(at, "null") || malformed("a value is not JSON");
  }

  // Checks a value by the grammar and forgets it.
  bool pass_over_value() {
    const std::size_t size = unknown.size();
    const bool well_formed = copy_value(kUnknownDepthMax);
    unknown.resize(size);
    return well_formed;
  }

  bool bad_container(const Node& node, char first) {
    if (first == '{' || first == '[' || first == '"' || first == 't' || first == 'f' || first == '-' || is_digit(first))
      return wrong_type(node, first);
    return malformed(first == '\0' ? "the record ends early" : "a value is expected");
  }

  bool list(std::uint16_t node_index) {
    const Node& node = layout.nodes[node_index];
    ++next;  // [
    if (peek() == ']') {
      ++next;
      return builder.set_empty_list(node_index) || duplicate(node);
    }
    if (!builder.open_list(node_index))
      return duplicate(node);
    const std::uint16_t element = node.children.front();
    const bool of_structs = layout.nodes[element].kind == Node::Kind::structure;
    std::uint32_t& index = element_index[node.child_stream];
    index = 0;
    while (true) {
      const char first = peek();
      if (first == 'n') {
        builder.open_element(node_index, false);
        const std::uint32_t at = *next++;
        if (!is_literal(at, "null"))
          return malformed("a value is not JSON");
      } else if (of_structs) {
        if (first != '{')
          return bad_container(layout.nodes[element], first);
        builder.open_element(node_index, true);
        if (!object(tables[element], element))
          return false;
      } else {
        builder.open_element(node_index, true);
        if (!leaf(element))
          return false;
      }
      const char separator = peek();
      ++index;
      if (separator == ',') {
        ++next;
        continue;
      }
      if (separator != ']')
        return malformed("a comma or ] is expected");
      ++next;
      return true;
    }
  }

  // The object at `next`; `node` is the struct, -1 for the record, or the table of one of `objects`.
  bool object(KeyTable& table, int node) {
    ++next;  // {
    if (peek() == '}') {
      ++next;
      return true;
    }
    std::uint16_t previous = KeyTable::kUnknown;
    while (true) {
      if (peek() != '"')
        return malformed("a key is expected");
      const std::uint32_t at = *next++;
      std::string_view key;
      if (!raw_string(at, key))
        return false;
      if (peek() != ':')
        return malformed("a colon is expected");
      ++next;
      std::uint16_t entry = table.find(previous, key.data(), key.size());
      if (entry == KeyTable::kUnknown && has_backslash(key.data(), key.size())) {
        if (!string_again(key))
          return false;
        entry = table.find(previous, key.data(), key.size());
      }
      if (entry == KeyTable::kUnknown) {
        if (!unknown_field(node, key))
          return false;
      } else {
        previous = entry;
        const std::uint16_t found = table.node(entry);
        if (!(found < layout.nodes.size() ? value(found) : place_object(found)))
          return false;
      }
      const char separator = peek();
      if (separator == ',') [[likely]] {
        ++next;
        continue;
      }
      if (separator != '}')
        return malformed("a comma or } is expected");
      ++next;
      return true;
    }
  }

  bool string_again(std::string_view& raw) {
    char* place = unescaped.end();
    std::size_t size = 0;
    if (!unescape(raw, place, size))
      return malformed("a key has an invalid escape");
    std::memset(place + size, 0, 8);  // keys are compared by whole words; the slack behind the record's size holds them
    unescaped.extend(size);
    raw = std::string_view(place, size);
    return true;
  }

  // Keeps a field that the contract does not name: "path": value in the object of unknown fields.
  [[gnu::noinline]] bool unknown_field(int node, std::string_view key) {
    const char first = peek();
    const std::string_view type = first == '"'                   ? "string"
                                  : first == '{'                 ? "object"
                                  : first == '['                 ? "array"
                                  : first == 'n'                 ? "null"
                                  : first == 't' || first == 'f' ? "boolean"
                                                                 : "number";
    std::string path;
    std::string indexed;
    if (node >= static_cast<int>(layout.nodes.size())) {
      path = indexed = objects[static_cast<std::size_t>(node) - layout.nodes.size() - 1] + ".";
    } else if (node >= 0) {
      path = layout.nodes[node].json_path + ".";
      indexed = indexed_path(node) + ".";
    }
    path += key;
    indexed += key;
    if (unknown.size() > 1)
      unknown.push_back(',');
    append_json_string(unknown, indexed);
    unknown.push_back(':');
    const std::size_t value_at = unknown.size();
    if (!copy_value(kUnknownDepthMax))
      return false;
    seen.emplace_back(std::move(path), type);
    if (node < 0 && (type == "string" || type == "number")) {
      for (const std::string& name : builder.client_event_id_names()) {
        if (name != key)
          continue;
        if (type == "string") {
          std::string_view inside(unknown.data() + value_at + 1, unknown.size() - value_at - 2);
          std::string decoded(inside.size(), '\0');
          std::size_t size = 0;
          if (!unescape(inside, decoded.data(), size))
            return malformed("a string has an invalid escape");
          client_event_id.assign(decoded, 0, size);
        } else {
          client_event_id.assign(unknown, value_at);
        }
        if (!client_event_id.empty())
          builder.set_client_event_id(client_event_id);
      }
    }
    return true;
  }

  std::string indexed_path(int node) const {
    const Node& description = layout.nodes[node];
    if (description.parent < 0)
      return description.name;
    if (description.is_element)
      return fmt::format("{}[{}]", indexed_path(description.parent), element_index[description.stream]);
    return indexed_path(description.parent) + "." + description.name;
  }

  // Checks the value at `next` by the grammar and appends it without white space to `unknown`.
  bool copy_value(int depth) {
    if (depth == 0)
      return malformed("a value nests too deeply");
    if (*next >= end)
      return malformed("the record ends early");
    const std::uint32_t at = *next++;
    std::string_view token;
    bool is_integer = false;
    switch (text[at]) {
      case '"': return copy_string(at);
      case 't': token = "true"; break;
      case 'f': token = "false"; break;
      case 'n': token = "null"; break;
      case '[':
      case '{': {
        const bool is_object = text[at] == '{';
        const char close = is_object ? '}' : ']';
        unknown.push_back(text[at]);
        if (peek() == close) {
          ++next;
          unknown.push_back(close);
          return true;
        }
        while (true) {
          if (is_object) {
            if (peek() != '"')
              return malformed("a key is expected");
            if (!copy_string(*next++))
              return false;
            if (peek() != ':')
              return malformed("a colon is expected");
            ++next;
            unknown.push_back(':');
          }
          if (!copy_value(depth - 1))
            return false;
          const char separator = peek();
          ++next;
          if (separator == ',') {
            unknown.push_back(',');
            continue;
          }
          if (separator != close) {
            --next;
            return malformed("a comma or a closing bracket is expected");
          }
          unknown.push_back(close);
          return true;
        }
      }
      default:
        if (text[at] != '-' && !is_digit(text[at])) {
          --next;
          return malformed("a value is expected");
        }
        if (!number(at, token, is_integer))
          return false;
        unknown.append(token);
        return true;
    }
    if (!is_literal(at, token))
      return malformed("a value is not JSON");
    unknown.append(token);
    return true;
  }

  bool copy_string(std::uint32_t at) {
    std::string_view inside;
    if (!raw_string(at, inside))
      return false;
    if (has_backslash(inside.data(), inside.size())) {
      std::string decoded(inside.size(), '\0');
      std::size_t size = 0;
      if (!unescape(inside, decoded.data(), size))
        return malformed("a string has an invalid escape");
    }
    unknown.push_back('"');
    unknown.append(inside);
    unknown.push_back('"');
    return true;
  }

  // Whether the key at `at` is one of the partition field's.
  bool is_partition_key(const std::uint32_t* at) const {
    const char* const key = text + *at + 1;
    const std::size_t room = at[1] - *at;
    for (const std::string& name : partition_names) {
      if (room >= name.size() + 2 && key[name.size()] == '"' && std::memcmp(key, name.data(), name.size()) == 0)
        return true;
    }
    return false;
  }

  // The partition of the record at `next`, from the field that is looked for at its top level.
  bool find_partition(std::string_view& partition) {
    if (partition_field < 0)
      return true;
    const Node& field = layout.nodes[static_cast<std::size_t>(partition_field)];
    const std::uint32_t* const begin = next;
    int depth = 0;
    bool found = false;
    for (const std::uint32_t* at = begin; *at < end; ++at) {
      const char c = text[*at];
      if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (--depth <= 0)
          break;
      } else if (c == '"' && depth == 1 && at[1] < end && text[at[1]] == ':' && is_partition_key(at)) {
        found = at[2] < end && text[at[2]] != 'n';
        next = at + 2;
        if (found)
          break;
      }
    }
    const bool fits = found && (field.type == ColumnType::text ? partition_of_text(field, partition)
                                                               : partition_of_time(field, partition));
    next = begin;
    return found ? fits : reject(missing_field(field.name));
  }
  bool partition_of_time(const Node& field, std::string_view& partition) {
    const std::uint32_t at = *next++;
    std::int64_t day = 0;
    if (field.type == ColumnType::date) {
      if (!date(field, at, text[at], day))
        return false;
    } else {
      if (!timestamp(field, at, text[at], partition_micros))
        return false;
      day = base::day_of(partition_micros);
    }
    partition_at = at;
    partition_day = day;
    partition = day_names.name(day);
    return true;
  }
  bool partition_of_text(const Node& field, std::string_view& partition) {
    const std::uint32_t at = *next++;
    bool is_integer = false;
    bool fits = false;
    if (text[at] == '"') {
      fits = string(at, partition);
    } else if (is_digit(text[at])) {
      fits = number(at, partition, is_integer);
    }
    if (!fits || !is_yyyymmdd(partition))
      return reject(reason::kInvalidDate, fmt::format("{} is not a day as YYYYMMDD", field.name));
    // The text may be moved by unescaping.
    partition_text = partition;
    partition = partition_text;
    return true;
  }

  // Whether a record may end before `next`: the span ends, or another record follows.
  bool ends_here() const {
    if (*next >= end)
      return true;
    const char c = text[*next];
    return in_array ? c == ',' || c == ']' : c == '{' || c == '[';
  }

  // The record at `next`.
  bool record(const RecordSpan& span, std::int64_t line) {
    unknown.clear();
    seen.clear();
    unescaped.clear();
    unescaped.extend(span.length + 64);
    unescaped.clear();
    begin_of_record = *next;
    partition_at = kNowhere;
    const char first = peek();
    if (first != '{') {
      if (first == '\0')
        return reject(reason::kMalformed, "the record is empty");
      const std::string_view type = first == '['                   ? "an array"
                                    : first == '"'                 ? "a string"
                                    : first == 'n'                 ? "null"
                                    : first == 't' || first == 'f' ? "a boolean"
                                                                   : "a number";
      if (!copy_value(kUnknownDepthMax))
        return false;
      if (!ends_here())
        return malformed("something follows the value");
      return reject(reason::kNotAnObject, fmt::format("the record is {}, not an object", type));
    }
    std::string_view partition;
    if (!find_partition(partition)) {
      // The more basic mistake is the better message.
      const std::uint32_t* const begin = next;
      Rejection missing = std::move(rejection);
      const bool well_formed = copy_value(kUnknownDepthMax) && ends_here();
      if (well_formed) {
        rejection = std::move(missing);
      } else if (rejection.reason != reason::kMalformed) {
        malformed("something follows the object");
      }
      next = begin;
      return false;
    }
    if (!builder.begin(partition)) {
      return reject(reason::kTooManyPartitions,
                    fmt::format("{} would be the day number {} of this load", partition, kPartitionsMax + 1));
    }
    unknown.push_back('{');
    bool accepted_record = object(tables[layout.nodes.size()], -1);
    if (accepted_record && !ends_here())
      accepted_record = malformed("something follows the object");
    if (accepted_record) {
      for (std::uint16_t node : required) {
        if (builder.has_value(node))
          continue;
        accepted_record = reject(missing_field(layout.nodes[node].name));
        break;
      }
    }
    if (accepted_record && needs_client_id && !builder.has_client_event_id())
      accepted_record = reject(reason::kMissingField, fmt::format("{} is empty", contract.event_id_column()));
    if (accepted_record)
      accepted_record = builder.accepts_key(rejection);
    if (!accepted_record) {
      builder.reject();
      return false;
    }
    if (unknown.size() > 1 && contract.unknown_fields_treatment != contract::Treatment::drop) {
      unknown.push_back('}');
    } else {
      unknown.clear();
    }
    const std::size_t bytes = std::min(*next, end) - begin_of_record;
    if (!builder.finish({line, span.received_at_micros, bytes, unknown})) {
      ++duplicates;
      return true;
    }
    for (const auto& [path, type] : seen)
      drift.add(path, type);
    ++accepted;
    return true;
  }

  // Moves from the rejected record at `begin` to what follows it. Returns the position where it ends.
  std::uint32_t pass_over(const std::uint32_t* begin) {
    int depth = 0;
    next = begin;
    do {
      const char c = text[*next++];
      if (c == '{' || c == '[')
        ++depth;
      else if (c == '}' || c == ']')
        --depth;
    } while (depth > 0 && *next < end);
    if (depth == 0 && ends_here())
      return std::min(*next, end);
    // Its end is not known: it may have lost a brace or have one too many. A new line is the next chance.
    const void* newline = std::memchr(text + *begin, '\n', end - *begin);
    const std::uint32_t stop =
        newline == nullptr ? end : static_cast<std::uint32_t>(static_cast<const char*>(newline) - text);
    next = begin;
    while (*next < stop)
      ++next;
    in_array = false;
    return stop;
  }

  // Reads a span by itself. False: it has no structure, and its text is not JSON.
  bool alone(const char* block, const RecordSpan& span, std::int64_t line, const OnRejection& on_rejection) {
    text = block + span.offset;
    const simdjson::error_code error = index(text, span.length);
    if (error == simdjson::SUCCESS) {
      next = parser->structural_indexes.get();
      end = span.length;
      records(span, span.offset, line, on_rejection);
      return true;
    }
    if (error == simdjson::UTF8_ERROR) {
      reject(reason::kInvalidUtf8, "the record is not valid UTF-8");
    } else {
      reject(reason::kMalformed, error == simdjson::UNCLOSED_STRING ? "a string is not closed"
                                 : error == simdjson::UNESCAPED_CHARS
                                     ? "a string has a control character that is not escaped"
                                     : "the record has no structure");
    }
    return error == simdjson::EMPTY;  // a blank line
  }

  // Reads a span of a run of which some record is not text or leaves a string open: by itself, and if it is the one,
  // line by line.
  void apart(const char* block, const RecordSpan& span, std::int64_t line, const OnRejection& on_rejection) {
    if (alone(block, span, line, on_rejection))
      return;
    const std::uint32_t span_end = span.offset + span.length;
    std::uint32_t at = span.offset;
    while (at < span_end) {
      const void* newline = std::memchr(block + at, '\n', span_end - at);
      const std::uint32_t stop =
          newline == nullptr ? span_end : static_cast<std::uint32_t>(static_cast<const char*>(newline) - block);
      RecordSpan part = span;
      part.offset = at;
      part.length = stop - at;
      if (part.length > 0 && !alone(block, part, line, on_rejection))
        on_rejection(part, rejection);
      at = stop + 1;
    }
  }

  // The records of a span, whose structure is indexed up to `end`; `origin` is where `text` begins in the block.
  void records(const RecordSpan& span, std::uint32_t origin, std::int64_t line, const OnRejection& on_rejection) {
    in_array = false;
    const auto report = [&](std::uint32_t begin, std::uint32_t stop) {
      while (stop > begin && is_space(text[stop - 1]))
        --stop;
      RecordSpan rejected = span;
      rejected.offset = origin + begin;
      rejected.length = stop - begin;
      on_rejection(rejected, rejection);
    };
    while (*next < end) {
      if (!in_array && peek() == '[' && next[1] < end && text[next[1]] == '{') {
        in_array = true;
        ++next;
      }
      const std::uint32_t* const begin = next;
      if (!record(span, line))
        report(*begin, pass_over(begin));
      if (!in_array)
        continue;
      const char separator = peek();
      if (separator == ',' || separator == ']')
        ++next;
      in_array = separator == ',';
      if (*next >= end && separator != ']') {
        reject(reason::kMalformed, "the array is not closed");
        report(end, end);
      }
    }
  }
};

JsonReader::JsonReader(const contract::Contract& contract, RecordBuilder& builder, Drift& drift, Moments moments)
    : state_(std::make_unique<State>(contract, builder, drift, moments)) {}
JsonReader::~JsonReader() = default;

std::int64_t JsonReader::accepted() const { return state_->accepted; }
std::int64_t JsonReader::duplicates() const { return state_->duplicates; }

void JsonReader::read(const char* block, const std::vector<RecordSpan>& records, std::int64_t first_line,
                      const OnRejection& on_rejection) {
  State& state = *state_;
  std::size_t first = 0;
  while (first < records.size()) {
    // A run of records that are indexed at once; a single large one is a run of its own.
    const std::uint32_t run_begin = records[first].offset;
    std::size_t last = first;
    while (last + 1 < records.size() && records[last + 1].offset + records[last + 1].length - run_begin <= kRunBytes)
      ++last;
    const std::uint32_t run_end = records[last].offset + records[last].length;
    state.text = block + run_begin;
    const bool indexed = state.index(block + run_begin, run_end - run_begin) == simdjson::SUCCESS;
    state.next = state.parser->structural_indexes.get();
    for (std::size_t number = first; number <= last; ++number) {
      const RecordSpan& span = records[number];
      const std::int64_t line = first_line + span.line;
      if (indexed) {
        const std::uint32_t begin = span.offset - run_begin;
        while (*state.next < begin)
          ++state.next;
        state.end = begin + span.length;
        if (*state.next < state.end) {
          state.records(span, run_begin, line, on_rejection);
        } else {
          state.reject(reason::kMalformed, "the record is empty");
          on_rejection(span, state.rejection);
        }
        continue;
      }
      state.apart(block, span, line, on_rejection);
    }
    first = last + 1;
  }
}

}  // namespace shoplake::transform
