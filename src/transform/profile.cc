#include "transform/profile.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/moment.h"
#include "transform/block_source.h"
#include "transform/csv_source.h"
#include "transform/csv_tokenizer.h"
#include "transform/dictionary.h"
#include "transform/input_bytes.h"
#include "transform/number_text.h"
#include "transform/parquet_reader.h"
#include "transform/personal_data.h"
#include "transform/transform.h"

namespace shoplake::transform {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
namespace dom = simdjson::dom;

// Formats that are looked for in texts; of those that fit all values the first is taken.
constexpr std::array<std::string_view, 12> kFormats = {"%d/%m/%Y",          "%m/%d/%Y",          "%d.%m.%Y",
                                                       "%d-%b-%Y",          "%d/%m/%Y %H:%M",    "%m/%d/%Y %H:%M",
                                                       "%d.%m.%Y %H:%M",    "%Y/%m/%d %H:%M",    "%d/%m/%Y %H:%M:%S",
                                                       "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S"};

const std::vector<contract::MomentFormat>& formats() {
  static const std::vector<contract::MomentFormat> all = [] {
    std::vector<contract::MomentFormat> parsed;
    for (std::string_view format : kFormats)
      parsed.push_back(contract::MomentFormat::parse(format).value());
    return parsed;
  }();
  return all;
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         (text.find(':') != std::string::npos && inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1);
}

// "+49 30 1234567", "(030) 123-4567"
bool is_phone(std::string_view text) {
  constexpr std::size_t kDigitsMin = 8;
  constexpr std::size_t kDigitsMax = 15;
  std::size_t digits = 0;
  std::size_t others = 0;
  for (char c : text) {
    if (is_digit(c)) {
      ++digits;
    } else if (std::string_view("+-() ./").find(c) != std::string_view::npos) {
      ++others;
    } else {
      return false;
    }
  }
  return digits >= kDigitsMin && digits <= kDigitsMax && others > 0 &&
         (text[0] == '+' || text[0] == '0' || text[0] == '(');
}

void add_number(ValueProfile& profile, std::string_view text) {
  const std::string_view unsigned_text = text.substr(text.starts_with('-') || text.starts_with('+') ? 1 : 0);
  const std::size_t point = unsigned_text.find('.');
  const bool has_exponent = unsigned_text.find_first_of("eE") != std::string_view::npos;
  ++profile.numbers;
  std::int64_t integer = 0;
  profile.integers += to_integer(text, integer) ? 1 : 0;
  profile.exponents += has_exponent ? 1 : 0;
  if (has_exponent)
    return;
  const std::size_t digits = point == std::string_view::npos ? unsigned_text.size() : point;
  profile.integer_digits = std::max(profile.integer_digits, static_cast<int>(digits));
  std::string_view fraction = point == std::string_view::npos ? std::string_view() : unsigned_text.substr(point + 1);
  while (fraction.ends_with('0'))
    fraction.remove_suffix(1);
  profile.scale = std::max(profile.scale, static_cast<int>(fraction.size()));
}

void add_moments(ValueProfile& profile, std::string_view text) {
  if (base::parse_date(text)) {
    ++(text.size() == 8 ? profile.compact_dates : profile.dates);
    return;
  }
  if (base::parse_timestamp(text)) {
    ++profile.timestamps;
    return;
  }
  if (text.empty() || !is_digit(text[0]))
    return;
  for (const contract::MomentFormat& format : formats()) {
    if (format.micros(text))
      ++profile.formats[format.text()];
  }
}

}  // namespace

void ValueProfile::add_text(std::string_view text) {
  ++values;
  length_max = std::max(length_max, code_points(text));
  if (is_distinct && is_distinct_known) {
    is_distinct_known = hashes.size() < kProfileDistinctMax;
    is_distinct = !is_distinct_known || hashes.insert(hash_text(text.data(), text.size())).second;
    if (!is_distinct || !is_distinct_known)
      hashes.clear();
  }
  if (has_all_examples && !examples.contains(std::string(text))) {
    if (examples.size() >= kProfileExamplesMax) {
      has_all_examples = false;
      examples.clear();
    } else {
      examples.emplace(text);
    }
  }
  bool is_integer = false;
  if (!text.empty() && scan_number(text.data(), text.data() + text.size(), is_integer) == text.data() + text.size())
    add_number(*this, text);
  const bool is_padded =
      text.size() > 1 && text[0] == '0' && std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c); });
  leading_zeros += is_padded ? 1 : 0;
  booleans += text == "true" || text == "false" || text == "TRUE" || text == "FALSE" ? 1 : 0;
  add_moments(*this, text);
  std::string scratch;
  const std::string_view masked = treated(text, contract::Treatment::mask, scratch);
  emails += masked == kMaskedEmail ? 1 : 0;
  texts_with_email += masked != text ? 1 : 0;
  addresses += is_address(std::string(text)) ? 1 : 0;
  phones += is_phone(text) ? 1 : 0;
}

