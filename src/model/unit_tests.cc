#include "model/unit_tests.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "model/artifacts.h"
#include "model/config.h"
#include "model/reference.h"
#include "model/seed.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

constexpr std::int64_t kDifferenceRowsMax = 20;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

base::Error failed(const UnitTest& test, const std::string& message, std::string advice = {}) {
  return base::make_error(
      base::ErrorKind::failed, "model.unit_test",
      fmt::format("{}:{}: unit test {}: {}", test.original_file_path, test.line, test.name, message),
      std::move(advice));
}

std::string sql_literal(const Json& value) {
  if (value.is_null())
    return "NULL";
  if (value.is_boolean())
    return value.get<bool>() ? "true" : "false";
  if (value.is_number())
    return value.dump();
  if (value.is_string())
    return engine::quote_literal(value.get<std::string>());
  std::string text;
  if (value.is_array()) {
    for (const Json& item : value)
      text += (text.empty() ? "" : ", ") + sql_literal(item);
    return "[" + text + "]";
  }
  for (const auto& [key, item] : value.items())
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", engine::quote_literal(key), sql_literal(item));
  return "{" + text + "}";
}

// A query that gives these rows with these columns; keys that are left out are NULL.
Result<std::string> rows_query(const UnitTest& test, const std::string& what, const Json& rows,
                               const std::vector<engine::Column>& columns, bool types_known) {
  std::vector<engine::Column> used = columns;
  std::set<std::string> known;
  for (const engine::Column& column : columns)
    known.insert(lower(column.name));
  for (const Json& row : rows) {
    for (const auto& [key, value] : row.items()) {
      if (known.contains(lower(key)))
        continue;
      if (types_known) {
        std::string names;
        for (const engine::Column& column : columns)
          names += (names.empty() ? "" : ", ") + column.name;
        return failed(test, fmt::format("{} has no column {}", what, key), fmt::format("Its columns are: {}.", names));
      }
      known.insert(lower(key));
      used.push_back({key, ""});
    }
  }
  if (used.empty())
    return failed(test, fmt::format("the columns of {} are not known", what),
                  "Build it first, or give at least one row.");
  // The first row gives the columns their types, so that NULL in the others needs no cast: it is most of what they
  // hold.
  bool first = true;
  const auto select = [&](const Json& row) {
    std::string list;
    for (const engine::Column& column : used) {
      const Json* value = nullptr;
      for (const auto& [key, item] : row.items()) {
        if (lower(key) == lower(column.name))
          value = &item;
      }
      std::string literal = value == nullptr ? "NULL" : sql_literal(*value);
      if (!column.type.empty() && (first || literal != "NULL"))
        literal = fmt::format("CAST({} AS {})", literal, column.type);
      list += fmt::format("{}{} AS {}", list.empty() ? "" : ", ", literal, engine::quote_identifier(column.name));
    }
    first = false;
    return "SELECT " + list;
  };
  if (rows.empty())
    return select(Json::object()) + " WHERE false";
  std::string query;
  for (const Json& row : rows)
    query += (query.empty() ? "" : "\nUNION ALL\n") + select(row);
  return query;
}

class UnitTestRun {
 public:
  UnitTestRun(const UnitTest& test, const Manifest& manifest, const Renderer& renderer, Lake& lake,
              engine::Session& session)
      : test_(test), manifest_(manifest), renderer_(renderer), lake_(lake), session_(session) {}

