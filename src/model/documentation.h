// Documentation blocks, {% docs x %} … {% enddocs %} in Markdown files, and "{{ doc('x') }}" in descriptions.
#pragma once

#include <string>
#include <string_view>

#include "io/env.h"
#include "model/manifest.h"
#include "model/project.h"

namespace shoplake::model {

// Adds the blocks of a package to the manifest.
Result<void> read_documentation(io::Env& env, const Package& package, Manifest& manifest);

// "{{ doc('x') }}" in a description, replaced by the block's text. Unknown blocks stay as they are.
std::string resolve_docs(const std::string& text, const Manifest& manifest, std::string_view package);

}  // namespace shoplake::model
