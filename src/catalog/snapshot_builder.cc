#include "catalog/snapshot_builder.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "catalog/metadata_update.h"
#include "catalog/partition.h"

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using nlohmann::json;
using Content = transform::DataFile::Content;

constexpr std::size_t kMinManifestsToMerge = 100;               // commit.manifest.min-count-to-merge
constexpr std::int64_t kManifestTargetBytes = 8 * 1024 * 1024;  // commit.manifest.target-size-bytes

std::optional<std::int64_t> number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value)
                                                                                   : std::nullopt;
}

std::int64_t property_number(const TableMetadata& metadata, const char* name, std::int64_t fallback) {
  const auto text = metadata.property(name);
  return text ? number(*text).value_or(fallback) : fallback;
}
// The counters of a snapshot's summary.
struct Counters {
  std::int64_t added_data_files = 0;
  std::int64_t added_delete_files = 0;
  std::int64_t added_records = 0;
  std::int64_t added_position_deletes = 0;
  std::int64_t added_equality_deletes = 0;
  std::int64_t added_bytes = 0;
  std::int64_t removed_data_files = 0;
  std::int64_t removed_delete_files = 0;
  std::int64_t removed_records = 0;
  std::int64_t removed_position_deletes = 0;
  std::int64_t removed_equality_deletes = 0;
  std::int64_t removed_bytes = 0;
  std::set<std::string> partitions;

  void add(const ManifestEntry& entry) {
    added_bytes += entry.file_size_bytes;
    switch (entry.content) {
      case Content::data:
        ++added_data_files;
        added_records += entry.record_count;
        break;
      case Content::position_deletes:
        ++added_delete_files;
        added_position_deletes += entry.record_count;
        break;
      case Content::equality_deletes:
        ++added_delete_files;
        added_equality_deletes += entry.record_count;
        break;
    }
    touch(entry);
  }

  void remove(const ManifestEntry& entry) {
    removed_bytes += entry.file_size_bytes;
    switch (entry.content) {
      case Content::data:
        ++removed_data_files;
        removed_records += entry.record_count;
        break;
      case Content::position_deletes:
        ++removed_delete_files;
        removed_position_deletes += entry.record_count;
        break;
      case Content::equality_deletes:
        ++removed_delete_files;
        removed_equality_deletes += entry.record_count;
        break;
    }
    touch(entry);
  }

  void touch(const ManifestEntry& entry) {
    std::string key;
    for (const auto& value : entry.partition) {
      key.append(value ? "=" : "-").append(value.value_or("")).push_back('\0');
    }
    partitions.insert(std::move(key));
  }

  // `previous` is the summary of the snapshot before, null if there is none; totals that it does not have stay unknown.
  void write(json& summary, const json* previous, bool replaces_all) const {
    const auto put = [&](const char* name, std::int64_t value) {
      if (value != 0) {
        summary[name] = std::to_string(value);
      }
    };
    put("added-data-files", added_data_files);
    put("added-records", added_records);
    put("added-files-size", added_bytes);
    put("added-delete-files", added_delete_files);
    put("added-position-delete-files", added_position_deletes > 0 ? added_delete_files : 0);
    put("added-position-deletes", added_position_deletes);
    put("added-equality-deletes", added_equality_deletes);
    put("deleted-data-files", removed_data_files);
    put("deleted-records", removed_records);
    put("removed-files-size", removed_bytes);
    put("removed-delete-files", removed_delete_files);
    put("removed-position-deletes", removed_position_deletes);
    put("removed-equality-deletes", removed_equality_deletes);
    summary["changed-partition-count"] = std::to_string(partitions.size());
    const auto total = [&](const char* name, std::int64_t plus, std::int64_t minus) {
      std::optional<std::int64_t> before = 0;
      if (!replaces_all && previous != nullptr) {
        before = previous->contains(name) && (*previous)[name].is_string()
                     ? number((*previous)[name].get<std::string>())
                     : std::nullopt;
      }
      if (before) {
        summary[name] = std::to_string(std::max<std::int64_t>(0, *before + plus - (replaces_all ? 0 : minus)));
      }
    };
    total("total-data-files", added_data_files, removed_data_files);
    total("total-records", added_records, removed_records);
    total("total-files-size", added_bytes, removed_bytes);
    total("total-delete-files", added_delete_files, removed_delete_files);
    total("total-position-deletes", added_position_deletes, removed_position_deletes);
    total("total-equality-deletes", added_equality_deletes, removed_equality_deletes);
  }