FieldProfile& FieldProfile::field(std::string_view field_name) {
  for (const auto& known : fields) {
    if (known->name == field_name)
      return *known;
  }
  fields.push_back(std::make_unique<FieldProfile>());
  fields.back()->name = field_name;
  return *fields.back();
}

namespace {

// --- JSON ---

class JsonProfiler {
 public:
  explicit JsonProfiler(Profile& profile) : profile_(profile) {}

  void add(std::string_view text) {
    dom::element element;
    if (parser_.parse(text.data(), text.size()).get(element) != simdjson::SUCCESS) {
      ++profile_.malformed;
      return;
    }
    dom::array array;
    if (element.get(array) == simdjson::SUCCESS) {
      for (dom::element item : array)
        add_record(item);
      return;
    }
    add_record(element);
  }

 private:
  void add_record(dom::element element) {
    if (!element.is_object()) {
      ++profile_.malformed;
      return;
    }
    ++profile_.records;
    add_object(element, profile_.root, 1);
  }

  void add_object(dom::element element, FieldProfile& into, int depth) {
    ++into.structures;
    for (const auto& [key, value] : dom::object(element)) {
      if (into.fields.size() >= kProfileFieldsMax || depth > kProfileDepthMax)
        return;
      FieldProfile& field = into.field(key);
      ++field.records;
      add_value(value, field, depth);
    }
  }

  void add_value(dom::element value, FieldProfile& field, int depth) {
    switch (value.type()) {
      case dom::element_type::OBJECT: add_object(value, field, depth + 1); break;
      case dom::element_type::ARRAY:
        ++field.lists;
        if (!field.element)
          field.element = std::make_unique<FieldProfile>();
        for (dom::element item : dom::array(value)) {
          ++field.element->records;
          add_value(item, *field.element, depth + 1);
        }
        break;
      case dom::element_type::STRING: field.values.add_text(std::string_view(value)); break;
      case dom::element_type::BOOL: field.values.add_text(bool(value) ? "true" : "false"); break;
      case dom::element_type::NULL_VALUE: break;
      default: field.values.add_text(simdjson::minify(value)); break;
    }
  }

