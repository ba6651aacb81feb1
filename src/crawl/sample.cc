#include "crawl/sample.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <set>
#include <vector>

#include <simdjson.h>

#include "io/inflate.h"

namespace shoplake::crawl {
namespace {

constexpr std::string_view kParquetMagic = "PAR1";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::array kDelimiters = {',', ';', '\t', '|'};

// ── JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Type type_of(const simdjson::dom::element& value, int depth);

Type type_of_object(const simdjson::dom::object& object, int depth) {
  std::vector<catalog::Field> fields;
  std::vector<Conflict> ignored;
  for (const auto [key, value] : object) {
    const Type type = type_of(value, depth + 1);
    const auto same = std::find_if(fields.begin(), fields.end(),
                                   [&, name = std::string_view(key)](const auto& field) { return field.name == name; });
    if (same != fields.end()) {
      same->type = merge_types(same->type, type, "", ignored);
    } else {
      fields.push_back({0, std::string(key), type, false, ""});
    }
  }
  return Type::structure(std::move(fields));
}

Type type_of(const simdjson::dom::element& value, int depth) {
  if (depth > kTypeDepthMax) {
    return Type::primitive("string");
  }
  switch (value.type()) {
    case simdjson::dom::element_type::OBJECT: return type_of_object(simdjson::dom::object(value), depth);
    case simdjson::dom::element_type::ARRAY: {
      Type element = unknown_type();
      std::vector<Conflict> ignored;
      for (const simdjson::dom::element item : simdjson::dom::array(value)) {
        element = merge_types(element, type_of(item, depth + 1), "", ignored);
      }
      return Type::list(std::move(element));
    }
    case simdjson::dom::element_type::INT64: return Type::primitive("long");
    case simdjson::dom::element_type::UINT64: return Type::primitive("decimal(20,0)");
    case simdjson::dom::element_type::DOUBLE: return Type::primitive("double");
    case simdjson::dom::element_type::STRING: return Type::primitive("string");
    case simdjson::dom::element_type::BOOL: return Type::primitive("boolean");
    case simdjson::dom::element_type::NULL_VALUE: break;
  }
  return unknown_type();
}

// Cuts the objects out of NDJSON, of an array, or of objects one after another: braces that no string holds.
std::vector<std::string_view> cut_objects(std::string_view bytes) {
  std::vector<std::string_view> objects;
  int depth = 0;
  std::size_t begin = 0;
  bool in_string = false;
  for (std::size_t index = 0; index < bytes.size() && objects.size() < kSampleRecordsMax; ++index) {
    const char c = bytes[index];
    if (in_string) {
      index += c == '\\' ? 1 : 0;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' && depth++ == 0) {
      begin = index;
    } else if (c == '}' && depth > 0 && --depth == 0) {
      objects.push_back(bytes.substr(begin, index + 1 - begin));
    }
  }
  return objects;
}

Sample sample_json(std::string_view bytes) {
  Sample sample;
  simdjson::dom::parser parser;
  std::int64_t damaged = 0;
  for (const std::string_view text : cut_objects(bytes)) {
    simdjson::dom::object object;
    if (parser.parse(text.data(), text.size()).get(object) != simdjson::SUCCESS) {
      ++damaged;
      continue;
    }
    Columns columns;
    for (const catalog::Field& field : type_of_object(object, 0).fields) {
      columns.push_back({field.name, field.type});
    }
    sample.columns = merge_columns(sample.columns, columns, sample.conflicts);
    ++sample.records;
  }
  if (sample.records == 0) {
    sample.problem = damaged > 0 ? "its first records are no valid JSON" : "it holds no whole JSON object at its begin";
    return sample;
  }
  sample.format = bytes.front() == '[' ? Format::json_array : Format::ndjson;
  return sample;
}

// ── CSV ───────────────────────────────────────────────────────────────────────────────────────────────────────────

using Record = std::vector<std::string>;

// Records by RFC 4180; a last one that may be cut is left out unless `is_whole`.
std::vector<Record> cut_records(std::string_view bytes, char delimiter, bool is_whole) {
  std::vector<Record> records;
  Record record;
  std::string cell;
  bool quoted = false;
  const auto end_cell = [&] {
    record.push_back(std::move(cell));
    cell.clear();
  };
  for (std::size_t index = 0; index < bytes.size() && records.size() < kSampleRecordsMax; ++index) {
    const char c = bytes[index];
    if (quoted) {
      if (c != '"') {
        cell.push_back(c);
      } else if (index + 1 < bytes.size() && bytes[index + 1] == '"') {
        cell.push_back('"');
        ++index;
      } else {
        quoted = false;
      }
    } else if (c == '"' && cell.empty()) {
      quoted = true;
    } else if (c == delimiter) {
      end_cell();
    } else if (c == '\n') {
      if (!cell.empty() && cell.back() == '\r') {
        cell.pop_back();
      }
      end_cell();
      if (record.size() > 1 || !record[0].empty()) {
        records.push_back(std::move(record));
      }
      record.clear();
    } else {
      cell.push_back(c);
    }
  }
  if (is_whole && !quoted && (!cell.empty() || !record.empty()) && records.size() < kSampleRecordsMax) {
    end_cell();
    records.push_back(std::move(record));
  }
  return records;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

bool is_date(std::string_view text) {
  return text.size() == 10 && text[4] == '-' && text[7] == '-' && all_digits(text.substr(0, 4)) &&
         all_digits(text.substr(5, 2)) && all_digits(text.substr(8, 2)) && text.substr(5, 2) <= "12" &&
         text.substr(8, 2) <= "31";
}

bool is_timestamp(std::string_view text) {
  return text.size() >= 16 && is_date(text.substr(0, 10)) && (text[10] == 'T' || text[10] == ' ') &&
         all_digits(text.substr(11, 2)) && text[13] == ':' && all_digits(text.substr(14, 2)) &&
         text.substr(16).find_first_not_of(":.0123456789") == std::string_view::npos;
}

Type type_of_text(std::string_view text) {
  if (text.empty()) {
    return unknown_type();
  }
  if (text == "true" || text == "false" || text == "True" || text == "False" || text == "TRUE" || text == "FALSE") {
    return Type::primitive("boolean");
  }
  const std::string_view digits = text[0] == '-' ? text.substr(1) : text;
  if (all_digits(digits)) {
    // A number that begins with a zero is a name: 007, a zip code.
    const bool is_name = digits.size() > 1 && digits[0] == '0';
    std::int64_t value = 0;
    const bool fits = std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
    return Type::primitive(is_name || !fits ? "string" : "long");
  }
  double real = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), real);
  if (code == std::errc() && end == text.data() + text.size() &&
      std::isdigit(static_cast<unsigned char>(text.back())) != 0) {
    return Type::primitive("double");
  }
  return Type::primitive(is_date(text) ? "date" : is_timestamp(text) ? "timestamp" : "string");
}

// The delimiter that cuts the first line into most cells, and other lines into as many.
std::optional<char> find_delimiter(std::string_view bytes, bool is_whole) {
  std::optional<char> best;
  std::size_t most = 1;
  for (const char delimiter : kDelimiters) {
    const std::vector<Record> records = cut_records(bytes, delimiter, is_whole);
    if (records.empty() || records[0].size() <= most) {
      continue;
    }
    const auto same = std::count_if(records.begin(), records.end(),
                                    [&](const Record& record) { return record.size() == records[0].size(); });
    if (static_cast<std::size_t>(same) * 10 >= records.size() * 9) {
      best = delimiter;
      most = records[0].size();
    }
  }
  return best;
}

bool is_header(const Record& record) {
  std::set<std::string> names;
  return std::all_of(record.begin(), record.end(), [&](const std::string& cell) {
    const std::string type = type_of_text(cell).name;
    return !cell.empty() && (type == "string" || type == "boolean") && names.insert(cell).second;
  });
}

Sample sample_csv(std::string_view bytes, bool is_whole) {
  Sample sample;
  const auto is_control = [](unsigned char c) { return c < 0x20 && c != '\n' && c != '\r' && c != '\t'; };
  if (std::any_of(bytes.begin(), bytes.end(), is_control)) {
    sample.problem = "it is neither JSON, CSV nor Parquet";
    return sample;
  }
  const auto delimiter = find_delimiter(bytes, is_whole);
  if (!delimiter) {
    sample.problem = "it is neither JSON nor Parquet, and no delimiter cuts its lines into equally many cells";
    return sample;
  }
  const std::vector<Record> records = cut_records(bytes, *delimiter, is_whole);
  sample.format = Format::csv;
  sample.delimiter = *delimiter;
  sample.has_header = is_header(records[0]);
  for (std::size_t index = 0; index < records[0].size(); ++index) {
    sample.columns.push_back(
        {sample.has_header ? records[0][index] : "column" + std::to_string(index), unknown_type()});
  }
  for (std::size_t row = sample.has_header ? 1 : 0; row < records.size(); ++row) {
    ++sample.records;
    for (std::size_t index = 0; index < std::min(records[row].size(), sample.columns.size()); ++index) {
      sample.columns[index].type = merge_types(sample.columns[index].type, type_of_text(records[row][index]),
                                               sample.columns[index].name, sample.conflicts);
    }
  }
  return sample;
}

constexpr std::pair<Format, std::string_view> kFormatNames[] = {{Format::unknown, "unknown"},
                                                                {Format::ndjson, "ndjson"},
                                                                {Format::json_array, "json"},
                                                                {Format::csv, "csv"},
                                                                {Format::parquet, "parquet"}};

// Damage after the bytes that are wanted does no harm here.
Result<std::string> inflate_begin(const io::RandomAccessFile& file, const std::string& path, bool& is_whole) {
  std::string bytes(kSampleBytesMax, '\0');
  io::Inflater inflater(file, path);
  std::size_t size = 0;
  is_whole = false;
  while (size < bytes.size()) {
    const auto more = inflater.read(bytes.data() + size, bytes.size() - size);
    if (!more.ok() && more.error().kind != base::ErrorKind::input) {
      return more.error();
    }
    if (!more.ok() || *more == 0) {
      is_whole = more.ok();
      break;
    }
    size += *more;
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace

std::string_view name(Format format) {
  for (const auto& [value, text] : kFormatNames) {
    if (value == format) {
      return text;
    }
  }
  return "unknown";
}

Format format_named(std::string_view name) {
  for (const auto& [value, text] : kFormatNames) {
    if (text == name) {
      return value;
    }
  }
  return Format::unknown;
}

Sample sample_bytes(std::string_view bytes, bool is_whole) {
  if (bytes.starts_with(kByteOrderMark)) {
    bytes.remove_prefix(kByteOrderMark.size());
  }
  while (!bytes.empty() && std::isspace(static_cast<unsigned char>(bytes.front())) != 0) {
    bytes.remove_prefix(1);
  }
  Sample sample;
  if (bytes.empty()) {
    sample.problem = "it is empty";
    return sample;
  }
  if (bytes.starts_with(kParquetMagic)) {
    sample.format = Format::parquet;
    return sample;
  }
  return bytes.front() == '{' || bytes.front() == '[' ? sample_json(bytes) : sample_csv(bytes, is_whole);
}

Result<Sample> sample_object(io::Env& env, const std::string& path) {
  const auto file = SHOPLAKE_TRY(env.open_file(path));
  std::string bytes(kSampleBytesMax, '\0');
  bytes.resize(SHOPLAKE_TRY(file->read(0, bytes.size(), bytes.data())));
  bool is_whole = bytes.size() < kSampleBytesMax;
  const bool is_gzip = io::is_gzip(bytes);
  if (is_gzip) {
    bytes = SHOPLAKE_TRY(inflate_begin(*file, path, is_whole));
  }
  Sample sample = sample_bytes(bytes, is_whole);
  sample.is_gzip = is_gzip;
  if (is_gzip && sample.format == Format::parquet) {
    sample.format = Format::unknown;
    sample.problem = "it is Parquet in gzip, which no engine reads";
  }
  return sample;
}

}  // namespace shoplake::crawl
