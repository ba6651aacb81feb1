#include "catalog/catalog.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "catalog/metadata_update.h"
#include "catalog/storage.h"

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using nlohmann::json;

constexpr std::size_t kMetadataCacheTables = 512;
constexpr std::size_t kNameBytesMax = 255;
constexpr std::size_t kIdleConnectionsMax = 8;
constexpr const char* kStandardNamespaces[] = {"raw",          "processed", "curated",   "staging",
                                               "intermediate", "marts",     "quarantine"};

// docs/formats/catalog.md
constexpr const char* kControlPlaneTables = R"sql(
CREATE TABLE IF NOT EXISTS catalog_namespaces (
  namespace TEXT PRIMARY KEY,
  properties TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS catalog_relations (
  namespace TEXT NOT NULL REFERENCES catalog_namespaces (namespace),
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('table', 'view')),
  metadata_location TEXT NOT NULL,
  previous_metadata_location TEXT,
  location TEXT NOT NULL,
  sql TEXT,
  properties TEXT,
  PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS catalog_retired_files (
  path TEXT PRIMARY KEY,
  remove_after_micros INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS catalog_relations_by_location ON catalog_relations (location);
)sql";

Result<void> check_name(std::string_view name, const char* what) {
  if (name.empty() || name.size() > kNameBytesMax) {
    return make_error(ErrorKind::usage, "catalog.invalid_name",
                      std::string("a ") + what + " name has 1 to " + std::to_string(kNameBytesMax) + " bytes, not " +
                          std::to_string(name.size()));
  }
  for (const char character : name) {
    if (static_cast<unsigned char>(character) < 0x20) {
      return make_error(ErrorKind::usage, "catalog.invalid_name",
                        std::string("a ") + what + " name holds a control character");
    }
  }
  return {};
}

}  // namespace

Result<void> check_namespace(const Namespace& name_space) {
  if (name_space.levels.empty()) {
    return make_error(ErrorKind::usage, "catalog.invalid_name", "the namespace is empty");
  }
  for (const std::string& level : name_space.levels) {
    SHOPLAKE_TRY(check_name(level, "namespace"));
  }
  return {};
}

Result<void> check_identifier(const TableIdentifier& identifier) {
  SHOPLAKE_TRY(check_namespace(identifier.name_space));
  return check_name(identifier.name, "table");
}

namespace {

// A name as one folder: letters, digits, '_', '-' and inner dots stay, everything else is %XX.
std::string folder_name(std::string_view name) {
  std::string folder;
  for (std::size_t index = 0; index < name.size(); ++index) {
    const auto character = static_cast<unsigned char>(name[index]);
    if (std::isalnum(character) != 0 || character == '_' || character == '-' || (character == '.' && index > 0)) {
      folder.push_back(static_cast<char>(character));
    } else {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "%%%02X", character);
      folder += buffer;
    }
  }
  return folder;
}

Properties properties_from_text(const std::string& text) {
  Properties properties;
  const json document = json::parse(text.empty() ? "{}" : text, nullptr, false);
  if (document.is_object()) {
    for (const auto& [name, value] : document.items()) {
      if (value.is_string()) {
        properties[name] = value.get<std::string>();
      }
    }
  }
  return properties;
}

std::string properties_to_text(const Properties& properties) { return dump_json(json(properties)); }

}  // namespace

std::string to_string(const Namespace& name_space) {
  std::string text;
  for (const std::string& level : name_space.levels) {
    if (!text.empty()) {
      text.push_back('.');
    }
    text += level;
  }
  return text;
}

std::string to_string(const TableIdentifier& table) { return to_string(table.name_space) + "." + table.name; }

Result<TableIdentifier> parse_table_identifier(std::string_view text) {
  TableIdentifier identifier;
  std::string_view rest = text;
  for (std::size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
    identifier.name_space.levels.emplace_back(rest.substr(0, dot));
    rest.remove_prefix(dot + 1);
  }
  identifier.name = std::string(rest);
  if (!check_identifier(identifier).ok()) {
    return make_error(ErrorKind::usage, "catalog.invalid_name",
                      "\"" + std::string(text.substr(0, 100)) + "\" does not name a table",
                      "Write namespace.table, as in marts.dim_user.");
  }
  return identifier;
}

base::Error no_such_table(const TableIdentifier& table) {
  return make_error(ErrorKind::not_found, "catalog.no_such_table", "there is no table " + to_string(table),
                    "`shoplake catalog ls` names the tables.");
}

