#include "contract/pattern.h"

#include <algorithm>
#include <bitset>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace shoplake::contract {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using Bytes = std::bitset<256>;

constexpr int kDepthMax = 50;
constexpr int kRepeatMax = 1'000;

// The syntax tree.
struct Expr {
  enum class Kind { empty, bytes, sequence, choice, repeat };
  Kind kind = Kind::empty;
  Bytes bytes;
  std::vector<Expr> parts;
  int least = 0;
  int most = -1;  // -1: any number
};

Expr of_bytes(const Bytes& bytes) {
  Expr expr;
  expr.kind = Expr::Kind::bytes;
  expr.bytes = bytes;
  return expr;
}
Expr byte_range(int low, int high) {
  Bytes bytes;
  for (int c = low; c <= high; ++c)
    bytes.set(static_cast<std::size_t>(c));
  return of_bytes(bytes);
}
Expr joined(Expr::Kind kind, std::vector<Expr> parts) {
  if (parts.size() == 1)
    return std::move(parts.front());
  Expr expr;
  expr.kind = parts.empty() ? Expr::Kind::empty : kind;
  expr.parts = std::move(parts);
  return expr;
}

// One code point: of the ASCII ones those of the class, and every other one in UTF-8.
Expr code_point(const Bytes& ascii) {
  const Expr tail = byte_range(0x80, 0xBF);
  std::vector<Expr> choices = {of_bytes(ascii)};
  choices.push_back(joined(Expr::Kind::sequence, {byte_range(0xC2, 0xDF), tail}));
  choices.push_back(joined(Expr::Kind::sequence, {byte_range(0xE0, 0xEF), tail, tail}));
  choices.push_back(joined(Expr::Kind::sequence, {byte_range(0xF0, 0xF4), tail, tail, tail}));
  return joined(Expr::Kind::choice, std::move(choices));
}

Bytes all_ascii() {
  Bytes bytes;
  for (std::size_t c = 0; c < 128; ++c)
    bytes.set(c);
  return bytes;
}

