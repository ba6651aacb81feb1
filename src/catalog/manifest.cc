// Manifest entries as values, and writing of manifests and manifest lists.
#include "catalog/manifest.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "catalog/avro.h"
#include "catalog/manifest_fields.h"
#include "catalog/single_value.h"

namespace shoplake::catalog {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using nlohmann::json;

json optional_of(json type) { return json::array({"null", std::move(type)}); }

json field(const char* name, std::int32_t id, json type) {
  return {{"name", name}, {"field-id", id}, {"type", std::move(type)}};
}

json optional_field(const char* name, std::int32_t id, json type) {
  return {{"name", name}, {"field-id", id}, {"type", optional_of(std::move(type))}, {"default", nullptr}};
}

json pairs_type(std::int32_t key_id, std::int32_t value_id, const char* value_type) {
  return {{"type", "array"},
          {"logicalType", "map"},
          {"items",
           {{"type", "record"},
            {"name", "k" + std::to_string(key_id) + "_v" + std::to_string(value_id)},
            {"fields", json::array({field("key", key_id, "int"), field("value", value_id, value_type)})}}}};
}

json list_type(std::int32_t element_id, const char* element_type) {
  return {{"type", "array"}, {"items", element_type}, {"element-id", element_id}};
}

json avro_type(const PartitionColumn& column) {
  const std::string& type = column.type;
  if (type == "boolean" || type == "int" || type == "long" || type == "float" || type == "double" || type == "string") {
    return type;
  }
  if (type == "date") {
    return {{"type", "int"}, {"logicalType", "date"}};
  }
  if (type == "time") {
    return {{"type", "long"}, {"logicalType", "time-micros"}};
  }
  if (type == "timestamp" || type == "timestamptz") {
    return {{"type", "long"}, {"logicalType", "timestamp-micros"}, {"adjust-to-utc", type == "timestamptz"}};
  }
  if (type == "uuid") {
    return {{"type", "fixed"},
            {"size", 16},
            {"logicalType", "uuid"},
            {"name", "uuid_fixed_" + std::to_string(column.field_id)}};
  }
  if (const auto length = fixed_length(type)) {
    return {{"type", "fixed"}, {"size", *length}, {"name", "fixed_" + std::to_string(column.field_id)}};
  }
  if (const auto decimal = decimal_type(type)) {
    return {{"type", "fixed"},          {"size", decimal->fixed_size()},
            {"logicalType", "decimal"}, {"precision", decimal->precision},
            {"scale", decimal->scale},  {"name", "decimal_" + std::to_string(column.field_id)}};
  }
  return "bytes";
}

// Avro names are [A-Za-z_][A-Za-z0-9_]*; others are escaped as the Java implementation does.
std::string avro_name(const std::string& name) {
  std::string result;
  for (std::size_t index = 0; index < name.size(); ++index) {
    const auto character = static_cast<unsigned char>(name[index]);
    const bool letter = std::isalpha(character) != 0 || character == '_';
    const bool digit = std::isdigit(character) != 0;
    if (letter || (digit && index > 0)) {
      result.push_back(static_cast<char>(character));
    } else if (digit) {
      result += "_";
      result.push_back(static_cast<char>(character));
    } else {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "_x%X", character);
      result += buffer;
    }
  }
  return result.empty() ? "_" : result;
}

