#include "model/project.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace shoplake::model {
namespace {

constexpr int kFolderDepthMax = 64;

base::Error wrong_value(const YamlDocument& document, std::string_view key, std::string_view expected) {
  return base::make_error(base::ErrorKind::usage, "model.project",
                          fmt::format("{}: {} must be {}", document.place(fmt::format("/{}", key)), key, expected));
}

Result<void> read_list(const YamlDocument& document, const std::string& key, std::vector<std::string>& list) {
  const Json& root = document.value();
  if (!root.contains(key) || root[key].is_null())
    return {};
  const Json& value = root[key];
  if (value.is_string()) {
    list = {value.get<std::string>()};
    return {};
  }
  if (!value.is_array())
    return wrong_value(document, key, "a list of strings");
  list.clear();
  for (const Json& item : value) {
    if (!item.is_string())
      return wrong_value(document, key, "a list of strings");
    list.push_back(item.get<std::string>());
  }
  return {};
}

Result<void> read_object(const YamlDocument& document, const std::string& key, Json& object) {
  const Json& root = document.value();
  if (!root.contains(key) || root[key].is_null())
    return {};
  if (!root[key].is_object())
    return wrong_value(document, key, "a mapping");
  object = root[key];
  return {};
}

Result<Package> load_package(io::Env& env, const std::string& directory) {
  const std::string path = io::join_path(directory, "dbt_project.yml");
  if (!SHOPLAKE_TRY(env.exists(path))) {
    return base::make_error(base::ErrorKind::usage, "model.no_project",
                            fmt::format("there is no dbt project in {}: it has no dbt_project.yml", directory),
                            "Give the folder of a dbt project with --project-dir.");
  }
  Package package;
  package.directory = directory;
  const std::string text = SHOPLAKE_TRY(env.read_file(path));
  package.document = SHOPLAKE_TRY(YamlDocument::parse(text, path));
  const Json& root = package.document.value();
  if (!root.is_object() || !root.contains("name") || !root["name"].is_string()) {
    return base::make_error(base::ErrorKind::usage, "model.project", fmt::format("{}: the project has no name", path),
                            "Add a line `name: my_project`.");
  }
  package.name = root["name"].get<std::string>();
  if (root.contains("version"))
    package.version = scalar_text(root["version"]);
  const YamlDocument& document = package.document;
  SHOPLAKE_TRY(read_list(document, "model-paths", package.model_paths));
  SHOPLAKE_TRY(read_list(document, "seed-paths", package.seed_paths));
  SHOPLAKE_TRY(read_list(document, "snapshot-paths", package.snapshot_paths));
  SHOPLAKE_TRY(read_list(document, "test-paths", package.test_paths));
  SHOPLAKE_TRY(read_list(document, "macro-paths", package.macro_paths));
  SHOPLAKE_TRY(read_list(document, "analysis-paths", package.analysis_paths));
  SHOPLAKE_TRY(read_list(document, "docs-paths", package.docs_paths));
  SHOPLAKE_TRY(read_list(document, "on-run-start", package.on_run_start));
  SHOPLAKE_TRY(read_list(document, "on-run-end", package.on_run_end));
  SHOPLAKE_TRY(read_object(document, "models", package.models));
  SHOPLAKE_TRY(read_object(document, "seeds", package.seeds));
  SHOPLAKE_TRY(read_object(document, "snapshots", package.snapshots));
  SHOPLAKE_TRY(read_object(document, "tests", package.data_tests));
  SHOPLAKE_TRY(read_object(document, "data_tests", package.data_tests));
  SHOPLAKE_TRY(read_object(document, "unit_tests", package.unit_tests));
  SHOPLAKE_TRY(read_object(document, "sources", package.sources));
  SHOPLAKE_TRY(read_object(document, "exposures", package.exposures));
  SHOPLAKE_TRY(read_object(document, "vars", package.vars));
  if (root.contains("dispatch") && root["dispatch"].is_array())
    package.dispatch = root["dispatch"];
  if (root.contains("target-path") && root["target-path"].is_string())
    package.target_path = root["target-path"].get<std::string>();
  return package;
}

bool has_extension(std::string_view name, const std::vector<std::string>& extensions) {
  return std::any_of(extensions.begin(), extensions.end(),
                     [&](const std::string& extension) { return name.ends_with(extension); });
}

Result<void> walk(io::Env& env, const Package& package, const std::string& folder, const std::string& relative,
                  const std::vector<std::string>& extensions, int depth, std::vector<ProjectFile>& files) {
  if (depth > kFolderDepthMax) {
    return base::make_error(base::ErrorKind::usage, "model.project",
                            fmt::format("{}: folders are nested more than {} deep", relative, kFolderDepthMax),
                            "Look for a symbolic link that leads back up.");
  }
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(io::join_path(package.directory, relative)))) {
    if (entry.name.starts_with("."))
      continue;
    const std::string path = io::join_path(relative, entry.name);
    if (entry.is_directory) {
      SHOPLAKE_TRY(walk(env, package, folder, path, extensions, depth + 1, files));
    } else if (has_extension(entry.name, extensions)) {
      auto text = SHOPLAKE_TRY(env.read_file(io::join_path(package.directory, path)));
      files.push_back({path, folder, std::move(text)});
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> Package::all_folders() const {
  std::vector<std::string> folders;
  for (const auto* list :
       {&model_paths, &seed_paths, &snapshot_paths, &test_paths, &macro_paths, &analysis_paths, &docs_paths}) {
    for (const std::string& folder : *list) {
      if (std::find(folders.begin(), folders.end(), folder) == folders.end())
        folders.push_back(folder);
    }
  }
  return folders;
}

Json Project::merged_vars(const Json& overrides) const {
  Json vars = Json::object();
  for (const Package& package : packages) {
    if (!package.vars.empty())
      vars[package.name] = package.vars.contains(package.name) ? package.vars[package.name] : package.vars;
  }
  for (const auto& [key, value] : root.vars.items()) {
    if (value.is_object() && vars.contains(key) && vars[key].is_object()) {
      vars[key].update(value);
    } else {
      vars[key] = value;
    }
  }
  if (overrides.is_object()) {
    for (const auto& [key, value] : overrides.items())
      vars[key] = value;
  }
  return vars;
}

Result<Project> load_project(io::Env& env, const std::string& directory) {
  Project project;
  project.root = SHOPLAKE_TRY(load_package(env, directory));
  std::string install = "dbt_packages";
  const Json& document = project.root.document.value();
  if (document.contains("packages-install-path") && document["packages-install-path"].is_string()) {
    install = document["packages-install-path"].get<std::string>();
  }
  const std::string folder = io::join_path(directory, install);
  if (SHOPLAKE_TRY(env.is_directory(folder))) {
    for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(folder))) {
      const std::string path = io::join_path(folder, entry.name);
      if (!SHOPLAKE_TRY(env.exists(io::join_path(path, "dbt_project.yml"))))
        continue;
      project.packages.push_back(SHOPLAKE_TRY(load_package(env, path)));
      if (project.packages.back().name == project.root.name) {
        return base::make_error(
            base::ErrorKind::usage, "model.project",
            fmt::format("{}: the package has the name of the project itself, {}", path, project.root.name));
      }
    }
  } else {
    for (const char* name : {"packages.yml", "dependencies.yml"}) {
      const std::string path = io::join_path(directory, name);
      if (!SHOPLAKE_TRY(env.exists(path)))
        continue;
      const std::string text = SHOPLAKE_TRY(env.read_file(path));
      const YamlDocument packages = SHOPLAKE_TRY(YamlDocument::parse(text, path));
      if (packages.value().is_object() && packages.value().contains("packages") &&
          !packages.value()["packages"].empty()) {
        return base::make_error(base::ErrorKind::usage, "model.project",
                                fmt::format("{} names packages, but {} does not exist", path, folder),
                                "Run `dbt deps`, or copy the packages there.");
      }
    }
  }
  return project;
}

