#include "transform/csv_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

#include <fmt/format.h>
#include <simdjson.h>

#include "base/moment.h"
#include "transform/number_text.h"
#include "transform/value_checks.h"

namespace shoplake::transform {

namespace {

using Encoding = contract::CsvOptions::Encoding;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

bool equals_word(std::string_view text, std::string_view lower_word) {
  return std::equal(text.begin(), text.end(), lower_word.begin(), lower_word.end(),
                    [](char c, char lower) { return (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) == lower; });
}

// The moment that a column had last: invoices have many lines.
class LastMoment {
 public:
  bool is(std::string_view text) const { return text.size() == size_ && std::memcmp(text.data(), text_, size_) == 0; }
  void set(std::string_view text, std::int64_t value) {
    size_ = text.size() <= sizeof(text_) ? text.size() : kNone;
    if (size_ != kNone)
      std::memcpy(text_, text.data(), size_);
    value_ = value;
  }
  std::int64_t value() const { return value_; }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  char text_[32] = {};
  std::size_t size_ = kNone;
  std::int64_t value_ = 0;
};

}  // namespace

struct CsvReader::State {
  struct Column {
    std::string name;
    int node = -1;  // -1: the contract does not name it
    bool required = false;
    std::int64_t unknown_values = 0;
    LastMoment moment;
  };

  State(const contract::Contract& given_contract, const CsvFormat& format, RecordBuilder& given_builder)
      : contract(given_contract),
        builder(given_builder),
        layout(given_builder.layout()),
        checks(layout),
        days(layout.partition_by),
        quote(format.dialect.quote),
        has_spelling(contract.csv.numbers.point != '.' || contract.csv.numbers.thousands != '\0'),
        keeps_unknown(contract.unknown_fields_treatment != contract::Treatment::drop) {
    for (const std::string& name : format.columns) {
      Column& column = columns.emplace_back();
      column.name = name;
      for (std::size_t field = 0; field < contract.fields.size(); ++field) {
        const contract::Field& known = contract.fields[field];
        if (known.name != name && std::find(known.also.begin(), known.also.end(), name) == known.also.end())
          continue;
        column.node = layout.fields[field];
        column.required = known.required;
        if (column.node == layout.partition_source)
          partition_columns.push_back(columns.size() - 1);
      }
    }
    for (std::size_t field = 0; field < contract.fields.size(); ++field) {
      if (contract.fields[field].required)
        required.push_back(layout.fields[field]);
    }
    needs_client_id = contract.event_identity == contract::EventIdentity::client_id;
  }

  const contract::Contract& contract;
  RecordBuilder& builder;
  const Layout& layout;
  ValueChecks checks;
  PartitionDays days;
  char quote;
  bool has_spelling;
  bool keeps_unknown;
  bool needs_client_id = false;
  std::vector<Column> columns;
  std::vector<std::uint16_t> required;
  std::vector<std::size_t> partition_columns;  // several: names of one field
  std::int64_t accepted = 0;

  // The record being read.
  const CsvBlock* block = nullptr;
  Rejection rejection;
  std::string unknown;
  std::vector<std::uint32_t> unknown_columns;
  Buffer<char> decoded;  // as large as the record before it is begun, so that views of it stay
  std::string plain;

  bool reject(std::string_view why, std::string message) {
    rejection = {why, std::move(message)};
    return false;
  }
  bool reject(Rejection why) {
    rejection = std::move(why);
    return false;
  }

  std::string_view raw(const CsvField& field) const { return {block->bytes.data() + field.begin, field.size}; }

  // The content of a cell, in UTF-8.
  std::string_view content(const CsvField& field) {
    std::string_view text = raw(field);
    if (field.has_doubled_quotes) [[unlikely]] {
      char* const begin = decoded.end();
      char* out = begin;
      for (std::size_t at = 0; at < text.size(); ++at) {
        *out++ = text[at];
        at += text[at] == quote ? 1 : 0;
      }
      text = std::string_view(begin, static_cast<std::size_t>(out - begin));
      decoded.extend(text.size());
    }
    if (block->encoding != Encoding::utf8 &&
        std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
      char* const begin = decoded.end();
      const std::size_t size = to_utf8(text, block->encoding, begin);
      decoded.extend(size);
      text = std::string_view(begin, size);
    }
    return text;
  }

  bool is_null(const CsvField& field) const {
    if (field.size == 0)
      return true;
    return !field.is_quoted && !contract.csv.nulls.empty() &&
           std::find(contract.csv.nulls.begin(), contract.csv.nulls.end(), raw(field)) != contract.csv.nulls.end();
  }

  // --- values; false: `rejection` says why ---

  bool number_text(const Node& node, std::string_view& text) {
    if (!has_spelling)
      return true;
    plain.resize(text.size());
    const auto rewritten = contract::plain_number(text, contract.csv.numbers, plain.data());
    if (!rewritten)
      return wrong_type(node);
    text = *rewritten;
    return true;
  }
  bool wrong_type(const Node& node) { return reject(transform::wrong_type(node, "a text that does not fit")); }