json entry_schema(const ManifestContext& context, bool with_referenced_file) {
  json partition_fields = json::array();
  for (const PartitionColumn& column : context.partition) {
    json item = optional_field("", column.field_id, avro_type(column));
    item["name"] = avro_name(column.name);
    if (item["name"] != column.name) {
      item["iceberg-field-name"] = column.name;
    }
    partition_fields.push_back(std::move(item));
  }
  json file_fields = json::array({
      field("content", kContent, "int"),
      field("file_path", kFilePath, "string"),
      field("file_format", kFileFormat, "string"),
      field("partition", kPartition, {{"type", "record"}, {"name", "r102"}, {"fields", std::move(partition_fields)}}),
      field("record_count", kRecordCount, "long"),
      field("file_size_in_bytes", kFileSize, "long"),
      optional_field("column_sizes", kColumnSizes, pairs_type(117, 118, "long")),
      optional_field("value_counts", kValueCounts, pairs_type(119, 120, "long")),
      optional_field("null_value_counts", kNullCounts, pairs_type(121, 122, "long")),
      optional_field("nan_value_counts", kNanCounts, pairs_type(138, 139, "long")),
      optional_field("lower_bounds", kLowerBounds, pairs_type(126, 127, "bytes")),
      optional_field("upper_bounds", kUpperBounds, pairs_type(129, 130, "bytes")),
      optional_field("key_metadata", kKeyMetadata, "bytes"),
      optional_field("split_offsets", kSplitOffsets, list_type(133, "long")),
      optional_field("equality_ids", kEqualityIds, list_type(136, "int")),
      optional_field("sort_order_id", kSortOrderId, "int"),
  });
  if (with_referenced_file) {
    file_fields.push_back(optional_field("referenced_data_file", kReferencedDataFile, "string"));
  }
  return {{"type", "record"},
          {"name", "manifest_entry"},
          {"fields", json::array({field("status", kStatus, "int"), optional_field("snapshot_id", kSnapshotId, "long"),
                                  optional_field("sequence_number", kSequenceNumber, "long"),
                                  optional_field("file_sequence_number", kFileSequenceNumber, "long"),
                                  field("data_file", kDataFile,
                                        {{"type", "record"}, {"name", "r2"}, {"fields", std::move(file_fields)}})})}};
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

constexpr std::int64_t kAbsent = 0;  // the branches of ["null", X]
constexpr std::int64_t kPresent = 1;

void put_optional(std::string& out, const std::optional<std::int64_t>& value) {
  avro::put_long(out, value ? kPresent : kAbsent);
  if (value) {
    avro::put_long(out, *value);
  }
}

void put_optional(std::string& out, const std::optional<std::string>& value) {
  avro::put_long(out, value ? kPresent : kAbsent);
  if (value) {
    avro::put_bytes(out, *value);
  }
}

void put_optional(std::string& out, const std::optional<ManifestEntry::Counts>& counts) {
  avro::put_long(out, counts ? kPresent : kAbsent);
  if (!counts) {
    return;
  }
  if (!counts->empty()) {
    avro::put_long(out, static_cast<std::int64_t>(counts->size()));
    for (const auto& [id, count] : *counts) {
      avro::put_long(out, id);
      avro::put_long(out, count);
    }
  }
  avro::put_long(out, 0);
}

void put_optional(std::string& out, const std::optional<ManifestEntry::Bounds>& bounds) {
  avro::put_long(out, bounds ? kPresent : kAbsent);
  if (!bounds) {
    return;
  }
  if (!bounds->empty()) {
    avro::put_long(out, static_cast<std::int64_t>(bounds->size()));
    for (const auto& [id, bound] : *bounds) {
      avro::put_long(out, id);
      avro::put_bytes(out, bound);
    }
  }
  avro::put_long(out, 0);
}

void put_optional(std::string& out, const std::optional<std::vector<std::int64_t>>& values) {
  avro::put_long(out, values ? kPresent : kAbsent);
  if (!values) {
    return;
  }
  if (!values->empty()) {
    avro::put_long(out, static_cast<std::int64_t>(values->size()));
    for (const std::int64_t value : *values) {
      avro::put_long(out, value);
    }
  }
  avro::put_long(out, 0);
}

void put_partition_value(std::string& out, const PartitionColumn& column, const std::optional<std::string>& value) {
  avro::put_long(out, value ? kPresent : kAbsent);
  if (!value) {
    return;
  }
  const std::string& type = column.type;
  if (type == "int" || type == "date") {
    avro::put_long(out, decode_int(*value));
  } else if (type == "long" || type == "time" || type == "timestamp" || type == "timestamptz") {
    avro::put_long(out, decode_long(*value));
  } else if (type == "boolean" || type == "float" || type == "double" || type == "uuid" || fixed_length(type)) {
    out += *value;
  } else if (const auto decimal = decimal_type(type)) {
    const auto size = static_cast<std::size_t>(decimal->fixed_size());
    const std::size_t padding = size > value->size() ? size - value->size() : 0;
    out.append(padding, !value->empty() && ((*value)[0] & 0x80) != 0 ? '\xFF' : '\0');
    out += *value;
  } else {
    avro::put_bytes(out, *value);
  }
}

json list_schema() {
  const json summary = {{"type", "record"},
                        {"name", "r508"},
                        {"fields", json::array({field("contains_null", kContainsNull, "boolean"),
                                                optional_field("contains_nan", kContainsNan, "boolean"),
                                                optional_field("lower_bound", kLowerBound, "bytes"),
                                                optional_field("upper_bound", kUpperBound, "bytes")})}};
  return {{"type", "record"},
          {"name", "manifest_file"},
          {"fields",
           json::array(
               {field("manifest_path", kManifestPath, "string"), field("manifest_length", kManifestLength, "long"),
                field("partition_spec_id", kPartitionSpecId, "int"), field("content", kListContent, "int"),
                field("sequence_number", kListSequenceNumber, "long"),
                field("min_sequence_number", kMinSequenceNumber, "long"),
                field("added_snapshot_id", kAddedSnapshotId, "long"), field("added_files_count", kAddedFiles, "int"),
                field("existing_files_count", kExistingFiles, "int"),
                field("deleted_files_count", kDeletedFiles, "int"), field("added_rows_count", kAddedRows, "long"),
                field("existing_rows_count", kExistingRows, "long"), field("deleted_rows_count", kDeletedRows, "long"),
                optional_field("partitions", kPartitions, {{"type", "array"}, {"items", summary}, {"element-id", 508}}),
                optional_field("key_metadata", kListKeyMetadata, "bytes")})}};
}

}  // namespace