base::Error no_such_view(const TableIdentifier& view) {
  return make_error(ErrorKind::not_found, "catalog.no_such_view", "there is no view " + to_string(view),
                    "`shoplake catalog ls` names the views.");
}

base::Error no_such_snapshot(const TableIdentifier& table, std::int64_t snapshot_id) {
  return make_error(ErrorKind::not_found, "catalog.no_such_snapshot",
                    "table " + to_string(table) + " has no snapshot " + std::to_string(snapshot_id),
                    "`shoplake catalog history` names the snapshots; expired ones are gone.");
}

base::Error no_such_namespace(const Namespace& name_space) {
  return make_error(ErrorKind::not_found, "catalog.no_such_namespace", "there is no namespace " + to_string(name_space),
                    "`shoplake catalog ls` names the namespaces.");
}

base::Error exists_already(const TableIdentifier& identifier, Relation::Kind kind) {
  const bool is_table = kind == Relation::Kind::table;
  return make_error(ErrorKind::already_exists, is_table ? "catalog.table_exists" : "catalog.view_exists",
                    std::string(is_table ? "table " : "view ") + to_string(identifier) + " exists already");
}

// ---- State ---------------------------------------------------------------------------------------------------------

CatalogState::Lease::~Lease() {
  if (database_) {
    const std::lock_guard lock(state_->mutex);
    if (state_->idle_connections.size() < kIdleConnectionsMax) {
      state_->idle_connections.push_back(std::move(database_));
    }
  }
}

Result<CatalogState::Lease> CatalogState::connect() {
  {
    const std::lock_guard lock(mutex);
    if (!idle_connections.empty()) {
      auto database = std::move(idle_connections.back());
      idle_connections.pop_back();
      return Lease(*this, std::move(database));
    }
  }
  return Lease(*this, SHOPLAKE_TRY(io::Database::open(options.control_plane_path)));
}

Result<std::optional<Relation>> CatalogState::find_relation(io::Database& database, const TableIdentifier& identifier) {
  auto select =
      SHOPLAKE_TRY(database.prepare("SELECT kind, metadata_location, location, sql, properties FROM catalog_relations "
                                    "WHERE namespace = ?1 AND name = ?2"));
  select.bind(1, encode_namespace(identifier.name_space)).bind(2, identifier.name);
  const bool found = SHOPLAKE_TRY(select.step());
  if (!found) {
    return std::optional<Relation>();
  }
  Relation relation;
  relation.kind = select.text(0) == "view" ? Relation::Kind::view : Relation::Kind::table;
  relation.metadata_location = select.text(1);
  relation.location = select.text(2);
  relation.sql = select.optional_text(3).value_or("");
  relation.properties = select.optional_text(4).value_or("");
  return std::optional(std::move(relation));
}

Result<bool> CatalogState::has_namespace(io::Database& database, const Namespace& name_space) {
  auto select = SHOPLAKE_TRY(database.prepare("SELECT 1 FROM catalog_namespaces WHERE namespace = ?1"));
  select.bind(1, encode_namespace(name_space));
  return select.step();
}

Result<std::string> CatalogState::default_location(io::Database& database, const TableIdentifier& identifier) {
  const std::string space = to_string(identifier.name_space);
  const bool own_zone = space == "processed" || space == "quarantine";
  // The raw zone holds objects as they were received, and nothing of ours among them.
  const bool is_standard = space != "raw" && std::any_of(std::begin(kStandardNamespaces), std::end(kStandardNamespaces),
                                                         [&](const char* name) { return space == name; });
  const std::string zone = io::join_path(options.lake_root, own_zone ? space : "curated");
  const std::string qualified = io::join_path(zone, folder_name(space + "." + identifier.name));
  std::string location = is_standard ? io::join_path(zone, folder_name(identifier.name)) : qualified;
  for (int suffix = 1;; ++suffix) {
    auto select = SHOPLAKE_TRY(
        database.prepare("SELECT 1 FROM catalog_relations WHERE location = ?1 AND NOT (namespace = ?2 AND name = ?3)"));
    select.bind(1, location).bind(2, encode_namespace(identifier.name_space)).bind(3, identifier.name);
    const bool taken = SHOPLAKE_TRY(select.step());
    if (!taken) {
      return location;
    }
    location = location == qualified || suffix > 1 ? qualified + "-" + std::to_string(suffix) : qualified;
  }
}

