#include "crawl/parquet_table.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "catalog/duckdb_statistics.h"
#include "crawl/external_view.h"
#include "model/iceberg_type.h"

namespace shoplake::crawl {
namespace {

using base::ErrorKind;
using base::make_error;
using nlohmann::json;

constexpr std::size_t kFootersAtOnce = 500;
constexpr const char* kFooterTable = "crawl_footers";
constexpr const char* kNameMappingProperty = "schema.name-mapping.default";
constexpr const char* kNullPartition = "__HIVE_DEFAULT_PARTITION__";

base::Error not_registered(const catalog::TableIdentifier& table, const std::string& why) {
  return make_error(ErrorKind::failed, "crawl.not_registered",
                    fmt::format("{} cannot be made of the Parquet files: {}", catalog::to_string(table), why),
                    "Move the files to a folder of another name, or `shoplake load` them.");
}

Result<Columns> describe(engine::Session& session, const std::string& path) {
  const engine::ResultSet described = SHOPLAKE_TRY(session.query(
      fmt::format("DESCRIBE SELECT * FROM read_parquet({}, hive_partitioning = false)", engine::quote_literal(path))));
  Columns columns;
  for (std::int64_t row = 0; row < described.row_count(); ++row) {
    auto type = SHOPLAKE_TRY(model::stored_type(described.text(row, 1).value_or("")));
    columns.push_back({described.text(row, 0).value_or(""), std::move(type.iceberg)});
  }
  return columns;
}

// Files of one footer schema are described once: its text to their columns.
using KnownSchemas = std::map<std::string, Columns>;

Result<void> read_batch(engine::Session& session, std::span<const std::string> paths, KnownSchemas& known,
                        std::span<Footer> footers) {
  const auto schemas = session.query(
      fmt::format("SELECT file_name, string_agg(concat_ws(' ', name, type, repetition_type, num_children, "
                  "converted_type, logical_type), ',') FROM parquet_schema({}) GROUP BY file_name",
                  engine::literal_list(paths)));
  if (!schemas.ok()) {
    if (paths.size() > 1) {  // one of them is damaged: which?
      for (std::size_t index = 0; index < paths.size(); ++index) {
        SHOPLAKE_TRY(read_batch(session, paths.subspan(index, 1), known, footers.subspan(index, 1)));
      }
      return {};
    }
    if (schemas.error().kind == ErrorKind::cancelled) {
      return schemas.error();
    }
    footers[0].problem = schemas.error().message;
    return {};
  }
  std::map<std::string, std::string> by_path;
  for (std::int64_t row = 0; row < schemas->row_count(); ++row) {
    by_path.emplace(schemas->text(row, 0).value_or(""), schemas->text(row, 1).value_or(""));
  }
  for (std::size_t index = 0; index < paths.size(); ++index) {
    const std::string& schema = by_path[paths[index]];
    auto found = known.find(schema);
    if (found == known.end()) {
      auto columns = describe(session, paths[index]);
      if (!columns.ok()) {
        footers[index].problem = columns.error().message;
        continue;
      }
      found = known.emplace(schema, std::move(columns).value()).first;
    }
    footers[index].columns = found->second;
  }
  return {};
}

json name_mapping(const std::vector<catalog::Field>& fields) {
  json mapping = json::array();
  for (const catalog::Field& field : fields) {
    json entry = {{"field-id", field.id}, {"names", json::array({field.name})}};
    if (!field.type.fields.empty()) {
      entry["fields"] = name_mapping(field.type.fields);
    }
    mapping.push_back(std::move(entry));
  }
  return mapping;
}

class Registration {
 public:
  explicit Registration(const ParquetTable& table) : table_(table), keys_(partition_columns(table.state->objects)) {}

  Result<void> run() {
    catalog::TableChange change;
    change.table = table_.table;
    change.summary = {{"shoplake.maintenance", "crawl"}};
    const bool exists = SHOPLAKE_TRY(table_.catalog->table_exists(table_.table));
    catalog::Schema wanted = schema();
    if (exists) {
      wanted = SHOPLAKE_TRY(plan_existing(wanted, change));
    } else {
      wanted = SHOPLAKE_TRY(table_.catalog->plan_schema(table_.table, wanted));
      change.create.emplace();
      change.create->schema = wanted;
      for (const Column& key : keys_) {
        change.create->partition_by.push_back(key.name);
      }
      change.create->properties = {{kRegisteredProperty, table_.state->folder}};
      // Metadata must not lie among the files.
      change.create->location = SHOPLAKE_TRY(table_.catalog->table_location(table_.table)) + "-registered";
    }
    change.set_properties[kNameMappingProperty] = name_mapping(wanted.fields).dump();
    SHOPLAKE_TRY(add_files(wanted, change));
    if (!change.removed_paths.empty()) {
      change.operation = catalog::TableChange::Operation::overwrite;
    }
    SHOPLAKE_TRY(table_.catalog->commit(std::span(&change, 1)));
    return {};
  }

