#include "cli/word_check.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cctype>

#include "base/strings.h"

namespace colossus::cli {
namespace {

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
    for (const std::string& name : option->get_snames()) {
      names.push_back("-" + name);
    }
  }
  return names;
}

const CLI::App* find_command(const CLI::App& app, const std::string& word) {
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (command->get_name() == word) return command;
  }
  return nullptr;
}

// A word that stands for a flag; "-" and "-0.5" are values.
bool is_flag(const std::string& word) {
  return word.size() >= 2 && word[0] == '-' &&
         std::isdigit(static_cast<unsigned char>(word[1])) == 0 &&
         word[1] != '.';
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string unknown_command(const CLI::App& app, const std::string& word) {
  const std::vector<std::string> names = command_names(app);
  const std::string meant = did_you_mean(word, names);
  return fmt::format(
      "unknown command '{}'{}", word,
      meant.empty() ? "; the commands are " + joined(names) : meant);
}

}  // namespace

std::string describe_unknown_word(const CLI::App& app,
                                  const std::vector<std::string>& words) {
  const CLI::App* level = &app;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") break;  // only values follow
    if (is_flag(word)) {
      const std::string name = word.substr(0, word.find('='));
      const CLI::Option* option = level->get_option_no_throw(name);
      if (option == nullptr) {
        return fmt::format("unknown flag '{}'{}", name,
                           did_you_mean(name, flag_names(*level)));
      }
      const bool takes_next = option->get_items_expected_max() > 0 &&
                              word.find('=') == std::string::npos;
      if (takes_next) ++i;
    } else if (!level->get_subcommands(nullptr).empty()) {
      const CLI::App* next = find_command(*level, word);
      if (next == nullptr) return unknown_command(*level, word);
      level = next;
    }
  }
  const std::vector<std::string> names = command_names(*level);
  const bool wants_command =
      !names.empty() && level->get_require_subcommand_min() > 0;
  return wants_command ? "name a command: " + joined(names) : "";
}

}  // namespace colossus::cli