  Result<UnitTestOutcome> run() {
    const Node& model = manifest_.nodes.at(test_.model_id);
    std::map<std::string, Relation> stand_ins;
    std::vector<std::pair<std::string, std::string>> fixtures;
    for (const UnitTest::Given& given : test_.given) {
      const Reference reference = SHOPLAKE_TRY(parse_reference(given.input));
      std::string id, name;
      if (reference.self) {
        id = "this";
        name = "__dbt__cte__this";
      } else if (reference.ref) {
        const Node* node = manifest_.find_ref(*reference.ref, test_.package);
        if (node == nullptr)
          return failed(test_, fmt::format("is given {}, which is not enabled", given.input));
        id = node->unique_id;
        name = "__dbt__cte__" + node->name;
      } else {
        const Source* source = manifest_.find_source(*reference.source, test_.package);
        if (source == nullptr)
          return failed(test_, fmt::format("is given {}, which is not enabled", given.input));
        id = source->unique_id;
        name = fmt::format("__dbt__cte__{}__{}", source->source_name, source->name);
      }
      const auto seed = manifest_.nodes.find(id);
      if (given.rows.is_null() && seed != manifest_.nodes.end() && seed->second.type == ResourceType::seed) {
        // dbt's rule: a seed for which no rows are given stands for itself.
        fixtures.emplace_back(engine::quote_identifier(name), SHOPLAKE_TRY(seed_query(session_, seed->second)));
      } else if (given.format == "sql") {
        fixtures.emplace_back(engine::quote_identifier(name), scalar_text(given.rows));
        SHOPLAKE_TRY(lake_.prepare(session_, fixtures.back().second));
      } else {
        bool known = false;
        const std::vector<engine::Column> columns = columns_of(id, model, known);
        const Json rows = SHOPLAKE_TRY(rows_of(given.format, given.rows));
        fixtures.emplace_back(engine::quote_identifier(name),
                              SHOPLAKE_TRY(rows_query(test_, given.input, rows, columns, known)));
      }
      stand_ins[id] = Relation{"", "", name, "cte", engine::quote_identifier(name)};
    }

    Compiler compiler(manifest_, renderer_, &lake_, &session_, {});
    Compiler::Options options;
    options.stand_ins = &stand_ins;
    if (test_.overrides.contains("macros") && test_.overrides["macros"].is_object()) {
      options.is_incremental = config_flag(test_.overrides["macros"], "is_incremental", false) ||
                               config_flag(test_.overrides["macros"], "dbt.is_incremental", false);
    }
    const CompiledNode compiled = SHOPLAKE_TRY(compiler.compile(model, options));
    const std::string actual = inject_ctes(compiled.sql, fixtures);
    SHOPLAKE_TRY(lake_.prepare(session_, compiled.sql));
    const engine::ResultSet actual_rows = SHOPLAKE_TRY(query_plainly(actual));
    const std::vector<engine::Column>& actual_columns = actual_rows.columns();

    UnitTestOutcome outcome;
    std::string expected;
    std::vector<engine::Column> compared;
    if (test_.expect_format == "sql") {
      expected = scalar_text(test_.expect_rows);
      for (const engine::Column& column : SHOPLAKE_TRY(lake_.describe(session_, expected)))
        compared.push_back(column);
      for (engine::Column& column : compared) {
        const auto same = std::find_if(actual_columns.begin(), actual_columns.end(), [&](const engine::Column& other) {
          return lower(other.name) == lower(column.name);
        });
        if (same == actual_columns.end())
          return failed(test_, fmt::format("the model gives no column {}", column.name));
        column.type = same->type;
      }
    } else {
      const Json rows = SHOPLAKE_TRY(rows_of(test_.expect_format, test_.expect_rows));
      std::set<std::string> keys;
      for (const Json& row : rows) {
        for (const auto& [key, value] : row.items())
          keys.insert(lower(key));
      }
      for (const engine::Column& column : actual_columns) {
        if (rows.empty() || keys.contains(lower(column.name)))
          compared.push_back(column);
      }
      expected = SHOPLAKE_TRY(
          rows_query(test_, "the model " + test_.model_name, rows, rows.empty() ? actual_columns : compared, true));
    }
    std::string names, casts;
    for (const engine::Column& column : compared) {
      const std::string name = engine::quote_identifier(column.name);
      names += (names.empty() ? "" : ", ") + name;
      casts += fmt::format("{}CAST({} AS {}) AS {}", casts.empty() ? "" : ", ", name, column.type, name);
    }
    outcome.sql = fmt::format(
        "with dbt_internal_unit_test_actual as materialized (\nSELECT {0} FROM "
        "(\n{1}\n)\n),\ndbt_internal_unit_test_expected as materialized (\nSELECT {2} FROM (\n{3}\n)\n)\n"
        "SELECT 'missing' AS \"actual_or_expected\", * FROM (SELECT * FROM dbt_internal_unit_test_expected EXCEPT "
        "ALL SELECT * FROM dbt_internal_unit_test_actual)\nUNION ALL\n"
        "SELECT 'unexpected', * FROM (SELECT * FROM dbt_internal_unit_test_actual EXCEPT ALL SELECT * FROM "
        "dbt_internal_unit_test_expected)\nORDER BY ALL",
        names, actual, casts, expected);
    // Rows of a list have the columns' types and order already.
    const std::string expected_query =
        test_.expect_format == "sql" ? fmt::format("SELECT {} FROM (\n{}\n)", casts, expected) : expected;
    if (SHOPLAKE_TRY(same_rows(actual_rows, expected_query, compared))) {
      outcome.passed = true;
      return outcome;
    }
    const engine::ResultSet result = SHOPLAKE_TRY(session_.query(outcome.sql));
    outcome.different_rows = result.row_count();
    outcome.passed = outcome.different_rows == 0;
    if (!outcome.passed)
      outcome.difference = describe_difference(result);
    return outcome;
  }

