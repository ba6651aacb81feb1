#include "model/lake.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "model/direct_read.h"
#include "model/lake_sql.h"

namespace shoplake::model {
namespace {

constexpr int kViewDepthMax = 50;
constexpr std::uint64_t kUnknownInputBytes = ~0ull;

}  // namespace

std::string to_string(const RelationName& name) {
  return engine::quote_identifier(name.schema) + "." + engine::quote_identifier(name.identifier);
}

Result<std::unique_ptr<Lake>> Lake::open(const LakeOptions& options, engine::Session& session) {
  std::unique_ptr<Lake> lake(new Lake(options));
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
    for (const RelationName& used : possible_relations(entry.sql)) {
      if (used != folded(name))
        SHOPLAKE_TRY(ensure_locked(session, used, depth + 1));
    }
    body = entry.sql;
    entry.columns.clear();
  }
  SHOPLAKE_TRY(session.execute(fmt::format("CREATE OR REPLACE VIEW {} AS {}", to_string(name), body))
                   .within(fmt::format("{} {}", entry.kind == Kind::table ? "table" : "view", to_string(name))));
  entries_.at(folded(name)).in_engine = true;
  return true;
}

std::optional<std::string> Lake::direct_read(engine::Session& session, const RelationName& name,
                                             const std::string& metadata_location) {
  return model::direct_read(*options_.catalog, session, identifier(name), metadata_location, DeletedRows::none);
}

Result<void> Lake::prepare(engine::Session& session, std::string_view sql) {
  const std::vector<RelationName> names = possible_relations(sql);
  const std::lock_guard lock(mutex_);
  for (const RelationName& used : names)
    SHOPLAKE_TRY(ensure_locked(session, used, 0));
  return {};
}

Result<std::vector<engine::Column>> Lake::columns(engine::Session& session, const RelationName& name) {
  const std::lock_guard lock(mutex_);
  if (!SHOPLAKE_TRY(ensure_locked(session, name, 0)))
    return std::vector<engine::Column>();
  Entry& entry = entries_.at(folded(name));
  if (entry.columns.empty())
    entry.columns = SHOPLAKE_TRY(describe_prepared(session, "SELECT * FROM " + to_string(name)));
  return entry.columns;
}

Result<std::vector<engine::Column>> Lake::describe(engine::Session& session, std::string_view sql) {
  SHOPLAKE_TRY(prepare(session, sql));
  return describe_prepared(session, sql);
}

Result<std::vector<engine::Column>> Lake::describe_prepared(engine::Session& session, std::string_view sql) {
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

// ── versions ──────────────────────────────────────────────────────────────────────────────────────────────────────

void Lake::add_versions(std::string_view sql, ReadVersions& versions) {
  const std::vector<RelationName> names = possible_relations(sql);
  const std::lock_guard lock(mutex_);
  for (const RelationName& name : names)
    add_version_locked(name, versions);
}

void Lake::add_version(const RelationName& name, ReadVersions& versions) {
  const std::lock_guard lock(mutex_);
  add_version_locked(folded(name), versions);
}

void Lake::add_version_locked(const RelationName& name, ReadVersions& versions) {
  const auto found = entries_.find(name);
  if (found == entries_.end() || versions.contains(name))
    return;
  const Entry& entry = found->second;
  if (entry.kind == Kind::table) {
    versions[name] = entry.write > 0 ? RelationVersion{"", entry.write} : RelationVersion{entry.metadata_location, 0};
    return;
  }
  versions[name] = {"view " + entry.sql, 0};
  for (const RelationName& used : possible_relations(entry.sql))
    add_version_locked(used, versions);
}

bool Lake::settle(ReadVersions& versions) {
  const std::lock_guard lock(mutex_);
  for (auto& [name, version] : versions) {
    if (version.write == 0)
      continue;
    const auto published = published_.find(version.write);
    if (published == published_.end())
      return false;
    version = {published->second, 0};
  }
  return true;
}

// ── reading sizes ─────────────────────────────────────────────────────────────────────────────────────────────────

std::uint64_t Lake::input_bytes(std::string_view sql) {
  const std::lock_guard lock(mutex_);
  std::set<RelationName> seen;
  return input_bytes_locked(sql, seen);
}

std::uint64_t Lake::input_bytes_locked(std::string_view sql, std::set<RelationName>& seen) {
  std::uint64_t total = 0;
  for (const RelationName& used : possible_relations(sql)) {
    const auto found = entries_.find(used);
    if (found == entries_.end() || !seen.insert(used).second)
      continue;
    Entry& entry = found->second;
    std::uint64_t bytes = 0;
    if (entry.kind == Kind::view) {
      bytes = input_bytes_locked(entry.sql, seen);
    } else {
      if (!entry.size_known) {
        entry.size_known = true;
        entry.size_bytes = kUnknownInputBytes;
        const Result<catalog::Table> table = options_.catalog->load_table(identifier(used));
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

// ── the engine's views ────────────────────────────────────────────────────────────────────────────────────────────

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
    if (view.kind == Kind::view && other != folded(name)) {
      view.in_engine = false;
      view.columns.clear();
    }
  }
  return {};
}

Result<void> Lake::show_committed(engine::Session& session, const RelationName& name,
                                  const std::string& metadata_location) {
  const std::lock_guard lock(mutex_);
  const std::optional<std::string> direct = direct_read(session, name, metadata_location);
  SHOPLAKE_TRY(replace_engine_view(session, name, "SELECT * FROM " + (direct ? *direct : scan(metadata_location))));
  Entry& entry = entries_[folded(name)];
  entry = Entry{};
  entry.metadata_location = metadata_location;
  entry.in_engine = true;
  return {};
}

}  // namespace shoplake::model
