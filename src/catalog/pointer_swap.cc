// The second half of a commit: metadata files are written and the pointers of all tables swapped in one transaction of
// the control plane. The protocol is described in docs/formats/catalog.md.
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "catalog/metadata_update.h"
#include "catalog/storage.h"
#include "io/sync_files.h"

namespace shoplake::catalog {
namespace {

using nlohmann::json;

constexpr int kOptimisticAttempts = 3;  // then the commit works under the write lock

// Makes the draft's document a metadata file, which is synced with everything else that the commit writes.
Result<void> write_metadata(CatalogState& state, TableDraft& draft, std::vector<std::string>& written) {
  json& document = *draft.document;
  if (draft.before_metadata) {
    draft.unlogged_metadata_files =
        add_metadata_log(document, draft.before->metadata_location, draft.before_metadata->last_updated_ms());
  }
  draft.metadata =
      SHOPLAKE_TRY(TableMetadata::from_document(std::move(document)).within("table " + to_string(draft.identifier)));
  const std::string location = SHOPLAKE_TRY(plain_path(draft.metadata->location()));
  const std::string folder = io::join_path(location, "metadata");
  SHOPLAKE_TRY(state.storage.make_folder(folder));
  if (!draft.before) {
    SHOPLAKE_TRY(state.storage.make_folder(io::join_path(location, "data")));
  }
  draft.metadata_location =
      next_metadata_path(state.storage, location, draft.before_metadata ? draft.before->metadata_location : "");
  written.push_back(draft.metadata_location);
  draft.unsynced.push_back(draft.metadata_location);
  return state.storage.write_unsynced(draft.metadata_location, dump_json(draft.metadata->document()));
}

// False if another commit came first.
Result<bool> swap_pointer(io::Database& database, const TableDraft& draft) {
  const std::string name_space = encode_namespace(draft.identifier.name_space);
  if (!draft.before) {
    auto insert = SHOPLAKE_TRY(database.prepare(
        "INSERT INTO catalog_relations (namespace, name, kind, metadata_location, location) SELECT ?1, ?2, 'table', "
        "?3, ?4 "
        "WHERE EXISTS (SELECT 1 FROM catalog_namespaces WHERE namespace = ?1) ON CONFLICT DO NOTHING"));
    insert.bind(1, name_space)
        .bind(2, draft.identifier.name)
        .bind(3, draft.metadata_location)
        .bind(4, draft.metadata->location());
    const std::int64_t rows = SHOPLAKE_TRY(insert.run());
    return rows == 1;
  }
  auto update =
      SHOPLAKE_TRY(database.prepare("UPDATE catalog_relations SET metadata_location = ?1, previous_metadata_location = "
                                    "metadata_location, location = ?2, kind = 'table', sql = NULL, "
                                    "properties = NULL WHERE namespace = ?3 AND name = ?4 AND metadata_location = ?5"));
  update.bind(1, draft.metadata_location)
      .bind(2, draft.metadata->location())
      .bind(3, name_space)
      .bind(4, draft.identifier.name)
      .bind(5, draft.before->metadata_location);
  const std::int64_t rows = SHOPLAKE_TRY(update.run());
  return rows == 1;
}

// True: committed. False: lost a race, all is rolled back.
Result<bool> try_swap(CatalogState& state, io::Database& database, const PrepareDrafts& prepare,
                      const ControlPlaneWrites& also, bool under_lock, std::vector<TableDraft>& drafts,
                      std::vector<std::string>& written) {
  std::optional<io::Transaction> transaction;
  if (under_lock) {
    transaction.emplace(SHOPLAKE_TRY(io::Transaction::begin(database)));
  }
  drafts = SHOPLAKE_TRY(prepare(database, written));
  std::vector<std::string> unsynced;
  for (TableDraft& draft : drafts) {
    SHOPLAKE_TRY(write_metadata(state, draft, written));
    unsynced.insert(unsynced.end(), draft.unsynced.begin(), draft.unsynced.end());
  }
  // Manifests, manifest lists and metadata files of all tables wait for the disk together.
  SHOPLAKE_TRY(io::sync_files(state.storage.env(), unsynced));
  if (!transaction) {
    transaction.emplace(SHOPLAKE_TRY(io::Transaction::begin(database)));
  }
  for (const TableDraft& draft : drafts) {
    const bool swapped = SHOPLAKE_TRY(swap_pointer(database, draft));
    if (!swapped) {
      return false;
    }
  }
  if (also) {
    SHOPLAKE_TRY(also(database));
  }
  SHOPLAKE_TRY(transaction->commit());
  return true;
}

}  // namespace

Result<TableDraft> open_draft(CatalogState& state, io::Database& database, const TableIdentifier& identifier) {
  TableDraft draft;
  draft.identifier = identifier;
  draft.before = SHOPLAKE_TRY(state.find_relation(database, identifier));
  if (draft.before && draft.before->kind == Relation::Kind::table) {
    draft.before_metadata =
        SHOPLAKE_TRY(state.load_metadata(draft.before->metadata_location).within("table " + to_string(identifier)));
    draft.document = std::make_unique<json>(draft.before_metadata->document());
    return draft;
  }
  if (!draft.before) {
    const bool has_namespace = SHOPLAKE_TRY(state.has_namespace(database, identifier.name_space));
    if (!has_namespace) {
      return no_such_namespace(identifier.name_space);
    }
  }
  draft.replaces_view = draft.before.has_value();
  draft.document = std::make_unique<json>(empty_document(state.storage.env().new_uuid(), state.storage.now_ms()));
  return draft;
}
Result<std::vector<TableDraft>> swap_pointers(CatalogState& state, const PrepareDrafts& prepare,
                                              const ControlPlaneWrites& also) {
  auto database = SHOPLAKE_TRY(state.connect());
  for (int attempt = 0;; ++attempt) {
    std::vector<TableDraft> drafts;
    std::vector<std::string> written;
    auto swapped = try_swap(state, *database, prepare, also, attempt >= kOptimisticAttempts, drafts, written);
    if (swapped.ok() && *swapped) {
      ++state.commits;
      for (const TableDraft& draft : drafts) {
        state.remember(draft.metadata_location, draft.metadata);
        if (draft.metadata->property("write.metadata.delete-after-commit.enabled").value_or("false") == "true") {
          state.storage.remove_quietly(draft.unlogged_metadata_files);
        }
      }
      return drafts;
    }
    state.storage.remove_quietly(written);
    if (!swapped.ok()) {
      state.commit_conflicts += swapped.error().kind == base::ErrorKind::conflict ? 1 : 0;
      return std::move(swapped).error();
    }
    ++state.commit_retries;
    base::log::debug("catalog.commit_retried",
                     {{"attempt", attempt + 1}, {"tables", static_cast<std::int64_t>(drafts.size())}});
  }
}

}  // namespace shoplake::catalog