  // A replace removes all that the snapshot before counted.
  void remove_totals(const json& previous) {
    const auto get = [&](const char* name) -> std::int64_t {
      return previous.contains(name) && previous[name].is_string()
                 ? number(previous[name].get<std::string>()).value_or(0)
                 : 0;
    };
    removed_data_files = get("total-data-files");
    removed_records = get("total-records");
    removed_bytes = get("total-files-size");
    removed_delete_files = get("total-delete-files");
    removed_position_deletes = get("total-position-deletes");
    removed_equality_deletes = get("total-equality-deletes");
  }
};

std::string operation_name(const TableChange& change, const Counters& counters) {
  switch (change.operation) {
    case TableChange::Operation::append: return counters.added_delete_files > 0 ? "overwrite" : "append";
    case TableChange::Operation::replace:
    case TableChange::Operation::restore: return "overwrite";
    case TableChange::Operation::rewrite: return "replace";
    case TableChange::Operation::overwrite: return counters.added_data_files > 0 ? "overwrite" : "delete";
  }
  return "overwrite";
}

const json* snapshot_summary(const json& document, std::int64_t snapshot_id) {
  for (const json& snapshot : document["snapshots"]) {
    if (snapshot["snapshot-id"] == snapshot_id && snapshot.contains("summary")) {
      return &snapshot["summary"];
    }
  }
  return nullptr;
}

class SnapshotBuilder {
 public:
  SnapshotBuilder(const Storage& storage, const TableChange& change, const TableMetadata& metadata,
                  ManifestReuse& reuse, std::vector<std::string>& written, std::vector<std::string>& unsynced)
      : storage_(storage), change_(change), metadata_(metadata), reuse_(reuse), written_(written), unsynced_(unsynced) {
    context_.schema = &metadata_.current_schema();
    context_.spec = &metadata_.default_spec();
    context_.partition = partition_columns(metadata_, *context_.spec);
    folder_ = io::join_path(metadata_.location(), "metadata");
    sequence_number_ = metadata_.last_sequence_number() + 1;
  }

  Result<void> build(json& document) {
    folder_ = SHOPLAKE_TRY(plain_path(folder_));
    SHOPLAKE_TRY(storage_.make_folder(folder_));
    if (change_.operation == TableChange::Operation::restore) {
      return add_snapshot(document, SHOPLAKE_TRY(restored_manifests()), /*replaces_all=*/false);
    }
    const Snapshot* parent = metadata_.current_snapshot();
    std::vector<ManifestFile> manifests;
    SHOPLAKE_TRY(write_added(manifests));
    const bool replaces_all = change_.operation == TableChange::Operation::replace;
    if (parent != nullptr && !replaces_all) {
      std::vector<ManifestFile> kept = SHOPLAKE_TRY(read_manifest_list(storage_, *parent));
      if (change_.operation != TableChange::Operation::append && !change_.removed_paths.empty()) {
        kept = SHOPLAKE_TRY(remove_files(std::move(kept)));
      }
      if (change_.operation == TableChange::Operation::rewrite) {
        SHOPLAKE_TRY(check_deletes_since(kept));
      }
      kept = SHOPLAKE_TRY(merge_small(std::move(kept)));
      for (ManifestFile& manifest : kept) {
        const bool is_spent = manifest.added_files == 0 && manifest.existing_files == 0 &&
                              manifest.added_snapshot_id != reuse_.snapshot_id;
        if (!is_spent) {
          manifests.push_back(std::move(manifest));
        }
      }
    } else if (!change_.removed_paths.empty() && !replaces_all) {
      return commit_conflict(change_.table, change_.removed_paths.front() + " is not one of its files");
    }
    return add_snapshot(document, manifests, replaces_all);
  }