 private:
  // Over a handful of rows, making a plan better takes longer than carrying it out.
  Result<engine::ResultSet> query_plainly(const std::string& sql) {
    SHOPLAKE_TRY(session_.execute("PRAGMA disable_optimizer"));
    Result<engine::ResultSet> answer = session_.query(sql);
    SHOPLAKE_TRY(session_.execute("PRAGMA enable_optimizer"));
    return answer;
  }

  // Are the rows of the answer, in these of its columns, those of the query, in whatever order? True is certain. False
  // is not: the texts of two equal values may differ, and nested values are not looked at. Planning the comparison in
  // SQL takes longer than all else about a handful of rows, so that it is left to the tests that fail.
  Result<bool> same_rows(const engine::ResultSet& actual, const std::string& expected,
                         const std::vector<engine::Column>& columns) {
    const bool nested = std::any_of(columns.begin(), columns.end(), [](const engine::Column& column) {
      return column.type.find_first_of("[(") != std::string::npos && !column.type.starts_with("DECIMAL");
    });
    if (nested)
      return false;
    std::vector<std::size_t> places;
    for (const engine::Column& column : columns) {
      const auto place =
          std::find_if(actual.columns().begin(), actual.columns().end(),
                       [&](const engine::Column& other) { return lower(other.name) == lower(column.name); });
      places.push_back(static_cast<std::size_t>(place - actual.columns().begin()));
    }
    std::vector<std::size_t> all(columns.size());
    std::iota(all.begin(), all.end(), 0);
    const engine::ResultSet wanted = SHOPLAKE_TRY(session_.query(expected));
    return sorted_rows(actual, places) == sorted_rows(wanted, all);
  }

