#include "catalog/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "catalog/avro.h"
#include "catalog/metadata_update.h"
#include "catalog/single_value.h"

namespace shoplake::catalog {
namespace {

using testing::HasSubstr;

const std::string kSync(16, 's');

std::string value(const std::string& type, const std::string& text) {
  const auto bytes = single_value_from_text(type, text);
  EXPECT_TRUE(bytes.ok()) << type << " " << text;
  return bytes.ok() ? *bytes : std::string();
}

TEST(SingleValue, TextRoundTrip) {
  const std::pair<const char*, const char*> values[] = {{"boolean", "true"},
                                                        {"int", "-7"},
                                                        {"long", "9007199254740993"},
                                                        {"double", "0.1"},
                                                        {"date", "2026-11-21"},
                                                        {"date", "1969-12-31"},
                                                        {"time", "23:59:59.000001"},
                                                        {"timestamp", "1969-12-31T23:59:59.5"},
                                                        {"string", "é"},
                                                        {"binary", "AAH/"},
                                                        {"decimal(9,2)", "-1234567.89"},
                                                        {"timestamptz", "2026-01-02T03:04:05+00:00"},
                                                        {"uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7"},
                                                        {"decimal(38,0)", "99999999999999999999999999999999999999"}};
  for (const auto& [type, text] : values) {
    const auto bytes = single_value_from_text(type, text);
    ASSERT_TRUE(bytes.ok()) << type << " " << text;
    EXPECT_EQ(*single_value_to_text(type, *bytes), text) << type;
  }
  EXPECT_EQ(*single_value_to_text("timestamptz", value("timestamptz", "2026-01-02 05:04:05+02")),
            "2026-01-02T03:04:05+00:00");
}

TEST(SingleValue, BytesOfTheSpecification) {
  EXPECT_EQ(value("int", "1"), std::string("\1\0\0\0", 4));
  EXPECT_EQ(value("decimal(9,2)", "14.20"), std::string("\x05\x8C", 2)) << "1420, big-endian, shortest";
  EXPECT_EQ(value("decimal(9,2)", "0"), std::string("\0", 1));
  EXPECT_EQ(value("date", "2017-11-16"), encode_int(17486));
}

TEST(SingleValue, RefusesWhatIsNoValue) {
  for (const auto& [type, text] : std::vector<std::pair<std::string, std::string>>{{"int", ""},
                                                                                   {"int", "3000000000"},
                                                                                   {"long", "1.5"},
                                                                                   {"date", "2026-02-30"},
                                                                                   {"date", "yesterday"},
                                                                                   {"timestamp", "2026-01-01T25:61"},
                                                                                   {"uuid", "1"},
                                                                                   {"decimal(9,2)", "1.234"},
                                                                                   {"boolean", "maybe"},
                                                                                   {"timestamptz", "infinity"}}) {
    EXPECT_FALSE(single_value_from_text(type, text).ok()) << type << " " << text;
  }
  EXPECT_FALSE(single_value_to_text("long", "abc").ok());
}

TEST(SingleValue, Order) {
  EXPECT_LT(compare_single_values("int", encode_int(-1), encode_int(1)), 0);
  EXPECT_LT(compare_single_values("decimal(9,2)", value("decimal(9,2)", "-5"), value("decimal(9,2)", "300")), 0);
  EXPECT_LT(compare_single_values("string", "z", "é"), 0) << "bytes are unsigned";
}

TEST(SingleValue, TruncatedBounds) {
  EXPECT_EQ(truncated_lower_bound("éabc", 2), "éa");
  EXPECT_EQ(truncated_upper_bound("abc", 3), "abc");
  EXPECT_EQ(truncated_upper_bound("abcd", 3), "abd");
  EXPECT_EQ(truncated_upper_bound("ab\x7F"
                                  "d",
                                  3),
            "ab\xC2\x80");
  EXPECT_EQ(truncated_upper_bound("a\xF4\x8F\xBF\xBF\xF4\x8F\xBF\xBF"
                                  "b",
                                  3),
            "b");
  EXPECT_EQ(truncated_upper_bound("\xF4\x8F\xBF\xBF"
                                  "b",
                                  1),
            std::nullopt);
}

TEST(Partition, TextOfTransforms) {
  const std::vector<PartitionColumn> columns = {{1000, "y", "year", "int"},       {1001, "m", "month", "int"},
                                                {1002, "d", "day", "date"},       {1003, "h", "hour", "int"},
                                                {1004, "b", "bucket[16]", "int"}, {1005, "t", "truncate[3]", "string"},
                                                {1006, "v", "void", "string"}};
  const std::vector<transform::PartitionValue> texts = {"2026", "2026-11", "2026-11-21", "2026-11-21-13",
                                                        "7",    "abc",     std::nullopt};
  const auto tuple = partition_from_text(columns, texts);
  ASSERT_TRUE(tuple.ok()) << to_string(tuple.error());
  EXPECT_EQ(decode_int(*(*tuple)[0]), 56);
  EXPECT_EQ(decode_int(*(*tuple)[1]), 56 * 12 + 10);
  EXPECT_EQ(decode_int(*(*tuple)[2]), 20778);
  EXPECT_EQ(decode_int(*(*tuple)[3]), 20778 * 24 + 13);
  EXPECT_EQ(*partition_to_text(columns, *tuple), texts);
  const auto before_1970 =
      partition_from_text(columns, {"1969", "1969-12", "1969-12-31", "1969-12-31-23", "0", "", std::nullopt});
  ASSERT_TRUE(before_1970.ok());
  EXPECT_EQ(decode_int(*(*before_1970)[1]), -1);
  EXPECT_EQ(decode_int(*(*before_1970)[3]), -1);
  EXPECT_EQ((*partition_to_text(columns, *before_1970))[3], "1969-12-31-23");
  EXPECT_FALSE(
      partition_from_text(columns, {"x", "2026-11", "2026-11-21", "2026-11-21-13", "7", "abc", std::nullopt}).ok());
  EXPECT_FALSE(partition_from_text(columns, {"2026"}).ok());
}

class ManifestTest : public testing::Test {
 protected:
  ManifestTest() {
    schema_.fields = {{1, "a", Type::primitive("long"), false, ""}};
    spec_.fields = {{1, 1000, "a", "identity"}};
    const std::vector<std::string> types = {"long",        "int",    "boolean", "float",  "double",   "date",
                                            "timestamptz", "string", "uuid",    "binary", "fixed[3]", "decimal(9,2)"};
    for (std::size_t index = 0; index < types.size(); ++index) {
      context_.partition.push_back(
          {static_cast<std::int32_t>(1000 + index), "p " + std::to_string(index), "identity", types[index]});
    }
    context_.schema = &schema_;
    context_.spec = &spec_;
  }