 private:
  // Writes the manifest list and adds the snapshot, with its summary, to the document.
  Result<void> add_snapshot(json& document, const std::vector<ManifestFile>& manifests, bool replaces_all) {
    const Snapshot* parent = metadata_.current_snapshot();
    const json* previous = parent == nullptr ? nullptr : snapshot_summary(document, parent->id);
    if (replaces_all && previous != nullptr) {
      counters_.remove_totals(*previous);
    }

    const std::string list_path = io::join_path(
        folder_, "snap-" + std::to_string(reuse_.snapshot_id) + "-" + storage_.env().new_uuid() + ".avro");
    const std::optional<std::int64_t> parent_id = parent == nullptr ? std::nullopt : std::optional(parent->id);
    const std::string bytes =
        format_manifest_list(manifests, reuse_.snapshot_id, parent_id, sequence_number_, storage_.sync_marker());
    written_.push_back(list_path);
    unsynced_.push_back(list_path);
    SHOPLAKE_TRY(storage_.write_unsynced(list_path, bytes));

    json summary = {{"operation", operation_name(change_, counters_)}, {"engine-name", "shoplake"}};
    counters_.write(summary, previous, replaces_all);
    if (reuse_.attempts > 0) {
      summary["shoplake.commit-retries"] = std::to_string(reuse_.attempts);
    }
    for (const auto& [name, value] : change_.summary) {
      summary[name] = value;
    }
    json snapshot = {{"snapshot-id", reuse_.snapshot_id},
                     {"sequence-number", sequence_number_},
                     {"timestamp-ms", std::max(storage_.now_ms(), metadata_.last_updated_ms())},
                     {"manifest-list", list_path},
                     {"summary", std::move(summary)},
                     {"schema-id", metadata_.current_schema().id}};
    if (parent_id) {
      snapshot["parent-snapshot-id"] = *parent_id;
    }
    add_current_snapshot(document, std::move(snapshot));
    return {};
  }

  // The manifests of the snapshot that is restored, as they are; what changes by that is counted by file.
  Result<std::vector<ManifestFile>> restored_manifests() {
    const std::int64_t id = change_.restored_snapshot_id.value_or(0);
    const Snapshot* target = metadata_.snapshot(id);
    if (target == nullptr) {
      return no_such_snapshot(change_.table, id);
    }
    std::vector<ManifestFile> manifests = SHOPLAKE_TRY(read_manifest_list(storage_, *target));
    std::map<std::string, ManifestEntry> before = SHOPLAKE_TRY(live_entries(metadata_.current_snapshot()));
    for (auto& [path, entry] : SHOPLAKE_TRY(live_entries(target))) {
      if (before.erase(path) == 0) {
        counters_.add(entry);
      }
    }
    for (const auto& [path, entry] : before) {
      counters_.remove(entry);
    }
    return manifests;
  }

  Result<std::map<std::string, ManifestEntry>> live_entries(const Snapshot* snapshot) {
    std::map<std::string, ManifestEntry> entries;
    if (snapshot == nullptr) {
      return entries;
    }
    for (const ManifestFile& manifest : SHOPLAKE_TRY(read_manifest_list(storage_, *snapshot))) {
      for (ManifestEntry& entry : SHOPLAKE_TRY(read_manifest(storage_, metadata_, manifest, EntryDetail::paths))) {
        if (entry.status != ManifestEntry::Status::deleted) {
          std::string path = entry.path;
          entries.emplace(std::move(path), std::move(entry));
        }
      }
    }
    return entries;
  }

  // A rewrite must not bring back rows that others deleted after its files were read.
  Result<void> check_deletes_since(const std::vector<ManifestFile>& manifests) {
    for (const ManifestFile& manifest : manifests) {
      if (!manifest.holds_deletes || manifest.sequence_number <= change_.base_sequence_number) {
        continue;
      }
      for (const ManifestEntry& entry :
           SHOPLAKE_TRY(read_manifest(storage_, metadata_, manifest, EntryDetail::paths))) {
        const bool is_new = entry.status != ManifestEntry::Status::deleted &&
                            entry.sequence_number.value_or(0) > change_.base_sequence_number;
        const bool may_apply =
            entry.partition.empty() || removed_partitions_.contains({manifest.spec_id, entry.partition});
        if (is_new && may_apply) {
          return commit_conflict(change_.table, "rows were deleted meanwhile from files that it rewrites");
        }
      }
    }
    return {};
  }

  Result<void> write_added(std::vector<ManifestFile>& manifests) {
    std::unordered_set<std::int32_t> ids;
    collect(metadata_.current_schema().fields, ids);
    std::unordered_set<std::string> paths;
    std::vector<ManifestEntry> data;
    std::vector<ManifestEntry> deletes;
    for (const transform::DataFile& file : change_.added) {
      if (!paths.insert(file.path).second) {
        return make_error(ErrorKind::internal, "catalog.duplicate_file",
                          file.path + " is added twice in one commit to " + to_string(change_.table));
      }
      PartitionTuple partition =
          SHOPLAKE_TRY(partition_from_text(context_.partition, file.partition).within(file.path));
      ManifestEntry entry = entry_from_data_file(file, std::move(partition));
      entry.snapshot_id = reuse_.snapshot_id;
      counters_.add(entry);
      if (file.content == Content::data) {
        for (const transform::ColumnStatistics& column : file.columns) {
          if (!ids.contains(column.field_id)) {
            return schema_changed(change_.table, file.path + " holds field id " + std::to_string(column.field_id) +
                                                     ", which the table does not have");
          }
        }
        data.push_back(std::move(entry));
      } else {
        deletes.push_back(std::move(entry));
      }
    }
    if (!data.empty()) {
      manifests.push_back(SHOPLAKE_TRY(write_reusable(false, data)));
    }
    if (!deletes.empty()) {
      manifests.push_back(SHOPLAKE_TRY(write_reusable(true, deletes)));
    }
    return {};
  }