Result<std::vector<ProjectFile>> read_files(io::Env& env, const Package& package,
                                            const std::vector<std::string>& folders,
                                            const std::vector<std::string>& extensions) {
  std::vector<ProjectFile> files;
  for (const std::string& folder : folders) {
    if (!SHOPLAKE_TRY(env.is_directory(io::join_path(package.directory, folder))))
      continue;
    SHOPLAKE_TRY(walk(env, package, folder, folder, extensions, 0, files));
  }
  std::sort(files.begin(), files.end(), [](const ProjectFile& a, const ProjectFile& b) { return a.path < b.path; });
  files.erase(std::unique(files.begin(), files.end(),
                          [](const ProjectFile& a, const ProjectFile& b) { return a.path == b.path; }),
              files.end());
  return files;
}

Result<std::vector<MacroFile>> read_macros(io::Env& env, const Project& project) {
  std::vector<MacroFile> macros;
  const auto add = [&](const Package& package) -> Result<void> {
    std::vector<std::string> folders = package.macro_paths;
    for (const std::string& tests : package.test_paths)
      folders.push_back(io::join_path(tests, "generic"));
    for (ProjectFile& file : SHOPLAKE_TRY(read_files(env, package, folders, {".sql"}))) {
      macros.push_back({package.name, std::move(file.path), std::move(file.text)});
    }
    return {};
  };
  for (const Package& package : project.packages)
    SHOPLAKE_TRY(add(package));
  SHOPLAKE_TRY(add(project.root));
  return macros;
}

}  // namespace shoplake::model
