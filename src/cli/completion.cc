// shoplake completion bash|zsh|fish: a completion script made from the declared commands, so that it cannot fall behind
// them.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/help.h"

namespace shoplake::cli {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text.append(text.empty() ? "" : " ").append(word);
  }
  return text;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Words inside single quotes of a shell.
std::string single_quoted(const std::string& text) {
  std::string out = "'";
  for (char c : text) {
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out + "'";
}

struct Node {
  std::string path;  // "catalog ls"; empty for the program itself
  const CLI::App* app;
};

void collect(const CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
  nodes.push_back({path, &app});
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    collect(*command, path.empty() ? command->get_name() : path + " " + command->get_name(), nodes);
  }
}

// The shell function finds the deepest command among the words typed so far and offers what that one knows, and files.
std::string bash_script(const std::vector<Node>& nodes) {
  std::string commands;
  std::string words;
  for (const Node& node : nodes) {
    if (!node.path.empty()) {
      commands += fmt::format("      {}) path={} ;;\n", single_quoted(node.path), single_quoted(node.path));
    }
    words += fmt::format("    {}) words={} ;;\n", single_quoted(node.path),
                         single_quoted(joined(subcommand_names(*node.app)) + " " + joined(option_names(*node.app))));
  }
  return fmt::format(R"script(# shoplake: completion for bash.  eval "$(shoplake completion bash)"
_shoplake() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} path= words= word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "${{path:+$path }}$word" in
{}    esac
  done
  case "$path" in
{}  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ ${{#COMPREPLY[@]}} -gt 0 ]] || compopt -o default
}}
complete -F _shoplake shoplake
)script",
                     commands, words);
}

std::string zsh_script(const std::vector<Node>& nodes) {
  std::string commands;
  std::string words;
  for (const Node& node : nodes) {
    if (!node.path.empty()) {
      commands += fmt::format("      {}) command_path={} ;;\n", single_quoted(node.path), single_quoted(node.path));
    }
    words += fmt::format("    {})\n      known=(", single_quoted(node.path));
    const auto add = [&](const std::string& name, const std::string& description) {
      std::string escaped;
      for (char c : name) {
        escaped += c == ':' ? std::string("\\:") : std::string(1, c);
      }
      words += "\n        " + single_quoted(escaped + ":" + first_line(description));
    };
    for (const CLI::App* command : node.app->get_subcommands([](const CLI::App*) { return true; })) {
      add(command->get_name(), command->get_description());
    }
    for (const std::string& name : option_names(*node.app)) {
      add(name, node.app->get_option(name)->get_description());
    }
    words += ") ;;\n";
  }
  return fmt::format(R"script(#compdef shoplake
# shoplake: completion for zsh.  eval "$(shoplake completion zsh)"
_shoplake() {{
  local command_path= word
  local -a known
  for word in "${{words[@]:1:CURRENT-2}}"; do
    case "${{command_path:+$command_path }}$word" in
{}    esac
  done
  case "$command_path" in
{}  esac
  _describe -t commands shoplake known || _files
}}
compdef _shoplake shoplake
)script",
                     commands, words);
}

std::string fish_script(const std::vector<Node>& nodes) {
  std::string out = "# shoplake: completion for fish.  shoplake completion fish | source\n";
  for (const Node& node : nodes) {
    const std::vector<std::string> below = subcommand_names(*node.app);
    std::string condition =
        node.path.empty() ? std::string("__fish_use_subcommand")
                          : fmt::format("__fish_seen_subcommand_from {}", node.path.substr(node.path.rfind(' ') + 1));
    if (const std::size_t space = node.path.rfind(' '); space != std::string::npos) {
      condition = fmt::format("__fish_seen_subcommand_from {}; and {}", node.path.substr(0, space), condition);
    }
    for (const CLI::App* command : node.app->get_subcommands([](const CLI::App*) { return true; })) {
      const std::string once =
          node.path.empty() ? condition
                            : fmt::format("{}; and not __fish_seen_subcommand_from {}", condition, joined(below));
      out += fmt::format("complete -c shoplake -n {} -f -a {} -d {}\n", single_quoted(once), command->get_name(),
                         single_quoted(first_line(command->get_description())));
    }
    for (const std::string& name : option_names(*node.app)) {
      const CLI::Option& option = *node.app->get_option(name);
      const bool is_long = name.starts_with("--");
      out += fmt::format("complete -c shoplake -n {} -{} {} -d {}{}\n", single_quoted(condition), is_long ? "l" : "s",
                         name.substr(is_long ? 2 : 1), single_quoted(first_line(option.get_description())),
                         option.get_type_size() != 0 ? " -r" : "");
    }
  }
  return out;
}

}  // namespace

void add_completion(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("completion", "completion of commands and options for a shell");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n"
      "  eval \"$(shoplake completion bash)\"        in ~/.bashrc\n"
      "  eval \"$(shoplake completion zsh)\"         in ~/.zshrc, after compinit\n"
      "  shoplake completion fish | source         in ~/.config/fish/config.fish");
  command->callback([shell, &root, &context] {
    std::vector<Node> nodes;
    collect(root, "", nodes);
    context.print(*shell == "bash" ? bash_script(nodes) : *shell == "zsh" ? zsh_script(nodes) : fish_script(nodes));
    context.finish(0);
  });
}

}  // namespace shoplake::cli
