#include "model/seed.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "io/env.h"
#include "model/config.h"

namespace shoplake::model {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

Result<std::string> seed_query(engine::Session& session, const Node& seed) {
  const std::string path = io::join_path(seed.package_directory, seed.original_file_path);
  std::string delimiter = config_text(seed.config, "delimiter");
  if (delimiter.empty())
    delimiter = ",";
  const std::string read = fmt::format(
      "read_csv({}, header = true, all_varchar = true, delim = {}, quote = '\"', escape = '\"', nullstr = '', "
      "strict_mode = true)",
      engine::quote_literal(path), engine::quote_literal(delimiter));
  const auto failed = [&](base::Error error) {
    return base::make_error(base::ErrorKind::failed, "model.seed",
                            fmt::format("{}: {}", seed.original_file_path, error.message),
                            "Look at the delimiter, the quotes and the number of fields of each line.");
  };
  Result<engine::ResultSet> described = session.query(fmt::format("DESCRIBE SELECT * FROM {}", read));
  if (!described.ok())
    return failed(std::move(described).error());
  std::vector<std::string> columns;
  for (std::int64_t row = 0; row < described->row_count(); ++row)
    columns.push_back(described->text(row, 0).value_or(""));

  const Json types = seed.config.value("column_types", Json::object());
  const auto configured = [&](const std::string& column) -> std::string {
    if (!types.is_object())
      return "";
    for (const auto& [name, type] : types.items()) {
      if (lower(name) == lower(column))
        return type.is_string() ? type.get<std::string>() : "";
    }
    return "";
  };
  if (types.is_object()) {
    for (const auto& [name, type] : types.items()) {
      if (std::none_of(columns.begin(), columns.end(),
                       [&, wanted = lower(name)](const std::string& column) { return lower(column) == wanted; })) {
        return base::make_error(
            base::ErrorKind::failed, "model.seed",
            fmt::format("{}: column_types names {}, which is no column of the file", seed.original_file_path, name));
      }
    }
  }

  // One pass over the file tells, for each column, which forms all of its values have.
  static constexpr const char* kForms[] = {
      "regexp_full_match(v, 'true|false', 'i')",
      "regexp_full_match(v, '[+-]?(0|[1-9][0-9]*)') AND try_cast(v AS INTEGER) IS NOT NULL",
      "regexp_full_match(v, '[+-]?(0|[1-9][0-9]*)') AND try_cast(v AS BIGINT) IS NOT NULL",
      "regexp_full_match(v, '[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?') AND try_cast(v AS DOUBLE) IS NOT "
      "NULL",
      "regexp_full_match(v, '[0-9]{4}-[0-9]{2}-[0-9]{2}') AND try_cast(v AS DATE) IS NOT NULL",
      "regexp_full_match(v, '[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?') AND try_cast(v "
      "AS TIMESTAMP) IS NOT NULL",
  };
  static constexpr const char* kTypes[] = {"BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP"};
  constexpr std::size_t kFormCount = std::size(kForms);
  std::vector<std::string> checks;
  std::vector<std::string> undecided;
  for (const std::string& column : columns) {
    if (!configured(column).empty())
      continue;
    undecided.push_back(column);
    const std::string value = fmt::format("CASE WHEN lower(trim({0})) IN ('', 'null') THEN NULL ELSE trim({0}) END",
                                          engine::quote_identifier(column));
    for (const char* form : kForms) {
      std::string condition = form;
      std::string placed;
      for (std::size_t at = 0; at < condition.size(); ++at) {
        const bool is_variable =
            condition[at] == 'v' && (at == 0 || !std::isalnum(static_cast<unsigned char>(condition[at - 1]))) &&
            (at + 1 == condition.size() || !std::isalnum(static_cast<unsigned char>(condition[at + 1])));
        placed += is_variable ? "(" + value + ")" : std::string(1, condition[at]);
      }
      checks.push_back(fmt::format("coalesce(bool_and(({}) IS NULL OR ({})), true)", value, placed));
    }
    checks.push_back(fmt::format("count({})", value));
  }
  std::vector<std::string> decided;
  if (!checks.empty()) {
    std::string list;
    for (const std::string& check : checks)
      list += (list.empty() ? "" : ", ") + check;
    Result<engine::ResultSet> answer = session.query(fmt::format("SELECT {} FROM {}", list, read));
    if (!answer.ok())
      return failed(std::move(answer).error());
    for (std::size_t index = 0; index < undecided.size(); ++index) {
      const std::size_t first = index * (kFormCount + 1);
      std::string type = "VARCHAR";
      if (answer->integer(0, first + kFormCount) == 0) {
        type = "INTEGER";  // nothing but NULL: dbt's choice too
      } else {
        for (std::size_t form = 0; form < kFormCount; ++form) {
          if (answer->text(0, first + form).value_or("") == "true") {
            type = kTypes[form];
            break;
          }
        }
      }
      decided.push_back(type);
    }
  }

  std::string list;
  std::size_t next = 0;
  for (const std::string& column : columns) {
    const std::string name = engine::quote_identifier(column);
    std::string type = configured(column);
    if (type.empty())
      type = decided[next++];
    const bool is_text = lower(type) == "varchar" || lower(type) == "text" || lower(type) == "string";
    const std::string value = fmt::format("CASE WHEN lower(trim({0})) IN ('', 'null') THEN NULL ELSE {1} END", name,
                                          is_text ? name : "trim(" + name + ")");
    list += fmt::format("{}CAST({} AS {}) AS {}", list.empty() ? "" : ", ", value, type, name);
  }
  return fmt::format("SELECT {} FROM {}", list, read);
}

}  // namespace shoplake::model
