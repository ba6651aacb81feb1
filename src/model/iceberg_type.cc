#include "model/iceberg_type.h"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>

namespace shoplake::model {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

// Splits at commas outside of parentheses, brackets and quotes.
std::vector<std::string_view> split_arguments(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  char quote = 0;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quote != 0) {
      if (c == quote)
        quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '(' || c == '[') {
      ++depth;
    } else if (c == ')' || c == ']') {
      --depth;
    } else if (c == ',' && depth == 0) {
      parts.push_back(trim(text.substr(begin, at - begin)));
      begin = at + 1;
    }
  }
  if (begin < text.size())
    parts.push_back(trim(text.substr(begin)));
  return parts;
}

// A struct's field: its name (unquoted), and its type.
std::pair<std::string, std::string_view> split_field(std::string_view field) {
  std::string name;
  if (!field.empty() && field.front() == '"') {
    std::size_t at = 1;
    while (at < field.size()) {
      if (field[at] == '"') {
        if (at + 1 < field.size() && field[at + 1] == '"') {
          ++at;
        } else {
          break;
        }
      }
      name += field[at++];
    }
    return {name, trim(field.substr(std::min(at + 1, field.size())))};
  }
  const auto space = field.find(' ');
  if (space == std::string_view::npos)
    return {std::string(field), ""};
  return {std::string(field.substr(0, space)), trim(field.substr(space + 1))};
}

base::Error unsupported(std::string_view type) {
  return base::make_error(base::ErrorKind::failed, "model.unsupported_type",
                          fmt::format("the type {} has no counterpart in an Iceberg table", type),
                          "Cast the column to a type that can be stored, such as VARCHAR.");
}

StoredType primitive(const char* iceberg, const char* duckdb, bool needs_cast) {
  return {catalog::Type::primitive(iceberg), duckdb, needs_cast};
}

std::string field_ids(const std::vector<catalog::Field>& fields);

std::string field_id(const catalog::Field& field) {
  if (field.type.is_primitive())
    return std::to_string(field.id);
  return fmt::format("{{__duckdb_field_id: {}, {}}}", field.id, field_ids(field.type.fields));
}

std::string field_ids(const std::vector<catalog::Field>& fields) {
  std::string text;
  for (const catalog::Field& field : fields) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", engine::quote_identifier(field.name), field_id(field));
  }
  return text;
}

}  // namespace

