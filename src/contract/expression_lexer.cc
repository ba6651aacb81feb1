#include "contract/expression_lexer.h"

#include <fmt/format.h>

namespace shoplake::contract {

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

base::Error expression_error(std::size_t at, std::string_view what) {
  return base::make_error(base::ErrorKind::usage, "contract.expression", fmt::format("at column {}: {}", at + 1, what),
                          "docs/formats/contract.md describes the expressions of computed fields.");
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return lower;
}

Result<void> ExpressionLexer::advance() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
    ++at_;
  token_ = Token();
  token_.at = at_;
  if (at_ == text_.size())
    return {};
  const char first = text_[at_];
  if (is_letter(first)) {
    token_.kind = Token::Kind::name;
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_])))
      ++at_;
    token_.text = std::string(text_.substr(begin, at_ - begin));
    return {};
  }
  if (is_digit(first) || (first == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
    token_.kind = Token::Kind::number;
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (is_digit(text_[at_]) || is_letter(text_[at_]) || text_[at_] == '.' ||
            ((text_[at_] == '+' || text_[at_] == '-') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E'))))
      ++at_;
    token_.text = std::string(text_.substr(begin, at_ - begin));
    return {};
  }
  if (first == '\'' || first == '"') {
    token_.kind = first == '"' ? Token::Kind::name : Token::Kind::text;
    token_.quoted = true;
    ++at_;
    while (true) {
      if (at_ == text_.size())
        return expression_error(token_.at, first == '"' ? "a quoted name is not closed" : "a text is not closed");
      if (text_[at_] == first) {
        if (at_ + 1 == text_.size() || text_[at_ + 1] != first)
          break;
        ++at_;  // a doubled quote is one
      }
      token_.text.push_back(text_[at_++]);
    }
    ++at_;
    return {};
  }
  token_.kind = Token::Kind::symbol;
  for (std::string_view symbol : {"<>", "!=", "<=", ">=", "||"}) {
    if (text_.substr(at_, 2) == symbol) {
      token_.text = symbol == "!=" ? "<>" : std::string(symbol);
      at_ += 2;
      return {};
    }
  }
  if (std::string_view("+-*/%()=<>,").find(first) == std::string_view::npos)
    return expression_error(at_, fmt::format("the character \"{}\" is not known here", first));
  token_.text = std::string(1, first);
  ++at_;
  return {};
}

bool ExpressionLexer::at_symbol(std::string_view symbol) const {
  return token_.kind == Token::Kind::symbol && token_.text == symbol;
}
bool ExpressionLexer::at_word(std::string_view word) const {
  return token_.kind == Token::Kind::name && !token_.quoted && lower_case(token_.text) == word;
}

Result<bool> ExpressionLexer::take_symbol(std::string_view symbol) {
  if (!at_symbol(symbol))
    return false;
  SHOPLAKE_TRY(advance());
  return true;
}

Result<bool> ExpressionLexer::take_word(std::string_view word) {
  if (!at_word(word))
    return false;
  SHOPLAKE_TRY(advance());
  return true;
}

Result<void> ExpressionLexer::expect_symbol(std::string_view symbol) {
  return SHOPLAKE_TRY(take_symbol(symbol)) ? Result<void>() : unexpected(symbol);
}

Result<void> ExpressionLexer::expect_word(std::string_view word) {
  return SHOPLAKE_TRY(take_word(word)) ? Result<void>() : unexpected(word);
}

base::Error ExpressionLexer::unexpected(std::string_view expected) const {
  return expression_error(token_.at, token_.kind == Token::Kind::end
                                         ? fmt::format("it ends where {} is expected", expected)
                                         : fmt::format("\"{}\" stands where {} is expected", token_.text, expected));
}

}  // namespace shoplake::contract
