#include "model/lake.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "catalog/duckdb_statistics.h"

namespace shoplake::model {
namespace {

// An in-memory database of its own for rows that are kept. Its row groups are small, since one thread reads one row
// group: at DuckDB's 122,880 rows, what is read most would be read by one thread.
constexpr const char* kStagingDatabase = "_shoplake";
constexpr int kStagingRowGroupRows = 40960;
// Likewise one thread writes one row group: tables of fewer rows than the first are written in groups of the second.
constexpr std::int64_t kSmallTableRows = 4 * 122880;
constexpr int kSmallTableRowGroupRows = 32768;
constexpr int kViewDepthMax = 50;
constexpr std::uint64_t kUnknownInputBytes = ~0ull;
constexpr std::size_t kDirectFilesMax = 2000;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

// DuckDB's names know no case.
RelationName folded(const RelationName& name) { return {lower(name.schema), lower(name.identifier)}; }

catalog::TableIdentifier identifier(const RelationName& name) { return {{{name.schema}}, name.identifier}; }

std::string scan(const std::string& metadata_location) {
  return fmt::format("iceberg_scan({})", engine::quote_literal(metadata_location));
}

std::optional<RelationName> parse_name(std::string_view text) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') {
      if (quoted && at + 1 < text.size() && text[at + 1] == '"') {
        parts.back() += '"';
        ++at;
      } else {
        quoted = !quoted;
      }
    } else if (text[at] == '.' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += text[at];
    }
  }
  if (parts.size() == 1)
    return RelationName{"main", lower(parts[0])};
  return RelationName{lower(parts[parts.size() - 2]), lower(parts.back())};
}

// The table function that reads these files as the rows of one table; empty if nothing but iceberg_scan() does.
std::string read_files(const std::vector<transform::DataFile>& files) {
  if (files.empty() || files.size() > kDirectFilesMax)
    return "";
  std::string list;
  for (const transform::DataFile& file : files) {
    if (file.content != transform::DataFile::Content::data)
      return "";
    list += (list.empty() ? "" : ", ") + engine::quote_literal(file.path);
  }
  return fmt::format("read_parquet([{}], hive_partitioning = false, union_by_name = false)", list);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty())
      text += separator;
    text += part;
  }
  return text;
}

bool is_identifier(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; }) &&
         !std::isdigit(static_cast<unsigned char>(text[0]));
}

const catalog::Field* find_column(const catalog::Schema& schema, std::string_view name) {
  const std::string wanted = lower(name);
  for (const catalog::Field& field : schema.fields) {
    if (lower(field.name) == wanted)
      return &field;
  }
  return nullptr;
}

// Drops a staged table when its owner goes, whatever happened.
class StagedTable {
 public:
  StagedTable(engine::Session& session, std::string name) : session_(session), name_(std::move(name)) {}
  ~StagedTable() {
    if (!kept_)
      (void)session_.execute(fmt::format("DROP TABLE IF EXISTS {}.{}", kStagingDatabase, name_));
  }
  StagedTable(const StagedTable&) = delete;
  StagedTable& operator=(const StagedTable&) = delete;
  std::string qualified() const { return fmt::format("{}.{}", kStagingDatabase, name_); }
  std::string keep() {
    kept_ = true;
    return name_;
  }

 private:
  engine::Session& session_;
  std::string name_;
  bool kept_ = false;
};

}  // namespace

std::string to_string(const RelationName& name) {
  return engine::quote_identifier(name.schema) + "." + engine::quote_identifier(name.identifier);
}

struct Lake::Copied {
  std::vector<transform::DataFile> files;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
};

// What an incremental model's table looks like after the batch, and the lists that bring both sides into that form.
struct Lake::Shape {
  catalog::Schema schema;
  bool evolves = false;   // columns were added
  bool rewrites = false;  // columns went or changed: every file is written anew
  std::string from_batch;
  std::string from_target;
  std::vector<std::string> columns;
};

