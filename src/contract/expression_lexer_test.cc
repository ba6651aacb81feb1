// The words of expressions.
#include "contract/expression_lexer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace shoplake::contract {
namespace {

// "name:price symbol:* number:2", or the error.
std::string words(std::string_view text) {
  ExpressionLexer lexer(text);
  std::string all;
  while (true) {
    const auto advanced = lexer.advance();
    if (!advanced.ok())
      return advanced.error().message;
    const Token& token = lexer.token();
    if (token.kind == Token::Kind::end)
      return all;
    constexpr const char* kKinds[] = {"end", "name", "number", "text", "symbol"};
    all += (all.empty() ? "" : " ") + std::string(kKinds[static_cast<int>(token.kind)]) + ":" + token.text;
  }
}

TEST(ExpressionLexer, CutsWords) {
  EXPECT_EQ(words(""), "");
  EXPECT_EQ(words(" price*2 "), "name:price symbol:* number:2");
  EXPECT_EQ(words("a<>b!=c<=d||e"), "name:a symbol:<> name:b symbol:<> name:c symbol:<= name:d symbol:|| name:e");
  EXPECT_EQ(words("1.5e-3 .5"), "number:1.5e-3 number:.5");
  EXPECT_EQ(words("'it''s' \"a \"\"b\"\"\""), "text:it's name:a \"b\"");
}

TEST(ExpressionLexer, SaysWhereItStops) {
  EXPECT_EQ(words("a 'b"), "at column 3: a text is not closed");
  EXPECT_EQ(words("\"a"), "at column 1: a quoted name is not closed");
  EXPECT_EQ(words("a ; b"), "at column 3: the character \";\" is not known here");
}

TEST(ExpressionLexer, TakesWordsInAnyCaseButNotQuotedOnes) {
  ExpressionLexer lexer("NOT \"not\" )");
  ASSERT_TRUE(lexer.advance().ok());
  EXPECT_TRUE(lexer.take_word("not").value());
  EXPECT_FALSE(lexer.take_word("not").value());
  EXPECT_EQ(lexer.expect_symbol(")").error().message, "at column 5: \"not\" stands where ) is expected");
  ASSERT_TRUE(lexer.advance().ok());
  EXPECT_TRUE(lexer.expect_symbol(")").ok());
  EXPECT_EQ(lexer.unexpected("a value").message, "at column 12: it ends where a value is expected");
}

}  // namespace
}  // namespace shoplake::contract
