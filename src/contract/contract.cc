#include "contract/contract.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "contract/computed_parser.h"
#include "contract/field_parser.h"
#include "contract/yaml_reader.h"
#include "dqdl/parser.h"

namespace shoplake::contract {

namespace {

using base::ErrorKind;
using base::make_error;

class Parser {
 public:
  explicit Parser(std::string_view path) : yaml_(path) {}

  Result<Contract> parse(const YAML::Node& root) {
    SHOPLAKE_TRY(yaml_.check_keys(root, {"dataset",
                                         "table",
                                         "description",
                                         "owner",
                                         "tags",
                                         "classification",
                                         "partition_by",
                                         "event_identity",
                                         "client_event_id",
                                         "unknown_fields",
                                         "record_bytes_max",
                                         "file_bytes_max",
                                         "csv",
                                         "key",
                                         "on_duplicate_key",
                                         "on_changed_file",
                                         "retention",
                                         "fields",
                                         "computed",
                                         "expectations"}));
    Contract contract;
    contract.dataset = SHOPLAKE_TRY(yaml_.required_text(root, "dataset"));
    contract.table = SHOPLAKE_TRY(yaml_.required_text(root, "table"));
    SHOPLAKE_TRY(parse_description(root, contract));
    if (!root["partition_by"])
      return yaml_.invalid(root, "partition_by is missing; a table that is not divided says none");
    SHOPLAKE_TRY(parse_identity(root, contract));
    SHOPLAKE_TRY(parse_unknown_fields(root, contract));
    SHOPLAKE_TRY(parse_files(root, contract));
    const YAML::Node fields = root["fields"];
    if (!fields)
      return yaml_.invalid(root, "fields is missing");
    contract.fields = SHOPLAKE_TRY(FieldParser(yaml_).parse(fields));
    if (const YAML::Node computed = root["computed"])
      SHOPLAKE_TRY(parse_computed(yaml_, computed, contract));
    SHOPLAKE_TRY(parse_partitioning(root["partition_by"], contract));
    SHOPLAKE_TRY(parse_key(root, contract));
    if (const YAML::Node expectations = root["expectations"])
      SHOPLAKE_TRY(parse_expectations(expectations, contract));
    SHOPLAKE_TRY(check(root, contract));
    return contract;
  }

 private:
  Result<void> parse_description(const YAML::Node& root, Contract& contract) const {
    contract.description = SHOPLAKE_TRY(yaml_.optional_text(root, "description"));
    contract.owner = SHOPLAKE_TRY(yaml_.optional_text(root, "owner"));
    if (const YAML::Node tags = root["tags"])
      contract.tags = SHOPLAKE_TRY(yaml_.texts(tags, "tags"));
    if (const YAML::Node classification = root["classification"]) {
      contract.classification =
          SHOPLAKE_TRY(yaml_.choice<Classification>(classification, "classification",
                                                    {{"public", Classification::public_data},
                                                     {"internal", Classification::internal},
                                                     {"confidential", Classification::confidential},
                                                     {"restricted", Classification::restricted}}));
    }
    if (const YAML::Node retention = root["retention"]) {
      SHOPLAKE_TRY(yaml_.check_keys(retention, {"raw", "processed", "quarantine"}));
      contract.retention.raw_days = SHOPLAKE_TRY(days(retention["raw"], "raw"));
      contract.retention.processed_days = SHOPLAKE_TRY(days(retention["processed"], "processed"));
      contract.retention.quarantine_days = SHOPLAKE_TRY(days(retention["quarantine"], "quarantine"));
    }
    return {};
  }

