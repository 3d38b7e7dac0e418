// `colossus generate`.
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"

namespace colossus::cli {

void add_generate(CLI::App& app) {
  CLI::App* command =
      add_command(app, "generate", "Writes text with a run's model.",
                  "  colossus generate runs/kjv --prompt \"In the beginning\" "
                  "--temperature 0.8");
  set_action(*command,
             [] { throw run_error("this build has no 'generate' yet"); });
}

}  // namespace colossus::cli
