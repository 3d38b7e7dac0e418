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
#include "protocol/client.h"
#include "runtime/run_coordinator.h"

namespace colossus::cli {
namespace {

constexpr double kAskSeconds = 2;

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

// Whether the coordinator took the wish: there may be none at the moment.
bool ask_coordinator(const std::string& folder) {
  try {
    protocol::ask(runtime::coordinator_address(folder),
                  protocol::StopRequest{"colossus stop"}, kAskSeconds);
    return true;
  } catch (const RunError&) {
    return false;
  }
}

// Until the run is saved and all its processes are gone.
void run(const std::string& folder) {
  const std::optional<pid_t> holder = checkpoint::run_holder(folder);
  if (!holder) {
    fmt::print("{}: nobody works on it\n", folder);
    return;
  }
  bool asked = false;
  const bool coordinated = !runtime::coordinator_address(folder).empty();
  if (!coordinated) signal_holder(folder, *holder);
  while (checkpoint::run_holder(folder)) {
    if (coordinated && !asked) asked = ask_coordinator(folder);
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
