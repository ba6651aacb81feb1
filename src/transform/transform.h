// Transform: one raw object → data files of the dataset's table and dead letters in data files of quarantine. It
// commits nothing: the files are durable but unreferenced until the catalog takes them.
//
// JSON and CSV run as a pipeline: a thread reads, inflates and finds the records, the caller's thread parses and
// builds, a thread encodes and writes. Rows keep the input's order within their partition whatever the threads do.
// Memory is bounded whatever the input: blocks (a few MiB, or one record's limit), building sets (kBatchBudgetBytes),
// open row groups (kHeldPagesBytes).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "contract/contract.h"
#include "io/env.h"
#include "transform/block_source.h"
#include "transform/data_file.h"
#include "transform/json_reader.h"
#include "transform/layout.h"
#include "transform/record_builder.h"

namespace shoplake::transform {

// The columns of every quarantine table: dataset, reason_code, message, source_object, line, byte_offset, record_bytes,
// record, quarantined_at. See docs/formats/quarantine.md.
std::vector<Column> quarantine_columns();

// A rejected record is kept up to this length; record_bytes tells its true one.
inline constexpr std::size_t kQuarantineTextBytes = 64 << 10;

enum class InputFormat { json, csv, parquet };
// By the begin of the data, inflated if it is gzip: PAR1 is Parquet, a brace or bracket begins JSON. Other text is CSV
// if it is called so (.csv .tsv .psv .txt, also with .gz), or if its first line names fields of the contract and its
// name does not say JSON.
// Errors (kind input): transform.not_parquet, transform.gzip_parquet, transform.not_csv: it is named as what it is not;
// transform.utf16, transform.archive: what nothing here reads.
Result<InputFormat> detect_format(const io::RandomAccessFile& file, std::string_view name,
                                  const contract::Contract& contract);
// .ndjson and .jsonl (also with .gz) are lines whatever they begin with.
RecordForm record_form(std::string_view name);

struct TransformOptions {
  io::Env* env = nullptr;
  const contract::Contract* contract = nullptr;
  const Layout* layout = nullptr;             // of the dataset's table
  const Layout* quarantine_layout = nullptr;  // of quarantine
  std::string data_directory;                 // "<table>/data"
  std::string quarantine_directory;
  std::string source_object;  // what _shoplake_source_object says
  std::int64_t ingested_at_micros = 0;
  base::Progress* progress = nullptr;  // counts bytes of the input file
  std::stop_token stop;
};

struct TransformResult {
  std::vector<DataFile> files;
  std::vector<DataFile> quarantine_files;
  std::int64_t rows = 0;
  std::int64_t rejected = 0;
  std::int64_t duplicates = 0;  // events that the filter left out
  std::map<std::string, std::int64_t> rejected_by_reason;
  std::vector<Drift::Entry> drift;
  std::int64_t drift_unlisted = 0;
  InputFormat format = InputFormat::json;
  // Of CSV: what the file turned out to be, and the contract's fields that it has no column for.
  std::string encoding;
  char delimiter = '\0';
  std::vector<std::string> missing_columns;
  std::uint64_t input_bytes = 0;
  std::uint64_t inflated_bytes = 0;
  // CPU seconds of each stage.
  double read_seconds = 0;
  double parse_seconds = 0;
  double write_seconds = 0;
};

// Removes files of a transform whose commit did not happen.
void discard(io::Env& env, const TransformResult& result);

// Errors: of the file and of gzip (kind input), transform.cancelled, transform.not_parquet and transform.parquet (kind
// input) for Parquet that cannot be read. Nothing is left behind then.
Result<TransformResult> transform(const io::RandomAccessFile& file, std::string_view name,
                                  const TransformOptions& options);

// A record of the log: what one sender sent at once.
struct LogRecord {
  // JSON objects, one after another with or without white space between them, or in arrays; each is an event.
  std::string_view payload;
  std::int64_t line = 0;                // what _shoplake_line says of its events: the record's offset in the log
  std::int64_t received_at_micros = 0;  // what _shoplake_ingested_at says of them
};

// The same for records of the log, which come a part at a time: memory does not grow with their number. The filter is
// asked about each good event in the order of the records, inside add(). Dead letters have the record's offset as their
// line and the place in its payload as byte offset; their quarantined_at is when the record was received.
// options.progress is not used. Cheap for few records; columns are encoded on another thread, so that many are taken at
// the speed of parsing.
//
// Belongs to one thread at a time. What `options` points to outlives it. Errors: those of the files written,
// transform.cancelled; only destruction may follow. Without finish() nothing is left behind.
class LogTransform {
 public:
  LogTransform(EventFilter filter, TransformOptions options);
  ~LogTransform();
  LogTransform(const LogTransform&) = delete;
  LogTransform& operator=(const LogTransform&) = delete;

  // The payloads need to live only until add() returns.
  Result<void> add(std::span<const LogRecord> records);
  Result<TransformResult> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::transform
