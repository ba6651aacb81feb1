// Lake: how a model's rows become files, and files a table.
#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "catalog/duckdb_statistics.h"
#include "io/staged_folder.h"
#include "model/lake.h"
#include "model/lake_sql.h"

namespace shoplake::model {
namespace {

// One thread writes, and later reads, one row group. At DuckDB's 122,880 rows, one thread would write most of a table
// of a few hundred thousand rows: what comes from small inputs is written in smaller groups.
constexpr std::uint64_t kSmallInputBytes = 64ull << 20;
constexpr int kSmallTableRowGroupRows = 16384;
constexpr std::size_t kSyncsAtOnceMax = 8;

}  // namespace

Result<Lake::Copied> Lake::copy(engine::Session& session, const std::string& sql, const catalog::Schema& schema,
                                const std::vector<std::string>& partition_by, const std::string& folder, bool small) {
  const std::unique_ptr<io::StagedFolder> stage = SHOPLAKE_TRY(io::StagedFolder::open(*options_.env, folder));
  std::string target = stage->directory();
  std::string options =
      fmt::format("FORMAT parquet, COMPRESSION snappy, RETURN_STATS, FIELD_IDS {}", field_ids_option(schema));
  if (small)
    options += fmt::format(", ROW_GROUP_SIZE {}", kSmallTableRowGroupRows);
  if (partition_by.empty()) {
    target = io::join_path(target, options_.env->new_uuid() + ".parquet");
  } else {
    std::vector<std::string> columns;
    for (const std::string& column : partition_by)
      columns.push_back(engine::quote_identifier(column));
    options += fmt::format(", PARTITION_BY ({}), WRITE_PARTITION_COLUMNS true, APPEND, FILENAME_PATTERN '{{uuid}}'",
                           join(columns, ", "));
  }
  const engine::ResultSet result =
      SHOPLAKE_TRY(session.query(fmt::format("COPY ({}) TO {} ({})", sql, engine::quote_literal(target), options)));
  Copied copied;
  copied.files = SHOPLAKE_TRY(catalog::data_files_from_copy(result, schema, partition_by));
  std::vector<std::string> staged;
  for (auto file = copied.files.begin(); file != copied.files.end();) {
    if (file->record_count == 0) {
      SHOPLAKE_TRY(options_.env->remove_file(file->path));
      file = copied.files.erase(file);
      continue;
    }
    staged.push_back(file->path);
    file->path = stage->final_path(file->path);
    copied.rows += file->record_count;
    copied.bytes += file->file_size_bytes;
    ++file;
  }
  // Models downstream read the files before they are made durable; in a store they must be there for that.
  if (stage->is_elsewhere())
    SHOPLAKE_TRY(stage->publish(staged));
  return copied;
}

// Several at a time: syncs that are asked for together share the file system's own commit.
Result<void> Lake::make_durable(std::span<const transform::DataFile> files, std::set<std::string> folders) {
  for (const transform::DataFile& file : files)
    folders.insert(io::parent_path(file.path));
  std::atomic<std::size_t> next = 0;
  std::mutex outcome_mutex;
  Result<void> outcome;
  const auto sync_some = [&] {
    for (std::size_t index = next++; index < files.size(); index = next++) {
      Result<void> synced = sync_file(files[index].path);
      if (!synced.ok()) {
        const std::lock_guard lock(outcome_mutex);
        outcome = std::move(synced);
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t count = 1; count < std::min(files.size(), kSyncsAtOnceMax); ++count)
      helpers.emplace_back(sync_some);
    sync_some();
  }
  SHOPLAKE_TRY(std::move(outcome));
  for (const std::string& each : folders)
    SHOPLAKE_TRY(options_.env->sync_directory(each));
  return {};
}

Result<void> Lake::sync_file(const std::string& path) {
  const std::unique_ptr<io::WritableFile> handle = SHOPLAKE_TRY(options_.env->append_file(path));
  SHOPLAKE_TRY(handle->sync());
  return handle->close();
}

Result<UnpublishedTable> Lake::write_table(engine::Session& session, const TableWrite& write) {
  SHOPLAKE_TRY(create_namespace(write.name.schema));
  const StoredColumns stored = SHOPLAKE_TRY(stored_columns(SHOPLAKE_TRY(describe(session, write.sql))));
  for (const std::string& column : write.partition_by) {
    if (find_column(stored.schema, column) == nullptr) {
      return base::make_error(base::ErrorKind::failed, "model.partition_by",
                              fmt::format("partition_by names the column {}, which the model does not give", column));
    }
  }
  const std::string query = stored.needs_cast
                                ? fmt::format("SELECT {} FROM ({}\n) AS shoplake_model", stored.select_list, write.sql)
                                : write.sql;
  UnpublishedTable table;
  table.name = write.name;
  table.partition_by = write.partition_by;
  table.small = input_bytes(write.sql) <= kSmallInputBytes;
  table.wanted = stored.schema;
  table.folder = SHOPLAKE_TRY(options_.catalog->data_location(identifier(write.name)));
  const catalog::Schema schema = SHOPLAKE_TRY(options_.catalog->plan_schema(identifier(write.name), stored.schema));
  const Copied copied = SHOPLAKE_TRY(copy(session, query, schema, write.partition_by, table.folder, table.small));
  table.written = {copied.rows, copied.bytes, static_cast<std::int64_t>(copied.files.size()), 0};
  table.change.table = identifier(write.name);
  table.change.operation = catalog::TableChange::Operation::replace;
  table.change.added = copied.files;
  table.change.summary = write.summary;
  table.change.set_properties = write.properties;
  table.change.create = catalog::CreateTable{schema, write.partition_by, write.properties, {}};

  table.write = ++write_count_;

  const std::lock_guard lock(mutex_);
  SHOPLAKE_TRY(replace_engine_view(
      session, write.name,
      copied.files.empty() ? no_rows(stored.columns) : "SELECT * FROM " + read_files(copied.files)));
  Entry& entry = entries_[folded(write.name)];
  entry = Entry{};
  entry.in_engine = true;
  entry.columns = stored.columns;
  entry.size_bytes = static_cast<std::uint64_t>(copied.bytes);
  entry.size_known = true;
  entry.write = table.write;
  return table;
}

void Lake::note_published(const UnpublishedTable& table, const std::string& metadata_location) {
  const std::lock_guard lock(mutex_);
  published_[table.write] = metadata_location;
  entries_[folded(table.name)].metadata_location = metadata_location;
}

Result<void> Lake::publish_together(std::span<UnpublishedTable* const> tables) {
  std::vector<catalog::TableChange> changes;
  std::vector<transform::DataFile> files;
  std::set<std::string> folders;
  for (const UnpublishedTable* table : tables) {
    files.insert(files.end(), table->change.added.begin(), table->change.added.end());
    folders.insert(table->folder);
    changes.push_back(table->change);
  }
  SHOPLAKE_TRY(make_durable(files, std::move(folders)));
  const std::vector<catalog::CommittedTable> committed = SHOPLAKE_TRY(options_.catalog->commit(changes));
  for (std::size_t index = 0; index < tables.size(); ++index)
    note_published(*tables[index], committed.at(index).metadata_location);
  return {};
}

Result<void> Lake::publish(engine::Session& session, UnpublishedTable& table) {
  for (int attempt = 1;; ++attempt) {
    UnpublishedTable* const alone = &table;
    Result<void> published = publish_together(std::span(&alone, 1));
    if (published.ok())
      return published;
    const base::Error& error = published.error();
    const bool reshaped = error.code == "catalog.schema_changed";
    const bool again =
        reshaped || error.kind == base::ErrorKind::conflict || error.kind == base::ErrorKind::already_exists;
    if (!again || attempt >= kCommitAttemptsMax)
      return published;
    if (reshaped)
      SHOPLAKE_TRY(write_again(session, table));
  }
}

// Another writer took the field ids that the files were written with: they are written anew with those that the table
// has now. What this invocation reads stays the first files.
Result<void> Lake::write_again(engine::Session& session, UnpublishedTable& table) {
  const catalog::Schema schema = SHOPLAKE_TRY(options_.catalog->plan_schema(table.change.table, table.wanted));
  table.change.create->schema = schema;
  if (table.change.added.empty())
    return {};
  const std::string files = read_files(table.change.added);
  table.change.added =
      SHOPLAKE_TRY(copy(session, "SELECT * FROM " + files, schema, table.partition_by, table.folder, table.small))
          .files;
  return {};
}

Result<Written> Lake::replace_table(engine::Session& session, const TableWrite& write) {
  UnpublishedTable table = SHOPLAKE_TRY(write_table(session, write));
  SHOPLAKE_TRY(publish(session, table));
  return table.written;
}

void Lake::discard(const UnpublishedTable& table) {
  for (const transform::DataFile& file : table.change.added)
    (void)options_.env->remove_file(file.path);
}

Result<void> Lake::show_view(engine::Session& session, const RelationName& name, const std::string& sql) {
  SHOPLAKE_TRY(create_namespace(name.schema));
  SHOPLAKE_TRY(prepare(session, sql));
  const std::lock_guard lock(mutex_);
  SHOPLAKE_TRY(replace_engine_view(session, name, sql));
  Entry entry;
  entry.kind = Kind::view;
  entry.sql = sql;
  entry.in_engine = true;
  entries_[folded(name)] = std::move(entry);
  return {};
}

Result<void> Lake::publish_view(const RelationName& name, const std::string& sql,
                                const catalog::Properties& properties) {
  return options_.catalog->replace_view(identifier(name), sql, properties, /*replaces_table=*/true);
}

}  // namespace shoplake::model
