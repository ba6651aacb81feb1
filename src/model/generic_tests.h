// What dbt makes of the generic tests that a properties file lists (`- not_null`): its name, its id and the template
// that calls it. Pure; names and ids are those that dbt-core gives. Source:
// https://docs.getdbt.com/reference/resource-properties/data-tests
#pragma once

#include <string>

#include "model/manifest.h"

namespace shoplake::model {

// Its name: short (at most 63 characters, for alias and file) and full.
struct TestName {
  std::string short_name;
  std::string full_name;
};
TestName generic_test_name(const std::string& type, const std::string& target, const Json& arguments);

// The unique id of the test of that full name: the same for the same package, name and arguments.
std::string generic_test_id(const std::string& package, const std::string& full_name, const TestMetadata& test);

// The template that calls a generic test: {{ test_not_null(model=…, column_name="x") }}.
std::string generic_test_template(const TestMetadata& test, const std::string& model_expression);

}  // namespace shoplake::model
