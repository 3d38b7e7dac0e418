// colossus stop: ends a run from anywhere, after a checkpoint.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/error.h"
#include "checkpoint/run_lock.h"
#include "cli/commands.h"

namespace colossus::cli {
namespace {

// Until the holder has saved and gone. A second signal would end it at once, so
// it gets only one.
void run(const std::string& folder) {
  const std::optional<pid_t> holder = checkpoint::run_holder(folder);
  if (!holder) {
    fmt::print("{}: nobody works on it\n", folder);
    return;
  }
  if (*holder == 0) {
    throw run_error(
        "{}: some process holds the run and cannot be named; end "
        "the processes `colossus rank {}`",
        folder, folder);
  }
  if (::kill(*holder, SIGTERM) != 0) {
    throw run_error("{}: cannot signal process {}; ask its owner to stop it",
                    folder, *holder);
  }
  while (checkpoint::run_holder(folder)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  fmt::print("{}: stopped, after a checkpoint\n", folder);
}

}  // namespace

void add_stop(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command = add_command(
      app, "stop", "Stops a run, wherever it was started, after a checkpoint.",
      "  colossus stop runs/kjv");
  command->add_option("RUN", *folder, "the run's folder")->required();
  set_action(*command, [folder] { run(*folder); });
}

}  // namespace colossus::cli
