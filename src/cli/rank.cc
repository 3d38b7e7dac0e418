// A rank of a run, as the run's agent starts it; not for people.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "agent/machine_memory.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "base/thread_pool.h"
#include "cli/commands.h"
#include "cli/generated_samples.h"
#include "cli/run_processes.h"
#include "cli/trained_model.h"
#include "cli/training_data.h"
#include "distributed/life.h"
#include "distributed/network.h"
#include "distributed/seat.h"
#include "kernels/cpu/cpu_backend.h"
#include "runtime/board_link.h"
#include "runtime/rank.h"
#include "runtime/run_memory.h"
#include "runtime/slice_source.h"
#include "tensor/arena.h"

namespace colossus::cli {
namespace {

struct Options {
  RunProcessOptions process;
  int slot = 0;
  int64_t rank = 0;
  int64_t shards = 1;
  bool chief = false;
};

using tensor::Arena;

// The coordinator of a local run starts a lost agent sooner, and of several
// ranks one does.
distributed::KeeperOptions keeper_options(const Options& options) {
  distributed::KeeperOptions keeper;
  keeper.hang_seconds = 2;
  keeper.patience_seconds = 0.5 + 0.1 * options.slot;
  return keeper;
}

// For ranks of machines that are there, or may join.
std::unique_ptr<distributed::Network> open_network(
    const Options& options, const config::Config& config,
    agent::MachineMemory& machine, distributed::Seat& seat) {
  auto network = std::make_unique<distributed::Network>(
      runtime::machine_layout(config).run, options.rank,
      distributed::NetworkOptions{.address = options.process.host});
  network->serve(runtime::slice_source(machine.store()));
  seat.listens_at(network->endpoint());
  return network;
}

// Holds its seat in the main thread, by which the agent learns of its death.
void run_rank(const Options& options) {
  const config::Config config = load_run_config(options.process.run, {});
  agent::MachineMemory machine =
      agent::MachineMemory::inherit(runtime::machine_layout(config));
  distributed::Seat seat(machine.board(), options.slot, options.rank);
  const distributed::OfficeKeeper keeper(
      machine.board(), distributed::Office::kAgent, keeper_options(options),
      [&options] {
        return distributed::start_process(
            agent_process(options.process, inherited_fds(options.process)));
      });
  try {
    const auto network = open_network(options, config, machine, seat);
    const TrainingInputs inputs = open_training_inputs(config);
    const std::unique_ptr<kernels::Backend> backend = kernels::make_cpu_backend(
        options.process.threads, options.process.target);
    GeneratedSamples samples(config, *inputs.tokenizer, *backend);
    Arena plan, plan_room;
    const runtime::RankMemory planned(config, options.shards, options.chief,
                                      *backend, plan, plan_room);
    Arena arena(plan.high_water_bytes());
    Arena room(plan_room.high_water_bytes(), Arena::Touch::kInUse);
    runtime::RankMemory memory(config, options.shards, options.chief, *backend,
                               arena, room);
    ThreadPool pool(options.process.threads);
    distributed::MessageRing reports = machine.ring(options.slot, false);
    runtime::BoardLink link(seat, machine.windows(), pool, reports,
                            real_clock(), config.run.steps, memory.sums,
                            network.get());
    const runtime::RankPlace place{.fs = real_file_system(),
                                   .clock = real_clock(),
                                   .backend = *backend,
                                   .store = machine.store(),
                                   .text_sampler = &samples,
                                   .num_threads = options.process.threads};
    runtime::Rank(config, inputs.data, place, memory, link).run();
  } catch (const std::exception& error) {
    seat.failed(error.what());
    throw;
  }
}

}  // namespace

void add_rank(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, "rank", "One rank of a run; started by the run's agent.",
                  "  colossus rank runs/kjv --slot 0 --rank 0");
  command->group("");  // not among the commands that --help lists
  add_run_process_flags(*command, options->process);
  command->add_option("--slot", options->slot, "its slot on the board");
  command->add_option("--rank", options->rank, "its number in the run");
  command->add_option("--shards", options->shards,
                      "shards that memory is taken for at once");
  command->add_flag("--chief", options->chief,
                    "memory for checkpoints is taken at once");
  set_action(*command, [options] { run_rank(*options); });
}

}  // namespace colossus::cli
