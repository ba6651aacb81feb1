#include "model/documentation.h"

#include <regex>
#include <utility>

#include <fmt/format.h>

#include "model/template_text.h"

namespace shoplake::model {

Result<void> read_documentation(io::Env& env, const Package& package, Manifest& manifest) {
  static const std::regex block(R"(\{%-?\s*docs\s+(\w+)\s*-?%\}([\s\S]*?)\{%-?\s*enddocs\s*-?%\})");
  for (const ProjectFile& file : SHOPLAKE_TRY(read_files(env, package, package.all_folders(), {".md"}))) {
    for (std::sregex_iterator at(file.text.begin(), file.text.end(), block), end; at != end; ++at) {
      DocumentationBlock doc;
      doc.name = (*at)[1];
      doc.package = package.name;
      doc.unique_id = fmt::format("doc.{}.{}", package.name, doc.name);
      doc.original_file_path = file.path;
      doc.contents = trimmed((*at)[2]);
      manifest.docs[doc.unique_id] = std::move(doc);
    }
  }
  return {};
}

std::string resolve_docs(const std::string& text, const Manifest& manifest, std::string_view package) {
  if (text.find("{{") == std::string::npos)
    return text;
  static const std::regex call(R"(\{\{-?\s*doc\(\s*['"](\w+)['"]\s*(?:,\s*['"](\w+)['"]\s*)?\)\s*-?\}\})");
  std::string out;
  auto last = text.cbegin();
  for (std::sregex_iterator at(text.begin(), text.end(), call), end; at != end; ++at) {
    out.append(last, (*at)[0].first);
    const bool qualified = (*at)[2].matched;
    const std::string name = qualified ? (*at)[2] : (*at)[1];
    auto found = manifest.docs.find(fmt::format("doc.{}.{}", qualified ? (*at)[1].str() : std::string(package), name));
    if (found == manifest.docs.end())
      found = manifest.docs.find(fmt::format("doc.{}.{}", manifest.project_name, name));
    out += found == manifest.docs.end() ? (*at)[0].str() : found->second.contents;
    last = (*at)[0].second;
  }
  out.append(last, text.cend());
  return out;
}

}  // namespace shoplake::model
