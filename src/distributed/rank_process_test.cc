// Ranks as real processes that are killed and stopped. This test program is the
// rank too: it starts itself anew with --rank-process.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/board_layout.h"
#include "distributed/peer_lost.h"
#include "distributed/process.h"
#include "distributed/shared_memory_group.h"
#include "distributed/test_machine.h"
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
void act(const std::string& role, SharedMemoryGroup& group, ThreadPool& pool) {
  if (role == "compute") compute_forever(pool);
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

// View 1 until it is disturbed; then "prepared for 2"; then some steps of it.
void live(Seat& seat, const Windows& windows, const std::string& role) {
  ThreadPool pool(2);
  config::View view = wait_for_view(seat, 1);
  Pulse first = seat.pulse(1), second = seat.pulse(2);
  pool.set_pulse(&first);
  try {
    SharedMemoryGroup group(view, seat, windows, pool,
                            {.deadline_seconds = kLong});
    seat.running(1);
    act(role, group, pool);
  } catch (const PeerLost&) {
  } catch (const Interrupted&) {
  }
  seat.prepared(2);
  view = wait_for_view(seat, 2);
  pool.set_pulse(&second);
  seat.running(2);
  SharedMemoryGroup group(view, seat, windows, pool,
                          {.deadline_seconds = kLong});
  for (int64_t step = 1; group.participates() && step <= kRestSteps; ++step) {
    checked_step(group, 100 + static_cast<uint64_t>(step), step);
  }
}

int run_rank(const std::string& role, int slot, int64_t rank) {
  TestMachine machine(kFirstInherited, kFirstInherited + 1, kNumRanks,
                      kNumShards);
  Seat seat(machine.board(), slot, rank);
  try {
    live(seat, machine.windows(), role);
  } catch (const std::exception& error) {
    seat.failed(error.what());
    return 1;
  }
  return 0;
}

// --- The agent. ---

// A machine whose rank r is a process in slot r. Its slots' losses are kept.
class Agent {
 public:
  explicit Agent(const std::vector<std::string>& roles)
      : machine_(Memory::kShared, kNumRanks, kNumShards),
        watcher_(machine_.board(), kWatching, [this](const Loss& loss) {
          const std::lock_guard lock(mutex_);
          losses_.push_back(loss);
        }) {
    for (size_t slot = 0; slot < roles.size(); ++slot) {
      const std::string number = std::to_string(slot);
      ProcessStart start;
      start.program = "/proc/self/exe";
      start.arguments = {"--rank-process", roles[slot], number, number};
      start.fds = {board().memory().fd(), machine_.windows().memory().fd()};
      pids_.push_back(start_process(start));
      watcher_.watch_child(static_cast<int>(slot), pids_.back());
    }
    EXPECT_TRUE(eventually([&] { return all_are(SlotState::kJoining, 0, -1); }))
        << "not all ranks joined";
  }
  ~Agent() {
    for (const pid_t pid : pids_) {
      if (pid == 0) continue;
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

  TestMachine& machine() { return machine_; }
  Board& board() { return machine_.board(); }
  pid_t pid(int slot) const { return pids_[static_cast<size_t>(slot)]; }

  // All slots but `except` are in this state.
  bool all_are(SlotState state, int64_t number, int except) {
    for (int slot = 0; slot < static_cast<int>(pids_.size()); ++slot) {
      const SlotReport report = board().report(slot);
      EXPECT_NE(report.state, SlotState::kFailed) << slot << report.text;
      if (slot == except) continue;
      if (report.state != state || report.number != number) return false;
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
  TestMachine machine_;
  std::mutex mutex_;
  std::vector<Loss> losses_;
  std::vector<pid_t> pids_;
  Watcher watcher_;
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
    {"AllCompute",
     {"compute", "compute", "compute", "idle"},
     {-1, -1, -1, -1},
     1},
};

class LostRank : public testing::TestWithParam<std::tuple<Scene, int>> {};

bool is_in_place(const Board& board, const Scene& scene) {
  for (int slot = 0; slot < kNumRanks; ++slot) {
    const SlotReport report = board.report(slot);
    if (report.state != SlotState::kRunning || report.beats < 4) return false;
    const int awaits = scene.awaits[static_cast<size_t>(slot)];
    if (awaits >= 0 && board.slot_data(slot).awaited.load() != awaits) {
      return false;
    }
  }
  return true;
}

TEST_P(LostRank, MakesAllOthersLetGoAndGoOnInTheNextView) {
  const Scene& scene = std::get<0>(GetParam());
  const int signal = std::get<1>(GetParam());
  Agent agent(scene.roles);
  agent.machine().begin(1, {0, 1, 2, 3}, even_placement({0, 1, 2}, kNumShards));
  ASSERT_TRUE(eventually([&] { return is_in_place(agent.board(), scene); }));
  ::kill(agent.pid(scene.victim), signal);
  // Nothing is posted: the watcher's word alone reaches everybody.
  ASSERT_TRUE(eventually([&] {
    return agent.all_are(SlotState::kPrepared, 2, scene.victim);
  })) << "not all let go";
  EXPECT_EQ(agent.board().order(), order_of(1) + 1);
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
  agent.machine().begin(2, others, even_placement(others, kNumShards));
  for (const int64_t rank : others) {
    const int slot = static_cast<int>(rank);
    EXPECT_EQ(agent.end_of(slot), 0) << agent.board().report(slot).text;
    EXPECT_EQ(agent.board().report(slot).committed_step, kRestSteps);
  }
  EXPECT_EQ(agent.board().order(), order_of(2))
      << "who is done disturbs nobody";
  ASSERT_TRUE(eventually([&] { return agent.losses().size() == 4; }));
  for (const Loss& later : agent.losses()) {
    if (later.slot == scene.victim) continue;
    EXPECT_EQ(later.how, LossKind::kClosed);
  }
}

INSTANTIATE_TEST_SUITE_P(Scenes, LostRank,
                         testing::Combine(testing::ValuesIn(kScenes),
                                          testing::Values(SIGKILL, SIGSTOP)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name +
                                  (std::get<1>(info.param) == SIGKILL
                                       ? "Killed"
                                       : "Stopped");
                         });

TEST(LostSpare, IsToldOfAndDisturbsNobody) {
  for (const int signal : {SIGKILL, SIGSTOP}) {
    Agent agent({"step", "step", "step", "idle"});
    agent.machine().begin(1, {0, 1, 2, 3},
                          even_placement({0, 1, 2}, kNumShards));
    ASSERT_TRUE(
        eventually([&] { return agent.all_are(SlotState::kRunning, 1, -1); }));
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
  agent.machine().begin(1, {0, 1, 2, 3}, even_placement({0, 1, 2}, kNumShards));
  ASSERT_TRUE(
      eventually([&] { return agent.all_are(SlotState::kRunning, 1, -1); }));
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
      eventually([&] { return agent.all_are(SlotState::kPrepared, 2, 2); }));
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