Result<StoredType> stored_type(std::string_view text) {
  const std::string_view type = trim(text);
  if (type.ends_with("]")) {
    const auto open = type.rfind('[');
    if (open == std::string_view::npos)
      return unsupported(type);
    const StoredType element = SHOPLAKE_TRY(stored_type(type.substr(0, open)));
    const bool fixed = open + 2 < type.size();
    return StoredType{catalog::Type::list(element.iceberg), element.duckdb + "[]", element.needs_cast || fixed};
  }
  const auto parenthesis = type.find('(');
  const std::string name = upper(trim(type.substr(0, parenthesis)));
  const std::string_view inside =
      parenthesis == std::string_view::npos
          ? std::string_view()
          : type.substr(parenthesis + 1,
                        type.rfind(')') == std::string_view::npos ? 0 : type.rfind(')') - parenthesis - 1);
  if (name == "STRUCT") {
    std::vector<catalog::Field> fields;
    std::string spelling;
    bool needs_cast = false;
    for (std::string_view part : split_arguments(inside)) {
      auto [field_name, field_type] = split_field(part);
      StoredType stored = SHOPLAKE_TRY(stored_type(field_type));
      spelling +=
          fmt::format("{}{} {}", spelling.empty() ? "" : ", ", engine::quote_identifier(field_name), stored.duckdb);
      needs_cast = needs_cast || stored.needs_cast;
      catalog::Field field;
      field.name = std::move(field_name);
      field.type = std::move(stored.iceberg);
      fields.push_back(std::move(field));
    }
    return StoredType{catalog::Type::structure(std::move(fields)), "STRUCT(" + spelling + ")", needs_cast};
  }
  if (name == "MAP") {
    const std::vector<std::string_view> parts = split_arguments(inside);
    if (parts.size() != 2)
      return unsupported(type);
    const StoredType key = SHOPLAKE_TRY(stored_type(parts[0]));
    const StoredType value = SHOPLAKE_TRY(stored_type(parts[1]));
    return StoredType{catalog::Type::map(key.iceberg, value.iceberg),
                      fmt::format("MAP({}, {})", key.duckdb, value.duckdb), key.needs_cast || value.needs_cast};
  }
  if (name == "DECIMAL" || name == "NUMERIC") {
    std::string arguments(inside);
    std::erase(arguments, ' ');
    if (arguments.empty())
      arguments = "18,3";
    return StoredType{catalog::Type::primitive("decimal(" + arguments + ")"), "DECIMAL(" + arguments + ")", false};
  }
  if (name == "BOOLEAN")
    return primitive("boolean", "BOOLEAN", false);
  if (name == "INTEGER")
    return primitive("int", "INTEGER", false);
  if (name == "TINYINT" || name == "SMALLINT" || name == "UTINYINT" || name == "USMALLINT" || name == "NULL" ||
      name == "\"NULL\"")
    return primitive("int", "INTEGER", true);
  if (name == "BIGINT")
    return primitive("long", "BIGINT", false);
  if (name == "UINTEGER")
    return primitive("long", "BIGINT", true);
  if (name == "UBIGINT")
    return primitive("decimal(20,0)", "DECIMAL(20,0)", true);
  if (name == "HUGEINT" || name == "UHUGEINT" || name == "BIGNUM" || name == "VARINT")
    return primitive("decimal(38,0)", "DECIMAL(38,0)", true);
  if (name == "FLOAT")
    return primitive("float", "FLOAT", false);
  if (name == "DOUBLE")
    return primitive("double", "DOUBLE", false);
  if (name == "VARCHAR")
    return primitive("string", "VARCHAR", false);
  if (name == "JSON" || name == "ENUM" || name == "INTERVAL" || name == "BIT" || name == "TIME WITH TIME ZONE")
    return primitive("string", "VARCHAR", true);
  if (name == "BLOB")
    return primitive("binary", "BLOB", false);
  if (name == "UUID")
    return primitive("uuid", "UUID", false);
  if (name == "DATE")
    return primitive("date", "DATE", false);
  if (name == "TIME")
    return primitive("time", "TIME", false);
  if (name == "TIMESTAMP")
    return primitive("timestamp", "TIMESTAMP", false);
  if (name == "TIMESTAMP_S" || name == "TIMESTAMP_MS" || name == "TIMESTAMP_NS" || name == "DATETIME")
    return primitive("timestamp", "TIMESTAMP", true);
  if (name == "TIMESTAMP WITH TIME ZONE" || name == "TIMESTAMPTZ")
    return primitive("timestamptz", "TIMESTAMP WITH TIME ZONE", false);
  return unsupported(type);
}

Result<StoredColumns> stored_columns(const std::vector<engine::Column>& columns) {
  StoredColumns stored;
  std::set<std::string> seen;
  for (const engine::Column& column : columns) {
    StoredType type = SHOPLAKE_TRY(stored_type(column.type).within(fmt::format("column {}", column.name)));
    if (!seen.insert(upper(column.name)).second) {
      return base::make_error(base::ErrorKind::failed, "model.duplicate_column",
                              fmt::format("the query gives two columns of the name {}", column.name),
                              "Name the columns one by one instead of using * on a join.");
    }
    const std::string name = engine::quote_identifier(column.name);
    stored.select_list += stored.select_list.empty() ? "" : ", ";
    stored.select_list += type.needs_cast ? fmt::format("CAST({} AS {}) AS {}", name, type.duckdb, name) : name;
    stored.needs_cast = stored.needs_cast || type.needs_cast;
    catalog::Field field;
    field.name = column.name;
    field.type = std::move(type.iceberg);
    stored.schema.fields.push_back(std::move(field));
    stored.columns.push_back({column.name, std::move(type.duckdb)});
  }
  return stored;
}

std::string duckdb_type(const catalog::Type& type) {
  const std::string& name = type.name;
  if (name == "struct") {
    std::string fields;
    for (const catalog::Field& field : type.fields) {
      fields += fmt::format("{}{} {}", fields.empty() ? "" : ", ", engine::quote_identifier(field.name),
                            duckdb_type(field.type));
    }
    return "STRUCT(" + fields + ")";
  }
  if (name == "list")
    return duckdb_type(type.fields.at(0).type) + "[]";
  if (name == "map")
    return fmt::format("MAP({}, {})", duckdb_type(type.fields.at(0).type), duckdb_type(type.fields.at(1).type));
  if (name == "int")
    return "INTEGER";
  if (name == "long")
    return "BIGINT";
  if (name == "string")
    return "VARCHAR";
  if (name == "timestamptz")
    return "TIMESTAMP WITH TIME ZONE";
  if (name == "binary" || name.starts_with("fixed"))
    return "BLOB";
  return upper(name);  // boolean float double date time timestamp uuid decimal(P,S)
}

std::string field_ids_option(const catalog::Schema& schema) { return "{" + field_ids(schema.fields) + "}"; }

}  // namespace shoplake::model
