#include "model/parser.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/digest.h"
#include "model/artifacts.h"
#include "model/config.h"
#include "model/snapshot.h"

namespace shoplake::model {
namespace {

constexpr std::size_t kTestNameMax = 63;
constexpr std::array kTestConfigKeys{"severity", "tags",     "enabled",   "where",          "limit",
                                     "warn_if",  "error_if", "fail_calc", "store_failures", "store_failures_as",
                                     "meta",     "database", "schema",    "group",          "alias"};

base::Error property_error(const std::string& place, std::string message, std::string advice = {}) {
  return base::make_error(base::ErrorKind::usage, "model.property", fmt::format("{}: {}", place, message),
                          std::move(advice));
}

// Parsing renders with stand-ins; only log() reaches the outside.
class ParseHost : public Host {
 public:
  Result<Relation> ref(const RefCall& call) override { return Relation{"", "", call.name, "", ""}; }
  Result<Relation> source(const SourceCall& call) override { return Relation{"", call.source, call.table, "", ""}; }
  Result<Json> run_query(const std::string&) override {
    return Json{{"columns", Json::array()}, {"rows", Json::array()}};
  }
  Result<std::optional<Relation>> get_relation(const Relation&) override { return std::optional<Relation>(); }
  Result<Json> columns_in_relation(const Relation&) override { return Json(Json::array()); }
  void log(std::string_view, bool) override {}
};

std::string without_extension(const std::string& path) {
  const auto dot = path.rfind('.');
  return dot == std::string::npos ? path : path.substr(0, dot);
}

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

bool has_jinja(std::string_view text) {
  return text.find("{{") != std::string_view::npos || text.find("{%") != std::string_view::npos;
}

// One properties block: a model's, seed's, source's … entry in a YAML file.
struct Property {
  const YamlDocument* document = nullptr;
  const Package* package = nullptr;
  std::string file;  // below the package
  std::string path_in_folder;
  std::string pointer;  // of the entry in the document
  Json block;

  std::string place(std::string_view below = "") const {
    return fmt::format("{}:{}", document->path(), document->line(pointer + std::string(below)));
  }
  int line(std::string_view below = "") const { return document->line(pointer + std::string(below)); }
};

// Python's repr() of a value whose scalars were made strings by str(): what dbt hashes for the id of a test.
std::string python_repr(const Json& value) {
  if (value.is_object()) {
    std::vector<std::string> keys;
    for (const auto& [key, item] : value.items())
      keys.push_back(key);
    std::sort(keys.begin(), keys.end());
    std::string text;
    for (const std::string& key : keys)
      text += (text.empty() ? "" : ", ") + python_repr(key) + ": " + python_repr(value[key]);
    return "{" + text + "}";
  }
  if (value.is_array()) {
    std::string text;
    for (const Json& item : value)
      text += (text.empty() ? "" : ", ") + python_repr(item);
    return "[" + text + "]";
  }
  const std::string plain = value.is_boolean() ? (value.get<bool>() ? "True" : "False")
                            : value.is_null()  ? "None"
                                               : scalar_text(value);
  const char quote = plain.find('\'') != std::string::npos && plain.find('"') == std::string::npos ? '"' : '\'';
  std::string text(1, quote);
  for (char c : plain) {
    if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (c == '\r') {
      text += "\\r";
    } else if (c == '\\' || c == quote) {
      text += '\\';
      text += c;
    } else {
      text += c;
    }
  }
  return text + quote;
}

class ProjectParser {
 public:
  ProjectParser(io::Env& env, const Project& project, const Renderer& renderer)
      : env_(env), project_(project), renderer_(renderer) {}

  Result<Manifest> parse() {
    manifest_.project_name = project_.root.name;
    for (const MacroInfo& macro : renderer_.macros())
      macro_names_.insert(macro.name);
    for (const Package* package : packages()) {
      trees_[package->name] = SHOPLAKE_TRY(render_trees(*package));
      SHOPLAKE_TRY(read_documentation(*package));
    }
    for (const Package* package : packages())
      SHOPLAKE_TRY(read_properties(*package));
    for (const Package* package : packages()) {
      SHOPLAKE_TRY(read_models(*package));
      SHOPLAKE_TRY(read_seeds(*package));
      SHOPLAKE_TRY(read_snapshots(*package));
      SHOPLAKE_TRY(read_singular_tests(*package));
      SHOPLAKE_TRY(read_analyses(*package));
    }
    for (const Property& property : source_blocks_)
      SHOPLAKE_TRY(read_source(property));
    manifest_.index();
    for (const auto& [key, property] : node_patches_)
      SHOPLAKE_TRY(read_node_tests(key, property));
    for (const Property& property : unit_test_blocks_)
      SHOPLAKE_TRY(read_unit_test(property));
    for (const Property& property : exposure_blocks_)
      SHOPLAKE_TRY(read_exposure(property));
    read_hooks();
    SHOPLAKE_TRY(resolve_dependencies());
    SHOPLAKE_TRY(check_relations());
    manifest_.index();
    return std::move(manifest_);
  }

 private:
  struct Trees {
    Json models, seeds, snapshots, data_tests, unit_tests, sources, exposures;
  };
  struct PatchKey {
    ResourceType type;
    std::string package;
    std::string name;
    friend auto operator<=>(const PatchKey&, const PatchKey&) = default;
  };

  std::vector<const Package*> packages() const {
    std::vector<const Package*> all;
    for (const Package& package : project_.packages)
      all.push_back(&package);
    all.push_back(&project_.root);
    return all;
  }
  const Package& package_named(const std::string& name) const {
    for (const Package& package : project_.packages) {
      if (package.name == name)
        return package;
    }
    return project_.root;
  }

  void warn(std::string text) {
    if (std::find(manifest_.warnings.begin(), manifest_.warnings.end(), text) == manifest_.warnings.end())
      manifest_.warnings.push_back(std::move(text));
  }

  // Renders the strings that hold Jinja; hooks are templates of their own and stay.
  Result<Json> render_values(const Json& value, const std::string& place) {
    if (value.is_string()) {
      if (!has_jinja(value.get_ref<const std::string&>()))
        return value;
      return renderer_.render_yaml(value).within(place);
    }
    if (value.is_object()) {
      Json rendered = Json::object();
      for (const auto& [key, inner] : value.items()) {
        const bool is_template = key.ends_with("pre-hook") || key.ends_with("post-hook") || key.ends_with("pre_hook") ||
                                 key.ends_with("post_hook");
        rendered[key] = is_template ? inner : SHOPLAKE_TRY(render_values(inner, place));
      }
      return rendered;
    }
    if (value.is_array()) {
      Json rendered = Json::array();
      for (const Json& inner : value)
        rendered.push_back(SHOPLAKE_TRY(render_values(inner, place)));
      return rendered;
    }
    return value;
  }

  Result<Trees> render_trees(const Package& package) {
    const std::string& place = package.document.path();
    Trees trees;
    trees.models = SHOPLAKE_TRY(render_values(package.models, place));
    trees.seeds = SHOPLAKE_TRY(render_values(package.seeds, place));
    trees.snapshots = SHOPLAKE_TRY(render_values(package.snapshots, place));
    trees.data_tests = SHOPLAKE_TRY(render_values(package.data_tests, place));
    trees.unit_tests = SHOPLAKE_TRY(render_values(package.unit_tests, place));
    trees.sources = SHOPLAKE_TRY(render_values(package.sources, place));
    trees.exposures = SHOPLAKE_TRY(render_values(package.exposures, place));
    return trees;
  }

