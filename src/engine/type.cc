#include "engine/type.h"

#include <algorithm>

#include "engine/duckdb_handle.h"

namespace shoplake::engine {
namespace {

// DuckDB quotes the name of a field where it would not be read back as one word. Its list of reserved words is long;
// these are the ones that column names meet.
bool needs_quotes(const std::string& name) {
  static constexpr std::string_view kReserved[] = {
      "all",      "and",        "any",       "array",      "as",           "asc",         "both",      "case",
      "cast",     "check",      "column",    "constraint", "create",       "default",     "desc",      "describe",
      "distinct", "do",         "else",      "end",        "except",       "false",       "fetch",     "for",
      "foreign",  "from",       "group",     "having",     "in",           "initially",   "intersect", "into",
      "lambda",   "lateral",    "leading",   "limit",      "not",          "null",        "offset",    "on",
      "only",     "or",         "order",     "pivot",      "pivot_longer", "pivot_wider", "placing",   "primary",
      "qualify",  "references", "returning", "select",     "show",         "some",        "summarize", "symmetric",
      "table",    "then",       "to",        "trailing",   "true",         "union",       "unique",    "unpivot",
      "using",    "variadic",   "when",      "where",      "window",       "with"};
  const auto starts_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (name.empty() || !starts_word(name[0])) {
    return true;
  }
  const auto continues_word = [&](char c) { return starts_word(c) || (c >= '0' && c <= '9'); };
  if (!std::ranges::all_of(name, continues_word)) {
    return true;
  }
  std::string lower = name;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(kReserved, lower) != std::end(kReserved);
}

std::string fields(const Type& type) {
  std::string text = "(";
  for (std::size_t i = 0; i < type.children.size(); ++i) {
    text.append(i == 0 ? "" : ", ");
    text.append(needs_quotes(type.names[i]) ? quote_identifier(type.names[i]) : type.names[i]);
    text.append(" ").append(type.children[i].spelling());
  }
  return text.append(")");
}

std::string_view primitive_name(duckdb_type id) {
  switch (id) {
    case DUCKDB_TYPE_BOOLEAN: return "BOOLEAN";
    case DUCKDB_TYPE_TINYINT: return "TINYINT";
    case DUCKDB_TYPE_SMALLINT: return "SMALLINT";
    case DUCKDB_TYPE_INTEGER: return "INTEGER";
    case DUCKDB_TYPE_BIGINT: return "BIGINT";
    case DUCKDB_TYPE_UTINYINT: return "UTINYINT";
    case DUCKDB_TYPE_USMALLINT: return "USMALLINT";
    case DUCKDB_TYPE_UINTEGER: return "UINTEGER";
    case DUCKDB_TYPE_UBIGINT: return "UBIGINT";
    case DUCKDB_TYPE_FLOAT: return "FLOAT";
    case DUCKDB_TYPE_DOUBLE: return "DOUBLE";
    case DUCKDB_TYPE_TIMESTAMP: return "TIMESTAMP";
    case DUCKDB_TYPE_DATE: return "DATE";
    case DUCKDB_TYPE_TIME: return "TIME";
    case DUCKDB_TYPE_INTERVAL: return "INTERVAL";
    case DUCKDB_TYPE_HUGEINT: return "HUGEINT";
    case DUCKDB_TYPE_UHUGEINT: return "UHUGEINT";
    case DUCKDB_TYPE_VARCHAR: return "VARCHAR";
    case DUCKDB_TYPE_BLOB: return "BLOB";
    case DUCKDB_TYPE_TIMESTAMP_S: return "TIMESTAMP_S";
    case DUCKDB_TYPE_TIMESTAMP_MS: return "TIMESTAMP_MS";
    case DUCKDB_TYPE_TIMESTAMP_NS: return "TIMESTAMP_NS";
    case DUCKDB_TYPE_UUID: return "UUID";
    case DUCKDB_TYPE_BIT: return "BIT";
    case DUCKDB_TYPE_TIME_TZ: return "TIME WITH TIME ZONE";
    case DUCKDB_TYPE_TIMESTAMP_TZ: return "TIMESTAMP WITH TIME ZONE";
    case DUCKDB_TYPE_BIGNUM: return "BIGNUM";
    case DUCKDB_TYPE_SQLNULL: return "\"NULL\"";
    case DUCKDB_TYPE_TIME_NS: return "TIME_NS";
    case DUCKDB_TYPE_GEOMETRY: return "GEOMETRY";
    case DUCKDB_TYPE_VARIANT: return "VARIANT";
    default: return "UNKNOWN";
  }
}

}  // namespace

Type Type::of(duckdb_logical_type logical) {
  Type type;
  type.id = duckdb_get_type_id(logical);
  type.alias = take_text(duckdb_logical_type_get_alias(logical));
  const auto child = [&](duckdb_logical_type of_child) {
    const TypeHandle owner(of_child);
    type.children.push_back(of(owner.get()));
  };
  switch (type.id) {
    case DUCKDB_TYPE_DECIMAL:
      type.storage = duckdb_decimal_internal_type(logical);
      type.width = duckdb_decimal_width(logical);
      type.scale = duckdb_decimal_scale(logical);
      break;
    case DUCKDB_TYPE_ENUM:
      type.storage = duckdb_enum_internal_type(logical);
      for (std::uint32_t i = 0; i < duckdb_enum_dictionary_size(logical); ++i) {
        type.names.push_back(take_text(duckdb_enum_dictionary_value(logical, i)));
      }
      break;
    case DUCKDB_TYPE_LIST: child(duckdb_list_type_child_type(logical)); break;
    case DUCKDB_TYPE_ARRAY:
      type.array_size = duckdb_array_type_array_size(logical);
      child(duckdb_array_type_child_type(logical));
      break;
    case DUCKDB_TYPE_MAP:
      child(duckdb_map_type_key_type(logical));
      child(duckdb_map_type_value_type(logical));
      break;
    case DUCKDB_TYPE_STRUCT:
      for (idx_t i = 0; i < duckdb_struct_type_child_count(logical); ++i) {
        type.names.push_back(take_text(duckdb_struct_type_child_name(logical, i)));
        child(duckdb_struct_type_child_type(logical, i));
      }
      break;
    case DUCKDB_TYPE_UNION:
      for (idx_t i = 0; i < duckdb_union_type_member_count(logical); ++i) {
        type.names.push_back(take_text(duckdb_union_type_member_name(logical, i)));
        child(duckdb_union_type_member_type(logical, i));
      }
      break;
    default: break;
  }
  return type;
}

std::string Type::spelling() const {
  if (!alias.empty()) {
    return alias;
  }
  switch (id) {
    case DUCKDB_TYPE_DECIMAL: return "DECIMAL(" + std::to_string(width) + "," + std::to_string(scale) + ")";
    case DUCKDB_TYPE_ENUM: {
      std::string text = "ENUM(";
      for (std::size_t i = 0; i < names.size(); ++i) {
        text.append(i == 0 ? "" : ", ").append(quote_literal(names[i]));
      }
      return text.append(")");
    }
    case DUCKDB_TYPE_LIST: return children[0].spelling() + "[]";
    case DUCKDB_TYPE_ARRAY: return children[0].spelling() + "[" + std::to_string(array_size) + "]";
    case DUCKDB_TYPE_MAP: return "MAP(" + children[0].spelling() + ", " + children[1].spelling() + ")";
    case DUCKDB_TYPE_STRUCT: return "STRUCT" + fields(*this);
    case DUCKDB_TYPE_UNION: return "UNION" + fields(*this);
    default: return std::string(primitive_name(id));
  }
}

bool Type::contains(duckdb_type wanted) const {
  return id == wanted || std::ranges::any_of(children, [&](const Type& child) { return child.contains(wanted); });
}

}  // namespace shoplake::engine
