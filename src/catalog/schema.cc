// Schemas: field ids, JSON, evolution.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "catalog/table_metadata.h"

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using nlohmann::json;

constexpr int kTypeDepthMax = 64;  // deeper schemas are an attack or a bug, and recursion has a price

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

struct Decimal {
  int precision = 0;
  int scale = 0;
};

std::optional<Decimal> parse_decimal(std::string_view name) {
  Decimal decimal;
  int consumed = 0;
  const std::string text(name);
  if (std::sscanf(text.c_str(), "decimal( %d , %d )%n", &decimal.precision, &decimal.scale, &consumed) != 2 ||
      consumed != static_cast<int>(text.size()) || decimal.precision < 1 || decimal.precision > 38 ||
      decimal.scale < 0 || decimal.scale > decimal.precision) {
    return {};
  }
  return decimal;
}

// The canonical name of a primitive type, or none.
std::optional<std::string> canonical_primitive(std::string_view name) {
  static const std::set<std::string, std::less<>> kNames = {
      "boolean",     "int",    "long", "float",  "double",       "date",           "time",    "timestamp",
      "timestamptz", "string", "uuid", "binary", "timestamp_ns", "timestamptz_ns", "unknown", "variant"};
  if (kNames.contains(name) || starts_with(name, "geometry") || starts_with(name, "geography")) {
    return std::string(name);
  }
  if (const auto decimal = parse_decimal(name)) {
    return "decimal(" + std::to_string(decimal->precision) + "," + std::to_string(decimal->scale) + ")";
  }
  int length = 0;
  int consumed = 0;
  const std::string text(name);
  if (std::sscanf(text.c_str(), "fixed[ %d ]%n", &length, &consumed) == 1 &&
      consumed == static_cast<int>(text.size()) && length >= 0) {
    return "fixed[" + std::to_string(length) + "]";
  }
  return {};
}

base::Error invalid(const std::string& what) {
  return make_error(ErrorKind::input, "catalog.invalid_metadata", "the schema is not valid: " + what);
}

Result<Type> type_from_json(const json& value, int depth);

Result<std::int32_t> id_of(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) {
    return invalid("\"" + std::string(key) + "\" of " + where + " is missing or not an integer");
  }
  const auto id = found->get<std::int64_t>();
  if (id < 0 || id > INT32_MAX) {
    return invalid("\"" + std::string(key) + "\" of " + where + " is out of range");
  }
  return static_cast<std::int32_t>(id);
}

Result<bool> flag_of(const json& object, const char* key, bool fallback, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) {
    return fallback;
  }
  if (!found->is_boolean()) {
    return invalid("\"" + std::string(key) + "\" of " + where + " is not true or false");
  }
  return found->get<bool>();
}

