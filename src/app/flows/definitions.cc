#include "app/flows/definitions.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/nearest_name.h"

namespace shoplake::app {

using base::ErrorKind;
using base::make_error;
using base::Result;

namespace {

// A definition of Step Functions has at most 1 MiB.
constexpr std::uint64_t kDefinitionBytesMax = 1 << 20;
constexpr std::size_t kNameMax = 80;

Result<void> add_files(io::Env& env, const std::string& folder, bool is_own, std::map<std::string, FlowFile>& found) {
  if (!SHOPLAKE_TRY(env.is_directory(folder)))
    return {};
  for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(folder))) {
    if (entry.is_directory || !entry.name.ends_with(kFlowEnding))
      continue;
    const std::string flow = entry.name.substr(0, entry.name.size() - kFlowEnding.size());
    found.insert_or_assign(flow, FlowFile{flow, io::join_path(folder, entry.name), is_own});
  }
  return {};
}

}  // namespace

Result<std::vector<FlowFile>> list_flow_files(App& app) {
  std::map<std::string, FlowFile> found;
  SHOPLAKE_TRY(add_files(app.env(), io::join_path(app.installation().share_directory, "flows"), false, found));
  SHOPLAKE_TRY(add_files(app.env(), io::join_path(app.home().directory, "flows"), true, found));
  std::vector<FlowFile> files;
  for (auto& [flow, file] : found)
    files.push_back(std::move(file));
  return files;
}

Result<FlowFile> find_flow_file(App& app, const std::string& flow) {
  std::vector<std::string> names;
  for (FlowFile& file : SHOPLAKE_TRY(list_flow_files(app))) {
    if (file.flow == flow)
      return std::move(file);
    names.push_back(file.flow);
  }
  const std::string nearest = base::nearest_name(flow, names);
  return make_error(ErrorKind::not_found, "flow.no_such_flow", fmt::format("there is no flow {}", flow),
                    nearest.empty() ? "`shoplake flow ls` lists the flows; --file names a definition elsewhere."
                                    : fmt::format("Did you mean {}?", nearest));
}

Result<std::string> read_flow_file(io::Env& env, const std::string& path) {
  const std::uint64_t bytes = SHOPLAKE_TRY(env.file_size(path));
  if (bytes > kDefinitionBytesMax) {
    return make_error(ErrorKind::usage, "flow.definition_too_large",
                      fmt::format("{} has {} bytes, more than {}", path, bytes, kDefinitionBytesMax),
                      "Move parts of it into machines of their own and start them with states:startExecution.sync.");
  }
  return env.read_file(path);
}

Result<std::string> flow_name_of(const std::string& path) {
  std::string name = io::file_name(path);
  for (const std::string_view ending : {kFlowEnding, std::string_view(".json")}) {
    if (name.ends_with(ending)) {
      name.resize(name.size() - ending.size());
      break;
    }
  }
  SHOPLAKE_TRY(check_flow_name(name));
  return name;
}

Result<void> check_flow_name(std::string_view name) {
  const bool is_good = !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (is_good)
    return {};
  return make_error(ErrorKind::usage, "flow.bad_name", fmt::format("\"{}\" is no name of a flow or execution", name),
                    fmt::format("A name has 1 to {} letters, digits, - and _.", kNameMax));
}

}  // namespace shoplake::app