  static void collect(const std::vector<Field>& fields, std::unordered_set<std::int32_t>& ids) {
    for (const Field& field : fields) {
      ids.insert(field.id);
      collect(field.type.fields, ids);
    }
  }

  // Added entries inherit their sequence number from the manifest list, so a lost race does not spoil their manifest.
  Result<ManifestFile> write_reusable(bool deletes, const std::vector<ManifestEntry>& entries) {
    const std::string key = std::string(deletes ? "deletes " : "data ") + metadata_.uuid() + " " +
                            std::to_string(context_.spec->id) + " " + std::to_string(context_.schema->id);
    if (const auto found = reuse_.manifests.find(key); found != reuse_.manifests.end()) {
      ManifestFile manifest = found->second;
      manifest.sequence_number = sequence_number_;
      manifest.min_sequence_number = sequence_number_;
      return manifest;
    }
    // Not in written_: kept for the next attempt; an orphan if there is none.
    ManifestFile manifest = SHOPLAKE_TRY(write(context_, deletes, entries));
    reuse_.manifests[key] = manifest;
    return manifest;
  }

  Result<ManifestFile> write(const ManifestContext& context, bool deletes, const std::vector<ManifestEntry>& entries) {
    ManifestFile manifest = describe_manifest(context, deletes, entries, reuse_.snapshot_id, sequence_number_);
    manifest.path = io::join_path(folder_, storage_.env().new_uuid() + (deletes ? "-deletes.avro" : "-data.avro"));
    const std::string bytes = format_manifest(context, deletes, entries, storage_.sync_marker());
    manifest.length = static_cast<std::int64_t>(bytes.size());
    unsynced_.push_back(manifest.path);
    SHOPLAKE_TRY(storage_.write_unsynced(manifest.path, bytes));
    return manifest;
  }

  Result<ManifestContext> context_of(std::int32_t spec_id) {
    const PartitionSpec* spec = metadata_.spec(spec_id);
    if (spec == nullptr) {
      return make_error(ErrorKind::input, "catalog.invalid_manifest",
                        "a manifest has partition spec " + std::to_string(spec_id) + ", which the table does not have");
    }
    return ManifestContext{context_.schema, spec, partition_columns(metadata_, *spec)};
  }

  static void make_existing(ManifestEntry& entry) {
    if (entry.status == ManifestEntry::Status::added) {
      entry.status = ManifestEntry::Status::existing;
    }
  }

  Result<std::vector<ManifestFile>> remove_files(std::vector<ManifestFile> manifests) {
    std::unordered_set<std::string> wanted;
    for (const std::string& path : change_.removed_paths) {
      wanted.insert(path);
    }
    for (ManifestFile& manifest : manifests) {
      if (wanted.empty()) {
        break;
      }
      // First only the paths; the metrics of untouched manifests are never decoded.
      const auto paths = SHOPLAKE_TRY(read_manifest(storage_, metadata_, manifest, EntryDetail::paths));
      const bool touched = std::any_of(paths.begin(), paths.end(), [&](const ManifestEntry& entry) {
        return entry.status != ManifestEntry::Status::deleted && wanted.contains(entry.path);
      });
      if (!touched) {
        continue;
      }
      auto entries = SHOPLAKE_TRY(read_manifest(storage_, metadata_, manifest, EntryDetail::all));
      std::vector<ManifestEntry> rewritten;
      rewritten.reserve(entries.size());
      for (ManifestEntry& entry : entries) {
        if (entry.status == ManifestEntry::Status::deleted) {
          continue;
        }
        if (wanted.erase(entry.path) > 0) {
          counters_.remove(entry);
          removed_partitions_.emplace(manifest.spec_id, entry.partition);
          entry.status = ManifestEntry::Status::deleted;
          entry.snapshot_id = reuse_.snapshot_id;
        } else {
          make_existing(entry);
        }
        rewritten.push_back(std::move(entry));
      }
      const ManifestContext context = SHOPLAKE_TRY(context_of(manifest.spec_id));
      ManifestFile replacement = SHOPLAKE_TRY(write(context, manifest.holds_deletes, rewritten));
      written_.push_back(replacement.path);
      manifest = std::move(replacement);
    }
    if (!wanted.empty()) {
      return commit_conflict(change_.table, *wanted.begin() + " is no longer one of its files");
    }
    return manifests;
  }

