#include "transform/parquet_footer.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "transform/encoding.h"
#include "transform/parquet_format.h"

namespace shoplake::transform {

namespace {

constexpr std::string_view kCreatedBy = "shoplake version 0.1.0";
constexpr std::size_t kStatisticCodePoints = 64;  // longer texts are cut in the file's own statistics
constexpr std::size_t kBoundCodePoints = 16;      // and in Iceberg's bounds

std::int32_t physical_type(const Node& node) {
  switch (node.type) {
    case ColumnType::boolean: return 0;
    case ColumnType::date: return 1;
    case ColumnType::decimal: return is_four_bytes(node) ? 1 : 2;
    case ColumnType::integer:
    case ColumnType::timestamp: return 2;
    case ColumnType::real: return 5;
    case ColumnType::text: return 6;
  }
  return 6;
}

std::int32_t column_count(const Layout& layout, const std::vector<std::uint16_t>& nodes) {
  return static_cast<std::int32_t>(std::count_if(
      nodes.begin(), nodes.end(), [&](std::uint16_t node) { return layout.nodes[node].kind != Node::Kind::dropped; }));
}

void write_schema_node(const Layout& layout, std::uint16_t index, CompactWriter& thrift) {
  const Node& node = layout.nodes[index];
  if (node.kind == Node::Kind::dropped)
    return;
  thrift.begin_struct();
  if (node.kind == Node::Kind::leaf)
    thrift.field_i32(1, physical_type(node));
  thrift.field_i32(3, 1);  // optional
  thrift.field_text(4, node.name);
  if (node.kind == Node::Kind::structure)
    thrift.field_i32(5, column_count(layout, node.children));
  if (node.kind == Node::Kind::list)
    thrift.field_i32(5, 1);
  if (node.kind == Node::Kind::leaf && node.type == ColumnType::text)
    thrift.field_i32(6, 0);  // UTF8
  if (node.kind == Node::Kind::leaf && node.type == ColumnType::timestamp)
    thrift.field_i32(6, 10);  // TIMESTAMP_MICROS
  if (node.kind == Node::Kind::leaf && node.type == ColumnType::date)
    thrift.field_i32(6, 6);  // DATE
  if (node.kind == Node::Kind::leaf && node.type == ColumnType::decimal) {
    thrift.field_i32(6, 5);  // DECIMAL
    thrift.field_i32(7, node.decimal.scale);
    thrift.field_i32(8, node.decimal.precision);
  }
  if (node.kind == Node::Kind::list)
    thrift.field_i32(6, 3);  // LIST
  thrift.field_i32(9, node.field_id);
  if (node.kind == Node::Kind::list ||
      (node.kind == Node::Kind::leaf && (node.type == ColumnType::text || node.type == ColumnType::timestamp ||
                                         node.type == ColumnType::date || node.type == ColumnType::decimal))) {
    thrift.field_struct(10);
    if (node.kind == Node::Kind::list) {
      thrift.field_struct(3);
      thrift.end_struct();
    } else if (node.type == ColumnType::text) {
      thrift.field_struct(1);
      thrift.end_struct();
    } else if (node.type == ColumnType::date) {
      thrift.field_struct(6);
      thrift.end_struct();
    } else if (node.type == ColumnType::decimal) {
      thrift.field_struct(5);
      thrift.field_i32(1, node.decimal.scale);
      thrift.field_i32(2, node.decimal.precision);
      thrift.end_struct();
    } else {
      thrift.field_struct(8);
      thrift.field_bool(1, true);  // adjusted to UTC
      thrift.field_struct(2);
      thrift.field_struct(2);  // microseconds
      thrift.end_struct();
      thrift.end_struct();
      thrift.end_struct();
    }
    thrift.end_struct();
  }
  thrift.end_struct();
  if (node.kind == Node::Kind::list) {
    thrift.begin_struct();
    thrift.field_i32(3, 2);  // repeated
    thrift.field_text(4, "list");
    thrift.field_i32(5, 1);
    thrift.end_struct();
  }
  for (std::uint16_t child : node.children)
    write_schema_node(layout, child, thrift);
}

}  // namespace

void append_footer(const Layout& layout, const std::vector<RowGroupMetadata>& row_groups, Buffer<char>& out) {
  CompactWriter thrift(out);
  thrift.begin_struct();
  thrift.field_i32(1, 1);
  std::size_t elements = 1;
  for (const Node& node : layout.nodes)
    elements += node.kind == Node::Kind::list ? 2 : node.kind == Node::Kind::dropped ? 0 : 1;
  thrift.field_list(2, CompactWriter::kStruct, elements);
  thrift.begin_struct();
  thrift.field_text(4, "table");
  thrift.field_i32(5, column_count(layout, layout.top_level));
  thrift.end_struct();
  for (std::uint16_t node : layout.top_level)
    write_schema_node(layout, node, thrift);
  std::int64_t rows = 0;
  for (const RowGroupMetadata& group : row_groups)
    rows += group.rows;
  thrift.field_i64(3, rows);

  std::vector<std::vector<std::string>> paths(layout.leaves.size());
  for (std::size_t leaf = 0; leaf < paths.size(); ++leaf) {
    for (int node = layout.leaves[leaf]; node >= 0; node = layout.nodes[node].parent) {
      paths[leaf].push_back(layout.nodes[node].name);
      if (layout.nodes[node].is_element)
        paths[leaf].push_back("list");
    }
    std::reverse(paths[leaf].begin(), paths[leaf].end());
  }

  thrift.field_list(4, CompactWriter::kStruct, row_groups.size());
  for (const RowGroupMetadata& group : row_groups) {
    thrift.begin_struct();
    thrift.field_list(1, CompactWriter::kStruct, group.chunks.size());
    std::int64_t uncompressed = 0;
    std::int64_t compressed = 0;
    for (std::size_t leaf = 0; leaf < group.chunks.size(); ++leaf) {
      const ChunkMetadata& chunk = group.chunks[leaf];
      const Node& node = layout.nodes[layout.leaves[leaf]];
      uncompressed += chunk.uncompressed_bytes;
      compressed += chunk.compressed_bytes;
      thrift.begin_struct();
      thrift.field_i64(2, 0);
      thrift.field_struct(3);
      thrift.field_i32(1, physical_type(node));
      thrift.field_list(2, CompactWriter::kI32,
                        1 + (chunk.has_plain || chunk.has_dictionary ? 1 : 0) + (chunk.has_dictionary ? 1 : 0));
      thrift.zigzag(kRle);
      if (chunk.has_plain || chunk.has_dictionary)
        thrift.zigzag(kPlain);
      if (chunk.has_dictionary)
        thrift.zigzag(kRleDictionary);
      thrift.field_list(3, CompactWriter::kBinary, paths[leaf].size());
      for (const std::string& part : paths[leaf])
        thrift.text(part);
      thrift.field_i32(4, kSnappy);
      thrift.field_i64(5, chunk.value_count);
      thrift.field_i64(6, chunk.uncompressed_bytes);
      thrift.field_i64(7, chunk.compressed_bytes);
      thrift.field_i64(9, chunk.data_offset);
      if (chunk.dictionary_offset >= 0)
        thrift.field_i64(11, chunk.dictionary_offset);
      thrift.field_struct(12);
      thrift.field_i64(3, chunk.null_count);
      const auto upper = chunk.range.upper(node, kStatisticCodePoints, ColumnRange::Form::parquet);
      const auto lower = chunk.range.lower(node, kStatisticCodePoints, ColumnRange::Form::parquet);
      if (upper && lower) {
        thrift.field_text(5, *upper);
        thrift.field_text(6, *lower);
      }
      thrift.end_struct();
      thrift.end_struct();
      thrift.end_struct();
    }
    thrift.field_i64(2, uncompressed);
    thrift.field_i64(3, group.rows);
    thrift.field_i64(5, group.offset);
    thrift.field_i64(6, compressed);
    thrift.end_struct();
  }
  thrift.field_text(6, kCreatedBy);
  thrift.field_list(7, CompactWriter::kStruct, layout.leaves.size());
  for (std::size_t leaf = 0; leaf < layout.leaves.size(); ++leaf) {
    thrift.begin_struct();
    thrift.field_struct(1);
    thrift.end_struct();
    thrift.end_struct();
  }
  thrift.end_struct();
}

std::vector<ColumnStatistics> column_statistics(const Layout& layout, const std::vector<RowGroupMetadata>& row_groups) {
  std::vector<ColumnStatistics> columns;
  for (std::size_t leaf = 0; leaf < layout.leaves.size(); ++leaf) {
    const Node& node = layout.nodes[layout.leaves[leaf]];
    ColumnStatistics statistics;
    statistics.field_id = node.field_id;
    ColumnRange range;
    for (const RowGroupMetadata& group : row_groups) {
      const ChunkMetadata& chunk = group.chunks[leaf];
      statistics.column_size_bytes += chunk.compressed_bytes;
      statistics.value_count += chunk.value_count;
      statistics.null_count += chunk.null_count;
      range.merge(chunk.range, node.type);
    }
    if (node.type == ColumnType::real)
      statistics.nan_count = range.nan_count;
    // Iceberg keeps no bounds of values inside lists.
    if (node.stream == 0) {
      statistics.lower_bound = range.lower(node, kBoundCodePoints, ColumnRange::Form::iceberg);
      statistics.upper_bound = range.upper(node, kBoundCodePoints, ColumnRange::Form::iceberg);
    }
    columns.push_back(std::move(statistics));
  }
  return columns;
}

}  // namespace shoplake::transform