  static std::vector<std::vector<std::optional<std::string>>> sorted_rows(const engine::ResultSet& result,
                                                                          const std::vector<std::size_t>& columns) {
    std::vector<std::vector<std::optional<std::string>>> rows;
    for (std::int64_t row = 0; row < result.row_count(); ++row) {
      rows.emplace_back();
      for (const std::size_t column : columns)
        rows.back().push_back(result.text(row, column));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  // The columns of an input, for the types of its rows: of the relation if it exists, else of its compiled SQL.
  std::vector<engine::Column> columns_of(const std::string& id, const Node& model, bool& known) {
    Relation relation;
    const Node* node = nullptr;
    if (id == "this") {
      node = &model;
      relation = model.relation();
    } else if (const auto found = manifest_.nodes.find(id); found != manifest_.nodes.end()) {
      node = &found->second;
      relation = node->relation();
    } else {
      relation = manifest_.sources.at(id).relation();
    }
    if (relation.type != "cte") {
      const Result<bool> exists = lake_.ensure(session_, {relation.schema, relation.identifier});
      if (exists.ok() && *exists) {
        Result<std::vector<engine::Column>> columns = lake_.columns(session_, {relation.schema, relation.identifier});
        if (columns.ok()) {
          known = true;
          return std::move(columns).value();
        }
      }
    }
    if (node != nullptr && node->type == ResourceType::model) {
      Compiler compiler(manifest_, renderer_, &lake_, &session_, {});
      const Result<CompiledNode> compiled = compiler.compile(*node);
      if (compiled.ok()) {
        Result<std::vector<engine::Column>> columns = lake_.describe(session_, compiled->sql);
        if (columns.ok()) {
          known = true;
          return std::move(columns).value();
        }
      }
    }
    known = false;
    return {};
  }

  Result<Json> rows_of(const std::string& format, const Json& rows) const {
    if (format == "csv")
      return csv_rows(scalar_text(rows))
          .within(fmt::format("{}:{}: unit test {}", test_.original_file_path, test_.line, test_.name));
    return rows.is_array() ? rows : Json::array();
  }

  static std::string describe_difference(const engine::ResultSet& result) {
    std::vector<std::vector<std::string>> table(1);
    for (const engine::Column& column : result.columns())
      table[0].push_back(column.name == "actual_or_expected" ? "" : column.name);
    for (std::int64_t row = 0; row < std::min(result.row_count(), kDifferenceRowsMax); ++row) {
      std::vector<std::string> cells;
      for (std::size_t column = 0; column < result.columns().size(); ++column)
        cells.push_back(result.text(row, column).value_or("null"));
      table.push_back(std::move(cells));
    }
    std::vector<std::size_t> widths(table[0].size());
    for (const auto& cells : table) {
      for (std::size_t column = 0; column < cells.size(); ++column)
        widths[column] = std::max(widths[column], cells[column].size());
    }
    std::string text = "actual differs from expected:\n";
    for (const auto& cells : table) {
      text += "\n ";
      for (std::size_t column = 0; column < cells.size(); ++column)
        text += fmt::format(" | {:<{}}", cells[column], widths[column]);
      text += " |";
    }
    if (result.row_count() > kDifferenceRowsMax)
      text += fmt::format("\n  … and {} rows more", result.row_count() - kDifferenceRowsMax);
    return text;
  }

  const UnitTest& test_;
  const Manifest& manifest_;
  const Renderer& renderer_;
  Lake& lake_;
  engine::Session& session_;
};

}  // namespace

Result<Json> csv_rows(const std::string& text) {
  std::vector<std::vector<std::optional<std::string>>> lines;
  std::vector<std::optional<std::string>> line;
  std::string field;
  bool quoted = false, was_quoted = false;
  const auto end_field = [&] {
    if (!was_quoted) {
      field.erase(0, std::min(field.find_first_not_of(" \t\r"), field.size()));
      field.erase(field.find_last_not_of(" \t\r") + 1);
    }
    line.push_back(field.empty() && !was_quoted ? std::nullopt : std::optional(field));
    field.clear();
    was_quoted = false;
  };
  const auto end_line = [&] {
    end_field();
    if (line.size() > 1 || line[0])
      lines.push_back(line);
    line.clear();
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '"' && at + 1 < text.size() && text[at + 1] == '"') {
        field += '"';
        ++at;
      } else if (c == '"') {
        quoted = false;
      } else {
        field += c;
      }
    } else if (c == '"' && field.find_first_not_of(" \t") == std::string::npos) {
      quoted = was_quoted = true;
      field.clear();
    } else if (c == ',') {
      end_field();
    } else if (c == '\n') {
      end_line();
    } else if (!(was_quoted && (c == ' ' || c == '\r'))) {
      field += c;
    }
  }
  if (quoted)
    return base::make_error(base::ErrorKind::failed, "model.unit_test", "the CSV rows end inside of a quoted value");
  if (!field.empty() || !line.empty())
    end_line();
  Json rows = Json::array();
  for (std::size_t index = 1; index < lines.size(); ++index) {
    if (lines[index].size() != lines[0].size()) {
      return base::make_error(base::ErrorKind::failed, "model.unit_test",
                              fmt::format("line {} of the CSV rows has {} values, the header has {}", index + 1,
                                          lines[index].size(), lines[0].size()));
    }
    Json row = Json::object();
    for (std::size_t column = 0; column < lines[0].size(); ++column) {
      const auto& value = lines[index][column];
      row[lines[0][column].value_or("")] = value ? Json(*value) : Json(nullptr);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<UnitTestOutcome> run_unit_test(const UnitTest& test, const Manifest& manifest, const Renderer& renderer,
                                      const RendererWithOverrides& with_overrides, Lake& lake,
                                      engine::Session& session) {
  if (test.overrides.empty())
    return UnitTestRun(test, manifest, renderer, lake, session).run();
  Json overrides = test.overrides;
  if (overrides.contains("macros") && overrides["macros"].is_object()) {
    overrides["macros"].erase("is_incremental");  // the renderer answers it by itself
    overrides["macros"].erase("dbt.is_incremental");
    if (overrides["macros"].empty())
      overrides.erase("macros");
  }
  if (overrides.empty())
    return UnitTestRun(test, manifest, renderer, lake, session).run();
  const std::unique_ptr<Renderer> other = SHOPLAKE_TRY(with_overrides(overrides));
  return UnitTestRun(test, manifest, *other, lake, session).run();
}

}  // namespace shoplake::model
