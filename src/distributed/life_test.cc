// Offices of a machine, held by this process and by others that are killed and
// stopped: this test program again, started with --office-holder.
#include "distributed/life.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "distributed/board_layout.h"
#include "distributed/process.h"
#include "distributed/test_machine.h"

namespace colossus::distributed {

// --- The holder. ---

int run_office_holder(const std::string& role) {
  Board board = Board::open(SharedMemory::map(kFirstInherited), kTestRun);
  if (role == "leaves") return 0;
  const auto office = OfficeHolder::take(board, Office::kAgent);
  if (!office) return 1;
  if (role == "closes") {
    office->close();
    return 0;
  }
  if (role == "spawns" && ::fork() == 0) {
    // As between fork and exec: all that the parent has open is open here.
    while (!is_closed(board, Office::kCoordinator)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ::_exit(0);
  }
  for (;;) {
    if (role == "beats" || role == "spawns") office->beat();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

namespace {

constexpr double kLong = 300;  // seconds that no test is to reach

// --- Who looks. ---

// A board, and the processes that were started to hold its agent's office.
class Machine {
 public:
  ~Machine() {
    for (const pid_t pid : pids()) end(pid);
  }

  Board& board() { return machine_.board(); }

  pid_t start(const std::string& role) {
    ProcessStart start;
    start.program = "/proc/self/exe";
    start.arguments = {"--office-holder", role};
    start.fds = {board().memory().fd()};
    const pid_t pid = start_process(start);
    const std::lock_guard lock(mutex_);
    pids_.push_back(pid);
    return pid;
  }
  // Of all that were started, in order.
  std::vector<pid_t> pids() {
    const std::lock_guard lock(mutex_);
    return pids_;
  }

  LifeData& life(Office office = Office::kAgent) {
    return board().data().lives[static_cast<size_t>(office)];
  }
  bool is_held_by(pid_t pid) { return life().pid == pid; }
  // The newest process holds the office and gave signs of life since.
  bool beats_on() {
    const uint64_t beats = life().beats;
    return eventually(
        [&] { return is_held_by(pids().back()) && life().beats > beats + 50; });
  }

  // If it is a child still.
  static void end(pid_t pid) {
    try {
      Process::child(pid).kill();
      ::waitpid(pid, nullptr, 0);
    } catch (const RunError&) {
      // The keeper waited for it.
    }
  }

 private:
  TestMachine machine_{Memory::kShared, 1, 1};
  std::mutex mutex_;
  std::vector<pid_t> pids_;
};

KeeperOptions options(double hang_seconds) {
  return {.hang_seconds = hang_seconds,
          .patience_seconds = 0,
          .retry_seconds = kLong,
          .look_seconds = 0.002};
}

TEST(OfficeHolder, IsOneAtATime) {
  Machine machine;
  const auto agent = OfficeHolder::take(machine.board(), Office::kAgent, 0);
  ASSERT_TRUE(agent.has_value());
  EXPECT_FALSE(OfficeHolder::take(machine.board(), Office::kAgent, 0));
  EXPECT_TRUE(OfficeHolder::take(machine.board(), Office::kCoordinator, 0));
  EXPECT_TRUE(machine.is_held_by(::getpid()));
}

TEST(OfficeHolder, IsFollowedThoughAChildOfItIsStuckBeforeItsExec) {
  Machine machine;
  const pid_t pid = machine.start("spawns");
  ASSERT_TRUE(machine.beats_on());
  Machine::end(pid);
  EXPECT_TRUE(OfficeHolder::take(machine.board(), Office::kAgent));
  const auto last = OfficeHolder::take(machine.board(), Office::kCoordinator);
  ASSERT_TRUE(last.has_value());
  last->close();  // ends the child
}

TEST(OfficeHolder, IsFollowedWhenItIsGone) {
  Machine machine;
  {
    auto first = OfficeHolder::take(machine.board(), Office::kAgent, 0);
    ASSERT_TRUE(first.has_value());
    const OfficeHolder moved = std::move(*first);
    first.reset();
    EXPECT_FALSE(OfficeHolder::take(machine.board(), Office::kAgent, 0));
  }
  EXPECT_TRUE(OfficeHolder::take(machine.board(), Office::kAgent, 0));
}

TEST(OfficeHolder, OfAProcessThatIsKilledIsFollowed) {
  Machine machine;
  const pid_t pid = machine.start("beats");
  ASSERT_TRUE(eventually([&] { return machine.is_held_by(pid); }));
  EXPECT_FALSE(OfficeHolder::take(machine.board(), Office::kAgent, 0));
  ::kill(pid, SIGKILL);
  EXPECT_TRUE(OfficeHolder::take(machine.board(), Office::kAgent, kLong));
}

// One that was started before, and waited, would be alone in a run that is
// over.
TEST(OfficeHolder, ThatClosedItIsTheLast) {
  Machine machine;
  EXPECT_FALSE(is_closed(machine.board(), Office::kAgent));
  {
    const auto last = OfficeHolder::take(machine.board(), Office::kAgent);
    EXPECT_FALSE(is_closed(machine.board(), Office::kAgent));
    last->close();
  }
  EXPECT_TRUE(is_closed(machine.board(), Office::kAgent));
  EXPECT_FALSE(is_closed(machine.board(), Office::kCoordinator));
  EXPECT_FALSE(OfficeHolder::take(machine.board(), Office::kAgent, kLong));
  EXPECT_TRUE(is_closed(machine.board(), Office::kAgent));
}

// Ended, and waited for by whoever ended it.
bool is_gone(pid_t pid) {
  try {
    Process::child(pid);
    return false;
  } catch (const RunError&) {
    return true;
  }
}

TEST(OfficeKeeper, StartsAHolderWhereThereIsNoneAndLeavesItInPeace) {
  Machine machine;
  const OfficeKeeper keeper(machine.board(), Office::kAgent, options(kLong),
                            [&] { return machine.start("beats"); });
  ASSERT_TRUE(eventually([&] { return !machine.pids().empty(); }));
  EXPECT_TRUE(machine.beats_on());
  EXPECT_TRUE(machine.beats_on());
  EXPECT_EQ(machine.pids().size(), 1u);
}

TEST(OfficeKeeper, StartsNobodyWhereSomebodyElseHoldsTheOffice) {
  Machine machine;
  const pid_t pid = machine.start("beats");
  ASSERT_TRUE(eventually([&] { return machine.is_held_by(pid); }));
  const OfficeKeeper keeper(machine.board(), Office::kAgent, options(kLong),
                            [&] { return machine.start("beats"); });
  EXPECT_TRUE(machine.beats_on());
  EXPECT_TRUE(machine.beats_on());
  EXPECT_EQ(machine.pids().size(), 1u);
}

TEST(OfficeKeeper, ReplacesAHolderThatIsKilledAgainAndAgain) {
  Machine machine;
  KeeperOptions often = options(kLong);
  often.retry_seconds = 1;
  const OfficeKeeper keeper(machine.board(), Office::kAgent, often,
                            [&] { return machine.start("beats"); });
  for (size_t number = 1; number <= 3; ++number) {
    ASSERT_TRUE(eventually(
        [&] { return machine.pids().size() >= number && machine.beats_on(); }));
    Machine::end(machine.pids().back());
  }
}

TEST(OfficeKeeper, EndsAndReplacesAHolderThatStandsStill) {
  for (const std::string role : {"beats", "stands still"}) {
    Machine machine;
    const pid_t pid = machine.start(role);
    ASSERT_TRUE(eventually([&] { return machine.is_held_by(pid); }));
    if (role == "beats") ::kill(pid, SIGSTOP);
    const OfficeKeeper keeper(machine.board(), Office::kAgent, options(0.3),
                              [&] { return machine.start("stands still"); });
    ASSERT_TRUE(eventually([&] { return machine.pids().size() == 2; }));
    ASSERT_TRUE(
        eventually([&] { return machine.is_held_by(machine.pids().back()); }));
    EXPECT_TRUE(eventually([&] { return is_gone(pid); })) << pid;
  }
}

TEST(OfficeKeeper, TriesAgainWhenNobodyCouldBeStarted) {
  Machine machine;
  std::atomic<int> tries{0};
  KeeperOptions often = options(kLong);
  often.retry_seconds = 0.01;
  const OfficeKeeper keeper(machine.board(), Office::kAgent, often, [&] {
    if (++tries < 3) throw RunError("no such program");
    return machine.start(tries < 6 ? "leaves" : "beats");
  });
  ASSERT_TRUE(eventually([&] { return tries >= 6; }));
  ASSERT_TRUE(eventually([&] { return machine.life().pid > 0; }));
}

// Its number may be another process's by now.
TEST(OfficeKeeper, EndsNobodyOnTheBoardsWordAlone) {
  Machine machine;
  ProcessStart start;
  start.program = "/bin/sleep";
  start.arguments = {"1000"};
  const pid_t stranger = start_process(start);
  machine.life().pid = stranger;
  {
    const OfficeKeeper keeper(machine.board(), Office::kAgent, options(0.05),
                              [&] { return machine.start("stands still"); });
    EXPECT_TRUE(eventually([&] { return !machine.pids().empty(); }));
  }
  EXPECT_FALSE(Process::child(stranger).ended());
  Machine::end(stranger);
}

TEST(OfficeKeeper, StartsNobodyOnceTheOfficeIsClosed) {
  Machine machine;
  KeeperOptions often = options(kLong);
  often.retry_seconds = 0.005;
  const OfficeKeeper keeper(machine.board(), Office::kAgent, often,
                            [&] { return machine.start("closes"); });
  ASSERT_TRUE(
      eventually([&] { return is_closed(machine.board(), Office::kAgent); }));
  // By the time that the other office's keeper tried that often, this one, too,
  // has looked.
  const size_t before = machine.pids().size();
  std::atomic<int> tries{0};
  const OfficeKeeper other(machine.board(), Office::kCoordinator, often,
                           [&]() -> pid_t {
                             ++tries;
                             throw RunError("never");
                           });
  ASSERT_TRUE(eventually([&] { return tries > 20; }));
  EXPECT_LE(machine.pids().size(), before + 1);  // one was on its way
}

}  // namespace
}  // namespace colossus::distributed
