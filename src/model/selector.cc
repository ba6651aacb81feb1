#include "model/selector.h"

#include <fnmatch.h>

#include <algorithm>
#include <optional>
#include <regex>
#include <sstream>

#include <fmt/format.h>

#include "model/config.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

struct Criterion {
  bool childrens_parents = false;
  bool parents = false;
  bool children = false;
  std::optional<int> parents_depth;
  std::optional<int> children_depth;
  std::string method;
  std::string value;
};

base::Error selector_error(std::string message, std::string advice = {}) {
  return base::make_error(base::ErrorKind::usage, "model.selector", std::move(message), std::move(advice));
}

Result<std::optional<int>> depth_of(const std::string& text, const std::string& raw) {
  if (text.empty())
    return std::optional<int>();
  if (text.size() > 6)
    return selector_error(fmt::format("the selector '{}' has a depth that is too large", raw));
  return std::optional<int>(std::stoi(text));
}

Result<Criterion> parse_criterion(const std::string& raw) {
  static const std::regex pattern(R"(^(@)?((\d*)\+)?(([\w.]+):)?(.*?)(\+(\d*))?$)");
  std::smatch match;
  if (!std::regex_match(raw, match, pattern) || match[6].str().empty())
    return selector_error(fmt::format("the selector '{}' cannot be read", raw),
                          "A selector looks like +name, tag:x or path:models/x.");
  Criterion criterion;
  criterion.childrens_parents = match[1].matched;
  criterion.parents = match[2].matched;
  criterion.parents_depth = SHOPLAKE_TRY(depth_of(match[3].str(), raw));
  criterion.method = match[5].str();
  criterion.value = match[6].str();
  criterion.children = match[7].matched;
  criterion.children_depth = SHOPLAKE_TRY(depth_of(match[8].str(), raw));
  if (criterion.childrens_parents && criterion.children)
    return selector_error(fmt::format("the selector '{}' has both @ and a trailing +", raw), "Use one of the two.");
  if (criterion.method.empty()) {
    const std::string& value = criterion.value;
    const bool is_file = value.ends_with(".sql") || value.ends_with(".csv") || value.ends_with(".yml");
    criterion.method = value.find('/') != std::string::npos ? "path" : is_file ? "file" : "fqn";
  }
  return criterion;
}

bool matches(const std::string& pattern, const std::string& text) {
  return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);)
    parts.push_back(part);
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::size_t from) {
  std::string text;
  for (std::size_t index = from; index < parts.size(); ++index)
    text += (index > from ? "." : "") + parts[index];
  return text;
}

bool has_wildcard(const std::string& text) { return text.find_first_of("*?[") != std::string::npos; }

bool fqn_matches_parts(const std::vector<std::string>& fqn, const std::vector<std::string>& wanted) {
  if (fqn.size() < wanted.size())
    return false;
  for (std::size_t index = 0; index < wanted.size(); ++index) {
    if (has_wildcard(wanted[index]))
      return matches(join(wanted, index), join(fqn, index));
    if (fqn[index] != wanted[index])
      return false;
  }
  return true;
}

bool fqn_matches(const std::vector<std::string>& fqn, const std::string& value) {
  if (fqn.empty())
    return false;
  if (matches(value, fqn.back()))
    return true;
  std::vector<std::string> flat;
  for (const std::string& part : fqn) {
    for (std::string& piece : split(part, '.'))
      flat.push_back(std::move(piece));
  }
  const std::vector<std::string> wanted = split(value, '.');
  if (fqn_matches_parts(flat, wanted))
    return true;
  flat.erase(flat.begin());  // without the package
  return fqn_matches_parts(flat, wanted);
}

bool path_matches(const std::string& value, const std::string& path) {
  std::string folder = value;
  if (folder.starts_with("./"))
    folder.erase(0, 2);
  while (folder.ends_with("/"))
    folder.pop_back();
  return matches(folder, path) || path.starts_with(folder + "/") || matches(folder + "/*", path);
}

// One element of the graph as the methods see it.
struct Element {
  std::string id;
  const std::vector<std::string>* fqn = nullptr;
  const std::vector<std::string>* tags = nullptr;
  std::string package;
  std::string path;
  const Json* config = nullptr;
  const Node* node = nullptr;
  const Source* source = nullptr;
  const UnitTest* unit_test = nullptr;
  const Exposure* exposure = nullptr;
};