Result<std::shared_ptr<const TableMetadata>> CatalogState::load_metadata(const std::string& location) {
  {
    const std::lock_guard lock(mutex);
    const auto found = metadata_cache.find(io::parent_path(location));
    if (found != metadata_cache.end() && found->second.location == location) {
      found->second.used_at = ++cache_clock;
      return found->second.metadata;
    }
  }
  const std::string text = SHOPLAKE_TRY(storage.read(location).within("metadata file"));
  auto metadata = SHOPLAKE_TRY(TableMetadata::parse(text).within(location));
  remember(location, metadata);
  return metadata;
}

void CatalogState::remember(const std::string& location, std::shared_ptr<const TableMetadata> metadata) {
  const std::lock_guard lock(mutex);
  metadata_cache.insert_or_assign(io::parent_path(location),
                                  CachedMetadata{location, std::move(metadata), ++cache_clock});
  if (metadata_cache.size() > kMetadataCacheTables) {
    metadata_cache.erase(std::min_element(
        metadata_cache.begin(), metadata_cache.end(),
        [](const auto& left, const auto& right) { return left.second.used_at < right.second.used_at; }));
  }
}

// ---- Catalog -------------------------------------------------------------------------------------------------------

Catalog::Catalog(std::unique_ptr<CatalogState> state) : state_(std::move(state)) {}
Catalog::~Catalog() = default;

Result<std::unique_ptr<Catalog>> Catalog::open(const CatalogOptions& options) {
  SHOPLAKE_CHECK(options.env != nullptr);
  if (!options.lake_root.starts_with('/') && !options.lake_root.starts_with("s3://")) {
    return make_error(ErrorKind::usage, "catalog.invalid_lake_root",
                      "the lake root \"" + options.lake_root + "\" is neither an absolute path nor of an object store");
  }
  auto state = std::make_unique<CatalogState>(options);
  while (state->options.lake_root.size() > 1 && state->options.lake_root.back() == '/') {
    state->options.lake_root.pop_back();
  }
  SHOPLAKE_TRY(state->storage.make_folder(state->options.lake_root));
  SHOPLAKE_TRY(state->storage.make_folder(io::parent_path(options.control_plane_path)));
  {
    auto database = SHOPLAKE_TRY(state->connect().within("control plane"));
    // Only the first opening of a home writes.
    auto present = SHOPLAKE_TRY(database->prepare("SELECT 1 FROM sqlite_master WHERE name = 'catalog_retired_files'"));
    const bool is_set_up = SHOPLAKE_TRY(present.step());
    present.reset();
    if (!is_set_up) {
      auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
      SHOPLAKE_TRY(database->execute(kControlPlaneTables));
      auto insert = SHOPLAKE_TRY(
          database->prepare("INSERT INTO catalog_namespaces (namespace) VALUES (?1) ON CONFLICT DO NOTHING"));
      for (const char* name : kStandardNamespaces) {
        insert.bind(1, std::string_view(name));
        SHOPLAKE_TRY(insert.run());
      }
      SHOPLAKE_TRY(transaction.commit());
    }
  }
  return std::unique_ptr<Catalog>(new Catalog(std::move(state)));
}

const CatalogOptions& Catalog::options() const { return state_->options; }

CommitCounts Catalog::commit_counts() const {
  return {state_->commits.load(), state_->commit_retries.load(), state_->commit_conflicts.load()};
}

Result<std::unique_ptr<io::Database>> Catalog::open_control_plane() const {
  return io::Database::open(state_->options.control_plane_path);
}

// ---- Namespaces ----------------------------------------------------------------------------------------------------

Result<std::vector<Namespace>> Catalog::list_namespaces() {
  auto database = SHOPLAKE_TRY(state_->connect());
  auto select = SHOPLAKE_TRY(database->prepare("SELECT namespace FROM catalog_namespaces ORDER BY namespace"));
  std::vector<Namespace> names;
  while (SHOPLAKE_TRY(select.step())) {
    names.push_back(decode_namespace(select.text(0)));
  }
  return names;
}

Result<bool> Catalog::namespace_exists(const Namespace& name_space) {
  auto database = SHOPLAKE_TRY(state_->connect());
  return state_->has_namespace(*database, name_space);
}

