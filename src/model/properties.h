// The properties files of a package (schema.yml and the like): their entries, each with its place, not yet interpreted.
// Source: https://docs.getdbt.com/reference/configs-and-properties
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/env.h"
#include "model/manifest.h"
#include "model/project.h"
#include "model/yaml.h"

namespace shoplake::model {

// One properties block: a model's, seed's, source's … entry in a YAML file.
struct Property {
  const YamlDocument* document = nullptr;
  const Package* package = nullptr;
  std::string file;  // below the package
  std::string path_in_folder;
  std::string pointer;  // of the entry in the document
  Json block;

  // "models/schema.yml:12": of the entry, or of what a JSON pointer names below it.
  std::string place(std::string_view below = "") const;
  int line(std::string_view below = "") const;
};

// What the entries of nodes are found by.
struct PropertyKey {
  ResourceType type;
  std::string package;
  std::string name;
  friend auto operator<=>(const PropertyKey&, const PropertyKey&) = default;
};

// The entries of all packages read so far. `name` of each is there, and is text.
struct Properties {
  std::map<PropertyKey, Property> nodes;  // models, seeds, snapshots, analyses, tests
  std::vector<Property> sources;
  std::vector<Property> unit_tests;
  std::vector<Property> exposures;
  std::vector<std::unique_ptr<YamlDocument>> documents;  // what the entries point into
};

// Error model.property (kind usage), "file:line: message".
base::Error property_error(const std::string& place, std::string message, std::string advice = {});

// Adds the entries of a package; descriptions of macros and warnings go to the manifest, whose documentation blocks are
// known. Errors: model.yaml, model.property (no list, or an entry without a name), model.duplicate, model.unsupported.
Result<void> read_properties(io::Env& env, const Package& package, Properties& properties, Manifest& manifest);

// `list` is what stands under `columns` at `below` in the entry.
Result<std::vector<ColumnDocument>> read_columns(const Manifest& manifest, const Property& property,
                                                 const std::string& below, const Json& list);

}  // namespace shoplake::model