std::optional<Bytes> shorthand(char letter) {
  Bytes bytes;
  const auto range = [&](char low, char high) {
    for (int c = low; c <= high; ++c)
      bytes.set(static_cast<std::size_t>(c));
  };
  switch (letter) {
    case 'd':
    case 'D': range('0', '9'); break;
    case 'w':
    case 'W':
      range('0', '9'), range('a', 'z'), range('A', 'Z');
      bytes.set('_');
      break;
    case 's':
    case 'S':
      for (char c : {' ', '\t', '\n', '\r', '\f', '\v'})
        bytes.set(static_cast<std::size_t>(c));
      break;
    default: return std::nullopt;
  }
  return bytes;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Expr> parse() {
    if (!text_.empty() && text_.front() == '^')
      ++at_;
    Expr expr = SHOPLAKE_TRY(choice());
    if (at_ + 1 == text_.size() && text_[at_] == '$')
      ++at_;
    if (at_ != text_.size())
      return wrong(fmt::format("\"{}\" is not expected here", text_[at_]));
    return expr;
  }

 private:
  base::Error wrong(std::string_view what) const {
    return make_error(ErrorKind::usage, "contract.pattern",
                      fmt::format("the pattern \"{}\" at column {}: {}", text_, at_ + 1, what),
                      "docs/formats/contract.md describes patterns.");
  }
  bool more() const { return at_ < text_.size(); }
  bool at(char c) const { return more() && text_[at_] == c; }

  Result<Expr> choice() {
    if (++depth_ > kDepthMax)
      return wrong("it nests too deeply");
    std::vector<Expr> parts;
    parts.push_back(SHOPLAKE_TRY(sequence()));
    while (at('|')) {
      ++at_;
      parts.push_back(SHOPLAKE_TRY(sequence()));
    }
    --depth_;
    return joined(Expr::Kind::choice, std::move(parts));
  }

  Result<Expr> sequence() {
    std::vector<Expr> parts;
    while (more() && text_[at_] != '|' && text_[at_] != ')' && !(text_[at_] == '$' && at_ + 1 == text_.size()))
      parts.push_back(SHOPLAKE_TRY(repeated()));
    return joined(Expr::Kind::sequence, std::move(parts));
  }

  Result<Expr> repeated() {
    Expr inner = SHOPLAKE_TRY(single());
    while (more()) {
      const char c = text_[at_];
      int least = 0;
      int most = -1;
      if (c == '*') {
        ++at_;
      } else if (c == '+') {
        least = 1;
        ++at_;
      } else if (c == '?') {
        most = 1;
        ++at_;
      } else if (c == '{') {
        SHOPLAKE_TRY(counts(least, most));
      } else {
        break;
      }
      Expr repeat;
      repeat.kind = Expr::Kind::repeat;
      repeat.least = least;
      repeat.most = most;
      repeat.parts.push_back(std::move(inner));
      inner = std::move(repeat);
      if (at('?') || at('*') || at('+') || at('{'))
        return wrong("a repetition of a repetition is not supported; use parentheses");
    }
    return inner;
  }

  Result<int> count() {
    int value = 0;
    const std::size_t begin = at_;
    while (more() && text_[at_] >= '0' && text_[at_] <= '9' && value <= kRepeatMax)
      value = value * 10 + (text_[at_++] - '0');
    if (at_ == begin || value > kRepeatMax)
      return wrong(fmt::format("a number from 0 to {} is expected", kRepeatMax));
    return value;
  }

  Result<void> counts(int& least, int& most) {
    ++at_;  // {
    least = most = SHOPLAKE_TRY(count());
    if (at(',')) {
      ++at_;
      most = at('}') ? -1 : SHOPLAKE_TRY(count());
    }
    if (!at('}') || (most >= 0 && most < least))
      return wrong("{n}, {n,} or {n,m} is expected");
    ++at_;
    return {};
  }

  Result<Expr> single() {
    const char c = text_[at_];
    switch (c) {
      case '(': {
        ++at_;
        if (text_.substr(at_, 2) == "?:") {
          at_ += 2;
        } else if (at('?')) {
          return wrong("only (?: ) is supported");
        }
        Expr inner = SHOPLAKE_TRY(choice());
        if (!at(')'))
          return wrong("a closing parenthesis is expected");
        ++at_;
        return inner;
      }
      case '[': return char_class();
      case '.': {
        ++at_;
        Bytes bytes = all_ascii();
        bytes.reset('\n');
        return code_point(bytes);
      }
      case '\\': return escape();
      case '*':
      case '+':
      case '?':
      case '{':
      case '}':
      case ']':
      case '^':
      case '$': return wrong(fmt::format("\"{}\" stands for itself only behind a backslash", c));
      default: break;
    }
    // A code point above ASCII is repeated as a whole.
    std::vector<Expr> bytes;
    do {
      bytes.push_back(byte_range(static_cast<unsigned char>(text_[at_]), static_cast<unsigned char>(text_[at_])));
      ++at_;
    } while (static_cast<unsigned char>(c) >= 0x80 && more() &&
             (static_cast<unsigned char>(text_[at_]) & 0xC0) == 0x80);
    return joined(Expr::Kind::sequence, std::move(bytes));
  }

  // The byte that an escape in or outside a class stands for.
  Result<char> escaped_byte() {
    const char c = text_[at_++];
    switch (c) {
      case 't': return '\t';
      case 'n': return '\n';
      case 'r': return '\r';
      default: break;
    }
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      --at_;
      return wrong(fmt::format("the escape \\{} is not supported", c));
    }
    return c;
  }

  Result<Expr> escape() {
    ++at_;
    if (!more())
      return wrong("a character is expected behind the backslash");
    if (const auto bytes = shorthand(text_[at_])) {
      const char letter = text_[at_++];
      return letter >= 'a' ? of_bytes(*bytes) : code_point(all_ascii() & ~*bytes);
    }
    const auto byte = static_cast<unsigned char>(SHOPLAKE_TRY(escaped_byte()));
    return byte_range(byte, byte);
  }

  // A character of a class; nothing for a shorthand, whose bytes are added.
  Result<std::optional<int>> class_member(Bytes& bytes) {
    if (static_cast<unsigned char>(text_[at_]) >= 0x80)
      return wrong("a class names ASCII characters only");
    if (text_[at_] != '\\')
      return std::optional<int>(text_[at_++]);
    if (++at_ == text_.size())
      return wrong("a character is expected behind the backslash");
    if (const auto named = shorthand(text_[at_]); named && text_[at_] >= 'a') {
      bytes |= *named;
      ++at_;
      return std::optional<int>();
    }
    return std::optional<int>(SHOPLAKE_TRY(escaped_byte()));
  }

  Result<Expr> char_class() {
    ++at_;  // [
    const bool negated = at('^');
    at_ += negated ? 1 : 0;
    Bytes bytes;
    bool first = true;
    while (first || !at(']')) {
      if (!more())
        return wrong("a class is not closed");
      first = false;
      const auto low = SHOPLAKE_TRY(class_member(bytes));
      if (!low)
        continue;
      int high = *low;
      if (at('-') && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        const auto end = SHOPLAKE_TRY(class_member(bytes));
        if (!end || *end < *low)
          return wrong("a range of a class is expected to go from a smaller to a larger character");
        high = *end;
      }
      for (int c = *low; c <= high; ++c)
        bytes.set(static_cast<std::size_t>(c));
    }
    ++at_;
    return negated ? code_point(all_ascii() & ~bytes) : of_bytes(bytes);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

// A state of the automaton: takes one byte of a set, or goes on without one.
struct Instruction {
  enum class Kind : std::uint8_t { take, split, match };
  Kind kind = Kind::match;
  Bytes bytes;
  std::uint16_t next = 0;
  std::uint16_t other = 0;  // of a split
};

constexpr std::uint16_t kOpen = 0xFFFF;  // an end that is not connected yet

}  // namespace

