#include "contract/expression.h"

#include <gtest/gtest.h>

#include <map>

namespace shoplake::contract {
namespace {

Result<Expression> parsed(std::string_view text) {
  static const std::map<std::string_view, Type> kFields = {{"n", Type::integer},    {"r", Type::real},
                                                           {"s", Type::text},       {"b", Type::boolean},
                                                           {"at", Type::timestamp}, {"on", Type::date}};
  return parse_expression(text, [](std::string_view name) -> Result<std::optional<ExpressionField>> {
    if (name == "secret")
      return base::make_error(base::ErrorKind::usage, "x", "secret is dropped", "");
    const auto found = kFields.find(name);
    if (found == kFields.end())
      return std::optional<ExpressionField>();
    return std::optional<ExpressionField>(
        {static_cast<std::size_t>(std::distance(kFields.begin(), found)), found->second});
  });
}

TEST(ExpressionTest, HasTheTypeOfItsResult) {
  const std::pair<std::string_view, Type> cases[] = {
      {"n + 1", Type::integer},
      {"n * r", Type::real},
      {"n / 2", Type::real},
      {"n % 2", Type::integer},
      {"-(n - -3) * +2", Type::integer},
      {"s || 'x' || lower(s)", Type::text},
      {"n > 1 and not b or r <= 2.5", Type::boolean},
      {"s is not null", Type::boolean},
      {"s not in ('a', 'b')", Type::boolean},
      {"n between 1 and r", Type::boolean},
      {"coalesce(null, n, 0)", Type::integer},
      {"coalesce(n, 1.5)", Type::real},
      {"case when n > 1 then 'x' else null end", Type::text},
      {"case s when 'a' then 1 when 'b' then 2.5 end", Type::real},
      {"if(b, 1, null)", Type::integer},
      {"nullif(s, '')", Type::text},
      {"date(at)", Type::date},
      {"hour(at) + minute(at)", Type::integer},
      {"day_of_week(on)", Type::integer},
      {"YEAR(at) = 2026", Type::boolean},
      {"at >= timestamp '2026-01-01T00:00:00Z'", Type::boolean},
      {"on = date '2026-01-01'", Type::boolean},
      {"length(trim(\"s\"))", Type::integer},
      {"round(r)", Type::real},
      {"abs(n)", Type::integer},
      {"'it''s'", Type::text},
      {"1 + 2 * 3 = 7", Type::boolean},
  };
  for (const auto& [text, type] : cases) {
    const auto expression = parsed(text);
    ASSERT_TRUE(expression.ok()) << text << ": " << base::to_string(expression.error());
    EXPECT_EQ(expression->type, type) << text;
  }
}

TEST(ExpressionTest, BindsAsSqlDoes) {
  const auto sum = parsed("1 + 2 * 3 - 4");
  ASSERT_TRUE(sum.ok());
  EXPECT_EQ(sum->operation, Expression::Operation::subtract);
  EXPECT_EQ(sum->operands[0].operands[1].operation, Expression::Operation::multiply);
  const auto logic = parsed("b or b and not b = b");
  ASSERT_TRUE(logic.ok());
  EXPECT_EQ(logic->operation, Expression::Operation::logical_or);
  EXPECT_EQ(logic->operands[1].operation, Expression::Operation::logical_and);
  EXPECT_EQ(logic->operands[1].operands[1].operation, Expression::Operation::logical_not);
}

TEST(ExpressionTest, MistakesAreNamedWithTheirColumn) {
  const std::pair<std::string, std::string_view> cases[] = {
      {"", "at column 1: it ends where a value is expected"},
      {"n +", "at column 4: it ends where a value is expected"},
      {"n n", "at column 3: \"n\" stands where the end or an operator is expected"},
      {"(n", "at column 3: it ends where ) is expected"},
      {"x + 1", "at column 1: there is no field x"},
      {"n + secret", "at column 5: secret is dropped"},
      {"n + s", "at column 3: + has values of the types long and string"},
      {"s + s", "at column 3: + needs numbers, these are of type string"},
      {"r % 2", "at column 3: % needs longs"},
      {"n || s", "at column 3: || needs a string, this is a long"},
      {"n and b", "at column 3: and needs a boolean, this is a long"},
      {"b < b", "at column 3: < does not compare booleans"},
      {"-s", "at column 1: a sign needs a number"},
      {"null", "at column 1: its type is not known"},
      {"coalesce(null, null)", "at column 1: the type of coalesce is not known"},
      {"case when n then 1 end", "at column 1: when needs a boolean"},
      {"case when b then 1 else 's' end", "at column 1: case has values of the types long and string"},
      {"case when b then 1", "it ends where end is expected"},
      {"hour(on)", "at column 1: hour needs a timestamp, this is a date"},
      {"year(n)", "at column 1: year needs a timestamp or a date"},
      {"lower()", "at column 1: lower takes 1 argument, 0 are given"},
      {"if(b, 1)", "at column 1: if takes 3 arguments, 2 are given"},
      {"sqrt(r)", "at column 1: there is no function sqrt; known are abs, ceil, coalesce"},
      {"'open", "at column 1: a text is not closed"},
      {"n ; n", "at column 3: the character \";\" is not known here"},
      {"99999999999999999999", "at column 1: \"99999999999999999999\" is not a number of at most 64 bits"},
      {"1.2.3", "at column 1: \"1.2.3\" is not a number"},
      {"date '2026-02-30'", "at column 1: \"2026-02-30\" is not a date"},
      {"n not 1", "stands where in or between is expected"},
      {std::string(100, '(') + "n" + std::string(100, ')'), "it nests deeper than 64 levels"},
      {std::string(100, '-') + "n", "it nests deeper than 64 levels"},
  };
  for (const auto& [text, error] : cases) {
    const auto expression = parsed(text);
    ASSERT_FALSE(expression.ok()) << text;
    EXPECT_NE(expression.error().message.find(error), std::string::npos) << text << "\n" << expression.error().message;
  }
  std::string chain = "n";
  for (int i = 0; i < 2'000; ++i)
    chain += " + n";
  EXPECT_FALSE(parsed(chain).ok());  // evaluating it would recurse as deep
}

}  // namespace
}  // namespace shoplake::contract
