// For tests: the rows of a Parquet file as text, read by Arrow; and gzip.
#pragma once

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <libdeflate.h>
#include <parquet/arrow/reader.h>

#include <cstdio>
#include <string>
#include <vector>

namespace shoplake::transform {

inline void append_json(const arrow::Array& array, std::int64_t row, std::string& out);

inline void append_fields(const arrow::StructType& type, const std::vector<std::shared_ptr<arrow::Array>>& fields,
                          std::int64_t row, std::string& out) {
  out += "{";
  for (int i = 0; i < type.num_fields(); ++i) {
    if (fields[i]->IsNull(row))
      continue;
    if (out.back() != '{')
      out += ",";
    out += "\"" + type.field(i)->name() + "\":";
    append_json(*fields[i], row, out);
  }
  out += "}";
}

inline void append_json(const arrow::Array& array, std::int64_t row, std::string& out) {
  if (array.IsNull(row)) {
    out += "null";
    return;
  }
  switch (array.type_id()) {
    case arrow::Type::STRUCT:
      append_fields(static_cast<const arrow::StructType&>(*array.type()),
                    static_cast<const arrow::StructArray&>(array).fields(), row, out);
      break;
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      out += "[";
      for (std::int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
        if (i > list.value_offset(row))
          out += ",";
        append_json(*list.values(), i, out);
      }
      out += "]";
      break;
    }
    case arrow::Type::STRING:
      out += "\"" + std::string(static_cast<const arrow::StringArray&>(array).GetView(row)) + "\"";
      break;
    case arrow::Type::INT64: out += std::to_string(static_cast<const arrow::Int64Array&>(array).Value(row)); break;
    case arrow::Type::DOUBLE: {
      char text[32];
      snprintf(text, sizeof(text), "%g", static_cast<const arrow::DoubleArray&>(array).Value(row));
      out += text;
      break;
    }
    case arrow::Type::BOOL: out += static_cast<const arrow::BooleanArray&>(array).Value(row) ? "true" : "false"; break;
    default: out += (*array.GetScalar(row))->ToString();
  }
}

// The rows of a Parquet file as JSON without NULLs, its columns cut to those before `first_left_out`.
inline std::vector<std::string> rows_of(const std::string& path, const std::string& first_left_out) {
  std::vector<std::string> rows;
  auto file = arrow::io::ReadableFile::Open(path).ValueOrDie();
  auto reader = parquet::arrow::OpenFile(file, arrow::default_memory_pool()).ValueOrDie();
  auto table = reader->ReadTable().ValueOrDie()->CombineChunks().ValueOrDie();
  EXPECT_TRUE(table->ValidateFull().ok());
  int kept = table->schema()->GetFieldIndex(first_left_out);
  if (kept < 0)
    kept = table->num_columns();
  arrow::TableBatchReader batches(*table);
  while (auto batch = batches.Next().ValueOrDie()) {
    std::vector<std::shared_ptr<arrow::Field>> fields(batch->schema()->fields().begin(),
                                                      batch->schema()->fields().begin() + kept);
    const auto type = arrow::struct_(fields);
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      std::string text;
      append_fields(static_cast<const arrow::StructType&>(*type), batch->columns(), row, text);
      rows.push_back(std::move(text));
    }
  }
  return rows;
}

inline std::string gzip(const std::string& bytes) {
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(1);
  std::string out(libdeflate_gzip_compress_bound(compressor, bytes.size()), '\0');
  out.resize(libdeflate_gzip_compress(compressor, bytes.data(), bytes.size(), out.data(), out.size()));
  libdeflate_free_compressor(compressor);
  return out;
}

}  // namespace shoplake::transform