struct Pattern::Program {
  std::vector<Instruction> instructions;
  std::uint16_t begin = 0;

  // Sorted states that take a byte or match.
  using States = std::vector<std::uint16_t>;

  void follow(std::uint16_t state, std::vector<bool>& seen, States& states) const {
    std::vector<std::uint16_t> open = {state};
    while (!open.empty()) {
      const std::uint16_t at = open.back();
      open.pop_back();
      if (seen[at])
        continue;
      seen[at] = true;
      const Instruction& instruction = instructions[at];
      if (instruction.kind == Instruction::Kind::split) {
        open.push_back(instruction.other);
        open.push_back(instruction.next);
      } else {
        states.push_back(at);
      }
    }
  }
  States first() const {
    std::vector<bool> seen(instructions.size());
    States states;
    follow(begin, seen, states);
    std::sort(states.begin(), states.end());
    return states;
  }
  States after(const States& states, unsigned char byte) const {
    std::vector<bool> seen(instructions.size());
    States result;
    for (const std::uint16_t state : states) {
      const Instruction& instruction = instructions[state];
      if (instruction.kind == Instruction::Kind::take && instruction.bytes.test(byte))
        follow(instruction.next, seen, result);
    }
    std::sort(result.begin(), result.end());
    return result;
  }
  bool is_match(const States& states) const {
    return std::any_of(states.begin(), states.end(),
                       [&](std::uint16_t state) { return instructions[state].kind == Instruction::Kind::match; });
  }
};

namespace {

// Thompson's construction: each expression is built in front of the state that follows it.
class Compiler {
 public:
  Result<std::uint16_t> build(const Expr& expr, std::uint16_t next) {
    switch (expr.kind) {
      case Expr::Kind::empty: return next;
      case Expr::Kind::bytes: {
        Instruction instruction;
        instruction.kind = Instruction::Kind::take;
        instruction.bytes = expr.bytes;
        instruction.next = next;
        return add(instruction);
      }
      case Expr::Kind::sequence:
        for (auto part = expr.parts.rbegin(); part != expr.parts.rend(); ++part)
          next = SHOPLAKE_TRY(build(*part, next));
        return next;
      case Expr::Kind::choice: {
        std::uint16_t first = SHOPLAKE_TRY(build(expr.parts.back(), next));
        for (std::size_t index = expr.parts.size() - 1; index-- > 0;)
          first = SHOPLAKE_TRY(split(SHOPLAKE_TRY(build(expr.parts[index], next)), first));
        return first;
      }
      case Expr::Kind::repeat: return build_repeat(expr, next);
    }
    return next;
  }
  Result<std::uint16_t> add(const Instruction& instruction) {
    if (instructions.size() >= Pattern::kStatesMax) {
      return make_error(ErrorKind::usage, "contract.pattern",
                        fmt::format("it needs more than {} states", Pattern::kStatesMax),
                        "Use smaller numbers in {n,m}.");
    }
    instructions.push_back(instruction);
    return static_cast<std::uint16_t>(instructions.size() - 1);
  }

