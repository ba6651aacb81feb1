#include "transform/transform.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "io/inflate.h"
#include "transform/bounded_queue.h"
#include "transform/csv_reader.h"
#include "transform/csv_source.h"
#include "transform/dead_letters.h"
#include "transform/input_bytes.h"
#include "transform/parquet_reader.h"
#include "transform/partition_files.h"
#include "transform/record_builder.h"

namespace shoplake::transform {

namespace {

using base::ErrorKind;
using base::make_error;

constexpr std::size_t kBlocksMax = 6;

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

base::Error cancelled() {
  return make_error(ErrorKind::cancelled, "transform.cancelled", "The load was interrupted; nothing was loaded", "");
}

// What both inputs share: the builder, the files, the dead letters.
class Output {
 public:
  enum class IngestedAt { one_moment, by_record };

  explicit Output(const TransformOptions& options, IngestedAt ingested_at = IngestedAt::one_moment)
      : options_(options),
        builder_(
            *options.layout, *options.contract, [this](bool reuse) { return files_->acquire(reuse); },
            [this](std::size_t partition, std::unique_ptr<ColumnSet> set, bool is_last) {
              if (!outcome_.ok())
                return;
              const std::string& name = builder_.partitions()[partition];
              outcome_ = is_last ? files_->submit_last(partition, name, std::move(set))
                                 : files_->submit(partition, name, std::move(set));
            }),
        letters_(options) {
    PartitionFilesOptions file_options;
    file_options.env = options.env;
    file_options.layout = options.layout;
    file_options.dictionaries = &builder_.dictionaries();
    const Layout& layout = *options.layout;
    file_options.constants[layout.nodes[layout.source_object].leaf].text = options.source_object;
    if (ingested_at == IngestedAt::by_record) {
      builder_.use_receipt_times();
    } else {
      file_options.constants[layout.nodes[layout.ingested_at].leaf].integer = options.ingested_at_micros;
    }
    file_options.directory = options.data_directory;
    file_options.file_stem = options.env->new_uuid();
    file_options.partitioning = options.contract->partitioning;
    files_ = std::make_unique<PartitionFiles>(std::move(file_options));
  }

  RecordBuilder& builder() { return builder_; }
  Drift& drift() { return drift_; }
  Result<void> reject(const DeadLetter& letter) { return letters_.add(letter); }
  // The first error of the files, if any.
  const Result<void>& outcome() const { return outcome_; }

  Result<TransformResult> finish(std::int64_t rows) {
    builder_.flush();
    SHOPLAKE_TRY(outcome_);
    TransformResult result;
    result.rows = rows;
    result.quarantine_files = SHOPLAKE_TRY(letters_.finish());
    auto files = files_->finish();
    if (!files.ok()) {
      discard(*options_.env, result);
      return std::move(files).error();
    }
    result.files = std::move(files).value();
    result.rejected = letters_.count();
    result.rejected_by_reason = letters_.by_reason();
    result.drift = drift_.entries();
    result.drift_unlisted = drift_.unlisted();
    result.write_seconds = files_->busy_seconds();
    return result;
  }

 private:
  const TransformOptions& options_;
  Result<void> outcome_;
  RecordBuilder builder_;
  Drift drift_;
  DeadLetters letters_;
  std::unique_ptr<PartitionFiles> files_;  // ends before the dictionaries that it reads
};

// Records of the log as blocks.
class LogBlocks {
 public:
  LogBlocks(std::span<const LogRecord> records, std::uint64_t record_bytes_max)
      : records_(records), record_bytes_max_(record_bytes_max) {}