Result<void> Catalog::create_namespace(const Namespace& name_space, const Properties& properties) {
  SHOPLAKE_TRY(check_namespace(name_space));
  auto database = SHOPLAKE_TRY(state_->connect());
  auto insert = SHOPLAKE_TRY(database->prepare(
      "INSERT INTO catalog_namespaces (namespace, properties) VALUES (?1, ?2) ON CONFLICT DO NOTHING"));
  insert.bind(1, encode_namespace(name_space)).bind(2, properties_to_text(properties));
  const std::int64_t rows = SHOPLAKE_TRY(insert.run());
  if (rows == 0) {
    return make_error(ErrorKind::already_exists, "catalog.namespace_exists",
                      "namespace " + to_string(name_space) + " exists already");
  }
  return {};
}

Result<Properties> Catalog::load_namespace(const Namespace& name_space) {
  auto database = SHOPLAKE_TRY(state_->connect());
  auto select = SHOPLAKE_TRY(database->prepare("SELECT properties FROM catalog_namespaces WHERE namespace = ?1"));
  select.bind(1, encode_namespace(name_space));
  const bool found = SHOPLAKE_TRY(select.step());
  if (!found) {
    return no_such_namespace(name_space);
  }
  return properties_from_text(select.text(0));
}

Result<void> Catalog::update_namespace(const Namespace& name_space, const std::vector<std::string>& removals,
                                       const Properties& updates) {
  auto database = SHOPLAKE_TRY(state_->connect());
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  Properties properties;
  {
    auto select = SHOPLAKE_TRY(database->prepare("SELECT properties FROM catalog_namespaces WHERE namespace = ?1"));
    select.bind(1, encode_namespace(name_space));
    const bool found = SHOPLAKE_TRY(select.step());
    if (!found) {
      return no_such_namespace(name_space);
    }
    properties = properties_from_text(select.text(0));
  }
  for (const std::string& name : removals) {
    properties.erase(name);
  }
  for (const auto& [name, value] : updates) {
    properties[name] = value;
  }
  auto update = SHOPLAKE_TRY(database->prepare("UPDATE catalog_namespaces SET properties = ?1 WHERE namespace = ?2"));
  update.bind(1, properties_to_text(properties)).bind(2, encode_namespace(name_space));
  SHOPLAKE_TRY(update.run());
  return transaction.commit();
}

Result<void> Catalog::drop_namespace(const Namespace& name_space) {
  auto database = SHOPLAKE_TRY(state_->connect());
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  const bool exists = SHOPLAKE_TRY(state_->has_namespace(*database, name_space));
  if (!exists) {
    return no_such_namespace(name_space);
  }
  const std::string encoded = encode_namespace(name_space);
  auto holds =
      SHOPLAKE_TRY(database->prepare("SELECT 1 FROM catalog_relations WHERE namespace = ?1 UNION ALL SELECT 1 FROM "
                                     "catalog_namespaces WHERE substr(namespace, 1, length(?1) + 1) = ?1 || char(31)"));
  holds.bind(1, encoded);
  const bool full = SHOPLAKE_TRY(holds.step());
  if (full) {
    return make_error(ErrorKind::failed, "catalog.namespace_not_empty",
                      "namespace " + to_string(name_space) + " holds tables, views or namespaces", "Drop them first.");
  }
  auto remove = SHOPLAKE_TRY(database->prepare("DELETE FROM catalog_namespaces WHERE namespace = ?1"));
  remove.bind(1, encoded);
  SHOPLAKE_TRY(remove.run());
  return transaction.commit();
}

// ---- Tables --------------------------------------------------------------------------------------------------------

Result<std::vector<TableIdentifier>> list_relations(io::Database& database, const Namespace& name_space,
                                                    Relation::Kind kind) {
  auto select = SHOPLAKE_TRY(
      database.prepare("SELECT name FROM catalog_relations WHERE namespace = ?1 AND kind = ?2 ORDER BY name"));
  select.bind(1, encode_namespace(name_space))
      .bind(2, std::string_view(kind == Relation::Kind::view ? "view" : "table"));
  std::vector<TableIdentifier> tables;
  while (SHOPLAKE_TRY(select.step())) {
    tables.push_back({name_space, select.text(0)});
  }
  return tables;
}

