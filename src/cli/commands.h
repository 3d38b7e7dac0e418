// How a subcommand joins the command line. Each add_NAME adds one command to
// `app`; its callback does the work, and throws UserError, CorruptFile or
// RunError, or Stopped when a signal ended it (after it saved its work).
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace colossus::cli {

// Thrown by a command that the user stopped; exit code 130. The command has
// said what it saved.
struct Stopped {};

// A command: its name, what it does in one line, and an example of its use
// (shown by --help, every line with "colossus" at its start).
CLI::App* add_command(CLI::App& app, const std::string& name,
                      const std::string& purpose, const std::string& example);

// --set KEY=VALUE, as often as wanted, for commands that take a config.
void add_set_flag(CLI::App& command, std::vector<std::string>& overrides,
                  const std::string& help =
                      "change a field of the config: --set run.steps=2000");

// What the command does when it is chosen.
void set_action(CLI::App& command, std::function<void()> action);

// All of them, in the order in which --help lists them.
void add_all_commands(CLI::App& app);

void add_train(CLI::App& app);
void add_data(CLI::App& app);
void add_eval(CLI::App& app);
void add_generate(CLI::App& app);
void add_config(CLI::App& app);
void add_checkpoint(CLI::App& app);
void add_verify(CLI::App& app);
void add_bench(CLI::App& app);
void add_rank(CLI::App& app);
void add_resize(CLI::App& app);
void add_coordinator(CLI::App& app);
void add_agent(CLI::App& app);
void add_status(CLI::App& app);
void add_stop(CLI::App& app);
void add_plan(CLI::App& app);

// The commands of `colossus config`.
void add_config_show(CLI::App& config);
void add_config_init(CLI::App& config);

// The commands of `colossus plan`.
void add_plan_validate(CLI::App& plan);
void add_plan_goodput(CLI::App& plan);
void add_plan_calibrate(CLI::App& plan);
void add_plan_diff(CLI::App& plan);

}  // namespace colossus::cli