  // Fills the block anew; false after the last record. Offsets are those of the block; `origins` tells the record of
  // each span.
  bool next(Block& block) {
    block.bytes.clear();
    block.records.clear();
    block.oversized.clear();
    if (at_ == records_.size())
      return false;
    block.first_line = records_[at_].line;
    while (at_ < records_.size() && block.bytes.size() < kLogBlockBytes) {
      const LogRecord& record = records_[at_];
      const std::int64_t line = record.line - block.first_line;
      if (line < 0 || line > std::numeric_limits<std::uint32_t>::max())
        break;
      ++at_;
      if (record.payload.size() > record_bytes_max_) {
        block.oversized.push_back({block.records.size(), 0, record.payload.size(), record.line,
                                   std::string(record.payload.substr(0, kOversizedTextBytes)),
                                   record.received_at_micros});
        continue;
      }
      if (record.payload.find_first_not_of(" \t\r\n") == std::string_view::npos)
        continue;
      const auto offset = static_cast<std::uint32_t>(block.bytes.size());
      block.bytes.append(record.payload.data(), record.payload.size());
      block.bytes.push_back('\n');
      block.records.push_back({offset, static_cast<std::uint32_t>(record.payload.size()),
                               static_cast<std::uint32_t>(line), record.received_at_micros});
    }
    block.bytes.extend(kBlockPadding);
    block.bytes.truncate(block.bytes.size() - kBlockPadding);
    return true;
  }

 private:
  static constexpr std::size_t kLogBlockBytes = 1 << 20;

