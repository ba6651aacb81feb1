// From the files of a project to its Manifest: properties files, configuration, tests, names and dependencies.
#pragma once

#include "io/env.h"
#include "model/manifest.h"
#include "model/project.h"

namespace shoplake::model {

// Errors (kind usage or failed; each names file and line where there is one): model.yaml, model.property (a properties
// file says something that makes no sense), model.duplicate (two of one name), model.unresolved (ref() or source() of
// what does not exist), model.unsupported, model.jinja.
Result<Manifest> parse_project(io::Env& env, const Project& project, const Renderer& renderer);

// "{{ doc('x') }}" in a description, replaced by the block's text. Unknown blocks stay as they are.
std::string resolve_docs(const std::string& text, const Manifest& manifest, std::string_view package);

// dbt's name of a generic test: short (at most 63 characters, for alias and file) and full.
struct TestName {
  std::string short_name;
  std::string full_name;
};
TestName generic_test_name(const std::string& type, const std::string& target, const Json& arguments);

// The template that calls a generic test: {{ test_not_null(model=…, column_name="x") }}.
std::string generic_test_template(const TestMetadata& test, const std::string& model_expression);

// "ref('x')", "source('a', 'b')", as unit tests and exposures write them.
struct Reference {
  std::optional<RefCall> ref;
  std::optional<SourceCall> source;
  bool self = false;  // "this"
};
Result<Reference> parse_reference(const std::string& text);

}  // namespace shoplake::model