Result<std::unique_ptr<Lake>> Lake::open(const LakeOptions& options, engine::Session& session) {
  std::unique_ptr<Lake> lake(new Lake(options));
  SHOPLAKE_TRY(session.execute(fmt::format("ATTACH IF NOT EXISTS ':memory:' AS {} (ROW_GROUP_SIZE {})",
                                           kStagingDatabase, kStagingRowGroupRows)));
  SHOPLAKE_TRY(session.execute("SET GLOBAL parquet_metadata_cache = true"));  // files of a lake are never changed
  lake->schemas_ = {"main"};
  catalog::Catalog::Snapshot snapshot = SHOPLAKE_TRY(options.catalog->snapshot());
  for (auto& [table, location] : snapshot.tables) {
    if (table.name_space.levels.size() != 1)
      continue;
    Entry entry;
    entry.metadata_location = std::move(location);
    lake->entries_[folded({table.name_space.levels[0], table.name})] = std::move(entry);
  }
  for (catalog::View& view : snapshot.views) {
    if (view.identifier.name_space.levels.size() != 1)
      continue;
    Entry entry;
    entry.kind = Kind::view;
    entry.sql = std::move(view.sql);
    lake->entries_[folded({view.identifier.name_space.levels[0], view.identifier.name})] = std::move(entry);
  }
  return lake;
}

Lake::~Lake() = default;

std::string Lake::next_staging_name() { return fmt::format("stage_{}", ++staging_count_); }

Result<std::vector<std::string>> Lake::table_names(engine::Session& session, std::string_view sql) {
  {
    const std::lock_guard lock(names_mutex_);
    if (const auto known = names_.find(sql); known != names_.end())
      return known->second;
  }
  std::vector<std::string> names = SHOPLAKE_TRY(session.table_names(sql));
  const std::lock_guard lock(names_mutex_);
  return names_.emplace(sql, std::move(names)).first->second;
}

Result<void> Lake::create_schema(engine::Session& session, const std::string& schema) {
  if (schemas_.contains(lower(schema)))
    return {};
  SHOPLAKE_TRY(session.execute(fmt::format("CREATE SCHEMA IF NOT EXISTS {}", engine::quote_identifier(schema))));
  schemas_.insert(lower(schema));
  return {};
}

Result<void> Lake::create_namespace(const std::string& schema) {
  {
    const std::lock_guard lock(mutex_);
    if (namespaces_.contains(schema))
      return {};
  }
  const catalog::Namespace name_space{{schema}};
  if (!SHOPLAKE_TRY(options_.catalog->namespace_exists(name_space))) {
    Result<void> created = options_.catalog->create_namespace(name_space, {});
    if (!created.ok() && created.error().kind != base::ErrorKind::already_exists)
      return created;
  }
  const std::lock_guard lock(mutex_);
  namespaces_.insert(schema);
  return {};
}

std::optional<Lake::Kind> Lake::kind(const RelationName& name) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(folded(name));
  return found == entries_.end() ? std::nullopt : std::optional(found->second.kind);
}

Result<bool> Lake::ensure(engine::Session& session, const RelationName& name) {
  const std::lock_guard lock(mutex_);
  return ensure_locked(session, name, 0);
}

Result<bool> Lake::ensure_locked(engine::Session& session, const RelationName& name, int depth) {
  const auto found = entries_.find(folded(name));
  if (found == entries_.end())
    return false;
  Entry& entry = found->second;
  if (entry.in_engine)
    return true;
  if (depth > kViewDepthMax) {
    return base::make_error(
        base::ErrorKind::failed, "model.view_depth",
        fmt::format("the view {} reads views that read views, more than {} deep", to_string(name), kViewDepthMax),
        "Look for views that read each other.");
  }
  SHOPLAKE_TRY(create_schema(session, name.schema));
  std::string body;
  if (entry.kind == Kind::table) {
    const std::optional<std::string> direct = direct_read(session, name, entry.metadata_location);
    body = "SELECT * FROM " + (direct ? *direct : scan(entry.metadata_location));
  } else {
    const std::vector<std::string> names =
        SHOPLAKE_TRY(table_names(session, entry.sql).within(fmt::format("view {}", to_string(name))));
    for (const std::string& used : names) {
      const std::optional<RelationName> parsed = parse_name(used);
      if (parsed)
        SHOPLAKE_TRY(ensure_locked(session, *parsed, depth + 1));
    }
    body = entry.sql;
  }
  SHOPLAKE_TRY(session.execute(fmt::format("CREATE OR REPLACE VIEW {} AS {}", to_string(name), body))
                   .within(fmt::format("{} {}", entry.kind == Kind::table ? "table" : "view", to_string(name))));
  entries_.at(folded(name)).in_engine = true;
  return true;
}

