// The SQL of CustomSql rules: `primary`, and the table's own name, stand for the rows under test, which may not be
// published yet.
#pragma once

#include <string>
#include <string_view>

namespace shoplake::quality {

// The statement without its last semicolon, with the words `primary` and `<table>` replaced by "primary" in quotes.
// Texts, quoted names and comments stay as they are.
std::string name_primary(std::string_view sql, std::string_view table);

}  // namespace shoplake::quality
