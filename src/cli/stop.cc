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
#include "runtime/coordinator_request.h"
#include "runtime/run_coordinator.h"

namespace colossus::cli {
namespace {

// A coordinator that is lost at its disk is replaced after half a minute.
constexpr double kAskSeconds = 60;

// A run of one process. A second signal would end it at once, so it gets only
// one.
void signal_holder(const std::string& folder, pid_t holder) {
  if (holder == 0) {
    throw run_error(
        "{}: some process holds the run and cannot be named; end the processes "
        "`colossus rank {}`",
        folder, folder);
  }
  if (::kill(holder, SIGTERM) != 0) {
    throw run_error("{}: cannot signal process {}; ask its owner to stop it",
                    folder, holder);
  }
}

// Until the run is saved and all its processes are gone.
void run(const std::string& folder) {
  const std::optional<pid_t> holder = checkpoint::run_holder(folder);
  if (!holder) {
    fmt::print("{}: nobody works on it\n", folder);
    return;
  }
  if (runtime::coordinator_address(folder).empty()) {
    signal_holder(folder, *holder);
  } else {
    runtime::ask_run(
        folder, protocol::StopRequest{"colossus stop"}, kAskSeconds,
        [&folder] { return checkpoint::run_holder(folder).has_value(); });
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
