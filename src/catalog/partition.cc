#include "catalog/partition.h"

#include <charconv>
#include <cstdio>

#include "catalog/single_value.h"

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

bool is_sized(const std::string& transform, const char* name) {
  int size = 0;
  int consumed = 0;
  const std::string pattern = std::string(name) + "[%d]%n";
  return std::sscanf(transform.c_str(), pattern.c_str(), &size, &consumed) == 1 &&
         consumed == static_cast<int>(transform.size()) && size > 0;
}

std::optional<int> integer(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return {};
  }
  return value;
}

// Years, months or hours since 1970 of "2026", "2026-11", "2026-11-21-13".
std::optional<int> date_part(const std::string& transform, std::string_view text) {
  if (transform == "year") {
    const auto year = integer(text);
    return year ? std::optional(*year - 1970) : std::nullopt;
  }
  const std::size_t dash = text.rfind('-');
  if (dash == std::string_view::npos || dash == 0) {
    return {};
  }
  const auto last = integer(text.substr(dash + 1));
  if (!last) {
    return {};
  }
  if (transform == "month") {
    const auto year = integer(text.substr(0, dash));
    if (!year || *last < 1 || *last > 12) {
      return {};
    }
    return (*year - 1970) * 12 + *last - 1;
  }
  const auto day = single_value_from_text("date", text.substr(0, dash));
  if (!day || *last < 0 || *last > 23) {
    return {};
  }
  return decode_int(*day) * 24 + *last;
}

std::string date_part_text(const std::string& transform, int value) {
  const auto floor_divide = [](int dividend, int divisor) {
    return dividend >= 0 ? dividend / divisor : -((divisor - 1 - dividend) / divisor);
  };
  char buffer[32];
  if (transform == "year") {
    std::snprintf(buffer, sizeof buffer, "%04d", 1970 + value);
    return buffer;
  }
  if (transform == "month") {
    const int year = floor_divide(value, 12);
    std::snprintf(buffer, sizeof buffer, "%04d-%02d", 1970 + year, value - year * 12 + 1);
    return buffer;
  }
  const int day = floor_divide(value, 24);
  std::snprintf(buffer, sizeof buffer, "-%02d", value - day * 24);
  return single_value_to_text("date", encode_int(day)).value() + buffer;
}

bool is_date_part(const std::string& transform) {
  return transform == "year" || transform == "month" || transform == "hour";
}

}  // namespace

std::string transform_result_type(const std::string& transform, const std::string& source_type) {
  if (is_date_part(transform) || is_sized(transform, "bucket")) {
    return "int";
  }
  if (transform == "day") {
    return "date";
  }
  if (transform == "identity" || transform == "void" || is_sized(transform, "truncate")) {
    return source_type;
  }
  return "string";  // unknown transforms are carried along as text
}

Result<void> check_transform(const std::string& transform, const Type& source) {
  const auto reject = [&](const std::string& why) {
    return make_error(ErrorKind::input, "catalog.invalid_partition_spec",
                      "cannot partition by " + transform + " of a " + source.name + ": " + why);
  };
  if (!source.is_primitive()) {
    return reject("only columns of primitive types partition a table");
  }
  const bool is_time = source.name == "timestamp" || source.name == "timestamptz" || source.name == "timestamp_ns" ||
                       source.name == "timestamptz_ns";
  if (transform == "identity" || transform == "void") {
    return {};
  }
  if (transform == "year" || transform == "month" || transform == "day") {
    return is_time || source.name == "date" ? Result<void>() : reject("it needs a date or a timestamp");
  }
  if (transform == "hour") {
    return is_time ? Result<void>() : reject("it needs a timestamp");
  }
  if (is_sized(transform, "bucket")) {
    return source.name == "float" || source.name == "double" || source.name == "boolean"
               ? Result<void>(reject("it has no hash"))
               : Result<void>();
  }
  if (is_sized(transform, "truncate")) {
    return source.name == "int" || source.name == "long" || source.name == "string" || source.name == "binary" ||
                   decimal_type(source.name)
               ? Result<void>()
               : reject("it needs an integer, a decimal, a string or bytes");
  }
  return reject("the transform is not known");
}

std::vector<PartitionColumn> partition_columns(const TableMetadata& metadata, const PartitionSpec& spec) {
  std::vector<PartitionColumn> columns;
  columns.reserve(spec.fields.size());
  for (const PartitionField& field : spec.fields) {
    std::string source_type = "string";
    const Field* source = metadata.current_schema().find_id(field.source_id);
    for (std::int32_t id = metadata.current_schema().id; source == nullptr && id >= 0; --id) {
      if (const Schema* older = metadata.schema(id)) {
        source = older->find_id(field.source_id);
      }
    }
    if (source != nullptr) {
      source_type = source->type.name;
    }
    columns.push_back(
        {field.field_id, field.name, field.transform, transform_result_type(field.transform, source_type)});
  }
  return columns;
}

Result<PartitionTuple> partition_from_text(const std::vector<PartitionColumn>& columns,
                                           const std::vector<transform::PartitionValue>& values) {
  if (values.size() != columns.size()) {
    return make_error(ErrorKind::internal, "catalog.invalid_partition",
                      "a data file has " + std::to_string(values.size()) +
                          " partition values; the table is partitioned by " + std::to_string(columns.size()) +
                          " columns");
  }
  PartitionTuple tuple;
  tuple.reserve(columns.size());
  for (std::size_t index = 0; index < columns.size(); ++index) {
    const PartitionColumn& column = columns[index];
    if (!values[index] || column.transform == "void") {
      tuple.emplace_back();
    } else if (is_date_part(column.transform)) {
      const auto part = date_part(column.transform, *values[index]);
      if (!part) {
        return make_error(ErrorKind::input, "catalog.invalid_partition",
                          "\"" + *values[index] + "\" is not a value of partition field " + column.name + " (" +
                              column.transform + ")");
      }
      tuple.emplace_back(encode_int(*part));
    } else {
      tuple.emplace_back(
          SHOPLAKE_TRY(single_value_from_text(column.type, *values[index]).within("partition field " + column.name)));
    }
  }
  return tuple;
}

Result<std::vector<transform::PartitionValue>> partition_to_text(const std::vector<PartitionColumn>& columns,
                                                                 const PartitionTuple& tuple) {
  std::vector<transform::PartitionValue> values;
  values.reserve(tuple.size());
  for (std::size_t index = 0; index < tuple.size() && index < columns.size(); ++index) {
    if (!tuple[index]) {
      values.emplace_back();
    } else if (is_date_part(columns[index].transform) && tuple[index]->size() == 4) {
      values.emplace_back(date_part_text(columns[index].transform, decode_int(*tuple[index])));
    } else {
      values.emplace_back(SHOPLAKE_TRY(single_value_to_text(columns[index].type, *tuple[index])));
    }
  }
  return values;
}

}  // namespace shoplake::catalog