ManifestEntry entry_from_data_file(const transform::DataFile& file, PartitionTuple partition) {
  ManifestEntry entry;
  entry.content = file.content;
  entry.path = file.path;
  entry.partition = std::move(partition);
  entry.record_count = file.record_count;
  entry.file_size_bytes = file.file_size_bytes;
  if (!file.columns.empty()) {
    ManifestEntry::Counts sizes;
    ManifestEntry::Counts values;
    ManifestEntry::Counts nulls;
    ManifestEntry::Counts nans;
    ManifestEntry::Bounds lower;
    ManifestEntry::Bounds upper;
    for (const transform::ColumnStatistics& column : file.columns) {
      sizes.emplace_back(column.field_id, column.column_size_bytes);
      values.emplace_back(column.field_id, column.value_count);
      nulls.emplace_back(column.field_id, column.null_count);
      if (column.nan_count) {
        nans.emplace_back(column.field_id, *column.nan_count);
      }
      if (column.lower_bound) {
        lower.emplace_back(column.field_id, *column.lower_bound);
      }
      if (column.upper_bound) {
        upper.emplace_back(column.field_id, *column.upper_bound);
      }
    }
    entry.column_sizes = std::move(sizes);
    entry.value_counts = std::move(values);
    entry.null_counts = std::move(nulls);
    entry.nan_counts = std::move(nans);
    entry.lower_bounds = std::move(lower);
    entry.upper_bounds = std::move(upper);
  }
  if (!file.split_offsets.empty()) {
    entry.split_offsets = file.split_offsets;
  }
  if (file.content == transform::DataFile::Content::data) {
    entry.sort_order_id = 0;
  }
  return entry;
}

