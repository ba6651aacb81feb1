// Commits: a change of data files becomes a snapshot of a new metadata document (snapshot_builder.h); then the pointers
// are swapped (pointer_swap.cc). The protocol is described in docs/formats/catalog.md.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "catalog/metadata_update.h"
#include "catalog/snapshot_builder.h"
#include "catalog/storage.h"

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using nlohmann::json;

bool any_id(const std::vector<Field>& fields) {
  return std::any_of(fields.begin(), fields.end(),
                     [](const Field& field) { return field.id != 0 || any_id(field.type.fields); });
}

// Where the ids of `given` (0: any) differ from those of `planned`; empty if nowhere.
std::string id_difference(const std::vector<Field>& given, const std::vector<Field>& planned,
                          const std::string& prefix) {
  for (const Field& field : given) {
    const std::string path = prefix.empty() ? field.name : prefix + "." + field.name;
    const auto same = std::find_if(planned.begin(), planned.end(),
                                   [&](const Field& candidate) { return candidate.name == field.name; });
    if (same == planned.end()) {
      return "column " + path + " is not in the table";
    }
    if (field.id != 0 && field.id != same->id) {
      return "column " + path + " was written with field id " + std::to_string(field.id) + ", the table has " +
             std::to_string(same->id);
    }
    std::string inner = id_difference(field.type.fields, same->type.fields, path);
    if (!inner.empty()) {
      return inner;
    }
  }
  return {};
}

Result<PartitionSpec> identity_spec(const Schema& schema, const std::vector<std::string>& columns) {
  PartitionSpec spec;
  for (const std::string& name : columns) {
    const Field* field = schema.find(name);
    if (field == nullptr) {
      return make_error(ErrorKind::input, "catalog.invalid_partition_spec",
                        "the table is to be partitioned by \"" + name + "\", which is not one of its columns");
    }
    SHOPLAKE_TRY(check_transform("identity", field->type));
    spec.fields.push_back({field->id, 0, name, "identity"});
  }
  return spec;
}

// ---- Shape ---------------------------------------------------------------------------------------------------------

Result<void> shape_new_table(CatalogState& state, io::Database& database, const CreateTable& create,
                             TableDraft& draft) {
  json& document = *draft.document;
  Schema schema = create.schema;
  if (schema.fields.empty()) {
    return make_error(ErrorKind::input, "catalog.invalid_schema",
                      "table " + to_string(draft.identifier) + " has no columns");
  }
  std::set<std::string> names;
  for (const Field& field : schema.fields) {
    if (!names.insert(field.name).second) {
      return make_error(ErrorKind::input, "catalog.invalid_schema",
                        "table " + to_string(draft.identifier) + " has two columns named \"" + field.name + "\"");
    }
  }
  assign_field_ids(schema, 0);
  document["location"] =
      create.location ? *create.location : SHOPLAKE_TRY(state.default_location(database, draft.identifier));
  set_current_schema(document, add_schema(document, schema));
  PartitionSpec spec = SHOPLAKE_TRY(identity_spec(schema, create.partition_by));
  set_default_spec(document, add_spec(document, std::move(spec)));
  complete_document(document);
  for (const auto& [name, value] : create.properties) {
    set_property(document, name, value);
  }
  return {};
}

Result<void> reshape_table(const CreateTable& create, const TableMetadata& current, TableDraft& draft) {
  json& document = *draft.document;
  std::int32_t last = current.last_column_id();
  const Schema planned = plan_replacement(current.current_schema(), create.schema, last);
  if (any_id(create.schema.fields)) {
    const std::string difference = id_difference(create.schema.fields, planned.fields, "");
    if (!difference.empty()) {
      return schema_changed(draft.identifier, difference);
    }
  }
  PartitionSpec spec = SHOPLAKE_TRY(identity_spec(planned, create.partition_by));
  set_current_schema(document, add_schema(document, planned));
  set_default_spec(document, add_spec(document, std::move(spec)));
  for (const auto& [name, value] : create.properties) {
    set_property(document, name, value);
  }
  return {};
}

Result<void> evolve_table(const Schema& wanted, const TableMetadata& current, TableDraft& draft) {
  json& document = *draft.document;
  std::int32_t last = current.last_column_id();
  const Schema planned = SHOPLAKE_TRY(
      plan_evolution(current.current_schema(), wanted, last).within("table " + to_string(draft.identifier)));
  if (any_id(wanted.fields)) {
    const std::string difference = id_difference(wanted.fields, planned.fields, "");
    if (!difference.empty()) {
      return schema_changed(draft.identifier, difference);
    }
  }
  if (planned.fields != current.current_schema().fields) {
    set_current_schema(document, add_schema(document, planned));
  }
  return {};
}

}  // namespace

