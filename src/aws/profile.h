// The files that AWS's own tools share: ~/.aws/config and ~/.aws/credentials, with a section for each profile. Source:
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::aws {

using base::Result;

// A variable of the environment; nothing if it is not set or empty.
using Environment = std::function<std::optional<std::string>(const char* name)>;
Environment process_environment();

// The settings of one profile, by name in lower case.
using Profile = std::map<std::string, std::string, std::less<>>;

// The settings of `section` in a file's text: "name = value" lines below "[section]". Lines that begin with '#' or ';',
// or with a space (nested settings), are passed over.
Profile parse_profile(std::string_view text, std::string_view section);

// The profile of that name in both files; what the credentials file says comes first. The files are
// $AWS_CONFIG_FILE and $AWS_SHARED_CREDENTIALS_FILE, or ~/.aws/config and ~/.aws/credentials; absent ones are empty.
Result<Profile> read_profile(io::Env& env, const Environment& environment, const std::string& name);

// `given`, else $AWS_PROFILE, else "default".
std::string profile_name(const Environment& environment, const std::string& given);

}  // namespace shoplake::aws
