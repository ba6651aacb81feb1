#include "transform/json_partition.h"

#include <cstring>

#include <fmt/format.h>

#include "base/moment.h"

namespace shoplake::transform {

JsonPartition::JsonPartition(const contract::Contract& contract, const Layout& layout)
    : layout_(layout), field_(layout.partition_source), day_names_(layout.partition_by) {
  for (std::size_t number = 0; number < contract.fields.size(); ++number) {
    if (layout_.fields[number] != field_)
      continue;
    names_ = contract.fields[number].also;
    names_.insert(names_.begin(), contract.fields[number].name);
  }
}

// Whether the key at `at` is one of the partition field's.
bool JsonPartition::is_key(const JsonCursor& cursor, const std::uint32_t* at) const {
  const char* const key = cursor.text + *at + 1;
  const std::size_t room = at[1] - *at;
  for (const std::string& name : names_) {
    if (room >= name.size() + 2 && key[name.size()] == '"' && std::memcmp(key, name.data(), name.size()) == 0)
      return true;
  }
  return false;
}

bool JsonPartition::find(JsonCursor& cursor, JsonLeaves& leaves, std::string_view& partition) {
  if (field_ < 0)
    return true;
  const Node& field = layout_.nodes[static_cast<std::size_t>(field_)];
  const std::uint32_t* const begin = cursor.next;
  int depth = 0;
  bool found = false;
  for (const std::uint32_t* at = begin; *at < cursor.end; ++at) {
    const char c = cursor.text[*at];
    if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (--depth <= 0)
        break;
    } else if (c == '"' && depth == 1 && at[1] < cursor.end && cursor.text[at[1]] == ':' && is_key(cursor, at)) {
      found = at[2] < cursor.end && cursor.text[at[2]] != 'n';
      cursor.next = at + 2;
      if (found)
        break;
    }
  }
  const bool fits = found && (field.type == ColumnType::text ? of_text(cursor, field, partition)
                                                             : of_time(cursor, leaves, field, partition));
  cursor.next = begin;
  return found ? fits : cursor.reject(missing_field(field.name));
}

bool JsonPartition::of_time(JsonCursor& cursor, JsonLeaves& leaves, const Node& field, std::string_view& partition) {
  const std::uint32_t at = *cursor.next++;
  JsonLeaves::Early early;
  early.at = at;
  if (field.type == ColumnType::date) {
    if (!leaves.date(cursor, field, at, cursor.text[at], early.day))
      return false;
  } else {
    if (!leaves.timestamp(cursor, field, at, cursor.text[at], early.micros))
      return false;
    early.day = base::day_of(early.micros);
  }
  leaves.remember(early);
  partition = day_names_.name(early.day);
  return true;
}

bool JsonPartition::of_text(JsonCursor& cursor, const Node& field, std::string_view& partition) {
  const std::uint32_t at = *cursor.next++;
  bool is_integer = false;
  bool fits = false;
  if (cursor.text[at] == '"') {
    fits = cursor.string(at, partition);
  } else if (is_digit(cursor.text[at])) {
    fits = cursor.number(at, partition, is_integer);
  }
  if (!fits || !is_yyyymmdd(partition))
    return cursor.reject(reason::kInvalidDate, fmt::format("{} is not a day as YYYYMMDD", field.name));
  // The text may be moved by unescaping.
  text_ = partition;
  partition = text_;
  return true;
}

}  // namespace shoplake::transform