Result<void> apply_change(CatalogState& state, io::Database& database, const TableChange& change, TableDraft& draft,
                          ManifestReuse& reuse, std::vector<std::string>& written) {
  using Operation = TableChange::Operation;
  json& document = *draft.document;
  const bool is_new = document["schemas"].empty() && !draft.before_metadata;
  if (is_new) {
    if (!change.create) {
      return no_such_table(change.table);
    }
    if (draft.replaces_view && change.operation != Operation::replace) {
      return make_error(ErrorKind::already_exists, "catalog.view_exists", to_string(change.table) + " is a view",
                        "Drop the view first.");
    }
    SHOPLAKE_TRY(shape_new_table(state, database, *change.create, draft));
  } else {
    upgrade_document(document, state.storage.env().new_uuid());
  }
  auto metadata = SHOPLAKE_TRY(TableMetadata::from_document(document).within("table " + to_string(change.table)));
  if (metadata->format_version() > 2) {
    return make_error(ErrorKind::failed, "catalog.unsupported_format_version",
                      "table " + to_string(change.table) + " has format version " +
                          std::to_string(metadata->format_version()) + ", which shoplake reads but does not write",
                      "Write it with the engine that made it, or make a version 2 table.");
  }
  if (change.base_snapshot_id && change.operation != Operation::append && change.operation != Operation::rewrite &&
      metadata->current_snapshot_id() != change.base_snapshot_id) {
    return commit_conflict(
        change.table,
        "its current snapshot is " +
            (metadata->current_snapshot_id() ? std::to_string(*metadata->current_snapshot_id()) : "none") +
            ", the change was made on " + std::to_string(*change.base_snapshot_id));
  }
  if (!is_new && change.operation == Operation::replace && change.create) {
    SHOPLAKE_TRY(reshape_table(*change.create, *metadata, draft));
  }
  if (change.evolve_to) {
    metadata = SHOPLAKE_TRY(TableMetadata::from_document(document));
    SHOPLAKE_TRY(evolve_table(*change.evolve_to, *metadata, draft));
  }
  for (const auto& [name, value] : change.set_properties) {
    set_property(document, name, value);
  }
  document["last-updated-ms"] = std::max(state.storage.now_ms(), metadata->last_updated_ms());
  // An append of nothing makes no snapshot; a replace by nothing empties the table.
  const bool changes_content = !change.added.empty() || !change.removed_paths.empty() ||
                               change.operation == Operation::restore ||
                               (change.operation == Operation::replace && !(is_new && change.added.empty()));
  if (!changes_content) {
    return {};
  }
  metadata = SHOPLAKE_TRY(TableMetadata::from_document(document).within("table " + to_string(change.table)));
  return build_snapshot(state.storage, change, *metadata, reuse, written, draft, document);
}
Result<std::vector<CommittedTable>> Catalog::commit(std::span<const TableChange> changes,
                                                    const ControlPlaneWrites& also) {
  CatalogState& state = *state_;
  std::vector<ManifestReuse> reuse(changes.size());
  for (ManifestReuse& one : reuse) {
    one.snapshot_id = state.storage.new_snapshot_id();
  }
  int attempts = 0;
  const PrepareDrafts prepare = [&](io::Database& database,
                                    std::vector<std::string>& written) -> Result<std::vector<TableDraft>> {
    std::vector<TableDraft> drafts;
    for (std::size_t index = 0; index < changes.size(); ++index) {
      const TableChange& change = changes[index];
      auto draft = std::find_if(drafts.begin(), drafts.end(),
                                [&](const TableDraft& candidate) { return candidate.identifier == change.table; });
      if (draft == drafts.end()) {
        drafts.push_back(SHOPLAKE_TRY(open_draft(state, database, change.table)));
        draft = drafts.end() - 1;
      }
      SHOPLAKE_TRY(apply_change(state, database, change, *draft, reuse[index], written));
      ++reuse[index].attempts;
    }
    ++attempts;
    return drafts;
  };
  auto drafts = swap_pointers(state, prepare, also);
  if (!drafts.ok()) {
    // Manifests that were kept for another attempt.
    for (const ManifestReuse& one : reuse) {
      for (const auto& [key, manifest] : one.manifests) {
        state.storage.remove_quietly({manifest.path});
      }
    }
    return std::move(drafts).error();
  }
  std::vector<CommittedTable> committed;
  for (const TableDraft& draft : *drafts) {
    committed.push_back(
        {draft.identifier, draft.metadata->current_snapshot_id().value_or(0), draft.metadata_location, attempts - 1});
  }
  return committed;
}

}  // namespace shoplake::catalog
