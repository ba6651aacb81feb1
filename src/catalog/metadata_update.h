// Changes of a table metadata document as values: the updates and requirements of the REST catalog specification, which
// shoplake's own commits use too. Pure functions on JSON; nothing here touches files or the control plane.
// Source: Iceberg REST OpenAPI, schemas TableUpdate and TableRequirement.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "catalog/table_metadata.h"

namespace shoplake::catalog {

// What later updates of one commit refer to as "-1, the last added", and the time that they stamp.
struct UpdateContext {
  std::int64_t now_ms = 0;
  std::optional<std::int32_t> last_added_schema;
  std::optional<std::int32_t> last_added_spec;
  std::optional<std::int32_t> last_added_sort_order;
};

// A table before its first update: version 2, no schema. complete_document() makes it valid after the updates.
nlohmann::json empty_document(std::string_view uuid, std::int64_t now_ms);
void complete_document(nlohmann::json& document);

// Brings a version 1 document to version 2 (a version 2 or 3 document stays as it is).
void upgrade_document(nlohmann::json& document, std::string_view uuid_if_absent);

// `document` is null if the table does not exist. Error catalog.requirement_failed (conflict); an unknown requirement
// is catalog.bad_request (input).
base::Result<void> check_requirement(const nlohmann::json* document, const nlohmann::json& requirement);

// Error catalog.bad_request (input) for an unknown or malformed update; the document is then in any state.
base::Result<void> apply_update(nlohmann::json& document, const nlohmann::json& update, UpdateContext& context);

// Adds a schema, or finds the same one; returns its id. Attributes that Schema does not hold (identifier fields,
// defaults) are taken over from the current schema.
std::int32_t add_schema(nlohmann::json& document, const Schema& schema);
void set_current_schema(nlohmann::json& document, std::int32_t schema_id);

// Adds a spec whose fields have no ids yet (0), or finds the same one; returns its id.
std::int32_t add_spec(nlohmann::json& document, PartitionSpec spec);
void set_default_spec(nlohmann::json& document, std::int32_t spec_id);

// Adds a snapshot and makes it the head of "main".
void add_current_snapshot(nlohmann::json& document, nlohmann::json snapshot);

void set_property(nlohmann::json& document, const std::string& name, const std::string& value);

// Notes the metadata file that the document replaces; keeps write.metadata.previous-versions-max (100) of them and
// returns the rest.
std::vector<std::string> add_metadata_log(nlohmann::json& document, const std::string& previous_location,
                                          std::int64_t previous_updated_ms);

// Fresh ids for all fields (from 1), as a catalog gives them to a new table; partition spec, sort order and identifier
// fields (REST JSON, null if absent) follow.
base::Result<void> assign_fresh_ids(nlohmann::json& schema, nlohmann::json& spec, nlohmann::json& sort_order);

// JSON text that is always valid UTF-8.
std::string dump_json(const nlohmann::json& value, int indent = -1);

}  // namespace shoplake::catalog