Result<std::vector<Field>> fields_from_json(const json& object, int depth) {
  const auto list = object.find("fields");
  if (list == object.end() || !list->is_array()) {
    return invalid("a struct has no list \"fields\"");
  }
  std::vector<Field> fields;
  fields.reserve(list->size());
  for (const json& item : *list) {
    if (!item.is_object()) {
      return invalid("a field is not an object");
    }
    Field field;
    const auto name = item.find("name");
    if (name == item.end() || !name->is_string()) {
      return invalid("a field has no name");
    }
    field.name = name->get<std::string>();
    const std::string where = "field \"" + field.name + "\"";
    field.id = SHOPLAKE_TRY(id_of(item, "id", where));
    field.required = SHOPLAKE_TRY(flag_of(item, "required", false, where));
    const auto type = item.find("type");
    if (type == item.end()) {
      return invalid(where + " has no type");
    }
    field.type = SHOPLAKE_TRY(type_from_json(*type, depth));
    if (const auto doc = item.find("doc"); doc != item.end() && doc->is_string()) {
      field.doc = doc->get<std::string>();
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

Result<Type> type_from_json(const json& value, int depth) {
  if (depth > kTypeDepthMax) {
    return invalid("types are nested more than " + std::to_string(kTypeDepthMax) + " deep");
  }
  if (value.is_string()) {
    auto name = canonical_primitive(value.get_ref<const std::string&>());
    if (!name) {
      return invalid("unknown type \"" + value.get<std::string>() + "\"");
    }
    return Type::primitive(std::move(*name));
  }
  if (!value.is_object() || !value.contains("type") || !value["type"].is_string()) {
    return invalid("a type is neither a name nor an object with \"type\"");
  }
  const auto& kind = value["type"].get_ref<const std::string&>();
  if (kind == "struct") {
    return Type::structure(SHOPLAKE_TRY(fields_from_json(value, depth + 1)));
  }
  if (kind == "list") {
    Field element;
    element.name = "element";
    element.id = SHOPLAKE_TRY(id_of(value, "element-id", "a list"));
    element.required = SHOPLAKE_TRY(flag_of(value, "element-required", false, "a list"));
    if (!value.contains("element")) {
      return invalid("a list has no \"element\"");
    }
    element.type = SHOPLAKE_TRY(type_from_json(value["element"], depth + 1));
    Type type;
    type.name = "list";
    type.fields.push_back(std::move(element));
    return type;
  }
  if (kind == "map") {
    if (!value.contains("key") || !value.contains("value")) {
      return invalid("a map has no \"key\" or no \"value\"");
    }
    Field key;
    key.name = "key";
    key.required = true;
    key.id = SHOPLAKE_TRY(id_of(value, "key-id", "a map"));
    key.type = SHOPLAKE_TRY(type_from_json(value["key"], depth + 1));
    Field item;
    item.name = "value";
    item.id = SHOPLAKE_TRY(id_of(value, "value-id", "a map"));
    item.required = SHOPLAKE_TRY(flag_of(value, "value-required", false, "a map"));
    item.type = SHOPLAKE_TRY(type_from_json(value["value"], depth + 1));
    Type type;
    type.name = "map";
    type.fields.push_back(std::move(key));
    type.fields.push_back(std::move(item));
    return type;
  }
  return invalid("unknown nested type \"" + kind + "\"");
}

json type_to_json(const Type& type) {
  if (type.name == "struct") {
    json fields = json::array();
    for (const Field& field : type.fields) {
      json item = {
          {"id", field.id}, {"name", field.name}, {"required", field.required}, {"type", type_to_json(field.type)}};
      if (!field.doc.empty()) {
        item["doc"] = field.doc;
      }
      fields.push_back(std::move(item));
    }
    return {{"type", "struct"}, {"fields", std::move(fields)}};
  }
  if (type.name == "list" && type.fields.size() == 1) {
    const Field& element = type.fields[0];
    return {{"type", "list"},
            {"element-id", element.id},
            {"element-required", element.required},
            {"element", type_to_json(element.type)}};
  }
  if (type.name == "map" && type.fields.size() == 2) {
    const Field& key = type.fields[0];
    const Field& value = type.fields[1];
    return {{"type", "map"},
            {"key-id", key.id},
            {"key", type_to_json(key.type)},
            {"value-id", value.id},
            {"value-required", value.required},
            {"value", type_to_json(value.type)}};
  }
  // Spelled as the Java implementation does; readers accept it with and without the space.
  if (const auto decimal = parse_decimal(type.name)) {
    return "decimal(" + std::to_string(decimal->precision) + ", " + std::to_string(decimal->scale) + ")";
  }
  return type.name;
}

const Field* find_in(const std::vector<Field>& fields, std::int32_t id) {
  for (const Field& field : fields) {
    if (field.id == id) {
      return &field;
    }
    if (const Field* inner = find_in(field.type.fields, id)) {
      return inner;
    }
  }
  return nullptr;
}

std::int32_t highest_in(const std::vector<Field>& fields) {
  std::int32_t highest = 0;
  for (const Field& field : fields) {
    highest = std::max({highest, field.id, highest_in(field.type.fields)});
  }
  return highest;
}

// Breadth by level, as the reference implementation: all fields of a struct, then what is inside each.
void assign(std::vector<Field>& fields, std::int32_t& last) {
  for (Field& field : fields) {
    if (field.id == 0) {
      field.id = ++last;
    }
  }
  for (Field& field : fields) {
    assign(field.type.fields, last);
  }
}

void clear_ids(std::vector<Field>& fields) {
  for (Field& field : fields) {
    field.id = 0;
    clear_ids(field.type.fields);
  }
}

Result<void> collect_ids(const std::vector<Field>& fields, std::set<std::int32_t>& ids) {
  for (const Field& field : fields) {
    if (!ids.insert(field.id).second) {
      return invalid("field id " + std::to_string(field.id) + " is used twice");
    }
    SHOPLAKE_TRY(collect_ids(field.type.fields, ids));
  }
  return {};
}

bool promotable(const std::string& from, const std::string& to) {
  if (from == to || (from == "int" && to == "long") || (from == "float" && to == "double")) {
    return true;
  }
  const auto narrow = parse_decimal(from);
  const auto wide = parse_decimal(to);
  return narrow && wide && narrow->scale == wide->scale && narrow->precision <= wide->precision;
}

const Field* by_name(const std::vector<Field>& fields, std::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

// Whether a column of type `from` can hold `to` under the same id.
bool compatible(const Type& from, const Type& to) {
  if (from.is_primitive() || to.is_primitive()) {
    return from.is_primitive() && to.is_primitive() && promotable(from.name, to.name);
  }
  if (from.name != to.name) {
    return false;
  }
  if (from.name == "struct") {
    return true;  // its fields are matched one by one
  }
  if (from.name == "map") {
    // A map's key may not change its shape: equality of old and new keys would change.
    return compatible(from.fields[0].type, to.fields[0].type) && compatible(from.fields[1].type, to.fields[1].type);
  }
  return compatible(from.fields[0].type, to.fields[0].type);
}

// Takes over ids from `current` where names and types allow it; others stay 0.
void inherit_ids(const std::vector<Field>& current, std::vector<Field>& wanted) {
  for (Field& field : wanted) {
    const Field* old = by_name(current, field.name);
    if (old == nullptr || !compatible(old->type, field.type)) {
      continue;
    }
    field.id = old->id;
    // A column that was optional has old files with nulls in other snapshots.
    field.required = field.required && old->required;
    if (field.doc.empty()) {
      field.doc = old->doc;
    }
    inherit_ids(old->type.fields, field.type.fields);
  }
}

Result<void> unite(std::vector<Field>& current, const std::vector<Field>& wanted, const std::string& prefix,
                   bool extensible) {
  for (const Field& field : wanted) {
    const std::string path = prefix.empty() ? field.name : prefix + "." + field.name;
    const auto old = std::find_if(current.begin(), current.end(),
                                  [&](const Field& candidate) { return candidate.name == field.name; });
    if (old == current.end()) {
      if (!extensible) {
        return invalid("list or map \"" + prefix + "\" has an unknown part \"" + field.name + "\"");
      }
      Field added = field;
      added.required = false;
      current.push_back(std::move(added));
      continue;
    }
    if (old->type.is_primitive() && field.type.is_primitive()) {
      if (promotable(old->type.name, field.type.name)) {
        old->type.name = field.type.name;
      } else if (!promotable(field.type.name, old->type.name)) {  // narrower data fit the wider column
        return make_error(ErrorKind::conflict, "catalog.incompatible_schema",
                          "column \"" + path + "\" is " + old->type.name + " and cannot become " + field.type.name,
                          "Cast the column, or give it a new name.");
      }
      continue;
    }
    if (old->type.name != field.type.name) {
      return make_error(ErrorKind::conflict, "catalog.incompatible_schema",
                        "column \"" + path + "\" is a " + old->type.name + " and cannot become a " + field.type.name,
                        "Cast the column, or give it a new name.");
    }
    SHOPLAKE_TRY(unite(old->type.fields, field.type.fields, path, old->type.name == "struct"));
  }
  return {};
}

}  // namespace

Type Type::primitive(std::string name) {
  Type type;
  type.name = std::move(name);
  return type;
}

Type Type::structure(std::vector<Field> fields) {
  Type type;
  type.name = "struct";
  type.fields = std::move(fields);
  return type;
}

Type Type::list(Type element) {
  Type type;
  type.name = "list";
  type.fields.push_back(Field{0, "element", std::move(element), false, {}});
  return type;
}

Type Type::map(Type key, Type value) {
  Type type;
  type.name = "map";
  type.fields.push_back(Field{0, "key", std::move(key), true, {}});
  type.fields.push_back(Field{0, "value", std::move(value), false, {}});
  return type;
}

bool operator==(const Type& left, const Type& right) { return left.name == right.name && left.fields == right.fields; }

bool operator==(const Field& left, const Field& right) {
  return left.id == right.id && left.name == right.name && left.required == right.required && left.doc == right.doc &&
         left.type == right.type;
}

bool operator==(const Schema& left, const Schema& right) { return left.id == right.id && left.fields == right.fields; }

const Field* Schema::find(std::string_view name) const { return by_name(fields, name); }
const Field* Schema::find_id(std::int32_t field_id) const { return find_in(fields, field_id); }
std::int32_t Schema::highest_field_id() const { return highest_in(fields); }

std::int32_t assign_field_ids(Schema& schema, std::int32_t last) {
  last = std::max(last, schema.highest_field_id());
  assign(schema.fields, last);
  return last;
}

json to_json(const Schema& schema) {
  Type root;
  root.name = "struct";
  root.fields = schema.fields;
  json result = type_to_json(root);
  result["schema-id"] = schema.id;
  return result;
}

Result<Schema> schema_from_json(const json& value) {
  if (!value.is_object()) {
    return invalid("it is not an object");
  }
  const auto type = value.find("type");
  if (type == value.end() || !type->is_string() || *type != "struct") {
    return invalid("its \"type\" is missing or is not \"struct\"");
  }
  Schema schema;
  if (value.contains("schema-id")) {
    schema.id = SHOPLAKE_TRY(id_of(value, "schema-id", "the schema"));
  }
  schema.fields = SHOPLAKE_TRY(fields_from_json(value, 0));
  std::set<std::int32_t> ids;
  SHOPLAKE_TRY(collect_ids(schema.fields, ids));
  return schema;
}

json to_json(const PartitionSpec& spec) {
  json fields = json::array();
  for (const PartitionField& field : spec.fields) {
    fields.push_back({{"source-id", field.source_id},
                      {"field-id", field.field_id},
                      {"name", field.name},
                      {"transform", field.transform}});
  }
  return {{"spec-id", spec.id}, {"fields", std::move(fields)}};
}

Result<PartitionSpec> partition_spec_from_json(const json& value) {
  const auto wrong = [](const std::string& what) {
    return make_error(ErrorKind::input, "catalog.invalid_metadata", "the partition spec is not valid: " + what);
  };
  if (!value.is_object()) {
    return wrong("it is not an object");
  }
  PartitionSpec spec;
  if (value.contains("spec-id")) {
    spec.id = SHOPLAKE_TRY(id_of(value, "spec-id", "the partition spec"));
  }
  const auto fields = value.find("fields");
  if (fields == value.end() || !fields->is_array()) {
    return wrong("it has no list \"fields\"");
  }
  std::int32_t next = 1000;
  for (const json& item : *fields) {
    if (!item.is_object() || !item.contains("name") || !item["name"].is_string() || !item.contains("transform") ||
        !item["transform"].is_string()) {
      return wrong("a field has no name or no transform");
    }
    PartitionField field;
    field.name = item["name"].get<std::string>();
    field.transform = item["transform"].get<std::string>();
    field.source_id = SHOPLAKE_TRY(id_of(item, "source-id", "partition field \"" + field.name + "\""));
    // Version 1 writers may leave ids out; they count from 1000 then.
    field.field_id = item.contains("field-id")
                         ? SHOPLAKE_TRY(id_of(item, "field-id", "partition field \"" + field.name + "\""))
                         : next;
    next = field.field_id + 1;
    spec.fields.push_back(std::move(field));
  }
  return spec;
}

Schema plan_replacement(const Schema& current, const Schema& wanted, std::int32_t& last_column_id) {
  Schema planned = wanted;
  clear_ids(planned.fields);
  inherit_ids(current.fields, planned.fields);
  assign(planned.fields, last_column_id);
  return planned;
}

Result<Schema> plan_evolution(const Schema& current, const Schema& wanted, std::int32_t& last_column_id) {
  Schema additions = wanted;
  clear_ids(additions.fields);
  Schema planned = current;
  SHOPLAKE_TRY(unite(planned.fields, additions.fields, "", true));
  // New ids in the order of `wanted`, so that they agree with plan_replacement().
  std::int32_t last = last_column_id;
  Schema numbered = plan_replacement(current, wanted, last);
  struct Fill {
    static void run(std::vector<Field>& fields, const std::vector<Field>& source) {
      for (Field& field : fields) {
        const Field* same = by_name(source, field.name);
        if (same == nullptr) {
          continue;
        }
        if (field.id == 0) {
          field.id = same->id;
        }
        run(field.type.fields, same->type.fields);
      }
    }
  };
  Fill::run(planned.fields, numbered.fields);
  last = std::max(last, last_column_id);
  assign(planned.fields, last);
  last_column_id = last;
  return planned;
}

}  // namespace shoplake::catalog
