// An agent against a coordinator that says what the test has it say. Its ranks
// are processes that only sleep, or this program again, started with --rank.
#include "agent/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "distributed/process.h"
#include "distributed/seat.h"
#include "protocol/server.h"

namespace colossus::agent {
namespace {

using distributed::Office;
using distributed::OfficeHolder;
using distributed::PostedKind;
using protocol::BegunView;
using protocol::RankEnd;
using protocol::RankLines;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Hash128 kRun = {3, 4};
constexpr double kLong = 300;  // seconds that no test is to reach
constexpr MachineLayout kLayout = {
    .run = kRun, .num_slots = 3, .num_shards = 2, .padded_count = 128};

// --- The rank. ---

// "obeys" follows what is posted, and reports a line when it is there.
int run_rank(int slot, int64_t rank, const std::string& role) {
  MachineMemory memory = MachineMemory::inherit(kLayout);
  distributed::Seat seat(memory.board(), slot, rank);
  if (role == "fails") {
    seat.failed("the loss is not finite");
    return 1;
  }
  memory.ring(slot, false).write("here\n");
  seat.prepared(0);
  for (uint64_t seen = 0;;) {
    const auto posted = seat.wait_posted(seen, kLong);
    if (!posted) return 1;
    seen = posted->sequence;
    if (posted->kind == PostedKind::kBegin) {
      seat.running(posted->view.number);
      seat.record_step(posted->view.start_step, 0, 0);
    } else {
      seat.prepared(posted->view.number);
    }
  }
}

// --- The coordinator. ---

class Coordinator {
 public:
  Coordinator() : server_(std::in_place, "127.0.0.1:0", handlers()) {}

  const std::string& address() const { return server_->address(); }
  void refuse_all(const std::string& why) { refusal_ = why; }

  // Until a report shows that they arrived.
  void order(const AgentOrders& orders) {
    const std::lock_guard lock(mutex_);
    orders_ = orders;
  }
  void say_kept(int64_t rank, int64_t position) {
    server_->send(0, protocol::LinesKept{rank, position});
  }

  // Whether the newest report comes to be such that it holds, within a minute.
  bool hears(const std::function<bool(const AgentReport&)>& holds) {
    std::unique_lock lock(mutex_);
    return news_.wait_for(lock, std::chrono::minutes(1),
                          [&] { return report_ && holds(*report_); });
  }
  bool hears_lines(size_t number) {
    std::unique_lock lock(mutex_);
    return news_.wait_for(lock, std::chrono::minutes(1),
                          [&] { return lines_.size() >= number; });
  }
  AgentReport report() {
    const std::lock_guard lock(mutex_);
    return *report_;
  }
  std::vector<RankLines> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  std::vector<protocol::Hello> hellos() {
    const std::lock_guard lock(mutex_);
    return hellos_;
  }

 private:
  protocol::ServerHandlers handlers() {
    return {.hello =
                [this](const protocol::Hello& hello) {
                  const std::lock_guard lock(mutex_);
                  if (!refusal_.empty()) throw UserError(refusal_);
                  hellos_.push_back(hello);
                  return protocol::Welcome{.machine = 0, .incarnation = 1};
                },
            .report =
                [this](AgentReport report) {
                  const std::lock_guard lock(mutex_);
                  report_ = std::move(report);
                  if (report_->version < orders_.version) {
                    server_->send(0, orders_);
                  }
                  news_.notify_all();
                },
            .lines =
                [this](int64_t, RankLines lines) {
                  const std::lock_guard lock(mutex_);
                  lines_.push_back(std::move(lines));
                  news_.notify_all();
                },
            .gone = [](int64_t) {},
            .resize = [](const auto&, const auto&) {},
            .stop = [](const auto&, const auto&) {}};
  }

