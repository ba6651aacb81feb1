#include "transform/json_unknown_fields.h"

#include "transform/json_string.h"
#include "transform/number_text.h"

namespace shoplake::transform {

namespace {

constexpr int kUnknownDepthMax = 256;

}  // namespace

void JsonUnknownFields::begin_record() {
  object_.assign("{");
  seen_.clear();
}

bool JsonUnknownFields::keep(JsonCursor& cursor, Field field) {
  const char first = cursor.peek();
  const std::string_view type = first == '"'                   ? "string"
                                : first == '{'                 ? "object"
                                : first == '['                 ? "array"
                                : first == 'n'                 ? "null"
                                : first == 't' || first == 'f' ? "boolean"
                                                               : "number";
  if (object_.size() > 1)
    object_.push_back(',');
  append_json_string(object_, field.indexed_path);
  object_.push_back(':');
  const std::size_t value_at = object_.size();
  if (!copy_value(cursor, kUnknownDepthMax))
    return false;
  seen_.emplace_back(std::move(field.path), type);
  if (field.is_top_level && (type == "string" || type == "number")) {
    for (const std::string& name : builder_.client_event_id_names()) {
      if (name != field.key)
        continue;
      if (type == "string") {
        std::string_view inside(object_.data() + value_at + 1, object_.size() - value_at - 2);
        std::string decoded(inside.size(), '\0');
        std::size_t size = 0;
        if (!unescape(inside, decoded.data(), size))
          return cursor.malformed("a string has an invalid escape");
        client_event_id_.assign(decoded, 0, size);
      } else {
        client_event_id_.assign(object_, value_at);
      }
      if (!client_event_id_.empty())
        builder_.set_client_event_id(client_event_id_);
    }
  }
  return true;
}

bool JsonUnknownFields::pass_over(JsonCursor& cursor) {
  const std::size_t size = object_.size();
  const bool well_formed = copy_value(cursor, kUnknownDepthMax);
  object_.resize(size);
  return well_formed;
}

std::string_view JsonUnknownFields::object() {
  if (object_.size() == 1)
    return {};
  object_.push_back('}');
  return object_;
}

void JsonUnknownFields::report(Drift& drift) const {
  for (const auto& [path, type] : seen_)
    drift.add(path, type);
}

// Checks the value at `next` by the grammar and appends it without white space to the object.
bool JsonUnknownFields::copy_value(JsonCursor& cursor, int depth) {
  if (depth == 0)
    return cursor.malformed("a value nests too deeply");
  if (*cursor.next >= cursor.end)
    return cursor.malformed("the record ends early");
  const std::uint32_t at = *cursor.next++;
  std::string_view token;
  bool is_integer = false;
  switch (cursor.text[at]) {
    case '"': return copy_string(cursor, at);
    case 't': token = "true"; break;
    case 'f': token = "false"; break;
    case 'n': token = "null"; break;
    case '[':
    case '{': {
      const bool is_object = cursor.text[at] == '{';
      const char close = is_object ? '}' : ']';
      object_.push_back(cursor.text[at]);
      if (cursor.peek() == close) {
        ++cursor.next;
        object_.push_back(close);
        return true;
      }
      while (true) {
        if (is_object) {
          if (cursor.peek() != '"')
            return cursor.malformed("a key is expected");
          if (!copy_string(cursor, *cursor.next++))
            return false;
          if (cursor.peek() != ':')
            return cursor.malformed("a colon is expected");
          ++cursor.next;
          object_.push_back(':');
        }
        if (!copy_value(cursor, depth - 1))
          return false;
        const char separator = cursor.peek();
        ++cursor.next;
        if (separator == ',') {
          object_.push_back(',');
          continue;
        }
        if (separator != close) {
          --cursor.next;
          return cursor.malformed("a comma or a closing bracket is expected");
        }
        object_.push_back(close);
        return true;
      }
    }
    default:
      if (cursor.text[at] != '-' && !is_digit(cursor.text[at])) {
        --cursor.next;
        return cursor.malformed("a value is expected");
      }
      if (!cursor.number(at, token, is_integer))
        return false;
      object_.append(token);
      return true;
  }
  if (!cursor.is_literal(at, token))
    return cursor.malformed("a value is not JSON");
  object_.append(token);
  return true;
}

bool JsonUnknownFields::copy_string(JsonCursor& cursor, std::uint32_t at) {
  std::string_view inside;
  if (!cursor.raw_string(at, inside))
    return false;
  if (has_backslash(inside.data(), inside.size())) {
    std::string decoded(inside.size(), '\0');
    std::size_t size = 0;
    if (!unescape(inside, decoded.data(), size))
      return cursor.malformed("a string has an invalid escape");
  }
  object_.push_back('"');
  object_.append(inside);
  object_.push_back('"');
  return true;
}

}  // namespace shoplake::transform
