// Reading of manifests and manifest lists.
#include <algorithm>
#include <map>

#include "catalog/avro.h"
#include "catalog/manifest.h"
#include "catalog/manifest_fields.h"
#include "catalog/single_value.h"

namespace shoplake::catalog {
namespace {

using avro::Decoder;
using avro::Node;
using base::ErrorKind;
using base::make_error;
using base::Result;
using Kind = avro::Node::Kind;

// For writers that lose field ids.
std::int32_t id_of(const avro::RecordField& field, const std::map<std::string, std::int32_t, std::less<>>& names) {
  if (field.field_id >= 0) {
    return field.field_id;
  }
  const auto found = names.find(field.name);
  return found == names.end() ? -1 : found->second;
}

const std::map<std::string, std::int32_t, std::less<>> kEntryNames = {{"status", kStatus},
                                                                      {"snapshot_id", kSnapshotId},
                                                                      {"data_file", kDataFile},
                                                                      {"sequence_number", kSequenceNumber},
                                                                      {"file_sequence_number", kFileSequenceNumber}};
const std::map<std::string, std::int32_t, std::less<>> kFileNames = {{"content", kContent},
                                                                     {"file_path", kFilePath},
                                                                     {"file_format", kFileFormat},
                                                                     {"partition", kPartition},
                                                                     {"record_count", kRecordCount},
                                                                     {"file_size_in_bytes", kFileSize},
                                                                     {"column_sizes", kColumnSizes},
                                                                     {"value_counts", kValueCounts},
                                                                     {"null_value_counts", kNullCounts},
                                                                     {"nan_value_counts", kNanCounts},
                                                                     {"lower_bounds", kLowerBounds},
                                                                     {"upper_bounds", kUpperBounds},
                                                                     {"key_metadata", kKeyMetadata},
                                                                     {"split_offsets", kSplitOffsets},
                                                                     {"equality_ids", kEqualityIds},
                                                                     {"sort_order_id", kSortOrderId},
                                                                     {"referenced_data_file", kReferencedDataFile}};
const std::map<std::string, std::int32_t, std::less<>> kListNames = {{"manifest_path", kManifestPath},
                                                                     {"manifest_length", kManifestLength},
                                                                     {"partition_spec_id", kPartitionSpecId},
                                                                     {"content", kListContent},
                                                                     {"sequence_number", kListSequenceNumber},
                                                                     {"min_sequence_number", kMinSequenceNumber},
                                                                     {"added_snapshot_id", kAddedSnapshotId},
                                                                     {"added_files_count", kAddedFiles},
                                                                     {"added_data_files_count", kAddedFiles},
                                                                     {"existing_files_count", kExistingFiles},
                                                                     {"existing_data_files_count", kExistingFiles},
                                                                     {"deleted_files_count", kDeletedFiles},
                                                                     {"deleted_data_files_count", kDeletedFiles},
                                                                     {"added_rows_count", kAddedRows},
                                                                     {"existing_rows_count", kExistingRows},
                                                                     {"deleted_rows_count", kDeletedRows},
                                                                     {"partitions", kPartitions},
                                                                     {"key_metadata", kListKeyMetadata}};

base::Error damaged(const std::string& what) {
  return make_error(ErrorKind::input, "catalog.invalid_manifest", "the manifest is damaged: " + what);
}

std::optional<std::int64_t> read_integer(Decoder& in, const Node& declared) {
  const Node* node = in.resolve(&declared);
  if (node->kind == Kind::integer) {
    return in.read_long();
  }
  if (node->kind != Kind::null) {
    in.fail();
  }
  return {};
}

std::optional<bool> read_flag(Decoder& in, const Node& declared) {
  const Node* node = in.resolve(&declared);
  if (node->kind == Kind::boolean) {
    return in.read_boolean();
  }
  if (node->kind != Kind::null) {
    in.fail();
  }
  return {};
}

std::optional<std::string> read_text(Decoder& in, const Node& declared) {
  const Node* node = in.resolve(&declared);
  if (node->kind == Kind::string || node->kind == Kind::bytes) {
    return std::string(in.read_bytes());
  }
  if (node->kind == Kind::fixed) {
    return std::string(in.read_fixed(node->size));
  }
  if (node->kind != Kind::null) {
    in.fail();
  }
  return {};
}

// A map with integer keys: an array of records {key, value}.
template <typename Value, typename ReadValue>
std::optional<std::vector<std::pair<std::int32_t, Value>>> read_pairs(Decoder& in, const Node& declared,
                                                                      ReadValue read_value) {
  const Node* node = in.resolve(&declared);
  if (node->kind == Kind::null) {
    return {};
  }
  if (node->kind != Kind::array || node->branches[0]->kind != Kind::record || node->branches[0]->fields.size() != 2) {
    in.fail();
    return {};
  }
  const auto& fields = node->branches[0]->fields;
  std::vector<std::pair<std::int32_t, Value>> pairs;
  for (std::int64_t count = in.read_block_count(); count > 0; count = in.read_block_count()) {
    pairs.reserve(pairs.size() + static_cast<std::size_t>(std::min<std::int64_t>(count, 4096)));
    for (std::int64_t item = 0; item < count && in.ok(); ++item) {
      const auto key = read_integer(in, *fields[0].type);
      auto value = read_value(in, *fields[1].type);
      if (key && value) {
        pairs.emplace_back(static_cast<std::int32_t>(*key), std::move(*value));
      }
    }
  }
  return pairs;
}

std::optional<ManifestEntry::Counts> read_counts(Decoder& in, const Node& node) {
  return read_pairs<std::int64_t>(in, node, read_integer);
}
std::optional<ManifestEntry::Bounds> read_bounds(Decoder& in, const Node& node) {
  return read_pairs<std::string>(in, node, read_text);
}

std::optional<std::vector<std::int64_t>> read_list(Decoder& in, const Node& declared) {
  const Node* node = in.resolve(&declared);
  if (node->kind == Kind::null) {
    return {};
  }
  if (node->kind != Kind::array) {
    in.fail();
    return {};
  }
  std::vector<std::int64_t> values;
  for (std::int64_t count = in.read_block_count(); count > 0; count = in.read_block_count()) {
    for (std::int64_t item = 0; item < count && in.ok(); ++item) {
      values.push_back(read_integer(in, *node->branches[0]).value_or(0));
    }
  }
  return values;
}

// Cuts a two's complement number to its shortest form.
std::string shortest_decimal(std::string_view bytes) {
  while (bytes.size() > 1 &&
         ((bytes[0] == '\0' && (bytes[1] & 0x80) == 0) || (bytes[0] == '\xFF' && (bytes[1] & 0x80) != 0))) {
    bytes.remove_prefix(1);
  }
  return std::string(bytes);
}

std::optional<std::string> read_partition_value(Decoder& in, const Node& declared, const std::string& type) {
  const Node* node = in.resolve(&declared);
  switch (node->kind) {
    case Kind::null: return {};
    case Kind::boolean: return std::string(1, in.read_boolean() ? '\1' : '\0');
    case Kind::integer: {
      const std::int64_t value = in.read_long();
      return type == "int" || type == "date" ? encode_int(static_cast<std::int32_t>(value)) : encode_long(value);
    }
    case Kind::floating: return promote_single_value("float", type, in.read_fixed(4));
    case Kind::real: return std::string(in.read_fixed(8));
    case Kind::fixed:
      return decimal_type(type) ? shortest_decimal(in.read_fixed(node->size)) : std::string(in.read_fixed(node->size));
    case Kind::string:
    case Kind::bytes: {
      const std::string_view bytes = in.read_bytes();
      if (type == "uuid" && bytes.size() == 36) {
        auto uuid = single_value_from_text(type, bytes);
        return uuid.ok() ? std::optional(std::move(*uuid)) : std::nullopt;
      }
      return decimal_type(type) ? shortest_decimal(bytes) : std::string(bytes);
    }
    default: in.fail(); return {};
  }
}

void read_partition(Decoder& in, const Node& declared, const std::vector<PartitionColumn>& columns,
                    PartitionTuple& tuple) {
  const Node* node = in.resolve(&declared);
  tuple.assign(columns.size(), std::nullopt);
  if (node->kind == Kind::null) {
    return;
  }
  if (node->kind != Kind::record) {
    in.fail();
    return;
  }
  for (const auto& field : node->fields) {
    const auto column = std::find_if(columns.begin(), columns.end(), [&](const PartitionColumn& candidate) {
      return field.field_id >= 0 ? candidate.field_id == field.field_id : candidate.name == field.name;
    });
    if (column == columns.end()) {
      in.skip(*field.type);
    } else {
      auto value = read_partition_value(in, *field.type, column->type);
      if (value && !is_single_value(column->type, *value)) {
        in.fail();
      }
      tuple[static_cast<std::size_t>(column - columns.begin())] = std::move(value);
    }
  }
}

void read_data_file(Decoder& in, const Node& declared, const std::vector<PartitionColumn>& columns, EntryDetail detail,
                    ManifestEntry& entry) {
  const Node* node = in.resolve(&declared);
  if (node->kind != Kind::record) {
    in.fail();
    return;
  }
  for (const auto& field : node->fields) {
    const Node& type = *field.type;
    switch (id_of(field, kFileNames)) {
      case kContent: {
        const std::int64_t content = read_integer(in, type).value_or(0);
        if (content < 0 || content > 2) {
          in.fail();
        }
        entry.content = static_cast<transform::DataFile::Content>(content);
        continue;
      }
      case kFilePath: entry.path = read_text(in, type).value_or(""); continue;
      case kFileFormat: entry.format = read_text(in, type).value_or(""); continue;
      case kPartition: read_partition(in, type, columns, entry.partition); continue;
      case kRecordCount: entry.record_count = read_integer(in, type).value_or(0); continue;
      case kFileSize: entry.file_size_bytes = read_integer(in, type).value_or(0); continue;
      case kReferencedDataFile: entry.referenced_data_file = read_text(in, type); continue;
      default: break;
    }
    if (detail == EntryDetail::paths) {
      in.skip(type);
      continue;
    }
    switch (id_of(field, kFileNames)) {
      case kColumnSizes: entry.column_sizes = read_counts(in, type); break;
      case kValueCounts: entry.value_counts = read_counts(in, type); break;
      case kNullCounts: entry.null_counts = read_counts(in, type); break;
      case kNanCounts: entry.nan_counts = read_counts(in, type); break;
      case kLowerBounds: entry.lower_bounds = read_bounds(in, type); break;
      case kUpperBounds: entry.upper_bounds = read_bounds(in, type); break;
      case kKeyMetadata: entry.key_metadata = read_text(in, type); break;
      case kSplitOffsets: entry.split_offsets = read_list(in, type); break;
      case kEqualityIds: entry.equality_ids = read_list(in, type); break;
      case kSortOrderId: entry.sort_order_id = read_integer(in, type); break;
      default: in.skip(type);
    }
  }
}

}  // namespace

Result<std::vector<ManifestEntry>> parse_manifest(std::string_view bytes, const ManifestFile& manifest,
                                                  const std::vector<PartitionColumn>& partition, EntryDetail detail) {
  const avro::File file = SHOPLAKE_TRY(avro::parse_file(bytes));
  Decoder in(file.objects);
  std::vector<ManifestEntry> entries;
  entries.reserve(static_cast<std::size_t>(std::min<std::int64_t>(file.count, 65536)));
  for (std::int64_t index = 0; index < file.count; ++index) {
    ManifestEntry entry;
    entry.content =
        manifest.holds_deletes ? transform::DataFile::Content::position_deletes : transform::DataFile::Content::data;
    bool has_file = false;
    for (const auto& field : file.schema->fields) {
      switch (id_of(field, kEntryNames)) {
        case kStatus: {
          const std::int64_t status = read_integer(in, *field.type).value_or(-1);
          if (status < 0 || status > 2) {
            in.fail();
          }
          entry.status = static_cast<ManifestEntry::Status>(status);
          break;
        }
        case kSnapshotId: entry.snapshot_id = read_integer(in, *field.type); break;
        case kSequenceNumber: entry.sequence_number = read_integer(in, *field.type); break;
        case kFileSequenceNumber: entry.file_sequence_number = read_integer(in, *field.type); break;
        case kDataFile:
          read_data_file(in, *field.type, partition, detail, entry);
          has_file = true;
          break;
        default: in.skip(*field.type);
      }
    }
    if (!in.ok() || !has_file || entry.path.empty()) {
      return damaged("entry " + std::to_string(index + 1) + " of " + std::to_string(file.count) + " cannot be read");
    }
    if (!entry.snapshot_id) {
      entry.snapshot_id = manifest.added_snapshot_id;
    }
    // Only entries that were added with this manifest inherit its number; version 1 files have none, which is 0.
    const bool inherits = entry.status == ManifestEntry::Status::added;
    if (!entry.sequence_number) {
      entry.sequence_number = inherits ? manifest.sequence_number : 0;
    }
    if (!entry.file_sequence_number) {
      entry.file_sequence_number = inherits ? manifest.sequence_number : 0;
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<std::vector<ManifestFile>> parse_manifest_list(std::string_view bytes) {
  const avro::File file = SHOPLAKE_TRY(avro::parse_file(bytes));
  Decoder in(file.objects);
  std::vector<ManifestFile> manifests;
  for (std::int64_t index = 0; index < file.count; ++index) {
    ManifestFile manifest;
    const auto number = [&](const avro::RecordField& field) { return read_integer(in, *field.type).value_or(0); };
    for (const auto& field : file.schema->fields) {
      switch (id_of(field, kListNames)) {
        case kManifestPath: manifest.path = read_text(in, *field.type).value_or(""); break;
        case kManifestLength: manifest.length = number(field); break;
        case kPartitionSpecId: manifest.spec_id = static_cast<std::int32_t>(number(field)); break;
        case kListContent: manifest.holds_deletes = number(field) == 1; break;
        case kListSequenceNumber: manifest.sequence_number = number(field); break;
        case kMinSequenceNumber: manifest.min_sequence_number = number(field); break;
        case kAddedSnapshotId: manifest.added_snapshot_id = number(field); break;
        case kAddedFiles: manifest.added_files = number(field); break;
        case kExistingFiles: manifest.existing_files = number(field); break;
        case kDeletedFiles: manifest.deleted_files = number(field); break;
        case kAddedRows: manifest.added_rows = number(field); break;
        case kExistingRows: manifest.existing_rows = number(field); break;
        case kDeletedRows: manifest.deleted_rows = number(field); break;
        case kListKeyMetadata: manifest.key_metadata = read_text(in, *field.type); break;
        case kPartitions: {
          const Node* list = in.resolve(field.type.get());
          if (list->kind == Kind::null) {
            break;
          }
          if (list->kind != Kind::array || list->branches[0]->kind != Kind::record) {
            in.fail();
            break;
          }
          for (std::int64_t count = in.read_block_count(); count > 0; count = in.read_block_count()) {
            for (std::int64_t item = 0; item < count && in.ok(); ++item) {
              PartitionSummary summary;
              for (const auto& part : list->branches[0]->fields) {
                static const std::map<std::string, std::int32_t, std::less<>> kNames = {
                    {"contains_null", kContainsNull},
                    {"contains_nan", kContainsNan},
                    {"lower_bound", kLowerBound},
                    {"upper_bound", kUpperBound}};
                switch (id_of(part, kNames)) {
                  case kContainsNull: summary.contains_null = read_flag(in, *part.type).value_or(false); break;
                  case kContainsNan: summary.contains_nan = read_flag(in, *part.type); break;
                  case kLowerBound: summary.lower_bound = read_text(in, *part.type); break;
                  case kUpperBound: summary.upper_bound = read_text(in, *part.type); break;
                  default: in.skip(*part.type);
                }
              }
              manifest.partitions.push_back(std::move(summary));
            }
          }
          break;
        }
        default: in.skip(*field.type);
      }
    }
    if (!in.ok() || manifest.path.empty()) {
      return damaged("manifest " + std::to_string(index + 1) + " of " + std::to_string(file.count) +
                     " in the manifest list cannot be read");
    }
    manifests.push_back(std::move(manifest));
  }
  return manifests;
}

}  // namespace shoplake::catalog
