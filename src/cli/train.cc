// `colossus train`.
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"

namespace colossus::cli {

void add_train(CLI::App& app) {
  CLI::App* command = add_command(
      app, "train", "Trains a model as a config says, or goes on with a run.",
      "  colossus train configs/kjv.toml --set run.steps=2000\n  colossus "
      "train --resume runs/kjv");
  set_action(*command,
             [] { throw run_error("this build has no 'train' yet"); });
}

}  // namespace colossus::cli
