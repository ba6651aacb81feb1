// dbt's unit tests: a model's SQL over given rows, compared with the rows that are expected.
// Source: https://docs.getdbt.com/docs/build/unit-tests
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "model/compiler.h"

namespace shoplake::model {

struct UnitTestOutcome {
  bool passed = false;
  std::string difference;  // for people: the rows that are missing and the ones that are too many
  std::string sql;         // what was run
  std::int64_t different_rows = 0;
};

// A renderer with other vars, macros and environment variables: {"vars": …, "macros": …, "env_vars": …}.
using RendererWithOverrides = std::function<Result<std::unique_ptr<Renderer>>(const Json& overrides)>;

// Errors: model.unit_test (kind failed), engine.sql.
Result<UnitTestOutcome> run_unit_test(const UnitTest& test, const Manifest& manifest, const Renderer& renderer,
                                      const RendererWithOverrides& with_overrides, Lake& lake,
                                      engine::Session& session);

// Text in CSV (RFC 4180) as rows of text; empty fields are null. Error model.unit_test.
Result<Json> csv_rows(const std::string& text);

}  // namespace shoplake::model
