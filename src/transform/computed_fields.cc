#include "transform/computed_fields.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <optional>
#include <string>

#include "base/moment.h"
#include "contract/decimal.h"

namespace shoplake::transform {

namespace {

using contract::Expression;
using contract::Type;
using Operation = Expression::Operation;

// The values of an expression, one a record. A word means something only where `valid` is 1.
struct Vector {
  std::vector<std::uint64_t> words;     // of a text: none
  std::vector<std::string_view> texts;  // of a text
  std::vector<std::uint8_t> valid;

  std::int64_t integer(std::size_t row) const { return static_cast<std::int64_t>(words[row]); }
  double real(std::size_t row) const { return std::bit_cast<double>(words[row]); }
};

std::uint64_t word_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }
std::uint64_t word_of(double value) { return std::bit_cast<std::uint64_t>(value); }

char lower_case(char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); }
char upper_case(char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

std::int64_t code_points(std::string_view text) {
  std::int64_t count = 0;
  for (char c : text)
    count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

// `count` code points from number `begin` (from 1), as far as there are any.
std::string_view code_points_of(std::string_view text, std::int64_t begin, std::int64_t count) {
  std::int64_t number = 0;
  std::size_t first = text.size();
  std::size_t last = text.size();
  for (std::size_t at = 0; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
      continue;
    ++number;
    if (first == text.size() && number >= begin)
      first = at;
    if (number >= begin && static_cast<__int128>(number) - begin >= count) {
      last = at;
      break;
    }
  }
  return first < last ? text.substr(first, last - first) : std::string_view();
}

std::int64_t day_part(Operation operation, std::int64_t days) {
  if (operation == Operation::day_of_week)
    return base::day_of_week(days);
  const base::CivilDay day = base::civil_day(days);
  return operation == Operation::year ? day.year : operation == Operation::month ? day.month : day.day;
}

// -1, 0, 1; equal and unequal of NaN as PostgreSQL and DuckDB have them: NaN equals itself and is the greatest.
int compare_real(double left, double right) {
  if (std::isnan(left) || std::isnan(right))
    return std::isnan(left) - std::isnan(right);
  return (left > right) - (left < right);
}

bool holds(Operation operation, int order) {
  switch (operation) {
    case Operation::equal: return order == 0;
    case Operation::not_equal: return order != 0;
    case Operation::less: return order < 0;
    case Operation::less_or_equal: return order <= 0;
    case Operation::greater: return order > 0;
    default: return order >= 0;
  }
}

}  // namespace

struct ComputedFields::State {
  const contract::Contract& contract;
  const Layout& layout;

  // Of the set being filled.
  const ColumnSet* set = nullptr;
  const std::vector<std::unique_ptr<Dictionary>>* dictionaries = nullptr;
  std::deque<std::string> made;  // texts that the vectors view

  std::size_t rows() const { return set->rows; }

  Vector empty_vector(Type type) const {
    Vector result;
    result.valid.assign(rows(), 0);
    if (type == Type::text) {
      result.texts.resize(rows());
    } else {
      result.words.resize(rows());
    }
    return result;
  }

  Vector field(std::uint16_t node_index, Type type) const {
    const Node& node = layout.nodes[node_index];
    const LeafValues& leaf = set->leaves[node.leaf];
    const Buffer<std::uint8_t>& levels = set->levels[node_index];
    Vector result = empty_vector(type);
    const Dictionary* dictionary = (*dictionaries)[node.leaf].get();
    std::size_t value = 0;
    for (std::size_t row = 0; row < levels.size(); ++row) {
      if (levels[row] != node.level)
        continue;
      result.valid[row] = 1;
      if (type == Type::text) {
        if (leaf.is_plain) {
          const char* const at = leaf.plain.data() + leaf.starts[value];
          std::uint32_t size = 0;
          std::memcpy(&size, at, sizeof(size));
          result.texts[row] = std::string_view(at + sizeof(size), size);
        } else {
          result.texts[row] = dictionary->written(leaf.ids[value]);
        }
      } else {
        result.words[row] = type == Type::boolean ? leaf.flags[value] : leaf.words[value];
      }
      ++value;
    }
    return result;
  }

  Vector literal(const Expression& e) const {
    Vector result = empty_vector(e.type);
    if (e.is_null)
      return result;
    result.valid.assign(rows(), 1);
    if (e.type == Type::text) {
      result.texts.assign(rows(), e.text);
    } else {
      result.words.assign(rows(), e.type == Type::real ? word_of(e.real) : word_of(e.integer));
    }
    return result;
  }

  // The result is NULL where the operand is; `compute` gives the word elsewhere, or clears `valid`.
  template <typename Compute>
  Vector unary(const Expression& e, Compute&& compute) {
    Vector result = evaluate(e.operands[0]);
    for (std::size_t row = 0; row < rows(); ++row) {
      if (result.valid[row])
        result.words[row] = compute(result, row);
    }
    return result;
  }

  template <typename Compute>
  Vector text_to_text(const Expression& e, Compute&& compute) {
    Vector result = evaluate(e.operands[0]);
    for (std::size_t row = 0; row < rows(); ++row) {
      if (result.valid[row])
        result.texts[row] = compute(result.texts[row]);
    }
    return result;
  }

  std::string_view mapped(std::string_view text, char (*map)(char)) {
    bool changes = false;
    for (char c : text)
      changes |= map(c) != c;
    if (!changes)
      return text;
    std::string& copy = made.emplace_back(text);
    for (char& c : copy)
      c = map(c);
    return copy;
  }

  Vector arithmetic(const Expression& e) {
    Vector left = evaluate(e.operands[0]);
    const Vector right = evaluate(e.operands[1]);
    const std::size_t count = rows();
    for (std::size_t row = 0; row < count; ++row)
      left.valid[row] &= right.valid[row];
    if (e.type == Type::real) {
      for (std::size_t row = 0; row < count; ++row) {
        if (!left.valid[row])
          continue;
        const double a = left.real(row);
        const double b = right.real(row);
        double value = 0;
        switch (e.operation) {
          case Operation::add: value = a + b; break;
          case Operation::subtract: value = a - b; break;
          case Operation::multiply: value = a * b; break;
          default:
            if (b == 0)
              left.valid[row] = 0;
            value = a / b;
            break;
        }
        if (!std::isfinite(value) && std::isfinite(a) && std::isfinite(b))
          left.valid[row] = 0;
        left.words[row] = word_of(value);
      }
      return left;
    }
    if (e.type == Type::decimal)
      return exact_arithmetic(e, std::move(left), right);
    for (std::size_t row = 0; row < count; ++row) {
      if (!left.valid[row])
        continue;
      const std::int64_t a = left.integer(row);
      const std::int64_t b = right.integer(row);
      std::int64_t value = 0;
      bool overflow = false;
      switch (e.operation) {
        case Operation::add: overflow = __builtin_add_overflow(a, b, &value); break;
        case Operation::subtract: overflow = __builtin_sub_overflow(a, b, &value); break;
        case Operation::multiply: overflow = __builtin_mul_overflow(a, b, &value); break;
        default:  // modulo; the least integer by -1 overflows
          overflow = b == 0;
          value = b == 0 || b == -1 ? 0 : a % b;
          break;
      }
      if (overflow)
        left.valid[row] = 0;
      left.words[row] = word_of(value);
    }
    return left;
  }

  // NULL where a decimal cannot hold the value.
  static void store_exact(Vector& vector, std::size_t row, __int128 value) {
    const std::int64_t most = contract::decimal_max({contract::kDecimalDigitsMax, 0});
    if (value < -most || value > most) {
      vector.valid[row] = 0;
      return;
    }
    vector.words[row] = word_of(static_cast<std::int64_t>(value));
  }

  Vector exact_arithmetic(const Expression& e, Vector left, const Vector& right) const {
    for (std::size_t row = 0; row < rows(); ++row) {
      if (!left.valid[row])
        continue;
      const __int128 a = left.integer(row);
      const __int128 b = right.integer(row);
      store_exact(left, row,
                  e.operation == Operation::add        ? a + b
                  : e.operation == Operation::subtract ? a - b
                                                       : a * b);
    }
    return left;
  }

  Vector to_decimal(const Expression& e) {
    const Expression& operand = e.operands[0];
    const __int128 factor = contract::power_of_ten(e.decimal.scale - operand.decimal.scale);
    Vector result = evaluate(operand);
    for (std::size_t row = 0; row < rows(); ++row) {
      if (result.valid[row])
        store_exact(result, row, factor * result.integer(row));
    }
    return result;
  }

  Vector to_real(const Expression& e) {
    const Expression& operand = e.operands[0];
    const auto unit = static_cast<double>(contract::power_of_ten(operand.decimal.scale));
    return unary(e,
                 [&](const Vector& v, std::size_t row) { return word_of(static_cast<double>(v.integer(row)) / unit); });
  }

  // round, floor and ceil of a decimal: a decimal without digits behind the point.
  Vector whole(const Expression& e) {
    const std::int64_t unit = contract::power_of_ten(e.operands[0].decimal.scale);
    return unary(e, [&](const Vector& v, std::size_t row) {
      const std::int64_t value = v.integer(row);
      const std::int64_t rest = value % unit;
      std::int64_t result = value / unit;
      if (e.operation == Operation::floor && rest < 0)
        --result;
      if (e.operation == Operation::ceiling && rest > 0)
        ++result;
      if (e.operation == Operation::round && 2 * std::abs(rest) >= unit)
        result += value < 0 ? -1 : 1;
      return word_of(result);
    });
  }

  // Of two texts: a boolean.
  Vector text_test(const Expression& e) {
    const Vector left = evaluate(e.operands[0]);
    const Vector right = evaluate(e.operands[1]);
    Vector result = empty_vector(Type::boolean);
    for (std::size_t row = 0; row < rows(); ++row) {
      result.valid[row] = left.valid[row] & right.valid[row];
      if (!result.valid[row])
        continue;
      const std::string_view text = left.texts[row];
      const std::string_view part = right.texts[row];
      result.words[row] = e.operation == Operation::starts_with ? text.starts_with(part)
                          : e.operation == Operation::ends_with ? text.ends_with(part)
                                                                : text.find(part) != std::string_view::npos;
    }
    return result;
  }

  Vector substring(const Expression& e) {
    Vector result = evaluate(e.operands[0]);
    const Vector begin = evaluate(e.operands[1]);
    const Vector count = evaluate(e.operands[2]);
    for (std::size_t row = 0; row < rows(); ++row) {
      result.valid[row] &= begin.valid[row] & count.valid[row];
      if (result.valid[row])
        result.texts[row] = code_points_of(result.texts[row], begin.integer(row), count.integer(row));
    }
    return result;
  }

  Vector replace(const Expression& e) {
    Vector result = evaluate(e.operands[0]);
    const Vector what = evaluate(e.operands[1]);
    const Vector by = evaluate(e.operands[2]);
    for (std::size_t row = 0; row < rows(); ++row) {
      result.valid[row] &= what.valid[row] & by.valid[row];
      const std::string_view text = result.texts[row];
      const std::string_view part = what.texts[row];
      std::size_t at = result.valid[row] && !part.empty() ? text.find(part) : std::string_view::npos;
      if (at == std::string_view::npos)
        continue;
      std::string& replaced = made.emplace_back();
      std::size_t copied = 0;
      for (; at != std::string_view::npos; at = text.find(part, copied)) {
        replaced.append(text, copied, at - copied).append(by.texts[row]);
        copied = at + part.size();
      }
      replaced.append(text, copied);
      result.texts[row] = replaced;
    }
    return result;
  }

  Vector comparison(const Expression& e) {
    const Type type = e.operands[0].type;
    const Vector left = evaluate(e.operands[0]);
    const Vector right = evaluate(e.operands[1]);
    Vector result = empty_vector(Type::boolean);
    for (std::size_t row = 0; row < rows(); ++row) {
      if (!left.valid[row] || !right.valid[row])
        continue;
      int order = 0;
      if (type == Type::text) {
        const int compared = left.texts[row].compare(right.texts[row]);
        order = (compared > 0) - (compared < 0);
      } else if (type == Type::real) {
        order = compare_real(left.real(row), right.real(row));
      } else {
        order = (left.integer(row) > right.integer(row)) - (left.integer(row) < right.integer(row));
      }
      result.valid[row] = 1;
      result.words[row] = holds(e.operation, order);
    }
    return result;
  }

  // SQL's three values: false and NULL is false, true or NULL is true.
  Vector logical(const Expression& e) {
    const std::uint64_t decisive = e.operation == Operation::logical_or ? 1 : 0;
    Vector left = evaluate(e.operands[0]);
    const Vector right = evaluate(e.operands[1]);
    for (std::size_t row = 0; row < rows(); ++row) {
      const bool decided =
          (left.valid[row] && left.words[row] == decisive) || (right.valid[row] && right.words[row] == decisive);
      left.valid[row] = decided || (left.valid[row] && right.valid[row]);
      left.words[row] = decided ? decisive : 1 - decisive;
    }
    return left;
  }

  static void take(Vector& to, const Vector& from, std::size_t row, Type type) {
    to.valid[row] = from.valid[row];
    if (type == Type::text) {
      to.texts[row] = from.texts[row];
    } else {
      to.words[row] = from.words[row];
    }
  }

  Vector coalesce(const Expression& e) {
    Vector result = evaluate(e.operands[0]);
    for (std::size_t operand = 1; operand < e.operands.size(); ++operand) {
      const Vector other = evaluate(e.operands[operand]);
      for (std::size_t row = 0; row < rows(); ++row) {
        if (!result.valid[row])
          take(result, other, row, e.type);
      }
    }
    return result;
  }

  Vector choose(const Expression& e) {
    Vector result = evaluate(e.operands.back());
    std::vector<std::uint8_t> chosen(rows(), 0);
    for (std::size_t operand = 0; operand + 1 < e.operands.size(); operand += 2) {
      const Vector condition = evaluate(e.operands[operand]);
      const Vector value = evaluate(e.operands[operand + 1]);
      for (std::size_t row = 0; row < rows(); ++row) {
        if (chosen[row] || !condition.valid[row] || condition.words[row] == 0)
          continue;
        chosen[row] = 1;
        take(result, value, row, e.type);
      }
    }
    return result;
  }

  Vector concatenate(const Expression& e) {
    Vector result = evaluate(e.operands[0]);
    std::vector<Vector> others;
    for (std::size_t operand = 1; operand < e.operands.size(); ++operand)
      others.push_back(evaluate(e.operands[operand]));
    for (std::size_t row = 0; row < rows(); ++row) {
      for (const Vector& other : others)
        result.valid[row] &= other.valid[row];
      if (!result.valid[row])
        continue;
      std::string& text = made.emplace_back(result.texts[row]);
      for (const Vector& other : others)
        text += other.texts[row];
      result.texts[row] = text;
    }
    return result;
  }

  Vector evaluate(const Expression& e) {
    constexpr std::int64_t kMicrosPerMinute = 60 * base::kMicrosPerSecond;
    const auto time_of_day = [](const Vector& value, std::size_t row) {
      const std::int64_t micros = value.integer(row);
      return micros - base::day_of(micros) * base::kMicrosPerDay;
    };
    switch (e.operation) {
      case Operation::literal: return literal(e);
      case Operation::field: return field(layout.fields[e.field], e.type);
      case Operation::to_real: return to_real(e);
      case Operation::to_decimal: return to_decimal(e);
      case Operation::starts_with:
      case Operation::ends_with:
      case Operation::contains: return text_test(e);
      case Operation::substring: return substring(e);
      case Operation::replace: return replace(e);
      case Operation::negate:
      case Operation::absolute:
        return unary(e, [&](Vector& v, std::size_t row) {
          const bool always = e.operation == Operation::negate;
          if (e.type == Type::real)
            return word_of(always ? -v.real(row) : std::fabs(v.real(row)));
          const std::int64_t value = v.integer(row);
          if (!always && value >= 0)
            return word_of(value);
          v.valid[row] = value != std::numeric_limits<std::int64_t>::min();
          return 0 - v.words[row];
        });
      case Operation::round:
        if (e.type == Type::decimal)
          return whole(e);
        return unary(e, [](const Vector& v, std::size_t row) { return word_of(std::round(v.real(row))); });
      case Operation::floor:
        if (e.type == Type::decimal)
          return whole(e);
        return unary(e, [](const Vector& v, std::size_t row) { return word_of(std::floor(v.real(row))); });
      case Operation::ceiling:
        if (e.type == Type::decimal)
          return whole(e);
        return unary(e, [](const Vector& v, std::size_t row) { return word_of(std::ceil(v.real(row))); });
      case Operation::add:
      case Operation::subtract:
      case Operation::multiply:
      case Operation::divide:
      case Operation::modulo: return arithmetic(e);
      case Operation::equal:
      case Operation::not_equal:
      case Operation::less:
      case Operation::less_or_equal:
      case Operation::greater:
      case Operation::greater_or_equal: return comparison(e);
      case Operation::logical_and:
      case Operation::logical_or: return logical(e);
      case Operation::logical_not: return unary(e, [](const Vector& v, std::size_t row) { return 1 - v.words[row]; });
      case Operation::is_null: {
        const Vector operand = evaluate(e.operands[0]);
        Vector result = empty_vector(Type::boolean);
        for (std::size_t row = 0; row < rows(); ++row) {
          result.valid[row] = 1;
          result.words[row] = operand.valid[row] == 0;
        }
        return result;
      }
      case Operation::coalesce: return coalesce(e);
      case Operation::choose: return choose(e);
      case Operation::concatenate: return concatenate(e);
      case Operation::lower: return text_to_text(e, [this](std::string_view t) { return mapped(t, lower_case); });
      case Operation::upper: return text_to_text(e, [this](std::string_view t) { return mapped(t, upper_case); });
      case Operation::trim: return text_to_text(e, trimmed);
      case Operation::length: {
        Vector operand = evaluate(e.operands[0]);
        operand.words.resize(rows());
        for (std::size_t row = 0; row < rows(); ++row)
          operand.words[row] = word_of(code_points(operand.texts[row]));
        operand.texts.clear();
        return operand;
      }
      case Operation::date:
        return unary(e, [](const Vector& v, std::size_t row) { return word_of(base::day_of(v.integer(row))); });
      case Operation::year:
      case Operation::month:
      case Operation::day:
      case Operation::day_of_week: {
        const bool of_timestamp = e.operands[0].type == Type::timestamp;
        // Rows of a set are mostly of one day.
        std::optional<std::int64_t> last;
        std::uint64_t part = 0;
        return unary(e, [&](const Vector& v, std::size_t row) {
          const std::int64_t value = v.integer(row);
          const std::int64_t day = of_timestamp ? base::day_of(value) : value;
          if (last != day) {
            last = day;
            part = word_of(day_part(e.operation, day));
          }
          return part;
        });
      }
      case Operation::hour:
        return unary(e, [&](const Vector& v, std::size_t row) {
          return word_of(time_of_day(v, row) / (60 * kMicrosPerMinute));
        });
      case Operation::minute:
        return unary(
            e, [&](const Vector& v, std::size_t row) { return word_of(time_of_day(v, row) / kMicrosPerMinute % 60); });
    }
    return empty_vector(e.type);
  }

  void store(ColumnSet& target, std::uint16_t node_index, const Vector& values, Type type, const AppendText& append) {
    const Node& node = layout.nodes[node_index];
    LeafValues& leaf = target.leaves[node.leaf];
    std::uint8_t* const levels = target.levels[node_index].extend(rows());
    for (std::size_t row = 0; row < rows(); ++row) {
      levels[row] = static_cast<std::uint8_t>(node.level - 1 + values.valid[row]);
      if (!values.valid[row])
        continue;
      if (type == Type::text) {
        append(node, leaf, values.texts[row]);
      } else if (type == Type::boolean) {
        leaf.flags.push_back(static_cast<std::uint8_t>(values.words[row]));
      } else {
        leaf.words.push_back(values.words[row]);
      }
    }
  }
};

ComputedFields::ComputedFields(const contract::Contract& contract, const Layout& layout)
    : state_(new State{contract, layout, nullptr, nullptr, {}}) {}
ComputedFields::~ComputedFields() = default;

void ComputedFields::add_to(ColumnSet& set, const std::vector<std::unique_ptr<Dictionary>>& dictionaries,
                            const AppendText& append) {
  State& state = *state_;
  state.set = &set;
  state.dictionaries = &dictionaries;
  for (std::size_t index : state.contract.computed_order) {
    const Expression& expression = state.contract.computed[index].expression;
    const Vector values = state.evaluate(expression);
    state.store(set, state.layout.fields[state.contract.fields.size() + index], values, expression.type, append);
    state.made.clear();
  }
}

}  // namespace shoplake::transform