  std::vector<Instruction> instructions;

 private:
  Result<std::uint16_t> split(std::uint16_t next, std::uint16_t other) {
    Instruction instruction;
    instruction.kind = Instruction::Kind::split;
    instruction.next = next;
    instruction.other = other;
    return add(instruction);
  }
  Result<std::uint16_t> build_repeat(const Expr& expr, std::uint16_t next) {
    const Expr& part = expr.parts.front();
    if (expr.most < 0) {
      const std::uint16_t loop = SHOPLAKE_TRY(split(kOpen, next));
      const std::uint16_t body = SHOPLAKE_TRY(build(part, loop));
      instructions[loop].next = body;
      next = loop;
    }
    for (int i = expr.least; i < expr.most; ++i)
      next = SHOPLAKE_TRY(split(SHOPLAKE_TRY(build(part, next)), next));
    for (int i = 0; i < expr.least; ++i)
      next = SHOPLAKE_TRY(build(part, next));
    return next;
  }
};

}  // namespace

Result<Pattern> Pattern::parse(std::string_view text) {
  const Expr expr = SHOPLAKE_TRY(Parser(text).parse());
  Compiler compiler;
  const std::uint16_t match = SHOPLAKE_TRY(compiler.add(Instruction()));
  auto program = std::make_shared<Program>();
  program->begin = SHOPLAKE_TRY(compiler.build(expr, match));
  program->instructions = std::move(compiler.instructions);
  Pattern pattern;
  pattern.text_ = text;
  pattern.program_ = std::move(program);
  return pattern;
}

bool Pattern::matches(std::string_view value) const { return Matcher(*this).matches(value); }

struct Pattern::Matcher::State {
  // Sets of states that are remembered; the rest is forgotten at once.
  static constexpr std::size_t kSetsMax = 512;
  static constexpr int kUnknown = -1;
  static constexpr int kNothing = -2;  // no state is left: no match

  explicit State(std::shared_ptr<const Program> given) : program(std::move(given)) { reset(); }

  void reset() {
    numbers.clear();
    sets.clear();
    number_of(program->first());
  }
  int number_of(Program::States states) {
    if (states.empty())
      return kNothing;
    const auto [known, added] = numbers.try_emplace(states, static_cast<int>(sets.size()));
    if (added) {
      Set& set = sets.emplace_back();
      set.is_match = program->is_match(states);
      set.next.assign(256, kUnknown);
      set.states = std::move(states);
    }
    return known->second;
  }

  struct Set {
    Program::States states;
    std::vector<int> next;  // by byte
    bool is_match = false;
  };
  std::shared_ptr<const Program> program;
  std::map<Program::States, int> numbers;
  std::vector<Set> sets;
};

Pattern::Matcher::Matcher(const Pattern& pattern) : state_(std::make_unique<State>(pattern.program_)) {}
Pattern::Matcher::~Matcher() = default;

bool Pattern::Matcher::matches(std::string_view value) {
  State& state = *state_;
  if (state.sets.size() >= State::kSetsMax)
    state.reset();
  int at = 0;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    int next = state.sets[static_cast<std::size_t>(at)].next[byte];
    if (next == State::kUnknown) {
      Program::States after = state.program->after(state.sets[static_cast<std::size_t>(at)].states, byte);
      if (state.sets.size() >= State::kSetsMax) {  // a long text: begin to remember anew
        state.reset();
        at = state.number_of(std::move(after));
        if (at == State::kNothing)
          return false;
        continue;
      }
      next = state.number_of(std::move(after));
      state.sets[static_cast<std::size_t>(at)].next[byte] = next;
    }
    if (next == State::kNothing)
      return false;
    at = next;
  }
  return state.sets[static_cast<std::size_t>(at)].is_match;
}

}  // namespace shoplake::contract
