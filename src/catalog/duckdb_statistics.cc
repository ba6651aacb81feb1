#include "catalog/duckdb_statistics.h"

#include <algorithm>
#include <charconv>

#include "catalog/single_value.h"

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;

constexpr std::size_t kBoundLength = 16;  // code points of a string, bytes of a binary

// '"a"."b""c"' → a, b"c. Empty if malformed.
std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  std::size_t position = 0;
  while (position < path.size()) {
    if (path[position] != '"') {
      return {};
    }
    std::string part;
    for (++position;; ++position) {
      if (position >= path.size()) {
        return {};
      }
      if (path[position] != '"') {
        part.push_back(path[position]);
      } else if (position + 1 < path.size() && path[position + 1] == '"') {
        part.push_back('"');
        ++position;
      } else {
        break;
      }
    }
    parts.push_back(std::move(part));
    ++position;
    if (position < path.size()) {
      if (path[position] != '.') {
        return {};
      }
      ++position;
    }
  }
  return parts;
}

struct Leaf {
  const Field* field = nullptr;
  bool repeated = false;  // below a list or a map
};

char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

// DuckDB's names ignore case.
bool same_name(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char one, char other) { return lower(one) == lower(other); });
}

Leaf find_leaf(const Schema& schema, const std::vector<std::string>& path) {
  Leaf leaf;
  const std::vector<Field>* fields = &schema.fields;
  for (const std::string& part : path) {
    if (leaf.field != nullptr && leaf.field->type.name != "struct") {
      leaf.repeated = true;
    }
    const auto found =
        std::find_if(fields->begin(), fields->end(), [&](const Field& field) { return same_name(field.name, part); });
    if (found == fields->end()) {
      return {};
    }
    leaf.field = &*found;
    fields = &found->type.fields;
  }
  return leaf.field != nullptr && leaf.field->type.is_primitive() ? leaf : Leaf();
}

std::int64_t integer(const std::map<std::string, std::string>& statistics, const char* name) {
  const auto found = statistics.find(name);
  std::int64_t value = 0;
  if (found != statistics.end()) {
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  }
  return value;
}

std::optional<std::string> bytes_from_hex(std::string_view digits) {
  std::string bytes;
  if (digits.size() % 2 != 0) {
    return {};
  }
  for (std::size_t index = 0; index < digits.size(); index += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data() + index, digits.data() + index + 2, value, 16);
    if (error != std::errc() || end != digits.data() + index + 2) {
      return {};
    }
    bytes.push_back(static_cast<char>(value));
  }
  return bytes;
}

std::optional<std::string> bound(const std::string& type, const std::string& text, bool is_lower) {
  if (type == "string") {
    return is_lower ? truncated_lower_bound(text, kBoundLength) : truncated_upper_bound(text, kBoundLength);
  }
  if (type == "binary") {
    auto bytes = bytes_from_hex(text);
    if (bytes && bytes->size() > kBoundLength) {
      if (!is_lower) {
        return {};
      }
      bytes->resize(kBoundLength);
    }
    return bytes;
  }
  auto value = single_value_from_text(type, text);
  if (!value.ok() || is_nan(type, *value)) {
    return {};
  }
  return std::move(*value);
}

const std::string* text_of(const engine::Value& value) { return std::get_if<std::string>(&value.data); }

// Calls back for each key and value of a MAP, which the engine gives as a list of {key, value} structs.
template <typename Apply>
void each_pair(const engine::Value& map, const Apply& apply) {
  const auto* list = std::get_if<engine::List>(&map.data);
  if (list == nullptr) {
    return;
  }
  for (const engine::Value& item : *list) {
    const auto* pair = std::get_if<engine::Struct>(&item.data);
    if (pair != nullptr && pair->size() == 2) {
      if (const std::string* key = text_of((*pair)[0].value)) {
        apply(*key, (*pair)[1].value);
      }
    }
  }
}

}  // namespace

std::vector<transform::ColumnStatistics> statistics_from_duckdb(const Schema& schema,
                                                                const DuckdbColumnStatistics& statistics) {
  std::vector<transform::ColumnStatistics> columns;
  columns.reserve(statistics.size());
  for (const auto& [path, given] : statistics) {
    const Leaf leaf = find_leaf(schema, split_path(path));
    if (leaf.field == nullptr) {
      continue;
    }
    const std::string& type = leaf.field->type.name;
    transform::ColumnStatistics column;
    column.field_id = leaf.field->id;
    column.column_size_bytes = integer(given, "column_size_bytes");
    column.value_count = integer(given, "num_values");
    column.null_count = integer(given, "null_count");
    if (const auto nan = given.find("has_nan"); nan != given.end() && nan->second == "false") {
      column.nan_count = 0;
    }
    const auto minimum = given.find("min");
    const auto maximum = given.find("max");
    if (!leaf.repeated && minimum != given.end()) {
      column.lower_bound = bound(type, minimum->second, true);
    }
    if (!leaf.repeated && maximum != given.end()) {
      column.upper_bound = bound(type, maximum->second, false);
    }
    columns.push_back(std::move(column));
  }
  std::sort(columns.begin(), columns.end(),
            [](const auto& left, const auto& right) { return left.field_id < right.field_id; });
  return columns;
}

Result<std::vector<transform::DataFile>> data_files_from_copy(const engine::ResultSet& result, const Schema& schema,
                                                              const std::vector<std::string>& partition_by) {
  const auto column = [&](std::string_view name) {
    const auto& columns = result.columns();
    return static_cast<std::size_t>(
        std::find_if(columns.begin(), columns.end(), [&](const engine::Column& one) { return one.name == name; }) -
        columns.begin());
  };
  const std::size_t filename = column("filename");
  const std::size_t count = column("count");
  const std::size_t size = column("file_size_bytes");
  const std::size_t statistics = column("column_statistics");
  const std::size_t keys = column("partition_keys");
  if (std::max({filename, count, size, statistics, keys}) >= result.columns().size()) {
    return make_error(ErrorKind::internal, "catalog.unexpected_copy_result",
                      "the engine's COPY did not answer with the columns of RETURN_STATS");
  }
  std::vector<transform::DataFile> files;
  for (std::int64_t row = 0; row < result.row_count(); ++row) {
    transform::DataFile file;
    file.path = result.text(row, filename).value_or("");
    file.record_count = result.integer(row, count);
    file.file_size_bytes = result.integer(row, size);
    DuckdbColumnStatistics given;
    each_pair(result.value(row, statistics), [&](const std::string& path, const engine::Value& map) {
      each_pair(map, [&](const std::string& name, const engine::Value& value) {
        if (const std::string* text = text_of(value)) {
          given[path][name] = *text;
        }
      });
    });
    file.columns = statistics_from_duckdb(schema, given);
    file.partition.resize(partition_by.size());
    std::size_t found = 0;
    each_pair(result.value(row, keys), [&](const std::string& name, const engine::Value& value) {
      for (std::size_t index = 0; index < partition_by.size(); ++index) {
        if (same_name(partition_by[index], name)) {
          ++found;
          if (const std::string* text = text_of(value)) {
            file.partition[index] = *text;
          }
        }
      }
    });
    if (found != partition_by.size() && file.record_count > 0) {
      return make_error(ErrorKind::internal, "catalog.unexpected_copy_result",
                        "the engine's COPY did not tell the partition of " + file.path);
    }
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace shoplake::catalog