 private:
  catalog::Schema schema() const {
    catalog::Schema schema;
    for (const Column& column : settled(table_.state->columns)) {
      if (find_column(keys_, column.name) == nullptr) {
        schema.fields.push_back({0, column.name, column.type, false, ""});
      }
    }
    for (const Column& key : keys_) {
      schema.fields.push_back({0, key.name, key.type, false, ""});
    }
    return schema;
  }

  Result<catalog::Schema> plan_existing(const catalog::Schema& wanted, catalog::TableChange& change) {
    const catalog::Table current = SHOPLAKE_TRY(table_.catalog->load_table(table_.table));
    if (current.metadata->property(kRegisteredProperty) != table_.state->folder) {
      return not_registered(table_.table, "a table of that name exists already, and a crawl has not made it");
    }
    std::vector<std::string> spec;
    for (const catalog::PartitionField& field : current.metadata->default_spec().fields) {
      spec.push_back(field.name);
    }
    const bool same_keys = std::equal(spec.begin(), spec.end(), keys_.begin(), keys_.end(),
                                      [](const std::string& name, const Column& key) { return name == key.name; });
    if (!same_keys) {
      return not_registered(table_.table, "the folders have other partition keys than before");
    }
    for (const auto& stored : SHOPLAKE_TRY(table_.catalog->list_stored_files(current))) {
      stored_.insert(stored.file.path);
    }
    const bool is_compacted = std::any_of(stored_.begin(), stored_.end(), [&](const std::string& path) {
      return !path.starts_with(io::join_path(table_.folder, ""));
    });
    if (is_compacted && !table_.removed.empty()) {
      return not_registered(table_.table, "files changed whose rows were compacted into others already");
    }
    for (const std::string& path : table_.removed) {
      if (const std::string full = io::join_path(table_.folder, path); stored_.erase(full) > 0) {
        change.removed_paths.push_back(full);
      }
    }
    auto planned = table_.catalog->plan_evolved_schema(table_.table, wanted);
    if (!planned.ok()) {
      return not_registered(table_.table, planned.error().message);
    }
    change.evolve_to = *planned;
    return planned;
  }

  Result<void> add_files(const catalog::Schema& schema, catalog::TableChange& change) {
    std::vector<std::string> paths;
    for (const std::string& path : table_.added) {
      const std::string full = io::join_path(table_.folder, path);
      // Files that an earlier crawl committed and did not live to remember.
      if (table_.state->objects.at(path).format == Format::parquet && !stored_.contains(full)) {
        paths.push_back(path);
      }
    }
    for (std::size_t begin = 0; begin < paths.size(); begin += kFootersAtOnce) {
      const std::span<const std::string> batch(paths.data() + begin, std::min(kFootersAtOnce, paths.size() - begin));
      SHOPLAKE_TRY(add_batch(schema, batch, change));
    }
    return {};
  }

