// colossus stop: ends a run from anywhere, after a checkpoint.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "checkpoint/run_lock.h"
#include "cli/commands.h"
#include "protocol/client.h"
#include "runtime/run_coordinator.h"

namespace colossus::cli {
namespace {

constexpr double kAskSeconds = 2;
// The coordinator may have died before it wrote the wish down.
constexpr double kAskAgainSeconds = 1;

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

void ask_coordinator(const std::string& folder) {
  const std::string address = runtime::coordinator_address(folder);
  if (address.empty()) return;  // it has left: the run is at its end
  try {
    protocol::ask(address, protocol::StopRequest{"colossus stop"}, kAskSeconds);
  } catch (const RunError&) {
    // There is none at the moment: asked again.
  }
}

// Until the run is saved and all its processes are gone.
void run(const std::string& folder) {
  const std::optional<pid_t> holder = checkpoint::run_holder(folder);
  if (!holder) {
    fmt::print("{}: nobody works on it\n", folder);
    return;
  }
  double asked_seconds = -kAskAgainSeconds;
  const bool coordinated = !runtime::coordinator_address(folder).empty();
  if (!coordinated) signal_holder(folder, *holder);
  while (checkpoint::run_holder(folder)) {
    const double now = real_clock().steady_seconds();
    if (coordinated && now - asked_seconds >= kAskAgainSeconds) {
      ask_coordinator(folder);
      asked_seconds = now;
    }
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
