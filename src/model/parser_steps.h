// The steps of parse_project(), a file each, and what they know of the project so far. Internal to parser*.cc.
// All that can fail gives the errors of parse_project().
#pragma once

#include <set>
#include <string>
#include <vector>

#include "io/env.h"
#include "model/manifest.h"
#include "model/project.h"
#include "model/project_config.h"
#include "model/properties.h"
#include "model/relation_names.h"
#include "model/renderer.h"

namespace shoplake::model {

// A table of a source, kept for its tests: they are read when everything that they may refer to is known.
struct SourceEntry {
  Property property;
  std::string below;
  Json block;
  std::string unique_id;
};

// What is known of the project so far.
struct Parsing {
  Parsing(io::Env& env, const Project& project, const Renderer& renderer)
      : env(env), project(project), renderer(renderer), config(project, renderer), names(project, renderer) {}

  io::Env& env;
  const Project& project;
  const Renderer& renderer;
  ProjectConfig config;
  RelationNames names;
  Properties properties;
  std::vector<SourceEntry> source_entries;
  std::set<std::string> macro_names;
  std::set<std::string> disabled;  // unique ids of nodes and tables of sources
  Manifest manifest;
};

// ── what makes a node (parser_nodes.cc) ─────────────────────────────────────────────────────────────────────────────

// "models/x.sql" → "models/x".
std::string without_extension(const std::string& path);
// Package, folders of the path, names.
std::vector<std::string> make_fqn(const std::string& package, const std::string& path_in_folder,
                                  const std::vector<std::string>& names);

// What the file's place and text say.
Node new_node(ResourceType type, const Package& package, const ProjectFile& file);
// What its entry in a properties file says: of the same package, else of the project; the entry's configuration.
Result<Json> apply_property(Parsing& parsing, Node& node);
// Configuration, parse of the template, names. The node is not in the manifest yet.
// `before` and `after`: configuration that lies below and above the template's own.
Result<void> complete(Parsing& parsing, Node& node, const std::vector<const Json*>& before,
                      const Json* after = nullptr);
// Puts it into the manifest, or among the disabled. `what` is "models", for messages.
Result<void> keep(Parsing& parsing, Node node, const std::string& what);

// ── nodes that are files (parser_files.cc) ──────────────────────────────────────────────────────────────────────────

Result<void> read_models(Parsing& parsing, const Package& package);
Result<void> read_seeds(Parsing& parsing, const Package& package);
// The blocks of the snapshot files, and what a properties file declares with a `relation`.
Result<void> read_snapshots(Parsing& parsing, const Package& package);
Result<void> read_singular_tests(Parsing& parsing, const Package& package);
Result<void> read_analyses(Parsing& parsing, const Package& package);
// on-run-start and on-run-end of dbt_project.yml.
void read_hooks(Parsing& parsing, const Package& package);

// ── what only properties files declare (parser_sources.cc, parser_tests.cc, parser_unit_tests.cc,
//    parser_exposures.cc) ────────────────────────────────────────────────────────────────────────────────────────────

Result<void> read_source(Parsing& parsing, const Property& property);
// The generic tests of a node's entry; an entry of no node is warned of. All nodes are known.
Result<void> read_node_tests(Parsing& parsing, const PropertyKey& key, const Property& property);
// The generic tests of the sources' tables.
Result<void> read_source_tests(Parsing& parsing);
Result<void> read_unit_test(Parsing& parsing, const Property& property);
Result<void> read_exposure(Parsing& parsing, const Property& property);

// ── dependencies (parser_dependencies.cc) ───────────────────────────────────────────────────────────────────────────

// What ref() and source() of each node mean. Tests of what is disabled become disabled.
Result<void> resolve_dependencies(Parsing& parsing);
// No two nodes may become one relation.
Result<void> check_relations(const Manifest& manifest);

}  // namespace shoplake::model
