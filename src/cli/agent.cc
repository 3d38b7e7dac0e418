// colossus agent: the ranks of one machine.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "agent/agent.h"
#include "agent/machine_memory.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/network_address.h"
#include "cli/run_processes.h"
#include "cli/stop_signal.h"
#include "cli/trained_model.h"
#include "distributed/life.h"
#include "kernels/cpu/cpu_backend.h"
#include "runtime/run_coordinator.h"
#include "runtime/run_memory.h"

namespace colossus::cli {
namespace {

using distributed::Office;
using distributed::OfficeHolder;
using distributed::OfficeKeeper;

std::string host_name() {
  std::array<char, 256> name = {};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

agent::AgentOptions agent_options(const RunProcessOptions& options,
                                  const config::Config& config) {
  agent::AgentOptions agent;
  agent.run = runtime::machine_layout(config).run;
  agent.host = host_name();
  agent.numerics =
      kernels::make_cpu_backend(1, options.target)->numerics_version();
  // Ranks are away while they read and write the state, and no longer.
  constexpr double kSlowDisk = 50e6;  // bytes a second
  const auto state_bytes =
      static_cast<double>(runtime::machine_layout(config).padded_count) * 12;
  agent.watcher.away_seconds = 10 + state_bytes / kSlowDisk;
  agent.find_coordinator = [&options] {
    return options.join.empty() ? runtime::coordinator_address(options.run)
                                : options.join;
  };
  agent.rank_start = [&options, &config](const agent::RankStart& rank) {
    return rank_process(options, rank.rank, rank.slot, rank.hosting_ranks,
                        config.run.num_shards);
  };
  agent.more_fds = inherited_lock(options);
  return agent;
}

// Of a machine that joined: Ctrl-C or SIGTERM takes it out of the run.
class Wishes {
 public:
  explicit Wishes(const RunProcessOptions& options) : options_(options) {
    ::signal(SIGHUP, SIG_IGN);  // the run does not care for a terminal
  }

  bool leaves() {
    if (!stop_.requested()) return false;
    if (!std::exchange(said_, true)) {
      say("this machine leaves the run when others have taken over its shards; "
          "Ctrl-C again ends it at once");
    }
    return true;
  }
  bool leaves_at_once() const { return stop_.urged(); }

  void say_end(agent::AgentEnd end) const {
    switch (end) {
      case agent::AgentEnd::kRunOver:
        return;
      case agent::AgentEnd::kLeft:
        return say("this machine is out of the run, which lost nothing by it");
      case agent::AgentEnd::kUnreachable:
        throw run_error(
            "{}: the coordinator at {} cannot be reached; the ranks of this "
            "machine were ended, and the run goes on as after the loss of a "
            "machine",
            options_.run, options_.join);
      case agent::AgentEnd::kAtOnce:
        say("this machine was ended at once; the run goes on as after the loss "
            "of a machine");
        throw Stopped{};
    }
  }

 private:
  void say(const char* what) const {
    fmt::print("{}: {}\n", options_.run, what);
    std::fflush(stdout);
  }

  const RunProcessOptions& options_;
  // However often it comes, a Ctrl-C never leaves ranks behind.
  const StopSignal stop_{std::numeric_limits<int>::max()};
  bool said_ = false;
};

void run_agent(const RunProcessOptions& options, const config::Config& config,
               agent::MachineMemory memory) {
  const std::optional<OfficeHolder> office =
      OfficeHolder::take(memory.board(), Office::kAgent);
  if (!office) return;  // another one was faster
  // Of a run on this machine alone.
  std::optional<OfficeKeeper> keeper;
  if (options.join.empty()) {
    keeper.emplace(memory.board(), Office::kCoordinator,
                   distributed::KeeperOptions{}, [&options] {
                     return distributed::start_process(
                         coordinator_process(options, inherited_fds(options)));
                   });
  }
  agent::AgentOptions agent_start = agent_options(options, config);
  std::optional<Wishes> wishes;
  if (!options.join.empty()) {
    wishes.emplace(options);
    agent_start.leaves = [&wishes] { return wishes->leaves(); };
    agent_start.leaves_at_once = [&wishes] { return wishes->leaves_at_once(); };
  }
  const agent::AgentEnd end =
      agent::Agent(std::move(agent_start), memory, *office, real_clock()).run();
  office->close();
  if (wishes) wishes->say_end(end);
}

void check_addresses(const RunProcessOptions& process) {
  check_network_address(process.join, process.insecure_network);
  check_host(process.host, process.insecure_network);
  if (is_loopback(process.host) && !is_loopback(host_of(process.join))) {
    throw user_error(
        "the coordinator at {} is on another machine, whose ranks must reach "
        "those of this one: name this machine's address with --host",
        process.join);
  }
}

void run(RunProcessOptions& options) {
  const config::Config config = load_run_config(options.run, {});
  const agent::MachineLayout layout = runtime::machine_layout(config);
  if (options.inherits) {
    return run_agent(options, config, agent::MachineMemory::inherit(layout));
  }
  if (options.join.empty()) {
    throw user_error("name the coordinator: colossus agent {} --join HOST:PORT",
                     options.run);
  }
  check_addresses(options);
  fmt::print("{}: joining the coordinator at {}\n", options.run, options.join);
  std::fflush(stdout);
  if (options.target.empty()) options.target = config.kernels.target;
  if (options.threads == 0) options.threads = machine_threads(config);
  run_agent(options, config, agent::MachineMemory::create(layout));
}

}  // namespace

void add_agent(CLI::App& app) {
  auto options = std::make_shared<RunProcessOptions>();
  CLI::App* command = add_command(
      app, "agent",
      "Brings this machine into a run of several; Ctrl-C takes it out again.",
      "  colossus agent runs/kjv --join 127.0.0.1:7000\n"
      "  colossus agent runs/kjv --join 10.0.0.1:7000 --host 10.0.0.2 "
      "--insecure-network");
  add_run_process_flags(*command, *options);
  const std::string shown = command->get_option("--join")->get_group();
  command->get_option("--target")
      ->group(shown)
      ->description(
          "vector unit of this machine's ranks: auto, avx512, avx2 "
          "or baseline; default: as the run's config")
      ->check(CLI::IsMember({"auto", "avx512", "avx2", "baseline"}));
  command->get_option("--threads")
      ->group(shown)
      ->description(
          "threads of this machine's ranks together; default: as the "
          "run's config")
      ->check(CLI::Range(1, 4096));
  set_action(*command, [options] { run(*options); });
}

}  // namespace colossus::cli
