// `colossus eval`.
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"

namespace colossus::cli {

void add_eval(CLI::App& app) {
  CLI::App* command =
      add_command(app, "eval", "Loss and bits per byte of a run's model.",
                  "  colossus eval runs/kjv");
  set_action(*command, [] { throw run_error("this build has no 'eval' yet"); });
}

}  // namespace colossus::cli