  std::span<const LogRecord> records_;
  std::uint64_t record_bytes_max_;
  std::size_t at_ = 0;
};

// Where in its payload a byte of a block of the log is.
std::uint32_t offset_in_payload(const Block& block, std::uint32_t offset) {
  const auto after = std::upper_bound(block.records.begin(), block.records.end(), offset,
                                      [](std::uint32_t at, const RecordSpan& span) { return at < span.offset; });
  return offset - std::prev(after)->offset;
}

Result<void> reject_oversized(Output& output, const std::vector<OversizedRecord>& oversized,
                              const contract::Contract& contract) {
  for (const OversizedRecord& record : oversized) {
    const bool is_open_array = record.length == 0;
    const std::string message =
        is_open_array
            ? std::string("the array is not closed")
            : fmt::format("the record has {} bytes, more than the limit of {} (record_bytes_max of the contract)",
                          record.length, contract.record_bytes_max);
    SHOPLAKE_TRY(output.reject({is_open_array ? reason::kMalformed : reason::kTooLarge, message, record.line,
                                static_cast<std::int64_t>(record.offset), static_cast<std::int64_t>(record.length),
                                record.begin, record.received_at_micros}));
  }
  return {};
}

// Blocks from `next`, on a thread of its own, to `take` on this one, in order. `next` fills a block and says whether
// there was one. Returns the CPU seconds of `next`.
template <typename Block, typename Next, typename Take>
Result<double> pipe_blocks(const std::stop_token& stop, Next next, Take take) {
  BoundedQueue<std::unique_ptr<Block>> full(kBlocksMax);
  BoundedQueue<std::unique_ptr<Block>> empty(kBlocksMax + 1);
  for (std::size_t i = 0; i < kBlocksMax; ++i)
    empty.push(std::make_unique<Block>());
  std::optional<base::Error> read_error;  // set before `full` is closed
  double read_seconds = 0;
  std::jthread reader([&] {
    while (auto block = empty.pop()) {
      Result<bool> more = next(**block);
      if (!more.ok())
        read_error = std::move(more).error();
      if (!more.ok() || !*more || !full.push(std::move(*block)))
        break;
    }
    read_seconds = thread_seconds();
    full.close();
  });
  // However this function ends, the reader must not wait for it.
  struct Closer {
    BoundedQueue<std::unique_ptr<Block>>& full;
    BoundedQueue<std::unique_ptr<Block>>& empty;
    ~Closer() {
      full.close();
      empty.close();
    }
  } closer{full, empty};
  while (auto taken = full.pop()) {
    if (stop.stop_requested())
      return cancelled();
    SHOPLAKE_TRY(take(**taken));
    empty.push(std::move(*taken));
  }
  reader.join();
  if (read_error)
    return *read_error;
  return read_seconds;
}

void show_progress(const TransformOptions& options, std::uint64_t bytes) {
  if (options.progress != nullptr)
    options.progress->update(bytes);
}

Result<TransformResult> transform_json(const io::RandomAccessFile& file, std::string_view name,
                                       const TransformOptions& options) {
  Output output(options);
  BlockSource source(file, name, record_form(name), options.contract->record_bytes_max);
  JsonReader reader(*options.contract, output.builder(), output.drift());
  const double parse_begin = thread_seconds();
  std::uint64_t input_bytes = 0;
  const auto take = [&](Block& block) -> Result<void> {
    Result<void> outcome;
    const auto reject = [&](const RecordSpan& span, const Rejection& rejection) {
      if (!outcome.ok())
        return;
      outcome = output.reject({rejection.reason, rejection.message, block.first_line + span.line,
                               static_cast<std::int64_t>(block.first_offset + span.offset), span.length,
                               std::string_view(block.bytes.data() + span.offset, span.length)});
    };
    reader.read(block.bytes.data(), block.records, block.first_line, reject);
    SHOPLAKE_TRY(outcome);
    SHOPLAKE_TRY(reject_oversized(output, block.oversized, *options.contract));
    SHOPLAKE_TRY(output.outcome());
    show_progress(options, input_bytes = block.input_bytes);
    return {};
  };
  const double read_seconds = SHOPLAKE_TRY(pipe_blocks<Block>(
      options.stop, [&](Block& block) { return source.next(block); }, take));
  const double parse_seconds = thread_seconds() - parse_begin;
  TransformResult result = SHOPLAKE_TRY(output.finish(reader.accepted()));
  result.input_bytes = input_bytes;
  result.inflated_bytes = source.inflated_bytes();
  result.read_seconds = read_seconds;
  result.parse_seconds = parse_seconds;
  return result;
}

Result<TransformResult> transform_csv(const io::RandomAccessFile& file, std::string_view name,
                                      const TransformOptions& options) {
  CsvSource source(file, name, *options.contract);
  const CsvFormat format = SHOPLAKE_TRY(source.open());
  Output output(options);
  CsvReader reader(*options.contract, format, output.builder());
  const double parse_begin = thread_seconds();
  std::uint64_t input_bytes = 0;
  const auto take = [&](CsvBlock& block) -> Result<void> {
    Result<void> outcome;
    const auto reject = [&](const CsvRecord& record, const Rejection& rejection) {
      if (!outcome.ok())
        return;
      outcome = output.reject({rejection.reason, rejection.message, block.first_line + record.line,
                               static_cast<std::int64_t>(block.first_offset + record.begin), record.length,
                               std::string_view(block.bytes.data() + record.begin, record.length)});
    };
    reader.read(block, reject);
    SHOPLAKE_TRY(outcome);
    SHOPLAKE_TRY(reject_oversized(output, block.oversized, *options.contract));
    SHOPLAKE_TRY(output.outcome());
    show_progress(options, input_bytes = block.input_bytes);
    return {};
  };
  const double read_seconds = SHOPLAKE_TRY(pipe_blocks<CsvBlock>(
      options.stop, [&](CsvBlock& block) { return source.next(block); }, take));
  const double parse_seconds = thread_seconds() - parse_begin;
  reader.report(output.drift());
  TransformResult result = SHOPLAKE_TRY(output.finish(reader.accepted()));
  result.format = InputFormat::csv;
  result.encoding = transform::name(source.encoding());
  result.delimiter = format.dialect.delimiter;
  result.missing_columns = reader.missing_columns();
  result.input_bytes = input_bytes;
  result.inflated_bytes = source.inflated_bytes();
  result.read_seconds = read_seconds;
  result.parse_seconds = parse_seconds;
  return result;
}

// The begin of the data, inflated if it is gzip.
Result<std::string> begin_of(const io::RandomAccessFile& file, std::string_view name) {
  constexpr std::size_t kBegin = 64 << 10;
  std::string begin(kBegin, '\0');
  InputBytes input(file, name);
  begin.resize(SHOPLAKE_TRY(input.read(begin.data(), begin.size())));
  return begin;
}

// "prices.csv.gz" is called "csv".
std::string extension(std::string_view name) {
  if (name.ends_with(".gz"))
    name.remove_suffix(3);
  const std::size_t dot = name.rfind('.');
  std::string lower(dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1));
  for (char& c : lower)
    c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return lower;
}

// Whether the first line has names of the contract's fields between delimiters.
bool names_fields(std::string_view begin, const contract::Contract& contract) {
  const std::string_view line = begin.substr(0, begin.find_first_of("\r\n"));
  const auto is_cell = [&](std::string_view name) {
    constexpr std::string_view kAround = ",;\t|\" ";
    for (std::size_t at = line.find(name); at != std::string_view::npos; at = line.find(name, at + 1)) {
      const std::size_t end = at + name.size();
      if ((at == 0 || kAround.find(line[at - 1]) != std::string_view::npos) &&
          (end == line.size() || kAround.find(line[end]) != std::string_view::npos))
        return true;
    }
    return false;
  };
  return std::any_of(contract.fields.begin(), contract.fields.end(), [&](const contract::Field& field) {
    return is_cell(field.name) || std::any_of(field.also.begin(), field.also.end(), is_cell);
  });
}

}  // namespace

