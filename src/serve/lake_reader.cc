#include "serve/lake_reader.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "catalog/single_value.h"
#include "query/lake_views.h"
#include "transform/data_file.h"

namespace shoplake::serve {
namespace {

using base::Result;

// An engine that serves for long gathers handles of blocks that are gone: after so many generations, which are two
// minutes under live, the next one has a new engine.
constexpr std::uint64_t kEngineGenerations = 128;

// Metadata locations of tables and views, by name.
using Locations = std::unordered_map<std::string, std::string>;

// Views of one moment. Thread safe.
class Generation {
 public:
  static Result<std::shared_ptr<Generation>> make(std::string key, std::shared_ptr<engine::Database> database,
                                                  std::uint64_t number, catalog::Catalog& catalog) {
    std::shared_ptr<Generation> generation(new Generation(std::move(key), std::move(database), number));
    auto session = SHOPLAKE_TRY(generation->database_->connect());
    SHOPLAKE_TRY(session->execute("ATTACH ':memory:' AS " + generation->name_));
    generation->is_attached_ = true;
    SHOPLAKE_TRY(session->execute("USE " + generation->name_));
    generation->views_session_ = std::move(session);
    generation->views_.emplace(SHOPLAKE_TRY(
        query::LakeViews::open(*generation->views_session_, catalog, std::nullopt, query::TableReader::files)));
    return generation;
  }

  ~Generation() {
    views_.reset();
    views_session_.reset();
    idle_sessions_.clear();
    if (!is_attached_)
      return;
    const auto session = database_->connect();
    if (session.ok())
      (void)(*session)->execute("DETACH " + name_);
  }

  const std::string& key() const { return key_; }

  Result<Rows> query(const std::string& sql) {
    std::unique_ptr<engine::Session> session;
    {
      const std::scoped_lock lock(mutex_);
      SHOPLAKE_TRY(views_->prepare(sql));
      if (!idle_sessions_.empty()) {
        session = std::move(idle_sessions_.back());
        idle_sessions_.pop_back();
      }
    }
    if (!session) {
      session = SHOPLAKE_TRY(database_->connect());
      SHOPLAKE_TRY(session->execute("USE " + name_));
    }
    const auto answer = SHOPLAKE_TRY(session->query(sql));
    Rows rows;
    for (const auto& column : answer.columns())
      rows.columns.push_back(column.name);
    for (std::int64_t row = 0; row < answer.row_count(); ++row) {
      auto& values = rows.rows.emplace_back();
      for (std::size_t column = 0; column < rows.columns.size(); ++column)
        values.push_back(answer.value(row, column));
    }
    const std::scoped_lock lock(mutex_);
    idle_sessions_.push_back(std::move(session));
    return rows;
  }

 private:
  Generation(std::string key, std::shared_ptr<engine::Database> database, std::uint64_t number)
      : key_(std::move(key)), name_("generation_" + std::to_string(number)), database_(std::move(database)) {}

  std::string key_;
  std::string name_;  // of its database
  bool is_attached_ = false;
  std::shared_ptr<engine::Database> database_;
  std::mutex mutex_;
  std::unique_ptr<engine::Session> views_session_;
  std::optional<query::LakeViews> views_;
  std::vector<std::unique_ptr<engine::Session>> idle_sessions_;
};

}  // namespace

struct LakeReader::State {
  catalog::Catalog& catalog;
  OpenEngine open_engine;
  std::vector<std::string> tables;

  std::mutex versions_mutex;
  std::map<std::string, TableVersion> known;  // by name; right for as long as the metadata location is the same

  std::mutex generation_mutex;  // also held while one is made, so that it is made once
  std::shared_ptr<engine::Database> database;
  std::uint64_t generations = 0;
  std::shared_ptr<Generation> generation;

  static std::string key_of(const catalog::Catalog::Snapshot& snapshot, const std::vector<std::string>& tables) {
    Locations locations;
    bool reads_a_view = false;
    for (const auto& [identifier, location] : snapshot.tables)
      locations.emplace(to_string(identifier), location);
    for (const auto& view : snapshot.views) {
      const std::string name = to_string(view.identifier);
      locations.emplace(name, view.metadata_location);
      for (const auto& table : tables)
        reads_a_view |= table == name;
    }
    std::string key;
    for (const auto& table : tables)
      key += table + ' ' + locations[table] + '\n';
    if (reads_a_view) {  // and a view may read any table
      for (const auto& [identifier, location] : snapshot.tables)
        key += location + '\n';
      for (const auto& view : snapshot.views)
        key += view.metadata_location + '\n';
    }
    return key;
  }

