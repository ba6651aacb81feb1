// The next snapshot of a table: manifests of a change's files, the manifest list and the snapshot's summary. Internal
// to catalog/.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "catalog/storage.h"

namespace shoplake::catalog {

// The errors of a commit that somebody else's commit spoiled.
base::Error commit_conflict(const TableIdentifier& table, const std::string& why);
base::Error schema_changed(const TableIdentifier& table, const std::string& why);

// Writes what `change` makes of the table and adds the snapshot to `document`, of which `metadata` is the parsed form.
// Paths of new files are appended to `draft.unsynced`, and to `written` if another attempt of the commit would not use
// them again.
Result<void> build_snapshot(const Storage& storage, const TableChange& change, const TableMetadata& metadata,
                            ManifestReuse& reuse, std::vector<std::string>& written, TableDraft& draft,
                            nlohmann::json& document);

}  // namespace shoplake::catalog