  // "30 days", "forever".
  Result<std::optional<int>> days(const YAML::Node& node, std::string_view key) const {
    constexpr int kDaysMax = 36'500;
    if (!node || (node.IsScalar() && node.Scalar() == "forever"))
      return std::optional<int>();
    int number = 0;
    int consumed = 0;
    const std::string text = node.IsScalar() ? node.Scalar() : std::string();
    if (std::sscanf(text.c_str(), "%d day%n", &number, &consumed) != 1 || consumed == 0 || number < 1 ||
        number > kDaysMax ||
        (text.substr(static_cast<std::size_t>(consumed)) != "" &&
         text.substr(static_cast<std::size_t>(consumed)) != "s")) {
      return yaml_.invalid(node, fmt::format("{} must be a number of days, such as 30 days, or forever", key));
    }
    return std::optional<int>(number);
  }

  Result<void> parse_identity(const YAML::Node& root, Contract& contract) const {
    if (const YAML::Node identity = root["event_identity"]) {
      contract.event_identity =
          SHOPLAKE_TRY(yaml_.choice<EventIdentity>(identity, "event_identity",
                                                   {{"none", EventIdentity::none},
                                                    {"canonical", EventIdentity::canonical},
                                                    {"user_name_time", EventIdentity::user_name_time},
                                                    {"client_id", EventIdentity::client_id}}));
    }
    if (const YAML::Node names = root["client_event_id"]) {
      if (!names.IsSequence())
        return yaml_.invalid(names, "client_event_id must be a list of field names");
      contract.client_event_id = SHOPLAKE_TRY(yaml_.texts(names, "client_event_id"));
    }
    return {};
  }

  Result<void> parse_unknown_fields(const YAML::Node& root, Contract& contract) const {
    const YAML::Node unknown = root["unknown_fields"];
    if (!unknown) {
      return yaml_.invalid(
          root, "unknown_fields is missing: say in which column fields that the contract does not name are kept");
    }
    SHOPLAKE_TRY(yaml_.check_keys(unknown, {"keep_in", "treatment"}));
    contract.unknown_fields_column = SHOPLAKE_TRY(yaml_.required_text(unknown, "keep_in"));
    if (const YAML::Node treatment = unknown["treatment"]) {
      contract.unknown_fields_treatment = SHOPLAKE_TRY(yaml_.choice<Treatment>(
          treatment, "treatment", {{"keep", Treatment::keep}, {"mask", Treatment::mask}, {"drop", Treatment::drop}}));
    }
    return {};
  }

  Result<void> parse_files(const YAML::Node& root, Contract& contract) const {
    contract.record_bytes_max = kRecordBytesMaxDefault;
    if (const YAML::Node limit = root["record_bytes_max"])
      contract.record_bytes_max = SHOPLAKE_TRY(yaml_.number(limit, "record_bytes_max", 1, kRecordBytesMaxLimit));
    contract.file_bytes_max = kFileBytesMaxDefault;
    if (const YAML::Node limit = root["file_bytes_max"]) {
      contract.file_bytes_max =
          SHOPLAKE_TRY(yaml_.number(limit, "file_bytes_max", 1, std::numeric_limits<std::int64_t>::max()));
    }
    if (const YAML::Node changed = root["on_changed_file"]) {
      contract.changed_file = SHOPLAKE_TRY(yaml_.choice<Contract::ChangedFile>(
          changed, "on_changed_file",
          {{"add", Contract::ChangedFile::add}, {"replace", Contract::ChangedFile::replace}}));
    }
    const YAML::Node csv = root["csv"];
    if (!csv)
      return {};
    SHOPLAKE_TRY(yaml_.check_keys(
        csv, {"delimiter", "quote", "encoding", "decimal_point", "thousands_separator", "header", "nulls"}));
    CsvOptions& options = contract.csv;
    if (const YAML::Node delimiter = csv["delimiter"])
      options.delimiter = SHOPLAKE_TRY(yaml_.character(delimiter, "delimiter"));
    if (const YAML::Node quote = csv["quote"])
      options.quote = SHOPLAKE_TRY(yaml_.character(quote, "quote"));
    if (const YAML::Node encoding = csv["encoding"]) {
      options.encoding =
          SHOPLAKE_TRY(yaml_.choice<CsvOptions::Encoding>(encoding, "encoding",
                                                          {{"auto", CsvOptions::Encoding::automatic},
                                                           {"utf-8", CsvOptions::Encoding::utf8},
                                                           {"windows-1252", CsvOptions::Encoding::windows_1252},
                                                           {"latin-1", CsvOptions::Encoding::latin_1}}));
    }
    if (const YAML::Node point = csv["decimal_point"])
      options.numbers.point = SHOPLAKE_TRY(yaml_.character(point, "decimal_point"));
    if (const YAML::Node separator = csv["thousands_separator"])
      options.numbers.thousands = SHOPLAKE_TRY(yaml_.character(separator, "thousands_separator"));
    if (options.numbers.point == options.numbers.thousands)
      return yaml_.invalid(csv, "decimal_point and thousands_separator must differ");
    if (options.delimiter == options.quote)
      return yaml_.invalid(csv, "delimiter and quote must differ");
    if (const YAML::Node header = csv["header"])
      options.has_header = SHOPLAKE_TRY(yaml_.flag(header, "header"));
    if (!options.has_header && options.delimiter == '\0')
      return yaml_.invalid(csv, "without a header the delimiter must be declared");
    if (const YAML::Node nulls = csv["nulls"])
      options.nulls = SHOPLAKE_TRY(yaml_.texts(nulls, "nulls"));
    return {};
  }

