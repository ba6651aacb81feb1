#include "model/reference.h"

#include <regex>

#include <fmt/format.h>

#include "model/template_text.h"

namespace shoplake::model {

Result<Reference> parse_reference(const std::string& text) {
  static const std::regex ref(R"(^\s*ref\(\s*['"]([^'"]+)['"]\s*(?:,\s*['"]([^'"]+)['"]\s*)?\)\s*$)");
  static const std::regex source(R"(^\s*source\(\s*['"]([^'"]+)['"]\s*,\s*['"]([^'"]+)['"]\s*\)\s*$)");
  Reference reference;
  std::smatch match;
  if (std::regex_match(text, match, ref)) {
    reference.ref = match[2].matched ? RefCall{match[1], match[2], {}} : RefCall{"", match[1], {}};
  } else if (std::regex_match(text, match, source)) {
    reference.source = SourceCall{match[1], match[2]};
  } else if (trimmed(text) == "this") {
    reference.self = true;
  } else {
    return base::make_error(base::ErrorKind::usage, "model.property",
                            fmt::format("'{}' is not ref('…'), source('…', '…') or this", text));
  }
  return reference;
}

}  // namespace shoplake::model
