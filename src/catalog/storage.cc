#include "catalog/storage.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/parallel.h"

namespace shoplake::catalog {

using base::ErrorKind;
using base::make_error;

namespace {
constexpr std::size_t kFileBytesMax = std::size_t{1} << 31;
constexpr std::size_t kSyncMarkerSize = 16;
}  // namespace

Result<std::string> plain_path(std::string_view location) {
  constexpr std::string_view kScheme = "file:";
  // Hadoop's names for the same store.
  for (const std::string_view scheme : {"s3://", "s3a://", "s3n://"}) {
    if (location.starts_with(scheme)) {
      return "s3://" + std::string(location.substr(scheme.size()));
    }
  }
  if (location.substr(0, kScheme.size()) == kScheme) {
    location.remove_prefix(kScheme.size());
    while (location.size() > 1 && location[0] == '/' && location[1] == '/') {
      location.remove_prefix(1);
    }
  }
  if (location.empty() || location[0] != '/') {
    return make_error(ErrorKind::input, "catalog.unsupported_location",
                      "\"" + std::string(location) + "\" is neither a path of this machine nor of an object store",
                      "Only tables on the local file system and in s3:// can be used.");
  }
  return std::string(location);
}

Result<std::string> Storage::read(std::string_view location) const {
  const std::string path = SHOPLAKE_TRY(plain_path(location));
  const auto file = SHOPLAKE_TRY(env_.open_file(path));
  const std::uint64_t size = SHOPLAKE_TRY(file->size());
  if (size > kFileBytesMax) {
    return make_error(ErrorKind::input, "catalog.file_too_large",
                      path + " has " + std::to_string(size) + " bytes; metadata and manifests have less than " +
                          std::to_string(kFileBytesMax));
  }
  std::string bytes(size, '\0');
  bytes.resize(SHOPLAKE_TRY(file->read(0, size, bytes.data())));
  return bytes;
}

Result<void> Storage::write(const std::string& path, std::string_view bytes) const {
  auto file = SHOPLAKE_TRY(env_.create_file(path));
  SHOPLAKE_TRY(file->append(bytes));
  SHOPLAKE_TRY(file->sync());
  return file->close();
}

Result<void> Storage::write_unsynced(const std::string& path, std::string_view bytes) const {
  auto file = SHOPLAKE_TRY(env_.create_file(path));
  SHOPLAKE_TRY(file->append(bytes));
  return file->close();
}

Result<void> Storage::sync_folder(const std::string& path) const { return env_.sync_directory(path); }

Result<void> Storage::make_folder(const std::string& path) const { return env_.create_directories(path); }

void Storage::remove_quietly(const std::vector<std::string>& paths) const {
  std::vector<std::string> plain;
  for (const std::string& location : paths) {
    if (auto path = plain_path(location); path.ok()) {
      plain.push_back(std::move(path).value());
    }
  }
  env_.remove_files_quietly(plain);
}

std::string Storage::sync_marker() const {
  std::string marker(kSyncMarkerSize, '\0');
  env_.fill_random(marker.data(), marker.size());
  return marker;
}

std::int64_t Storage::new_snapshot_id() const {
  const auto id = static_cast<std::int64_t>(env_.random_uint64() & 0x7FFFFFFFFFFFFFFFULL);
  return std::max<std::int64_t>(id, 1);
}

Result<std::vector<ManifestFile>> read_manifest_list(const Storage& storage, const Snapshot& snapshot) {
  if (snapshot.manifest_list.empty()) {
    return make_error(
        ErrorKind::input, "catalog.unsupported_snapshot",
        "snapshot " + std::to_string(snapshot.id) + " lists its manifests inside the metadata file (format version 1)",
        "Rewrite the table's metadata with the engine that wrote it.");
  }
  const std::string bytes = SHOPLAKE_TRY(
      storage.read(snapshot.manifest_list).within("manifest list of snapshot " + std::to_string(snapshot.id)));
  return parse_manifest_list(bytes).within(snapshot.manifest_list);
}

Result<std::vector<ManifestEntry>> read_manifest(const Storage& storage, const TableMetadata& metadata,
                                                 const ManifestFile& manifest, EntryDetail detail) {
  const PartitionSpec* spec = metadata.spec(manifest.spec_id);
  if (spec == nullptr) {
    return make_error(ErrorKind::input, "catalog.invalid_manifest",
                      manifest.path + " was written with partition spec " + std::to_string(manifest.spec_id) +
                          ", which the table does not have");
  }
  const std::string bytes = SHOPLAKE_TRY(storage.read(manifest.path).within("manifest"));
  return parse_manifest(bytes, manifest, partition_columns(metadata, *spec), detail).within(manifest.path);
}

Result<void> for_each_manifest(
    const Storage& storage, const TableMetadata& metadata, const std::vector<ManifestFile>& manifests,
    EntryDetail detail, const std::function<Result<void>(const ManifestFile&, std::vector<ManifestEntry>)>& take) {
  const bool is_remote = !manifests.empty() && manifests.front().path.starts_with("s3");
  const std::size_t batch = is_remote ? io::kParallelMax : 1;
  for (std::size_t begin = 0; begin < manifests.size(); begin += batch) {
    std::vector<std::size_t> indices;
    for (std::size_t index = begin; index < std::min(manifests.size(), begin + batch); ++index) {
      indices.push_back(index);
    }
    std::vector<std::vector<ManifestEntry>> entries(indices.size());
    SHOPLAKE_TRY(io::for_each_in_parallel(indices, [&](std::size_t index) -> Result<void> {
      entries[index - begin] = SHOPLAKE_TRY(read_manifest(storage, metadata, manifests[index], detail));
      return {};
    }));
    for (const std::size_t index : indices) {
      SHOPLAKE_TRY(take(manifests[index], std::move(entries[index - begin])));
    }
  }
  return {};
}

std::string next_metadata_path(const Storage& storage, const std::string& location, const std::string& previous) {
  unsigned long number = 0;
  const std::string name = io::file_name(previous);
  std::size_t digits = 0;
  while (digits < name.size() && digits < 9 && name[digits] >= '0' && name[digits] <= '9') {
    ++digits;
  }
  if (digits > 0 && digits < name.size() && name[digits] == '-') {
    number = std::stoul(name.substr(0, digits)) + 1;
  }
  char prefix[24];
  std::snprintf(prefix, sizeof prefix, "%05lu-", number);
  std::string file(prefix);
  file.append(storage.env().new_uuid()).append(".metadata.json");
  return io::join_path(io::join_path(location, "metadata"), file);
}

std::string encode_namespace(const Namespace& name_space) {
  std::string text;
  for (const std::string& level : name_space.levels) {
    if (!text.empty()) {
      text.push_back('\x1F');
    }
    text += level;
  }
  return text;
}

Namespace decode_namespace(std::string_view text) {
  Namespace name_space;
  while (true) {
    const std::size_t end = text.find('\x1F');
    name_space.levels.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return name_space;
    }
    text.remove_prefix(end + 1);
  }
}

TableDraft::TableDraft() = default;
TableDraft::TableDraft(TableDraft&&) noexcept = default;
TableDraft& TableDraft::operator=(TableDraft&&) noexcept = default;
TableDraft::~TableDraft() = default;

}  // namespace shoplake::catalog
