#include "dqdl/reference.h"

#include <algorithm>
#include <cctype>

namespace shoplake::dqdl {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_space(text.back()))
    text.remove_suffix(1);
  return text;
}

}  // namespace

std::vector<std::string> column_list(std::string_view text) {
  std::vector<std::string> columns;
  while (true) {
    const std::size_t comma = text.find(',');
    columns.emplace_back(trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos)
      break;
    text.remove_prefix(comma + 1);
  }
  const bool has_empty = std::any_of(columns.begin(), columns.end(), [](const auto& name) { return name.empty(); });
  return has_empty ? std::vector<std::string>() : columns;
}

std::optional<Reference> parse_reference(std::string_view text) {
  text = trimmed(text);
  Reference reference;
  std::string_view columns;
  if (text.ends_with('}')) {
    const std::size_t open = text.find(".{");
    if (open == std::string_view::npos)
      return std::nullopt;
    reference.table = trimmed(text.substr(0, open));
    columns = text.substr(open + 2, text.size() - open - 3);
  } else {
    const std::size_t dot = text.rfind('.');
    if (dot == std::string_view::npos)
      return std::nullopt;
    reference.table = trimmed(text.substr(0, dot));
    columns = text.substr(dot + 1);
  }
  reference.columns = column_list(columns);
  if (reference.table.empty() || reference.columns.empty())
    return std::nullopt;
  return reference;
}

std::optional<ColumnAggregate> parse_column_aggregate(std::string_view text) {
  text = trimmed(text);
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos || !text.ends_with(')'))
    return std::nullopt;
  std::string function(trimmed(text.substr(0, open)));
  std::transform(function.begin(), function.end(), function.begin(), [](unsigned char c) { return std::tolower(c); });
  if (function != "sum" && function != "avg")
    return std::nullopt;
  ColumnAggregate aggregate;
  aggregate.is_average = function == "avg";
  const std::string_view column = trimmed(text.substr(open + 1, text.size() - open - 2));
  const std::size_t dot = column.rfind('.');
  if (dot == std::string_view::npos) {
    aggregate.column = column;
  } else {
    aggregate.table = column.substr(0, dot);
    aggregate.column = column.substr(dot + 1);
  }
  if (aggregate.column.empty() || (dot != std::string_view::npos && aggregate.table.empty()))
    return std::nullopt;
  return aggregate;
}

}  // namespace shoplake::dqdl
