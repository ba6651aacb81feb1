#include "transform/parquet_concatenation.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "transform/compact_reader.h"
#include "transform/encoding.h"
#include "transform/parquet_format.h"

namespace shoplake::transform {
namespace {

constexpr std::uint64_t kTailBytes = 8;  // length of the footer, magic
constexpr std::uint64_t kFooterBytesMax = 64 << 20;
constexpr std::size_t kCopyBytes = 4 << 20;
constexpr std::int32_t kVersion = 2;

// Field ids of parquet.thrift.
namespace file_field {
constexpr std::int16_t kVersion = 1, kSchema = 2, kRows = 3, kRowGroups = 4, kCreatedBy = 6, kColumnOrders = 7,
                       kEncryption = 8, kSigningKey = 9;
}
namespace element_field {
constexpr std::int16_t kRepetition = 3, kName = 4, kConvertedType = 6, kLogicalType = 10;
}
namespace converted_type {
constexpr std::int64_t kNone = -1, kTimeMillis = 7, kTimestampMicros = 10, kInt32 = 17, kInt64 = 18;
}
namespace group_field {
constexpr std::int16_t kColumns = 1, kOffset = 5, kOrdinal = 7;
}
namespace chunk_field {
constexpr std::int16_t kPath = 1, kOffset = 2, kMetadata = 3, kOffsetIndexOffset = 4, kColumnIndexLength = 7,
                       kCrypto = 8, kEncryptedMetadata = 9;
}
namespace column_field {
constexpr std::int16_t kDataPage = 9, kIndexPage = 10, kDictionaryPage = 11, kBloomFilter = 14;
}

base::Error damaged(const std::string& path, const std::string& why) {
  return base::make_error(base::ErrorKind::input, "parquet.damaged",
                          fmt::format("{} is no whole Parquet file: {}", path, why),
                          "Take a copy of it from before, or remove it from its table.");
}

base::Error not_alike(const std::string& path, const std::string& why) {
  return base::make_error(base::ErrorKind::input, "parquet.not_alike",
                          fmt::format("{} cannot be joined to others as it is: {}", path, why));
}

Result<std::string> read_bytes(const io::RandomAccessFile& file, const std::string& path, std::uint64_t offset,
                               std::uint64_t size) {
  std::string bytes(size, '\0');
  if (SHOPLAKE_TRY(file.read(offset, size, bytes.data())) != size)
    return damaged(path, "it became shorter while it was read");
  return bytes;
}

// Appends what readers make of an element of a schema, so that the files of two writers compare.
void append_signature(CompactReader& in, bool is_root, std::string& signature) {
  std::int64_t converted = converted_type::kNone;
  std::string_view logical;
  std::int16_t last = 0;
  for (auto field = in.field(0); field.type != CompactType::stop; field = in.field(last)) {
    last = field.id;
    if (field.id == element_field::kConvertedType) {
      converted = in.integer();
      continue;
    }
    const std::string_view value = in.skip(field.type);
    // Of the root these say nothing; DuckDB gives it a repetition, others do not.
    const bool is_idle = is_root && (field.id == element_field::kName || field.id == element_field::kRepetition);
    if (field.id == element_field::kLogicalType)
      logical = value;
    else if (!is_idle)
      signature.append(fmt::format("{}:", field.id)).append(value).append(";");
  }
  // Some writers say of a plain integer that it is one: that is nothing to say.
  if (converted == converted_type::kInt32 || converted == converted_type::kInt64) {
    converted = converted_type::kNone;
    logical = {};
  }
  if (converted != converted_type::kNone)
    signature.append(fmt::format("converted:{};", converted));
  // The older kind of annotation says it all but for times, which may be local ones.
  const bool is_time = converted >= converted_type::kTimeMillis && converted <= converted_type::kTimestampMicros;
  if (converted == converted_type::kNone || is_time)
    signature.append("logical:").append(logical).append(";");
}

// Of a schema; none: it cannot be read.
std::optional<std::string> schema_signature(std::string_view schema) {
  CompactReader in(schema);
  const CompactReader::List elements = in.list();
  if (elements.type != CompactType::structure)
    return std::nullopt;
  std::string signature;
  for (std::uint32_t index = 0; index < elements.size && !in.failed(); ++index) {
    append_signature(in, index == 0, signature);
    signature += '\n';
  }
  return in.failed() ? std::nullopt : std::optional(std::move(signature));
}

// Writes the row groups of one footer with their places moved. What is not known is copied.
class RowGroupMover {
 public:
  // Places in the file are up to `end_of_data`; `distance` is added to them.
  RowGroupMover(CompactReader& in, CompactWriter& out, std::int64_t end_of_data, std::int64_t distance)
      : in_(in), out_(out), end_of_data_(end_of_data), distance_(distance) {}

