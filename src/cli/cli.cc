#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/strings.h"
#include "cli/commands.h"
#include "cli/word_check.h"

namespace colossus::cli {
namespace {

// "colossus config show", as far as the words name commands.
std::string command_name(const CLI::App& app) {
  std::string name = app.get_name();
  const CLI::App* level = &app;
  while (!level->get_subcommands().empty()) {
    level = level->get_subcommands().front();
    name += " " + level->get_name();
  }
  return name;
}

int fail(const CLI::App& app, const std::string& message, int exit_code) {
  fmt::print(stderr, "{}: {}\n", command_name(app), message);
  return exit_code;
}

// What the parser refused, in our words where an unknown word is the cause.
int report_parse_error(const CLI::App& app, const CLI::ParseError& error,
                       const std::vector<std::string>& words) {
  const std::string unknown = describe_unknown_word(app, words);
  return fail(app, unknown.empty() ? error.what() : unknown, kExitWrongUse);
}

int parse_and_run(CLI::App& app, const std::vector<std::string>& words) {
  try {
    // The parser takes its words from the back.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    return kExitDone;
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return kExitDone;
  } catch (const CLI::CallForVersion& version) {
    fmt::print("{}\n", version.what());
    return kExitDone;
  } catch (const CLI::ParseError& error) {
    return report_parse_error(app, error, words);
  } catch (const UserError& error) {
    return fail(app, error.what(), kExitWrongUse);
  } catch (const Stopped&) {
    return kExitStopped;
  } catch (const std::bad_alloc&) {
    return fail(app, "out of memory: take a smaller model or batch",
                kExitFailed);
  } catch (const std::exception& error) {
    return fail(app, error.what(), kExitFailed);
  }
}

}  // namespace

void add_all_commands(CLI::App& app) {
  add_data(app);
  add_config(app);
  add_train(app);
  add_status(app);
  add_stop(app);
  add_plan(app);
  add_resize(app);
  add_coordinator(app);
  add_agent(app);
  add_eval(app);
  add_generate(app);
  add_checkpoint(app);
  add_verify(app);
  add_bench(app);
  add_rank(app);
}

CLI::App* add_command(CLI::App& app, const std::string& name,
                      const std::string& purpose, const std::string& example) {
  CLI::App* command = app.add_subcommand(name, purpose);
  command->footer("Example:\n" + example);
  return command;
}

void add_set_flag(CLI::App& command, std::vector<std::string>& overrides,
                  const std::string& help) {
  command.add_option("--set", overrides, help)
      ->type_name("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
}

void set_action(CLI::App& command, std::function<void()> action) {
  command.callback(std::move(action));
}

int run(int argc, const char* const* argv) {
  CLI::App app("Trains large language models of the Grok family.", "colossus");
  app.set_version_flag("--version", "colossus " COLOSSUS_VERSION);
  app.footer("`colossus COMMAND --help` explains a command, with an example.");
  app.require_subcommand(1);
  add_all_commands(app);
  const int exit_code =
      parse_and_run(app, std::vector<std::string>(argv + 1, argv + argc));
  if (std::fflush(stdout) != 0 && exit_code == kExitDone) {
    return fail(app, "cannot write to standard output", kExitFailed);
  }
  return exit_code;
}

}  // namespace colossus::cli
