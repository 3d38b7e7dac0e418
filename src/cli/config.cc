// `colossus config`: show explains a config, init writes one.
#include "base/error.h"
#include <CLI/CLI.hpp>

#include "cli/commands.h"

namespace colossus::cli {

void add_config(CLI::App& app) {
  CLI::App* command = add_command(
      app, "config", "Explains a config, or writes one for a data folder.",
      "  colossus config show configs/kjv.toml --set run.steps=2000\n"
      "  colossus config init --data data/mine --size small > mine.toml");
  command->require_subcommand(1);
  add_config_show(*command);
  add_config_init(*command);
}

}  // namespace colossus::cli