  // Appends where each of them begins now.
  void move(std::uint32_t count, std::vector<std::int64_t>& starts) {
    for (std::uint32_t index = 0; index < count && !in_.failed(); ++index) {
      start_ = 0;
      structure(&RowGroupMover::row_group);
      starts.push_back(start_);
    }
  }

  // Why the file cannot be joined, though it is whole; empty: it can.
  const std::string& refusal() const { return refusal_; }

 private:
  enum class What { copy, leave_out, offset, page_offset, columns, metadata };

  static What row_group(std::int16_t id) {
    switch (id) {
      case group_field::kColumns: return What::columns;
      case group_field::kOffset: return What::offset;
      case group_field::kOrdinal: return What::leave_out;  // says what the order says
      default: return What::copy;
    }
  }
  static What column_chunk(std::int16_t id) {
    if (id == chunk_field::kOffset)
      return What::offset;
    if (id == chunk_field::kMetadata)
      return What::metadata;
    return id >= chunk_field::kOffsetIndexOffset && id <= chunk_field::kColumnIndexLength ? What::leave_out
                                                                                          : What::copy;
  }
  static What column_metadata(std::int16_t id) {
    switch (id) {
      case column_field::kDataPage:
      case column_field::kDictionaryPage: return What::page_offset;
      case column_field::kIndexPage:
      case column_field::kBloomFilter: return What::offset;
      default: return What::copy;
    }
  }

  void structure(What (*what_of)(std::int16_t id)) {
    out_.begin_struct();
    std::int16_t last = 0;
    for (auto field = in_.field(0); field.type != CompactType::stop; field = in_.field(last)) {
      last = field.id;
      const What what = what_of(field.id);
      if (what_of == &RowGroupMover::column_chunk)
        look_for_refusal(field.id);
      if (what == What::leave_out) {
        (void)in_.skip(field.type);
        continue;
      }
      value(field, what);
    }
    out_.end_struct();
  }

  void value(const CompactReader::Field& field, What what) {
    if (what == What::columns) {
      expect(field, CompactType::list);
      const CompactReader::List chunks = in_.list();
      if (chunks.size > 0 && chunks.type != CompactType::structure)
        in_.fail();
      out_.field_list(field.id, CompactWriter::kStruct, chunks.size);
      for (std::uint32_t index = 0; index < chunks.size && !in_.failed(); ++index)
        structure(&RowGroupMover::column_chunk);
      return;
    }
    out_.field(field.id, static_cast<int>(field.type));
    if (what == What::metadata) {
      expect(field, CompactType::structure);
      structure(&RowGroupMover::column_metadata);
    } else if (what == What::copy) {
      out_.bytes(in_.skip(field.type));
    } else {
      expect(field, CompactType::i64);
      const std::int64_t moved = offset();
      out_.zigzag(moved);
      if (what == What::page_offset && moved > 0 && (start_ == 0 || moved < start_))
        start_ = moved;
    }
  }

  void expect(const CompactReader::Field& field, CompactType type) {
    if (field.type != type)
      in_.fail();
  }

  // Some writers put 0 where they do not say.
  std::int64_t offset() {
    const std::int64_t value = in_.integer();
    if (value < 0 || value > end_of_data_ || (value > 0 && value < static_cast<std::int64_t>(kMagic.size())))
      in_.fail();
    return value == 0 ? 0 : value + distance_;
  }

  void look_for_refusal(std::int16_t id) {
    if (id == chunk_field::kPath)
      refusal_ = "its columns lie in another file";
    if (id == chunk_field::kCrypto || id == chunk_field::kEncryptedMetadata)
      refusal_ = "it is encrypted";
  }

