// A table's files as they are stored: for compaction, and for whoever looks for files that nothing names.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_set>

#include "catalog/metadata_update.h"
#include "catalog/storage.h"

namespace shoplake::catalog {
namespace {

using nlohmann::json;
using Content = transform::DataFile::Content;

// The entries of a snapshot that are there, by manifest.
using EntriesByManifest = std::vector<std::pair<ManifestFile, std::vector<ManifestEntry>>>;

Result<EntriesByManifest> read_entries(const Storage& storage, const TableMetadata& metadata,
                                       const Snapshot& snapshot) {
  EntriesByManifest all;
  for (ManifestFile& manifest : SHOPLAKE_TRY(read_manifest_list(storage, snapshot))) {
    std::vector<ManifestEntry> entries = SHOPLAKE_TRY(read_manifest(storage, metadata, manifest, EntryDetail::paths));
    std::erase_if(entries, [](const ManifestEntry& entry) { return entry.status == ManifestEntry::Status::deleted; });
    all.emplace_back(std::move(manifest), std::move(entries));
  }
  return all;
}

// Statistics that the metadata names (Puffin files).
void add_statistics_files(const json& document, std::unordered_set<std::string>& files) {
  for (const char* list : {"statistics", "partition-statistics"}) {
    if (!document.contains(list) || !document[list].is_array()) {
      continue;
    }
    for (const json& statistics : document[list]) {
      if (statistics.is_object()) {
        files.insert(statistics.value("statistics-path", std::string()));
      }
    }
  }
}

// Keeps of a snapshot's entries the wanted data files, and the delete files that may apply to them.
class Slice {
 public:
  Slice(const EntriesByManifest& all, const std::vector<std::string>& data_paths) {
    const std::unordered_set<std::string> wanted(data_paths.begin(), data_paths.end());
    std::set<std::pair<std::int32_t, PartitionTuple>> partitions;
    for (const auto& [manifest, entries] : all) {
      for (const ManifestEntry& entry : entries) {
        if (entry.content == Content::data && wanted.contains(entry.path)) {
          partitions.emplace(manifest.spec_id, entry.partition);
          data[manifest.spec_id].push_back(entry);
          ++found;
        }
      }
    }
    for (const auto& [manifest, entries] : all) {
      for (const ManifestEntry& entry : entries) {
        // Equality deletes of an unpartitioned spec are the whole table's.
        if (entry.content != Content::data &&
            (entry.partition.empty() || partitions.contains({manifest.spec_id, entry.partition}))) {
          deletes[manifest.spec_id].push_back(entry);
        }
      }
    }
  }

  std::map<std::int32_t, std::vector<ManifestEntry>> data;  // by spec
  std::map<std::int32_t, std::vector<ManifestEntry>> deletes;
  std::size_t found = 0;
};

class SliceWriter {
 public:
  SliceWriter(const Storage& storage, const TableMetadata& metadata, std::string folder)
      : storage_(storage), metadata_(metadata), folder_(std::move(folder)) {}

  Result<std::string> write(Slice slice) {
    const Snapshot& snapshot = *metadata_.current_snapshot();
    std::vector<ManifestFile> manifests;
    for (auto& [spec_id, entries] : slice.data) {
      manifests.push_back(SHOPLAKE_TRY(write_manifest(spec_id, false, std::move(entries))));
    }
    for (auto& [spec_id, entries] : slice.deletes) {
      manifests.push_back(SHOPLAKE_TRY(write_manifest(spec_id, true, std::move(entries))));
    }
    const std::string list = io::join_path(folder_, "snap-" + std::to_string(snapshot.id) + ".avro");
    SHOPLAKE_TRY(storage_.write_unsynced(list, format_manifest_list(manifests, snapshot.id, std::nullopt,
                                                                    snapshot.sequence_number, storage_.sync_marker())));
    json document = metadata_.document();
    document["snapshots"] = json::array({{{"snapshot-id", snapshot.id},
                                          {"sequence-number", snapshot.sequence_number},
                                          {"timestamp-ms", snapshot.timestamp_ms},
                                          {"manifest-list", list},
                                          {"summary", {{"operation", "append"}}},
                                          {"schema-id", metadata_.current_schema().id}}});
    document["refs"] = {{"main", {{"snapshot-id", snapshot.id}, {"type", "branch"}}}};
    document["snapshot-log"] = json::array();
    document["metadata-log"] = json::array();
    document.erase("statistics");
    document.erase("partition-statistics");
    const std::string path = io::join_path(folder_, "slice.metadata.json");
    SHOPLAKE_TRY(storage_.write_unsynced(path, dump_json(document)));
    return path;
  }