  // Keeps the manifest list short: many small manifests of one spec become few of the target size.
  Result<std::vector<ManifestFile>> merge_small(std::vector<ManifestFile> manifests) {
    if (metadata_.property("commit.manifest-merge.enabled").value_or("true") == "false") {
      return manifests;
    }
    const auto minimum = static_cast<std::size_t>(std::max<std::int64_t>(
        2, property_number(metadata_, "commit.manifest.min-count-to-merge", kMinManifestsToMerge)));
    const std::int64_t target = property_number(metadata_, "commit.manifest.target-size-bytes", kManifestTargetBytes);
    std::map<std::pair<std::int32_t, bool>, std::vector<std::size_t>> small;  // in list order
    for (std::size_t index = 0; index < manifests.size(); ++index) {
      const ManifestFile& manifest = manifests[index];
      // A manifest of this very commit keeps its deleted entries.
      if (manifest.length < target && manifest.added_snapshot_id != reuse_.snapshot_id) {
        small[{manifest.spec_id, manifest.holds_deletes}].push_back(index);
      }
    }
    std::vector<bool> merged(manifests.size(), false);
    std::vector<ManifestFile> result;
    for (const auto& [group, indices] : small) {
      if (indices.size() < minimum) {
        continue;
      }
      const ManifestContext context = SHOPLAKE_TRY(context_of(group.first));
      std::size_t begin = 0;
      while (begin < indices.size()) {
        std::size_t end = begin;
        std::int64_t bytes = 0;
        while (end < indices.size() && (end == begin || bytes + manifests[indices[end]].length <= target)) {
          bytes += manifests[indices[end]].length;
          ++end;
        }
        if (end - begin > 1) {
          std::vector<ManifestEntry> entries;
          for (std::size_t position = begin; position < end; ++position) {
            auto part =
                SHOPLAKE_TRY(read_manifest(storage_, metadata_, manifests[indices[position]], EntryDetail::all));
            for (ManifestEntry& entry : part) {
              if (entry.status != ManifestEntry::Status::deleted) {
                make_existing(entry);
                entries.push_back(std::move(entry));
              }
            }
            merged[indices[position]] = true;
          }
          if (!entries.empty()) {
            result.push_back(SHOPLAKE_TRY(write(context, group.second, entries)));
            written_.push_back(result.back().path);
          }
        }
        begin = end;
      }
    }
    for (std::size_t index = 0; index < manifests.size(); ++index) {
      if (!merged[index]) {
        result.push_back(std::move(manifests[index]));
      }
    }
    return result;
  }

  const Storage& storage_;
  const TableChange& change_;
  const TableMetadata& metadata_;
  ManifestReuse& reuse_;
  std::vector<std::string>& written_;
  std::vector<std::string>& unsynced_;
  ManifestContext context_;
  std::string folder_;
  std::int64_t sequence_number_ = 0;
  Counters counters_;
  std::set<std::pair<std::int32_t, PartitionTuple>> removed_partitions_;  // with their specs
};

}  // namespace

base::Error commit_conflict(const TableIdentifier& table, const std::string& why) {
  return make_error(ErrorKind::conflict, "catalog.commit_conflict",
                    "the commit to " + to_string(table) + " conflicts with another: " + why,
                    "Read the table again and repeat the change.");
}

base::Error schema_changed(const TableIdentifier& table, const std::string& why) {
  return make_error(ErrorKind::conflict, "catalog.schema_changed",
                    "the data files do not fit the columns of " + to_string(table) + ": " + why,
                    "Plan the schema again (plan_schema) and write the files again.");
}
Result<void> build_snapshot(const Storage& storage, const TableChange& change, const TableMetadata& metadata,
                            ManifestReuse& reuse, std::vector<std::string>& written, TableDraft& draft,
                            json& document) {
  return SnapshotBuilder(storage, change, metadata, reuse, written, draft.unsynced).build(document);
}

}  // namespace shoplake::catalog
