#include "s3/lifecycle.h"

#include <fmt/format.h>

#include "s3/xml.h"

namespace shoplake::s3 {

base::Result<std::string> merge_lifecycle(std::string_view existing, std::string_view owned_prefix,
                                          const std::vector<LifecycleRule>& rules) {
  std::string merged = "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  if (!existing.empty()) {
    const Element root = SHOPLAKE_TRY(parse_xml(existing));
    for (const Element& rule : root.children) {
      if (rule.name == "Rule" && !rule.text_of("ID").starts_with(owned_prefix))
        merged += existing.substr(rule.source_begin, rule.source_size);
    }
  }
  for (const LifecycleRule& rule : rules) {
    merged += fmt::format("<Rule><ID>{}</ID><Filter><Prefix>{}</Prefix></Filter><Status>Enabled</Status>",
                          escape_xml(rule.id), escape_xml(rule.prefix));
    if (rule.expiration_days > 0)
      merged += fmt::format("<Expiration><Days>{}</Days></Expiration>", rule.expiration_days);
    if (rule.abort_uploads_days > 0) {
      merged += fmt::format(
          "<AbortIncompleteMultipartUpload><DaysAfterInitiation>{}</DaysAfterInitiation></"
          "AbortIncompleteMultipartUpload>",
          rule.abort_uploads_days);
    }
    merged += "</Rule>";
  }
  return merged + "</LifecycleConfiguration>";
}

}  // namespace shoplake::s3
