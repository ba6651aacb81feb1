#include "crawl/columns.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace shoplake::crawl {
namespace {

using nlohmann::json;

constexpr int kDecimalDigitsMax = 38;

struct Decimal {
  int precision = 0;
  int scale = 0;
};

std::optional<Decimal> decimal(const Type& type) {
  Decimal parsed;
  return std::sscanf(type.name.c_str(), "decimal(%d,%d)", &parsed.precision, &parsed.scale) == 2 ? std::optional(parsed)
                                                                                                 : std::nullopt;
}

std::optional<Type> merge_decimals(const Decimal& left, const Decimal& right) {
  const int scale = std::max(left.scale, right.scale);
  const int digits = std::max(left.precision - left.scale, right.precision - right.scale);
  if (digits + scale > kDecimalDigitsMax) {
    return std::nullopt;
  }
  return Type::primitive(fmt::format("decimal({},{})", digits + scale, scale));
}

bool is_integer(const Type& type) { return type.name == "int" || type.name == "long"; }
bool is_real(const Type& type) { return type.name == "float" || type.name == "double"; }

// The type of both without a loss that has to be reported; none: there is no such type.
std::optional<Type> merge_primitives(const Type& left, const Type& right) {
  if (is_integer(left) && is_integer(right)) {
    return Type::primitive("long");
  }
  const auto left_decimal = decimal(left);
  const auto right_decimal = decimal(right);
  if (left_decimal && right_decimal) {
    return merge_decimals(*left_decimal, *right_decimal);
  }
  if ((left_decimal && is_integer(right)) || (right_decimal && is_integer(left))) {
    const int scale = left_decimal ? left_decimal->scale : right_decimal->scale;
    return Type::primitive(fmt::format("decimal({},{})", kDecimalDigitsMax, scale));
  }
  const auto is_number = [](const Type& type) { return is_integer(type) || is_real(type) || decimal(type); };
  if (is_number(left) && is_number(right)) {
    return Type::primitive("double");
  }
  const auto is_moment = [](const Type& type) { return type.name == "date" || type.name == "timestamp"; };
  if (is_moment(left) && is_moment(right)) {
    return Type::primitive("timestamp");
  }
  return std::nullopt;
}

Columns columns_of(const Type& type) {
  Columns columns;
  for (const catalog::Field& field : type.fields) {
    columns.push_back({field.name, field.type});
  }
  return columns;
}

Type structure_of(const Columns& columns) {
  std::vector<catalog::Field> fields;
  for (const Column& column : columns) {
    fields.push_back({0, column.name, column.type, false, ""});
  }
  return Type::structure(std::move(fields));
}

Columns merge_named(const Columns& left, const Columns& right, const std::string& path,
                    std::vector<Conflict>& conflicts) {
  Columns merged = left;
  for (const Column& column : right) {
    const auto same = std::find_if(merged.begin(), merged.end(),
                                   [&](const Column& other) { return same_name(other.name, column.name); });
    const std::string inner = path.empty() ? column.name : path + "." + column.name;
    if (same == merged.end()) {
      merged.push_back(column);
      continue;
    }
    if (same->name != column.name) {
      conflicts.push_back({inner, fmt::format("spelled {} before: one column", same->name)});
    }
    same->type = merge_types(same->type, column.type, inner, conflicts);
  }
  return merged;
}

json to_json(const Type& type) {
  if (type.name == "struct") {
    json fields = json::array();
    for (const catalog::Field& field : type.fields) {
      fields.push_back({field.name, to_json(field.type)});
    }
    return {{"struct", std::move(fields)}};
  }
  if (type.name == "list") {
    return {{"list", to_json(type.fields.at(0).type)}};
  }
  if (type.name == "map") {
    return {{"map", {to_json(type.fields.at(0).type), to_json(type.fields.at(1).type)}}};
  }
  return type.name;
}

Type from_json(const json& value) {
  if (value.is_string()) {
    return Type::primitive(value.get<std::string>());
  }
  if (value.contains("list")) {
    return Type::list(from_json(value.at("list")));
  }
  if (value.contains("map")) {
    return Type::map(from_json(value.at("map").at(0)), from_json(value.at("map").at(1)));
  }
  std::vector<catalog::Field> fields;
  for (const json& field : value.at("struct")) {
    fields.push_back({0, field.at(0).get<std::string>(), from_json(field.at(1)), false, ""});
  }
  return Type::structure(std::move(fields));
}

Type settle(const Type& type) {
  if (type.name == kUnknownType || (type.name == "struct" && type.fields.empty())) {
    return Type::primitive("string");
  }
  Type settled = type;
  for (catalog::Field& field : settled.fields) {
    field.type = settle(field.type);
  }
  return settled;
}

}  // namespace

Type unknown_type() { return Type::primitive(kUnknownType); }

bool same_name(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

const Column* find_column(const Columns& columns, std::string_view name) {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const Column& column) { return same_name(column.name, name); });
  return found == columns.end() ? nullptr : &*found;
}

Type merge_types(const Type& left, const Type& right, const std::string& path, std::vector<Conflict>& conflicts) {
  if (left == right || right.name == kUnknownType) {
    return left;
  }
  if (left.name == kUnknownType) {
    return right;
  }
  if (left.name == "struct" && right.name == "struct") {
    return structure_of(merge_named(columns_of(left), columns_of(right), path, conflicts));
  }
  if (left.name == "list" && right.name == "list") {
    return Type::list(merge_types(left.fields[0].type, right.fields[0].type, path + "[]", conflicts));
  }
  if (left.name == "map" && right.name == "map") {
    return Type::map(merge_types(left.fields[0].type, right.fields[0].type, path + ".key", conflicts),
                     merge_types(left.fields[1].type, right.fields[1].type, path + ".value", conflicts));
  }
  if (left.is_primitive() && right.is_primitive()) {
    if (auto merged = merge_primitives(left, right)) {
      return std::move(*merged);
    }
  }
  conflicts.push_back({path, fmt::format("{} and {}: string", to_text(left), to_text(right))});
  return Type::primitive("string");
}

Columns merge_columns(const Columns& left, const Columns& right, std::vector<Conflict>& conflicts) {
  return merge_named(left, right, "", conflicts);
}

Columns settled(Columns columns) {
  for (Column& column : columns) {
    column.type = settle(column.type);
  }
  return columns;
}

std::string to_text(const Type& type) {
  if (type.name == "struct") {
    std::string text;
    for (const catalog::Field& field : type.fields) {
      text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", field.name, to_text(field.type));
    }
    return "struct<" + text + ">";
  }
  if (type.name == "list") {
    return "list<" + to_text(type.fields.at(0).type) + ">";
  }
  if (type.name == "map") {
    return "map<" + to_text(type.fields.at(0).type) + ", " + to_text(type.fields.at(1).type) + ">";
  }
  return type.name;
}

std::string columns_to_json(const Columns& columns) {
  return to_json(structure_of(columns)).at("struct").dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Columns> columns_from_json(std::string_view text) {
  try {
    return columns_of(from_json({{"struct", json::parse(text)}}));
  } catch (const json::exception& exception) {
    return base::make_error(base::ErrorKind::internal, "crawl.damaged_state",
                            std::string("columns in the control plane cannot be read: ") + exception.what(),
                            "Remove the rows of crawl_table and crawl_object; the next crawl reads everything again.");
  }
}

}  // namespace shoplake::crawl
