// Lake: bringing a batch into a table that is there.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "model/audit.h"
#include "model/lake.h"
#include "model/lake_sql.h"

namespace shoplake::model {
namespace {

// The rows of a batch, in engine memory for as long as this lives.
class BatchTable {
 public:
  BatchTable(engine::Session& session, std::string name) : session_(session), name_(std::move(name)) {}
  ~BatchTable() { (void)session_.execute(fmt::format("DROP TABLE IF EXISTS temp.{}", name_)); }
  BatchTable(const BatchTable&) = delete;
  BatchTable& operator=(const BatchTable&) = delete;
  const std::string& name() const { return name_; }
  std::string qualified() const { return "temp." + name_; }

 private:
  engine::Session& session_;
  std::string name_;
};

// The rows of a table as a change of files will leave them. `kept`: SQL that gives the rows of the present files, with
// their names as `filename`; empty: none of them stays, and there are new ones.
std::string rows_after(const catalog::TableChange& change, const std::vector<std::string>& columns,
                       const std::string& kept) {
  std::vector<std::string> names, removed, parts;
  for (const std::string& column : columns)
    names.push_back(engine::quote_identifier(column));
  for (const std::string& path : change.removed_paths)
    removed.push_back(engine::quote_literal(path));
  if (!kept.empty())
    parts.push_back(kept + (removed.empty() ? "" : fmt::format(" WHERE filename NOT IN ({})", join(removed, ", "))));
  if (!change.added.empty())
    parts.push_back(fmt::format("SELECT {} FROM {}", join(names, ", "), read_files(change.added)));
  return "(" + join(parts, " UNION ALL ") + ")";
}

}  // namespace

// What an incremental model's table looks like after the batch, and the lists that bring both sides into that form.
struct Lake::Shape {
  catalog::Schema schema;
  bool evolves = false;   // columns were added
  bool rewrites = false;  // columns went or changed: every file is written anew
  std::string from_batch;
  std::string from_target;
  std::vector<std::string> columns;
};

Result<Lake::Shape> Lake::incremental_shape(const IncrementalWrite& write, const catalog::Table& table,
                                            const StoredColumns& batch) {
  const catalog::Schema& current = table.metadata->current_schema();
  std::vector<std::string> added, removed, changed;
  for (const engine::Column& column : batch.columns) {
    const catalog::Field* field = find_column(current, column.name);
    if (field == nullptr) {
      added.push_back(column.name);
    } else if (duckdb_type(field->type) != column.type) {
      changed.push_back(fmt::format("{} ({} → {})", column.name, duckdb_type(field->type), column.type));
    }
  }
  for (const catalog::Field& field : current.fields) {
    if (find_column(batch.schema, field.name) == nullptr)
      removed.push_back(field.name);
  }
  const std::string& policy = write.on_schema_change;
  if (policy == "fail" && !(added.empty() && removed.empty() && changed.empty())) {
    std::vector<std::string> differences;
    if (!added.empty())
      differences.push_back("added: " + join(added, ", "));
    if (!removed.empty())
      differences.push_back("removed: " + join(removed, ", "));
    if (!changed.empty())
      differences.push_back("type changed: " + join(changed, ", "));
    return base::make_error(
        base::ErrorKind::failed, "model.schema_changed",
        fmt::format("the source and target schemas of {} are out of sync ({}), and on_schema_change is fail",
                    to_string(write.table.name), join(differences, "; ")),
        "Run with --full-refresh, or set on_schema_change to append_new_columns or sync_all_columns.");
  }
  if (policy == "ignore" && !removed.empty()) {
    return base::make_error(
        base::ErrorKind::failed, "model.schema_changed",
        fmt::format("the model no longer gives the column(s) {} of {}, and on_schema_change is ignore",
                    join(removed, ", "), to_string(write.table.name)),
        "Run with --full-refresh, or set on_schema_change to append_new_columns or sync_all_columns.");
  }

  Shape shape;
  catalog::Schema wanted;
  if (policy == "sync_all_columns" && !(added.empty() && removed.empty() && changed.empty())) {
    wanted = batch.schema;
    shape.rewrites = true;
  } else {
    wanted = current;
    if (policy == "append_new_columns") {
      for (const std::string& name : added) {
        wanted.fields.push_back(*find_column(batch.schema, name));
        shape.evolves = true;
      }
    }
  }
  std::int32_t last_column_id = table.metadata->last_column_id();
  shape.schema = shape.rewrites || shape.evolves ? catalog::plan_replacement(current, wanted, last_column_id) : current;
  std::vector<std::string> from_batch, from_target;
  for (const catalog::Field& field : shape.schema.fields) {
    const std::string name = engine::quote_identifier(field.name);
    const std::string type = duckdb_type(field.type);
    const auto side = [&](const catalog::Schema& schema) {
      const catalog::Field* found = find_column(schema, field.name);
      if (found == nullptr)
        return fmt::format("CAST(NULL AS {}) AS {}", type, name);
      if (duckdb_type(found->type) != type)
        return fmt::format("CAST({} AS {}) AS {}", name, type, name);
      return name;
    };
    from_batch.push_back(side(batch.schema));
    from_target.push_back(side(current));
    shape.columns.push_back(field.name);
  }
  shape.from_batch = join(from_batch, ", ");
  shape.from_target = join(from_target, ", ");
  return shape;
}

Result<Written> Lake::write_incremental(engine::Session& session, const IncrementalWrite& write) {
  using Operation = catalog::TableChange::Operation;
  const catalog::TableIdentifier table_name = identifier(write.table.name);
  const catalog::Table table = SHOPLAKE_TRY(options_.catalog->load_table(table_name));
  {
    const std::lock_guard lock(mutex_);
    if (entries_[folded(write.table.name)].metadata_location != table.metadata_location) {
      return base::make_error(
          base::ErrorKind::conflict, "catalog.commit_conflict",
          fmt::format("somebody else committed to {} while the batch was prepared", to_string(write.table.name)));
    }
  }
  const std::vector<engine::Column> described = SHOPLAKE_TRY(describe(session, write.table.sql));
  const StoredColumns stored = SHOPLAKE_TRY(stored_columns(described));
  BatchTable batch(session, fmt::format("batch_{}", ++batch_count_));
  SHOPLAKE_TRY(session.execute(fmt::format("CREATE TEMP TABLE {} AS SELECT {} FROM ({}\n) AS shoplake_batch",
                                           batch.name(), stored.select_list, write.table.sql)));
  const Shape shape = SHOPLAKE_TRY(incremental_shape(write, table, stored));

  std::vector<std::string> partition_by;  // as the table is partitioned, whatever the configuration says now
  for (const catalog::PartitionField& field : table.metadata->default_spec().fields) {
    const catalog::Field* source = table.metadata->current_schema().find_id(field.source_id);
    if (field.transform != "identity" || source == nullptr) {
      return base::make_error(base::ErrorKind::failed, "model.incremental",
                              fmt::format("{} is partitioned by {}({}), which incremental models cannot write",
                                          to_string(write.table.name), field.transform, field.name),
                              "Run with --full-refresh.");
    }
    partition_by.push_back(source->name);
  }
  const std::string folder = SHOPLAKE_TRY(options_.catalog->data_location(table_name));

  catalog::TableChange change;
  change.table = table_name;
  change.operation = Operation::overwrite;
  change.summary = write.table.summary;
  change.set_properties = write.table.properties;
  change.base_snapshot_id = table.metadata->current_snapshot_id();
  if (shape.evolves)
    change.evolve_to = shape.schema;

  const std::string target = scan(table.metadata_location) + " AS DBT_INTERNAL_DEST";
  const std::string all_batch =
      fmt::format("SELECT {} FROM {} AS DBT_INTERNAL_SOURCE", shape.from_batch, batch.qualified());
  const std::string all_target = fmt::format("SELECT {} FROM {}", shape.from_target, target);
  const bool keyed = (write.strategy == "merge" || write.strategy == "delete+insert") && !write.unique_key.empty();
  std::string query = all_batch;
  std::vector<transform::DataFile> current_files;
  const auto load_files = [&]() -> Result<void> {
    current_files = SHOPLAKE_TRY(options_.catalog->list_files(table));
    return {};
  };

  if (keyed) {
    std::vector<std::string> on, key_columns;
    for (const std::string& key : write.unique_key) {
      const std::string column = is_plain_identifier(key) ? engine::quote_identifier(key) : key;
      if (!is_plain_identifier(key)) {
        return base::make_error(base::ErrorKind::failed, "model.incremental",
                                fmt::format("unique_key '{}' is not a column name", key),
                                "Give the model a column for the key.");
      }
      if (find_column(stored.schema, key) == nullptr || find_column(table.metadata->current_schema(), key) == nullptr) {
        return base::make_error(
            base::ErrorKind::failed, "model.incremental",
            fmt::format("unique_key names the column {}, which {} does not have", key, to_string(write.table.name)));
      }
      on.push_back(fmt::format("DBT_INTERNAL_DEST.{} = DBT_INTERNAL_SOURCE.{}", column, column));
      key_columns.push_back(column);
    }
    if (write.strategy == "merge") {
      const engine::ResultSet repeated = SHOPLAKE_TRY(session.query(
          fmt::format("SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} IS NOT NULL GROUP BY {} HAVING count(*) > 1)",
                      batch.qualified(), join(key_columns, " IS NOT NULL AND "), join(key_columns, ", "))));
      if (repeated.integer(0, 0) > 0) {
        return base::make_error(
            base::ErrorKind::failed, "model.duplicate_key",
            fmt::format("the batch for {} has {} key(s) ({}) more than once", to_string(write.table.name),
                        repeated.integer(0, 0), join(write.unique_key, ", ")),
            "Deduplicate in the model, or use the strategy delete+insert.");
      }
    }
    std::string match = join(on, " AND ");
    for (const std::string& predicate : write.predicates)
      match += fmt::format(" AND ({})", predicate);
    const std::string exists =
        fmt::format("EXISTS (SELECT 1 FROM {} AS DBT_INTERNAL_SOURCE WHERE {})", batch.qualified(), match);

    std::string kept_rows;
    if (shape.rewrites) {
      kept_rows = fmt::format("{} WHERE NOT {}", all_target, exists);
    } else {
      const engine::ResultSet affected =
          SHOPLAKE_TRY(session.query(fmt::format("SELECT DISTINCT filename FROM {} WHERE {}", target, exists)));
      if (affected.row_count() > 0) {
        std::vector<std::string> files;
        for (std::int64_t row = 0; row < affected.row_count(); ++row) {
          change.removed_paths.push_back(affected.text(row, 0).value_or(""));
          files.push_back(engine::quote_literal(change.removed_paths.back()));
        }
        kept_rows = fmt::format("{} WHERE filename IN ({}) AND NOT {}", all_target, join(files, ", "), exists);
        SHOPLAKE_TRY(load_files());
        const auto data_files = std::count_if(
            current_files.begin(), current_files.end(),
            [](const transform::DataFile& file) { return file.content == transform::DataFile::Content::data; });
        if (data_files == affected.row_count()) {  // nothing is left that delete files could refer to
          for (const transform::DataFile& file : current_files) {
            if (file.content != transform::DataFile::Content::data)
              change.removed_paths.push_back(file.path);
          }
        }
      }
    }
    const bool partial = write.strategy == "merge" && (!write.update_columns.empty() || !write.exclude_columns.empty());
    if (partial && !kept_rows.empty()) {
      // Matched rows take only some columns from the batch; the others stay as they are in the table.
      const auto names = [](const std::vector<std::string>& list) {
        std::set<std::string> set;
        for (const std::string& name : list)
          set.insert(lower(name));
        return set;
      };
      const std::set<std::string> updated = names(write.update_columns), excluded = names(write.exclude_columns);
      std::vector<std::string> columns;
      for (const catalog::Field& field : shape.schema.fields) {
        const std::string name = engine::quote_identifier(field.name);
        const bool from_batch =
            updated.empty() ? !excluded.contains(lower(field.name)) : updated.contains(lower(field.name));
        const bool in_batch = find_column(stored.schema, field.name) != nullptr;
        const bool in_target = find_column(table.metadata->current_schema(), field.name) != nullptr;
        const std::string type = duckdb_type(field.type);
        columns.push_back(from_batch && in_batch
                              ? fmt::format("CAST(DBT_INTERNAL_SOURCE.{} AS {}) AS {}", name, type, name)
                          : in_target ? fmt::format("CAST(DBT_INTERNAL_DEST.{} AS {}) AS {}", name, type, name)
                                      : fmt::format("CAST(NULL AS {}) AS {}", type, name));
      }
      const std::string matched = fmt::format("SELECT {} FROM {} JOIN {} AS DBT_INTERNAL_SOURCE ON {}",
                                              join(columns, ", "), target, batch.qualified(), match);
      const std::string unmatched =
          fmt::format("{} WHERE NOT EXISTS (SELECT 1 FROM {} WHERE {})", all_batch, target, match);
      query = fmt::format("{} UNION ALL {} UNION ALL {}", kept_rows, matched, unmatched);
    } else if (!kept_rows.empty()) {
      query = fmt::format("{} UNION ALL {}", kept_rows, all_batch);
    }
  } else if (shape.rewrites && write.strategy != "insert_overwrite") {
    query = fmt::format("{} UNION ALL {}", all_target, all_batch);
  } else if (write.strategy == "insert_overwrite" && shape.rewrites && !partition_by.empty()) {
    std::vector<std::string> columns;
    for (const std::string& column : partition_by)
      columns.push_back(engine::quote_identifier(column));
    query = fmt::format("{} WHERE ({}) NOT IN (SELECT ({}) FROM {}) UNION ALL {}", all_target, join(columns, ", "),
                        join(columns, ", "), batch.qualified(), all_batch);
  }

  Copied copied = SHOPLAKE_TRY(copy(session, query, shape.schema, partition_by, folder, /*small=*/false));
  SHOPLAKE_TRY(make_durable(copied.files, {folder}));
  change.added = copied.files;
  if (shape.rewrites) {
    change.operation = Operation::replace;
    change.removed_paths.clear();
    change.evolve_to.reset();
    change.create = catalog::CreateTable{shape.schema, partition_by, write.table.properties, {}};
  } else if (write.strategy == "insert_overwrite") {
    SHOPLAKE_TRY(load_files());
    std::set<std::vector<transform::PartitionValue>> partitions;
    for (const transform::DataFile& file : copied.files)
      partitions.insert(file.partition);
    for (const transform::DataFile& file : current_files) {
      if (partition_by.empty() || partitions.contains(file.partition))
        change.removed_paths.push_back(file.path);
    }
  }
  if (write.audit != nullptr) {
    const bool is_replaced = change.operation == Operation::replace;
    const Result<void> audited = write.audit->check(
        session, *this, write.table.name, rows_after(change, shape.columns, is_replaced ? std::string() : all_target));
    if (!audited.ok()) {
      for (const transform::DataFile& file : copied.files)
        (void)options_.env->remove_file(file.path);
      return audited.error();
    }
  }
  std::int64_t batch_rows =
      SHOPLAKE_TRY(session.query(fmt::format("SELECT count(*) FROM {}", batch.qualified()))).integer(0, 0);
  const Written written{batch_rows, copied.bytes, static_cast<std::int64_t>(copied.files.size()),
                        static_cast<std::int64_t>(change.removed_paths.size())};
  const bool nothing = change.added.empty() && change.removed_paths.empty() && !shape.rewrites && !shape.evolves;
  if (nothing)
    return written;
  if (!change.base_snapshot_id && change.operation == Operation::overwrite && change.removed_paths.empty())
    change.operation = Operation::append;
  const std::vector<catalog::CommittedTable> committed = SHOPLAKE_TRY(options_.catalog->commit(std::span(&change, 1)));
  SHOPLAKE_TRY(show_committed(session, write.table.name, committed.at(0).metadata_location));
  return written;
}

}  // namespace shoplake::model