Result<InputFormat> detect_format(const io::RandomAccessFile& file, std::string_view name,
                                  const contract::Contract& contract) {
  char magic[4] = {};
  const std::size_t got = SHOPLAKE_TRY(file.read(0, sizeof(magic), magic));
  const bool is_gzip = io::is_gzip(std::string_view(magic, got));
  const auto wrong = [&](std::string_view code, std::string_view what, std::string_view advice) {
    return make_error(ErrorKind::input, std::string(code), fmt::format("{} {}", name, what), std::string(advice));
  };
  auto read = begin_of(file, name);
  if (!read.ok() && read.error().kind != ErrorKind::input)
    return std::move(read).error();
  // What is damaged is told by who reads it.
  const std::string begin = read.ok() ? std::move(read).value() : std::string();
  if (begin.starts_with("PAR1")) {
    // Parquet inside gzip cannot be read in place and nobody writes it on purpose.
    if (is_gzip) {
      return wrong("transform.gzip_parquet", "is a Parquet file inside gzip",
                   "Unpack it first (gunzip); Parquet is compressed already.");
    }
    return InputFormat::parquet;
  }
  const std::string called = extension(name);
  if (called == "parquet" && !is_gzip) {
    return wrong("transform.not_parquet", "is no Parquet file: it does not begin with PAR1",
                 "Get the file again, or name it by what it is (.ndjson).");
  }
  if (begin.starts_with("\xFF\xFE") || begin.starts_with("\xFE\xFF"))
    return wrong("transform.utf16", "is UTF-16", "Save it as UTF-8 (iconv -f utf-16 -t utf-8).");
  if (begin.starts_with("PK\x03\x04"))
    return wrong("transform.archive", "is a ZIP archive or an Excel workbook", "Unpack it, or save the sheet as CSV.");
  const std::size_t bom = begin.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  const std::size_t first = begin.find_first_not_of(" \t\r\n", bom);
  const bool looks_like_json = first != std::string::npos && (begin[first] == '{' || begin[first] == '[');
  if (called == "csv" || called == "tsv" || called == "psv") {
    if (looks_like_json)
      return wrong("transform.not_csv", "is named as CSV, but begins as JSON does", "Name it by what it is (.ndjson).");
    return InputFormat::csv;
  }
  const bool says_json = called == "json" || called == "ndjson" || called == "jsonl";
  const bool is_csv = !looks_like_json && !says_json && (called == "txt" || names_fields(begin, contract));
  return is_csv ? InputFormat::csv : InputFormat::json;
}

RecordForm record_form(std::string_view name) {
  if (name.ends_with(".gz"))
    name.remove_suffix(3);
  return name.ends_with(".ndjson") || name.ends_with(".jsonl") ? RecordForm::lines : RecordForm::automatic;
}