namespace {

Result<void> drop_relation(io::Database& database, const TableIdentifier& identifier, std::string_view kind) {
  auto remove =
      SHOPLAKE_TRY(database.prepare("DELETE FROM catalog_relations WHERE namespace = ?1 AND name = ?2 AND kind = ?3"));
  remove.bind(1, encode_namespace(identifier.name_space)).bind(2, identifier.name).bind(3, kind);
  const std::int64_t rows = SHOPLAKE_TRY(remove.run());
  if (rows == 0) {
    return kind == "view" ? no_such_view(identifier) : no_such_table(identifier);
  }
  return {};
}

}  // namespace

Result<std::vector<TableIdentifier>> Catalog::list_tables(const Namespace& name_space) {
  auto database = SHOPLAKE_TRY(state_->connect());
  const bool exists = SHOPLAKE_TRY(state_->has_namespace(*database, name_space));
  if (!exists) {
    return no_such_namespace(name_space);
  }
  return list_relations(*database, name_space, Relation::Kind::table);
}

Result<bool> Catalog::table_exists(const TableIdentifier& table) {
  auto database = SHOPLAKE_TRY(state_->connect());
  const auto relation = SHOPLAKE_TRY(state_->find_relation(*database, table));
  return relation && relation->kind == Relation::Kind::table;
}

Result<Table> Catalog::load_table(const TableIdentifier& table) {
  auto database = SHOPLAKE_TRY(state_->connect());
  const auto relation = SHOPLAKE_TRY(state_->find_relation(*database, table));
  if (!relation || relation->kind != Relation::Kind::table) {
    return no_such_table(table);
  }
  auto metadata = SHOPLAKE_TRY(state_->load_metadata(relation->metadata_location).within("table " + to_string(table)));
  return Table{table, relation->metadata_location, std::move(metadata)};
}

Result<Catalog::Snapshot> Catalog::snapshot() {
  auto database = SHOPLAKE_TRY(state_->connect());
  auto select =
      SHOPLAKE_TRY(database->prepare("SELECT namespace, name, kind, metadata_location, sql, properties FROM "
                                     "catalog_relations ORDER BY namespace, name"));
  Snapshot result;
  while (SHOPLAKE_TRY(select.step())) {
    TableIdentifier identifier{decode_namespace(select.text(0)), select.text(1)};
    if (select.text(2) == "view") {
      result.views.push_back({std::move(identifier), select.optional_text(4).value_or(""), select.text(3),
                              properties_from_text(select.optional_text(5).value_or(""))});
    } else {
      result.tables.emplace_back(std::move(identifier), select.text(3));
    }
  }
  return result;
}

Result<Table> Catalog::create_table(const TableIdentifier& table, const CreateTable& options) {
  SHOPLAKE_TRY(check_identifier(table));
  CatalogState& state = *state_;
  TableChange change;
  change.table = table;
  change.create = options;
  ManifestReuse reuse;
  const auto drafts = SHOPLAKE_TRY(
      swap_pointers(state,
                    [&](io::Database& database, std::vector<std::string>& written) -> Result<std::vector<TableDraft>> {
                      std::vector<TableDraft> list;
                      list.push_back(SHOPLAKE_TRY(open_draft(state, database, table)));
                      if (list[0].before) {
                        return exists_already(table, list[0].before->kind);
                      }
                      SHOPLAKE_TRY(apply_change(state, database, change, list[0], reuse, written));
                      return list;
                    },
                    {}));
  return Table{table, drafts[0].metadata_location, drafts[0].metadata};
}

Result<Table> Catalog::register_table(const TableIdentifier& table, const std::string& metadata_location) {
  SHOPLAKE_TRY(check_identifier(table));
  const auto inside = [&](const std::string& location) -> Result<std::string> {
    std::string path = SHOPLAKE_TRY(plain_path(location));
    const std::string root = state_->options.lake_root + "/";
    if (!path.starts_with(root) || path.find("/../") != std::string::npos) {
      return make_error(ErrorKind::usage, "catalog.outside_lake",
                        location + " is not below the lake " + state_->options.lake_root,
                        "Tables of this catalog lie below its lake: copy the table there with its engine.");
    }
    return path;
  };
  const std::string path = SHOPLAKE_TRY(inside(metadata_location));
  auto metadata = SHOPLAKE_TRY(state_->load_metadata(path).within("table " + to_string(table)));
  const std::string location = SHOPLAKE_TRY(inside(metadata->location()));
  auto database = SHOPLAKE_TRY(state_->connect());
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  if (!SHOPLAKE_TRY(state_->has_namespace(*database, table.name_space))) {
    return no_such_namespace(table.name_space);
  }
  if (const auto before = SHOPLAKE_TRY(state_->find_relation(*database, table)); before) {
    return exists_already(table, before->kind);
  }
  auto insert = SHOPLAKE_TRY(
      database->prepare("INSERT INTO catalog_relations (namespace, name, kind, metadata_location, location) VALUES "
                        "(?1, ?2, 'table', ?3, ?4)"));
  insert.bind(1, encode_namespace(table.name_space)).bind(2, table.name).bind(3, path).bind(4, location);
  SHOPLAKE_TRY(insert.run());
  SHOPLAKE_TRY(transaction.commit());
  return Table{table, path, std::move(metadata)};
}

