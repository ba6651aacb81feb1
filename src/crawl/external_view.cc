#include "crawl/external_view.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "engine/session.h"
#include "model/iceberg_type.h"

namespace shoplake::crawl {
namespace {

constexpr const char* kNullPartition = "__HIVE_DEFAULT_PARTITION__";  // the engine reads it as null

// Objects that one scan reads.
struct Group {
  std::set<std::string> patterns;
  Columns columns;                // that any of them has
  std::vector<std::string> keys;  // partition keys
};
// What must be the same in a scan: format, delimiter and header of CSV, partition keys.
using GroupKey = std::tuple<Format, char, bool, std::vector<std::string>>;

GroupKey group_key(const std::string& path, const KnownObject& known) {
  std::vector<std::string> keys;
  for (const PartitionValue& value : partition_of(path)) {
    keys.push_back(value.key);
  }
  const bool is_csv = known.format == Format::csv;
  return {known.format, is_csv ? known.delimiter : ',', is_csv ? known.has_header : true, std::move(keys)};
}

// `by_name`: the engine expands no patterns in this folder, so each object is named.
std::map<GroupKey, Group> groups_of(const std::map<std::string, KnownObject>& objects, bool by_name) {
  // A pattern that objects of two kinds share would give each scan the other's objects.
  std::map<std::string, std::set<GroupKey>> kinds;
  for (const auto& [path, known] : objects) {
    kinds[pattern_of(path)].insert(group_key(path, known));
  }
  std::map<GroupKey, Group> groups;
  std::vector<Conflict> ignored;
  for (const auto& [path, known] : objects) {
    if (known.format == Format::unknown) {
      continue;
    }
    GroupKey key = group_key(path, known);
    Group& group = groups[key];
    std::string pattern = pattern_of(path);
    if (by_name) {
      pattern = path;
    } else if (kinds[pattern].size() > 1) {
      pattern = exact_pattern(path);
    }
    group.patterns.insert(std::move(pattern));
    if (group.columns != known.columns) {
      group.columns = merge_columns(group.columns, known.columns, ignored);
    }
    group.keys = std::get<3>(key);
  }
  return groups;
}

std::string spelled(const Type& type) { return model::duckdb_type(type); }

bool has_key(const std::vector<std::string>& keys, std::string_view name) {
  return std::any_of(keys.begin(), keys.end(), [&](const std::string& key) { return same_name(key, name); });
}

class ViewWriter {
 public:
  ViewWriter(const std::string& folder, const TableState& state)
      : folder_(folder), keys_(partition_columns(state.objects)) {
    for (const Column& column : settled(state.columns)) {
      // A partition key of the same name wins, as it does in other engines.
      if (find_column(keys_, column.name) == nullptr && column.name != kSourceColumn) {
        columns_.push_back(column);
      }
    }
  }

  ExternalView write(const TableState& state) {
    ExternalView view;
    for (const auto& [key, group] : groups_of(state.objects, folder_.starts_with("s3://"))) {
      view.sql += (view.sql.empty() ? "" : "\nUNION ALL ") + select(key, group);
    }
    view.columns = columns_;
    view.columns.insert(view.columns.end(), keys_.begin(), keys_.end());
    view.columns.push_back({kSourceColumn, Type::primitive("string")});
    return view;
  }

 private:
  std::string select(const GroupKey& key, const Group& group) const {
    std::string list;
    const auto add = [&](const std::string& expression, const std::string& name) {
      list += fmt::format("{}{} AS {}", list.empty() ? "" : ", ", expression, engine::quote_identifier(name));
    };
    for (const Column& column : columns_) {
      const Column* own = find_column(group.columns, column.name);
      add(fmt::format("CAST({} AS {})", engine::quote_identifier(own != nullptr ? own->name : column.name),
                      spelled(column.type)),
          column.name);
    }
    // Bare names: only so does the engine leave out files of other partitions.
    for (const Column& column : keys_) {
      const std::string name = engine::quote_identifier(column.name);
      add(has_key(group.keys, column.name) ? name : fmt::format("CAST(NULL AS {})", spelled(column.type)), column.name);
    }
    add(engine::quote_identifier(kSourceColumn), kSourceColumn);
    return fmt::format("SELECT {} FROM {}", list, scan(key, group));
  }