void discard(io::Env& env, const TransformResult& result) {
  for (const DataFile& file : result.files)
    static_cast<void>(env.remove_file(file.path));
  for (const DataFile& file : result.quarantine_files)
    static_cast<void>(env.remove_file(file.path));
}

Result<TransformResult> transform(const io::RandomAccessFile& file, std::string_view name,
                                  const TransformOptions& options) {
  switch (SHOPLAKE_TRY(detect_format(file, name, *options.contract))) {
    case InputFormat::json: return transform_json(file, name, options);
    case InputFormat::csv: return transform_csv(file, name, options);
    case InputFormat::parquet: break;
  }
  Output output(options);
  ParquetReader reader(*options.contract, output.builder(), output.drift());
  const double begin = thread_seconds();
  ParquetReader::Callbacks callbacks;
  callbacks.on_rejection = [&](std::int64_t row, const Rejection& rejection, const std::string& record) {
    return output.reject(
        {rejection.reason, rejection.message, row, -1, static_cast<std::int64_t>(record.size()), record});
  };
  callbacks.on_progress = [&](std::uint64_t bytes) -> Result<void> {
    if (options.stop.stop_requested())
      return cancelled();
    if (options.progress != nullptr)
      options.progress->update(bytes);
    return output.outcome();
  };
  SHOPLAKE_TRY(reader.read(file, name, callbacks));
  const double parse_seconds = thread_seconds() - begin;
  TransformResult result = SHOPLAKE_TRY(output.finish(reader.accepted()));
  result.format = InputFormat::parquet;
  result.input_bytes = result.inflated_bytes = SHOPLAKE_TRY(file.size());
  result.parse_seconds = parse_seconds;
  return result;
}

struct LogTransform::State {
  State(EventFilter filter, TransformOptions given)
      : options(std::move(given)),
        output(options, Output::IngestedAt::by_record),
        reader(*options.contract, output.builder(), output.drift()) {
    output.builder().set_filter(std::move(filter));
  }

  Result<void> read(const Block& block) {
    Result<void> outcome;
    const auto reject = [&](const RecordSpan& span, const Rejection& rejection) {
      if (!outcome.ok())
        return;
      outcome = output.reject(
          {rejection.reason, rejection.message, block.first_line + span.line, offset_in_payload(block, span.offset),
           span.length, std::string_view(block.bytes.data() + span.offset, span.length), span.received_at_micros});
    };
    reader.read(block.bytes.data(), block.records, block.first_line, reject);
    SHOPLAKE_TRY(outcome);
    SHOPLAKE_TRY(reject_oversized(output, block.oversized, *options.contract));
    SHOPLAKE_TRY(output.outcome());
    input_bytes += block.bytes.size();
    return {};
  }

  TransformOptions options;
  Output output;
  JsonReader reader;
  Block block;
  std::uint64_t input_bytes = 0;
  double parse_seconds = 0;
};

LogTransform::LogTransform(EventFilter filter, TransformOptions options)
    : state_(std::make_unique<State>(std::move(filter), std::move(options))) {}

LogTransform::~LogTransform() = default;

Result<void> LogTransform::add(std::span<const LogRecord> records) {
  State& state = *state_;
  LogBlocks blocks(records, state.options.contract->record_bytes_max);
  const double begin = thread_seconds();
  while (blocks.next(state.block)) {
    if (state.options.stop.stop_requested())
      return cancelled();
    SHOPLAKE_TRY(state.read(state.block));
  }
  state.parse_seconds += thread_seconds() - begin;
  return {};
}

Result<TransformResult> LogTransform::finish() {
  State& state = *state_;
  TransformResult result = SHOPLAKE_TRY(state.output.finish(state.reader.accepted()));
  result.duplicates = state.reader.duplicates();
  result.input_bytes = result.inflated_bytes = state.input_bytes;
  result.parse_seconds = state.parse_seconds;
  return result;
}

}  // namespace shoplake::transform
