// Nodes: what their files, entries and templates say, put together.
#include "model/parser_steps.h"

#include <utility>

#include <fmt/format.h>

#include "base/digest.h"
#include "model/config.h"
#include "model/documentation.h"
#include "model/node_context.h"
#include "model/parse_host.h"
#include "model/template_text.h"
#include "model/yaml.h"

namespace shoplake::model {
namespace {

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const auto slash = path.find('/', begin);
    const auto end = slash == std::string::npos ? path.size() : slash;
    if (end > begin)
      parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

const Property* property_of(const Parsing& parsing, const Node& node) {
  auto patch = parsing.properties.nodes.find({node.type, node.package, node.name});
  if (patch == parsing.properties.nodes.end() && node.package != parsing.project.root.name)
    patch = parsing.properties.nodes.find({node.type, parsing.project.root.name, node.name});
  return patch == parsing.properties.nodes.end() ? nullptr : &patch->second;
}

// Disabled by what stands around it, and its own text does not speak of that. Nobody looks at its references then, so
// rendering it would be work for nothing.
bool is_disabled_for_good(const Node& node) {
  return !config_flag(node.config, "enabled", true) && node.raw_code.find("enabled") == std::string::npos;
}

// Reads description, columns, meta, tags of an entry into a node. The answer is what it says of configuration.
Result<Json> apply_patch(Parsing& parsing, Node& node, const Property& property) {
  Json config = Json::object();
  const Json& block = property.block;
  node.patch_path = fmt::format("{}://{}", property.package->name, property.file);
  if (node.line == 0)
    node.line = 1;
  if (block.contains("description"))
    node.description = resolve_docs(scalar_text(block["description"]), parsing.manifest, node.package);
  if (block.contains("config")) {
    if (!block["config"].is_object())
      return property_error(property.place("/config"), "config must be a mapping");
    config = SHOPLAKE_TRY(render_values(parsing.renderer, block["config"], property.place("/config")));
  }
  for (const char* key : {"tags", "meta", "docs", "access", "group"}) {
    if (block.contains(key)) {
      Json extra{{key, block[key]}};
      merge_config(config, extra);
    }
  }
  if (block.contains("columns"))
    node.columns = SHOPLAKE_TRY(read_columns(parsing.manifest, property, "", block["columns"]));
  return config;
}

}  // namespace

std::string without_extension(const std::string& path) {
  const auto dot = path.rfind('.');
  return dot == std::string::npos ? path : path.substr(0, dot);
}

std::vector<std::string> make_fqn(const std::string& package, const std::string& path_in_folder,
                                  const std::vector<std::string>& names) {
  std::vector<std::string> fqn{package};
  std::vector<std::string> parts = split_path(path_in_folder);
  if (!parts.empty())
    parts.pop_back();
  fqn.insert(fqn.end(), parts.begin(), parts.end());
  fqn.insert(fqn.end(), names.begin(), names.end());
  return fqn;
}

Node new_node(ResourceType type, const Package& package, const ProjectFile& file) {
  Node node;
  node.type = type;
  node.package = package.name;
  node.package_directory = package.directory;
  node.path = file.path_in_folder();
  node.original_file_path = file.path;
  node.name = without_extension(io::file_name(file.path));
  node.unique_id = fmt::format("{}.{}.{}", model::name(type), package.name, node.name);
  node.fqn = make_fqn(package.name, node.path, {node.name});
  node.checksum = base::sha256_hex(trimmed(file.text));
  if (type == ResourceType::seed)
    node.content_digest = base::sha256_hex(file.text);
  return node;
}

Result<Json> apply_property(Parsing& parsing, Node& node) {
  const Property* property = property_of(parsing, node);
  return property == nullptr ? Result<Json>(Json::object()) : apply_patch(parsing, node, *property);
}

Result<void> complete(Parsing& parsing, Node& node, const std::vector<const Json*>& before, const Json* after) {
  std::vector<const Json*> layers = before;
  node.config = parsing.config.configure(node.type, node.package, node.fqn, layers);
  ParsedNode parsed;
  if (is_disabled_for_good(node)) {
    node.tags = config_list(node.config, "tags");
    return parsing.names.name(node);
  }
  if (node.type != ResourceType::seed) {
    NodeContext context = context_of(node);
    context.self = Relation{"", "", node.name, "", ""};
    ParseHost host;
    parsed = SHOPLAKE_TRY(parsing.renderer.parse(node.raw_code, context, host));
    node.refs = std::move(parsed.refs);
    node.sources = std::move(parsed.sources);
    node.depends_on_macros = std::move(parsed.macros);
  }
  layers.push_back(&parsed.config);
  if (after != nullptr)
    layers.push_back(after);
  node.config = parsing.config.configure(node.type, node.package, node.fqn, layers);
  node.unrendered_config = parsed.config;
  node.tags = config_list(node.config, "tags");
  if (node.config.contains("meta") && node.config["meta"].is_object())
    node.meta = node.config["meta"];
  SHOPLAKE_TRY(parsing.names.name(node));
  return {};
}

Result<void> keep(Parsing& parsing, Node node, const std::string& what) {
  if (!config_flag(node.config, "enabled", true)) {
    parsing.disabled.insert(node.unique_id);
    parsing.manifest.disabled.push_back(std::move(node));
    return {};
  }
  if (auto other = parsing.manifest.nodes.find(node.unique_id); other != parsing.manifest.nodes.end()) {
    return base::make_error(base::ErrorKind::usage, "model.duplicate",
                            fmt::format("there are two {} of the name {}: {} and {}", what, node.name,
                                        other->second.original_file_path, node.original_file_path),
                            "Names must be unique within a project, whatever the folder.");
  }
  parsing.manifest.nodes.emplace(node.unique_id, std::move(node));
  return {};
}

}  // namespace shoplake::model
