// Ranks on several machines, as processes over TCP: whatever is killed, the
// bits are those of a rank that is alone. A machine is a board, windows and a
// store of its own; that they share this computer shows nowhere. This test
// program is the rank too: it starts itself anew with --machines-test-rank.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "agent/machine_memory.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "base/thread_pool.h"
#include "distributed/network.h"
#include "distributed/process.h"
#include "distributed/seat.h"
#include "distributed/watcher.h"
#include "kernels/cpu/cpu_backend.h"
#include "runtime/board_link.h"
#include "runtime/rank.h"
#include "runtime/run_memory.h"
#include "runtime/run_testing.h"
#include "runtime/slice_source.h"
#include "runtime/trainer.h"

namespace colossus::runtime {
namespace {

using checkpoint::SliceCopy;
using checkpoint::SliceStore;
using distributed::PostedKind;
using distributed::SlotReport;
using distributed::SlotState;

config::Config machines_config(const std::string& dir, int64_t steps) {
  config::Config config = tiny_config(dir);
  config.run.num_shards = 8;
  config.run.steps = steps;
  config.run.checkpoint_every = 20;
  return config;
}

// Runs in which something is killed stand still before the gradients of this
// step until the test opens the gate.
constexpr int64_t kGateStep = 40;
constexpr int64_t kGatedSteps = 100;  // runs of more are

std::string gate_of(const std::string& dir) { return dir + ".gate"; }

TrainingData gated_data(const config::Config& config) {
  TrainingData data = made_up_data();
  if (config.run.steps <= kGatedSteps) return data;
  data.batches = [gate = gate_of(config.run.dir)](int64_t step, int64_t shard,
                                                  int64_t row, int32_t* tokens,
                                                  int32_t* targets) {
    while (step == kGateStep && !std::filesystem::exists(gate)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    made_up_batch(step, shard, row, tokens, targets);
  };
  return data;
}

// --- The rank. ---

int run_rank(const config::Config& config, int slot, int64_t rank) {
  const agent::MachineLayout layout = machine_layout(config);
  agent::MachineMemory machine = agent::MachineMemory::inherit(layout);
  distributed::Seat seat(machine.board(), slot, rank);
  // Long times: a loaded machine must not look like a lost peer.
  distributed::Network network(layout.run, rank,
                               {.user_timeout_seconds = 60,
                                .connect_seconds = 60,
                                .patience_seconds = 60});
  network.serve(slice_source(machine.store()));
  seat.listens_at(network.endpoint());
  try {
    const auto backend = kernels::make_cpu_backend(1);
    const int64_t shards = config.run.num_shards / 2;
    tensor::Arena plan, plan_room;
    const RankMemory planned(config, shards, false, *backend, plan, plan_room);
    tensor::Arena arena(plan.high_water_bytes());
    tensor::Arena room(plan_room.high_water_bytes(),
                       tensor::Arena::Touch::kInUse);
    RankMemory memory(config, shards, false, *backend, arena, room);
    ThreadPool pool(1);
    distributed::MessageRing reports = machine.ring(slot, false);
    BoardLink link(seat, machine.windows(), pool, reports, real_clock(),
                   config.run.steps, memory.sums, &network);
    const RankPlace place{.fs = real_file_system(),
                          .clock = real_clock(),
                          .backend = *backend,
                          .store = machine.store()};
    Rank(config, gated_data(config), place, memory, link).run();
  } catch (const std::exception& error) {
    seat.failed(error.what());
    return 1;
  }
  return 0;
}

// --- Agents and coordinator, by hand. ---

// A machine: its memory and the watcher of its ranks.
struct Host {
  explicit Host(const agent::MachineLayout& layout)
      : memory(agent::MachineMemory::create(layout)),
        watcher(memory.board(), {.hang_seconds = 600},
                [](const distributed::Loss&) {}) {}
  agent::MachineMemory memory;
  distributed::Watcher watcher;
  int num_slots = 0;
};

class Cluster {
 public:
  Cluster(const config::Config& config, int num_machines)
      : config_(config), layout_(machine_layout(config)) {
    for (int i = 0; i < num_machines; ++i) add_machine();
  }
  ~Cluster() {
    for (const auto& [rank, life] : lives_) kill_process(life.pid);
  }

  void add_machine() {
    hosts_[next_machine_++] = std::make_unique<Host>(layout_);
  }

  void start_rank(int machine, int64_t rank) {
    Host& host = *hosts_.at(machine);
    const int slot = host.num_slots++;
    host.memory.ring(slot, true);
    distributed::ProcessStart start;
    start.program = "/proc/self/exe";
    start.arguments = {"--machines-test-rank", config_.run.dir,
                       std::to_string(config_.run.steps), std::to_string(slot),
                       std::to_string(rank)};
    start.fds = host.memory.fds();
    const pid_t pid = distributed::start_process(start);
    host.watcher.watch_child(slot, pid);
    lives_[rank] = {machine, slot, pid};
    wait_for(rank, [](const SlotReport& r) { return r.endpoint.port != 0; });
  }

  void kill_rank(int64_t rank) {
    kill_process(lives_.at(rank).pid);
    lives_.erase(rank);
  }

  // With its memory and all of its ranks.
  void lose_machine(int machine) {
    std::vector<int64_t> ranks;
    for (const auto& [rank, life] : lives_) {
      if (life.machine == machine) ranks.push_back(rank);
    }
    for (const int64_t rank : ranks) kill_rank(rank);
    hosts_.erase(machine);
  }

  // PREPARE, the answers, BEGIN from the newest step of which every slice lies
  // on some machine. Shard i is owner_S[i]'s, and backed up by backup_S[i].
  void change_view(const config::Placement& placement, bool stop = false) {
    config::View call;
    call.number = ++number_;
    post(PostedKind::kPrepare, call);
    for (const auto& [rank, life] : lives_) {
      wait_for(rank, [&](const SlotReport& r) {
        return r.state == SlotState::kPrepared && r.number == number_;
      });
    }
    config::View view;
    view.number = ++number_;
    for (const auto& [rank, life] : lives_) {
      view.members.push_back({rank, life.machine, report(rank).endpoint});
    }
    view.placement = placement;
    view.start_step = last_start = newest_common_step();
    view.stop = stop;
    post(PostedKind::kBegin, view, hashes_of(view.start_step));
    placement_ = placement;
  }

  void await_commit(int64_t rank, int64_t step) {
    wait_for(rank, [&](const SlotReport& r) {
      return r.state == SlotState::kRunning && r.committed_step >= step;
    });
  }

  void finish() {
    await_commit(placement_.owner_S[0], config_.run.steps);
    change_view(placement_, true);
    for (const auto& [rank, life] : lives_) {
      if (!config::takes_part(placement_, rank)) continue;
      int status = 0;
      ::waitpid(life.pid, &status, 0);
      EXPECT_EQ(status, 0) << report(rank).text;
    }
  }

  // That all ranks of a machine were told to let go, by nobody but each other.
  void await_disturbed(int machine) {
    const auto& board = hosts_.at(machine)->memory.board();
    while (board.order() != distributed::order_of(number_) + 1) {
      std::this_thread::yield();
    }
  }

  int64_t last_start = 0;

 private:
  struct Life {
    int machine, slot;
    pid_t pid;
  };

  static void kill_process(pid_t pid) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }

  void post(PostedKind kind, const config::View& view,
            const std::vector<Hash128>& hash_S = {}) {
    for (const auto& [number, host] : hosts_) {
      host->memory.board().post({kind, view, 0, hash_S});
    }
  }

  // Empty if some slice lies nowhere.
  std::vector<Hash128> hashes_of(int64_t step) const {
    std::vector<Hash128> hash_S;
    for (int64_t slice = 0; slice < config_.run.num_shards; ++slice) {
      std::optional<Hash128> hash;
      for (const auto& [number, host] : hosts_) {
        const SliceStore& store = host->memory.store();
        for (const auto copy : {SliceCopy::kOwner, SliceCopy::kBackup}) {
          if (!hash) hash = store.find_hash(copy, slice, step);
        }
      }
      if (!hash) return {};
      hash_S.push_back(*hash);
    }
    return hash_S;
  }

  SlotReport report(int64_t rank) {
    const Life& life = lives_.at(rank);
    return hosts_.at(life.machine)->memory.board().report(life.slot);
  }

  void wait_for(int64_t rank,
                const std::function<bool(const SlotReport&)>& holds) {
    const auto& board = hosts_.at(lives_.at(rank).machine)->memory.board();
    for (;;) {
      const uint32_t news = board.news();
      const SlotReport now = report(rank);
      if (now.state == SlotState::kFailed) throw RunError(now.text);
      if (holds(now)) return;
      board.wait_news(news, 0.01);
    }
  }

  bool someone_holds(int64_t slice, int64_t step) {
    return std::any_of(hosts_.begin(), hosts_.end(), [&](const auto& host) {
      const SliceStore& store = host.second->memory.store();
      return store.holds(SliceCopy::kOwner, slice, step) ||
             store.holds(SliceCopy::kBackup, slice, step);
    });
  }

  int64_t newest_common_step() {
    for (int64_t step = config_.run.steps; step > 0; --step) {
      bool all = true;
      for (int64_t slice = 0; slice < config_.run.num_shards; ++slice) {
        all = all && someone_holds(slice, step);
      }
      if (all) return step;
    }
    return 0;
  }

  const config::Config config_;
  const agent::MachineLayout layout_;
  int next_machine_ = 0;
  std::map<int, std::unique_ptr<Host>> hosts_;
  std::map<int64_t, Life> lives_;  // by rank
  int64_t number_ = 0;
  config::Placement placement_;
};

class MachinesTest : public RunTest {
 protected:
  std::string quiet_hash(config::Config config) {
    config.run.dir = dir("quiet");
    const auto backend = kernels::make_cpu_backend(2);
    const std::atomic<bool> stop{false};
    std::ostringstream out;
    ManualClock clock;
    train(config, made_up_data(),
          {.fs = real_file_system(),
           .clock = clock,
           .backend = *backend,
           .stop = stop,
           .stop_reason = nullptr,
           .out = out,
           .progress = {},
           .machine = "test"},
          false);
    return hash("quiet");
  }