  bool integer(const Node& node, std::string_view text, std::int64_t& value) {
    constexpr std::size_t kDigitsOfWords = 18;
    std::uint64_t digits = 0;
    std::size_t at = 0;
    if (text.size() <= kDigitsOfWords) {
      for (; at < text.size() && is_digit(text[at]); ++at)
        digits = digits * 10 + static_cast<std::uint64_t>(text[at] - '0');
    }
    if (at == text.size()) [[likely]] {
      value = static_cast<std::int64_t>(digits);
      return true;
    }
    const auto exact = contract::parse_decimal(text, {contract::kDecimalDigitsMax, 0}, contract.csv.numbers);
    if (exact) {
      value = *exact;
      return true;
    }
    if (!number_text(node, text))
      return false;
    if (text.starts_with('+'))
      text.remove_prefix(1);
    return to_integer(text, value) || wrong_type(node);  // of 19 digits
  }

  bool real(const Node& node, std::string_view text, double& value) {
    if (text == "NaN") {
      value = std::numeric_limits<double>::quiet_NaN();
      return true;
    }
    if (text == "Infinity" || text == "-Infinity") {
      value = text[0] == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
      return true;
    }
    if (!number_text(node, text))
      return false;
    if (text.starts_with('+'))
      text.remove_prefix(1);
    // from_chars knows words, too.
    const std::size_t sign = text.starts_with('-') ? 1 : 0;
    if (text.size() == sign || (!is_digit(text[sign]) && text[sign] != '.') || !to_real(text, value))
      return wrong_type(node);
    return true;
  }

  bool timestamp(const Node& node, Column& column, std::string_view text, std::int64_t& micros) {
    if (column.moment.is(text)) {
      micros = column.moment.value();
      return true;
    }
    std::optional<std::int64_t> moment;
    if (!node.format.empty()) {
      moment = node.format.micros(text);
    } else {
      moment = base::parse_timestamp(text);
      if (!moment)
        moment = epoch_micros(text);
    }
    if (!moment)
      return reject(invalid_timestamp(node, text));
    if (*moment < node.min || *moment > node.max)
      return reject(out_of_range(node, *moment));
    column.moment.set(text, *moment);
    micros = *moment;
    return true;
  }

  bool date(const Node& node, Column& column, std::string_view text, std::int64_t& day) {
    if (column.moment.is(text)) {
      day = column.moment.value();
      return true;
    }
    std::optional<std::int64_t> parsed;
    if (node.format.empty()) {
      parsed = base::parse_date(text);
    } else if (const auto micros = node.format.micros(text)) {
      parsed = base::day_of(*micros);
    }
    if (!parsed)
      return reject(invalid_date(node, text));
    if (*parsed < node.min || *parsed > node.max)
      return reject(out_of_range(node, *parsed));
    column.moment.set(text, *parsed);
    day = *parsed;
    return true;
  }

  bool boolean(const Node& node, std::string_view text, bool& value) {
    value = text == "1" || equals_word(text, "true");
    return value || text == "0" || equals_word(text, "false") || wrong_type(node);
  }

  bool is_set(bool was_free, const Node& node) {
    return was_free || reject(reason::kCsvDuplicateField, fmt::format("{} is given by two columns", node.json_path));
  }

  bool set_text(const Node& node, std::uint16_t number, const CsvField& field) {
    const std::string_view text = content(field);
    if (node.is_date && !is_yyyymmdd(text))
      return reject(invalid_date(node, text));
    return checks.allows(number, text, rejection) && is_set(builder.set_text(number, text), node);
  }

  bool set(Column& column, const CsvField& field) {
    const auto number = static_cast<std::uint16_t>(column.node);
    const Node& node = layout.nodes[number];
    if (node.type == ColumnType::text)
      return set_text(node, number, field);
    const std::string_view text = trimmed(field.has_doubled_quotes ? content(field) : raw(field));
    if (text.empty())
      return true;
    std::int64_t word = 0;
    switch (node.type) {
      case ColumnType::integer:
        if (!integer(node, text, word))
          return false;
        break;
      case ColumnType::decimal: {
        const auto value = contract::parse_decimal(text, node.decimal, contract.csv.numbers);
        if (!value)
          return wrong_type(node);
        word = *value;
        break;
      }
      case ColumnType::timestamp:
        if (!timestamp(node, column, text, word))
          return false;
        break;
      case ColumnType::date:
        if (!date(node, column, text, word))
          return false;
        break;
      case ColumnType::real: {
        double value = 0;
        return real(node, text, value) && checks.allows(number, value, rejection) &&
               is_set(builder.set_real(number, value), node);
      }
      default: {
        bool value = false;
        return boolean(node, text, value) && is_set(builder.set_boolean(number, value), node);
      }
    }
    return checks.allows(number, word, rejection) && is_set(builder.set_integer(number, word), node);
  }

  // --- records ---

