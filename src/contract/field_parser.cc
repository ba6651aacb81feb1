#include "contract/field_parser.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>

#include "base/moment.h"

namespace shoplake::contract {

namespace {

// Nesting deeper than this serves nobody and would make definition levels overflow a byte.
constexpr int kDepthMax = 16;

bool is_single_value(Type type) { return type != Type::structure && type != Type::list; }

std::optional<std::int64_t> whole_number(const std::string& text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(value) : std::nullopt;
}

}  // namespace

bool FieldParser::all_dropped(const std::vector<Field>& fields) {
  return std::all_of(fields.begin(), fields.end(),
                     [](const Field& field) { return field.treatment == Treatment::drop; });
}

Result<std::vector<Field>> FieldParser::parse(const YAML::Node& list) const {
  std::vector<Field> fields = SHOPLAKE_TRY(parse_fields(list, "", 1));
  SHOPLAKE_TRY(check_also(list, fields));
  return fields;
}

Result<std::vector<Field>> FieldParser::parse_fields(const YAML::Node& list, const std::string& parent,
                                                     int depth) const {
  if (!list.IsSequence() || list.size() == 0)
    return yaml_.invalid(list, "fields must be a list of fields");
  if (depth > kDepthMax)
    return yaml_.invalid(list, fmt::format("fields nest deeper than {} levels", kDepthMax));
  std::vector<Field> fields;
  std::set<std::string> names;
  for (const YAML::Node& entry : list) {
    Field field = SHOPLAKE_TRY(parse_field(entry, parent, depth));
    if (!names.insert(field.name).second)
      return yaml_.invalid(entry, fmt::format("field {}{} is declared twice", parent, field.name));
    fields.push_back(std::move(field));
  }
  return fields;
}

Result<Field> FieldParser::parse_field(const YAML::Node& node, const std::string& parent, int depth) const {
  SHOPLAKE_TRY(
      yaml_.check_keys(node, {"name", "type", "required", "format", "also", "min", "max", "min_length", "max_length",
                              "values", "pattern", "pii", "treatment", "tags", "description", "fields", "element"}));
  Field field;
  field.name = SHOPLAKE_TRY(yaml_.required_text(node, "name"));
  SHOPLAKE_TRY(parse_body(node, parent, depth, field));
  return field;
}

Result<void> FieldParser::parse_body(const YAML::Node& node, const std::string& parent, int depth, Field& field) const {
  const std::string path = parent + field.name;
  SHOPLAKE_TRY(parse_type(node, path, field));
  field.description = SHOPLAKE_TRY(yaml_.optional_text(node, "description"));
  if (const YAML::Node tags = node["tags"])
    field.tags = SHOPLAKE_TRY(yaml_.texts(tags, "tags"));
  if (const YAML::Node required = node["required"]) {
    field.required = SHOPLAKE_TRY(yaml_.flag(required, "required"));
    if (field.required && depth > 1)
      return yaml_.invalid(required, fmt::format("field {}: only top-level fields can be required", path));
  }
  if (const YAML::Node format = node["format"])
    SHOPLAKE_TRY(parse_format(format, path, field));
  if (const YAML::Node also = node["also"]) {
    if (depth > 1)
      return yaml_.invalid(also, fmt::format("field {}: only top-level fields can have other places", path));
    field.also = SHOPLAKE_TRY(parse_also(also, path));
  }
  SHOPLAKE_TRY(parse_limits(node, path, field));
  SHOPLAKE_TRY(parse_privacy(node, path, field));
  return parse_children(node, path, depth, field);
}

Result<void> FieldParser::parse_type(const YAML::Node& node, const std::string& path, Field& field) const {
  const YAML::Node type = node["type"];
  if (!type)
    return yaml_.invalid(node, fmt::format("field {} has no type", path));
  if (type.IsScalar() && type.Scalar().starts_with("decimal")) {
    int precision = 0;
    int scale = 0;
    int consumed = 0;
    const std::string& text = type.Scalar();
    if (std::sscanf(text.c_str(), "decimal(%d,%d)%n", &precision, &scale, &consumed) != 2 ||
        consumed != static_cast<int>(text.size()) || precision < 1 || precision > kDecimalDigitsMax || scale < 0 ||
        scale > precision) {
      return yaml_.invalid(type, fmt::format("field {}: type \"{}\" is not decimal(<digits>,<of them behind the "
                                             "point>) of at most {} digits",
                                             path, text, kDecimalDigitsMax));
    }
    field.type = Type::decimal;
    field.decimal = {static_cast<std::uint8_t>(precision), static_cast<std::uint8_t>(scale)};
    return {};
  }
  field.type = SHOPLAKE_TRY(yaml_.choice<Type>(type, "type",
                                               {{"string", Type::text},
                                                {"long", Type::integer},
                                                {"double", Type::real},
                                                {"decimal(p,s)", Type::decimal},
                                                {"boolean", Type::boolean},
                                                {"timestamp", Type::timestamp},
                                                {"date", Type::date},
                                                {"struct", Type::structure},
                                                {"list", Type::list}}));
  return {};
}

Result<void> FieldParser::parse_format(const YAML::Node& format, const std::string& path, Field& field) const {
  const std::string text = SHOPLAKE_TRY(yaml_.text(format, "format"));
  if (field.type == Type::text) {
    if (text != "yyyymmdd")
      return yaml_.invalid(format, fmt::format("format \"{}\" is not known; known are yyyymmdd", text));
    field.is_date = true;
    return {};
  }
  if (field.type != Type::date && field.type != Type::timestamp)
    return yaml_.invalid(format, fmt::format("field {}: format needs type string, date or timestamp", path));
  auto parsed = MomentFormat::parse(text);
  if (!parsed.ok())
    return yaml_.invalid(format, fmt::format("field {}: {}", path, parsed.error().message));
  if (field.type == Type::date && parsed->has_time())
    return yaml_.invalid(format, fmt::format("field {}: the format of a date has no time of day", path));
  field.format = std::move(parsed).value();
  return {};
}

Result<std::int64_t> FieldParser::bound(const YAML::Node& node, std::string_view key, const Field& field,
                                        const std::string& path) const {
  const std::string text = node.IsScalar() ? node.Scalar() : std::string();
  std::optional<std::int64_t> value;
  switch (field.type) {
    case Type::timestamp:
      value = base::parse_timestamp(text);
      if (!value)
        return yaml_.invalid(node, fmt::format("field {}: {} must be a time as 2026-11-21T10:00:00Z", path, key));
      return *value;
    case Type::date:
      value = base::parse_date(text);
      if (!value)
        return yaml_.invalid(node, fmt::format("field {}: {} must be a day as 2026-11-21", path, key));
      return *value;
    case Type::decimal:
      value = parse_decimal(text, field.decimal);
      if (!value) {
        return yaml_.invalid(node,
                             fmt::format("field {}: {} must be a {}", path, key, decimal_type_text(field.decimal)));
      }
      return *value;
    default:
      value = whole_number(text);
      if (!value)
        return yaml_.invalid(node, fmt::format("field {}: {} must be an integer of at most 64 bits", path, key));
      return *value;
  }
}

Result<void> FieldParser::parse_bounds(const YAML::Node& node, const std::string& path, Field& field) const {
  const YAML::Node min = node["min"];
  const YAML::Node max = node["max"];
  if (!min && !max)
    return {};
  Limits& limits = field.limits;
  const YAML::Node& first = min ? min : max;
  switch (field.type) {
    case Type::integer:
    case Type::timestamp:
    case Type::date:
    case Type::decimal:
      if (min)
        limits.min = SHOPLAKE_TRY(bound(min, "min", field, path));
      if (max)
        limits.max = SHOPLAKE_TRY(bound(max, "max", field, path));
      break;
    case Type::real:
      if (min && (!YAML::convert<double>::decode(min, limits.real_min) || std::isnan(limits.real_min)))
        return yaml_.invalid(min, fmt::format("field {}: min must be a number", path));
      if (max && (!YAML::convert<double>::decode(max, limits.real_max) || std::isnan(limits.real_max)))
        return yaml_.invalid(max, fmt::format("field {}: max must be a number", path));
      break;
    case Type::text:
      return yaml_.invalid(first, fmt::format("field {}: a string has min_length, max_length, values and pattern, but "
                                              "no min and max",
                                              path));
    default:
      return yaml_.invalid(
          first, fmt::format("field {}: min and max need type long, double, decimal, timestamp or date", path));
  }
  if (limits.min > limits.max || limits.real_min > limits.real_max)
    return yaml_.invalid(first, fmt::format("field {}: min is more than max", path));
  return {};
}

Result<void> FieldParser::parse_values(const YAML::Node& values, const std::string& path, Field& field) const {
  if (field.type != Type::text && field.type != Type::integer)
    return yaml_.invalid(values, fmt::format("field {}: values need type string or long", path));
  if (!values.IsSequence() || values.size() == 0)
    return yaml_.invalid(values, fmt::format("field {}: values must be a list", path));
  for (const YAML::Node& entry : values) {
    std::string value = SHOPLAKE_TRY(yaml_.text(entry, "values"));
    if (field.type == Type::integer) {
      const auto number = whole_number(value);
      if (!number)
        return yaml_.invalid(entry, fmt::format("field {}: \"{}\" is no long", path, value));
      field.limits.numbers.push_back(*number);
    }
    field.limits.values.push_back(std::move(value));
  }
  std::sort(field.limits.values.begin(), field.limits.values.end());
  std::sort(field.limits.numbers.begin(), field.limits.numbers.end());
  return {};
}

Result<void> FieldParser::parse_limits(const YAML::Node& node, const std::string& path, Field& field) const {
  SHOPLAKE_TRY(parse_bounds(node, path, field));
  if (const YAML::Node values = node["values"])
    SHOPLAKE_TRY(parse_values(values, path, field));
  for (const char* key : {"min_length", "max_length", "pattern"}) {
    if (node[key] && field.type != Type::text)
      return yaml_.invalid(node[key], fmt::format("field {}: {} needs type string", path, key));
  }
  Limits& limits = field.limits;
  if (const YAML::Node length = node["min_length"])
    limits.length_min = static_cast<std::uint32_t>(SHOPLAKE_TRY(yaml_.number(length, "min_length", 0, 1 << 28)));
  if (const YAML::Node length = node["max_length"])
    limits.length_max = static_cast<std::uint32_t>(SHOPLAKE_TRY(yaml_.number(length, "max_length", 0, 1 << 28)));
  if (limits.length_min > limits.length_max)
    return yaml_.invalid(node["min_length"], fmt::format("field {}: min_length is more than max_length", path));
  if (const YAML::Node pattern = node["pattern"]) {
    auto parsed = Pattern::parse(SHOPLAKE_TRY(yaml_.text(pattern, "pattern")));
    if (!parsed.ok())
      return yaml_.invalid(pattern, fmt::format("field {}: {}", path, parsed.error().message));
    limits.pattern = std::move(parsed).value();
  }
  return {};
}

Result<void> FieldParser::parse_privacy(const YAML::Node& node, const std::string& path, Field& field) const {
  if (const YAML::Node pii = node["pii"]) {
    field.pii = SHOPLAKE_TRY(yaml_.choice<PiiClass>(
        pii, "pii",
        {{"none", PiiClass::none}, {"pseudonymous", PiiClass::pseudonymous}, {"direct", PiiClass::direct}}));
  }
  if (const YAML::Node treatment = node["treatment"]) {
    field.treatment = SHOPLAKE_TRY(yaml_.choice<Treatment>(treatment, "treatment",
                                                           {{"keep", Treatment::keep},
                                                            {"mask", Treatment::mask},
                                                            {"pseudonymize", Treatment::pseudonymize},
                                                            {"hash", Treatment::hash},
                                                            {"truncate_ip", Treatment::truncate_ip},
                                                            {"drop", Treatment::drop}}));
    const bool on_any_type = field.treatment == Treatment::keep || field.treatment == Treatment::drop;
    if (field.treatment != Treatment::keep && (!is_single_value(field.type) || field.name == "element")) {
      return yaml_.invalid(
          treatment,
          fmt::format("field {}: a treatment is given to single values; name the fields inside instead", path));
    }
    if (!on_any_type && field.type != Type::text)
      return yaml_.invalid(treatment, fmt::format("field {}: {} needs type string", path, treatment.Scalar()));
  }
  if (field.required && field.treatment == Treatment::drop)
    return yaml_.invalid(node, fmt::format("field {}: what is dropped cannot be required", path));
  if (field.pii == PiiClass::direct && !node["treatment"]) {
    return yaml_.invalid(node, fmt::format("field {} is classed as direct PII but has no treatment: say keep, mask, "
                                           "pseudonymize, hash, truncate_ip or drop",
                                           path));
  }
  return {};
}

Result<void> FieldParser::parse_children(const YAML::Node& node, const std::string& path, int depth,
                                         Field& field) const {
  const YAML::Node fields = node["fields"];
  const YAML::Node element = node["element"];
  if (field.type == Type::structure) {
    if (!fields || element)
      return yaml_.invalid(node, fmt::format("field {}: a struct needs fields", path));
    field.fields = SHOPLAKE_TRY(parse_fields(fields, path + ".", depth + 1));
    if (all_dropped(field.fields))
      return yaml_.invalid(node, fmt::format("field {}: all its fields are dropped", path));
  } else if (field.type == Type::list) {
    // A list of structs may name the structs' fields directly.
    if (!!fields == !!element)
      return yaml_.invalid(node, fmt::format("field {}: a list needs either fields (of its structs) or element", path));
    Field item;
    item.name = "element";
    if (fields) {
      item.type = Type::structure;
      item.fields = SHOPLAKE_TRY(parse_fields(fields, path + "[].", depth + 2));
      if (all_dropped(item.fields))
        return yaml_.invalid(node, fmt::format("field {}: all its fields are dropped", path));
    } else {
      SHOPLAKE_TRY(yaml_.check_keys(element, {"type", "pii", "treatment", "description", "fields"}));
      SHOPLAKE_TRY(parse_body(element, path + "[].", depth + 2, item));
      if (item.type == Type::list)
        return yaml_.invalid(element, fmt::format("field {}: lists of lists are not supported", path));
    }
    field.fields.push_back(std::move(item));
  } else if (fields || element) {
    return yaml_.invalid(node, fmt::format("field {}: only a struct or a list has fields", path));
  }
  return {};
}

// One or two names, joined by a point.
Result<std::vector<std::string>> FieldParser::parse_also(const YAML::Node& list, const std::string& path) const {
  if (!list.IsSequence() || list.size() == 0)
    return yaml_.invalid(list, fmt::format("field {}: also must be a list of names", path));
  std::vector<std::string> names;
  for (const YAML::Node& entry : list) {
    const std::string place = SHOPLAKE_TRY(yaml_.text(entry, "also"));
    const std::size_t dot = place.find('.');
    if (place.empty() || dot == 0 || dot + 1 == place.size() ||
        (dot != std::string::npos && place.find('.', dot + 1) != std::string::npos)) {
      return yaml_.invalid(entry, fmt::format("field {}: \"{}\" is no name, nor two joined by a point", path, place));
    }
    names.push_back(place);
  }
  return names;
}

// Each place of a record belongs to one field.
Result<void> FieldParser::check_also(const YAML::Node& list, const std::vector<Field>& fields) const {
  std::set<std::string> taken;
  for (const Field& field : fields)
    taken.insert(field.name);
  std::set<std::string> objects;
  for (std::size_t index = 0; index < fields.size(); ++index) {
    for (const std::string& place : fields[index].also) {
      const std::size_t dot = place.find('.');
      if (dot != std::string::npos)
        objects.insert(place.substr(0, dot));
      if (!taken.insert(place).second || (dot != std::string::npos && taken.contains(place.substr(0, dot))) ||
          objects.contains(place)) {
        return yaml_.invalid(list[index]["also"],
                             fmt::format("field {}: \"{}\" belongs to another field", fields[index].name, place));
      }
    }
  }
  return {};
}

}  // namespace shoplake::contract
