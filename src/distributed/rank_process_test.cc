// Ranks as real processes, on one machine or on several, that are killed and
// stopped. This test program is the rank too: it starts itself anew with
// --rank-process.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/board_layout.h"
#include "distributed/machines_group.h"
#include "distributed/network.h"
#include "distributed/peer_lost.h"
#include "distributed/process.h"
#include "distributed/shared_memory_group.h"
#include "distributed/test_cluster.h"
#include "distributed/watcher.h"

namespace colossus::distributed {
namespace {

constexpr int kNumRanks = 4;
constexpr int64_t kNumShards = 8;
constexpr double kLong = 300;  // seconds that no test is to reach
constexpr int64_t kRestSteps = 3;
// More than the production's: a loaded machine must not look like a hang.
constexpr WatcherOptions kWatching = {.hang_seconds = 1};

// --- The rank. ---

// Pieces as short as a tile of a kernel, without an end.
void compute_forever(ThreadPool& pool) {
  pool.run(int64_t{1} << 40, [](int64_t, int) {
    volatile float x = 1;
    for (int i = 0; i < 5000; ++i) x = x * 0.5f + 1.0f;
  });
}

// What a rank is doing when another one is lost. Only returns by an exception.
void act(const std::string& role, ProcessGroup& group, ThreadPool& pool) {
  if (role == "compute") compute_forever(pool);
  for (int64_t step = 1; role == "commit"; ++step) group.commit(step);
  if (role == "idle") {
    group.idle(kLong);
    throw std::logic_error("idled to the end");
  }
  for (int64_t step = 1;; ++step) {
    checked_step(group, static_cast<uint64_t>(step), step);
  }
}

config::View wait_for_view(const Seat& seat, int64_t number) {
  uint64_t seen = 0;
  for (;;) {
    const std::optional<Posted> posted = seat.wait_posted(seen, kLong);
    if (!posted.has_value()) throw std::logic_error("no view came");
    if (posted->kind == PostedKind::kBegin && posted->view.number == number) {
      return posted->view;
    }
    seen = posted->sequence;
  }
}

// None for a spare of a view of several machines.
std::unique_ptr<ProcessGroup> make_group(const config::View& view,
                                         const Seat& seat,
                                         const Windows& windows,
                                         ThreadPool& pool, Network& network) {
  const GroupOptions options = {.deadline_seconds = kLong};
  bool one_machine = true;
  for (const config::Member& member : view.members) {
    one_machine = one_machine && member.machine == view.members[0].machine;
  }
  if (one_machine) {
    return std::make_unique<SharedMemoryGroup>(view, seat, windows, pool,
                                               options);
  }
  if (!config::takes_part(view.placement, seat.rank())) return nullptr;
  return std::make_unique<MachinesGroup>(view, seat, windows, pool, network,
                                         options);
}

// A spare's wait, which needs no group.
void idle(const Seat& seat) {
  Phases(1, {}, seat, {.deadline_seconds = kLong}).idle(kLong);
}

// View 1 until it is disturbed; then "prepared for 2"; then some steps of it.
void live(Seat& seat, const Windows& windows, Network& network,
          const std::string& role) {
  ThreadPool pool(2);
  config::View view = wait_for_view(seat, 1);
  Pulse first = seat.pulse(1), second = seat.pulse(2);
  pool.set_pulse(&first);
  try {
    const auto group = make_group(view, seat, windows, pool, network);
    seat.running(1);
    if (group == nullptr) idle(seat);
    act(role, *group, pool);
  } catch (const PeerLost&) {
  } catch (const Interrupted&) {
  }
  seat.prepared(2);
  view = wait_for_view(seat, 2);
  pool.set_pulse(&second);
  seat.running(2);
  const auto group = make_group(view, seat, windows, pool, network);
  for (int64_t step = 1; group->participates() && step <= kRestSteps; ++step) {
    checked_step(*group, 100 + static_cast<uint64_t>(step), step);
  }
}

int run_rank(const std::string& role, int slot, int64_t rank) {
  TestMachine machine(kFirstInherited, kFirstInherited + 1, kNumRanks,
                      kNumShards);
  Seat seat(machine.board(), slot, rank);
  Network network(kTestRun, rank, patient_network());
  seat.listens_at(network.endpoint());
  try {
    live(seat, machine.windows(), network, role);
  } catch (const std::exception& error) {
    seat.failed(error.what());
    return 1;
  }
  return 0;
}

// --- The agent. ---

// Machines whose rank r is a process in slot r of machine machine_R[r]. Losses
// are kept.
class Agent {
 public:
  explicit Agent(const std::vector<std::string>& roles)
      : Agent(roles, std::vector<int>(roles.size(), 0)) {}
  Agent(const std::vector<std::string>& roles,
        const std::vector<int>& machine_R)
      : machine_R_(machine_R) {
    const int machines =
        1 + *std::max_element(machine_R.begin(), machine_R.end());
    for (int machine = 0; machine < machines; ++machine) add_machine();
    for (size_t slot = 0; slot < roles.size(); ++slot) {
      const std::string number = std::to_string(slot);
      TestMachine& machine = machine_of(static_cast<int>(slot));
      ProcessStart start;
      start.program = "/proc/self/exe";
      start.arguments = {"--rank-process", roles[slot], number, number};
      start.fds = {machine.board().memory().fd(),
                   machine.windows().memory().fd()};
      pids_.push_back(start_process(start));
      watchers_[static_cast<size_t>(machine_R[slot])]->watch_child(
          static_cast<int>(slot), pids_.back());
    }
    EXPECT_TRUE(eventually([&] { return all_listen(); }))
        << "not all ranks joined";
  }
  ~Agent() {
    for (const pid_t pid : pids_) {
      if (pid == 0) continue;
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

  Board& board(int slot = 0) { return machine_of(slot).board(); }
  pid_t pid(int slot) const { return pids_[static_cast<size_t>(slot)]; }
  SlotReport report(int slot) { return board(slot).report(slot); }

  // Posts a view whose members are `ranks` on all machines.
  void begin(int64_t number, const std::vector<int64_t>& ranks,
             const config::Placement& placement) {
    config::View view;
    view.number = number;
    for (const int64_t rank : ranks) {
      const auto slot = static_cast<int>(rank);
      view.members.push_back(
          {rank, machine_R_[static_cast<size_t>(rank)], report(slot).endpoint});
    }
    view.placement = placement;
    for (const auto& machine : machines_) {
      EXPECT_TRUE(machine->board().post({PostedKind::kBegin, view, 0}));
    }
  }

  // All slots but `except` are in this state.
  bool all_are(SlotState state, int64_t number, const std::set<int>& except) {
    for (int slot = 0; slot < static_cast<int>(pids_.size()); ++slot) {
      const SlotReport now = report(slot);
      EXPECT_NE(now.state, SlotState::kFailed) << slot << now.text;
      if (except.contains(slot)) continue;
      if (now.state != state || now.number != number) return false;
    }
    return true;
  }

  std::vector<Loss> losses() {
    const std::lock_guard lock(mutex_);
    return losses_;
  }

  // The exit code of a rank, or minus the signal that ended it.
  int end_of(int slot) {
    int status = 0;
    ::waitpid(pid(slot), &status, 0);
    pids_[static_cast<size_t>(slot)] = 0;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  TestMachine& machine_of(int slot) {
    return *machines_[static_cast<size_t>(
        machine_R_[static_cast<size_t>(slot)])];
  }

  void add_machine() {
    machines_.push_back(
        std::make_unique<TestMachine>(Memory::kShared, kNumRanks, kNumShards));
    watchers_.push_back(std::make_unique<Watcher>(
        machines_.back()->board(), kWatching, [this](const Loss& loss) {
          const std::lock_guard lock(mutex_);
          losses_.push_back(loss);
        }));
  }

  bool all_listen() {
    for (int slot = 0; slot < static_cast<int>(pids_.size()); ++slot) {
      if (report(slot).endpoint.port == 0) return false;
    }
    return true;
  }

  const std::vector<int> machine_R_;
  std::vector<std::unique_ptr<TestMachine>> machines_;
  std::mutex mutex_;
  std::vector<Loss> losses_;
  std::vector<pid_t> pids_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
};

// What rank r does when the victim is lost: it waits for `awaits`, or (-1) it
// computes or idles and gives beats.
struct Scene {
  std::string name;
  std::vector<std::string> roles;
  std::vector<int> awaits;
  int victim;
};

// The rank that all meet first is rank 0, so who waits waits for it.
const Scene kScenes[] = {
    {"OthersWaitForTheVictim",
     {"compute", "step", "step", "idle"},
     {-1, 0, 0, -1},
     0},
    {"OthersWaitForAThirdRankThatIsAlive",
     {"compute", "step", "compute", "idle"},
     {-1, 0, -1, -1},
     2},
    {"TheVictimWaitsItself",
     {"compute", "step", "step", "idle"},
     {-1, 0, 0, -1},
     2},
    {"OthersCommit",
     {"commit", "commit", "compute", "idle"},
     {2, 2, -1, -1},
     2},
    {"AllCompute",
     {"compute", "compute", "compute", "idle"},
     {-1, -1, -1, -1},
     1},
};

// Where the four ranks are. Rank 3, a spare, has no connections: alone on its
// machine it hears nothing until its agent does.
const std::vector<int> kMachines[] = {
    {0, 0, 0, 0}, {0, 1, 1, 0}, {0, 1, 2, 2}, {0, 1, 2, 3}};

class LostRank
    : public testing::TestWithParam<std::tuple<Scene, int, std::vector<int>>> {
};

bool is_in_place(Agent& agent, const Scene& scene,
                 const std::vector<int>& machine_R) {
  for (int slot = 0; slot < kNumRanks; ++slot) {
    const SlotReport report = agent.report(slot);
    if (report.state != SlotState::kRunning || report.beats < 4) return false;
    const int awaits = scene.awaits[static_cast<size_t>(slot)];
    if (awaits < 0) continue;
    const SlotData& data = agent.board(slot).slot_data(slot);
    const bool beside = machine_R[static_cast<size_t>(slot)] ==
                        machine_R[static_cast<size_t>(awaits)];
    // Who waits for another machine has come to the end of a phase.
    const uint64_t phase = data.phase.load() % (uint64_t{1} << 32);
    if (beside ? data.awaited.load() != awaits : phase == 0) return false;
  }
  return true;
}

TEST_P(LostRank, MakesAllOthersLetGoAndGoOnInTheNextView) {
  const Scene& scene = std::get<0>(GetParam());
  const int signal = std::get<1>(GetParam());
  const std::vector<int>& machine_R = std::get<2>(GetParam());
  Agent agent(scene.roles, machine_R);
  agent.begin(1, {0, 1, 2, 3}, even_placement({0, 1, 2}, kNumShards));
  ASSERT_TRUE(eventually([&] { return is_in_place(agent, scene, machine_R); }));
  std::set<int> deaf = {scene.victim};
  if (machine_R[3] == 3) deaf.insert(3);
  ::kill(agent.pid(scene.victim), signal);
  // Nothing is posted: the watcher's word alone reaches everybody.
  ASSERT_TRUE(eventually([&] {
    return agent.all_are(SlotState::kPrepared, 2, deaf);
  })) << "not all let go";
  for (int slot = 0; slot < kNumRanks; ++slot) {
    if (slot != scene.victim && deaf.contains(slot)) continue;
    EXPECT_EQ(agent.board(slot).order(), order_of(1) + 1);
  }
  ASSERT_TRUE(eventually([&] { return !agent.losses().empty(); }));
  const Loss loss = agent.losses()[0];
  EXPECT_EQ(loss.slot, scene.victim);
  EXPECT_EQ(loss.rank, scene.victim);
  EXPECT_EQ(loss.pid, agent.pid(scene.victim));
  EXPECT_EQ(loss.how, signal == SIGKILL ? LossKind::kKilled : LossKind::kHung);
  EXPECT_TRUE(loss.fenced);
  EXPECT_EQ(agent.end_of(scene.victim), -SIGKILL);
  // The others, the spare among them, go on under a view without it.
  std::vector<int64_t> others;
  for (int64_t rank = 0; rank < kNumRanks; ++rank) {
    if (rank != scene.victim) others.push_back(rank);
  }
  agent.begin(2, others, even_placement(others, kNumShards));
  for (const int64_t rank : others) {
    const int slot = static_cast<int>(rank);
    EXPECT_EQ(agent.end_of(slot), 0) << agent.report(slot).text;
    EXPECT_EQ(agent.report(slot).committed_step, kRestSteps);
    EXPECT_EQ(agent.board(slot).order(), order_of(2))
        << "who is done disturbs nobody";
  }
  ASSERT_TRUE(eventually([&] { return agent.losses().size() == 4; }));
  for (const Loss& later : agent.losses()) {
    if (later.slot == scene.victim) continue;
    EXPECT_EQ(later.how, LossKind::kClosed);
  }
}

std::string machines_text(const std::vector<int>& machine_R) {
  const int most = *std::max_element(machine_R.begin(), machine_R.end());
  return std::to_string(most + 1);
}

INSTANTIATE_TEST_SUITE_P(Scenes, LostRank,
                         testing::Combine(testing::ValuesIn(kScenes),
                                          testing::Values(SIGKILL, SIGSTOP),
                                          testing::ValuesIn(kMachines)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name +
                                  (std::get<1>(info.param) == SIGKILL
                                       ? "Killed"
                                       : "Stopped") +
                                  "On" + machines_text(std::get<2>(info.param));
                         });

TEST(LostSpare, IsToldOfAndDisturbsNobody) {
  for (const int signal : {SIGKILL, SIGSTOP}) {
    Agent agent({"step", "step", "step", "idle"});
    agent.begin(1, {0, 1, 2, 3}, even_placement({0, 1, 2}, kNumShards));
    ASSERT_TRUE(
        eventually([&] { return agent.all_are(SlotState::kRunning, 1, {}); }));
    ::kill(agent.pid(3), signal);
    ASSERT_TRUE(eventually([&] { return !agent.losses().empty(); }));
    EXPECT_EQ(agent.losses()[0].rank, 3);
    const int64_t step = agent.board().report(0).committed_step;
    ASSERT_TRUE(eventually(
        [&] { return agent.board().report(0).committed_step > step + 5; }));
    EXPECT_EQ(agent.board().order(), order_of(1));
  }
}

TEST(LostRankBeforeItsSeat, IsToldOf) {
  TestMachine machine(Memory::kShared, 1, 1);
  std::mutex mutex;
  std::vector<Loss> losses;
  Watcher watcher(machine.board(), {}, [&](const Loss& loss) {
    const std::lock_guard lock(mutex);
    losses.push_back(loss);
  });
  ProcessStart start;
  start.program = "/proc/self/exe";
  start.arguments = {"--rank-dies-early"};
  const pid_t pid = start_process(start);
  watcher.watch_child(0, pid);
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return !losses.empty();
  }));
  EXPECT_EQ(losses[0].pid, pid);
  EXPECT_EQ(losses[0].rank, -1);
  EXPECT_EQ(losses[0].how, LossKind::kKilled);
  EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
}

// The agent that started the ranks is gone; its successor knows nothing but the
// number of one living rank.
TEST(Adoption, FindsTheMemoryOfALivingRankAndWatchesOn) {
  Agent agent({"compute", "step", "step", "idle"});
  agent.begin(1, {0, 1, 2, 3}, even_placement({0, 1, 2}, kNumShards));
  ASSERT_TRUE(
      eventually([&] { return agent.all_are(SlotState::kRunning, 1, {}); }));
  const pid_t rank = agent.pid(1);
  const std::optional<int> fd = find_memfd(rank, "test-board");
  ASSERT_TRUE(fd.has_value());
  Board board = Board::open(SharedMemory::adopt(rank, *fd), kTestRun);
  EXPECT_EQ(board.posted().view.number, 1);
  std::atomic<int> lost_slot{-1};
  Watcher successor(board, kWatching,
                    [&](const Loss& loss) { lost_slot = loss.slot; });
  for (int slot = 0; slot < kNumRanks; ++slot) successor.adopt(slot);
  ::kill(agent.pid(2), SIGSTOP);
  ASSERT_TRUE(
      eventually([&] { return agent.all_are(SlotState::kPrepared, 2, {2}); }));
  ASSERT_TRUE(eventually([&] { return lost_slot == 2; }));
}

TEST(Adoption, KillsNobodyOnABoardsWordAlone) {
  TestMachine machine(Memory::kShared, 2, 1);
  Watcher watcher(machine.board(), {}, [](const Loss&) {});
  // A process that never mapped the board.
  machine.board().slot_data(0).pid = ::getppid();
  EXPECT_THROW(watcher.adopt(0), RunError);
  machine.board().slot_data(1).pid = 0;
  EXPECT_THROW(watcher.adopt(1), RunError);
}

TEST(Process, IsQuietSoonAfterItIsKilledEvenWhileStopped) {
  Agent agent({"compute"});
  const Process process = Process::child(agent.pid(0));
  EXPECT_FALSE(process.quiet());
  ::kill(agent.pid(0), SIGSTOP);
  EXPECT_FALSE(process.wait_quiet(0.01));
  process.kill();
  EXPECT_TRUE(process.wait_quiet(60));
}

TEST(Process, RefusesWhoIsNoChild) {
  EXPECT_THROW(Process::child(::getppid()), RunError);
}

}  // namespace
}  // namespace colossus::distributed

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 4 && words[0] == "--rank-process") {
    return colossus::distributed::run_rank(words[1], std::stoi(words[2]),
                                           std::stoll(words[3]));
  }
  if (!words.empty() && words[0] == "--rank-dies-early") return 3;
  if (words.size() == 2 && words[0] == "--office-holder") {
    return colossus::distributed::run_office_holder(words[1]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
