#include "contract/contract.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace shoplake::contract {

namespace {

using base::Error;
using base::ErrorKind;
using base::make_error;

// Nesting deeper than this serves nobody and would make definition levels overflow a byte.
constexpr int kDepthMax = 16;

class Parser {
 public:
  explicit Parser(std::string_view path) : path_(path) {}

  Result<Contract> parse(const YAML::Node& root) {
    SHOPLAKE_TRY(check_keys(root, {"dataset", "table", "description", "partition_by", "event_identity",
                                   "client_event_id", "unknown_fields", "record_bytes_max", "fields"}));
    Contract contract;
    contract.dataset = SHOPLAKE_TRY(required_text(root, "dataset"));
    contract.table = SHOPLAKE_TRY(required_text(root, "table"));
    contract.description = SHOPLAKE_TRY(optional_text(root, "description"));
    contract.partition_by = SHOPLAKE_TRY(required_text(root, "partition_by"));
    if (const YAML::Node identity = root["event_identity"]) {
      contract.event_identity =
          SHOPLAKE_TRY(choice<EventIdentity>(identity, "event_identity",
                                             {{"none", EventIdentity::none},
                                              {"canonical", EventIdentity::canonical},
                                              {"user_name_time", EventIdentity::user_name_time}}));
    }
    if (const YAML::Node names = root["client_event_id"]) {
      if (!names.IsSequence())
        return invalid(names, "client_event_id must be a list of field names");
      for (const YAML::Node& entry : names)
        contract.client_event_id.push_back(SHOPLAKE_TRY(text(entry, "client_event_id")));
    }
    if (const YAML::Node unknown = root["unknown_fields"]) {
      SHOPLAKE_TRY(check_keys(unknown, {"keep_in", "treatment"}));
      contract.unknown_fields_column = SHOPLAKE_TRY(required_text(unknown, "keep_in"));
      if (const YAML::Node treatment = unknown["treatment"]) {
        contract.unknown_fields_treatment = SHOPLAKE_TRY(
            choice<Treatment>(treatment, "treatment", {{"keep", Treatment::keep}, {"mask", Treatment::mask}}));
      }
    } else {
      return invalid(root,
                     "unknown_fields is missing: say in which column fields that the contract does not name are kept");
    }
    contract.record_bytes_max = kRecordBytesMaxDefault;
    if (const YAML::Node limit = root["record_bytes_max"]) {
      std::uint64_t bytes = 0;
      if (!YAML::convert<std::uint64_t>::decode(limit, bytes) || bytes == 0 || bytes > kRecordBytesMaxLimit) {
        return invalid(limit, fmt::format("record_bytes_max must be a number from 1 to {}", kRecordBytesMaxLimit));
      }
      contract.record_bytes_max = bytes;
    }
    const YAML::Node fields = root["fields"];
    if (!fields)
      return invalid(root, "fields is missing");
    contract.fields = SHOPLAKE_TRY(parse_fields(fields, "", 1));
    SHOPLAKE_TRY(check(root, contract));
    return contract;
  }

 private:
  Error invalid(const YAML::Node& node, std::string_view what) const {
    const YAML::Mark mark = node.Mark();
    return make_error(ErrorKind::usage, "contract.invalid",
                      fmt::format("{}:{}: {}", path_, mark.is_null() ? 1 : mark.line + 1, what),
                      "Correct the contract; docs/formats/contract.md describes its fields.");
  }

