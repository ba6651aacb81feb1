#include "contract/contract.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/moment.h"

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
                                   "client_event_id", "unknown_fields", "record_bytes_max", "fields", "computed"}));
    Contract contract;
    contract.dataset = SHOPLAKE_TRY(required_text(root, "dataset"));
    contract.table = SHOPLAKE_TRY(required_text(root, "table"));
    contract.description = SHOPLAKE_TRY(optional_text(root, "description"));
    contract.partition_by = SHOPLAKE_TRY(required_text(root, "partition_by"));
    if (const YAML::Node identity = root["event_identity"]) {
      contract.event_identity = SHOPLAKE_TRY(choice<EventIdentity>(identity, "event_identity",
                                                                   {{"none", EventIdentity::none},
                                                                    {"canonical", EventIdentity::canonical},
                                                                    {"user_name_time", EventIdentity::user_name_time},
                                                                    {"client_id", EventIdentity::client_id}}));
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
    SHOPLAKE_TRY(check_also(fields, contract.fields));
    if (const YAML::Node computed = root["computed"])
      SHOPLAKE_TRY(parse_computed(computed, contract));
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

  // They would leave no column.
  static bool all_dropped(const std::vector<Field>& fields) {
    return std::all_of(fields.begin(), fields.end(),
                       [](const Field& field) { return field.treatment == Treatment::drop; });
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
    if (field.type == Type::timestamp) {
      const auto moment = node.IsScalar() ? base::parse_timestamp(node.Scalar()) : std::nullopt;
      if (!moment)
        return invalid(node, fmt::format("field {}: {} must be a time as 2026-11-21T10:00:00Z", path, key));
      return *moment;
    }
    if (field.type != Type::integer)
      return invalid(node, fmt::format("field {}: {} needs type long or timestamp", path, key));
    if (!YAML::convert<std::int64_t>::decode(node, value))
      return invalid(node, fmt::format("field {}: {} must be an integer of at most 64 bits", path, key));
    return value;
  }

  // One or two names, joined by a point.
  Result<std::vector<std::string>> parse_also(const YAML::Node& list, const std::string& path) const {
    if (!list.IsSequence() || list.size() == 0)
      return invalid(list, fmt::format("field {}: also must be a list of names", path));
    std::vector<std::string> names;
    for (const YAML::Node& entry : list) {
      const std::string place = SHOPLAKE_TRY(text(entry, "also"));
      const std::size_t dot = place.find('.');
      if (place.empty() || dot == 0 || dot + 1 == place.size() ||
          (dot != std::string::npos && place.find('.', dot + 1) != std::string::npos)) {
        return invalid(entry, fmt::format("field {}: \"{}\" is no name, nor two joined by a point", path, place));
      }
      names.push_back(place);
    }
    return names;
  }

  // Each place of a record belongs to one field.
  Result<void> check_also(const YAML::Node& list, const std::vector<Field>& fields) const {
    std::set<std::string> taken;
    for (const Field& field : fields)
      taken.insert(field.name);
    std::set<std::string> objects;
    for (std::size_t index = 0; index < fields.size(); ++index) {
      for (const std::string& place : fields[index].also) {
        const std::size_t dot = place.find('.');
        if (dot != std::string::npos)
          objects.insert(place.substr(0, dot));
        if (!taken.insert(place).second || (dot != std::string::npos && taken.contains(place.substr(0, dot))) ||
            objects.contains(place)) {
          return invalid(list[index]["also"],
                         fmt::format("field {}: \"{}\" belongs to another field", fields[index].name, place));
        }
      }
    }
    return {};
  }

  // The computed fields, each after the ones that it names.
  class Computing {
   public:
    Computing(const Parser& parser, const YAML::Node& node, Contract& contract) : parser_(parser), contract_(contract) {
      for (const auto& entry : node) {
        keys_.push_back(entry.first);
        values_.push_back(entry.second);
      }
      states_.resize(keys_.size(), State::untouched);
    }

    Result<void> run() {
      std::set<std::string> names;
      for (std::size_t index = 0; index < keys_.size(); ++index) {
        if (!keys_[index].IsScalar() || keys_[index].Scalar().empty())
          return parser_.invalid(keys_[index], "the name of a computed field is missing");
        const std::string& name = keys_[index].Scalar();
        if (!names.insert(name).second || contract_.find(name) != nullptr)
          return parser_.invalid(keys_[index], fmt::format("field {} is declared twice", name));
        if (!values_[index].IsScalar() || values_[index].Scalar().empty())
          return parser_.invalid(keys_[index], fmt::format("computed field {} has no expression", name));
        contract_.computed.push_back({name, values_[index].Scalar(), {}});
      }
      for (std::size_t index = 0; index < keys_.size(); ++index)
        SHOPLAKE_TRY(compute(index));
      return {};
    }

   private:
    enum class State { untouched, open, done };

    Result<void> compute(std::size_t index) {
      if (states_[index] == State::done)
        return {};
      states_[index] = State::open;
      path_.push_back(contract_.computed[index].name);
      const FindExpressionField find = [this](std::string_view name) { return find_field(name); };
      auto parsed = parse_expression(contract_.computed[index].text, find);
      if (!parsed.ok()) {
        if (nested_)
          return *nested_;
        return parser_.invalid(values_[index], fmt::format("computed field {}: {}", contract_.computed[index].name,
                                                           parsed.error().message));
      }
      contract_.computed[index].expression = std::move(parsed).value();
      contract_.computed_order.push_back(index);
      path_.pop_back();
      states_[index] = State::done;
      return {};
    }

    Result<std::optional<ExpressionField>> find_field(std::string_view name) {
      for (std::size_t index = 0; index < contract_.fields.size(); ++index) {
        const Field& field = contract_.fields[index];
        if (field.name != name)
          continue;
        if (field.type == Type::structure || field.type == Type::list)
          return refuse(fmt::format("{} is a {}; only single values can be used", name, contract::name(field.type)));
        if (field.treatment == Treatment::drop)
          return refuse(fmt::format("{} is dropped; nothing may be computed of it", name));
        return std::optional<ExpressionField>({index, field.type});
      }
      for (std::size_t index = 0; index < contract_.computed.size(); ++index) {
        if (contract_.computed[index].name != name)
          continue;
        if (states_[index] == State::open)
          return refuse(fmt::format("it depends on itself: {} → {}", fmt::join(path_, " → "), name));
        if (auto done = compute(index); !done.ok()) {
          nested_ = done.error();
          return std::move(done).error();
        }
        return std::optional<ExpressionField>(
            {contract_.fields.size() + index, contract_.computed[index].expression.type});
      }
      return std::optional<ExpressionField>();
    }

    static Error refuse(std::string message) {
      return make_error(ErrorKind::usage, "contract.expression", std::move(message), "");
    }

    const Parser& parser_;
    Contract& contract_;
    std::vector<YAML::Node> keys_;
    std::vector<YAML::Node> values_;
    std::vector<State> states_;
    std::vector<std::string> path_;
    std::optional<Error> nested_;  // of a field that was computed for another one: it has its own place
  };

  Result<void> parse_computed(const YAML::Node& node, Contract& contract) const {
    if (!node.IsMap() || node.size() == 0)
      return invalid(node, "computed must be a mapping of names to expressions");
    return Computing(*this, node, contract).run();
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
    SHOPLAKE_TRY(check_keys(node, {"name", "type", "required", "format", "also", "min", "max", "pii", "treatment",
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
                                            {"timestamp", Type::timestamp},
                                            {"date", Type::date},
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
    if (const YAML::Node also = node["also"]) {
      if (depth > 1)
        return invalid(also, fmt::format("field {}: only top-level fields can have other places", path));
      field.also = SHOPLAKE_TRY(parse_also(also, path));
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
    if (field.required && field.treatment == Treatment::drop)
      return invalid(node, fmt::format("field {}: what is dropped cannot be required", path));
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
      if (all_dropped(field.fields))
        return invalid(node, fmt::format("field {}: all its fields are dropped", path));
    } else if (field.type == Type::list) {
      // A list of structs may name the structs' fields directly.
      if (!!fields == !!element)
        return invalid(node, fmt::format("field {}: a list needs either fields (of its structs) or element", path));
      Field item;
      item.name = "element";
      if (fields) {
        item.type = Type::structure;
        item.fields = SHOPLAKE_TRY(parse_fields(fields, path + "[].", depth + 2));
        if (all_dropped(item.fields))
          return invalid(node, fmt::format("field {}: all its fields are dropped", path));
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
    SHOPLAKE_TRY(check_partition(root["partition_by"], contract));
    const auto is_taken = [&](const std::string& column) {
      return contract.find(column) != nullptr || contract.find_computed(column) != nullptr;
    };
    if (is_taken(contract.unknown_fields_column)) {
      return invalid(root["unknown_fields"],
                     fmt::format("keep_in names {}, which is a field of the contract", contract.unknown_fields_column));
    }
    const auto is_reserved = [](const std::string& column) { return column.starts_with("_shoplake_"); };
    for (const Field& field : contract.fields) {
      if (is_reserved(field.name))
        return invalid(root["fields"], fmt::format("{}: names that begin with _shoplake_ are reserved", field.name));
    }
    for (const ComputedField& field : contract.computed) {
      if (is_reserved(field.name))
        return invalid(root["computed"], fmt::format("{}: names that begin with _shoplake_ are reserved", field.name));
    }
    if (all_dropped(contract.fields))
      return invalid(root["fields"], "all fields are dropped");
    if (contract.event_identity == EventIdentity::client_id)
      return check_client_id(root["event_identity"], contract);
    if (contract.event_identity != EventIdentity::none) {
      for (std::string_view needed : {"event_name", "event_timestamp", "user_pseudo_id"}) {
        if (!contract.find(needed))
          return invalid(root["event_identity"], fmt::format("the event identity needs the field {}", needed));
      }
    }
    return {};
  }

  Result<void> check_partition(const YAML::Node& node, const Contract& contract) const {
    if (const ComputedField* computed = contract.find_computed(contract.partition_by)) {
      const Field* time = contract.partition_time();
      if (time == nullptr || !time->required) {
        return invalid(node, fmt::format("partition_by names {}, which must be date(<field>) of a required timestamp",
                                         computed->name));
      }
      return {};
    }
    const Field* partition = contract.find(contract.partition_by);
    if (!partition || partition->type != Type::text || !partition->required || !partition->is_date) {
      return invalid(node, fmt::format("partition_by names {}, which must be a required top-level string of format "
                                       "yyyymmdd, or a computed date(<field>) of a required timestamp",
                                       contract.partition_by));
    }
    return {};
  }

  Result<void> check_client_id(const YAML::Node& node, const Contract& contract) const {
    if (contract.client_event_id.size() != 1)
      return invalid(node, "event_identity client_id needs client_event_id to name one field");
    const Field* id = contract.find(contract.client_event_id.front());
    if (id == nullptr || id->type != Type::text || !id->required || id->treatment != Treatment::keep) {
      return invalid(node,
                     fmt::format("event_identity client_id needs {} to be a required top-level string that is kept",
                                 contract.client_event_id.front()));
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
    case Type::timestamp: return "timestamp";
    case Type::date: return "date";
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
  const ComputedField* day = find_computed(partition_by);
  if (day == nullptr || day->expression.operation != Expression::Operation::date)
    return nullptr;
  const Expression& time = day->expression.operands.front();
  return time.operation == Expression::Operation::field && time.field < fields.size() ? &fields[time.field] : nullptr;
}

std::string_view Contract::event_id_column() const {
  return event_identity == EventIdentity::client_id ? std::string_view(client_event_id.front()) : kEventIdColumn;
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