Result<void> Catalog::drop_table(const TableIdentifier& table) {
  auto database = SHOPLAKE_TRY(state_->connect());
  return drop_relation(*database, table, "table");
}

Result<void> Catalog::purge_table(const TableIdentifier& table) {
  auto database = SHOPLAKE_TRY(state_->connect());
  std::string location;
  {
    auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
    const auto relation = SHOPLAKE_TRY(state_->find_relation(*database, table));
    if (!relation || relation->kind != Relation::Kind::table) {
      return no_such_table(table);
    }
    SHOPLAKE_TRY(drop_relation(*database, table, "table"));
    const auto path = plain_path(relation->location);
    if (path.ok()) {
      // Whole folders are removed only if they are the table's own: below the lake, and no other table at, in or above
      // them.
      auto shared = SHOPLAKE_TRY(
          database->prepare("SELECT 1 FROM catalog_relations WHERE location = ?1 OR substr(location, 1, length(?1) + "
                            "1) = ?1 || '/' OR substr(?1, 1, length(location) + 1) = location || '/'"));
      shared.bind(1, relation->location);
      const bool is_shared = SHOPLAKE_TRY(shared.step());
      const std::string inside = state_->options.lake_root + "/";
      const bool is_below_zone = path->size() > inside.size() && path->compare(0, inside.size(), inside) == 0 &&
                                 path->find('/', inside.size()) != std::string::npos &&
                                 path->find("/../") == std::string::npos && path->back() != '/';
      if (!is_shared && is_below_zone) {
        location = *path;
      }
    }
    SHOPLAKE_TRY(transaction.commit());
  }
  return location.empty() ? Result<void>()
                          : state_->storage.env().remove_tree(location).within("purge of " + to_string(table));
}

namespace {

Result<void> rename_relation(CatalogState& state, const TableIdentifier& from, const TableIdentifier& to,
                             Relation::Kind kind);

}  // namespace

Result<void> Catalog::rename_table(const TableIdentifier& from, const TableIdentifier& to) {
  SHOPLAKE_TRY(check_identifier(to));
  return rename_relation(*state_, from, to, Relation::Kind::table);
}

Result<void> Catalog::rename_view(const TableIdentifier& from, const TableIdentifier& to) {
  SHOPLAKE_TRY(check_identifier(to));
  return rename_relation(*state_, from, to, Relation::Kind::view);
}

namespace {

Result<void> rename_relation(CatalogState& state, const TableIdentifier& from, const TableIdentifier& to,
                             Relation::Kind kind) {
  auto database = SHOPLAKE_TRY(state.connect());
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  const auto source = SHOPLAKE_TRY(state.find_relation(*database, from));
  if (!source || source->kind != kind) {
    return kind == Relation::Kind::table ? no_such_table(from) : no_such_view(from);
  }
  const bool has_namespace = SHOPLAKE_TRY(state.has_namespace(*database, to.name_space));
  if (!has_namespace) {
    return no_such_namespace(to.name_space);
  }
  const auto target = SHOPLAKE_TRY(state.find_relation(*database, to));
  if (target) {
    return exists_already(to, target->kind);
  }
  auto update = SHOPLAKE_TRY(
      database->prepare("UPDATE catalog_relations SET namespace = ?1, name = ?2 WHERE namespace = ?3 AND name = ?4"));
  update.bind(1, encode_namespace(to.name_space))
      .bind(2, to.name)
      .bind(3, encode_namespace(from.name_space))
      .bind(4, from.name);
  SHOPLAKE_TRY(update.run());
  return transaction.commit();
}

}  // namespace

