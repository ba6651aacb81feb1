// View metadata documents. Internal to catalog/; views as others see them are in catalog.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "catalog/storage.h"

namespace shoplake::catalog {

// Error catalog.invalid_view (input) names what is wrong.
Result<void> check_view_document(const nlohmann::json& document);

// Appends a version with the next id (its own "version-id" is ignored); only the last versions are kept.
Result<void> add_view_version(nlohmann::json& document, nlohmann::json version, std::int64_t now_ms);
void set_current_view_version(nlohmann::json& document, std::int64_t version_id, std::int64_t now_ms);

// Writes the metadata file and moves the pointer; the caller holds the transaction. Returns the file's path.
Result<std::string> store_view(CatalogState& state, io::Database& database, const TableIdentifier& identifier,
                               const std::optional<Relation>& before, const nlohmann::json& document);

}  // namespace shoplake::catalog