  ManifestEntry entry(const std::string& path) const {
    ManifestEntry entry;
    entry.path = path;
    entry.snapshot_id = 5;
    entry.record_count = 10;
    entry.file_size_bytes = 1000;
    entry.partition = {
        encode_long(-3),        encode_int(4),          std::string(1, '\1'),
        value("float", "1.5"),  value("double", "2.5"), value("date", "2026-01-01"),
        encode_long(123456),    std::string("text"),    value("uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7"),
        std::string("\0\1", 2), std::string("abc"),     value("decimal(9,2)", "-1.5")};
    entry.column_sizes = ManifestEntry::Counts{{1, 80}, {2, 90}};
    entry.value_counts = ManifestEntry::Counts{{1, 10}};
    entry.null_counts = ManifestEntry::Counts{};
    entry.lower_bounds = ManifestEntry::Bounds{{1, encode_long(1)}};
    entry.upper_bounds = ManifestEntry::Bounds{{1, encode_long(99)}};
    entry.split_offsets = {4, 1000000};
    entry.equality_ids = {1};
    entry.sort_order_id = 0;
    return entry;
  }

  ManifestFile file_of(const std::vector<ManifestEntry>& entries) const {
    ManifestFile manifest = describe_manifest(context_, false, entries, 5, 9);
    manifest.path = "/lake/m.avro";
    manifest.length = 77;
    return manifest;
  }

