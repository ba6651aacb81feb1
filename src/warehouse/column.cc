#include "warehouse/column.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "engine/session.h"

namespace shoplake::warehouse {
namespace {

using base::ErrorKind;
using base::make_error;
using catalog::Field;
using catalog::Schema;
using catalog::Type;

std::size_t name_bytes_max(Dialect dialect) {
  switch (dialect) {
    case Dialect::postgres: return 63;
    case Dialect::redshift:
    case Dialect::spectrum: return 127;
    case Dialect::athena: break;
  }
  return 255;
}

Result<void> check_name(const std::string& name, Dialect dialect) {
  const std::size_t bytes_max = name_bytes_max(dialect);
  std::string why;
  if (name.empty()) {
    why = "it is empty";
  } else if (name.size() > bytes_max) {
    why = fmt::format("it has {} bytes, more than {}", name.size(), bytes_max);
  } else if (name.find('\0') != std::string::npos) {
    why = "it holds U+0000";
  } else {
    return {};
  }
  return make_error(ErrorKind::usage, "warehouse.bad_name",
                    fmt::format("\"{}\" is no name in {}: {}", name, warehouse::name(dialect), why),
                    "Load a model that gives the column another name.");
}

struct TypeRow {
  const char* lake;
  const char* postgres;
  const char* redshift;
  const char* spectrum;
  const char* athena;
};
constexpr TypeRow kTypes[] = {
    {"boolean", "boolean", "boolean", "boolean", "boolean"},
    {"int", "integer", "integer", "integer", "int"},
    {"long", "bigint", "bigint", "bigint", "bigint"},
    {"float", "real", "real", "real", "float"},
    {"double", "double precision", "double precision", "double precision", "double"},
    {"date", "date", "date", "date", "date"},
    {"time", "time", "varchar(15)", "bigint", "bigint"},
    {"timestamp", "timestamp", "timestamp", "timestamp", "timestamp"},
    {"timestamptz", "timestamptz", "timestamptz", "timestamp", "timestamp"},
    {"string", "text", "varchar(65535)", "varchar(65535)", "string"},
    {"uuid", "uuid", "varchar(36)", "varbyte(16)", "binary"},
    {"binary", "bytea", "varbyte(1024000)", "varbyte(1024000)", "binary"},
};

std::string primitive_type(const std::string& lake, Dialect dialect) {
  if (lake.starts_with("decimal("))
    return (dialect == Dialect::postgres ? "numeric" : "decimal") + lake.substr(lake.find('('));
  const std::string_view wanted = lake.starts_with("fixed") ? "binary" : std::string_view(lake);
  const auto* const row = std::ranges::find(kTypes, wanted, &TypeRow::lake);
  SHOPLAKE_CHECK(row != std::end(kTypes));
  switch (dialect) {
    case Dialect::postgres: return row->postgres;
    case Dialect::redshift: return row->redshift;
    case Dialect::spectrum: return row->spectrum;
    case Dialect::athena: break;
  }
  return row->athena;
}

// Of external tables; a name inside has no quotes that both engines would understand.
std::string external_type(const Type& type, Dialect dialect) {
  if (type.name == "list")
    return fmt::format("array<{}>", external_type(type.fields[0].type, dialect));
  if (type.name == "map")
    return fmt::format("map<{},{}>", external_type(type.fields[0].type, dialect),
                       external_type(type.fields[1].type, dialect));
  if (type.name == "struct") {
    std::string fields;
    for (const Field& field : type.fields)
      fields += fmt::format("{}{}:{}", fields.empty() ? "" : ",",
                            dialect == Dialect::athena ? quoted(field.name, dialect) : field.name,
                            external_type(field.type, dialect));
    return "struct<" + fields + ">";
  }
  return primitive_type(type.name, dialect);
}

std::string column_type(const Type& type, Dialect dialect) {
  if (type.is_primitive())
    return primitive_type(type.name, dialect);
  switch (dialect) {
    case Dialect::postgres: return "jsonb";
    case Dialect::redshift: return "super";
    case Dialect::spectrum:
    case Dialect::athena: break;
  }
  return external_type(type, dialect);
}

bool is_binary(const Type& type) { return type.name == "binary" || type.name.starts_with("fixed"); }

// A value inside a nested one as JSON may hold it; empty if it may stay as it is. `depth` names the lambdas' variables.
std::string json_safe(const Type& type, const std::string& value, int depth) {
  if (type.name == "string")
    return fmt::format("replace({}, chr(0), chr(65533))", value);
  if (type.name == "float" || type.name == "double")
    return fmt::format("CASE WHEN isfinite({0}) THEN {0} END", value);
  if (is_binary(type))
    return fmt::format("'\\x' || lower(hex({}))", value);
  const std::string element = fmt::format("e{}", depth);
  const auto inner = [&](const Type& part, const std::string& of) {
    const std::string safe = json_safe(part, of, depth + 1);
    return safe.empty() ? of : safe;
  };
  if (type.name == "list") {
    const std::string safe = json_safe(type.fields[0].type, element, depth + 1);
    return safe.empty() ? "" : fmt::format("list_transform({}, lambda {}: {})", value, element, safe);
  }
  if (type.name == "map") {
    return fmt::format("map_from_entries(list_transform(map_entries({0}), lambda {1}: {{'key': {2}, 'value': {3}}}))",
                       value, element, inner(type.fields[0].type, element + ".key"),
                       inner(type.fields[1].type, element + ".value"));
  }
  if (type.name == "struct") {
    std::string fields;
    for (const Field& field : type.fields) {
      const std::string part = value + "." + engine::quote_identifier(field.name);
      fields += fmt::format("{}{}: {}", fields.empty() ? "" : ", ", engine::quote_literal(field.name),
                            inner(field.type, part));
    }
    return fmt::format("CASE WHEN {} IS NOT NULL THEN {{{}}} END", value, fields);
  }
  return "";
}

std::string export_expression(const Field& field, Dialect dialect) {
  const std::string value = engine::quote_identifier(field.name);
  const std::string& type = field.type.name;
  const bool is_postgres = dialect == Dialect::postgres;
  if (type == "string")
    return fmt::format("replace({}, chr(0), chr(65533))", value);
  if (is_binary(field.type))
    return is_postgres ? fmt::format("'\\x' || hex({})", value) : value;
  if (!field.type.is_primitive()) {
    const std::string safe = json_safe(field.type, value, 0);
    const std::string& nested = safe.empty() ? value : safe;
    return is_postgres ? fmt::format("CASE WHEN {} IS NOT NULL THEN to_json({}) END", value, nested) : nested;
  }
  if (is_postgres && (type == "date" || type.starts_with("timestamp")))
    return fmt::format("replace(CAST({} AS VARCHAR), '(BC)', 'BC')", value);
  if (!is_postgres && type == "timestamptz")
    return fmt::format("CAST({} AT TIME ZONE 'UTC' AS TIMESTAMP)", value);
  if (!is_postgres && (type == "uuid" || type == "time"))
    return fmt::format("CAST({} AS VARCHAR)", value);
  return value;
}

}  // namespace

std::string_view name(Dialect dialect) {
  switch (dialect) {
    case Dialect::postgres: return "PostgreSQL";
    case Dialect::redshift: return "Redshift";
    case Dialect::spectrum: return "Redshift Spectrum";
    case Dialect::athena: break;
  }
  return "Athena";
}

std::string folded(std::string_view name, Dialect dialect) {
  std::string text(name);
  if (dialect != Dialect::postgres)
    std::ranges::transform(text, text.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

Result<std::vector<Column>> columns(const Schema& schema, Dialect dialect) {
  std::vector<Column> found;
  std::map<std::string, std::string> seen;
  for (const Field& field : schema.fields) {
    SHOPLAKE_TRY(check_name(field.name, dialect));
    const auto [other, is_new] = seen.emplace(folded(field.name, dialect), field.name);
    if (!is_new) {
      return make_error(ErrorKind::usage, "warehouse.bad_name",
                        fmt::format("{} does not tell \"{}\" from \"{}\"", name(dialect), other->second, field.name),
                        "Load a model that gives one of the columns another name.");
    }
    Column column{folded(field.name, dialect), column_type(field.type, dialect), "", field.type.name};
    column.staged_type = dialect == Dialect::redshift && field.type.name == "timestamptz" ? "timestamp" : column.type;
    found.push_back(std::move(column));
  }
  return found;
}

std::string export_list(const Schema& schema, Dialect dialect) {
  std::string list;
  for (const Field& field : schema.fields)
    list += fmt::format("{}{} AS {}", list.empty() ? "" : ", ", export_expression(field, dialect),
                        engine::quote_identifier(field.name));
  return list;
}

std::string quoted(std::string_view name, Dialect dialect) {
  const char quote = dialect == Dialect::athena ? '`' : '"';
  std::string text(1, quote);
  for (const char c : name) {
    text += c;
    if (c == quote)
      text += c;
  }
  return text + quote;
}

std::string quoted_literal(std::string_view text) { return engine::quote_literal(text); }

Result<TableName> parse_table_name(std::string_view text, Dialect dialect) {
  const std::vector<std::string> parts = engine::split_name(text);
  if (parts.size() != 2) {
    return make_error(ErrorKind::usage, "warehouse.bad_name", fmt::format("\"{}\" is no name of a table", text),
                      "Write schema.table, with double quotes around parts that hold a dot.");
  }
  for (const std::string& part : parts)
    SHOPLAKE_TRY(check_name(part, dialect));
  return TableName{folded(parts[0], dialect), folded(parts[1], dialect)};
}

std::string to_string(const TableName& name, Dialect dialect) {
  return quoted(name.schema, dialect) + "." + quoted(name.table, dialect);
}

}  // namespace shoplake::warehouse