class Selector {
 public:
  Selector(const Manifest& manifest, const Graph& graph, const Selection& selection, std::vector<std::string>* warnings)
      : manifest_(manifest), graph_(graph), selection_(selection), warnings_(warnings) {
    static const Json no_config = Json::object();
    for (const std::string& id : graph.nodes()) {
      Element element;
      element.id = id;
      element.config = &no_config;
      if (auto node = manifest.nodes.find(id); node != manifest.nodes.end()) {
        element.node = &node->second;
        element.fqn = &node->second.fqn;
        element.tags = &node->second.tags;
        element.package = node->second.package;
        element.path = node->second.original_file_path;
        element.config = &node->second.config;
      } else if (auto source = manifest.sources.find(id); source != manifest.sources.end()) {
        element.source = &source->second;
        element.fqn = &source->second.fqn;
        element.tags = &source->second.tags;
        element.package = source->second.package;
        element.path = source->second.original_file_path;
        element.config = &source->second.config;
      } else if (auto test = manifest.unit_tests.find(id); test != manifest.unit_tests.end()) {
        element.unit_test = &test->second;
        element.fqn = &test->second.fqn;
        element.tags = &test->second.tags;
        element.package = test->second.package;
        element.path = test->second.original_file_path;
        element.config = &test->second.config;
      } else {
        const Exposure& exposure = manifest.exposures.at(id);
        element.exposure = &exposure;
        element.fqn = &exposure.fqn;
        element.tags = &exposure.tags;
        element.package = exposure.package;
        element.path = exposure.original_file_path;
      }
      elements_.push_back(std::move(element));
    }
  }

  Result<std::set<std::string>> run() {
    std::set<std::string> chosen;
    if (selection_.select.empty()) {
      chosen = graph_.nodes();
    } else {
      chosen = SHOPLAKE_TRY(union_of(selection_.select));
    }
    for (const std::string& id : SHOPLAKE_TRY(union_of(selection_.exclude)))
      chosen.erase(id);
    return chosen;
  }

 private:
  Result<std::set<std::string>> union_of(const std::vector<std::string>& specs) {
    std::set<std::string> all;
    for (const std::string& spec : specs) {
      std::stringstream words(spec);
      for (std::string word; words >> word;) {
        std::set<std::string> some = SHOPLAKE_TRY(intersection_of(word));
        if (some.empty() && warnings_ != nullptr)
          warnings_->push_back(fmt::format("The selection criterion '{}' does not match any enabled nodes", word));
        all.merge(some);
      }
    }
    return all;
  }

  Result<std::set<std::string>> intersection_of(const std::string& word) {
    std::optional<std::set<std::string>> common;
    for (const std::string& part : split(word, ',')) {
      if (part.empty())
        continue;
      const Criterion criterion = SHOPLAKE_TRY(parse_criterion(part));
      const std::set<std::string> some = SHOPLAKE_TRY(one(criterion));
      if (!common) {
        common = some;
      } else {
        std::erase_if(*common, [&](const std::string& id) { return !some.contains(id); });
      }
    }
    return common.value_or(std::set<std::string>());
  }

  Result<std::set<std::string>> one(const Criterion& criterion) {
    std::set<std::string> direct;
    for (const Element& element : elements_) {
      if (SHOPLAKE_TRY(is_match(criterion, element)))
        direct.insert(element.id);
    }
    std::set<std::string> all = direct;
    for (const std::string& id : direct) {
      if (criterion.parents)
        all.merge(graph_.ancestors(id, criterion.parents_depth));
      if (criterion.children || criterion.childrens_parents) {
        std::set<std::string> below =
            graph_.descendants(id, criterion.childrens_parents ? std::nullopt : criterion.children_depth);
        if (criterion.childrens_parents) {
          all.merge(graph_.ancestors(id));
          for (const std::string& child : below)
            all.merge(graph_.ancestors(child));
        }
        all.merge(below);
      }
    }
    // Sources are picked only by name or as parents; unit tests and data tests also by what they test.
    add_tests(all, direct);
    return all;
  }