  Result<void> check_keys(const YAML::Node& node, std::initializer_list<std::string_view> known) const {
    if (!node.IsMap())
      return invalid(node, "a mapping is expected here");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.Scalar();
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        return invalid(entry.first, fmt::format("unknown key \"{}\"; known are {}", key, fmt::join(known, ", ")));
      }
      if (!seen.insert(key).second)
        return invalid(entry.first, fmt::format("\"{}\" is given twice", key));
    }
    return {};
  }

  Result<std::string> text(const YAML::Node& node, std::string_view key) const {
    if (!node.IsScalar())
      return invalid(node, fmt::format("{} must be text", key));
    return node.Scalar();
  }
  Result<std::string> required_text(const YAML::Node& node, const char* key) const {
    const YAML::Node value = node[key];
    if (!value || !value.IsScalar() || value.Scalar().empty())
      return invalid(node, fmt::format("{} is missing", key));
    return value.Scalar();
  }
  Result<std::string> optional_text(const YAML::Node& node, const char* key) const {
    const YAML::Node value = node[key];
    if (!value)
      return std::string();
    return text(value, key);
  }

  template <typename T>
  Result<T> choice(const YAML::Node& node, std::string_view key,
                   std::initializer_list<std::pair<std::string_view, T>> choices) const {
    if (node.IsScalar()) {
      for (const auto& [spelling, value] : choices) {
        if (node.Scalar() == spelling)
          return value;
      }
    }
    std::string spellings;
    for (const auto& entry : choices)
      spellings += (spellings.empty() ? "" : ", ") + std::string(entry.first);
    return invalid(node, fmt::format("{} \"{}\" is not known; known are {}", key, node.IsScalar() ? node.Scalar() : "…",
                                     spellings));
  }

  Result<bool> flag(const YAML::Node& node, std::string_view key) const {
    bool value = false;
    if (!YAML::convert<bool>::decode(node, value))
      return invalid(node, fmt::format("{} must be true or false", key));
    return value;
  }

  Result<std::int64_t> bound(const YAML::Node& node, std::string_view key, const Field& field,
                             const std::string& path) const {
    std::int64_t value = 0;
    if (field.type != Type::integer)
      return invalid(node, fmt::format("field {}: {} needs type long", path, key));
    if (!YAML::convert<std::int64_t>::decode(node, value))
      return invalid(node, fmt::format("field {}: {} must be an integer of at most 64 bits", path, key));
    return value;
  }

  Result<std::vector<Field>> parse_fields(const YAML::Node& list, const std::string& parent, int depth) const {
    if (!list.IsSequence() || list.size() == 0)
      return invalid(list, "fields must be a list of fields");
    if (depth > kDepthMax)
      return invalid(list, fmt::format("fields nest deeper than {} levels", kDepthMax));
    std::vector<Field> fields;
    std::set<std::string> names;
    for (const YAML::Node& entry : list) {
      Field field = SHOPLAKE_TRY(parse_field(entry, parent, depth));
      if (!names.insert(field.name).second)
        return invalid(entry, fmt::format("field {}{} is declared twice", parent, field.name));
      fields.push_back(std::move(field));
    }
    return fields;
  }

  Result<Field> parse_field(const YAML::Node& node, const std::string& parent, int depth) const {
    SHOPLAKE_TRY(check_keys(node, {"name", "type", "required", "format", "min", "max", "pii", "treatment",
                                   "description", "fields", "element"}));
    Field field;
    field.name = SHOPLAKE_TRY(required_text(node, "name"));
    SHOPLAKE_TRY(parse_field_body(node, parent, depth, field));
    return field;
  }

  Result<void> parse_field_body(const YAML::Node& node, const std::string& parent, int depth, Field& field) const {
    const std::string path = parent + field.name;
    const YAML::Node type = node["type"];
    if (!type)
      return invalid(node, fmt::format("field {} has no type", path));
    field.type = SHOPLAKE_TRY(choice<Type>(type, "type",
                                           {{"string", Type::text},
                                            {"long", Type::integer},
                                            {"double", Type::real},
                                            {"boolean", Type::boolean},
                                            {"struct", Type::structure},
                                            {"list", Type::list}}));
    field.description = SHOPLAKE_TRY(optional_text(node, "description"));
    if (const YAML::Node required = node["required"]) {
      field.required = SHOPLAKE_TRY(flag(required, "required"));
      if (field.required && depth > 1)
        return invalid(required, fmt::format("field {}: only top-level fields can be required", path));
    }
    if (const YAML::Node format = node["format"]) {
      field.is_date = SHOPLAKE_TRY(choice<bool>(format, "format", {{"yyyymmdd", true}}));
      if (field.type != Type::text)
        return invalid(format, fmt::format("field {}: format needs type string", path));
    }
    if (const YAML::Node min = node["min"])
      field.min = SHOPLAKE_TRY(bound(min, "min", field, path));
    if (const YAML::Node max = node["max"])
      field.max = SHOPLAKE_TRY(bound(max, "max", field, path));
    if (field.min > field.max)
      return invalid(node["min"], fmt::format("field {}: min is more than max", path));
    if (const YAML::Node pii = node["pii"]) {
      field.pii = SHOPLAKE_TRY(choice<PiiClass>(
          pii, "pii",
          {{"none", PiiClass::none}, {"pseudonymous", PiiClass::pseudonymous}, {"direct", PiiClass::direct}}));
    }
    if (const YAML::Node treatment = node["treatment"]) {
      field.treatment = SHOPLAKE_TRY(choice<Treatment>(treatment, "treatment",
                                                       {{"keep", Treatment::keep},
                                                        {"mask", Treatment::mask},
                                                        {"pseudonymize", Treatment::pseudonymize},
                                                        {"hash", Treatment::hash},
                                                        {"drop", Treatment::drop}}));
      const bool on_any_type = field.treatment == Treatment::keep || field.treatment == Treatment::drop;
      const bool is_leaf = field.type != Type::structure && field.type != Type::list;
      if (field.treatment != Treatment::keep && (!is_leaf || field.name == "element")) {
        return invalid(
            treatment,
            fmt::format("field {}: a treatment is given to single values; name the fields inside instead", path));
      }
      if (!on_any_type && field.type != Type::text)
        return invalid(treatment, fmt::format("field {}: {} needs type string", path, treatment.Scalar()));
    }
    if (field.pii == PiiClass::direct && !node["treatment"]) {
      return invalid(
          node,
          fmt::format(
              "field {} is classed as direct PII but has no treatment: say keep, mask, pseudonymize, hash or drop",
              path));
    }
    const YAML::Node fields = node["fields"];
    const YAML::Node element = node["element"];
    if (field.type == Type::structure) {
      if (!fields || element)
        return invalid(node, fmt::format("field {}: a struct needs fields", path));
      field.fields = SHOPLAKE_TRY(parse_fields(fields, path + ".", depth + 1));
    } else if (field.type == Type::list) {
      // A list of structs may name the structs' fields directly.
      if (!!fields == !!element)
        return invalid(node, fmt::format("field {}: a list needs either fields (of its structs) or element", path));
      Field item;
      item.name = "element";
      if (fields) {
        item.type = Type::structure;
        item.fields = SHOPLAKE_TRY(parse_fields(fields, path + "[].", depth + 2));
      } else {
        SHOPLAKE_TRY(check_keys(element, {"type", "pii", "treatment", "description", "fields"}));
        SHOPLAKE_TRY(parse_field_body(element, path + "[].", depth + 2, item));
        if (item.type == Type::list)
          return invalid(element, fmt::format("field {}: lists of lists are not supported", path));
      }
      field.fields.push_back(std::move(item));
    } else if (fields || element) {
      return invalid(node, fmt::format("field {}: only a struct or a list has fields", path));
    }
    return {};
  }

  Result<void> check(const YAML::Node& root, const Contract& contract) const {
    const std::size_t dot = contract.table.find('.');
    if (dot == std::string::npos || dot == 0 || dot + 1 == contract.table.size() ||
        contract.table.find('.', dot + 1) != std::string::npos) {
      return invalid(root["table"], "table must be <namespace>.<name>");
    }
    const Field* partition = contract.find(contract.partition_by);
    if (!partition || partition->type != Type::text || !partition->required || !partition->is_date) {
      return invalid(root["partition_by"],
                     fmt::format("partition_by names {}, which must be a required top-level string of format yyyymmdd",
                                 contract.partition_by));
    }
    if (contract.find(contract.unknown_fields_column)) {
      return invalid(root["unknown_fields"],
                     fmt::format("keep_in names {}, which is a field of the contract", contract.unknown_fields_column));
    }
    for (const Field& field : contract.fields) {
      if (field.name.starts_with("_shoplake_"))
        return invalid(root["fields"], fmt::format("{}: names that begin with _shoplake_ are reserved", field.name));
    }
    if (contract.event_identity != EventIdentity::none) {
      for (std::string_view needed : {"event_name", "event_timestamp", "user_pseudo_id"}) {
        if (!contract.find(needed))
          return invalid(root["event_identity"], fmt::format("the event identity needs the field {}", needed));
      }
    }
    return {};
  }

  std::string path_;
};

}  // namespace

std::string_view name(Type type) {
  switch (type) {
    case Type::text: return "string";
    case Type::integer: return "long";
    case Type::real: return "double";
    case Type::boolean: return "boolean";
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

Result<Contract> parse_contract(std::string_view yaml_text, std::string_view path) {
  try {
    return Parser(path).parse(YAML::Load(std::string(yaml_text)));
  } catch (const YAML::Exception& exception) {  // malformed YAML: yaml-cpp's own way to say so
    return make_error(
        ErrorKind::usage, "contract.invalid",
        fmt::format("{}:{}: {}", path, exception.mark.is_null() ? 1 : exception.mark.line + 1, exception.msg),
        "Correct the YAML.");
  }
}

Result<Contract> read_contract(io::Env& env, const std::string& path) {
  Contract contract = SHOPLAKE_TRY(parse_contract(SHOPLAKE_TRY(env.read_file(path)), path));
  const std::string file = io::file_name(path);
  if (file != contract.dataset + ".yml") {
    return make_error(ErrorKind::usage, "contract.invalid",
                      fmt::format("{}:1: dataset is \"{}\", but the file is named {}", path, contract.dataset, file),
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