Result<transform::DataFile> data_file_from_entry(const ManifestEntry& entry,
                                                 const std::vector<PartitionColumn>& partition) {
  transform::DataFile file;
  file.content = entry.content;
  file.path = entry.path;
  file.record_count = entry.record_count;
  file.file_size_bytes = entry.file_size_bytes;
  file.partition = SHOPLAKE_TRY(partition_to_text(partition, entry.partition));
  file.split_offsets = entry.split_offsets.value_or(std::vector<std::int64_t>());
  // The maps of one file nearly always name the same columns in the same order, so the next one is guessed.
  std::vector<transform::ColumnStatistics>& columns = file.columns;
  std::unordered_map<std::int32_t, std::size_t> index;
  std::size_t guess = 0;
  const auto column = [&](std::int32_t id) -> transform::ColumnStatistics& {
    if (guess >= columns.size() || columns[guess].field_id != id) {
      const auto [found, is_new] = index.try_emplace(id, columns.size());
      if (is_new) {
        columns.emplace_back().field_id = id;
      }
      guess = found->second;
    }
    return columns[guess++];
  };
  const auto each = [&](const auto& pairs, const auto& apply) {
    guess = 0;
    if (pairs) {
      for (const auto& [id, value] : *pairs) {
        apply(id, value);
      }
    }
  };
  each(entry.column_sizes, [&](std::int32_t id, std::int64_t value) { column(id).column_size_bytes = value; });
  each(entry.value_counts, [&](std::int32_t id, std::int64_t value) { column(id).value_count = value; });
  each(entry.null_counts, [&](std::int32_t id, std::int64_t value) { column(id).null_count = value; });
  each(entry.nan_counts, [&](std::int32_t id, std::int64_t value) { column(id).nan_count = value; });
  each(entry.lower_bounds, [&](std::int32_t id, const std::string& value) { column(id).lower_bound = value; });
  each(entry.upper_bounds, [&](std::int32_t id, const std::string& value) { column(id).upper_bound = value; });
  std::sort(columns.begin(), columns.end(),
            [](const auto& left, const auto& right) { return left.field_id < right.field_id; });
  return file;
}

std::string format_manifest(const ManifestContext& context, bool deletes, const std::vector<ManifestEntry>& entries,
                            std::string sync_marker) {
  const bool with_referenced_file = std::any_of(entries.begin(), entries.end(), [](const ManifestEntry& entry) {
    return entry.referenced_data_file.has_value();
  });
  avro::FileContent file;
  file.schema_json = dump(entry_schema(context, with_referenced_file));
  file.metadata = {{"schema", dump(to_json(*context.schema))},
                   {"schema-id", std::to_string(context.schema->id)},
                   {"partition-spec", dump(to_json(*context.spec)["fields"])},
                   {"partition-spec-id", std::to_string(context.spec->id)},
                   {"format-version", "2"},
                   {"content", deletes ? "deletes" : "data"}};
  file.sync_marker = std::move(sync_marker);
  file.count = static_cast<std::int64_t>(entries.size());
  std::string& out = file.objects;
  for (const ManifestEntry& entry : entries) {
    avro::put_long(out, static_cast<std::int64_t>(entry.status));
    put_optional(out, entry.snapshot_id);
    put_optional(out, entry.sequence_number);
    put_optional(out, entry.file_sequence_number);
    avro::put_long(out, static_cast<std::int64_t>(entry.content));
    avro::put_bytes(out, entry.path);
    avro::put_bytes(out, entry.format);
    for (std::size_t index = 0; index < context.partition.size(); ++index) {
      put_partition_value(out, context.partition[index],
                          index < entry.partition.size() ? entry.partition[index] : std::nullopt);
    }
    avro::put_long(out, entry.record_count);
    avro::put_long(out, entry.file_size_bytes);
    put_optional(out, entry.column_sizes);
    put_optional(out, entry.value_counts);
    put_optional(out, entry.null_counts);
    put_optional(out, entry.nan_counts);
    put_optional(out, entry.lower_bounds);
    put_optional(out, entry.upper_bounds);
    put_optional(out, entry.key_metadata);
    put_optional(out, entry.split_offsets);
    put_optional(out, entry.equality_ids);
    put_optional(out, entry.sort_order_id);
    if (with_referenced_file) {
      put_optional(out, entry.referenced_data_file);
    }
  }
  return avro::format_file(file);
}

