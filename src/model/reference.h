// "ref('x')", "source('a', 'b')" and "this", as unit tests, exposures and snapshots write them in properties files.
#pragma once

#include <optional>
#include <string>

#include "model/renderer.h"

namespace shoplake::model {

struct Reference {
  std::optional<RefCall> ref;
  std::optional<SourceCall> source;
  bool self = false;  // "this"
};

// Error model.property (kind usage): it is none of them.
Result<Reference> parse_reference(const std::string& text);

}  // namespace shoplake::model