  std::string scan(const GroupKey& key, const Group& group) const {
    const auto& [format, delimiter, has_header, keys] = key;
    std::string paths;
    for (const std::string& pattern : group.patterns) {
      paths += (paths.empty() ? "" : ", ") + engine::quote_literal(io::join_path(folder_, pattern));
    }
    std::string options = fmt::format("[{}], filename = {}", paths, engine::quote_literal(kSourceColumn));
    if (keys.empty()) {
      options += ", hive_partitioning = false";
    } else {
      std::string types;
      for (const Column& key_column : keys_) {
        if (has_key(keys, key_column.name)) {
          types += fmt::format("{}{}: {}", types.empty() ? "" : ", ", engine::quote_literal(key_column.name),
                               spelled(key_column.type));
        }
      }
      options += fmt::format(", hive_partitioning = true, hive_types = {{{}}}", types);
    }
    switch (format) {
      case Format::csv:
        options += fmt::format(", union_by_name = true, all_varchar = true, header = {}, delim = {}",
                               has_header ? "true" : "false", engine::quote_literal(std::string(1, delimiter)));
        return with_all_columns("read_csv(" + options + ")", /*as_text=*/true);
      case Format::parquet:
        return with_all_columns("read_parquet(" + options + ", union_by_name = true)", /*as_text=*/false);
      default: break;
    }
    // Names of JSON members differ in case, so each group has its own spelling.
    std::string columns;
    for (const Column& column : columns_) {
      const Column* own = find_column(group.columns, column.name);
      columns += fmt::format("{}{}: {}", columns.empty() ? "" : ", ",
                             engine::quote_literal(own != nullptr ? own->name : column.name),
                             engine::quote_literal(spelled(column.type)));
    }
    return fmt::format("read_json({}, format = '{}', columns = {{{}}})", options,
                       format == Format::json_array ? "array" : "newline_delimited", columns);
  }

  // A scan that has all columns, with nulls for those that no object has (any more).
  std::string with_all_columns(const std::string& scan, bool as_text) const {
    std::string nulls;
    for (const Column& column : columns_) {
      nulls += fmt::format("{}CAST(NULL AS {}) AS {}", nulls.empty() ? "" : ", ",
                           as_text ? "VARCHAR" : spelled(column.type), engine::quote_identifier(column.name));
    }
    return nulls.empty() ? scan
                         : fmt::format("(SELECT {} WHERE false UNION ALL BY NAME SELECT * FROM {})", nulls, scan);
  }

  std::string folder_;
  Columns keys_;
  Columns columns_;
};

bool is_whole_number(const std::string& text) {
  return !text.empty() && text.size() <= 18 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

bool is_day(const std::string& text) {
  return text.size() == 10 && text[4] == '-' && text[7] == '-' && is_whole_number(text.substr(0, 4)) &&
         is_whole_number(text.substr(5, 2)) && is_whole_number(text.substr(8, 2)) && text.substr(5, 2) >= "01" &&
         text.substr(5, 2) <= "12" && text.substr(8, 2) >= "01" && text.substr(8, 2) <= "31";
}

// A number that begins with a zero is one only where all are of one length: 07 of 12 months.
Type type_of_values(const std::set<std::string>& values) {
  const bool one_length = std::all_of(values.begin(), values.end(),
                                      [&](const std::string& value) { return value.size() == values.begin()->size(); });
  const auto counts = [&](const std::string& value) {
    return is_whole_number(value) && (value == "0" || value[0] != '0' || (one_length && value.size() == 2));
  };
  if (!values.empty() && std::all_of(values.begin(), values.end(), counts)) {
    const bool is_small =
        std::all_of(values.begin(), values.end(), [](const std::string& value) { return value.size() <= 9; });
    return Type::primitive(is_small ? "int" : "long");
  }
  return Type::primitive(!values.empty() && std::all_of(values.begin(), values.end(), is_day) ? "date" : "string");
}

}  // namespace

Columns partition_columns(const std::map<std::string, KnownObject>& objects) {
  std::vector<std::pair<std::string, std::set<std::string>>> keys;
  std::string last;
  for (const auto& [path, known] : objects) {
    const std::string folder = io::parent_path(path);
    if (known.format == Format::unknown || (folder == last && !keys.empty())) {
      continue;
    }
    last = folder;
    for (PartitionValue& value : partition_of(path)) {
      auto found =
          std::find_if(keys.begin(), keys.end(), [&](const auto& key) { return same_name(key.first, value.key); });
      if (found == keys.end()) {
        found = keys.insert(keys.end(), {value.key, {}});
      }
      if (value.value != kNullPartition) {
        found->second.insert(std::move(value.value));
      }
    }
  }
  Columns columns;
  for (const auto& [key, values] : keys) {
    columns.push_back({key, type_of_values(values)});
  }
  return columns;
}

ExternalView external_view(const std::string& folder, const TableState& state) {
  return ViewWriter(folder, state).write(state);
}

}  // namespace shoplake::crawl
