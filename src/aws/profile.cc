#include "aws/profile.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace shoplake::aws {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return text;
}

Result<std::string> read_if_there(io::Env& env, const std::string& path) {
  if (path.empty() || !SHOPLAKE_TRY(env.exists(path)))
    return std::string();
  return env.read_file(path);
}

}  // namespace

Environment process_environment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
  };
}

Profile parse_profile(std::string_view text, std::string_view section) {
  Profile profile;
  bool is_inside = false;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || std::isspace(static_cast<unsigned char>(line[0])) || line[0] == '#' || line[0] == ';')
      continue;
    if (line[0] == '[') {
      is_inside = trimmed(line.substr(1, line.find(']') - 1)) == section;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (!is_inside || equals == std::string_view::npos)
      continue;
    std::string name(trimmed(line.substr(0, equals)));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    profile[name] = trimmed(line.substr(equals + 1));
  }
  return profile;
}

Result<Profile> read_profile(io::Env& env, const Environment& environment, const std::string& name) {
  const std::string home = environment("HOME").value_or("");
  const auto file = [&](const char* variable, const char* usual) {
    return environment(variable).value_or(home.empty() ? std::string() : io::join_path(home, usual));
  };
  const std::string config = SHOPLAKE_TRY(read_if_there(env, file("AWS_CONFIG_FILE", ".aws/config")));
  const std::string credentials =
      SHOPLAKE_TRY(read_if_there(env, file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")));
  Profile profile = parse_profile(credentials, name);
  // Keys belong together: half of them from each file would be nobody's.
  Profile other = parse_profile(config, name == "default" ? name : "profile " + name);
  if (profile.contains("aws_access_key_id")) {
    for (const char* key : {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"})
      other.erase(key);
  }
  profile.merge(other);
  return profile;
}

std::string profile_name(const Environment& environment, const std::string& given) {
  return given.empty() ? environment("AWS_PROFILE").value_or("default") : given;
}

}  // namespace shoplake::aws
