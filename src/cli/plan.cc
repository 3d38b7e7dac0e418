// `colossus plan`: what a training run would take, before anyone buys machines.
#include <CLI/CLI.hpp>

#include "cli/commands.h"

namespace colossus::cli {

void add_plan(CLI::App& app) {
  CLI::App* command = add_command(
      app, "plan", "Predicts training runs: their steps and their memory.",
      "  colossus plan validate");
  command->require_subcommand(1);
  add_plan_validate(*command);
}

}  // namespace colossus::cli