  static const Json& tree_of(const Trees& trees, ResourceType type) {
    switch (type) {
      case ResourceType::seed: return trees.seeds;
      case ResourceType::snapshot: return trees.snapshots;
      case ResourceType::test: return trees.data_tests;
      case ResourceType::unit_test: return trees.unit_tests;
      case ResourceType::source: return trees.sources;
      case ResourceType::exposure: return trees.exposures;
      default: return trees.models;
    }
  }

  // default ⊕ the package's dbt_project.yml ⊕ layers ⊕ (for a package's node) the project's dbt_project.yml.
  Json configure(ResourceType type, const std::string& package, const std::vector<std::string>& fqn,
                 const std::vector<const Json*>& layers) {
    Json config = default_config(type);
    merge_config(config, tree_config(tree_of(trees_[package], type), fqn));
    for (const Json* layer : layers)
      merge_config(config, *layer);
    if (package != project_.root.name)
      merge_config(config, tree_config(tree_of(trees_[project_.root.name], type), fqn));
    return config;
  }

  // ── documentation and properties ──────────────────────────────────────────────────────────────────────────────

  std::vector<std::string> all_folders(const Package& package) const {
    std::vector<std::string> folders;
    for (const auto* list : {&package.model_paths, &package.seed_paths, &package.snapshot_paths, &package.test_paths,
                             &package.macro_paths, &package.analysis_paths, &package.docs_paths}) {
      for (const std::string& folder : *list) {
        if (std::find(folders.begin(), folders.end(), folder) == folders.end())
          folders.push_back(folder);
      }
    }
    return folders;
  }

  Result<void> read_documentation(const Package& package) {
    static const std::regex block(R"(\{%-?\s*docs\s+(\w+)\s*-?%\}([\s\S]*?)\{%-?\s*enddocs\s*-?%\})");
    for (const ProjectFile& file : SHOPLAKE_TRY(read_files(env_, package, all_folders(package), {".md"}))) {
      for (std::sregex_iterator at(file.text.begin(), file.text.end(), block), end; at != end; ++at) {
        DocumentationBlock doc;
        doc.name = (*at)[1];
        doc.package = package.name;
        doc.unique_id = fmt::format("doc.{}.{}", package.name, doc.name);
        doc.original_file_path = file.path;
        doc.contents = trim((*at)[2]);
        manifest_.docs[doc.unique_id] = std::move(doc);
      }
    }
    return {};
  }

  static std::string trim(const std::string& text) {
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos)
      return "";
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
  }

  Result<void> read_properties(const Package& package) {
    std::vector<std::string> folders = all_folders(package);
    for (ProjectFile& file : SHOPLAKE_TRY(read_files(env_, package, folders, {".yml", ".yaml"}))) {
      documents_.push_back(std::make_unique<YamlDocument>(
          SHOPLAKE_TRY(YamlDocument::parse(file.text, io::join_path(package.directory, file.path)))));
      const YamlDocument& document = *documents_.back();
      if (document.value().is_null())
        continue;
      if (!document.value().is_object())
        return property_error(document.place(""),
                              "a properties file must be a mapping with keys such as models: and sources:");
      for (const auto& [key, entries] : document.value().items()) {
        if (key == "version" || key == "groups" || key == "anchors" || entries.is_null())
          continue;
        static const std::set<std::string> known{"models",     "seeds",    "sources",   "macros",     "exposures",
                                                 "unit_tests", "analyses", "snapshots", "data_tests", "tests"};
        if (!known.contains(key)) {
          warn(fmt::format("{}: {} is not supported and was passed over", document.place("/" + key), key));
          continue;
        }
        if (!entries.is_array())
          return property_error(document.place("/" + key), fmt::format("{} must be a list", key),
                                "Begin each entry with `- name:`.");
        for (std::size_t index = 0; index < entries.size(); ++index) {
          Property property{
              &document, &package, file.path, file.path_in_folder(), fmt::format("/{}/{}", key, index), entries[index]};
          if (!property.block.is_object() || !property.block.contains("name") || property.block["name"].is_null()) {
            return property_error(property.place(), fmt::format("an entry of {} has no name", key));
          }
          property.block["name"] = scalar_text(property.block["name"]);
          SHOPLAKE_TRY(file_property(key, std::move(property)));
        }
      }
    }
    return {};
  }

  Result<void> file_property(const std::string& key, Property property) {
    const std::string name = property.block["name"].get<std::string>();
    if (key == "sources") {
      source_blocks_.push_back(std::move(property));
    } else if (key == "unit_tests") {
      unit_test_blocks_.push_back(std::move(property));
    } else if (key == "exposures") {
      exposure_blocks_.push_back(std::move(property));
    } else if (key == "macros") {
      if (property.block.contains("description")) {
        const std::string id = fmt::format("macro.{}.{}", property.package->name, name);
        manifest_.macro_descriptions[id] =
            resolve_docs(scalar_text(property.block["description"]), manifest_, property.package->name);
      }
    } else {
      const ResourceType type = key == "models"      ? ResourceType::model
                                : key == "seeds"     ? ResourceType::seed
                                : key == "snapshots" ? ResourceType::snapshot
                                : key == "analyses"  ? ResourceType::analysis
                                                     : ResourceType::test;
      if (property.block.contains("versions")) {
        return base::make_error(base::ErrorKind::usage, "model.unsupported",
                                fmt::format("{}: model versions are not supported", property.place("/versions")));
      }
      const PatchKey patch{type, property.package->name, name};
      if (auto first = node_patches_.find(patch); first != node_patches_.end()) {
        return base::make_error(base::ErrorKind::usage, "model.duplicate",
                                fmt::format("{}: {} {} is described a second time; the first is at {}",
                                            property.place(), model::name(type), name, first->second.place()),
                                "Join the two entries.");
      }
      node_patches_.emplace(patch, std::move(property));
    }
    return {};
  }

  // Reads description, columns, meta, tags of an entry into a node. `config` is what the entry's own config says.
  Result<void> apply_patch(Node& node, const Property& property, Json& config) {
    const Json& block = property.block;
    node.patch_path = fmt::format("{}://{}", property.package->name, property.file);
    if (node.line == 0)
      node.line = 1;
    if (block.contains("description"))
      node.description = resolve_docs(scalar_text(block["description"]), manifest_, node.package);
    if (block.contains("config")) {
      if (!block["config"].is_object())
        return property_error(property.place("/config"), "config must be a mapping");
      config = SHOPLAKE_TRY(render_values(block["config"], property.place("/config")));
    }
    for (const char* key : {"tags", "meta", "docs", "access", "group"}) {
      if (block.contains(key)) {
        Json extra{{key, block[key]}};
        merge_config(config, extra);
      }
    }
    if (block.contains("columns"))
      node.columns = SHOPLAKE_TRY(read_columns(property, "", block["columns"]));
    return {};
  }

