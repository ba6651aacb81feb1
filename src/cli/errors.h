// How an error looks: what happened to which object and why, what to do, and its code, on standard error; with --json
// one object on standard output: {"error":{"code":…,"kind":…,"message":…,"advice":…},"exit_code":…}.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/terminal.h"

namespace shoplake::cli {

std::string error_for_people(const base::Error& error, const Terminal& terminal);
std::string error_as_json(const base::Error& error);
// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
std::string json_quoted(std::string_view text);

}  // namespace shoplake::cli