Result<Schema> Catalog::plan_schema(const TableIdentifier& table, const Schema& wanted) {
  auto database = SHOPLAKE_TRY(state_->connect());
  const auto relation = SHOPLAKE_TRY(state_->find_relation(*database, table));
  if (relation && relation->kind == Relation::Kind::table) {
    const auto metadata =
        SHOPLAKE_TRY(state_->load_metadata(relation->metadata_location).within("table " + to_string(table)));
    std::int32_t last = metadata->last_column_id();
    return plan_replacement(metadata->current_schema(), wanted, last);
  }
  std::int32_t last = 0;
  return plan_replacement(Schema(), wanted, last);
}

Result<Schema> Catalog::plan_evolved_schema(const TableIdentifier& table, const Schema& wanted) {
  auto database = SHOPLAKE_TRY(state_->connect());
  const auto relation = SHOPLAKE_TRY(state_->find_relation(*database, table));
  if (relation && relation->kind == Relation::Kind::table) {
    const auto metadata =
        SHOPLAKE_TRY(state_->load_metadata(relation->metadata_location).within("table " + to_string(table)));
    std::int32_t last = metadata->last_column_id();
    return plan_evolution(metadata->current_schema(), wanted, last).within("table " + to_string(table));
  }
  std::int32_t last = 0;
  return plan_replacement(Schema(), wanted, last);
}

Result<std::string> Catalog::table_location(const TableIdentifier& table) {
  SHOPLAKE_TRY(check_identifier(table));
  auto database = SHOPLAKE_TRY(state_->connect());
  const auto relation = SHOPLAKE_TRY(state_->find_relation(*database, table));
  if (relation && relation->kind == Relation::Kind::table) {
    return relation->location;
  }
  return state_->default_location(*database, table);
}

Result<std::string> Catalog::data_location(const TableIdentifier& table) {
  const std::string location = SHOPLAKE_TRY(table_location(table));
  const std::string folder = io::join_path(SHOPLAKE_TRY(plain_path(location)), "data");
  SHOPLAKE_TRY(state_->storage.make_folder(folder));
  return folder;
}

Result<std::vector<transform::DataFile>> Catalog::list_files(const Table& table,
                                                             std::optional<std::int64_t> snapshot_id,
                                                             bool with_statistics) {
  const TableMetadata& metadata = *table.metadata;
  const catalog::Snapshot* snapshot = snapshot_id ? metadata.snapshot(*snapshot_id) : metadata.current_snapshot();
  if (snapshot == nullptr) {
    if (snapshot_id) {
      return no_such_snapshot(table.identifier, *snapshot_id);
    }
    return std::vector<transform::DataFile>();
  }
  std::vector<transform::DataFile> files;
  const auto manifests = SHOPLAKE_TRY(read_manifest_list(state_->storage, *snapshot));
  const auto take = [&](const ManifestFile& manifest, const std::vector<ManifestEntry>& entries) -> Result<void> {
    const auto columns =
        partition_columns(metadata, metadata.spec(manifest.spec_id) != nullptr ? *metadata.spec(manifest.spec_id)
                                                                               : metadata.default_spec());
    for (const ManifestEntry& entry : entries) {
      if (entry.status != ManifestEntry::Status::deleted) {
        files.push_back(SHOPLAKE_TRY(data_file_from_entry(entry, columns).within(entry.path)));
      }
    }
    return {};
  };
  SHOPLAKE_TRY(for_each_manifest(state_->storage, metadata, manifests,
                                 with_statistics ? EntryDetail::all : EntryDetail::paths, take));
  return files;
}

// ---- Views ---------------------------------------------------------------------------------------------------------

Result<std::vector<View>> Catalog::list_views() { return std::move(SHOPLAKE_TRY(snapshot()).views); }

Result<View> Catalog::load_view(const TableIdentifier& view) {
  auto database = SHOPLAKE_TRY(state_->connect());
  const auto relation = SHOPLAKE_TRY(state_->find_relation(*database, view));
  if (!relation || relation->kind != Relation::Kind::view) {
    return no_such_view(view);
  }
  return View{view, relation->sql, relation->metadata_location, properties_from_text(relation->properties)};
}

Result<void> Catalog::drop_view(const TableIdentifier& view) {
  auto database = SHOPLAKE_TRY(state_->connect());
  return drop_relation(*database, view, "view");
}

}  // namespace shoplake::catalog