ManifestFile describe_manifest(const ManifestContext& context, bool deletes, const std::vector<ManifestEntry>& entries,
                               std::int64_t snapshot_id, std::int64_t sequence_number) {
  ManifestFile manifest;
  manifest.spec_id = context.spec->id;
  manifest.holds_deletes = deletes;
  manifest.sequence_number = sequence_number;
  manifest.min_sequence_number = sequence_number;
  manifest.added_snapshot_id = snapshot_id;
  manifest.partitions.resize(context.partition.size());
  for (const ManifestEntry& entry : entries) {
    switch (entry.status) {
      case ManifestEntry::Status::added:
        ++manifest.added_files;
        manifest.added_rows += entry.record_count;
        break;
      case ManifestEntry::Status::existing:
        ++manifest.existing_files;
        manifest.existing_rows += entry.record_count;
        break;
      case ManifestEntry::Status::deleted:
        ++manifest.deleted_files;
        manifest.deleted_rows += entry.record_count;
        break;
    }
    if (entry.status != ManifestEntry::Status::deleted) {
      manifest.min_sequence_number =
          std::min(manifest.min_sequence_number, entry.sequence_number.value_or(sequence_number));
    }
    for (std::size_t index = 0; index < context.partition.size() && index < entry.partition.size(); ++index) {
      const std::string& type = context.partition[index].type;
      const auto& value = entry.partition[index];
      PartitionSummary& summary = manifest.partitions[index];
      if (type == "float" || type == "double") {
        summary.contains_nan = summary.contains_nan.value_or(false) || (value && is_nan(type, *value));
      } else {
        summary.contains_nan = false;
      }
      if (!value) {
        summary.contains_null = true;
      } else if (!is_nan(type, *value)) {
        if (!summary.lower_bound || compare_single_values(type, *value, *summary.lower_bound) < 0) {
          summary.lower_bound = *value;
        }
        if (!summary.upper_bound || compare_single_values(type, *value, *summary.upper_bound) > 0) {
          summary.upper_bound = *value;
        }
      }
    }
  }
  return manifest;
}

std::string format_manifest_list(const std::vector<ManifestFile>& manifests, std::int64_t snapshot_id,
                                 std::optional<std::int64_t> parent_id, std::int64_t sequence_number,
                                 std::string sync_marker) {
  avro::FileContent file;
  static const std::string kSchema = dump(list_schema());
  file.schema_json = kSchema;
  file.metadata = {{"snapshot-id", std::to_string(snapshot_id)},
                   {"parent-snapshot-id", parent_id ? std::to_string(*parent_id) : "null"},
                   {"sequence-number", std::to_string(sequence_number)},
                   {"format-version", "2"}};
  file.sync_marker = std::move(sync_marker);
  file.count = static_cast<std::int64_t>(manifests.size());
  std::string& out = file.objects;
  for (const ManifestFile& manifest : manifests) {
    avro::put_bytes(out, manifest.path);
    avro::put_long(out, manifest.length);
    avro::put_long(out, manifest.spec_id);
    avro::put_long(out, manifest.holds_deletes ? 1 : 0);
    avro::put_long(out, manifest.sequence_number);
    avro::put_long(out, manifest.min_sequence_number);
    avro::put_long(out, manifest.added_snapshot_id);
    avro::put_long(out, manifest.added_files);
    avro::put_long(out, manifest.existing_files);
    avro::put_long(out, manifest.deleted_files);
    avro::put_long(out, manifest.added_rows);
    avro::put_long(out, manifest.existing_rows);
    avro::put_long(out, manifest.deleted_rows);
    avro::put_long(out, kPresent);
    if (!manifest.partitions.empty()) {
      avro::put_long(out, static_cast<std::int64_t>(manifest.partitions.size()));
      for (const PartitionSummary& summary : manifest.partitions) {
        avro::put_boolean(out, summary.contains_null);
        avro::put_long(out, summary.contains_nan ? kPresent : kAbsent);
        if (summary.contains_nan) {
          avro::put_boolean(out, *summary.contains_nan);
        }
        put_optional(out, summary.lower_bound);
        put_optional(out, summary.upper_bound);
      }
    }
    avro::put_long(out, 0);
    put_optional(out, manifest.key_metadata);
  }
  return avro::format_file(file);
}

}  // namespace shoplake::catalog