  Profile& profile_;
  dom::parser parser_;
};

Result<void> add_json(Profile& profile, const io::RandomAccessFile& file, std::string_view name) {
  BlockSource source(file, name, record_form(name), contract::kRecordBytesMaxDefault);
  JsonProfiler profiler(profile);
  Block block;
  std::int64_t records = 0;
  while (records < kProfileRecordsMax && source.inflated_bytes() < kProfileBytesMax &&
         SHOPLAKE_TRY(source.next(block))) {
    for (const RecordSpan& span : block.records) {
      profiler.add({block.bytes.data() + span.offset, span.length});
      ++records;
    }
  }
  return {};
}

// --- CSV ---

// The delimiter under which the most records have the same number of cells, more than one.
char find_delimiter(const std::string& text, bool is_all) {
  char best = ',';
  std::size_t most = 0;
  for (const char delimiter : {',', ';', '\t', '|'}) {
    CsvTokens tokens;
    CsvTokenizer({delimiter, '"', false}).split(text.data(), text.size() - CsvTokenizer::kPadding, is_all, tokens);
    if (tokens.records.empty() || tokens.records.front().field_count < 2)
      continue;
    const std::uint32_t cells = tokens.records.front().field_count;
    const auto alike = static_cast<std::size_t>(std::count_if(
        tokens.records.begin(), tokens.records.end(), [&](const CsvRecord& r) { return r.field_count == cells; }));
    const std::size_t score = alike * 100 / tokens.records.size() * 1'000 + cells;
    if (score > most) {
      most = score;
      best = delimiter;
    }
  }
  return best;
}

// A contract that has one field of text for each column: enough to read a CSV file by.
contract::Contract contract_of(const std::vector<std::string>& columns, char delimiter) {
  contract::Contract contract;
  contract.csv.delimiter = delimiter;
  contract.record_bytes_max = contract::kRecordBytesMaxDefault;
  for (const std::string& column : columns) {
    contract::Field field;
    field.name = column;
    contract.fields.push_back(std::move(field));
  }
  return contract;
}

void add_csv_block(Profile& profile, const CsvBlock& block, const std::vector<std::string>& columns) {
  std::string text;
  for (const CsvRecord& record : block.tokens.records) {
    if (record.problem != CsvRecord::Problem::none || record.field_count != columns.size()) {
      ++profile.malformed;
      continue;
    }
    ++profile.records;
    for (std::size_t column = 0; column < columns.size(); ++column) {
      const CsvField& cell = block.tokens.fields[record.first_field + column];
      FieldProfile& field = profile.root.field(columns[column]);
      ++field.records;
      if (cell.size == 0)
        continue;
      text.clear();
      append_utf8({block.bytes.data() + cell.begin, cell.size}, block.encoding, text);
      field.values.add_text(text);
    }
  }
}

Result<void> add_csv(Profile& profile, const io::RandomAccessFile& file, std::string_view name,
                     const std::string& begin, bool is_all) {
  profile.is_csv = true;
  profile.delimiter = find_delimiter(begin, is_all);
  CsvTokens tokens;
  const std::size_t bom = begin.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  CsvTokenizer({profile.delimiter, '"', false})
      .split(begin.data() + bom, begin.size() - bom - CsvTokenizer::kPadding, is_all, tokens);
  std::vector<std::string> columns;
  if (!tokens.records.empty()) {
    const CsvRecord& header = tokens.records.front();
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(header.field_count, kProfileFieldsMax); ++i) {
      const CsvField& cell = tokens.fields[header.first_field + i];
      columns.emplace_back(begin.substr(bom + cell.begin, cell.size));
    }
  }
  const contract::Contract contract = contract_of(columns, profile.delimiter);
  CsvSource source(file, name, contract);
  const CsvFormat format = SHOPLAKE_TRY(source.open());
  CsvBlock block;
  const std::int64_t before = profile.records;
  while (profile.records - before < kProfileRecordsMax && source.inflated_bytes() < kProfileBytesMax &&
         SHOPLAKE_TRY(source.next(block)))
    add_csv_block(profile, block, format.columns);
  profile.encoding = transform::name(source.encoding());
  return {};
}

// --- Parquet ---

void add_columns(const std::vector<Column>& columns, FieldProfile& into) {
  for (const Column& column : columns) {
    FieldProfile& field = into.field(column.name);
    field.type = column.type;
    field.decimal = column.decimal;
    if (column.type == contract::Type::structure) {
      ++field.structures;
      add_columns(column.children, field);
    } else if (column.type == contract::Type::list) {
      ++field.lists;
      field.element = std::make_unique<FieldProfile>();
      field.element->type = column.children.front().type;
      field.element->decimal = column.children.front().decimal;
      field.element->structures = column.children.front().type == contract::Type::structure ? 1 : 0;
      add_columns(column.children.front().children, *field.element);
    }
  }
}

}  // namespace

Result<void> Profile::add(const io::RandomAccessFile& file, std::string_view name) {
  constexpr std::size_t kBegin = 256 << 10;
  char magic[4] = {};
  const std::size_t got = SHOPLAKE_TRY(file.read(0, sizeof(magic), magic));
  if (std::string_view(magic, got) == "PAR1") {
    const ParquetShape shape = SHOPLAKE_TRY(parquet_shape(file, name));
    add_columns(shape.columns, root);
    records += shape.rows;
    return {};
  }
  std::string begin(kBegin + CsvTokenizer::kPadding, '\0');
  InputBytes input(file, name);
  const std::size_t size = SHOPLAKE_TRY(input.read(begin.data(), kBegin));
  begin.resize(size + CsvTokenizer::kPadding);
  const std::size_t first = begin.find_first_not_of(" \t\r\n", begin.starts_with("\xEF\xBB\xBF") ? 3 : 0);
  if (first >= size) {
    return make_error(ErrorKind::input, "profile.no_records", fmt::format("{} is empty", name),
                      "A contract is drafted from files that have records.");
  }
  const std::int64_t before = records;
  if (begin[first] == '{' || begin[first] == '[') {
    SHOPLAKE_TRY(add_json(*this, file, name));
  } else {
    SHOPLAKE_TRY(add_csv(*this, file, name, begin, size < kBegin));
  }
  if (records == before) {
    return make_error(ErrorKind::input, "profile.no_records", fmt::format("{} has no record that can be read", name),
                      "A contract is drafted from CSV, JSON, NDJSON and Parquet files.");
  }
  return {};
}

}  // namespace shoplake::transform