  Result<void> parse_key(const YAML::Node& root, Contract& contract) const {
    if (const YAML::Node key = root["key"]) {
      contract.key = SHOPLAKE_TRY(yaml_.texts(key, "key"));
      for (const std::string& name : contract.key) {
        const Field* field = contract.find(name);
        if (field == nullptr || !field->required || field->type == Type::structure || field->type == Type::list)
          return yaml_.invalid(key, fmt::format("key names {}, which must be a required field of one value", name));
      }
      if (contract.key.empty())
        return yaml_.invalid(key, "key names no field");
    }
    if (const YAML::Node duplicate = root["on_duplicate_key"]) {
      contract.duplicate_key = SHOPLAKE_TRY(yaml_.choice<Contract::DuplicateKey>(
          duplicate, "on_duplicate_key",
          {{"keep", Contract::DuplicateKey::keep}, {"reject", Contract::DuplicateKey::reject}}));
      if (contract.key.empty())
        return yaml_.invalid(duplicate, "on_duplicate_key needs key");
    }
    return {};
  }

  Result<void> parse_expectations(const YAML::Node& list, Contract& contract) const {
    if (!list.IsSequence())
      return yaml_.invalid(list, "expectations must be a list of rules");
    for (const YAML::Node& entry : list) {
      Expectation expectation;
      YAML::Node rule = entry;
      if (entry.IsMap()) {
        SHOPLAKE_TRY(yaml_.check_keys(entry, {"rule", "severity", "description"}));
        expectation.description = SHOPLAKE_TRY(yaml_.optional_text(entry, "description"));
        if (const YAML::Node severity = entry["severity"]) {
          expectation.severity = SHOPLAKE_TRY(yaml_.choice<Expectation::Severity>(
              severity, "severity", {{"warn", Expectation::Severity::warn}, {"block", Expectation::Severity::block}}));
        }
        rule = entry["rule"];
        if (!rule)
          return yaml_.invalid(entry, "rule is missing");
      }
      expectation.text = SHOPLAKE_TRY(yaml_.text(rule, "rule"));
      const YAML::Mark mark = rule.Mark();
      dqdl::Origin origin;
      origin.path = yaml_.path();
      origin.line = mark.line + 1;
      origin.column = mark.column + 1;
      auto parsed = dqdl::parse_rule(expectation.text, origin);
      if (!parsed.ok()) {
        return make_error(ErrorKind::usage, "contract.invalid", std::move(parsed).error().message,
                          "Correct the rule; docs/quality.md describes the rules.");
      }
      expectation.rule = std::move(parsed).value();
      expectation.line = origin.line;
      SHOPLAKE_TRY(check_rule(rule, contract, expectation.rule));
      contract.expectations.push_back(std::move(expectation));
    }
    return {};
  }

