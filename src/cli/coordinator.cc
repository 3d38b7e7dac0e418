// colossus coordinator: decides who is a member of a run and what each hosts.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "agent/machine_memory.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "checkpoint/run_lock.h"
#include "cli/commands.h"
#include "cli/network_address.h"
#include "cli/run_processes.h"
#include "cli/stop_signal.h"
#include "cli/trained_model.h"
#include "distributed/life.h"
#include "kernels/cpu/cpu_backend.h"
#include "runtime/abrupt_end.h"
#include "runtime/report.h"
#include "runtime/run_coordinator.h"
#include "runtime/run_memory.h"

namespace colossus::cli {
namespace {

using distributed::Office;
using distributed::OfficeHolder;
using distributed::OfficeKeeper;

// The run is over and saved: a report that fails does not fail it.
void write_report(const std::string& run) {
  try {
    runtime::write_report(real_file_system(), run);
  } catch (const std::exception& error) {
    fmt::print(stderr, "no report: {}\n", error.what());
  }
}

// `office`: null where nobody else of this machine watches.
void coordinate(const RunProcessOptions& options, const config::Config& config,
                const OfficeHolder* office) {
  const StopSignal stop;
  runtime::RunCoordinatorOptions run_options;
  run_options.listen = options.listen;
  if (options.inherits) {  // a machine of the run, whose bits are the run's
    run_options.numerics =
        kernels::make_cpu_backend(1, options.target)->numerics_version();
  }
  run_options.beat = [office] {
    if (office != nullptr) office->beat();
  };
  run_options.set_away = [office](bool away) {
    if (office != nullptr) office->set_away(away);
  };
  run_options.stop_reason = [&stop] {
    return stop.requested() ? std::string(stop.reason()) : std::string();
  };
  runtime::RunCoordinator coordinator(config, real_file_system(), real_clock(),
                                      std::move(run_options));
  if (!options.inherits) {
    fmt::print("{}: coordinated at {}\n", options.run,
               runtime::coordinator_address(options.run));
  }
  // A mark that is left behind tells the next start how this one ended.
  runtime::RunningMark mark(real_file_system(), options.run, ::getpid(),
                            runtime::read_oom_traces());
  try {
    coordinator.run();
  } catch (...) {
    mark.remove();
    throw;
  }
  mark.remove();
}

// One of the processes of a machine that share its memory, and start each other
// where one was lost.
void run_in_office(const RunProcessOptions& options,
                   const config::Config& config) {
  agent::MachineMemory memory =
      agent::MachineMemory::inherit(runtime::machine_layout(config));
  const std::optional<OfficeHolder> office =
      OfficeHolder::take(memory.board(), Office::kCoordinator);
  if (!office) return;  // another one was faster
  const OfficeKeeper keeper(memory.board(), Office::kAgent, {}, [&options] {
    return distributed::start_process(
        agent_process(options, inherited_fds(options)));
  });
  try {
    coordinate(options, config, &*office);
  } catch (...) {
    write_report(options.run);
    office->close();
    throw;
  }
  write_report(options.run);
  office->close();
}

void run(const RunProcessOptions& options) {
  check_network_address(options.listen, options.insecure_network);
  const config::Config config = load_run_config(options.run, {});
  if (options.inherits) return run_in_office(options, config);
  const checkpoint::RunLock lock(options.run);
  coordinate(options, config, nullptr);
  write_report(options.run);
}

}  // namespace

void add_coordinator(CLI::App& app) {
  auto options = std::make_shared<RunProcessOptions>();
  CLI::App* command = add_command(
      app, "coordinator",
      "Coordinates a run of several machines; `train` starts its own.",
      "  colossus coordinator runs/kjv --listen 127.0.0.1:7000");
  add_run_process_flags(*command, *options);
  CLI::Option* listen = command->get_option("--listen");
  listen->description(
      "address for agents and commands; port 0 takes a free one");
  listen->group(command->get_option("--join")->get_group());
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
