// colossus agent: the ranks of one machine.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <thread>

#include "agent/agent.h"
#include "agent/machine_memory.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/network_address.h"
#include "cli/run_processes.h"
#include "cli/trained_model.h"
#include "distributed/life.h"
#include "runtime/run_coordinator.h"
#include "runtime/run_memory.h"

namespace colossus::cli {
namespace {

using distributed::Office;
using distributed::OfficeHolder;
using distributed::OfficeKeeper;

struct Options {
  RunProcessOptions process;
  bool insecure_network = false;
};

std::string host_name() {
  std::array<char, 256> name = {};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

agent::AgentOptions agent_options(const Options& options,
                                  const config::Config& config) {
  agent::AgentOptions agent;
  agent.run = runtime::machine_layout(config).run;
  agent.host = host_name();
  agent.find_coordinator = [&options] {
    return options.process.join.empty()
               ? runtime::coordinator_address(options.process.run)
               : options.process.join;
  };
  agent.rank_start = [&options, &config](const agent::RankStart& rank) {
    return rank_process(options.process, rank.rank, rank.slot,
                        rank.hosting_ranks, config.run.num_shards);
  };
  agent.more_fds = inherited_lock(options.process);
  return agent;
}

void run_agent(const Options& options, const config::Config& config,
               agent::MachineMemory memory) {
  const std::optional<OfficeHolder> office =
      OfficeHolder::take(memory.board(), Office::kAgent);
  if (!office) return;  // another one was faster
  // Of a run on this machine alone.
  std::optional<OfficeKeeper> keeper;
  if (options.process.join.empty()) {
    // It writes to disk, which may stall for a while.
    keeper.emplace(memory.board(), Office::kCoordinator,
                   distributed::KeeperOptions{.hang_seconds = 3}, [&options] {
                     return distributed::start_process(coordinator_process(
                         options.process, inherited_fds(options.process)));
                   });
  }
  agent::Agent agent(agent_options(options, config), memory, *office,
                     real_clock());
  agent.run();
  office->close();
}

void run(Options& options) {
  const config::Config config = load_run_config(options.process.run, {});
  const agent::MachineLayout layout = runtime::machine_layout(config);
  if (options.process.inherits) {
    return run_agent(options, config, agent::MachineMemory::inherit(layout));
  }
  if (options.process.join.empty()) {
    throw user_error("name the coordinator: colossus agent {} --join HOST:PORT",
                     options.process.run);
  }
  check_network_address(options.process.join, options.insecure_network);
  options.process.target = config.kernels.target;
  options.process.threads =
      config.kernels.threads > 0
          ? static_cast<int>(config.kernels.threads)
          : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  run_agent(options, config, agent::MachineMemory::create(layout));
}

}  // namespace

void add_agent(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, "agent", "Brings this machine into a run of several machines.",
      "  colossus agent runs/kjv --join 127.0.0.1:7000");
  add_run_process_flags(*command, options->process);
  add_insecure_network_flag(*command, options->insecure_network);
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
