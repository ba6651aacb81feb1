// A dbt project on disk: dbt_project.yml, the packages below dbt_packages/, and the files that hold models, seeds,
// tests, macros and documentation. Reading only; what the files mean is parse_project()'s matter (model/parser.h).
// Source: https://docs.getdbt.com/reference/dbt_project.yml
#pragma once

#include <string>
#include <vector>

#include "io/env.h"
#include "model/renderer.h"
#include "model/yaml.h"

namespace shoplake::model {

struct ProjectFile {
  std::string path;    // below the package: "models/staging/stg_x.sql"
  std::string folder;  // the resource folder it was found in: "models"
  std::string text;

  std::string path_in_folder() const { return path.substr(folder.size() + 1); }  // "staging/stg_x.sql"
};

struct Package {
  std::string name;
  std::string version;
  std::string directory;  // absolute
  YamlDocument document;  // dbt_project.yml

  std::vector<std::string> model_paths{"models"};
  std::vector<std::string> seed_paths{"seeds"};
  std::vector<std::string> snapshot_paths{"snapshots"};
  std::vector<std::string> test_paths{"tests"};
  std::vector<std::string> macro_paths{"macros"};
  std::vector<std::string> analysis_paths{"analyses"};
  std::vector<std::string> docs_paths;  // empty: everywhere else named here
  std::string target_path{"target"};
  std::vector<std::string> on_run_start;
  std::vector<std::string> on_run_end;

  Json models = Json::object();  // configuration trees, as written
  Json seeds = Json::object();
  Json snapshots = Json::object();
  Json data_tests = Json::object();
  Json unit_tests = Json::object();
  Json sources = Json::object();
  Json exposures = Json::object();
  Json vars = Json::object();
  Json dispatch = Json::array();

  // The resource folders, each once: where documentation and properties files may be.
  std::vector<std::string> all_folders() const;
};

struct Project {
  Package root;
  std::vector<Package> packages;  // by name

  // What var() sees: the root's vars, then each package's own under its name, with `overrides` (--vars) on top.
  Json merged_vars(const Json& overrides) const;
};

// Errors: model.no_project (no dbt_project.yml), model.project (a value of the wrong kind, with its line), model.yaml.
Result<Project> load_project(io::Env& env, const std::string& directory);

// Files with one of the extensions (".sql") below the given folders of a package, sorted by path. Folders that do not
// exist count as empty; hidden files are passed over.
Result<std::vector<ProjectFile>> read_files(io::Env& env, const Package& package,
                                            const std::vector<std::string>& folders,
                                            const std::vector<std::string>& extensions);

// Every macro file of the project: packages first, the project last; generic tests below tests/generic with them.
Result<std::vector<MacroFile>> read_macros(io::Env& env, const Project& project);

}  // namespace shoplake::model
