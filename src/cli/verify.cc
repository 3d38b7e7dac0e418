// `colossus verify`.
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"

namespace colossus::cli {

void add_verify(CLI::App& app) {
  CLI::App* command = add_command(
      app, "verify", "Runs a reference case through the engine that trains.",
      "  colossus verify tests/conformance/dense");
  set_action(*command,
             [] { throw run_error("this build has no 'verify' yet"); });
}

}  // namespace colossus::cli
