#include "contract/computed_parser.h"

#include <optional>
#include <set>

namespace shoplake::contract {

namespace {

using base::ErrorKind;
using base::make_error;

// The computed fields, each after the ones that it names.
class Computing {
 public:
  Computing(const YamlReader& yaml, const YAML::Node& node, Contract& contract) : yaml_(yaml), contract_(contract) {
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
        return yaml_.invalid(keys_[index], "the name of a computed field is missing");
      const std::string& name = keys_[index].Scalar();
      if (!names.insert(name).second || contract_.find(name) != nullptr)
        return yaml_.invalid(keys_[index], fmt::format("field {} is declared twice", name));
      if (!values_[index].IsScalar() || values_[index].Scalar().empty())
        return yaml_.invalid(keys_[index], fmt::format("computed field {} has no expression", name));
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
      return yaml_.invalid(
          values_[index], fmt::format("computed field {}: {}", contract_.computed[index].name, parsed.error().message));
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
      return std::optional<ExpressionField>({index, field.type, field.decimal});
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
      return std::optional<ExpressionField>({contract_.fields.size() + index, contract_.computed[index].expression.type,
                                             contract_.computed[index].expression.decimal});
    }
    return std::optional<ExpressionField>();
  }

  static base::Error refuse(std::string message) {
    return make_error(ErrorKind::usage, "contract.expression", std::move(message), "");
  }

  const YamlReader& yaml_;
  Contract& contract_;
  std::vector<YAML::Node> keys_;
  std::vector<YAML::Node> values_;
  std::vector<State> states_;
  std::vector<std::string> path_;
  std::optional<base::Error> nested_;  // of a field that was computed for another one: it has its own place
};

}  // namespace

Result<void> parse_computed(const YamlReader& yaml, const YAML::Node& node, Contract& contract) {
  if (!node.IsMap() || node.size() == 0)
    return yaml.invalid(node, "computed must be a mapping of names to expressions");
  return Computing(yaml, node, contract).run();
}

}  // namespace shoplake::contract
