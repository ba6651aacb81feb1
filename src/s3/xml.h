// The XML of S3's answers: elements with text or children; attributes, comments and processing instructions are passed
// over. No DTDs, no entities but the five of XML and numbers. Source: https://www.w3.org/TR/xml/
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shoplake::s3 {

using base::Result;

struct Element {
  std::string name;  // without a namespace's prefix
  std::string text;  // of this element itself, entities replaced
  std::vector<Element> children;
  // Where the element stood in the parsed text, tags included, for passing it on as it was.
  std::size_t source_begin = 0;
  std::size_t source_size = 0;

  // The first child of that name; nullptr if there is none.
  const Element* find(std::string_view child) const;
  // Its text; empty if there is none.
  std::string text_of(std::string_view child) const;
};

inline constexpr int kXmlDepthMax = 32;

// The root element. Error s3.bad_answer (kind environment).
Result<Element> parse_xml(std::string_view text);

// Text as element content.
std::string escape_xml(std::string_view text);

}  // namespace shoplake::s3
