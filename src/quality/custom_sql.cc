#include "quality/custom_sql.h"

#include <algorithm>
#include <cctype>

namespace shoplake::quality {
namespace {

constexpr std::string_view kPrimary = "\"primary\"";

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

bool equal(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

// The length of what begins at `at` and is no SQL word: a text, a quoted name or a comment; 0 if none does.
std::size_t opaque_length(std::string_view sql, std::size_t at) {
  const std::string_view rest = sql.substr(at);
  const auto to = [&](std::string_view end, std::size_t from) {
    const std::size_t found = rest.find(end, from);
    return found == std::string_view::npos ? rest.size() : found + end.size();
  };
  if (rest.starts_with("--"))
    return to("\n", 2);
  if (rest.starts_with("/*"))
    return to("*/", 2);
  if (rest.starts_with("$$"))
    return to("$$", 2);
  if (rest[0] == '\'' || rest[0] == '"')
    return to(rest.substr(0, 1), 1);
  return 0;
}

// The length of the dotted name that begins at `at`, at most `parts` parts of it.
std::size_t name_length(std::string_view sql, std::size_t at, int parts) {
  std::size_t end = at;
  while (parts-- > 0) {
    while (end < sql.size() && is_word(sql[end]))
      ++end;
    if (parts == 0 || end + 1 >= sql.size() || sql[end] != '.' || !is_word(sql[end + 1]))
      break;
    ++end;
  }
  return end - at;
}

}  // namespace

std::string name_primary(std::string_view sql, std::string_view table) {
  while (!sql.empty() && (sql.back() == ';' || std::isspace(static_cast<unsigned char>(sql.back()))))
    sql.remove_suffix(1);
  std::string out;
  for (std::size_t at = 0; at < sql.size();) {
    if (const std::size_t length = opaque_length(sql, at); length > 0) {
      out += sql.substr(at, length);
      at += length;
    } else if (!is_word(sql[at])) {
      out += sql[at++];
    } else {
      const bool is_member = at > 0 && sql[at - 1] == '.';
      const std::string_view full = sql.substr(at, name_length(sql, at, 2));
      const std::string_view word = sql.substr(at, name_length(sql, at, 1));
      const bool is_table = !is_member && equal(full, table);
      const bool is_primary = !is_member && equal(word, "primary");
      out += is_table || is_primary ? kPrimary : word;
      at += is_table ? full.size() : word.size();
    }
  }
  return out;
}

}  // namespace shoplake::quality
