// The words of an expression (contract/expression.h): names, numbers, texts and symbols, each with its place. Internal
// to expression*.cc.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace shoplake::contract {

using base::Result;

// Error contract.expression (kind usage): what is wrong at that place, from 0.
base::Error expression_error(std::size_t at, std::string_view what);

std::string lower_case(std::string_view text);

struct Token {
  enum class Kind { end, name, number, text, symbol };
  Kind kind = Kind::end;
  std::string text;  // of names and texts without their quotes; != is <>
  std::size_t at = 0;
  bool quoted = false;
};

// Has one word at a time: after the first advance(), the first.
class ExpressionLexer {
 public:
  explicit ExpressionLexer(std::string_view text) : text_(text) {}

  const Token& token() const { return token_; }
  // Errors: a character that is not known, a text or quoted name that is not closed.
  Result<void> advance();

  bool at_symbol(std::string_view symbol) const;
  bool at_word(std::string_view word) const;  // a name that is not quoted, in any case
  // Whether it was there; then it is passed.
  Result<bool> take_symbol(std::string_view symbol);
  Result<bool> take_word(std::string_view word);
  // Passes it; an error if it is not there.
  Result<void> expect_symbol(std::string_view symbol);
  Result<void> expect_word(std::string_view word);
  base::Error unexpected(std::string_view expected) const;

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  Token token_;
};

}  // namespace shoplake::contract