  bool find_partition(const CsvField* fields, std::string_view& partition) {
    if (layout.partition_source < 0)
      return true;
    const Node& node = layout.nodes[static_cast<std::size_t>(layout.partition_source)];
    for (const std::size_t number : partition_columns) {
      const std::string_view text = trimmed(content(fields[number]));
      if (is_null(fields[number]) || text.empty())
        continue;
      if (node.type == ColumnType::text) {
        partition = text;
        return is_yyyymmdd(text) || reject(invalid_date(node, text));
      }
      std::int64_t value = 0;
      if (node.type == ColumnType::date) {
        if (!date(node, columns[number], text, value))
          return false;
      } else {
        if (!timestamp(node, columns[number], text, value))
          return false;
        value = base::day_of(value);
      }
      partition = days.name(value);
      return true;
    }
    return reject(missing_field(node.name));
  }

  void keep_unknown(std::uint32_t number, const CsvField& field) {
    unknown_columns.push_back(number);
    unknown.push_back(unknown.empty() ? '{' : ',');
    append_json_string(unknown, columns[number].name);
    unknown.push_back(':');
    append_json_string(unknown, content(field));
  }

  bool is_sound(const CsvRecord& record) {
    switch (record.problem) {
      case CsvRecord::Problem::none: break;
      case CsvRecord::Problem::text_after_quote:
        return reject(reason::kCsvMalformed, "text follows a closing quote; a quote inside quotes is doubled");
      case CsvRecord::Problem::open_quote:
        return reject(reason::kCsvMalformed, "a quote is not closed; the rest of the file belongs to this record");
      case CsvRecord::Problem::nul_byte: return reject(reason::kCsvNul, "the record has a NUL byte");
    }
    if (!block->is_valid && !simdjson::validate_utf8(block->bytes.data() + record.begin, record.length)) {
      return reject(reason::kCsvInvalidUtf8,
                    "the record is not valid UTF-8; another encoding is declared by csv: {encoding: …}");
    }
    if (record.field_count != columns.size()) {
      return reject(reason::kCsvRagged, fmt::format("the record has {} cell{}, the header has {}", record.field_count,
                                                    record.field_count == 1 ? "" : "s", columns.size()));
    }
    return true;
  }

  bool fill(const CsvField* fields) {
    for (std::uint32_t number = 0; number < columns.size(); ++number) {
      const CsvField& field = fields[number];
      if (is_null(field))
        continue;
      Column& column = columns[number];
      if (column.node < 0) {
        if (keeps_unknown)
          keep_unknown(number, field);
        continue;
      }
      if (layout.nodes[static_cast<std::size_t>(column.node)].kind == Node::Kind::dropped)
        continue;
      if (!set(column, field))
        return false;
    }
    for (const std::uint16_t node : required) {
      if (!builder.has_value(node))
        return reject(missing_field(layout.nodes[node].name));
    }
    if (needs_client_id && !builder.has_client_event_id())
      return reject(reason::kMissingField, fmt::format("{} is empty", contract.event_id_column()));
    return builder.accepts_key(rejection);
  }

  bool record(const CsvRecord& record, std::int64_t line) {
    if (!is_sound(record))
      return false;
    decoded.clear();
    decoded.extend(std::size_t{8} * record.length + 64);
    decoded.clear();
    unknown.clear();
    unknown_columns.clear();
    const CsvField* const fields = block->tokens.fields.data() + record.first_field;
    std::string_view partition;
    if (!find_partition(fields, partition))
      return false;
    if (!builder.begin(partition)) {
      return reject(reason::kTooManyPartitions,
                    fmt::format("{} would be the partition number {} of this load", partition, kPartitionsMax + 1));
    }
    if (!fill(fields)) {
      builder.reject();
      return false;
    }
    if (!unknown.empty())
      unknown.push_back('}');
    if (builder.finish({line, 0, record.length, unknown})) {
      ++accepted;
      for (const std::uint32_t number : unknown_columns)
        ++columns[number].unknown_values;
    }
    return true;
  }
};

CsvReader::CsvReader(const contract::Contract& contract, const CsvFormat& format, RecordBuilder& builder)
    : state_(std::make_unique<State>(contract, format, builder)) {}
CsvReader::~CsvReader() = default;

void CsvReader::read(const CsvBlock& block, const OnRejection& on_rejection) {
  State& state = *state_;
  state.block = &block;
  for (const CsvRecord& record : block.tokens.records) {
    if (!state.record(record, block.first_line + record.line))
      on_rejection(record, state.rejection);
  }
}

std::int64_t CsvReader::accepted() const { return state_->accepted; }

void CsvReader::report(Drift& drift) const {
  for (const State::Column& column : state_->columns) {
    if (column.node < 0)
      drift.add(column.name, "string", column.unknown_values);
  }
}

std::vector<std::string> CsvReader::missing_columns() const {
  std::vector<std::string> names;
  for (std::size_t field = 0; field < state_->contract.fields.size(); ++field) {
    const contract::Field& known = state_->contract.fields[field];
    const bool is_there = std::any_of(state_->columns.begin(), state_->columns.end(), [&](const State::Column& column) {
      return column.node == state_->layout.fields[field];
    });
    if (!is_there && known.treatment != contract::Treatment::drop)
      names.push_back(known.name);
  }
  return names;
}

}  // namespace shoplake::transform