  // The columns that a rule names must be the table's, where the rule says nothing but columns.
  Result<void> check_rule(const YAML::Node& node, const Contract& contract, const dqdl::Rule& rule) const {
    for (const dqdl::Rule& part : rule.parts)
      SHOPLAKE_TRY(check_rule(node, contract, part));
    using dqdl::RuleType;
    constexpr RuleType kOthers[] = {RuleType::aggregate_match, RuleType::column_exists, RuleType::custom_sql,
                                    RuleType::referential_integrity, RuleType::row_count_match};
    if (std::find(std::begin(kOthers), std::end(kOthers), rule.type) != std::end(kOthers))
      return {};
    for (const std::string& column : rule.parameters) {
      const Field* field = contract.find(column);
      const bool is_dropped = field != nullptr && field->treatment == Treatment::drop;
      const bool is_column = (field != nullptr && !is_dropped) || contract.find_computed(column) != nullptr ||
                             column == contract.unknown_fields_column || column.starts_with("_shoplake_");
      if (!is_column) {
        return yaml_.invalid(
            node, fmt::format("the table has no column {}{}", column, is_dropped ? ": the field is dropped" : ""));
      }
    }
    return {};
  }

  Result<void> check(const YAML::Node& root, const Contract& contract) const {
    const std::size_t dot = contract.table.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == contract.table.size() ||
        contract.table.find('.', dot + 1) != std::string::npos) {
      return yaml_.invalid(root["table"], "table must be <namespace>.<name>");
    }
    const auto is_taken = [&](const std::string& column) {
      return contract.find(column) != nullptr || contract.find_computed(column) != nullptr;
    };
    if (is_taken(contract.unknown_fields_column)) {
      return yaml_.invalid(root["unknown_fields"], fmt::format("keep_in names {}, which is a field of the contract",
                                                               contract.unknown_fields_column));
    }
    const auto is_reserved = [](const std::string& column) { return column.starts_with("_shoplake_"); };
    for (const Field& field : contract.fields) {
      if (is_reserved(field.name)) {
        return yaml_.invalid(root["fields"],
                             fmt::format("{}: names that begin with _shoplake_ are reserved", field.name));
      }
    }
    for (const ComputedField& field : contract.computed) {
      if (is_reserved(field.name)) {
        return yaml_.invalid(root["computed"],
                             fmt::format("{}: names that begin with _shoplake_ are reserved", field.name));
      }
    }
    if (FieldParser::all_dropped(contract.fields))
      return yaml_.invalid(root["fields"], "all fields are dropped");
    if (contract.event_identity == EventIdentity::client_id)
      return check_client_id(root["event_identity"], contract);
    if (contract.event_identity != EventIdentity::none) {
      for (std::string_view needed : {"event_name", "event_timestamp", "user_pseudo_id"}) {
        if (!contract.find(needed))
          return yaml_.invalid(root["event_identity"], fmt::format("the event identity needs the field {}", needed));
      }
    }
    return {};
  }

  // The required timestamp or date of which a computed field takes a part; null if it is none.
  static const Field* time_of(const Contract& contract, const ComputedField& computed) {
    const Expression& part = computed.expression;
    if (part.operands.size() != 1 || part.operands.front().operation != Expression::Operation::field ||
        part.operands.front().field >= contract.fields.size()) {
      return nullptr;
    }
    const Field& source = contract.fields[part.operands.front().field];
    return source.required && (source.type == Type::timestamp || source.type == Type::date) ? &source : nullptr;
  }

