// Snapshot expiry: forgets old snapshots, then removes the files that only they used.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/log.h"
#include "catalog/metadata_update.h"
#include "catalog/storage.h"

namespace shoplake::catalog {

using nlohmann::json;

std::vector<std::int64_t> Catalog::expired_snapshots(const TableMetadata& metadata, const Expiry& expiry) {
  std::unordered_set<std::int64_t> kept;
  if (metadata.document().contains("refs") && metadata.document()["refs"].is_object()) {
    for (const auto& [name, ref] : metadata.document()["refs"].items()) {
      if (ref.is_object() && ref.contains("snapshot-id") && ref["snapshot-id"].is_number_integer()) {
        kept.insert(ref["snapshot-id"].get<std::int64_t>());
      }
    }
  }
  std::int64_t count = 0;
  for (const catalog::Snapshot* snapshot = metadata.current_snapshot();
       snapshot != nullptr && count < std::max<std::int64_t>(expiry.keep_last, 1); ++count) {
    kept.insert(snapshot->id);
    snapshot = snapshot->parent_id ? metadata.snapshot(*snapshot->parent_id) : nullptr;
  }
  if (!expiry.only_with.empty()) {
    for (const json& snapshot : metadata.document()["snapshots"]) {
      if (!snapshot.value("summary", json::object()).contains(expiry.only_with)) {
        kept.insert(snapshot.value("snapshot-id", std::int64_t{0}));
      }
    }
  }
  std::vector<std::int64_t> expired;
  for (const catalog::Snapshot& snapshot : metadata.snapshots()) {
    if (!kept.contains(snapshot.id) && snapshot.timestamp_ms < expiry.older_than_ms) {
      expired.push_back(snapshot.id);
    }
  }
  return expired;
}

namespace {

// The files of expired snapshots that no kept one uses. Files outside the table's own folder are somebody else's and
// stay.
Result<std::vector<std::string>> unreachable_files(const Storage& storage, const TableMetadata& before,
                                                   const TableMetadata& after) {
  std::unordered_set<std::string> kept_manifests;
  std::vector<ManifestFile> reachable;
  for (const Snapshot& snapshot : after.snapshots()) {
    for (ManifestFile& manifest : SHOPLAKE_TRY(read_manifest_list(storage, snapshot))) {
      if (kept_manifests.insert(manifest.path).second) {
        reachable.push_back(std::move(manifest));
      }
    }
  }
  std::vector<std::string> unreachable;
  std::unordered_set<std::string> seen;
  std::unordered_set<std::string> candidates;
  for (const Snapshot& snapshot : before.snapshots()) {
    if (after.snapshot(snapshot.id) != nullptr) {
      continue;
    }
    for (const ManifestFile& manifest : SHOPLAKE_TRY(read_manifest_list(storage, snapshot))) {
      if (kept_manifests.contains(manifest.path) || !seen.insert(manifest.path).second) {
        continue;
      }
      for (const ManifestEntry& entry : SHOPLAKE_TRY(read_manifest(storage, before, manifest, EntryDetail::paths))) {
        candidates.insert(entry.path);
      }
      unreachable.push_back(manifest.path);
    }
    unreachable.push_back(snapshot.manifest_list);
  }
  if (!candidates.empty()) {
    SHOPLAKE_TRY(for_each_manifest(storage, after, reachable, EntryDetail::paths,
                                   [&](const ManifestFile&, const std::vector<ManifestEntry>& entries) -> Result<void> {
                                     for (const ManifestEntry& entry : entries) {
                                       if (entry.status != ManifestEntry::Status::deleted) {
                                         candidates.erase(entry.path);
                                       }
                                     }
                                     return {};
                                   }));
  }
  const std::string inside = SHOPLAKE_TRY(plain_path(after.location())) + "/";
  for (const std::string& candidate : candidates) {
    const auto path = plain_path(candidate);
    if (path.ok() && path->compare(0, inside.size(), inside) == 0) {
      unreachable.push_back(*path);
    }
  }
  return unreachable;
}

// Metadata files of the table that its metadata-log no longer names.
Result<std::vector<std::string>> unlogged_metadata_files(const Storage& storage, const TableDraft& draft) {
  const std::string folder = io::join_path(SHOPLAKE_TRY(plain_path(draft.metadata->location())), "metadata");
  std::unordered_set<std::string> logged{std::string(io::file_name(draft.metadata_location))};
  const json& document = draft.metadata->document();
  if (document.contains("metadata-log")) {
    for (const json& entry : document["metadata-log"]) {
      logged.insert(std::string(io::file_name(entry.value("metadata-file", std::string()))));
    }
  }
  // Names begin with a number that rises: what is not older than the one that was replaced may be a commit that runs.
  const std::string newest = draft.before ? std::string(io::file_name(draft.before->metadata_location)) : std::string();
  std::vector<std::string> files;
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(storage.env().list_directory(folder))) {
    if (entry.name.ends_with(".metadata.json") && !logged.contains(entry.name) && entry.name < newest) {
      files.push_back(io::join_path(folder, entry.name));
    }
  }
  return files;
}

Result<void> retire(CatalogState& state, const std::vector<std::string>& paths, std::int64_t remove_after_micros) {
  auto database = SHOPLAKE_TRY(state.connect());
  auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
  auto insert = SHOPLAKE_TRY(database->prepare(
      "INSERT INTO catalog_retired_files (path, remove_after_micros) VALUES (?1, ?2) ON CONFLICT DO NOTHING"));
  for (const std::string& path : paths) {
    insert.bind(1, path).bind(2, remove_after_micros);
    SHOPLAKE_TRY(insert.run());
  }
  return transaction.commit();
}

// Others commit in between.
constexpr int kRemovedAtOnce = 256;

Result<std::vector<std::string>> due_files(io::Database& database, std::int64_t now_micros) {
  std::vector<std::string> paths;
  auto select =
      SHOPLAKE_TRY(database.prepare("SELECT path FROM catalog_retired_files WHERE remove_after_micros <= ?1 LIMIT ?2"));
  select.bind(1, now_micros);
  select.bind(2, std::int64_t{kRemovedAtOnce});
  while (SHOPLAKE_TRY(select.step())) {
    paths.push_back(select.text(0));
  }
  return paths;
}

}  // namespace