  Result<std::vector<ColumnDocument>> read_columns(const Property& property, const std::string& below,
                                                   const Json& list) {
    std::vector<ColumnDocument> columns;
    if (list.is_null())
      return columns;
    if (!list.is_array())
      return property_error(property.place(below + "/columns"), "columns must be a list");
    for (std::size_t index = 0; index < list.size(); ++index) {
      const Json& entry = list[index];
      if (!entry.is_object() || !entry.contains("name")) {
        return property_error(property.place(fmt::format("{}/columns/{}", below, index)), "a column has no name");
      }
      ColumnDocument column;
      column.name = scalar_text(entry["name"]);
      if (entry.contains("description"))
        column.description = resolve_docs(scalar_text(entry["description"]), manifest_, property.package->name);
      column.data_type = config_text(entry, "data_type");
      if (entry.contains("quote") && entry["quote"].is_boolean())
        column.quote = entry["quote"].get<bool>();
      Json config = entry.contains("config") && entry["config"].is_object() ? entry["config"] : Json::object();
      if (entry.contains("meta"))
        config["meta"] = entry["meta"];
      if (entry.contains("tags"))
        config["tags"] = entry["tags"];
      if (config.contains("meta") && config["meta"].is_object())
        column.meta = config["meta"];
      column.tags = config_list(config, "tags");
      if (entry.contains("constraints") && entry["constraints"].is_array())
        column.constraints = entry["constraints"];
      columns.push_back(std::move(column));
    }
    return columns;
  }

  // ── models, seeds, singular tests ─────────────────────────────────────────────────────────────────────────────

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
    node.checksum = base::sha256_hex(trim(file.text));
    if (type == ResourceType::seed)
      node.content_digest = base::sha256_hex(file.text);
    return node;
  }

  NodeContext context_of(const Node& node) const {
    NodeContext context;
    context.unique_id = node.unique_id;
    context.package = node.package;
    context.path = node.original_file_path;
    context.model = node_to_json(node);
    context.config = node.config;
    return context;
  }

  // Disabled by what stands around it, and its own text does not speak of that. Nobody looks at its references then, so
  // rendering it would be work for nothing.
  static bool is_disabled_for_good(const Node& node) {
    return !config_flag(node.config, "enabled", true) && node.raw_code.find("enabled") == std::string::npos;
  }

  // Configuration, parse of the template, names. The node is not in the manifest yet.
  Result<void> complete(Node& node, const std::vector<const Json*>& before, const Json* after = nullptr) {
    std::vector<const Json*> layers = before;
    node.config = configure(node.type, node.package, node.fqn, layers);
    ParsedNode parsed;
    if (is_disabled_for_good(node)) {
      node.tags = config_list(node.config, "tags");
      return name_relation(node);
    }
    if (node.type != ResourceType::seed) {
      NodeContext context = context_of(node);
      context.self = Relation{"", "", node.name, "", ""};
      ParseHost host;
      parsed = SHOPLAKE_TRY(renderer_.parse(node.raw_code, context, host));
      node.refs = std::move(parsed.refs);
      node.sources = std::move(parsed.sources);
      node.depends_on_macros = std::move(parsed.macros);
    }
    layers.push_back(&parsed.config);
    if (after != nullptr)
      layers.push_back(after);
    node.config = configure(node.type, node.package, node.fqn, layers);
    node.unrendered_config = parsed.config;
    node.tags = config_list(node.config, "tags");
    if (node.config.contains("meta") && node.config["meta"].is_object())
      node.meta = node.config["meta"];
    SHOPLAKE_TRY(name_relation(node));
    return {};
  }

