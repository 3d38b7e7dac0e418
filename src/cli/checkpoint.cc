// `colossus checkpoint`.
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"

namespace colossus::cli {

void add_checkpoint(CLI::App& app) {
  CLI::App* command = add_command(app, "checkpoint",
                                  "Looks into checkpoints and compares them.",
                                  "  colossus checkpoint hash runs/kjv\n  "
                                  "colossus checkpoint diff runs/a runs/b");
  set_action(*command,
             [] { throw run_error("this build has no 'checkpoint' yet"); });
}

}  // namespace colossus::cli