Result<std::int64_t> Catalog::remove_retired_files(std::stop_token stop) {
  CatalogState& state = *state_;
  auto database = SHOPLAKE_TRY(state.connect());
  std::int64_t removed = 0;
  while (!stop.stop_requested()) {
    const std::vector<std::string> paths = SHOPLAKE_TRY(due_files(*database, state.storage.env().now_micros()));
    if (paths.empty()) {
      break;
    }
    // The files first: a file that is named and gone is nothing to do, one that is not named would stay for ever.
    state.storage.remove_quietly(paths);
    auto transaction = SHOPLAKE_TRY(io::Transaction::begin(*database));
    auto remove = SHOPLAKE_TRY(database->prepare("DELETE FROM catalog_retired_files WHERE path = ?1"));
    for (const std::string& path : paths) {
      remove.bind(1, path);
      SHOPLAKE_TRY(remove.run());
    }
    SHOPLAKE_TRY(transaction.commit());
    removed += static_cast<std::int64_t>(paths.size());
  }
  return removed;
}

Result<std::int64_t> Catalog::expire_snapshots(const TableIdentifier& table, const Expiry& expiry) {
  CatalogState& state = *state_;
  {
    const Table current = SHOPLAKE_TRY(load_table(table));
    if (expired_snapshots(*current.metadata, expiry).empty()) {
      return std::int64_t{0};
    }
  }
  std::int64_t count = 0;
  const auto drafts = SHOPLAKE_TRY(swap_pointers(
      state,
      [&](io::Database& database, std::vector<std::string>&) -> Result<std::vector<TableDraft>> {
        std::vector<TableDraft> list;
        list.push_back(SHOPLAKE_TRY(open_draft(state, database, table)));
        TableDraft& draft = list[0];
        if (!draft.before_metadata) {
          return no_such_table(table);
        }
        const auto ids = expired_snapshots(*draft.before_metadata, expiry);
        count = static_cast<std::int64_t>(ids.size());
        UpdateContext context{state.storage.now_ms(), {}, {}, {}};
        SHOPLAKE_TRY(apply_update(*draft.document, {{"action", "remove-snapshots"}, {"snapshot-ids", ids}}, context));
        return list;
      },
      {}));
  // The snapshots are gone; files that cannot be removed now are orphans.
  auto files = unreachable_files(state.storage, *drafts[0].before_metadata, *drafts[0].metadata);
  if (files.ok() && expiry.retire_micros > 0) {
    auto metadata_files = unlogged_metadata_files(state.storage, drafts[0]);
    if (metadata_files.ok()) {
      files->insert(files->end(), metadata_files->begin(), metadata_files->end());
    }
    SHOPLAKE_TRY(retire(state, *files, state.storage.env().now_micros() + expiry.retire_micros));
  } else if (files.ok()) {
    state.storage.remove_quietly(*files);
  } else {
    base::log::warning("catalog.expired_files_left", {{"table", to_string(table)}, {"reason", files.error().message}});
  }
  return count;
}

}  // namespace shoplake::catalog