  CompactReader& in_;
  CompactWriter& out_;
  const std::int64_t end_of_data_;
  const std::int64_t distance_;
  std::int64_t start_ = 0;  // of the running row group's first page, moved
  std::string refusal_;
};

}  // namespace

struct ParquetConcatenation::File {
  std::string path;
  std::unique_ptr<io::RandomAccessFile> file;
  std::int64_t end_of_data = 0;  // where the footer begins
  std::string footer;
  // Of the footer:
  std::int64_t rows = 0;
  std::string schema;     // as bytes
  std::string signature;  // of the schema
  std::string created_by;
  std::string column_orders;
  std::uint32_t row_groups = 0;
  std::size_t row_groups_begin = 0;  // of the elements
  std::size_t row_groups_end = 0;

  Result<void> read();
  Result<void> parse();
};

Result<void> ParquetConcatenation::File::read() {
  const std::uint64_t size = SHOPLAKE_TRY(file->size());
  if (size < kMagic.size() + kTailBytes)
    return damaged(path, fmt::format("it has {} bytes", size));
  const std::string tail = SHOPLAKE_TRY(read_bytes(*file, path, size - kTailBytes, kTailBytes));
  if (tail.substr(4) == "PARE")
    return not_alike(path, "it is encrypted");
  if (tail.substr(4) != kMagic)
    return damaged(path, "it does not end with PAR1");
  std::uint64_t footer_bytes = 0;
  for (int byte = 3; byte >= 0; --byte)
    footer_bytes = footer_bytes << 8 | static_cast<std::uint8_t>(tail[static_cast<std::size_t>(byte)]);
  if (footer_bytes > size - kMagic.size() - kTailBytes)
    return damaged(path, "its footer is said to be longer than the file");
  if (footer_bytes > kFooterBytesMax)
    return not_alike(path, fmt::format("its footer has {} bytes", footer_bytes));
  end_of_data = static_cast<std::int64_t>(size - kTailBytes - footer_bytes);
  footer = SHOPLAKE_TRY(read_bytes(*file, path, static_cast<std::uint64_t>(end_of_data), footer_bytes));
  return parse();
}

Result<void> ParquetConcatenation::File::parse() {
  CompactReader in(footer);
  std::string refusal;
  std::int16_t last = 0;
  for (auto field = in.field(0); field.type != CompactType::stop; field = in.field(last)) {
    last = field.id;
    switch (field.id) {
      case file_field::kSchema: schema = in.skip(field.type); break;
      case file_field::kRows: rows = in.integer(); break;
      case file_field::kCreatedBy: created_by = in.skip(field.type); break;
      case file_field::kColumnOrders: column_orders = in.skip(field.type); break;
      case file_field::kEncryption:
      case file_field::kSigningKey:
        refusal = "it is encrypted";
        (void)in.skip(field.type);
        break;
      case file_field::kRowGroups: {
        const CompactReader::List groups = in.list();
        row_groups = groups.size;
        row_groups_begin = in.position();
        for (std::uint32_t index = 0; index < groups.size && !in.failed(); ++index)
          (void)in.skip(groups.type);
        row_groups_end = in.position();
        if (groups.size > 0 && groups.type != CompactType::structure)
          in.fail();
        break;
      }
      default: (void)in.skip(field.type);
    }
  }
  auto signed_as = in.failed() ? std::nullopt : schema_signature(schema);
  if (!signed_as || rows < 0)
    return damaged(path, "its footer cannot be read");
  signature = std::move(*signed_as);
  if (!refusal.empty())
    return not_alike(path, refusal);
  return {};
}

ParquetConcatenation::ParquetConcatenation(std::vector<File> files) : files_(std::move(files)) {}
ParquetConcatenation::ParquetConcatenation(ParquetConcatenation&&) noexcept = default;
ParquetConcatenation::~ParquetConcatenation() = default;

Result<ParquetConcatenation> ParquetConcatenation::open(io::Env& env, std::span<const std::string> paths) {
  SHOPLAKE_CHECK(!paths.empty());
  std::vector<File> files;
  for (const std::string& path : paths) {
    File file;
    file.path = path;
    file.file = SHOPLAKE_TRY(env.open_file(path));
    SHOPLAKE_TRY(file.read());
    if (!files.empty() && (file.signature != files[0].signature || file.column_orders != files[0].column_orders))
      return not_alike(path, "its columns are not those of " + files[0].path);
    files.push_back(std::move(file));
  }
  return ParquetConcatenation(std::move(files));
}

std::int64_t ParquetConcatenation::rows() const {
  std::int64_t rows = 0;
  for (const File& file : files_)
    rows += file.rows;
  return rows;
}

std::int64_t ParquetConcatenation::row_groups() const {
  std::int64_t groups = 0;
  for (const File& file : files_)
    groups += file.row_groups;
  return groups;
}

Result<ParquetConcatenation::Written> ParquetConcatenation::write(io::Env& env, const std::string& path) const {
  Written written;
  // The footer first: that a file cannot be joined is told before a byte is written.
  Buffer<char> footer;
  CompactWriter out(footer);
  out.begin_struct();
  out.field_i32(file_field::kVersion, kVersion);
  out.field(file_field::kSchema, static_cast<int>(CompactType::list));
  out.bytes(files_[0].schema);
  out.field_i64(file_field::kRows, rows());
  out.field_list(file_field::kRowGroups, CompactWriter::kStruct, static_cast<std::size_t>(row_groups()));
  auto end = static_cast<std::int64_t>(kMagic.size());
  for (const File& file : files_) {
    const std::string_view elements =
        std::string_view(file.footer).substr(file.row_groups_begin, file.row_groups_end - file.row_groups_begin);
    CompactReader in(elements);
    RowGroupMover mover(in, out, file.end_of_data, end - static_cast<std::int64_t>(kMagic.size()));
    mover.move(file.row_groups, written.split_offsets);
    if (in.failed() || in.position() != elements.size())
      return damaged(file.path, "its footer names places that are not in it");
    if (!mover.refusal().empty())
      return not_alike(file.path, mover.refusal());
    end += file.end_of_data - static_cast<std::int64_t>(kMagic.size());
  }
  if (!std::is_sorted(written.split_offsets.begin(), written.split_offsets.end()))
    written.split_offsets.clear();
  const bool same_writer = std::all_of(files_.begin(), files_.end(),
                                       [&](const File& file) { return file.created_by == files_[0].created_by; });
  if (same_writer && !files_[0].created_by.empty()) {
    out.field(file_field::kCreatedBy, CompactWriter::kBinary);
    out.bytes(files_[0].created_by);
  }
  if (!files_[0].column_orders.empty()) {
    out.field(file_field::kColumnOrders, static_cast<int>(CompactType::list));
    out.bytes(files_[0].column_orders);
  }
  out.end_struct();
  const auto footer_bytes = static_cast<std::uint32_t>(footer.size());
  for (int shift = 0; shift < 32; shift += 8)
    footer.push_back(static_cast<char>(footer_bytes >> shift & 0xFF));
  footer.append(kMagic.data(), kMagic.size());

  const auto target = SHOPLAKE_TRY(env.create_file(path));
  SHOPLAKE_TRY(target->append(kMagic));
  std::string buffer(kCopyBytes, '\0');
  for (const File& file : files_) {
    for (auto at = static_cast<std::int64_t>(kMagic.size()); at < file.end_of_data;) {
      const std::size_t wanted = std::min(static_cast<std::size_t>(file.end_of_data - at), buffer.size());
      if (SHOPLAKE_TRY(file.file->read(static_cast<std::uint64_t>(at), wanted, buffer.data())) != wanted)
        return damaged(file.path, "it became shorter while it was read");
      SHOPLAKE_TRY(target->append(std::string_view(buffer).substr(0, wanted)));
      at += static_cast<std::int64_t>(wanted);
    }
  }
  SHOPLAKE_TRY(target->append(std::string_view(footer.data(), footer.size())));
  SHOPLAKE_TRY(target->close());
  written.size_bytes = end + static_cast<std::int64_t>(footer.size());
  return written;
}

}  // namespace shoplake::transform