// Binding iceberg_scan() reads metadata and manifests anew for every mention of a table in a query. A table that only
// shoplake wrote, with one schema and without delete files, is the same as its data files: those are named directly.
std::optional<std::string> Lake::direct_read(engine::Session& session, const RelationName& name,
                                             const std::string& metadata_location) {
  const Result<std::string> text = options_.env->read_file(metadata_location);
  if (!text.ok())
    return std::nullopt;
  Result<std::shared_ptr<const catalog::TableMetadata>> metadata = catalog::TableMetadata::parse(*text);
  if (!metadata.ok())
    return std::nullopt;
  const nlohmann::json& document = (*metadata)->document();
  if ((*metadata)->format_version() > 2 || document.value("schemas", nlohmann::json::array()).size() != 1 ||
      (*metadata)->current_snapshot() == nullptr)
    return std::nullopt;
  bool has_first = false;
  for (const nlohmann::json& snapshot : document["snapshots"]) {
    has_first = has_first || !snapshot.contains("parent-snapshot-id") || snapshot["parent-snapshot-id"].is_null();
    const nlohmann::json summary = snapshot.value("summary", nlohmann::json::object());
    const bool ours = std::any_of(summary.items().begin(), summary.items().end(),
                                  [](const auto& item) { return item.key().starts_with("shoplake."); });
    if (!ours)
      return std::nullopt;
  }
  if (!has_first)
    return std::nullopt;
  const Result<std::vector<transform::DataFile>> files =
      options_.catalog->list_files({identifier(name), metadata_location, *metadata});
  if (!files.ok())
    return std::nullopt;
  const std::string read = read_files(*files);
  if (read.empty())
    return std::nullopt;
  const Result<engine::ResultSet> described = session.query(fmt::format("DESCRIBE SELECT * FROM {}", read));
  const catalog::Schema& schema = (*metadata)->current_schema();
  if (!described.ok() || described->row_count() != static_cast<std::int64_t>(schema.fields.size()))
    return std::nullopt;
  for (std::int64_t row = 0; row < described->row_count(); ++row) {
    const catalog::Field& field = schema.fields[static_cast<std::size_t>(row)];
    const Result<StoredType> type = stored_type(described->text(row, 1).value_or(""));
    if (described->text(row, 0) != field.name || !type.ok() || type->duckdb != duckdb_type(field.type))
      return std::nullopt;
  }
  return read;
}

Result<void> Lake::prepare(engine::Session& session, std::string_view sql) {
  const Result<std::vector<std::string>> names = table_names(session, sql);
  if (!names.ok())
    return {};  // the statement itself will say what is wrong with it
  const std::lock_guard lock(mutex_);
  for (const std::string& used : *names) {
    const std::optional<RelationName> parsed = parse_name(used);
    if (parsed)
      SHOPLAKE_TRY(ensure_locked(session, *parsed, 0));
  }
  return {};
}

Result<std::vector<engine::Column>> Lake::describe(engine::Session& session, std::string_view sql) {
  SHOPLAKE_TRY(prepare(session, sql));
  const engine::ResultSet described = SHOPLAKE_TRY(session.query(fmt::format("DESCRIBE {}", sql)));
  std::vector<engine::Column> columns;
  for (std::int64_t row = 0; row < described.row_count(); ++row) {
    columns.push_back({described.text(row, 0).value_or(""), described.text(row, 1).value_or("")});
  }
  return columns;
}

Result<void> Lake::refresh(engine::Session& session, const RelationName& name) {
  Result<catalog::Table> table = options_.catalog->load_table(identifier(name));
  if (!table.ok()) {
    if (table.error().kind != base::ErrorKind::not_found)
      return std::move(table).error();
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(folded(name));
    if (found != entries_.end() && found->second.kind == Kind::table)
      entries_.erase(found);
    return {};
  }
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[folded(name)];
  if (entry.kind == Kind::table && entry.metadata_location == table->metadata_location)
    return {};
  const std::optional<std::string> direct = direct_read(session, name, table->metadata_location);
  SHOPLAKE_TRY(
      replace_engine_view(session, name, "SELECT * FROM " + (direct ? *direct : scan(table->metadata_location))));
  entry = Entry{};
  entry.metadata_location = table->metadata_location;
  entry.in_engine = true;
  return {};
}