  // One column of several: year(t), month(t), day(t).
  Result<Partitioning::Part> partition_part(const YAML::Node& node, const Contract& contract, const std::string& name,
                                            std::string& source) const {
    const ComputedField* computed = contract.find_computed(name);
    const Field* time = computed == nullptr ? nullptr : time_of(contract, *computed);
    if (time != nullptr && (source.empty() || source == time->name)) {
      source = time->name;
      switch (computed->expression.operation) {
        case Expression::Operation::year: return Partitioning::Part::year;
        case Expression::Operation::month: return Partitioning::Part::month;
        case Expression::Operation::day: return Partitioning::Part::day;
        default: break;
      }
    }
    return yaml_.invalid(node, fmt::format("partition_by names {}, which must be the year, month or day of the one "
                                           "required timestamp or date",
                                           name));
  }

  Result<void> parse_partitioning(const YAML::Node& node, Contract& contract) const {
    Partitioning& partitioning = contract.partitioning;
    if (node.IsScalar() && node.Scalar() == "none")
      return {};
    partitioning.columns = SHOPLAKE_TRY(yaml_.texts(node, "partition_by"));
    if (partitioning.columns.size() != 1) {
      for (const std::string& name : partitioning.columns)
        partitioning.parts.push_back(SHOPLAKE_TRY(partition_part(node, contract, name, partitioning.source)));
      using Part = Partitioning::Part;
      if (partitioning.parts != std::vector{Part::year, Part::month, Part::day} &&
          partitioning.parts != std::vector{Part::year, Part::month})
        return yaml_.invalid(node, "partition_by must name one column, or a year and a month, or these and a day");
      partitioning.by = partitioning.parts.size() == 3 ? Partitioning::By::day : Partitioning::By::month;
      return {};
    }
    const std::string& name = partitioning.columns.front();
    partitioning.parts = {Partitioning::Part::whole};
    if (const ComputedField* computed = contract.find_computed(name)) {
      const Field* time = time_of(contract, *computed);
      if (time == nullptr || time->type != Type::timestamp ||
          computed->expression.operation != Expression::Operation::date) {
        return yaml_.invalid(
            node, fmt::format("partition_by names {}, which must be date(<field>) of a required timestamp", name));
      }
      partitioning.by = Partitioning::By::day;
      partitioning.source = time->name;
      return {};
    }
    const Field* field = contract.find(name);
    const bool is_text = field != nullptr && field->type == Type::text && field->is_date;
    if (field == nullptr || !field->required || (!is_text && field->type != Type::date)) {
      return yaml_.invalid(
          node, fmt::format("partition_by names {}, which must be a required top-level date or string of format "
                            "yyyymmdd, or a computed date(<field>) of a required timestamp",
                            name));
    }
    partitioning.by = is_text ? Partitioning::By::text : Partitioning::By::day;
    partitioning.source = name;
    return {};
  }

  Result<void> check_client_id(const YAML::Node& node, const Contract& contract) const {
    if (contract.client_event_id.size() != 1)
      return yaml_.invalid(node, "event_identity client_id needs client_event_id to name one field");
    const Field* id = contract.find(contract.client_event_id.front());
    if (id == nullptr || id->type != Type::text || !id->required || id->treatment != Treatment::keep) {
      return yaml_.invalid(node,
                           fmt::format("event_identity client_id needs {} to be a required top-level string that is "
                                       "kept",
                                       contract.client_event_id.front()));
    }
    return {};
  }

  YamlReader yaml_;
};

bool is_hashed(const std::vector<Field>& fields) {
  return std::any_of(fields.begin(), fields.end(),
                     [](const Field& field) { return field.treatment == Treatment::hash || is_hashed(field.fields); });
}

}  // namespace

std::string_view name(Type type) {
  switch (type) {
    case Type::text: return "string";
    case Type::integer: return "long";
    case Type::real: return "double";
    case Type::boolean: return "boolean";
    case Type::timestamp: return "timestamp";
    case Type::date: return "date";
    case Type::decimal: return "decimal";
    case Type::structure: return "struct";
    case Type::list: return "list";
  }
  return "?";
}