  // Does the answer of a naming macro depend on nothing but the configured value? That is so of shoplake's own, and of
  // one of the project that calls nothing and names nothing else. A project has hundreds of nodes (each test is one)
  // and a handful of such values, so that rendering the macro for each node would be half of the time of parsing.
  bool depends_on_value_only(const std::string& macro) const {
    const MacroInfo* own = nullptr;
    for (const MacroInfo& each : renderer_.macros()) {
      if (each.package == "dbt" || (each.name != macro && !each.name.ends_with("__" + macro)))
        continue;
      if (own != nullptr || each.name != macro || each.package != project_.root.name)
        return false;
      own = &each;
    }
    if (own == nullptr)
      return true;
    const std::size_t body = own->original_text.find("%}");
    if (body == std::string::npos)
      return false;
    const std::string_view text = std::string_view(own->original_text).substr(body);
    static constexpr std::string_view kOtherInputs[] = {"(",      "node",   "model", "this",   "kwargs", "varargs",
                                                        "caller", "config", "graph", "import", "include"};
    return std::none_of(std::begin(kOtherInputs), std::end(kOtherInputs),
                        [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
  }

  bool is_builtin(const std::string& macro) const {
    return std::none_of(renderer_.macros().begin(), renderer_.macros().end(), [&](const MacroInfo& each) {
      return each.package != "dbt" && (each.name == macro || each.name.ends_with("__" + macro));
    });
  }

  Result<std::string> schema_name(const Json& custom, const Node& node, const std::string& otherwise) {
    if (!schema_by_value_)
      schema_by_value_ = depends_on_value_only("generate_schema_name");
    if (!*schema_by_value_)
      return naming_macro("generate_schema_name", custom, node, otherwise);
    const std::string key = custom.dump();
    if (const auto known = schema_names_.find(key); known != schema_names_.end())
      return known->second;
    return schema_names_[key] = SHOPLAKE_TRY(naming_macro("generate_schema_name", custom, node, otherwise));
  }

  Result<std::string> alias_name(const Json& custom, const Node& node, const std::string& otherwise) {
    if (!alias_is_builtin_)
      alias_is_builtin_ = is_builtin("generate_alias_name");
    if (!*alias_is_builtin_ || !(custom.is_null() || custom.is_string()))
      return naming_macro("generate_alias_name", custom, node, otherwise);
    return custom.is_null() || custom == "" ? node.name : trim(custom.get<std::string>());
  }

  Result<std::string> naming_macro(const char* macro, const Json& custom, const Node& node, std::string otherwise) {
    if (!renderer_.has_macro(macro))
      return otherwise;
    NodeContext context = context_of(node);
    context.execute = true;
    ParseHost host;
    const Json answer =
        SHOPLAKE_TRY(renderer_.call_macro(macro, Json::array({custom}), Json{{"node", context.model}}, context, host)
                         .within(fmt::format("{} of {}", macro, node.unique_id)));
    return answer.is_null() ? otherwise : trim(scalar_text(answer));
  }

  Result<void> name_relation(Node& node) {
    const Json target = SHOPLAKE_TRY(default_schema());
    const Json& custom_schema = node.config["schema"];
    const Json& custom_alias = node.config["alias"];
    const std::string default_name = target.get<std::string>();
    node.alias = node.test ? config_text(node.config, "alias") : node.name;
    if (node.alias.empty())
      node.alias = node.name;
    if (node.type == ResourceType::analysis || node.type == ResourceType::operation) {
      node.schema = default_name;
      return {};
    }
    node.schema = SHOPLAKE_TRY(
        schema_name(custom_schema, node,
                    custom_schema.is_string() ? default_name + "_" + custom_schema.get<std::string>() : default_name));
    node.alias = SHOPLAKE_TRY(alias_name(node.test ? Json(node.alias) : custom_alias, node,
                                         custom_alias.is_string() ? custom_alias.get<std::string>() : node.alias));
    if (node.schema.empty() || node.alias.empty()) {
      return base::make_error(base::ErrorKind::usage, "model.property",
                              fmt::format("{}: schema or name came out empty", node.original_file_path),
                              "Look at the macros generate_schema_name and generate_alias_name.");
    }
    return {};
  }

  Result<Json> default_schema() {
    if (default_schema_.is_null())
      default_schema_ = SHOPLAKE_TRY(renderer_.render_yaml(Json("{{ target.schema }}")));
    return default_schema_;
  }

  Result<void> keep(Node node, const std::string& what) {
    if (!config_flag(node.config, "enabled", true)) {
      disabled_ids_.insert(node.unique_id);
      manifest_.disabled.push_back(std::move(node));
      return {};
    }
    if (auto other = manifest_.nodes.find(node.unique_id); other != manifest_.nodes.end()) {
      return base::make_error(base::ErrorKind::usage, "model.duplicate",
                              fmt::format("there are two {} of the name {}: {} and {}", what, node.name,
                                          other->second.original_file_path, node.original_file_path),
                              "Names must be unique within a project, whatever the folder.");
    }
    manifest_.nodes.emplace(node.unique_id, std::move(node));
    return {};
  }

  const Property* patch_of(ResourceType type, const Node& node) {
    auto patch = node_patches_.find({type, node.package, node.name});
    if (patch == node_patches_.end() && node.package != project_.root.name)
      patch = node_patches_.find({type, project_.root.name, node.name});
    return patch == node_patches_.end() ? nullptr : &patch->second;
  }

  Result<void> read_models(const Package& package) {
    for (const ProjectFile& file : SHOPLAKE_TRY(read_files(env_, package, package.model_paths, {".sql", ".py"}))) {
      if (file.path.ends_with(".py")) {
        return base::make_error(
            base::ErrorKind::usage, "model.unsupported",
            fmt::format("{}: Python models are not supported", io::join_path(package.directory, file.path)),
            "Write it as SQL, or disable it by moving it out of the model paths.");
      }
      Node node = new_node(ResourceType::model, package, file);
      node.raw_code = trim(file.text);
      Json config = Json::object();
      if (const Property* patch = patch_of(ResourceType::model, node))
        SHOPLAKE_TRY(apply_patch(node, *patch, config));
      SHOPLAKE_TRY(complete(node, {&config}));
      static const std::set<std::string> known{"view", "table", "incremental", "ephemeral"};
      const bool enabled = config_flag(node.config, "enabled", true);
      if (enabled && !known.contains(node.materialized())) {
        return base::make_error(
            base::ErrorKind::usage, "model.unsupported",
            fmt::format("{}: materialized is '{}'; view, table, incremental and ephemeral are supported", file.path,
                        node.materialized()));
      }
      SHOPLAKE_TRY(keep(std::move(node), "models"));
    }
    return {};
  }

  Result<void> read_seeds(const Package& package) {
    for (const ProjectFile& file : SHOPLAKE_TRY(read_files(env_, package, package.seed_paths, {".csv"}))) {
      Node node = new_node(ResourceType::seed, package, file);
      Json config = Json::object();
      if (const Property* patch = patch_of(ResourceType::seed, node))
        SHOPLAKE_TRY(apply_patch(node, *patch, config));
      SHOPLAKE_TRY(complete(node, {&config}));
      SHOPLAKE_TRY(keep(std::move(node), "seeds"));
    }
    return {};
  }

  // The blocks of the snapshot files, and what a properties file declares with a `relation`.
  Result<void> read_snapshots(const Package& package) {
    for (const ProjectFile& file : SHOPLAKE_TRY(read_files(env_, package, package.snapshot_paths, {".sql"}))) {
      for (SnapshotBlock& block : SHOPLAKE_TRY(snapshot_blocks(file.text, file.path))) {
        Node node = new_node(ResourceType::snapshot, package, file);
        node.name = block.name;
        node.unique_id = fmt::format("snapshot.{}.{}", package.name, node.name);
        node.fqn = make_fqn(package.name, without_extension(node.path) + "/" + node.name, {node.name});
        node.raw_code = trim(block.text);
        SHOPLAKE_TRY(complete_snapshot(std::move(node)));
      }
    }
    for (const auto& [key, property] : node_patches_) {
      if (key.type != ResourceType::snapshot || key.package != package.name || !property.block.contains("relation"))
        continue;
      const std::string relation = scalar_text(property.block["relation"]);
      const Reference reference = SHOPLAKE_TRY(parse_reference(relation).within(property.place("/relation")));
      if (reference.self)
        return property_error(property.place("/relation"), fmt::format("the snapshot {} is of itself", key.name));
      Node node = new_node(ResourceType::snapshot, package, {property.file, folder_of(property), ""});
      node.name = key.name;
      node.unique_id = fmt::format("snapshot.{}.{}", package.name, node.name);
      node.path = io::join_path(property.path_in_folder, node.name + ".sql");
      node.fqn = make_fqn(package.name, property.path_in_folder, {node.name});
      node.line = property.line();
      node.raw_code = fmt::format("select * from {{{{ {} }}}}", relation);
      node.checksum = base::sha256_hex(node.raw_code);
      SHOPLAKE_TRY(complete_snapshot(std::move(node)));
    }
    return {};
  }

  static std::string folder_of(const Property& property) {
    return property.file.substr(0, property.file.size() - property.path_in_folder.size() - 1);
  }

  Result<void> complete_snapshot(Node node) {
    Json config = Json::object();
    if (const Property* patch = patch_of(ResourceType::snapshot, node))
      SHOPLAKE_TRY(apply_patch(node, *patch, config));
    SHOPLAKE_TRY(complete(node, {&config}));
    if (const std::string schema = config_text(node.config, "target_schema"); !schema.empty())
      node.schema = schema;
    if (config_flag(node.config, "enabled", true))
      SHOPLAKE_TRY(snapshot_plan(node));
    return keep(std::move(node), "snapshots");
  }

  Result<void> read_singular_tests(const Package& package) {
    for (const ProjectFile& file : SHOPLAKE_TRY(read_files(env_, package, package.test_paths, {".sql"}))) {
      const std::string inner = file.path_in_folder();
      if (inner.starts_with("generic/") || inner.starts_with("fixtures/"))
        continue;
      Node node = new_node(ResourceType::test, package, file);
      node.raw_code = trim(file.text);
      Json config = Json::object();
      if (const Property* patch = patch_of(ResourceType::test, node))
        SHOPLAKE_TRY(apply_patch(node, *patch, config));
      SHOPLAKE_TRY(complete(node, {&config}));
      SHOPLAKE_TRY(keep(std::move(node), "tests"));
    }
    return {};
  }

  Result<void> read_analyses(const Package& package) {
    for (const ProjectFile& file : SHOPLAKE_TRY(read_files(env_, package, package.analysis_paths, {".sql"}))) {
      Node node = new_node(ResourceType::analysis, package, file);
      node.fqn = make_fqn(package.name, node.path, {node.name});
      node.fqn.insert(node.fqn.begin() + 1, "analysis");
      node.raw_code = trim(file.text);
      Json config = Json::object();
      if (const Property* patch = patch_of(ResourceType::analysis, node))
        SHOPLAKE_TRY(apply_patch(node, *patch, config));
      SHOPLAKE_TRY(complete(node, {&config}));
      SHOPLAKE_TRY(keep(std::move(node), "analyses"));
    }
    return {};
  }

  // ── sources ───────────────────────────────────────────────────────────────────────────────────────────────────

  // A freshness rule laid over its source's; null means none.
  static Json merge_freshness(const Json& outer, const Json& inner, bool inner_given) {
    if (inner_given && inner.is_null())
      return nullptr;
    if (!inner.is_object())
      return outer;
    Json merged = outer.is_object() ? outer : Json::object();
    for (const auto& [key, value] : inner.items())
      merged[key] = value;
    return merged;
  }

  Result<void> read_source(const Property& property) {
    const Json& block = property.block;
    const std::string source_name = block["name"].get<std::string>();
    const Json outer_config = block.contains("config") && block["config"].is_object()
                                  ? SHOPLAKE_TRY(render_values(block["config"], property.place("/config")))
                                  : Json::object();
    const auto text = [&](const Json& object, const char* key) -> Result<std::string> {
      if (!object.contains(key) || object[key].is_null())
        return std::string();
      return scalar_text(SHOPLAKE_TRY(render_values(object[key], property.place(fmt::format("/{}", key)))));
    };
    const std::string schema = SHOPLAKE_TRY(text(block, "schema"));
    const std::string database = SHOPLAKE_TRY(text(block, "database"));
    const std::string loader = SHOPLAKE_TRY(text(block, "loader"));
    const std::string loaded_at_field = SHOPLAKE_TRY(text(block, "loaded_at_field"));
    Json freshness = merge_freshness(nullptr, outer_config.value("freshness", Json()), false);
    freshness = merge_freshness(freshness, block.value("freshness", Json()), block.contains("freshness"));
    if (!block.contains("tables") || block["tables"].is_null())
      return {};
    if (!block["tables"].is_array())
      return property_error(property.place("/tables"), "tables must be a list");
    for (std::size_t index = 0; index < block["tables"].size(); ++index) {
      const Json& entry = block["tables"][index];
      const std::string below = fmt::format("/tables/{}", index);
      if (!entry.is_object() || !entry.contains("name"))
        return property_error(property.place(below), "a table of a source has no name");
      Source source;
      source.package = property.package->name;
      source.source_name = source_name;
      source.name = scalar_text(entry["name"]);
      source.unique_id = fmt::format("source.{}.{}.{}", source.package, source_name, source.name);
      source.original_file_path = property.file;
      source.line = property.line(below);
      source.fqn = make_fqn(source.package, property.path_in_folder, {source_name, source.name});
      source.schema = schema.empty() ? source_name : schema;
      source.database = database;
      source.identifier = SHOPLAKE_TRY(text(entry, "identifier"));
      if (source.identifier.empty())
        source.identifier = source.name;
      source.loader = loader;
      const Json inner_config = entry.contains("config") && entry["config"].is_object()
                                    ? SHOPLAKE_TRY(render_values(entry["config"], property.place(below + "/config")))
                                    : Json::object();
      source.loaded_at_field = SHOPLAKE_TRY(text(entry, "loaded_at_field"));
      if (source.loaded_at_field.empty())
        source.loaded_at_field = config_text(inner_config, "loaded_at_field");
      if (source.loaded_at_field.empty())
        source.loaded_at_field =
            loaded_at_field.empty() ? config_text(outer_config, "loaded_at_field") : loaded_at_field;
      source.freshness =
          merge_freshness(freshness, inner_config.value("freshness", Json()), inner_config.contains("freshness"));
      source.freshness =
          merge_freshness(source.freshness, entry.value("freshness", Json()), entry.contains("freshness"));
      if (block.contains("description"))
        source.source_description = resolve_docs(scalar_text(block["description"]), manifest_, source.package);
      if (entry.contains("description"))
        source.description = resolve_docs(scalar_text(entry["description"]), manifest_, source.package);
      source.config = configure(ResourceType::source, source.package, source.fqn, {&outer_config, &inner_config});
      if (block.contains("meta"))
        source.source_meta = block["meta"];
      Json labels = Json::object();
      for (const Json* from : {&block, &outer_config, &entry, &inner_config}) {
        for (const char* key : {"tags", "meta"}) {
          if (from->contains(key))
            merge_config(labels, Json{{key, (*from)[key]}});
        }
      }
      source.tags = config_list(labels, "tags");
      if (labels.contains("meta"))
        source.meta = labels["meta"];
      if (entry.contains("columns"))
        source.columns = SHOPLAKE_TRY(read_columns(property, below, entry["columns"]));
      if (!config_flag(source.config, "enabled", true)) {
        disabled_ids_.insert(source.unique_id);
        continue;
      }
      if (auto other = manifest_.sources.find(source.unique_id); other != manifest_.sources.end()) {
        return base::make_error(
            base::ErrorKind::usage, "model.duplicate",
            fmt::format("{}: source {}.{} is declared a second time; the first is in {}:{}", property.place(below),
                        source_name, source.name, other->second.original_file_path, other->second.line));
      }
      source_entries_.push_back({property, below, entry, source.unique_id});
      manifest_.sources.emplace(source.unique_id, std::move(source));
    }
    return {};
  }

  // ── generic tests ─────────────────────────────────────────────────────────────────────────────────────────────

  struct TestTarget {
    std::string unique_id;   // of the model or source
    std::string display;     // "stg_x", or "raw_events" for sources
    std::string expression;  // ref('stg_x')
    bool is_source = false;
    std::string file_key_name;
  };

  Result<void> read_node_tests(const PatchKey& key, const Property& property) {
    if (key.type != ResourceType::model && key.type != ResourceType::seed && key.type != ResourceType::snapshot)
      return {};
    const std::string id = fmt::format("{}.{}.{}", model::name(key.type), key.package, key.name);
    auto node = manifest_.nodes.find(id);
    if (node == manifest_.nodes.end()) {
      bool in_package = false;
      for (const Package& package : project_.packages) {
        const std::string other = fmt::format("{}.{}.{}", model::name(key.type), package.name, key.name);
        if (manifest_.nodes.contains(other)) {
          node = manifest_.nodes.find(other);
          in_package = true;
        }
      }
      if (!in_package) {
        if (!disabled_ids_.contains(id)) {
          warn(fmt::format("{}: there is no {} named {}; its description and tests were passed over", property.place(),
                           model::name(key.type), key.name));
        }
        return {};
      }
    }
    TestTarget target;
    target.unique_id = node->first;
    target.display = key.name;
    target.expression = fmt::format("ref('{}')", key.name);
    target.file_key_name = fmt::format("{}s.{}", model::name(key.type), key.name);
    return read_tests_of(property, "", property.block, target);
  }

  Result<void> read_source_tests() {
    for (const SourceEntry& entry : source_entries_) {
      const Source& source = manifest_.sources.at(entry.unique_id);
      TestTarget target;
      target.unique_id = source.unique_id;
      target.display = source.source_name + "_" + source.name;
      target.expression = fmt::format("source('{}', '{}')", source.source_name, source.name);
      target.is_source = true;
      target.file_key_name = fmt::format("sources.{}", source.source_name);
      SHOPLAKE_TRY(read_tests_of(entry.property, entry.below, entry.block, target));
    }
    return {};
  }

  Result<void> read_tests_of(const Property& property, const std::string& below, const Json& block,
                             const TestTarget& target) {
    for (const char* key : {"data_tests", "tests"}) {
      if (block.contains(key))
        SHOPLAKE_TRY(read_test_list(property, fmt::format("{}/{}", below, key), block[key], target, nullptr));
    }
    if (!block.contains("columns") || !block["columns"].is_array())
      return {};
    for (std::size_t index = 0; index < block["columns"].size(); ++index) {
      const Json& column = block["columns"][index];
      for (const char* key : {"data_tests", "tests"}) {
        if (column.contains(key)) {
          SHOPLAKE_TRY(read_test_list(property, fmt::format("{}/columns/{}/{}", below, index, key), column[key], target,
                                      &column));
        }
      }
    }
    return {};
  }

  Result<void> read_test_list(const Property& property, const std::string& below, const Json& list,
                              const TestTarget& target, const Json* column) {
    if (list.is_null())
      return {};
    if (!list.is_array())
      return property_error(property.place(below), "tests must be a list");
    for (std::size_t index = 0; index < list.size(); ++index) {
      SHOPLAKE_TRY(read_generic_test(property, fmt::format("{}/{}", below, index), list[index], target, column));
    }
    return {};
  }

  Result<void> read_generic_test(const Property& property, const std::string& below, const Json& entry,
                                 const TestTarget& target, const Json* column) {
    std::string test_name;
    Json arguments = Json::object();
    if (entry.is_string()) {
      test_name = entry.get<std::string>();
    } else if (entry.is_object() && entry.contains("test_name")) {
      test_name = scalar_text(entry["test_name"]);
      arguments = entry;
      arguments.erase("test_name");
    } else if (entry.is_object() && !entry.empty()) {
      test_name = entry.items().begin().key();
      const Json& given = entry.items().begin().value();
      if (!given.is_null() && !given.is_object())
        return property_error(property.place(below),
                              fmt::format("the arguments of the test {} must be a mapping", test_name));
      if (given.is_object())
        arguments = given;
      for (const auto& [key, value] : entry.items()) {
        if (key != test_name)
          arguments[key] = value;  // config beside the test's name
      }
    } else {
      return property_error(property.place(below), "a test must be a name, or a name with arguments",
                            "For example `- not_null`.");
    }

    TestMetadata test;
    test.name = test_name;
    if (const auto dot = test_name.find('.'); dot != std::string::npos) {
      test.name_space = test_name.substr(0, dot);
      test.name = test_name.substr(dot + 1);
    }
    const std::string place = property.place(below);
    if (!macro_names_.contains("test_" + test.name)) {
      return property_error(
          place, fmt::format("there is no test named {}", test_name),
          fmt::format(
              "Write one as {{% test {}(model, column_name) %}} in a macro file, or install the package that has it.",
              test.name));
    }
    std::string custom_name, description;
    Json config = Json::object();
    if (arguments.contains("config")) {
      config = SHOPLAKE_TRY(render_values(arguments["config"], place));
      arguments.erase("config");
    }
    for (const char* key : kTestConfigKeys) {
      if (!arguments.contains(key))
        continue;
      merge_config(config, Json{{key, SHOPLAKE_TRY(render_values(arguments[key], place))}});
      arguments.erase(key);
    }
    if (arguments.contains("name")) {
      custom_name = scalar_text(arguments["name"]);
      arguments.erase("name");
    }
    if (arguments.contains("description")) {
      description = resolve_docs(scalar_text(arguments["description"]), manifest_, property.package->name);
      arguments.erase("description");
    }
    if (arguments.contains("arguments") && arguments["arguments"].is_object()) {
      const Json inner = arguments["arguments"];
      arguments.erase("arguments");
      for (const auto& [key, value] : inner.items())
        arguments[key] = value;
    }
    std::string column_name;
    if (column != nullptr) {
      column_name = scalar_text((*column)["name"]);
      if (config_flag(*column, "quote", false))
        column_name = "\"" + column_name + "\"";
      if (!arguments.contains("column_name"))
        arguments["column_name"] = column_name;
    }

    std::string type = target.is_source ? "source_" + test.name : test.name;
    if (test.name_space)
      type = *test.name_space + "_" + type;
    TestName name = generic_test_name(type, target.display, arguments);
    if (!custom_name.empty())
      name = {custom_name, custom_name};

    Node node;
    node.type = ResourceType::test;
    node.package = property.package->name;
    node.package_directory = property.package->directory;
    node.name = name.full_name;
    node.path = name.short_name + ".sql";
    node.original_file_path = property.file;
    node.line = property.line(below);
    node.description = description;
    test.arguments = arguments;
    test.arguments["model"] = fmt::format("{{{{ get_where_subquery({}) }}}}", target.expression);
    // dbt's own rule, so that both give a test the same id.
    const Json identity{{"kwargs", test.arguments},
                        {"name", test.name},
                        {"namespace", test.name_space ? Json(*test.name_space) : Json(nullptr)}};
    node.unique_id = fmt::format("test.{}.{}.{}", node.package, node.name,
                                 base::md5_hex(node.name + python_repr(identity)).substr(22));
    node.fqn = make_fqn(node.package, property.path_in_folder, {node.name});
    node.column_name = column_name;
    node.attached_node = target.unique_id;
    node.file_key_name = target.file_key_name;
    node.raw_code = generic_test_template(test, fmt::format("get_where_subquery({})", target.expression));
    node.test = std::move(test);
    if (!config.contains("alias") && name.short_name != name.full_name)
      config["alias"] = name.short_name;
    if (config.contains("severity") && config["severity"].is_string()) {
      std::string severity = config["severity"].get<std::string>();
      std::transform(severity.begin(), severity.end(), severity.begin(),
                     [](unsigned char c) { return std::toupper(c); });
      config["severity"] = severity;
    }
    if (column != nullptr && column->contains("tags"))
      merge_config(config, Json{{"tags", (*column)["tags"]}});
    const Json nothing = Json::object();
    // The test's own configuration decides `where` while the template is parsed, so it lies below and above config()
    // calls.
    SHOPLAKE_TRY(complete(node, {&config}, &config).within(place));
    if (manifest_.nodes.contains(node.unique_id)) {
      return base::make_error(base::ErrorKind::usage, "model.duplicate",
                              fmt::format("{}: the test {} stands there a second time", place, node.name),
                              "Remove one of the two, or give one another `name`.");
    }
    return keep(std::move(node), "tests");
  }

  // ── unit tests, exposures, hooks ──────────────────────────────────────────────────────────────────────────────

  Result<void> read_unit_test(const Property& property) {
    const Json& block = property.block;
    UnitTest test;
    test.name = block["name"].get<std::string>();
    test.package = property.package->name;
    test.package_directory = property.package->directory;
    test.original_file_path = property.file;
    test.line = property.line();
    if (!block.contains("model"))
      return property_error(property.place(), fmt::format("the unit test {} names no model", test.name));
    test.model_name = scalar_text(block["model"]);
    test.unique_id = fmt::format("unit_test.{}.{}.{}", test.package, test.model_name, test.name);
    test.fqn = make_fqn(test.package, property.path_in_folder, {test.model_name, test.name});
    if (block.contains("description"))
      test.description = resolve_docs(scalar_text(block["description"]), manifest_, test.package);
    const Json config = block.contains("config") && block["config"].is_object() ? block["config"] : Json::object();
    test.config = configure(ResourceType::unit_test, test.package, test.fqn, {&config});
    test.tags = config_list(test.config, "tags");
    const Node* model = manifest_.find_ref({"", test.model_name, {}}, test.package);
    if (!config_flag(test.config, "enabled", true))
      return {};
    if (model == nullptr) {
      if (disabled_ids_.contains(fmt::format("model.{}.{}", test.package, test.model_name)))
        return {};
      return property_error(
          property.place("/model"),
          fmt::format("the unit test {} is of model {}, which does not exist", test.name, test.model_name));
    }
    test.model_id = model->unique_id;
    test.depends_on.push_back(model->unique_id);
    if (block.contains("given") && !block["given"].is_null()) {
      if (!block["given"].is_array())
        return property_error(property.place("/given"), "given must be a list");
      for (std::size_t index = 0; index < block["given"].size(); ++index) {
        const Json& entry = block["given"][index];
        const std::string below = fmt::format("/given/{}", index);
        if (!entry.is_object() || !entry.contains("input"))
          return property_error(property.place(below), "an entry of given has no input");
        UnitTest::Given given;
        given.input = scalar_text(entry["input"]);
        given.format = entry.contains("format") ? scalar_text(entry["format"]) : "dict";
        given.rows = entry.value("rows", Json());
        given.fixture = config_text(entry, "fixture");
        SHOPLAKE_TRY(check_rows(property, below, given.format, given.rows, given.fixture));
        SHOPLAKE_TRY(read_fixture(property, below, given.fixture, given.format, given.rows));
        const Reference reference = SHOPLAKE_TRY(parse_reference(given.input).within(property.place(below)));
        SHOPLAKE_TRY(depend(test, reference, property.place(below)));
        test.given.push_back(std::move(given));
      }
    }
    if (!block.contains("expect") || !block["expect"].is_object())
      return property_error(property.place(), fmt::format("the unit test {} expects nothing", test.name));
    const Json& expect = block["expect"];
    test.expect_format = expect.contains("format") ? scalar_text(expect["format"]) : "dict";
    test.expect_rows = expect.value("rows", Json());
    test.expect_fixture = config_text(expect, "fixture");
    SHOPLAKE_TRY(check_rows(property, "/expect", test.expect_format, test.expect_rows, test.expect_fixture));
    SHOPLAKE_TRY(read_fixture(property, "/expect", test.expect_fixture, test.expect_format, test.expect_rows));
    if (block.contains("overrides") && block["overrides"].is_object())
      test.overrides = block["overrides"];
    if (manifest_.unit_tests.contains(test.unique_id)) {
      return base::make_error(
          base::ErrorKind::usage, "model.duplicate",
          fmt::format("{}: {} has two unit tests of the name {}", property.place(), test.model_name, test.name));
    }
    manifest_.unit_tests.emplace(test.unique_id, std::move(test));
    return {};
  }

  Result<void> depend(UnitTest& test, const Reference& reference, const std::string& place) {
    std::string id;
    if (reference.self)
      return {};
    if (reference.ref) {
      const Node* node = manifest_.find_ref(*reference.ref, test.package);
      if (node == nullptr)
        return property_error(
            place, fmt::format("the unit test {} is given {}, which does not exist", test.name, reference.ref->name));
      id = node->unique_id;
    } else {
      const Source* source = manifest_.find_source(*reference.source, test.package);
      if (source == nullptr) {
        return property_error(place, fmt::format("the unit test {} is given source {}.{}, which does not exist",
                                                 test.name, reference.source->source, reference.source->table));
      }
      id = source->unique_id;
    }
    if (std::find(test.depends_on.begin(), test.depends_on.end(), id) == test.depends_on.end())
      test.depends_on.push_back(id);
    return {};
  }

  // Rows in a file of their own: <test path>/fixtures/**/<name>.csv or .sql.
  Result<void> read_fixture(const Property& property, const std::string& below, const std::string& fixture,
                            const std::string& format, Json& rows) {
    if (fixture.empty())
      return {};
    const std::string name = without_extension(fixture) + "." + format;
    for (const ProjectFile& file :
         SHOPLAKE_TRY(read_files(env_, *property.package, property.package->test_paths, {"." + format}))) {
      if (file.path_in_folder().starts_with("fixtures/") && io::file_name(file.path) == name) {
        rows = file.text;
        return {};
      }
    }
    return property_error(property.place(below), fmt::format("the fixture {} was not found", name),
                          "Fixtures are files below tests/fixtures/.");
  }

  static Result<void> check_rows(const Property& property, const std::string& below, const std::string& format,
                                 const Json& rows, const std::string& fixture) {
    if (format != "dict" && format != "csv" && format != "sql") {
      return property_error(property.place(below), fmt::format("format is '{}'; it must be dict, csv or sql", format));
    }
    if (format == "dict") {
      if (!rows.is_null() && !rows.is_array())
        return property_error(property.place(below), "rows must be a list of mappings");
      for (const Json& row : rows.is_array() ? rows : Json::array()) {
        if (!row.is_object())
          return property_error(property.place(below), "rows must be a list of mappings, such as {id: 1, name: a}");
      }
    } else if (fixture.empty() && !rows.is_string()) {
      return property_error(property.place(below),
                            fmt::format("rows must be text in the format {}, or a fixture must be named", format));
    }
    return {};
  }

  Result<void> read_exposure(const Property& property) {
    const Json& block = property.block;
    Exposure exposure;
    exposure.name = block["name"].get<std::string>();
    exposure.package = property.package->name;
    exposure.unique_id = fmt::format("exposure.{}.{}", exposure.package, exposure.name);
    exposure.original_file_path = property.file;
    exposure.fqn = make_fqn(exposure.package, property.path_in_folder, {exposure.name});
    exposure.type = config_text(block, "type");
    exposure.label = config_text(block, "label");
    exposure.maturity = config_text(block, "maturity");
    exposure.url = config_text(block, "url");
    if (block.contains("description"))
      exposure.description = resolve_docs(scalar_text(block["description"]), manifest_, exposure.package);
    if (block.contains("owner") && block["owner"].is_object())
      exposure.owner = block["owner"];
    Json config = block.contains("config") && block["config"].is_object() ? block["config"] : Json::object();
    for (const char* key : {"tags", "meta"}) {
      if (block.contains(key))
        merge_config(config, Json{{key, block[key]}});
    }
    exposure.tags = config_list(config, "tags");
    if (config.contains("meta") && config["meta"].is_object())
      exposure.meta = config["meta"];
    if (!config_flag(config, "enabled", true))
      return {};
    for (const std::string& text : config_list(block, "depends_on")) {
      const Reference reference = SHOPLAKE_TRY(parse_reference(text).within(property.place("/depends_on")));
      std::string id;
      if (reference.ref) {
        exposure.refs.push_back(*reference.ref);
        if (const Node* node = manifest_.find_ref(*reference.ref, exposure.package))
          id = node->unique_id;
      } else if (reference.source) {
        exposure.sources.push_back(*reference.source);
        if (const Source* source = manifest_.find_source(*reference.source, exposure.package))
          id = source->unique_id;
      }
      if (id.empty())
        return property_error(property.place("/depends_on"),
                              fmt::format("the exposure {} depends on {}, which does not exist", exposure.name, text));
      exposure.depends_on.push_back(id);
    }
    manifest_.exposures[exposure.unique_id] = std::move(exposure);
    return {};
  }

  void read_hooks() {
    for (const Package* package : packages()) {
      const auto add = [&](const std::vector<std::string>& hooks, const char* when) {
        for (std::size_t index = 0; index < hooks.size(); ++index) {
          Node node;
          node.type = ResourceType::operation;
          node.package = package->name;
          node.package_directory = package->directory;
          node.name = fmt::format("{}-{}-{}", package->name, when, index);
          node.unique_id = fmt::format("operation.{}.{}", package->name, node.name);
          node.path = fmt::format("hooks/{}.sql", node.name);
          node.original_file_path = "./dbt_project.yml";
          node.fqn = {package->name, "hooks", node.name};
          node.alias = node.name;
          node.raw_code = hooks[index];
          node.config = default_config(ResourceType::operation);
          node.tags = {when};
          node.config["tags"] = Json::array({when});
          manifest_.nodes.emplace(node.unique_id, std::move(node));
        }
      };
      add(package->on_run_start, "on-run-start");
      add(package->on_run_end, "on-run-end");
    }
  }

  // ── dependencies ──────────────────────────────────────────────────────────────────────────────────────────────

  Result<void> resolve_dependencies() {
    SHOPLAKE_TRY(read_source_tests());
    std::vector<std::string> dropped;
    for (auto& [id, node] : manifest_.nodes) {
      bool keep_node = true;
      const auto add = [&](const std::string& dependency) {
        if (std::find(node.depends_on.begin(), node.depends_on.end(), dependency) == node.depends_on.end())
          node.depends_on.push_back(dependency);
      };
      for (const RefCall& call : node.refs) {
        if (const Node* target = manifest_.find_ref(call, node.package)) {
          add(target->unique_id);
        } else {
          SHOPLAKE_TRY(unresolved(node, fmt::format("ref('{}')", call.name), is_disabled(call), keep_node));
        }
      }
      for (const SourceCall& call : node.sources) {
        if (const Source* target = manifest_.find_source(call, node.package)) {
          add(target->unique_id);
        } else {
          SHOPLAKE_TRY(
              unresolved(node, fmt::format("source('{}', '{}')", call.source, call.table),
                         disabled_ids_.contains(fmt::format("source.{}.{}.{}", node.package, call.source, call.table)),
                         keep_node));
        }
      }
      if (!keep_node)
        dropped.push_back(id);
    }
    for (const std::string& id : dropped) {
      manifest_.disabled.push_back(std::move(manifest_.nodes.at(id)));
      manifest_.nodes.erase(id);
    }
    return {};
  }

  bool is_disabled(const RefCall& call) const {
    return std::any_of(manifest_.disabled.begin(), manifest_.disabled.end(),
                       [&](const Node& node) { return node.is_refable() && node.name == call.name; });
  }

  // A test of what is disabled is disabled with it; a model that refers to nothing is an error.
  Result<void> unresolved(const Node& node, const std::string& call, bool disabled, bool& keep_node) {
    const std::string place =
        node.line > 0 && node.test ? fmt::format("{}:{}", node.original_file_path, node.line) : node.original_file_path;
    if (node.type == ResourceType::test && disabled) {
      keep_node = false;
      return {};
    }
    return base::make_error(base::ErrorKind::usage, "model.unresolved",
                            fmt::format("{}: {} depends on {}, which {}", place, node.unique_id, call,
                                        disabled ? "is disabled" : "was not found"),
                            disabled ? "Enable it, or disable what depends on it."
                                     : "Look at the spelling; models and seeds are referred to by file name, snapshots "
                                       "by their own name, sources by source and table name.");
  }

  Result<void> check_relations() {
    std::map<std::string, const Node*> relations;
    for (const auto& [id, node] : manifest_.nodes) {
      if (!node.is_refable() || node.materialized() == "ephemeral")
        continue;
      const auto [at, added] = relations.emplace(fmt::format("{}.{}", node.schema, node.alias), &node);
      if (!added) {
        return base::make_error(base::ErrorKind::usage, "model.duplicate",
                                fmt::format("{} and {} would both be built as {}", at->second->original_file_path,
                                            node.original_file_path, at->first),
                                "Give one of them another schema or alias.");
      }
    }
    return {};
  }

  struct SourceEntry {
    Property property;
    std::string below;
    Json block;
    std::string unique_id;
  };

  io::Env& env_;
  const Project& project_;
  const Renderer& renderer_;
  Manifest manifest_;
  std::map<std::string, Trees> trees_;
  std::vector<std::unique_ptr<YamlDocument>> documents_;
  std::map<PatchKey, Property> node_patches_;
  std::vector<Property> source_blocks_;
  std::vector<Property> unit_test_blocks_;
  std::vector<Property> exposure_blocks_;
  std::vector<SourceEntry> source_entries_;
  std::set<std::string> macro_names_;
  std::set<std::string> disabled_ids_;
  std::optional<bool> schema_by_value_, alias_is_builtin_;
  std::map<std::string, std::string> schema_names_;  // by the configured value, as JSON
  Json default_schema_;
};

// A JSON value as a Jinja expression.
std::string jinja_literal(const Json& value) {
  if (value.is_null())
    return "none";
  if (value.is_array()) {
    std::string text = "[";
    for (const Json& item : value)
      text += (text.size() > 1 ? ", " : "") + jinja_literal(item);
    return text + "]";
  }
  if (value.is_object()) {
    std::string text = "{";
    for (const auto& [key, item] : value.items())
      text += (text.size() > 1 ? ", " : "") + Json(key).dump() + ": " + jinja_literal(item);
    return text + "}";
  }
  return value.dump();
}

std::string trimmed(std::string text) {
  text.erase(0, text.find_first_not_of(" \t\r\n"));
  const auto last = text.find_last_not_of(" \t\r\n");
  text.resize(last == std::string::npos ? 0 : last + 1);
  return text;
}

// dbt evaluates string arguments of tests: a call of ref(), source(), var(), env_var() or doc(), and {{ … }}.
std::string argument_expression(const std::string& key, const Json& value, std::string& prologue) {
  if (!value.is_string())
    return jinja_literal(value);
  const std::string text = value.get<std::string>();
  static const std::regex call(R"(^\s*(env_var|ref|var|source|doc)\s*\([\s\S]+\)\s*$)");
  if (std::regex_match(text, call))
    return "(" + trimmed(text) + ")";
  if (!has_jinja(text))
    return jinja_literal(value);
  const std::string inner = trimmed(text);
  if (inner.starts_with("{{") && inner.ends_with("}}") && inner.find("{{", 2) == std::string::npos)
    return "(" + trimmed(inner.substr(2, inner.size() - 4)) + ")";
  std::string variable = "argument_";
  for (char c : key)
    variable += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  prologue += fmt::format("{{% set {} %}}{}{{% endset %}}", variable, text);
  return variable;
}

}  // namespace

std::string generic_test_template(const TestMetadata& test, const std::string& model_expression) {
  std::string prologue;
  std::string call =
      fmt::format("{}test_{}(model={}", test.name_space ? *test.name_space + "." : "", test.name, model_expression);
  for (const auto& [key, value] : test.arguments.items()) {
    if (key == "model")
      continue;
    call += fmt::format(", {}={}", key, argument_expression(key, value, prologue));
  }
  return fmt::format("{}{{{{ {}) }}}}", prologue, call);
}

TestName generic_test_name(const std::string& type, const std::string& target, const Json& arguments) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : arguments.items()) {
    if (key != "model")
      keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  std::string unique;
  const auto add = [&](const Json& value) {
    std::string text = value.is_boolean() ? (value.get<bool>() ? "True" : "False")
                       : value.is_null()  ? "None"
                                          : scalar_text(value);
    std::string clean;
    for (char c : text) {
      const bool word = std::isalnum(static_cast<unsigned char>(c)) || c == '_';
      if (word) {
        clean += c;
      } else if (clean.empty() || clean.back() != '\x01') {
        clean += '\x01';
      }
    }
    std::replace(clean.begin(), clean.end(), '\x01', '_');
    unique += (unique.empty() ? "" : "__") + clean;
  };
  for (const std::string& key : keys) {
    const Json& value = arguments[key];
    if (value.is_array() || value.is_object()) {
      for (const Json& item : value)
        add(item);
    } else {
      add(value);
    }
  }
  const std::string identifier = fmt::format("{}_{}", type, target);
  TestName name;
  name.full_name = fmt::format("{}_{}", identifier, unique);
  name.short_name = name.full_name.size() > kTestNameMax
                        ? fmt::format("{}_{}", identifier.substr(0, 30), base::md5_hex(name.full_name))
                        : name.full_name;
  return name;
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

Result<Manifest> parse_project(io::Env& env, const Project& project, const Renderer& renderer) {
  return ProjectParser(env, project, renderer).parse();
}

}  // namespace shoplake::model