  void add_tests(std::set<std::string>& chosen, const std::set<std::string>& direct) {
    std::set<std::string> with_ancestors;
    if (selection_.indirect == IndirectSelection::buildable) {
      with_ancestors = chosen;
      for (const std::string& id : direct)
        with_ancestors.merge(graph_.ancestors(id));
    }
    std::set<std::string> tests;
    for (const Element& element : elements_) {
      const bool is_data_test = element.node != nullptr && element.node->type == ResourceType::test;
      if (!is_data_test && element.unit_test == nullptr)
        continue;
      if (element.unit_test != nullptr) {
        if (selection_.indirect != IndirectSelection::empty && chosen.contains(element.unit_test->model_id))
          tests.insert(element.id);
        continue;
      }
      const std::vector<std::string>& tested = graph_.parents(element.id);
      if (tested.empty())
        continue;
      const auto within = [&](const std::set<std::string>& set) {
        return std::all_of(tested.begin(), tested.end(), [&](const std::string& id) { return set.contains(id); });
      };
      const bool touches =
          std::any_of(tested.begin(), tested.end(), [&](const std::string& id) { return chosen.contains(id); });
      switch (selection_.indirect) {
        case IndirectSelection::eager:
          if (touches)
            tests.insert(element.id);
          break;
        case IndirectSelection::cautious:
          if (within(chosen))
            tests.insert(element.id);
          break;
        case IndirectSelection::buildable:
          if (touches && within(with_ancestors))
            tests.insert(element.id);
          break;
        case IndirectSelection::empty: break;
      }
    }
    chosen.merge(tests);
  }

  Result<bool> is_match(const Criterion& criterion, const Element& element) const {
    const std::string& method = criterion.method;
    const std::string& value = criterion.value;
    if (method == "fqn") {
      if (element.source != nullptr || element.exposure != nullptr)
        return false;
      return fqn_matches(*element.fqn, value);
    }
    if (method == "tag")
      return std::any_of(element.tags->begin(), element.tags->end(),
                         [&](const std::string& tag) { return matches(value, tag); });
    if (method == "path")
      return path_matches(value, element.path);
    if (method == "file") {
      const std::string file = element.path.substr(element.path.rfind('/') + 1);
      return matches(value, file) || matches(value, file.substr(0, file.rfind('.')));
    }
    if (method == "package")
      return matches(value == "this" ? manifest_.project_name : value, element.package);
    if (method == "source") {
      if (element.source == nullptr)
        return false;
      const std::vector<std::string> parts = split(value, '.');
      const Source& source = *element.source;
      if (parts.size() == 1)
        return matches(parts[0], source.source_name);
      if (parts.size() == 2)
        return matches(parts[0], source.source_name) && matches(parts[1], source.name);
      if (parts.size() == 3)
        return matches(parts[0], source.package) && matches(parts[1], source.source_name) &&
               matches(parts[2], source.name);
      return selector_error(fmt::format("source:{} has too many parts", value),
                            "Write source:name, source:name.table or source:package.name.table.");
    }
    if (method == "exposure")
      return element.exposure != nullptr && matches(value, element.exposure->name);
    if (method == "unit_test")
      return element.unit_test != nullptr && matches(value, element.unit_test->name);
    if (method == "resource_type")
      return manifest_.resource_type(element.id) == value;
    if (method == "test_type") {
      const bool data = element.node != nullptr && element.node->type == ResourceType::test;
      if (value == "unit")
        return element.unit_test != nullptr;
      if (value == "data")
        return data;
      if (value == "generic" || value == "schema")
        return data && element.node->test.has_value();
      if (value == "singular")
        return data && !element.node->test.has_value();
      return selector_error(fmt::format("test_type:{} does not exist", value),
                            "It is generic, singular, data or unit.");
    }
    if (method == "test_name")
      return element.node != nullptr && element.node->test && matches(value, element.node->test->name);
    if (method.starts_with("config."))
      return config_matches(*element.config, split(method.substr(7), '.'), value);
    return selector_error(fmt::format("the selector method '{}' is not known or not supported", method),
                          "Methods: fqn, tag, path, file, package, source, exposure, unit_test, resource_type, "
                          "test_type, test_name, config.<key>.");
  }

  static bool config_matches(const Json& config, const std::vector<std::string>& keys, const std::string& value) {
    const Json* at = &config;
    for (const std::string& key : keys) {
      if (!at->is_object() || !at->contains(key))
        return false;
      at = &(*at)[key];
    }
    if (at->is_array())
      return std::any_of(at->begin(), at->end(), [&](const Json& item) { return matches(value, scalar_text(item)); });
    if (at->is_object())
      return at->contains(value);
    if (at->is_null())
      return false;
    std::string wanted = value;
    if (at->is_boolean())
      std::transform(wanted.begin(), wanted.end(), wanted.begin(), [](unsigned char c) { return std::tolower(c); });
    return matches(wanted, scalar_text(*at));
  }

  const Manifest& manifest_;
  const Graph& graph_;
  const Selection& selection_;
  std::vector<std::string>* warnings_;
  std::vector<Element> elements_;
};

}  // namespace

Result<std::set<std::string>> select_nodes(const Manifest& manifest, const Graph& graph, const Selection& selection,
                                           std::vector<std::string>* warnings) {
  return Selector(manifest, graph, selection, warnings).run();
}

}  // namespace shoplake::model