// ── reading sizes ─────────────────────────────────────────────────────────────────────────────────────────────────

Result<std::uint64_t> Lake::input_bytes(engine::Session& session, std::string_view sql) {
  const std::lock_guard lock(mutex_);
  std::set<std::string> seen;
  return input_bytes_locked(session, sql, seen, 0);
}

Result<std::uint64_t> Lake::input_bytes_locked(engine::Session& session, std::string_view sql,
                                               std::set<std::string>& seen, int depth) {
  const Result<std::vector<std::string>> names = table_names(session, sql);
  if (!names.ok() || depth > kViewDepthMax)
    return kUnknownInputBytes;
  std::uint64_t total = 0;
  for (const std::string& used : *names) {
    if (!seen.insert(lower(used)).second)
      continue;
    const std::optional<RelationName> parsed = parse_name(used);
    const auto found = parsed ? entries_.find(*parsed) : entries_.end();
    if (found == entries_.end())
      continue;
    Entry& entry = found->second;
    std::uint64_t bytes = 0;
    if (entry.kind == Kind::view) {
      bytes = SHOPLAKE_TRY(input_bytes_locked(session, entry.sql, seen, depth + 1));
    } else {
      if (!entry.size_known) {
        entry.size_known = true;
        entry.size_bytes = kUnknownInputBytes;
        const Result<catalog::Table> table = options_.catalog->load_table(identifier(*parsed));
        if (table.ok()) {
          entry.size_bytes = 0;
          if (const auto current = table->metadata->current_snapshot_id()) {
            for (const auto& snapshot : table->metadata->document().value("snapshots", nlohmann::json::array())) {
              if (snapshot.value("snapshot-id", std::int64_t{0}) != *current)
                continue;
              const auto summary = snapshot.value("summary", nlohmann::json::object());
              entry.size_bytes =
                  std::strtoull(summary.value("total-files-size", std::string("0")).c_str(), nullptr, 10);
            }
          }
        }
      }
      bytes = entry.size_bytes;
    }
    if (bytes == kUnknownInputBytes)
      return kUnknownInputBytes;
    total += bytes;
  }
  return total;
}

// ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

