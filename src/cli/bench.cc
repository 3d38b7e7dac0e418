// `colossus bench`.
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"

namespace colossus::cli {

void add_bench(CLI::App& app) {
  CLI::App* command = add_command(
      app, "bench", "Measures this machine, the kernels and whole steps.",
      "  colossus bench --json");
  set_action(*command,
             [] { throw run_error("this build has no 'bench' yet"); });
}

}  // namespace colossus::cli
