#include "cli/help.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <utility>

#include "cli/terminal.h"

namespace shoplake::cli {

namespace {

class HelpFormatter final : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
    const Terminal& terminal = standard_output();
    const bool is_root = app->get_parent() == nullptr;
    std::string text = app->get_description() + "\n";

    text += "\n" + terminal.styled(Style::bold, "Usage:") + " " + usage(*app) + "\n";
    append_positionals(text, *app, terminal);
    append_subcommands(text, *app, terminal);
    append_options(text, *app, terminal, is_root);
    if (const std::string footer = app->get_footer(); !footer.empty()) {
      text += "\n" + footer + "\n";
      if (footer.find("xit code") == std::string::npos) {
        text += std::string("\n") + kExitCodes + "\n";
      }
    } else {
      text += std::string("\n") + kExitCodes + "\n";
    }
    return text;
  }

 private:
  using Rows = std::vector<std::pair<std::string, std::string>>;

  // Names and what they mean; on a terminal the meanings are broken into lines of its width.
  static std::string two_columns(const Rows& rows, const Terminal& terminal) {
    int names = 0;
    for (const auto& [name, meaning] : rows) {
      names = std::max(names, display_width(name));
    }
    const int begin = names + 4;
    const int room = terminal.interactive ? std::max(terminal.width - begin, 24) : std::numeric_limits<int>::max();
    std::string text;
    for (const auto& [name, meaning] : rows) {
      std::string line = (text.empty() ? "  " : "\n  ") + name;
      line.append(static_cast<std::size_t>(names - display_width(name) + 2), ' ');
      int used = 0;
      for (std::size_t at = 0; at < meaning.size();) {
        const std::size_t end = std::min(meaning.find(' ', at), meaning.size());
        const std::string word = meaning.substr(at, end - at);
        const int width = display_width(word);
        if (used > 0 && used + 1 + width > room) {
          line.append("\n").append(static_cast<std::size_t>(begin), ' ');
          used = 0;
        } else if (used > 0) {
          line += ' ';
          ++used;
        }
        line += word;
        used += width;
        at = end + 1;
      }
      text += line;
    }
    return text;
  }

  static std::string path_of(const CLI::App& app) {
    return app.get_parent() == nullptr ? "shoplake" : path_of(*app.get_parent()) + " " + app.get_name();
  }

  static std::string positional_name(const CLI::Option& option) {
    std::string name = option.get_name(true);
    for (char& c : name) {
      c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    if (option.get_expected_max() > 1) {
      name += "...";
    }
    return option.get_required() ? name : "[" + name + "]";
  }

  static std::string usage(const CLI::App& app) {
    std::string text = path_of(app);
    if (!app.get_subcommands([](const CLI::App*) { return true; }).empty()) {
      text += " COMMAND";
    }
    for (const CLI::Option* option :
         app.get_options([](const CLI::Option* option) { return option->get_positional(); })) {
      text += " " + positional_name(*option);
    }
    return text + " [OPTIONS]";
  }

  static void append_positionals(std::string& text, const CLI::App& app, const Terminal& terminal) {
    Rows rows;
    bool any = false;
    for (const CLI::Option* option :
         app.get_options([](const CLI::Option* option) { return option->get_positional(); })) {
      any = true;
      rows.emplace_back(positional_name(*option), option->get_description());
    }
    if (any) {
      text += "\n" + two_columns(rows, terminal) + "\n";
    }
  }

  static void append_subcommands(std::string& text, const CLI::App& app, const Terminal& terminal) {
    std::vector<std::string> groups;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
      if (std::find(groups.begin(), groups.end(), command->get_group()) == groups.end()) {
        groups.push_back(command->get_group());
      }
    }
    for (const std::string& group : groups) {
      if (group.empty()) {
        continue;  // hidden
      }
      Rows rows;
      for (const CLI::App* command :
           app.get_subcommands([&](const CLI::App* each) { return each->get_group() == group; })) {
        std::string summary = command->get_description();
        rows.emplace_back(fmt::format("{:<11}", command->get_name()), summary.substr(0, summary.find('\n')));
      }
      text += "\n" + terminal.styled(Style::bold, group) + "\n" + two_columns(rows, terminal) + "\n";
    }
  }

  static void append_options(std::string& text, const CLI::App& app, const Terminal& terminal, bool is_root) {
    for (const bool everywhere : {false, true}) {
      Rows rows;
      bool any = false;
      for (const CLI::Option* option :
           app.get_options([](const CLI::Option* option) { return !option->get_positional(); })) {
        const bool is_global = option->get_group() == kEverywhere || option == app.get_help_ptr();
        if (option->get_group().empty() || is_global != everywhere) {
          continue;
        }
        std::string name;
        for (const std::string& each : option->get_snames()) {
          name += (name.empty() ? "-" : ", -") + each;
        }
        for (const std::string& each : option->get_lnames()) {
          name += (name.empty() ? "--" : ", --") + each;
        }
        if (option->get_expected_max() > 0 && option->get_items_expected_max() > 0 && option->get_type_size() != 0) {
          std::string type = option->get_type_name();
          for (char& c : type) {
            c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
          }
          name += " " + (type.empty() ? "VALUE" : type.substr(0, type.find(':')));
        }
        std::string description = option->get_description();
        const std::string& given = option->get_default_str();
        const bool is_told = description.find("default") != std::string::npos;
        if (!given.empty() && given != "[]" && !is_told && option->get_type_size() != 0) {
          description += fmt::format(" (default {})", given);
        }
        rows.emplace_back(name, description);
        any = true;
      }
      if (any) {
        const char* heading = everywhere ? kEverywhere : is_root ? "Program" : "Options";
        text += "\n" + terminal.styled(Style::bold, heading) + "\n" + two_columns(rows, terminal) + "\n";
      }
    }
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> make_help_formatter() { return std::make_shared<HelpFormatter>(); }

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option :
       command.get_options([](const CLI::Option* option) { return !option->get_positional(); })) {
    if (option->get_group().empty()) {
      continue;
    }
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
    for (const std::string& name : option->get_snames()) {
      names.push_back("-" + name);
    }
  }
  return names;
}

std::vector<std::string> subcommand_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* each : command.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(each->get_name());
  }
  return names;
}

}  // namespace shoplake::cli
