#include "transform/parquet_reader.h"

#include <cmath>
#include <exception>

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/properties.h>

namespace shoplake::transform {

namespace {

constexpr std::int64_t kBatchRowsRead = 2'048;
// JSON of this much is given to the JSON reader at once.
constexpr std::size_t kJsonBytes = 1 << 20;

base::Error unreadable(std::string_view name, std::string_view why) {
  return base::make_error(
      base::ErrorKind::input, "transform.parquet", fmt::format("{} cannot be read as Parquet: {}", name, why),
      "The file is damaged or uses a feature that is not supported; get it again or write it anew.");
}

// Arrow's view of an Env file.
class ArrowFile final : public arrow::io::RandomAccessFile {
 public:
  explicit ArrowFile(const io::RandomAccessFile& file) : file_(file) {}
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<std::int64_t> Tell() const override { return position_; }
  arrow::Status Seek(std::int64_t position) override {
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<std::int64_t> GetSize() override {
    auto size = file_.size();
    if (!size.ok())
      return arrow::Status::IOError(size.error().message);
    return static_cast<std::int64_t>(*size);
  }
  arrow::Result<std::int64_t> ReadAt(std::int64_t position, std::int64_t size, void* out) override {
    if (position < 0 || size < 0)
      return arrow::Status::Invalid("a negative position or size");
    auto got =
        file_.read(static_cast<std::uint64_t>(position), static_cast<std::size_t>(size), static_cast<char*>(out));
    if (!got.ok())
      return arrow::Status::IOError(got.error().message);
    return static_cast<std::int64_t>(*got);
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(std::int64_t position, std::int64_t size) override {
    if (size < 0)
      return arrow::Status::Invalid("a negative size");
    ARROW_ASSIGN_OR_RAISE(const std::int64_t end, GetSize());
    size = std::min(size, std::max<std::int64_t>(0, end - position));  // a damaged footer may ask for anything
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(size));
    ARROW_ASSIGN_OR_RAISE(const std::int64_t got, ReadAt(position, size, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<std::int64_t> Read(std::int64_t size, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const std::int64_t got, ReadAt(position_, size, out));
    position_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(std::int64_t size) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, size));
    position_ += buffer->size();
    return buffer;
  }

 private:
  const io::RandomAccessFile& file_;
  std::int64_t position_ = 0;
  bool closed_ = false;
};

void append_string(Buffer<char>& out, std::string_view text) {
  out.push_back('"');
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20) {
      constexpr char kHexDigits[] = "0123456789abcdef";
      out.append("\\u00", 4);
      out.push_back(kHexDigits[byte >> 4]);
      out.push_back(kHexDigits[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void append_text(Buffer<char>& out, std::string_view text) { out.append(text.data(), text.size()); }

void append_real(Buffer<char>& out, double value) {
  if (std::isfinite(value)) {
    append_text(out, fmt::format("{}", value));
  } else {
    append_text(out, std::isnan(value) ? "\"NaN\"" : value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
  }
}

// The day number since 1970-01-01 as YYYYMMDD. Source: H. Hinnant, "chrono-compatible low-level date algorithms".
std::string day_text(std::int64_t days) {
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const std::int64_t day_of_era = days - era * 146097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const std::int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return fmt::format("{:04}{:02}{:02}", year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
                     day_of_year - (153 * shifted_month + 2) / 5 + 1);
}

// Appends the value as JSON. False: the type has no JSON form.
bool append_value(Buffer<char>& out, const arrow::Array& array, std::int64_t row);

bool append_list(Buffer<char>& out, const arrow::Array& values, std::int64_t begin, std::int64_t end) {
  out.push_back('[');
  for (std::int64_t row = begin; row < end; ++row) {
    if (row > begin)
      out.push_back(',');
    if (!append_value(out, values, row))
      return false;
  }
  out.push_back(']');
  return true;
}

bool append_struct(Buffer<char>& out, const arrow::StructType& type,
                   const std::vector<std::shared_ptr<arrow::Array>>& fields, std::int64_t row) {
  out.push_back('{');
  bool first = true;
  for (int field = 0; field < type.num_fields(); ++field) {
    if (fields[static_cast<std::size_t>(field)]->IsNull(row))
      continue;  // absent and null are one
    if (!first)
      out.push_back(',');
    first = false;
    append_string(out, type.field(field)->name());
    out.push_back(':');
    if (!append_value(out, *fields[static_cast<std::size_t>(field)], row))
      return false;
  }
  out.push_back('}');
  return true;
}

template <typename ArrayType>
bool append_integer(Buffer<char>& out, const arrow::Array& array, std::int64_t row) {
  append_text(out, fmt::format("{}", static_cast<const ArrayType&>(array).Value(row)));
  return true;
}

template <typename ArrayType>
bool append_bytes(Buffer<char>& out, const arrow::Array& array, std::int64_t row) {
  append_string(out, static_cast<const ArrayType&>(array).GetView(row));
  return true;
}

bool append_value(Buffer<char>& out, const arrow::Array& array, std::int64_t row) {
  if (array.IsNull(row)) {
    append_text(out, "null");
    return true;
  }
  switch (array.type_id()) {
    case arrow::Type::NA: append_text(out, "null"); return true;
    case arrow::Type::BOOL:
      append_text(out, static_cast<const arrow::BooleanArray&>(array).Value(row) ? "true" : "false");
      return true;
    case arrow::Type::INT8:
      append_text(out, std::to_string(static_cast<const arrow::Int8Array&>(array).Value(row)));
      return true;
    case arrow::Type::UINT8:
      append_text(out, std::to_string(static_cast<const arrow::UInt8Array&>(array).Value(row)));
      return true;
    case arrow::Type::INT16: return append_integer<arrow::Int16Array>(out, array, row);
    case arrow::Type::UINT16: return append_integer<arrow::UInt16Array>(out, array, row);
    case arrow::Type::INT32: return append_integer<arrow::Int32Array>(out, array, row);
    case arrow::Type::UINT32: return append_integer<arrow::UInt32Array>(out, array, row);
    case arrow::Type::INT64: return append_integer<arrow::Int64Array>(out, array, row);
    case arrow::Type::UINT64: return append_integer<arrow::UInt64Array>(out, array, row);
    case arrow::Type::FLOAT: append_real(out, static_cast<const arrow::FloatArray&>(array).Value(row)); return true;
    case arrow::Type::DOUBLE: append_real(out, static_cast<const arrow::DoubleArray&>(array).Value(row)); return true;
    case arrow::Type::STRING:
    case arrow::Type::BINARY: return append_bytes<arrow::BinaryArray>(out, array, row);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY: return append_bytes<arrow::LargeBinaryArray>(out, array, row);
    case arrow::Type::FIXED_SIZE_BINARY: return append_bytes<arrow::FixedSizeBinaryArray>(out, array, row);
    case arrow::Type::DECIMAL128:
      append_text(out, static_cast<const arrow::Decimal128Array&>(array).FormatValue(row));
      return true;
    case arrow::Type::DECIMAL256:
      append_text(out, static_cast<const arrow::Decimal256Array&>(array).FormatValue(row));
      return true;
    case arrow::Type::DATE32:
      append_string(out, day_text(static_cast<const arrow::Date32Array&>(array).Value(row)));
      return true;
    case arrow::Type::TIMESTAMP: {
      std::int64_t value = static_cast<const arrow::TimestampArray&>(array).Value(row);
      switch (static_cast<const arrow::TimestampType&>(*array.type()).unit()) {  // always microseconds in the lake
        case arrow::TimeUnit::SECOND: value *= 1'000'000; break;
        case arrow::TimeUnit::MILLI: value *= 1'000; break;
        case arrow::TimeUnit::MICRO: break;
        case arrow::TimeUnit::NANO: value /= 1'000; break;
      }
      append_text(out, std::to_string(value));
      return true;
    }
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      return append_list(out, *list.values(), list.value_offset(row), list.value_offset(row + 1));
    }
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapArray&>(array);
      return append_list(out, *map.values(), map.value_offset(row), map.value_offset(row + 1));
    }
    case arrow::Type::LARGE_LIST: {
      const auto& list = static_cast<const arrow::LargeListArray&>(array);
      return append_list(out, *list.values(), list.value_offset(row), list.value_offset(row + 1));
    }
    case arrow::Type::STRUCT: {
      const auto& structure = static_cast<const arrow::StructArray&>(array);
      return append_struct(out, static_cast<const arrow::StructType&>(*array.type()), structure.fields(), row);
    }
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return append_value(out, *dictionary.dictionary(), dictionary.GetValueIndex(row));
    }
    default: return false;
  }
}

Column column_of(const arrow::Field& field) {
  using contract::Type;
  Column column;
  column.name = field.name();
  const arrow::DataType& type = *field.type();
  switch (type.id()) {
    case arrow::Type::BOOL: column.type = Type::boolean; break;
    case arrow::Type::INT8:
    case arrow::Type::UINT8:
    case arrow::Type::INT16:
    case arrow::Type::UINT16:
    case arrow::Type::INT32:
    case arrow::Type::UINT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT64: column.type = Type::integer; break;
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE: column.type = Type::real; break;
    case arrow::Type::DATE32: column.type = Type::date; break;
    case arrow::Type::TIMESTAMP: column.type = Type::timestamp; break;
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(type);
      if (decimal.precision() > contract::kDecimalDigitsMax || decimal.scale() < 0) {
        column.type = Type::real;
        break;
      }
      column.type = Type::decimal;
      column.decimal = {static_cast<std::uint8_t>(decimal.precision()), static_cast<std::uint8_t>(decimal.scale())};
      break;
    }
    case arrow::Type::STRUCT:
      column.type = Type::structure;
      for (const auto& child : type.fields())
        column.children.push_back(column_of(*child));
      break;
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
      column.type = Type::list;
      column.children.push_back(column_of(*type.field(0)));
      break;
    default: column.type = Type::text; break;
  }
  return column;
}

}  // namespace

Result<ParquetShape> parquet_shape(const io::RandomAccessFile& file, std::string_view name) {
  parquet::arrow::FileReaderBuilder builder;
  const arrow::Status status = builder.Open(std::make_shared<ArrowFile>(file));
  if (!status.ok())
    return unreadable(name, status.message());
  auto reader = builder.Build();
  if (!reader.ok())
    return unreadable(name, reader.status().message());
  std::shared_ptr<arrow::Schema> schema;
  const arrow::Status described = (*reader)->GetSchema(&schema);
  if (!described.ok())
    return unreadable(name, described.message());
  ParquetShape shape;
  for (const auto& field : schema->fields())
    shape.columns.push_back(column_of(*field));
  shape.rows = (*reader)->parquet_reader()->metadata()->num_rows();
  return shape;
}

struct ParquetReader::State {
  State(const contract::Contract& contract, RecordBuilder& builder, Drift& drift)
      : reader(contract, builder, drift, JsonReader::Moments::standard) {}