  Result<std::shared_ptr<engine::Database>> open_database() {
    std::shared_ptr<engine::Database> opened = SHOPLAKE_TRY(open_engine());
    const auto session = SHOPLAKE_TRY(opened->connect());
    // Under live most files are read once: the system's own cache of them does.
    SHOPLAKE_TRY(session->execute("SET GLOBAL enable_external_file_cache = false"));
    return opened;
  }

  Result<std::shared_ptr<Generation>> current() {
    const auto snapshot = SHOPLAKE_TRY(catalog.snapshot());
    std::string key = key_of(snapshot, tables);
    const std::scoped_lock lock(generation_mutex);
    if (!generation || generation->key() != key) {
      // A commit between the snapshot above and the one that make() reads only makes this generation newer than its
      // key.
      if (!database || generations % kEngineGenerations == 0)
        database = SHOPLAKE_TRY(open_database());
      auto made = Generation::make(std::move(key), database, ++generations, catalog);
      if (!made.ok()) {
        database.reset();  // an engine that has had a fatal error takes no more statements
        return std::move(made).error();
      }
      generation = std::move(made).value();
    }
    return generation;
  }
};

LakeReader::LakeReader(catalog::Catalog& catalog, OpenEngine open_engine, std::vector<std::string> tables)
    : state_(new State{.catalog = catalog,
                       .open_engine = std::move(open_engine),
                       .tables = std::move(tables),
                       .versions_mutex = {},
                       .known = {},
                       .generation_mutex = {},
                       .database = {},
                       .generation = {}}) {}
LakeReader::~LakeReader() = default;

Result<std::vector<TableVersion>> LakeReader::versions(std::span<const std::string> tables) {
  const auto snapshot = SHOPLAKE_TRY(state_->catalog.snapshot());
  Locations locations;
  for (const auto& [identifier, location] : snapshot.tables)
    locations.emplace(to_string(identifier), location);
  Locations views;
  for (const auto& view : snapshot.views)
    views.emplace(to_string(view.identifier), view.metadata_location);

  std::vector<TableVersion> found;
  const std::scoped_lock lock(state_->versions_mutex);
  for (const auto& name : tables) {
    if (const auto view = views.find(name); view != views.end()) {
      // What a view shows changes with any table.
      found.push_back({name, State::key_of(snapshot, {name}), 0, 0});
      continue;
    }
    const auto location = locations.find(name);
    if (location == locations.end())
      continue;
    TableVersion& known = state_->known[name];
    if (known.metadata_location != location->second) {
      // Somebody may commit between the two reads: then the next call sees it.
      const auto table = SHOPLAKE_TRY(state_->catalog.load_table(SHOPLAKE_TRY(catalog::parse_table_identifier(name))));
      const auto* current = table.metadata->current_snapshot();
      known = {name, table.metadata_location, current == nullptr ? 0 : current->id,
               current == nullptr ? 0 : current->timestamp_ms};
    }
    found.push_back(known);
  }
  return found;
}

Result<Rows> LakeReader::query(const std::string& sql) {
  const auto generation = SHOPLAKE_TRY(state_->current());
  return generation->query(sql);
}

Result<std::optional<Lake::Contents>> LakeReader::contents(std::string_view table, std::string_view column) {
  const auto found = SHOPLAKE_TRY(state_->catalog.load_table(SHOPLAKE_TRY(catalog::parse_table_identifier(table))));
  const catalog::Field* field = found.metadata->current_schema().find(column);
  if (field == nullptr)
    return std::optional<Contents>();
  Contents contents;
  for (const transform::DataFile& file : SHOPLAKE_TRY(state_->catalog.list_files(found))) {
    const auto of_field = std::find_if(file.columns.begin(), file.columns.end(),
                                       [&](const auto& one) { return one.field_id == field->id; });
    if (file.content != transform::DataFile::Content::data || of_field == file.columns.end() ||
        !of_field->upper_bound || of_field->upper_bound->size() != sizeof(std::int64_t))
      return std::optional<Contents>();
    const std::int64_t greatest = catalog::decode_long(*of_field->upper_bound);
    contents.greatest = contents.rows == 0 ? greatest : std::max(contents.greatest, greatest);
    contents.rows += file.record_count;
  }
  return std::optional(contents);
}

}  // namespace shoplake::serve
