#include "dqdl/lexer.h"

#include <cctype>

namespace shoplake::dqdl {
namespace {

bool begins_word(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

class Lexer {
 public:
  Lexer(std::string_view text, const ErrorAt& error_at) : text_(text), error_at_(error_at) {}

  base::Result<std::vector<Token>> run() {
    while (skip_space(), at_ < text_.size())
      SHOPLAKE_TRY(read());
    tokens_.push_back({Token::Kind::end, "", text_.size()});
    return std::move(tokens_);
  }

 private:
  char next(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void skip_space() {
    while (at_ < text_.size()) {
      if (text_[at_] == '#') {
        while (at_ < text_.size() && text_[at_] != '\n')
          ++at_;
      } else if (std::isspace(static_cast<unsigned char>(text_[at_]))) {
        ++at_;
      } else {
        return;
      }
    }
  }

  base::Result<void> read() {
    const std::size_t begin = at_;
    const char c = text_[at_];
    if (c == '"')
      return read_text();
    if (begins_word(c)) {
      while (begins_word(next()) || is_digit(next()))
        ++at_;
      return add(Token::Kind::word, begin);
    }
    if (is_digit(c) || (c == '.' && is_digit(next(1)))) {
      while (is_digit(next()))
        ++at_;
      if (next() == '.' && is_digit(next(1))) {
        ++at_;
        while (is_digit(next()))
          ++at_;
      }
      if (begins_word(next()))
        return error_at_(at_, "a letter follows a number", "Put a space between them, or quotes around them.");
      return add(Token::Kind::number, begin);
    }
    if ((c == '!' || c == '<' || c == '>') && next(1) == '=') {
      at_ += 2;
      return add(Token::Kind::symbol, begin);
    }
    if (std::string_view("()[],=<>+-*/").find(c) != std::string_view::npos) {
      ++at_;
      return add(Token::Kind::symbol, begin);
    }
    if (c == '$')
      return error_at_(at_, "variables ($name) are not supported", "Write the value itself.");
    return error_at_(at_, std::string("the character '") + c + "' has no meaning here",
                     c == '\'' ? "Texts stand in double quotes." : "");
  }

  base::Result<void> read_text() {
    Token token{Token::Kind::text, "", at_++};
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && (next(1) == '"' || next(1) == '\\'))
        ++at_;
      token.value += text_[at_++];
    }
    if (at_ == text_.size())
      return error_at_(token.offset, "the quote that opens here is never closed", "Add the closing \".");
    ++at_;
    tokens_.push_back(std::move(token));
    return {};
  }

  base::Result<void> add(Token::Kind kind, std::size_t begin) {
    tokens_.push_back({kind, std::string(text_.substr(begin, at_ - begin)), begin});
    return {};
  }

  std::string_view text_;
  const ErrorAt& error_at_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

base::Result<std::vector<Token>> tokens_of(std::string_view text, const ErrorAt& error_at) {
  return Lexer(text, error_at).run();
}

}  // namespace shoplake::dqdl
