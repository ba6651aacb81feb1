#include "ingest/table_schema.h"

#include <map>
#include <memory>
#include <string>

#include "contract/decimal.h"

namespace shoplake::ingest {

namespace {

using contract::Type;

catalog::Field field_of(const transform::Column& column) {
  catalog::Field field;
  field.name = column.name;
  switch (column.type) {
    case Type::text: field.type = catalog::Type::primitive("string"); break;
    case Type::integer: field.type = catalog::Type::primitive("long"); break;
    case Type::timestamp: field.type = catalog::Type::primitive("timestamptz"); break;
    case Type::date: field.type = catalog::Type::primitive("date"); break;
    case Type::decimal: field.type = catalog::Type::primitive(contract::decimal_type_text(column.decimal)); break;
    case Type::real: field.type = catalog::Type::primitive("double"); break;
    case Type::boolean: field.type = catalog::Type::primitive("boolean"); break;
    case Type::list: field.type = catalog::Type::list(field_of(column.children.front()).type); break;
    case Type::structure: {
      std::vector<catalog::Field> fields;
      for (const transform::Column& child : column.children)
        fields.push_back(field_of(child));
      field.type = catalog::Type::structure(std::move(fields));
      break;
    }
  }
  return field;
}

void collect(const std::vector<catalog::Field>& fields, const std::string& prefix,
             std::map<std::string, std::int32_t, std::less<>>& ids) {
  for (const catalog::Field& field : fields) {
    const std::string path = prefix + field.name;
    ids.emplace(path, field.id);
    collect(field.type.fields, path + ".", ids);
  }
}

}  // namespace

catalog::Schema table_schema(const std::vector<transform::Column>& columns) {
  catalog::Schema schema;
  for (const transform::Column& column : columns)
    schema.fields.push_back(field_of(column));
  return schema;
}

transform::FieldIds field_ids(const catalog::Schema& schema) {
  auto ids = std::make_shared<std::map<std::string, std::int32_t, std::less<>>>();
  collect(schema.fields, "", *ids);
  return [ids](std::string_view path) {
    const auto found = ids->find(path);
    return found == ids->end() ? 0 : found->second;
  };
}

}  // namespace shoplake::ingest
