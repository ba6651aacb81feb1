// write_parquet(): the one file of this module that Arrow's headers are compiled into.
#include <arrow/c/bridge.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include <memory>
#include <optional>
#include <utility>

#include "query/format.h"

namespace shoplake::query {
namespace {

using base::ErrorKind;

constexpr std::int64_t kRowsPerGroup = 122'880;

// Arrow's output stream over an Output; keeps the Output's own error, which Arrow's Status cannot carry.
class OutputStream final : public arrow::io::OutputStream {
 public:
  explicit OutputStream(const Output& output) : output_(output) { set_mode(arrow::io::FileMode::WRITE); }

  arrow::Status Write(const void* data, int64_t size) override {
    auto outcome = output_({static_cast<const char*>(data), static_cast<std::size_t>(size)});
    if (!outcome.ok()) {
      error_ = outcome.error();
      return arrow::Status::IOError(error_->message);
    }
    position_ += size;
    return arrow::Status::OK();
  }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Tell() const override { return position_; }
  bool closed() const override { return closed_; }

  const std::optional<base::Error>& error() const { return error_; }

 private:
  const Output& output_;
  std::int64_t position_ = 0;
  bool closed_ = false;
  std::optional<base::Error> error_;
};

base::Error error_of(const arrow::Status& status, const std::optional<base::Error>& of_output) {
  if (of_output) {
    return *of_output;
  }
  if (status.IsNotImplemented() || status.IsTypeError()) {
    return base::make_error(ErrorKind::usage, "query.parquet_type",
                            "a column has no type in Parquet: " + status.message(),
                            "Cast it to VARCHAR, or take --format csv or json.");
  }
  if (status.IsOutOfMemory()) {
    return base::make_error(ErrorKind::environment, "query.out_of_memory", "cannot write Parquet: " + status.message());
  }
  return base::make_error(ErrorKind::failed, "query.parquet", "cannot write Parquet: " + status.message());
}

arrow::Result<std::int64_t> write(ArrowArrayStream* answer, const std::shared_ptr<OutputStream>& output) {
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ImportRecordBatchReader(answer));
  const auto properties = parquet::WriterProperties::Builder()
                              .compression(parquet::Compression::SNAPPY)
                              ->max_row_group_length(kRowsPerGroup)
                              ->build();
  // The Arrow schema goes along, so that readers see times with zones and lists as they were.
  const auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
  ARROW_ASSIGN_OR_RAISE(auto writer, parquet::arrow::FileWriter::Open(*reader->schema(), arrow::default_memory_pool(),
                                                                      output, properties, arrow_properties));
  std::int64_t rows = 0;
  while (true) {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(reader->ReadNext(&batch));
    if (!batch) {
      break;
    }
    rows += batch->num_rows();
    ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
  }
  ARROW_RETURN_NOT_OK(writer->Close());
  ARROW_RETURN_NOT_OK(reader->Close());
  return rows;
}

}  // namespace

base::Result<std::int64_t> write_parquet(ArrowArrayStream* answer, const Output& output) {
  const auto stream = std::make_shared<OutputStream>(output);
  try {
    auto rows = write(answer, stream);
    if (!rows.ok()) {
      return error_of(rows.status(), stream->error());
    }
    return *rows;
  } catch (const parquet::ParquetException& exception) {
    return base::make_error(ErrorKind::failed, "query.parquet",
                            std::string("cannot write Parquet: ") + exception.what());
  }
}

}  // namespace shoplake::query
