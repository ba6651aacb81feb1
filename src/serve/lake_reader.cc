#include "serve/lake_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

namespace shoplake::serve {

using base::Result;

struct LakeReader::State {
  State(catalog::Catalog& catalog_, OpenEngine open_engine_) : catalog(catalog_), open_engine(std::move(open_engine_)) {}

  catalog::Catalog& catalog;
  OpenEngine open_engine;

  std::mutex versions_mutex;
  std::map<std::string, TableVersion> known;  // by name; right for as long as the metadata location is the same

  // Shared while a query runs, exclusive while views change: a query sees tables of one moment.
  std::shared_mutex views_mutex;
  std::unique_ptr<engine::Database> database;
  std::map<std::string, std::string> views;  // metadata location by name

  std::mutex sessions_mutex;
  std::vector<std::unique_ptr<engine::Session>> idle_sessions;

  Result<std::unique_ptr<engine::Session>> take_session() {
    {
      const std::scoped_lock lock(sessions_mutex);
      if (!idle_sessions.empty()) {
        auto session = std::move(idle_sessions.back());
        idle_sessions.pop_back();
        return session;
      }
    }
    return database->connect();
  }

  void give_back(std::unique_ptr<engine::Session> session) {
    const std::scoped_lock lock(sessions_mutex);
    idle_sessions.push_back(std::move(session));
  }

  Result<void> refresh_views(const std::vector<TableVersion>& current) {
    const auto up_to_date = [&] {
      return database && std::all_of(current.begin(), current.end(), [&](const TableVersion& version) {
               const auto view = views.find(version.name);
               return view != views.end() && view->second == version.metadata_location;
             });
    };
    {
      const std::shared_lock lock(views_mutex);
      if (up_to_date()) return {};
    }
    const std::unique_lock lock(views_mutex);
    if (up_to_date()) return {};
    if (!database) database = SHOPLAKE_TRY(open_engine());
    auto session = SHOPLAKE_TRY(take_session());
    for (const auto& version : current) {
      std::string& location = views[version.name];
      if (location == version.metadata_location) continue;
      location.clear();
      const auto dot = version.name.find('.');
      const std::string schema = engine::quote_identifier(version.name.substr(0, dot));
      SHOPLAKE_TRY(session->execute(fmt::format("create schema if not exists {}", schema)));
      SHOPLAKE_TRY(session->execute(fmt::format("create or replace view {}.{} as select * from iceberg_scan({})", schema,
                                                engine::quote_identifier(version.name.substr(dot + 1)), engine::quote_literal(version.metadata_location))));
      location = version.metadata_location;
    }
    give_back(std::move(session));
    return {};
  }
};

LakeReader::LakeReader(catalog::Catalog& catalog, OpenEngine open_engine) : state_(std::make_unique<State>(catalog, std::move(open_engine))) {}
LakeReader::~LakeReader() = default;

Result<std::vector<TableVersion>> LakeReader::versions(std::span<const std::string> tables) {
  const auto snapshot = SHOPLAKE_TRY(state_->catalog.snapshot());
  std::unordered_map<std::string, const std::string*> locations;
  for (const auto& [identifier, location] : snapshot.tables) locations.emplace(to_string(identifier), &location);

  std::vector<TableVersion> found;
  const std::scoped_lock lock(state_->versions_mutex);
  for (const auto& name : tables) {
    const auto location = locations.find(name);
    if (location == locations.end()) continue;
    TableVersion& known = state_->known[name];
    if (known.metadata_location != *location->second) {
      // Somebody may commit between the two reads: then the next call sees it.
      const auto table = SHOPLAKE_TRY(state_->catalog.load_table(SHOPLAKE_TRY(catalog::parse_table_identifier(name))));
      const auto* current = table.metadata->current_snapshot();
      known = {name, table.metadata_location, current == nullptr ? 0 : current->id, current == nullptr ? 0 : current->timestamp_ms};
    }
    found.push_back(known);
  }
  return found;
}

Result<Rows> LakeReader::query(const std::string& sql) {
  const auto snapshot = SHOPLAKE_TRY(state_->catalog.snapshot());
  std::vector<TableVersion> current;
  for (const auto& [identifier, location] : snapshot.tables) {
    if (identifier.name_space.levels.size() == 1) current.push_back({to_string(identifier), location, 0, 0});
  }
  SHOPLAKE_TRY(state_->refresh_views(current));

  const std::shared_lock lock(state_->views_mutex);
  auto session = SHOPLAKE_TRY(state_->take_session());
  const auto answer = SHOPLAKE_TRY(session->query(sql));
  Rows rows;
  for (const auto& column : answer.columns()) rows.columns.push_back(column.name);
  for (std::int64_t row = 0; row < answer.row_count(); ++row) {
    auto& values = rows.rows.emplace_back();
    for (std::size_t column = 0; column < rows.columns.size(); ++column) values.push_back(answer.value(row, column));
  }
  state_->give_back(std::move(session));
  return rows;
}

}  // namespace shoplake::serve