Result<Lake::Copied> Lake::copy(engine::Session& session, const std::string& sql, const catalog::Schema& schema,
                                const std::vector<std::string>& partition_by, const std::string& folder,
                                std::optional<std::int64_t> known_rows) {
  std::string target = folder;
  std::string options =
      fmt::format("FORMAT parquet, COMPRESSION snappy, RETURN_STATS, FIELD_IDS {}", field_ids_option(schema));
  if (partition_by.empty() && known_rows && *known_rows < kSmallTableRows)
    options += fmt::format(", ROW_GROUP_SIZE {}", kSmallTableRowGroupRows);
  if (partition_by.empty()) {
    target = io::join_path(folder, options_.env->new_uuid() + ".parquet");
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
  std::set<std::string> folders{folder};
  for (auto file = copied.files.begin(); file != copied.files.end();) {
    if (file->record_count == 0) {
      SHOPLAKE_TRY(options_.env->remove_file(file->path));
      file = copied.files.erase(file);
      continue;
    }
    const std::unique_ptr<io::WritableFile> handle = SHOPLAKE_TRY(options_.env->append_file(file->path));
    SHOPLAKE_TRY(handle->sync());
    SHOPLAKE_TRY(handle->close());
    folders.insert(io::parent_path(file->path));
    copied.rows += file->record_count;
    copied.bytes += file->file_size_bytes;
    ++file;
  }
  for (const std::string& each : folders)
    SHOPLAKE_TRY(options_.env->sync_directory(each));
  return copied;
}

// Names and types of a view's columns as the engine has them, without binding it anew.
Result<std::string> Lake::shown_columns(engine::Session& session, const RelationName& name) {
  const engine::ResultSet columns = SHOPLAKE_TRY(session.query(
      fmt::format("SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY column_index) FROM "
                  "duckdb_columns() WHERE lower(schema_name) = {} AND lower(table_name) = {}",
                  engine::quote_literal(lower(name.schema)), engine::quote_literal(lower(name.identifier)))));
  return columns.text(0, 0).value_or("");
}

// Makes the engine's view of a relation. A view over it that was bound to other columns is made again when it is next
// needed.
Result<void> Lake::replace_engine_view(engine::Session& session, const RelationName& name, const std::string& body) {
  SHOPLAKE_TRY(create_schema(session, name.schema));
  const auto found = entries_.find(folded(name));
  const bool was_shown = found != entries_.end() && found->second.in_engine;
  const std::string before = was_shown ? SHOPLAKE_TRY(shown_columns(session, name)) : std::string();
  SHOPLAKE_TRY(session.execute(fmt::format("CREATE OR REPLACE VIEW {} AS {}", to_string(name), body)));
  if (!was_shown)
    return {};
  const std::string after = SHOPLAKE_TRY(shown_columns(session, name));
  if (before == after)
    return {};
  for (auto& [other, view] : entries_) {
    if (view.kind == Kind::view && other != folded(name))
      view.in_engine = false;
  }
  return {};
}

Result<void> Lake::show_table(engine::Session& session, const RelationName& name, Shown shown) {
  const std::lock_guard lock(mutex_);
  if (shown.body.empty()) {
    const std::optional<std::string> direct = direct_read(session, name, shown.metadata_location);
    shown.body = "SELECT * FROM " + (direct ? *direct : scan(shown.metadata_location));
  }
  SHOPLAKE_TRY(replace_engine_view(session, name, shown.body));
  Entry& entry = entries_[folded(name)];
  if (!entry.staged.empty())
    (void)session.execute(fmt::format("DROP TABLE IF EXISTS {}.{}", kStagingDatabase, entry.staged));
  entry = Entry{};
  entry.metadata_location = std::move(shown.metadata_location);
  entry.in_engine = true;
  entry.staged = std::move(shown.staged);
  entry.files = std::move(shown.files);
  return {};
}

Result<Written> Lake::replace_table(engine::Session& session, const TableWrite& write) {
  SHOPLAKE_TRY(create_namespace(write.name.schema));
  SHOPLAKE_TRY(prepare(session, write.sql));
  // The rows, in memory where that pays.
  std::optional<StagedTable> staged;
  std::optional<std::int64_t> known_rows;
  std::string query = write.sql;
  if (write.keep_in_memory && SHOPLAKE_TRY(input_bytes(session, write.sql)) <= kKeepInMemoryInputBytes) {
    staged.emplace(session, next_staging_name());
    const engine::ResultSet created =
        SHOPLAKE_TRY(session.query(fmt::format("CREATE TABLE {} AS {}", staged->qualified(), write.sql)));
    if (created.row_count() == 1)
      known_rows = created.integer(0, 0);
    query = "SELECT * FROM " + staged->qualified();
  }
  const std::vector<engine::Column> described = SHOPLAKE_TRY(describe(session, query));
  StoredColumns stored = SHOPLAKE_TRY(stored_columns(described));
  if (stored.needs_cast)
    query = fmt::format("SELECT {} FROM {}", stored.select_list,
                        staged ? staged->qualified() : "(" + write.sql + "\n) AS shoplake_model");
  for (const std::string& column : write.partition_by) {
    if (find_column(stored.schema, column) == nullptr) {
      return base::make_error(base::ErrorKind::failed, "model.partition_by",
                              fmt::format("partition_by names the column {}, which the model does not give", column));
    }
  }

  const catalog::TableIdentifier table = identifier(write.name);
  const std::string folder = SHOPLAKE_TRY(options_.catalog->data_location(table));
  const catalog::Schema wanted = std::move(stored.schema);
  Copied copied;
  std::vector<catalog::CommittedTable> committed;
  std::optional<catalog::Schema> schema;
  for (int attempt = 1;; ++attempt) {
    if (!schema) {
      schema = SHOPLAKE_TRY(options_.catalog->plan_schema(table, wanted));
      copied = SHOPLAKE_TRY(copy(session, query, *schema, write.partition_by, folder, known_rows));
    }
    catalog::TableChange change;
    change.table = table;
    change.operation = catalog::TableChange::Operation::replace;
    change.added = copied.files;
    change.summary = write.summary;
    change.set_properties = write.properties;
    change.create = catalog::CreateTable{*schema, write.partition_by, write.properties, {}};
    Result<std::vector<catalog::CommittedTable>> result = options_.catalog->commit(std::span(&change, 1));
    if (result.ok()) {
      committed = std::move(result).value();
      break;
    }
    const base::Error& error = result.error();
    const bool reshaped =
        error.code == "catalog.schema_changed";  // another writer took the field ids: the files must be written anew
    const bool again =
        reshaped || error.kind == base::ErrorKind::conflict || error.kind == base::ErrorKind::already_exists;
    if (!again || attempt >= kCommitAttemptsMax)
      return std::move(result).error();
    if (reshaped)
      schema.reset();
  }
  Shown shown{committed.at(0).metadata_location, "", "", read_files(copied.files)};
  if (staged) {
    shown.body = query;
    shown.staged = staged->keep();
  } else if (!shown.files.empty()) {
    shown.body = "SELECT * FROM " + shown.files;
  }
  SHOPLAKE_TRY(show_table(session, write.name, std::move(shown)));
  {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[folded(write.name)];
    entry.size_bytes = static_cast<std::uint64_t>(copied.bytes);
    entry.size_known = true;
  }
  return Written{copied.rows, copied.bytes, static_cast<std::int64_t>(copied.files.size()), 0};
}

Result<void> Lake::replace_view(engine::Session& session, const RelationName& name, const std::string& sql,
                                const catalog::Properties& properties) {
  SHOPLAKE_TRY(create_namespace(name.schema));
  SHOPLAKE_TRY(prepare(session, sql));
  const std::lock_guard lock(mutex_);
  // The engine binds it first, in a transaction: a view that does not work must not replace one that does.
  SHOPLAKE_TRY(session.execute("BEGIN TRANSACTION"));
  Result<void> replaced = replace_engine_view(session, name, sql);
  if (replaced.ok())
    replaced = options_.catalog->replace_view(identifier(name), sql, properties, /*replaces_table=*/true);
  if (!replaced.ok()) {
    (void)session.execute("ROLLBACK");
    return replaced;
  }
  SHOPLAKE_TRY(session.execute("COMMIT"));
  Entry& old = entries_[folded(name)];
  if (!old.staged.empty())
    (void)session.execute(fmt::format("DROP TABLE IF EXISTS {}.{}", kStagingDatabase, old.staged));
  Entry entry;
  entry.kind = Kind::view;
  entry.sql = sql;
  entry.in_engine = true;
  entries_[folded(name)] = std::move(entry);
  return {};
}

void Lake::release(engine::Session& session, const RelationName& name) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(folded(name));
  if (found == entries_.end() || found->second.staged.empty())
    return;
  Entry& entry = found->second;
  const Result<void> shown =
      session.execute(fmt::format("CREATE OR REPLACE VIEW {} AS SELECT * FROM {}", to_string(name),
                                  entry.files.empty() ? scan(entry.metadata_location) : entry.files));
  if (!shown.ok())
    return;  // the rows stay in memory: nothing is lost but memory
  (void)session.execute(fmt::format("DROP TABLE IF EXISTS {}.{}", kStagingDatabase, entry.staged));
  entry.staged.clear();
}

// ── incremental ───────────────────────────────────────────────────────────────────────────────────────────────────

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
  StagedTable batch(session, next_staging_name());
  SHOPLAKE_TRY(session.execute(fmt::format("CREATE TABLE {} AS SELECT {} FROM ({}\n) AS shoplake_batch",
                                           batch.qualified(), stored.select_list, write.table.sql)));
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
      const std::string column = is_identifier(key) ? engine::quote_identifier(key) : key;
      if (!is_identifier(key)) {
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

  Copied copied = SHOPLAKE_TRY(copy(session, query, shape.schema, partition_by, folder, std::nullopt));
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
  SHOPLAKE_TRY(show_table(session, write.table.name, {committed.at(0).metadata_location, "", "", ""}));
  return written;
}

}  // namespace shoplake::model