  // Bounds are compared as what they are, so each type of column has its own query.
  Result<void> add_batch(const catalog::Schema& schema, std::span<const std::string> paths,
                         catalog::TableChange& change) {
    engine::Session& session = *table_.session;
    std::vector<std::string> full;
    for (const std::string& path : paths) {
      full.push_back(io::join_path(table_.folder, path));
    }
    SHOPLAKE_TRY(session.execute(fmt::format("CREATE OR REPLACE TEMP TABLE {} AS SELECT * FROM parquet_metadata({})",
                                             kFooterTable, engine::literal_list(full))));
    std::map<std::string, catalog::DuckdbColumnStatistics> statistics;
    for (const catalog::Field& field : schema.fields) {
      if (field.type.is_primitive()) {
        SHOPLAKE_TRY(read_statistics(field, statistics));
      }
    }
    const engine::ResultSet rows = SHOPLAKE_TRY(session.query(fmt::format(
        "SELECT file_name, sum(row_group_num_rows), list(start ORDER BY start) FROM (SELECT DISTINCT "
        "file_name, row_group_id, row_group_num_rows, min(coalesce(dictionary_page_offset, "
        "data_page_offset)) OVER (PARTITION BY file_name, row_group_id) AS start FROM {}) GROUP BY file_name",
        kFooterTable)));
    std::map<std::string, std::int64_t> counts;
    for (std::int64_t row = 0; row < rows.row_count(); ++row) {
      counts[rows.text(row, 0).value_or("")] = std::atoll(rows.text(row, 1).value_or("0").c_str());
    }
    for (std::size_t index = 0; index < full.size(); ++index) {
      transform::DataFile file;
      file.path = full[index];
      file.record_count = counts[full[index]];
      file.file_size_bytes = static_cast<std::int64_t>(table_.state->objects.at(paths[index]).object.bytes);
      file.partition = partition(paths[index]);
      file.columns = catalog::statistics_from_duckdb(schema, statistics[full[index]]);
      change.added.push_back(std::move(file));
    }
    return session.execute(fmt::format("DROP TABLE {}", kFooterTable));
  }

  Result<void> read_statistics(const catalog::Field& field,
                               std::map<std::string, catalog::DuckdbColumnStatistics>& statistics) {
    const std::string type = model::duckdb_type(field.type);
    const bool has_bounds = field.type.name != "binary" && !field.type.name.starts_with("fixed");
    const auto bound = [&](const char* function, const char* column) {
      return has_bounds ? fmt::format("CAST({}(TRY_CAST({} AS {})) AS VARCHAR)", function, column, type) : "NULL";
    };
    const engine::ResultSet found = SHOPLAKE_TRY(table_.session->query(fmt::format(
        "SELECT file_name, sum(num_values), sum(stats_null_count), sum(total_compressed_size), {}, {}, "
        "count(stats_null_count) = count(*), count({}) = count(*) FROM {} WHERE path_in_schema = {} GROUP BY file_name",
        bound("min", "stats_min_value"), bound("max", "stats_max_value"), "stats_min_value", kFooterTable,
        engine::quote_literal(field.name))));
    for (std::int64_t row = 0; row < found.row_count(); ++row) {
      auto& column = statistics[found.text(row, 0).value_or("")][engine::quote_identifier(field.name)];
      column["num_values"] = found.text(row, 1).value_or("0");
      column["column_size_bytes"] = found.text(row, 3).value_or("0");
      const bool knows_nulls = found.text(row, 6).value_or("") == "true";
      const bool knows_bounds = found.text(row, 7).value_or("") == "true";
      if (knows_nulls) {
        column["null_count"] = found.text(row, 2).value_or("0");
      }
      if (knows_bounds && found.text(row, 4) && found.text(row, 5)) {
        column["min"] = *found.text(row, 4);
        column["max"] = *found.text(row, 5);
      }
      if (!knows_nulls) {  // what is not known must not look like zero
        statistics[found.text(row, 0).value_or("")].erase(engine::quote_identifier(field.name));
      }
    }
    return {};
  }

  std::vector<transform::PartitionValue> partition(const std::string& path) const {
    const std::vector<PartitionValue> values = partition_of(path);
    std::vector<transform::PartitionValue> partition;
    for (const Column& key : keys_) {
      const auto found = std::find_if(values.begin(), values.end(),
                                      [&](const PartitionValue& value) { return same_name(value.key, key.name); });
      if (found == values.end() || found->value == kNullPartition) {
        partition.emplace_back();
      } else {
        const bool is_number = key.type.name == "int" || key.type.name == "long";
        partition.emplace_back(is_number ? std::to_string(std::atoll(found->value.c_str())) : found->value);
      }
    }
    return partition;
  }

  const ParquetTable& table_;
  Columns keys_;
  std::set<std::string> stored_;
};

}  // namespace

Result<std::vector<Footer>> read_footers(engine::Session& session, const std::vector<std::string>& paths) {
  std::vector<Footer> footers(paths.size());
  KnownSchemas known;
  for (std::size_t begin = 0; begin < paths.size(); begin += kFootersAtOnce) {
    const std::size_t count = std::min(kFootersAtOnce, paths.size() - begin);
    SHOPLAKE_TRY(
        read_batch(session, std::span(paths).subspan(begin, count), known, std::span(footers).subspan(begin, count)));
  }
  return footers;
}

Result<void> register_parquet(const ParquetTable& table) { return Registration(table).run(); }

}  // namespace shoplake::crawl
