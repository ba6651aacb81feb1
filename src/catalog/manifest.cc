#include "catalog/manifest.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "catalog/avro.h"
#include "catalog/single_value.h"

namespace shoplake::catalog {
namespace {

using avro::Decoder;
using avro::Node;
using base::ErrorKind;
using base::make_error;
using base::Result;
using nlohmann::json;
using Kind = avro::Node::Kind;

// Field ids of the specification.
enum FieldId : std::int32_t {
  kStatus = 0,
  kSnapshotId = 1,
  kDataFile = 2,
  kSequenceNumber = 3,
  kFileSequenceNumber = 4,
  kFilePath = 100,
  kFileFormat = 101,
  kPartition = 102,
  kRecordCount = 103,
  kFileSize = 104,
  kColumnSizes = 108,
  kValueCounts = 109,
  kNullCounts = 110,
  kLowerBounds = 125,
  kUpperBounds = 128,
  kKeyMetadata = 131,
  kSplitOffsets = 132,
  kContent = 134,
  kEqualityIds = 135,
  kNanCounts = 137,
  kSortOrderId = 140,
  kReferencedDataFile = 143,
  kManifestPath = 500,
  kManifestLength = 501,
  kPartitionSpecId = 502,
  kAddedSnapshotId = 503,
  kAddedFiles = 504,
  kExistingFiles = 505,
  kDeletedFiles = 506,
  kPartitions = 507,
  kContainsNull = 509,
  kLowerBound = 510,
  kUpperBound = 511,
  kAddedRows = 512,
  kExistingRows = 513,
  kDeletedRows = 514,
  kListSequenceNumber = 515,
  kMinSequenceNumber = 516,
  kListContent = 517,
  kContainsNan = 518,
  kListKeyMetadata = 519,
};

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

// ---- Reading -------------------------------------------------------------------------------------------------------

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

// ---- Writing -------------------------------------------------------------------------------------------------------

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