  std::mutex mutex_;
  std::condition_variable news_;
  std::string refusal_;
  AgentOrders orders_;
  std::optional<AgentReport> report_;
  std::vector<RankLines> lines_;
  std::vector<protocol::Hello> hellos_;
  std::optional<protocol::Server> server_;
};

AgentOrders orders_of(int64_t version, const std::vector<int64_t>& ranks) {
  AgentOrders orders;
  orders.version = version;
  orders.ranks = ranks;
  return orders;
}

const RankSlot* slot_of(const AgentReport& report, int64_t rank) {
  for (const RankSlot& slot : report.ranks) {
    if (slot.rank == rank) return &slot;
  }
  return nullptr;
}

const RankEnd* end_of(const AgentReport& report, int64_t rank) {
  for (const RankEnd& end : report.ends) {
    if (end.rank == rank) return &end;
  }
  return nullptr;
}

// --- The machine. ---

// As if the agent's process was killed.
struct Killed : std::exception {};

class AgentTest : public testing::Test {
 protected:
  AgentTest()
      : memory_(MachineMemory::create(kLayout)),
        office_(OfficeHolder::take(memory_.board(), Office::kAgent)),
        coordinator_(std::make_unique<Coordinator>()) {}
  ~AgentTest() override {
    kill_agent();
    for (const pid_t pid : pids_) end(pid);
  }

  void run_agent() {
    AgentOptions options;
    options.run = kRun;
    options.host = "a-host";
    options.find_coordinator = [this] {
      const std::lock_guard lock(mutex_);
      if (killed_) throw Killed();
      return coordinator_ == nullptr ? "" : coordinator_->address();
    };
    options.rank_start = [this](const RankStart& rank) {
      return start_of(rank);
    };
    options.watcher.hang_seconds = kLong;
    options.seat_seconds = seat_seconds_;
    options.leaves = [this] { return leaves_.load(); };
    options.leaves_at_once = [this] { return leaves_at_once_.load(); };
    agent_ = std::make_unique<Agent>(std::move(options), memory_, *office_,
                                     real_clock());
    thread_ = std::thread([this] {
      try {
        agent_end_ = agent_->run();
      } catch (const Killed&) {
      } catch (const UserError& error) {
        refusal_ = error.what();
      }
    });
  }

  // It says no more to anybody; its ranks live.
  void kill_agent() {
    {
      const std::lock_guard lock(mutex_);
      killed_ = true;
    }
    replace_coordinator(nullptr);
    if (thread_.joinable()) thread_.join();
    agent_.reset();
  }

  void replace_coordinator(std::unique_ptr<Coordinator> next) {
    {
      const std::lock_guard lock(mutex_);
      std::swap(coordinator_, next);
    }
  }

  void run_successor() {
    kill_agent();
    killed_ = false;
    replace_coordinator(std::make_unique<Coordinator>());
    run_agent();
  }

  void wait_for_end() { thread_.join(); }

  distributed::ProcessStart start_of(const RankStart& rank) {
    started_.insert(rank.rank);
    distributed::ProcessStart start;
    start.program = program_;
    start.arguments = {"1000"};
    if (program_ == "/proc/self/exe") {
      start.arguments = {"--rank", std::to_string(rank.slot),
                         std::to_string(rank.rank), role_};
    }
    return start;
  }

  // Whose process is there; remembers it to end it behind the test.
  pid_t wait_for_process(int64_t rank) {
    const bool came = coordinator_->hears([&](const AgentReport& report) {
      const RankSlot* slot = slot_of(report, rank);
      return slot != nullptr && slot->pid > 0;
    });
    if (!came) throw RunError("no process");
    const auto pid =
        static_cast<pid_t>(slot_of(coordinator_->report(), rank)->pid);
    pids_.push_back(pid);
    return pid;
  }
  RankEnd wait_for_end_of(int64_t rank) {
    const bool came = coordinator_->hears([&](const AgentReport& report) {
      return end_of(report, rank) != nullptr;
    });
    if (!came) throw RunError("no end");
    return *end_of(coordinator_->report(), rank);
  }

  static bool is_child(pid_t pid) {
    try {
      return !distributed::Process::child(pid).ended();
    } catch (const RunError&) {
      return false;
    }
  }
  static void end(pid_t pid) {
    try {
      distributed::Process::child(pid).kill();
      ::waitpid(pid, nullptr, 0);
    } catch (const RunError&) {
      // It was waited for.
    }
  }

