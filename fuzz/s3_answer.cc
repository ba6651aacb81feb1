// What an object store answers: XML of errors, listings and lifecycle rules; and the files of keys that people write.

#include "aws/profile.h"
#include "base/result.h"
#include "s3/lifecycle.h"
#include "s3/xml.h"
#include "targets.h"

namespace shoplake::fuzz {

namespace {

void check_places(const s3::Element& element, std::string_view bytes) {
  SHOPLAKE_CHECK(element.source_begin + element.source_size <= bytes.size());
  SHOPLAKE_CHECK(bytes.substr(element.source_begin, element.source_size).starts_with('<'));
  for (const s3::Element& child : element.children)
    check_places(child, bytes);
}

}  // namespace

int fuzz_s3_answer(std::string_view bytes) {
  if (const auto root = s3::parse_xml(bytes); root.ok())
    check_places(*root, bytes);
  // Whatever rules a bucket has, what is written back can be read, with ours in it.
  if (const auto merged = s3::merge_lifecycle(bytes, "shoplake:", {{"shoplake:<&>", "a/", 3, 0}}); merged.ok()) {
    const auto again = s3::parse_xml(*merged);
    SHOPLAKE_CHECK(again.ok());
    SHOPLAKE_CHECK(again->children.back().text_of("ID") == "shoplake:<&>");
  }
  static_cast<void>(aws::parse_profile(bytes, "default"));
  return 0;
}

}  // namespace shoplake::fuzz
