#include "transform/json_reader.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <simdjson.h>

#include "transform/json_cursor.h"
#include "transform/json_leaves.h"
#include "transform/json_partition.h"
#include "transform/json_unknown_fields.h"
#include "transform/key_table.h"
#include "transform/structure_memo.h"

namespace shoplake::transform {

namespace {

// Records are indexed in runs of about this many bytes: text and positions stay in the second-level cache.
constexpr std::size_t kRunBytes = 192 << 10;

}  // namespace

struct JsonReader::State {
  State(const contract::Contract& given_contract, RecordBuilder& given_builder, Drift& given_drift, Moments moments)
      : contract(given_contract),
        builder(given_builder),
        drift(given_drift),
        layout(given_builder.layout()),
        leaves(builder, moments == Moments::declared),
        partition_of(contract, layout),
        unknown(builder),
        memo(builder) {
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
  std::vector<std::uint16_t> required;
  std::vector<std::uint32_t> element_index;  // by stream
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  std::size_t index_capacity = 0;
  std::int64_t accepted = 0;
  std::int64_t duplicates = 0;

  // The record being read.
  JsonCursor cursor;
  JsonLeaves leaves;
  JsonPartition partition_of;
  JsonUnknownFields unknown;
  StructureMemo memo;
  std::uint64_t unknown_fields = 0;  // met so far

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

  bool value(std::uint16_t node_index) {
    const Node& node = layout.nodes[node_index];
    if (node.treatment == contract::Treatment::drop && node.role == Role::none) [[unlikely]]
      return unknown.pass_over(cursor);
    if (node.kind == Node::Kind::leaf || node.kind == Node::Kind::dropped)
      return leaves.leaf(cursor, node_index);
    const char first = cursor.peek();
    if (first == 'n') {
      const std::uint32_t at = *cursor.next++;
      return cursor.is_literal(at, "null") || cursor.malformed("a value is not JSON");
    }
    if (node.kind == Node::Kind::structure) {
      if (first != '{')
        return bad_container(node, first);
      if (!builder.open_struct(node_index))
        return cursor.duplicate(node);
      return structure(node_index);
    }
    if (first != '[')
      return bad_container(node, first);
    return list(node_index);
  }

  // The value at `next` of an object that only holds other places of fields.
  bool place_object(std::uint16_t table) {
    const char first = cursor.peek();
    if (first == '{')
      return object(tables[table], table);
    if (first != 'n')
      return unknown_field(-1, objects[table - layout.nodes.size() - 1]);
    const std::uint32_t at = *cursor.next++;
    return cursor.is_literal(at, "null") || cursor.malformed("a value is not JSON");
  }

  bool bad_container(const Node& node, char first) {
    if (first == '{' || first == '[' || first == '"' || first == 't' || first == 'f' || first == '-' || is_digit(first))
      return cursor.wrong_type(node, first);
    return cursor.malformed(first == '\0' ? "the record ends early" : "a value is expected");
  }

  bool list(std::uint16_t node_index) {
    const Node& node = layout.nodes[node_index];
    ++cursor.next;  // [
    if (cursor.peek() == ']') {
      ++cursor.next;
      return builder.set_empty_list(node_index) || cursor.duplicate(node);
    }
    if (!builder.open_list(node_index))
      return cursor.duplicate(node);
    const std::uint16_t element = node.children.front();
    const bool of_structs = layout.nodes[element].kind == Node::Kind::structure;
    std::uint32_t& index = element_index[node.child_stream];
    index = 0;
    while (true) {
      const char first = cursor.peek();
      if (first == 'n') {
        builder.open_element(node_index, false);
        const std::uint32_t at = *cursor.next++;
        if (!cursor.is_literal(at, "null"))
          return cursor.malformed("a value is not JSON");
      } else if (of_structs) {
        if (first != '{')
          return bad_container(layout.nodes[element], first);
        builder.open_element(node_index, true);
        if (!structure(element))
          return false;
      } else {
        builder.open_element(node_index, true);
        if (!leaves.leaf(cursor, element))
          return false;
      }
      const char separator = cursor.peek();
      ++index;
      if (separator == ',') {
        ++cursor.next;
        continue;
      }
      if (separator != ']')
        return cursor.malformed("a comma or ] is expected");
      ++cursor.next;
      return true;
    }
  }

  // The object at `next` of a struct, which is open: if its text is known, without parsing it.
  bool structure(std::uint16_t node) {
    const std::uint32_t* const begin = cursor.next;
    const std::uint32_t* end = begin;
    StructureMemo::Question question;
    if (memo.takes(node)) {
      const std::uint32_t element = element_index[layout.nodes[node].stream];
      const std::string_view rest(cursor.text + *begin, cursor.end - *begin);
      const StructureMemo::Structure* known = memo.same_as_last(node, element, rest);
      if (known == nullptr) {
        end = end_of_structure(begin);
        if (end != nullptr)
          known = memo.find(node, element, rest.substr(0, end[-1] + 1 - *begin), question);
      }
      if (known != nullptr) {
        cursor.next = begin + known->positions;
        builder.repeat(node, known->number);
        return true;
      }
    }
    builder.settle(node);
    const std::uint64_t unknown_before = unknown_fields;
    if (!object(tables[node], node))
      return false;
    if (!question.text.empty() && cursor.next == end && unknown_fields == unknown_before)
      memo.remember(node, question, static_cast<std::uint32_t>(end - begin));
    return true;
  }

  // Where the object that begins at `begin` ends: the position after its last brace. Null: it is not closed, or longer
  // than what the memo takes.
  const std::uint32_t* end_of_structure(const std::uint32_t* begin) const {
    const std::uint32_t stop = std::min<std::uint32_t>(cursor.end, *begin + StructureMemo::kTextBytesMax);
    int depth = 0;
    do {
      const char c = cursor.text[*begin++];
      depth += static_cast<int>(c == '{') - static_cast<int>(c == '}');
    } while (depth > 0 && *begin < stop);
    return depth > 0 ? nullptr : begin;
  }

  // The object at `next`; `node` is the struct, -1 for the record, or the table of one of `objects`.
  bool object(KeyTable& table, int node) {
    ++cursor.next;  // {
    if (cursor.peek() == '}') {
      ++cursor.next;
      return true;
    }
    std::uint16_t previous = KeyTable::kUnknown;
    while (true) {
      if (cursor.peek() != '"')
        return cursor.malformed("a key is expected");
      const std::uint32_t at = *cursor.next++;
      std::string_view key;
      if (!cursor.raw_string(at, key))
        return false;
      if (cursor.peek() != ':')
        return cursor.malformed("a colon is expected");
      ++cursor.next;
      std::uint16_t entry = table.find(previous, key.data(), key.size());
      if (entry == KeyTable::kUnknown && has_backslash(key.data(), key.size())) {
        if (!cursor.decoded_key(key))
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
      const char separator = cursor.peek();
      if (separator == ',') [[likely]] {
        ++cursor.next;
        continue;
      }
      if (separator != '}')
        return cursor.malformed("a comma or } is expected");
      ++cursor.next;
      return true;
    }
  }

  // Keeps a field that the contract does not name: "path": value in the object of unknown fields.
  [[gnu::noinline]] bool unknown_field(int node, std::string_view key) {
    ++unknown_fields;
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
    return unknown.keep(cursor, {std::move(path), std::move(indexed), key, node < 0});
  }

  std::string indexed_path(int node) const {
    const Node& description = layout.nodes[node];
    if (description.parent < 0)
      return description.name;
    if (description.is_element)
      return fmt::format("{}[{}]", indexed_path(description.parent), element_index[description.stream]);
    return indexed_path(description.parent) + "." + description.name;
  }

  // The record at `next`.
  bool record(const RecordSpan& span, std::int64_t line) {
    leaves.begin_record();
    unknown.begin_record();
    cursor.unescaped.clear();
    cursor.unescaped.extend(span.length + 64);
    cursor.unescaped.clear();
    cursor.begin_of_record = *cursor.next;
    const char first = cursor.peek();
    if (first != '{') {
      if (first == '\0')
        return cursor.reject(reason::kMalformed, "the record is empty");
      const std::string_view type = first == '['                   ? "an array"
                                    : first == '"'                 ? "a string"
                                    : first == 'n'                 ? "null"
                                    : first == 't' || first == 'f' ? "a boolean"
                                                                   : "a number";
      if (!unknown.pass_over(cursor))
        return false;
      if (!cursor.ends_here())
        return cursor.malformed("something follows the value");
      return cursor.reject(reason::kNotAnObject, fmt::format("the record is {}, not an object", type));
    }
    std::string_view partition;
    if (!partition_of.find(cursor, leaves, partition)) {
      // The more basic mistake is the better message.
      const std::uint32_t* const begin = cursor.next;
      Rejection missing = std::move(cursor.rejection);
      const bool well_formed = unknown.pass_over(cursor) && cursor.ends_here();
      if (well_formed) {
        cursor.rejection = std::move(missing);
      } else if (cursor.rejection.reason != reason::kMalformed) {
        cursor.malformed("something follows the object");
      }
      cursor.next = begin;
      return false;
    }
    if (!builder.begin(partition)) {
      return cursor.reject(reason::kTooManyPartitions,
                           fmt::format("{} would be the day number {} of this load", partition, kPartitionsMax + 1));
    }
    bool accepted_record = object(tables[layout.nodes.size()], -1);
    if (accepted_record && !cursor.ends_here())
      accepted_record = cursor.malformed("something follows the object");
    if (accepted_record) {
      for (std::uint16_t node : required) {
        if (builder.has_value(node))
          continue;
        accepted_record = cursor.reject(missing_field(layout.nodes[node].name));
        break;
      }
    }
    if (accepted_record && needs_client_id && !builder.has_client_event_id())
      accepted_record = cursor.reject(reason::kMissingField, fmt::format("{} is empty", contract.event_id_column()));
    if (accepted_record)
      accepted_record = builder.accepts_key(cursor.rejection);
    if (!accepted_record) {
      builder.reject();
      return false;
    }
    const bool keeps_unknown = contract.unknown_fields_treatment != contract::Treatment::drop;
    const std::size_t bytes = std::min(*cursor.next, cursor.end) - cursor.begin_of_record;
    if (!builder.finish(
            {line, span.received_at_micros, bytes, keeps_unknown ? unknown.object() : std::string_view()})) {
      ++duplicates;
      return true;
    }
    unknown.report(drift);
    ++accepted;
    return true;
  }

  // Moves from the rejected record at `begin` to what follows it. Returns the position where it ends.
  std::uint32_t pass_over(const std::uint32_t* begin) {
    int depth = 0;
    cursor.next = begin;
    do {
      const char c = cursor.text[*cursor.next++];
      if (c == '{' || c == '[')
        ++depth;
      else if (c == '}' || c == ']')
        --depth;
    } while (depth > 0 && *cursor.next < cursor.end);
    if (depth == 0 && cursor.ends_here())
      return std::min(*cursor.next, cursor.end);
    // Its end is not known: it may have lost a brace or have one too many. A new line is the next chance.
    const void* newline = std::memchr(cursor.text + *begin, '\n', cursor.end - *begin);
    const std::uint32_t stop =
        newline == nullptr ? cursor.end : static_cast<std::uint32_t>(static_cast<const char*>(newline) - cursor.text);
    cursor.next = begin;
    while (*cursor.next < stop)
      ++cursor.next;
    cursor.in_array = false;
    return stop;
  }

  // Reads a span by itself. False: it has no structure, and its text is not JSON.
  bool alone(const char* block, const RecordSpan& span, std::int64_t line, const OnRejection& on_rejection) {
    cursor.text = block + span.offset;
    const simdjson::error_code error = index(cursor.text, span.length);
    if (error == simdjson::SUCCESS) {
      cursor.next = parser->structural_indexes.get();
      cursor.end = span.length;
      records(span, span.offset, line, on_rejection);
      return true;
    }
    if (error == simdjson::UTF8_ERROR) {
      cursor.reject(reason::kInvalidUtf8, "the record is not valid UTF-8");
    } else {
      cursor.reject(reason::kMalformed, error == simdjson::UNCLOSED_STRING ? "a string is not closed"
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
        on_rejection(part, cursor.rejection);
      at = stop + 1;
    }
  }

  // The records of a span, whose structure is indexed up to `end`; `origin` is where `text` begins in the block.
  void records(const RecordSpan& span, std::uint32_t origin, std::int64_t line, const OnRejection& on_rejection) {
    cursor.in_array = false;
    const auto report = [&](std::uint32_t begin, std::uint32_t stop) {
      while (stop > begin && is_space(cursor.text[stop - 1]))
        --stop;
      RecordSpan rejected = span;
      rejected.offset = origin + begin;
      rejected.length = stop - begin;
      on_rejection(rejected, cursor.rejection);
    };
    while (*cursor.next < cursor.end) {
      if (!cursor.in_array && cursor.peek() == '[' && cursor.next[1] < cursor.end &&
          cursor.text[cursor.next[1]] == '{') {
        cursor.in_array = true;
        ++cursor.next;
      }
      const std::uint32_t* const begin = cursor.next;
      if (!record(span, line))
        report(*begin, pass_over(begin));
      if (!cursor.in_array)
        continue;
      const char separator = cursor.peek();
      if (separator == ',' || separator == ']')
        ++cursor.next;
      cursor.in_array = separator == ',';
      if (*cursor.next >= cursor.end && separator != ']') {
        cursor.reject(reason::kMalformed, "the array is not closed");
        report(cursor.end, cursor.end);
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
    state.cursor.text = block + run_begin;
    const bool indexed = state.index(block + run_begin, run_end - run_begin) == simdjson::SUCCESS;
    state.cursor.next = state.parser->structural_indexes.get();
    for (std::size_t number = first; number <= last; ++number) {
      const RecordSpan& span = records[number];
      const std::int64_t line = first_line + span.line;
      if (indexed) {
        const std::uint32_t begin = span.offset - run_begin;
        while (*state.cursor.next < begin)
          ++state.cursor.next;
        state.cursor.end = begin + span.length;
        if (*state.cursor.next < state.cursor.end) {
          state.records(span, run_begin, line, on_rejection);
        } else {
          state.cursor.reject(reason::kMalformed, "the record is empty");
          on_rejection(span, state.cursor.rejection);
        }
        continue;
      }
      state.apart(block, span, line, on_rejection);
    }
    first = last + 1;
  }
}

}  // namespace shoplake::transform