  JsonReader reader;
  Buffer<char> json;
  std::vector<RecordSpan> records;
  std::int64_t first_row = 1;

  Result<void> flush(const Callbacks& callbacks) {
    if (records.empty())
      return {};
    json.extend(kBlockPadding);
    json.truncate(json.size() - kBlockPadding);
    Result<void> outcome;
    reader.read(json.data(), records, first_row, [&](const RecordSpan& span, const Rejection& rejection) {
      if (!outcome.ok())
        return;
      outcome =
          callbacks.on_rejection(first_row + span.line, rejection, std::string(json.data() + span.offset, span.length));
    });
    first_row += static_cast<std::int64_t>(records.size());
    json.clear();
    records.clear();
    return outcome;
  }

  Result<void> read(const io::RandomAccessFile& file, std::string_view name, const Callbacks& callbacks) {
    const std::uint64_t file_size = SHOPLAKE_TRY(file.size());
    parquet::ReaderProperties properties;
    properties.enable_buffered_stream();
    parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/false);
    arrow_properties.set_batch_size(kBatchRowsRead);
    arrow_properties.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    arrow::Status status = builder.Open(std::make_shared<ArrowFile>(file), properties);
    if (!status.ok())
      return unreadable(name, status.message());
    std::unique_ptr<parquet::arrow::FileReader> parquet_reader;
    builder.properties(arrow_properties);
    auto built = builder.Build();
    if (!built.ok())
      return unreadable(name, built.status().message());
    parquet_reader = std::move(built).ValueUnsafe();
    const std::int64_t total_rows = std::max<std::int64_t>(1, parquet_reader->parquet_reader()->metadata()->num_rows());
    auto batches = parquet_reader->GetRecordBatchReader();
    if (!batches.ok())
      return unreadable(name, batches.status().message());
    std::int64_t rows_done = 0;
    while (true) {
      std::shared_ptr<arrow::RecordBatch> batch;
      status = (*batches)->ReadNext(&batch);
      if (!status.ok())
        return unreadable(name, status.message());
      if (!batch)
        break;
      status = batch->ValidateFull();  // offsets and UTF-8 of damaged files
      if (!status.ok())
        return unreadable(name, status.message());
      const auto type = arrow::struct_(batch->schema()->fields());
      for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
        const std::size_t begin = json.size();
        if (!append_struct(json, static_cast<const arrow::StructType&>(*type), batch->columns(), row)) {
          return unreadable(name, "a column has a type without a JSON form: " + batch->schema()->ToString());
        }
        if (json.size() - begin > contract::kRecordBytesMaxLimit)
          return unreadable(
              name, fmt::format("row {} is larger than {} bytes", rows_done + row + 1, contract::kRecordBytesMaxLimit));
        records.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(json.size() - begin),
                           static_cast<std::uint32_t>(records.size())});
        if (json.size() >= kJsonBytes)
          SHOPLAKE_TRY(flush(callbacks));
      }
      SHOPLAKE_TRY(flush(callbacks));
      rows_done += batch->num_rows();
      SHOPLAKE_TRY(callbacks.on_progress(static_cast<std::uint64_t>(
          static_cast<double>(file_size) * static_cast<double>(rows_done) / static_cast<double>(total_rows))));
    }
    return {};
  }
};

ParquetReader::ParquetReader(const contract::Contract& contract, RecordBuilder& builder, Drift& drift)
    : state_(std::make_unique<State>(contract, builder, drift)) {}
ParquetReader::~ParquetReader() = default;

std::int64_t ParquetReader::accepted() const { return state_->reader.accepted(); }

Result<void> ParquetReader::read(const io::RandomAccessFile& file, std::string_view name, const Callbacks& callbacks) {
  try {
    return state_->read(file, name, callbacks);
  } catch (const std::exception& exception) {  // Arrow's Parquet library throws on some damage
    return unreadable(name, exception.what());
  }
}

}  // namespace shoplake::transform
