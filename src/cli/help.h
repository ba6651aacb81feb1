// Help texts: the grouped list of commands, and one page for each command with usage, arguments, options, examples and
// exit codes.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class FormatterBase;
}  // namespace CLI

namespace shoplake::cli {

// Draws every help page. Options of the group kEverywhere are listed last and shortly.
std::shared_ptr<CLI::FormatterBase> make_help_formatter();
inline constexpr const char* kEverywhere = "Everywhere";

// The exit codes of DESIGN 6, as one line of help.
inline constexpr const char* kExitCodes =
    "Exit codes: 0 done, 1 the work failed, 2 bad usage or configuration, 3 input rejected, 4 disk, network or peer "
    "failed, "
    "130 interrupted";

// The full names of a command's options ("--select", "-s"), and of its subcommands.
std::vector<std::string> option_names(const CLI::App& command);
std::vector<std::string> subcommand_names(const CLI::App& command);

}  // namespace shoplake::cli
