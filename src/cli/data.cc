// `colossus data`.
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"

namespace colossus::cli {

void add_data(CLI::App& app) {
  CLI::App* command = add_command(
      app, "data", "Prepares text for training.",
      "  colossus data prepare my-texts/ --out data/mine --vocab-size 8192");
  set_action(*command, [] { throw run_error("this build has no 'data' yet"); });
}

}  // namespace colossus::cli