  Schema schema_;
  PartitionSpec spec_;
  ManifestContext context_;
};

TEST_F(ManifestTest, RoundTrip) {
  ManifestEntry nulls = entry("/lake/nulls.parquet");
  nulls.partition.assign(context_.partition.size(), std::nullopt);
  nulls.column_sizes.reset();
  nulls.status = ManifestEntry::Status::existing;
  nulls.sequence_number = 3;
  nulls.file_sequence_number = 2;
  nulls.referenced_data_file = "/lake/a.parquet";
  const std::vector<ManifestEntry> entries = {entry("/lake/a.parquet"), nulls};
  const std::string bytes = format_manifest(context_, false, entries, kSync);
  const ManifestFile manifest = file_of(entries);
  const auto read = parse_manifest(bytes, manifest, context_.partition, EntryDetail::all);
  ASSERT_TRUE(read.ok()) << to_string(read.error());
  ASSERT_EQ(read->size(), 2);
  const ManifestEntry& first = (*read)[0];
  EXPECT_EQ(first.path, "/lake/a.parquet");
  EXPECT_EQ(first.partition, entries[0].partition);
  EXPECT_EQ(first.sequence_number, 9) << "inherited";
  EXPECT_EQ(first.column_sizes, entries[0].column_sizes);
  EXPECT_EQ(first.null_counts, entries[0].null_counts);
  EXPECT_EQ(first.nan_counts, std::nullopt);
  EXPECT_EQ(first.upper_bounds, entries[0].upper_bounds);
  EXPECT_EQ(first.split_offsets, entries[0].split_offsets);
  EXPECT_EQ(first.equality_ids, entries[0].equality_ids);
  EXPECT_EQ((*read)[1].partition, nulls.partition);
  EXPECT_EQ((*read)[1].sequence_number, 3);
  EXPECT_EQ((*read)[1].file_sequence_number, 2);
  EXPECT_EQ((*read)[1].referenced_data_file, "/lake/a.parquet");
  EXPECT_EQ(manifest.added_files, 1);
  EXPECT_EQ(manifest.existing_rows, 10);
  EXPECT_EQ(manifest.min_sequence_number, 3);
  EXPECT_TRUE(manifest.partitions[0].contains_null);
  EXPECT_EQ(manifest.partitions[0].lower_bound, encode_long(-3));
  const auto paths = parse_manifest(bytes, manifest, context_.partition, EntryDetail::paths);
  ASSERT_TRUE(paths.ok());
  EXPECT_EQ((*paths)[1].path, "/lake/nulls.parquet");
  EXPECT_EQ((*paths)[1].record_count, 10);
}

TEST_F(ManifestTest, ListRoundTrip) {
  const ManifestFile manifest = file_of({entry("/a"), entry("/b")});
  ManifestFile deletes;
  deletes.path = "/lake/d.avro";
  deletes.holds_deletes = true;
  deletes.key_metadata = "key";
  const std::string bytes = format_manifest_list({manifest, deletes}, 5, std::nullopt, 9, kSync);
  const auto read = parse_manifest_list(bytes);
  ASSERT_TRUE(read.ok()) << to_string(read.error());
  ASSERT_EQ(read->size(), 2);
  EXPECT_EQ((*read)[0].path, "/lake/m.avro");
  EXPECT_EQ((*read)[0].length, 77);
  EXPECT_EQ((*read)[0].added_rows, 20);
  EXPECT_EQ((*read)[0].sequence_number, 9);
  ASSERT_EQ((*read)[0].partitions.size(), context_.partition.size());
  EXPECT_EQ((*read)[0].partitions[7].upper_bound, "text");
  EXPECT_TRUE((*read)[1].holds_deletes);
  EXPECT_EQ((*read)[1].key_metadata, "key");
  EXPECT_EQ(parse_manifest_list(format_manifest_list({}, 5, 4, 9, kSync))->size(), 0);
}

TEST_F(ManifestTest, DamageIsAnErrorAndNeverACrash) {
  const std::vector<ManifestEntry> entries = {entry("/lake/a.parquet")};
  const ManifestFile manifest = file_of(entries);
  const std::string file = format_manifest(context_, false, entries, kSync);
  const std::string list = format_manifest_list({manifest}, 5, std::nullopt, 9, kSync);
  for (const std::string& good : {file, list}) {
    for (std::size_t size = 0; size < good.size(); ++size) {
      const std::string_view cut = std::string_view(good).substr(0, size);
      const auto manifest_read = parse_manifest(cut, manifest, context_.partition, EntryDetail::all);
      const auto list_read = parse_manifest_list(cut);
      // Cut right after the header an Avro file is whole and has no objects.
      EXPECT_TRUE(!manifest_read.ok() || manifest_read->empty()) << size;
      EXPECT_TRUE(!list_read.ok() || list_read->empty()) << size;
    }
    for (std::size_t position = 0; position < good.size(); ++position) {
      for (const int flip : {1, 0x80, 0xFF}) {
        std::string damaged = good;
        damaged[position] = static_cast<char>(damaged[position] ^ flip);
        (void)parse_manifest(damaged, manifest, context_.partition, EntryDetail::all).ok();
        (void)parse_manifest_list(damaged).ok();
      }
    }
  }
}

TEST_F(ManifestTest, DamagedObjectsInsideAWholeBlock) {
  // Beneath the compression, where flipping bytes of the file does not reach.
  const std::vector<ManifestEntry> entries = {entry("/lake/a.parquet"), entry("/lake/b.parquet")};
  const ManifestFile manifest = file_of(entries);
  const auto good = avro::parse_file(format_manifest(context_, false, entries, kSync));
  ASSERT_TRUE(good.ok());
  for (std::size_t position = 0; position < good->objects.size(); ++position) {
    for (const int flip : {1, 0x7F, 0x80, 0xFF}) {
      avro::FileContent damaged;
      damaged.schema_json = good->metadata.at("avro.schema");
      damaged.count = good->count;
      damaged.sync_marker = kSync;
      damaged.objects = good->objects;
      damaged.objects[position] = static_cast<char>(damaged.objects[position] ^ flip);
      (void)parse_manifest(avro::format_file(damaged), manifest, context_.partition, EntryDetail::all).ok();
    }
  }
}

TEST(Avro, ReadsUncompressedFilesAndNamesUnknownCodecs) {
  avro::FileContent content;
  content.schema_json =
      R"({"type":"record","name":"r","fields":[{"name":"manifest_path","type":"string"},{"name":"other","type":{"type":"map","values":"double"}}]})";
  content.sync_marker = kSync;
  content.count = 1;
  avro::put_bytes(content.objects, "/m.avro");
  avro::put_long(content.objects, -1);
  avro::put_long(content.objects, 9);
  avro::put_bytes(content.objects, "k");
  content.objects += std::string(8, '\0');
  avro::put_long(content.objects, 0);
  const auto read = parse_manifest_list(avro::format_file(content));
  ASSERT_TRUE(read.ok()) << to_string(read.error());
  EXPECT_EQ((*read)[0].path, "/m.avro") << "by name where there are no field ids";

  std::string header("Obj\1", 4);
  avro::put_long(header, 2);
  avro::put_bytes(header, "avro.codec");
  avro::put_bytes(header, "zstandard");
  avro::put_bytes(header, "avro.schema");
  avro::put_bytes(header, content.schema_json);
  avro::put_long(header, 0);
  header += kSync;
  const auto unknown = parse_manifest_list(header);
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.error().message, HasSubstr("zstandard"));
}

}  // namespace
}  // namespace shoplake::catalog
