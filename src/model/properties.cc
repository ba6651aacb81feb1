#include "model/properties.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "model/config.h"
#include "model/documentation.h"

namespace shoplake::model {
namespace {

Result<void> file_property(const std::string& key, Property property, Properties& properties, Manifest& manifest) {
  const std::string name = property.block["name"].get<std::string>();
  if (key == "sources") {
    properties.sources.push_back(std::move(property));
  } else if (key == "unit_tests") {
    properties.unit_tests.push_back(std::move(property));
  } else if (key == "exposures") {
    properties.exposures.push_back(std::move(property));
  } else if (key == "macros") {
    if (property.block.contains("description")) {
      const std::string id = fmt::format("macro.{}.{}", property.package->name, name);
      manifest.macro_descriptions[id] =
          resolve_docs(scalar_text(property.block["description"]), manifest, property.package->name);
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
    const PropertyKey patch{type, property.package->name, name};
    if (auto first = properties.nodes.find(patch); first != properties.nodes.end()) {
      return base::make_error(base::ErrorKind::usage, "model.duplicate",
                              fmt::format("{}: {} {} is described a second time; the first is at {}", property.place(),
                                          model::name(type), name, first->second.place()),
                              "Join the two entries.");
    }
    properties.nodes.emplace(patch, std::move(property));
  }
  return {};
}

}  // namespace

std::string Property::place(std::string_view below) const {
  return fmt::format("{}:{}", document->path(), document->line(pointer + std::string(below)));
}

int Property::line(std::string_view below) const { return document->line(pointer + std::string(below)); }

base::Error property_error(const std::string& place, std::string message, std::string advice) {
  return base::make_error(base::ErrorKind::usage, "model.property", fmt::format("{}: {}", place, message),
                          std::move(advice));
}

Result<void> read_properties(io::Env& env, const Package& package, Properties& properties, Manifest& manifest) {
  const std::vector<std::string> folders = package.all_folders();
  for (ProjectFile& file : SHOPLAKE_TRY(read_files(env, package, folders, {".yml", ".yaml"}))) {
    properties.documents.push_back(std::make_unique<YamlDocument>(
        SHOPLAKE_TRY(YamlDocument::parse(file.text, io::join_path(package.directory, file.path)))));
    const YamlDocument& document = *properties.documents.back();
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
        manifest.warn(fmt::format("{}: {} is not supported and was passed over", document.place("/" + key), key));
        continue;
      }
      if (!entries.is_array())
        return property_error(document.place("/" + key), fmt::format("{} must be a list", key),
                              "Begin each entry with `- name:`.");
      for (std::size_t index = 0; index < entries.size(); ++index) {
        Property property{&document,     &package, file.path, file.path_in_folder(), fmt::format("/{}/{}", key, index),
                          entries[index]};
        if (!property.block.is_object() || !property.block.contains("name") || property.block["name"].is_null()) {
          return property_error(property.place(), fmt::format("an entry of {} has no name", key));
        }
        property.block["name"] = scalar_text(property.block["name"]);
        SHOPLAKE_TRY(file_property(key, std::move(property), properties, manifest));
      }
    }
  }
  return {};
}

Result<std::vector<ColumnDocument>> read_columns(const Manifest& manifest, const Property& property,
                                                 const std::string& below, const Json& list) {
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
      column.description = resolve_docs(scalar_text(entry["description"]), manifest, property.package->name);
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

}  // namespace shoplake::model
