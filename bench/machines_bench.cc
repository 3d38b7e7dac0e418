// Tokens per second of ranks that share a machine against the same ranks on a
// machine each, over TCP: whole training steps of a config, on made-up tokens.
//
// The program is agent and rank: as a rank it starts itself anew with --rank.
#include <fmt/core.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "agent/machine_memory.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "config/load_config.h"
#include "distributed/network.h"
#include "distributed/process.h"
#include "distributed/seat.h"
#include "kernels/cpu/cpu_backend.h"
#include "runtime/board_link.h"
#include "runtime/rank.h"
#include "runtime/run_memory.h"
#include "runtime/slice_source.h"

namespace colossus::bench {
namespace {

using distributed::PostedKind;
using distributed::SlotReport;

struct Options {
  std::string config = "configs/kjv.toml";
  int ranks = 2;
  int steps = 6;
  int rounds = 5;
  // Of a rank.
  int rank = -1, slot = 0;
};

config::Config load(const std::string& path) {
  config::Config config = config::load_config(path, {}).config;
  config.run.dir = "unused";
  config.run.steps = 1 << 30;
  config.run.val_every = config.run.sample_every = 0;
  config.run.checkpoint_every = 0;
  return config;
}

runtime::TrainingData made_up_data(const config::Config& config) {
  runtime::TrainingData data;
  data.batches = [=](int64_t step, int64_t shard, int64_t row, int32_t* tokens,
                     int32_t* targets) {
    const auto stream = static_cast<uint64_t>(shard * 4096 + row);
    const auto vocabulary = static_cast<uint64_t>(config.model.vocab_size);
    for (int64_t t = 0; t < config.run.seq_len; ++t) {
      const auto at = static_cast<uint64_t>(step * config.run.seq_len + t);
      tokens[t] = static_cast<int32_t>(random_bits(1, stream, at) % vocabulary);
      targets[t] =
          static_cast<int32_t>(random_bits(2, stream, at) % vocabulary);
    }
  };
  return data;
}

int run_rank(const Options& options) {
  const config::Config config = load(options.config);
  const agent::MachineLayout layout = runtime::machine_layout(config);
  agent::MachineMemory machine = agent::MachineMemory::inherit(layout);
  distributed::Seat seat(machine.board(), options.slot, options.rank);
  distributed::Network network(layout.run, options.rank);
  network.serve(runtime::slice_source(machine.store()));
  const auto backend = kernels::make_cpu_backend(1);
  const int64_t shards = config.run.num_shards / options.ranks;
  tensor::Arena plan, plan_room;
  const runtime::RankMemory planned(config, shards, false, *backend, plan,
                                    plan_room);
  tensor::Arena arena(plan.high_water_bytes());
  tensor::Arena room(plan_room.high_water_bytes(),
                     tensor::Arena::Touch::kInUse);
  runtime::RankMemory memory(config, shards, false, *backend, arena, room);
  ThreadPool pool(1);
  distributed::MessageRing reports = machine.ring(options.slot, false);
  runtime::BoardLink link(seat, machine.windows(), pool, reports, real_clock(),
                          config.run.steps, memory.sums, &network);
  const runtime::RankPlace place{.fs = real_file_system(),
                                 .clock = real_clock(),
                                 .backend = *backend,
                                 .store = machine.store()};
  seat.listens_at(network.endpoint());
  runtime::Rank(config, made_up_data(config), place, memory, link).run();
  return 0;
}

// Ranks that train until they are destroyed.
class Run {
 public:
  Run(const Options& options, const config::Config& config, int num_machines) {
    for (int i = 0; i < num_machines; ++i) {
      machines_.push_back(
          agent::MachineMemory::create(runtime::machine_layout(config)));
    }
    for (int rank = 0; rank < options.ranks; ++rank) start(options, rank);
    begin(options.ranks, config.run.num_shards);
  }
  ~Run() {
    for (const pid_t pid : pids_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

  // Seconds of each of the next `steps`, the median.
  double seconds_a_step(int steps) {
    for (const pid_t pid : pids_) ::kill(pid, SIGCONT);
    // The step in which it stood still does not count.
    const int64_t first = await_commit(report(0).committed_step + 1);
    std::vector<double> seconds;
    for (int64_t step = first + 1; step <= first + steps; ++step) {
      await_commit(step);
      seconds.push_back(report(0).step_seconds);
    }
    for (const pid_t pid : pids_) ::kill(pid, SIGSTOP);
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }

 private:
  agent::MachineMemory& machine_of(int rank) {
    return machines_[static_cast<size_t>(rank) % machines_.size()];
  }
  SlotReport report(int rank) { return machine_of(rank).board().report(rank); }

  void start(const Options& options, int rank) {
    const std::string number = std::to_string(rank);
    distributed::ProcessStart start;
    start.program = "/proc/self/exe";
    start.arguments = {
        "--config", options.config, "--ranks", std::to_string(options.ranks),
        "--rank",   number,         "--slot",  number};
    start.fds = machine_of(rank).fds();
    pids_.push_back(distributed::start_process(start));
    while (report(rank).endpoint.port == 0) machine_wait(rank);
  }

  void begin(int num_ranks, int64_t num_shards) {
    config::View view;
    view.number = 1;
    for (int64_t rank = 0; rank < num_ranks; ++rank) {
      const auto machine = rank % static_cast<int64_t>(machines_.size());
      view.members.push_back(
          {rank, machine, report(static_cast<int>(rank)).endpoint});
    }
    for (int64_t shard = 0; shard < num_shards; ++shard) {
      const int64_t owner = shard * num_ranks / num_shards;
      view.placement.owner_S.push_back(owner);
      view.placement.backup_S.push_back(
          num_ranks == 1 ? config::kNoBackup : (owner + 1) % num_ranks);
    }
    for (agent::MachineMemory& machine : machines_) {
      machine.board().post({PostedKind::kBegin, view, 0});
    }
  }

  void machine_wait(int rank) {
    const auto& board = machine_of(rank).board();
    board.wait_news(board.news(), 0.005);
    if (report(rank).state == distributed::SlotState::kFailed) {
      throw run_error("rank {}: {}", rank, report(rank).text);
    }
  }

  int64_t await_commit(int64_t step) {
    while (report(0).committed_step < step) machine_wait(0);
    return report(0).committed_step;
  }

  std::vector<agent::MachineMemory> machines_;
  std::vector<pid_t> pids_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// By turns, since the speed of a computer changes; one stands still while the
// other runs.
void measure(const Options& options) {
  const config::Config config = load(options.config);
  Run together(options, config, 1);
  together.seconds_a_step(1);
  Run apart(options, config, options.ranks);
  apart.seconds_a_step(1);
  std::vector<double> shared, tcp, ratio;
  for (int round = 0; round < options.rounds; ++round) {
    shared.push_back(together.seconds_a_step(options.steps));
    tcp.push_back(apart.seconds_a_step(options.steps));
    ratio.push_back(shared.back() / tcp.back());
  }
  const auto tokens =
      static_cast<double>(config.run.global_batch_size() * config.run.seq_len);
  fmt::print(
      "{} ranks of one thread, {} tokens a step | shared memory {:8.0f} "
      "tokens/s | TCP {:8.0f} tokens/s | TCP / shared memory {:.3f}\n",
      options.ranks, static_cast<int64_t>(tokens), tokens / median(shared),
      tokens / median(tcp), median(ratio));
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Ranks on one machine against ranks on a machine each");
  app.add_option("--config", options.config, "what is trained");
  app.add_option("--ranks", options.ranks, "number of them");
  app.add_option("--steps", options.steps, "of a round");
  app.add_option("--rounds", options.rounds, "by turns");
  app.add_option("--rank", options.rank)->group("");
  app.add_option("--slot", options.slot)->group("");
  CLI11_PARSE(app, argc, argv);
  if (options.rank >= 0) return run_rank(options);
  measure(options);
  return 0;
}

}  // namespace
}  // namespace colossus::bench

int main(int argc, char** argv) { return colossus::bench::run(argc, argv); }