 private:
  Result<ManifestFile> write_manifest(std::int32_t spec_id, bool deletes, std::vector<ManifestEntry> entries) {
    const PartitionSpec& spec = *metadata_.spec(spec_id);  // the manifests were read with it
    const ManifestContext context{&metadata_.current_schema(), &spec, partition_columns(metadata_, spec)};
    const Snapshot& snapshot = *metadata_.current_snapshot();
    for (ManifestEntry& entry : entries) {
      entry.status = ManifestEntry::Status::existing;
    }
    ManifestFile manifest = describe_manifest(context, deletes, entries, snapshot.id, snapshot.sequence_number);
    manifest.path = io::join_path(folder_, (deletes ? "deletes-" : "data-") + std::to_string(spec_id) + ".avro");
    const std::string bytes = format_manifest(context, deletes, entries, storage_.sync_marker());
    manifest.length = static_cast<std::int64_t>(bytes.size());
    SHOPLAKE_TRY(storage_.write_unsynced(manifest.path, bytes));
    return manifest;
  }

  const Storage& storage_;
  const TableMetadata& metadata_;
  std::string folder_;
};

}  // namespace

Result<std::vector<Catalog::StoredFile>> Catalog::list_stored_files(const Table& table) {
  std::vector<StoredFile> files;
  const TableMetadata& metadata = *table.metadata;
  if (metadata.current_snapshot() == nullptr) {
    return files;
  }
  for (const auto& [manifest, entries] :
       SHOPLAKE_TRY(read_entries(state_->storage, metadata, *metadata.current_snapshot()))) {
    const auto columns = partition_columns(metadata, *metadata.spec(manifest.spec_id));
    for (const ManifestEntry& entry : entries) {
      files.push_back({SHOPLAKE_TRY(data_file_from_entry(entry, columns).within(entry.path)), manifest.spec_id,
                       entry.sequence_number.value_or(0), entry.format});
    }
  }
  return files;
}

Result<std::string> Catalog::write_slice(const Table& table, const std::vector<std::string>& data_paths,
                                         const std::string& folder) {
  const TableMetadata& metadata = *table.metadata;
  EntriesByManifest all;
  if (metadata.current_snapshot() != nullptr) {
    all = SHOPLAKE_TRY(read_entries(state_->storage, metadata, *metadata.current_snapshot()));
  }
  Slice slice(all, data_paths);
  if (slice.found != data_paths.size()) {
    return base::make_error(base::ErrorKind::conflict, "catalog.no_such_file",
                            "files of " + to_string(table.identifier) + " that were to be read are no longer its",
                            "Read the table again and repeat the change.");
  }
  const std::string own = io::join_path(folder, state_->storage.env().new_uuid());
  SHOPLAKE_TRY(state_->storage.env().create_directories(own));
  return SliceWriter(state_->storage, metadata, own).write(std::move(slice));
}

Result<std::vector<std::string>> Catalog::list_named_files(const Table& table) {
  const TableMetadata& metadata = *table.metadata;
  std::unordered_set<std::string> files{table.metadata_location};
  std::unordered_set<std::string> manifests_seen;
  for (const catalog::Snapshot& snapshot : metadata.snapshots()) {
    files.insert(snapshot.manifest_list);
    for (const ManifestFile& manifest : SHOPLAKE_TRY(read_manifest_list(state_->storage, snapshot))) {
      if (!manifests_seen.insert(manifest.path).second) {
        continue;
      }
      files.insert(manifest.path);
      for (ManifestEntry& entry :
           SHOPLAKE_TRY(read_manifest(state_->storage, metadata, manifest, EntryDetail::paths))) {
        if (entry.status != ManifestEntry::Status::deleted) {
          files.insert(std::move(entry.path));
        }
      }
    }
  }
  const json& document = metadata.document();
  if (document.contains("metadata-log") && document["metadata-log"].is_array()) {
    for (const json& logged : document["metadata-log"]) {
      files.insert(logged.value("metadata-file", std::string()));
    }
  }
  add_statistics_files(document, files);
  std::vector<std::string> paths;
  for (const std::string& location : files) {
    if (auto path = plain_path(location); path.ok()) {
      paths.push_back(std::move(path).value());
    }
  }
  return paths;
}

}  // namespace shoplake::catalog