const Field* Contract::find(std::string_view field_name) const {
  for (const Field& field : fields) {
    if (field.name == field_name)
      return &field;
  }
  return nullptr;
}

const ComputedField* Contract::find_computed(std::string_view field_name) const {
  for (const ComputedField& field : computed) {
    if (field.name == field_name)
      return &field;
  }
  return nullptr;
}

const Field* Contract::partition_time() const {
  const Field* source = partitioning.by == Partitioning::By::nothing ? nullptr : find(partitioning.source);
  return source != nullptr && source->type == Type::timestamp ? source : nullptr;
}

bool Contract::needs_hash_key() const { return is_hashed(fields); }

std::vector<std::string> partition_values(const Partitioning& partitioning, std::string_view partition) {
  std::vector<std::string> values;
  for (const Partitioning::Part part : partitioning.parts) {
    // "2026-01-09": the numbers of Iceberg's paths have no leading zeros.
    std::string_view value = partition;
    if (part != Partitioning::Part::whole) {
      const std::size_t at = part == Partitioning::Part::year ? 0 : part == Partitioning::Part::month ? 5 : 8;
      value = partition.substr(at, at == 0 ? 4 : 2);
      value.remove_prefix(std::min(value.find_first_not_of('0'), value.size() - 1));
    }
    values.emplace_back(value);
  }
  return values;
}

std::string_view Contract::event_id_column() const {
  return event_identity == EventIdentity::client_id ? std::string_view(client_event_id.front()) : kEventIdColumn;
}

Result<Contract> parse_contract(std::string_view yaml_text, std::string_view path) {
  try {
    return Parser(path).parse(YAML::Load(std::string(yaml_text)));
  } catch (const YAML::Exception& exception) {  // malformed YAML: yaml-cpp's own way to say so
    return make_error(ErrorKind::usage, "contract.invalid",
                      exception.mark.is_null() ? fmt::format("{}:1:1: {}", path, exception.msg)
                                               : fmt::format("{}:{}:{}: {}", path, exception.mark.line + 1,
                                                             exception.mark.column + 1, exception.msg),
                      "Correct the YAML.");
  }
}

Result<Contract> read_contract(io::Env& env, const std::string& path) {
  Contract contract = SHOPLAKE_TRY(parse_contract(SHOPLAKE_TRY(env.read_file(path)), path));
  const std::string file = io::file_name(path);
  if (file != contract.dataset + ".yml") {
    return make_error(ErrorKind::usage, "contract.invalid",
                      fmt::format("{}:1:1: dataset is \"{}\", but the file is named {}", path, contract.dataset, file),
                      fmt::format("Call the file {0}.yml, or the dataset as the file.", contract.dataset));
  }
  return contract;
}

Result<Contract> load_contract(io::Env& env, const std::string& directory, const std::string& dataset) {
  const bool plain_name =
      !dataset.empty() && dataset.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
  const std::string path = io::join_path(directory, dataset + ".yml");
  if (!plain_name || !SHOPLAKE_TRY(env.exists(path))) {
    std::vector<std::string> known;
    if (auto entries = env.list_directory(directory); entries.ok()) {
      for (const io::DirectoryEntry& entry : *entries) {
        if (entry.name.ends_with(".yml"))
          known.push_back(entry.name.substr(0, entry.name.size() - 4));
      }
    }
    return make_error(ErrorKind::usage, "contract.unknown_dataset", fmt::format("There is no dataset \"{}\"", dataset),
                      known.empty() ? fmt::format("No contract (<dataset>.yml) is in {}.", directory)
                                    : fmt::format("Known datasets: {}.", fmt::join(known, ", ")));
  }
  return read_contract(env, path);
}

}  // namespace shoplake::contract