  void open_gate() const { std::ofstream(gate_of(dir("ranks"))) << "open"; }
};

TEST_F(MachinesTest, TwoMachinesGiveTheBitsOfOneRank) {
  const config::Config config = machines_config(dir("ranks"), 12);
  const std::string want = quiet_hash(config);
  const config::Placement one_each{{0, 0, 0, 1, 1, 1, 1, 1},
                                   {1, 1, 1, 0, 0, 0, 0, 0}};
  const config::Placement two_each{{0, 1, 0, 1, 2, 2, 3, 0},
                                   {2, 3, 3, 2, 0, 1, 0, 2}};
  for (const config::Placement& placement : {one_each, two_each}) {
    std::filesystem::remove_all(dir("ranks"));
    Cluster cluster(config, 2);
    const int64_t ranks = placement.owner_S[4] == 1 ? 2 : 4;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      cluster.start_rank(static_cast<int>(rank / (ranks / 2)), rank);
    }
    cluster.change_view(placement);
    cluster.finish();
    EXPECT_EQ(hash("ranks"), want);
  }
}

// Slices without a copy on the chief's machine: weights and, for a checkpoint,
// moments come from elsewhere.
TEST_F(MachinesTest, ThreeMachinesGiveTheBitsOfOneRank) {
  const config::Config config = machines_config(dir("ranks"), 45);
  const std::string want = quiet_hash(config);
  Cluster cluster(config, 3);
  for (int rank = 0; rank < 3; ++rank) cluster.start_rank(rank, rank);
  cluster.change_view({{0, 0, 1, 1, 1, 2, 2, 2}, {1, 2, 0, 2, 2, 1, 1, 0}});
  cluster.finish();
  EXPECT_EQ(hash("ranks"), want);
}

TEST_F(MachinesTest, AKilledRankIsReplacedByASpareOfAnotherMachine) {
  const config::Config config = machines_config(dir("ranks"), 110);
  const std::string want = quiet_hash(config);
  Cluster cluster(config, 2);
  cluster.start_rank(0, 0);
  cluster.start_rank(1, 1);
  cluster.start_rank(0, 2);  // a spare
  cluster.change_view({{0, 0, 0, 0, 1, 1, 1, 1}, {1, 1, 1, 1, 0, 0, 0, 0}});
  cluster.await_commit(0, kGateStep - 1);
  cluster.kill_rank(1);
  // Nothing is posted: the broken connection tells machine 0, its agent 1.
  cluster.await_disturbed(0);
  cluster.await_disturbed(1);
  open_gate();
  cluster.change_view({{0, 0, 0, 0, 2, 2, 2, 2}, {2, 2, 2, 2, 0, 0, 0, 0}});
  EXPECT_EQ(cluster.last_start, kGateStep - 1);
  cluster.finish();
  EXPECT_EQ(hash("ranks"), want);
}

// Its slices live on as copies elsewhere; a new machine, which has nothing,
// takes its place.
TEST_F(MachinesTest, ALostMachineLosesNoStepAndANewOneTakesItsPlace) {
  const config::Config config = machines_config(dir("ranks"), 130);
  const std::string want = quiet_hash(config);
  Cluster cluster(config, 3);
  for (int rank = 0; rank < 3; ++rank) cluster.start_rank(rank, rank);
  cluster.change_view({{0, 0, 0, 1, 1, 1, 2, 2}, {1, 2, 1, 0, 2, 2, 0, 1}});
  cluster.await_commit(0, kGateStep - 1);
  cluster.lose_machine(1);
  cluster.await_disturbed(0);
  cluster.await_disturbed(2);
  open_gate();
  cluster.change_view({{0, 0, 0, 0, 2, 2, 2, 2}, {2, 2, 2, 2, 0, 0, 0, 0}});
  EXPECT_EQ(cluster.last_start, kGateStep - 1);
  cluster.await_commit(2, 60);
  cluster.add_machine();
  cluster.start_rank(3, 7);
  cluster.change_view({{7, 0, 0, 7, 2, 2, 7, 2}, {0, 2, 7, 2, 0, 7, 2, 0}});
  EXPECT_GE(cluster.last_start, 59);
  cluster.finish();
  EXPECT_EQ(hash("ranks"), want);
}

}  // namespace

int run_machines_test_rank(const std::vector<std::string>& words) {
  return run_rank(machines_config(words.at(1), std::stoll(words.at(2))),
                  std::stoi(words.at(3)), std::stoll(words.at(4)));
}

}  // namespace colossus::runtime

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words[0] == "--machines-test-rank") {
    return colossus::runtime::run_machines_test_rank(words);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