  MachineMemory memory_;
  std::optional<OfficeHolder> office_;
  std::string program_ = "/bin/sleep", role_;
  double seat_seconds_ = kLong;
  std::multiset<int64_t> started_;  // ranks, by the agent's thread
  std::string refusal_;
  std::optional<AgentEnd> agent_end_;
  std::vector<pid_t> pids_;
  std::atomic<bool> leaves_{false}, leaves_at_once_{false};

  std::mutex mutex_;  // guards what follows
  bool killed_ = false;
  std::unique_ptr<Coordinator> coordinator_;

  std::unique_ptr<Agent> agent_;
  std::thread thread_;
};

TEST_F(AgentTest, SaysWhoItIsAndRemembersItsMachine) {
  run_agent();
  ASSERT_TRUE(coordinator_->hears([](const auto&) { return true; }));
  const protocol::Hello hello = coordinator_->hellos()[0];
  EXPECT_EQ(hello.run, kRun);
  EXPECT_EQ(hello.machine, protocol::kNone);
  EXPECT_EQ(hello.memory_id, memory_.board().memory_id());
  EXPECT_EQ(hello.host, "a-host");
  EXPECT_EQ(memory_.board().machine(), 0);
  run_successor();
  ASSERT_TRUE(coordinator_->hears([](const auto&) { return true; }));
  EXPECT_EQ(coordinator_->hellos()[0].machine, 0);
}

TEST_F(AgentTest, StartsTheRanksThatOrdersName) {
  run_agent();
  coordinator_->order(orders_of(1, {0, 1}));
  const pid_t first = wait_for_process(0), second = wait_for_process(1);
  EXPECT_NE(first, second);
  EXPECT_TRUE(is_child(first));
  EXPECT_TRUE(is_child(second));
  EXPECT_EQ(coordinator_->report().version, 1);
  coordinator_->order(orders_of(2, {0, 1}));
  ASSERT_TRUE(
      coordinator_->hears([](const auto& r) { return r.version == 2; }));
  EXPECT_THAT(started_, ElementsAre(0, 1));
}

TEST_F(AgentTest, EndsTheRanksThatOrdersNameNoMore) {
  run_agent();
  coordinator_->order(orders_of(1, {0, 1}));
  const pid_t first = wait_for_process(0), second = wait_for_process(1);
  coordinator_->order(orders_of(2, {1}));
  const RankEnd end = wait_for_end_of(0);
  EXPECT_EQ(end.pid, first);
  EXPECT_FALSE(end.failed);
  EXPECT_FALSE(is_child(first));
  EXPECT_TRUE(is_child(second));
  EXPECT_EQ(slot_of(coordinator_->report(), 0), nullptr);
}

TEST_F(AgentTest, TellsBySignalHowARankEndedAndDoesNotStartItAgain) {
  run_agent();
  coordinator_->order(orders_of(1, {0}));
  const pid_t pid = wait_for_process(0);
  ::kill(pid, SIGTERM);
  const RankEnd end = wait_for_end_of(0);
  EXPECT_EQ(end.how, fmt::format("rank 0 (process {}) was ended by signal 15 "
                                 "(Terminated)",
                                 pid));
  coordinator_->order(orders_of(2, {0, 1}));
  wait_for_process(1);
  EXPECT_THAT(started_, ElementsAre(0, 1));
}

TEST_F(AgentTest, TellsTheExitCodeOfARankThatLeft) {
  program_ = "/bin/false";
  run_agent();
  coordinator_->order(orders_of(1, {0}));
  EXPECT_THAT(wait_for_end_of(0).how, HasSubstr("left with exit code 1"));
}

// Stopped, say, before it gave the first beat.
TEST_F(AgentTest, EndsARankThatTakesNoSeat) {
  seat_seconds_ = 0.05;
  run_agent();
  coordinator_->order(orders_of(1, {0}));
  const RankEnd end = wait_for_end_of(0);
  EXPECT_EQ(end.how, fmt::format("rank 0 (process {}) had not taken its seat "
                                 "0.05 s after its start and was ended",
                                 end.pid));
  EXPECT_FALSE(is_child(static_cast<pid_t>(end.pid)));
}

TEST_F(AgentTest, TellsWhyARankCannotGoOn) {
  program_ = "/proc/self/exe";
  role_ = "fails";
  run_agent();
  coordinator_->order(orders_of(1, {0}));
  const RankEnd end = wait_for_end_of(0);
  EXPECT_TRUE(end.failed);
  EXPECT_THAT(end.how, HasSubstr("the loss is not finite"));
}

TEST_F(AgentTest, TellsOfARankForWhichTheBoardHasNoSlot) {
  run_agent();
  coordinator_->order(orders_of(1, {0, 1, 2, 3}));
  for (const int64_t rank : {0, 1, 2}) wait_for_process(rank);
  EXPECT_THAT(wait_for_end_of(3).how, HasSubstr("no free slot"));
  EXPECT_THAT(started_, ElementsAre(0, 1, 2));
}

BegunView first_view() {
  BegunView begun;
  begun.view = {
      .number = 1,
      .members = {{.rank = 0, .machine = 0}},
      .placement = {.owner_S = {0, 0},
                    .backup_S = {config::kNoBackup, config::kNoBackup}},
      .start_step = 0,
      .reason = "start"};
  begun.last_step = 10;
  return begun;
}

TEST_F(AgentTest, PassesBothRoundsOfAViewOnAndAnswers) {
  program_ = "/proc/self/exe";
  role_ = "obeys";
  run_agent();
  AgentOrders orders = orders_of(1, {0});
  orders.number = 1;
  coordinator_->order(orders);
  wait_for_process(0);
  ASSERT_TRUE(coordinator_->hears([](const AgentReport& report) {
    const RankSlot* slot = slot_of(report, 0);
    return report.number == 1 && report.answered && slot != nullptr &&
           slot->ready && slot->let_go == 1;
  }));
  orders.version = 2;
  orders.begun = std::make_shared<BegunView>(first_view());
  coordinator_->order(orders);
  ASSERT_TRUE(coordinator_->hears([](const AgentReport& report) {
    const RankSlot* slot = slot_of(report, 0);
    return slot != nullptr && slot->view == 1 && slot->committed_step == 0;
  }));
}

TEST_F(AgentTest, SendsLinesUntilTheyAreKept) {
  program_ = "/proc/self/exe";
  role_ = "obeys";
  run_agent();
  coordinator_->order(orders_of(1, {0}));
  wait_for_process(0);
  ASSERT_TRUE(coordinator_->hears_lines(1));
  EXPECT_THAT(coordinator_->lines()[0].lines, ElementsAre("here\n"));
  // That coordinator wrote nothing down.
  replace_coordinator(std::make_unique<Coordinator>());
  ASSERT_TRUE(coordinator_->hears_lines(1));
  const RankLines again = coordinator_->lines()[0];
  EXPECT_THAT(again.lines, ElementsAre("here\n"));
  coordinator_->say_kept(0, again.ends[0]);
  const int slot = memory_.board().slot_of(0);
  memory_.ring(slot, false).write("there\n");
  ASSERT_TRUE(coordinator_->hears_lines(2));
  EXPECT_THAT(coordinator_->lines()[1].lines, ElementsAre("there\n"));
  EXPECT_GT(coordinator_->lines()[1].ends[0], again.ends[0]);
}

TEST_F(AgentTest, LeavesWhenTheRunIsOverAndAllIsKept) {
  program_ = "/proc/self/exe";
  role_ = "obeys";
  run_agent();
  coordinator_->order(orders_of(1, {0}));
  const pid_t pid = wait_for_process(0);
  ASSERT_TRUE(coordinator_->hears_lines(1));
  AgentOrders last = orders_of(2, {});
  last.over = true;
  coordinator_->order(last);
  wait_for_end_of(0);
  coordinator_->say_kept(0, coordinator_->lines()[0].ends[0]);
  wait_for_end();
  EXPECT_EQ(agent_end_, AgentEnd::kRunOver);
  EXPECT_FALSE(is_child(pid));
}

TEST_F(AgentTest, SaysThatItIsToLeaveAndGoesWhenItMay) {
  run_agent();
  coordinator_->order(orders_of(1, {0}));
  const pid_t pid = wait_for_process(0);
  EXPECT_FALSE(coordinator_->report().leaves);
  leaves_ = true;
  ASSERT_TRUE(coordinator_->hears([](const auto& r) { return r.leaves; }));
  EXPECT_TRUE(is_child(pid));
  AgentOrders last = orders_of(2, {});
  last.left = true;
  coordinator_->order(last);
  wait_for_end();
  EXPECT_EQ(agent_end_, AgentEnd::kLeft);
  EXPECT_FALSE(is_child(pid));
}

TEST_F(AgentTest, EndsItsRanksIfItCannotSayThatItLeaves) {
  run_agent();
  coordinator_->order(orders_of(1, {0}));
  const pid_t pid = wait_for_process(0);
  replace_coordinator(nullptr);
  leaves_ = true;
  wait_for_end();
  EXPECT_EQ(agent_end_, AgentEnd::kUnreachable);
  EXPECT_FALSE(is_child(pid));
  EXPECT_TRUE(distributed::is_closed(memory_.board(), Office::kAgent));
}

TEST_F(AgentTest, EndsItsRanksAtOnce) {
  run_agent();
  coordinator_->order(orders_of(1, {0, 1}));
  const pid_t first = wait_for_process(0), second = wait_for_process(1);
  leaves_ = leaves_at_once_ = true;
  wait_for_end();
  EXPECT_EQ(agent_end_, AgentEnd::kAtOnce);
  EXPECT_FALSE(is_child(first));
  EXPECT_FALSE(is_child(second));
  EXPECT_TRUE(distributed::is_closed(memory_.board(), Office::kAgent));
}

TEST_F(AgentTest, GoesAtOnceIfItNeverJoined) {
  replace_coordinator(nullptr);
  leaves_ = true;
  run_agent();
  wait_for_end();
  EXPECT_EQ(agent_end_, AgentEnd::kLeft);
}

TEST_F(AgentTest, LeavesWithTheCoordinatorsRefusal) {
  coordinator_->refuse_all("of another run");
  run_agent();
  wait_for_end();
  EXPECT_EQ(refusal_, "of another run");
}

TEST_F(AgentTest, ASuccessorAdoptsTheRanksAndStartsNoneAgain) {
  run_agent();
  coordinator_->order(orders_of(1, {0, 1}));
  const pid_t first = wait_for_process(0), second = wait_for_process(1);
  run_successor();
  EXPECT_TRUE(is_child(first));
  coordinator_->order(orders_of(2, {0, 1, 2}));
  wait_for_process(2);
  EXPECT_EQ(wait_for_process(0), first);
  EXPECT_EQ(wait_for_process(1), second);
  EXPECT_THAT(started_, ElementsAre(0, 1, 2));
  // It finds their ends, too, and ends them when it is told to.
  ::kill(first, SIGKILL);
  EXPECT_EQ(wait_for_end_of(0).pid, first);
  coordinator_->order(orders_of(3, {2}));
  EXPECT_EQ(wait_for_end_of(1).pid, second);
}

TEST_F(AgentTest, ASuccessorKnowsARankThatDiedWhileNobodyLooked) {
  run_agent();
  coordinator_->order(orders_of(1, {0}));
  const pid_t pid = wait_for_process(0);
  kill_agent();
  end(pid);
  run_successor();
  coordinator_->order(orders_of(2, {0}));
  ASSERT_TRUE(
      coordinator_->hears([](const auto& r) { return r.version == 2; }));
  EXPECT_EQ(slot_of(coordinator_->report(), 0), nullptr);
  EXPECT_THAT(started_, ElementsAre(0));
}

}  // namespace
}  // namespace colossus::agent

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 4 && words[0] == "--rank") {
    return colossus::agent::run_rank(std::stoi(words[1]), std::stoll(words[2]),
                                     words[3]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
