// The coordinator's process with agents that say what the test has them say.
#include "runtime/run_coordinator.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <future>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "protocol/client.h"
#include "runtime/coordinator_request.h"
#include "runtime/journal_codec.h"
#include "runtime/run_testing.h"

namespace colossus::runtime {
namespace {

using protocol::AgentOrders;
using protocol::AgentReport;
using protocol::RankLines;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr double kAskSeconds = 60;  // that no test is to reach

// A machine that does what its orders say at once.
class FakeAgent {
 public:
  FakeAgent(const std::string& address, const protocol::Hello& hello)
      : connection_(std::make_unique<protocol::AgentConnection>(
            address, hello,
            protocol::AgentConnection::Handlers{
                [this](const protocol::ToAgent& word) {
                  const std::lock_guard lock(mutex_);
                  words_.push_back(word);
                  news_.notify_all();
                },
                [this](const std::string& why, bool refused) {
                  const std::lock_guard lock(mutex_);
                  if (refused) refusal_ = why;
                  news_.notify_all();
                }})) {}

  // Obeys, and reports again and again, until `done`; false after a minute.
  bool serve_until(const std::function<bool()>& done) {
    const double deadline = real_clock().steady_seconds() + 60;
    while (!done()) {
      if (real_clock().steady_seconds() > deadline) return false;
      for (const protocol::ToAgent& word : wait_for_words()) hear(word);
      if (welcome_) send_report();
    }
    return true;
  }
  std::string wait_for_refusal() {
    std::unique_lock lock(mutex_);
    news_.wait_for(lock, std::chrono::minutes(1),
                   [this] { return !refusal_.empty(); });
    return refusal_;
  }

  void say(const RankLines& lines) { connection_->send(lines); }
  void leave() { connection_.reset(); }

  bool welcomed() const { return welcome_.has_value(); }
  int64_t machine() const { return welcome_->machine; }
  const AgentOrders& orders() const { return orders_; }
  int64_t kept() const { return kept_; }
  void add_end(const protocol::RankEnd& end) { ends_.push_back(end); }
  // From now on each report is of one more step, in which that rank was slow.
  void make_slow(int64_t rank) { slow_rank_ = rank; }

 private:
  std::vector<protocol::ToAgent> wait_for_words() {
    std::unique_lock lock(mutex_);
    news_.wait_for(lock, std::chrono::milliseconds(20),
                   [this] { return !words_.empty(); });
    return std::exchange(words_, {});
  }

  void hear(const protocol::ToAgent& word) {
    if (const auto* welcome = std::get_if<protocol::Welcome>(&word)) {
      welcome_ = *welcome;
    } else if (const auto* kept = std::get_if<protocol::LinesKept>(&word)) {
      kept_ = kept->position;
    } else {
      orders_ = std::get<AgentOrders>(word);
    }
  }

  bool has_ended(int64_t rank) const {
    for (const protocol::RankEnd& end : ends_) {
      if (end.rank == rank) return true;
    }
    return false;
  }

  void send_report() {
    if (slow_rank_ && orders_.begun != nullptr) ++steps_;
    AgentReport report;
    report.machine = welcome_->machine;
    report.incarnation = welcome_->incarnation;
    report.sequence = ++sequence_;
    report.version = orders_.version;
    report.number = orders_.number;
    report.answered = true;
    report.ends = ends_;
    for (const int64_t rank : orders_.ranks) {
      if (has_ended(rank)) continue;
      protocol::RankSlot slot;
      slot.rank = rank;
      slot.pid = 1000 + rank;
      slot.ready = true;
      slot.let_go = orders_.number;
      if (orders_.begun != nullptr) {
        slot.view = orders_.begun->view.number;
        slot.committed_step = orders_.begun->view.start_step + steps_;
        slot.healed = true;
        if (slow_rank_) slot.shard_us = rank == *slow_rank_ ? 900 : 100;
      }
      report.ranks.push_back(slot);
    }
    connection_->send(report);
  }

  std::optional<protocol::Welcome> welcome_;
  AgentOrders orders_;
  int64_t kept_ = 0, sequence_ = 0, steps_ = 0;
  std::optional<int64_t> slow_rank_;
  std::vector<protocol::RankEnd> ends_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable news_;
  std::vector<protocol::ToAgent> words_;
  std::string refusal_;

  std::unique_ptr<protocol::AgentConnection> connection_;
};

// As if the coordinator's process was killed.
struct Killed : std::exception {};

class RunCoordinatorTest : public RunTest {
 protected:
  RunCoordinatorTest() : config_(tiny_config(dir("run"))) {
    real_file_system().create_directories(config_.run.dir);
    Journal journal(real_file_system(), real_clock(), config_.run.dir);
    journal.write(RunStarted());
    journal.write(coordinator::SizeAsked{1, 0, "new run"});
  }
  ~RunCoordinatorTest() override { kill(); }

  RunCoordinatorOptions options() {
    RunCoordinatorOptions options;
    options.beat = [this] {
      if (killed_) throw Killed();
    };
    options.set_away = [this](bool away) {
      if (away && dies_before_work_) throw Killed();
    };
    options.stop_reason = [this] { return stops_ ? "SIGTERM" : ""; };
    return options;
  }

  void start() {
    killed_ = false;
    coordinator_ = std::make_unique<RunCoordinator>(config_, real_file_system(),
                                                    real_clock(), options());
    thread_ = std::thread([this] {
      try {
        coordinator_->run();
      } catch (const Killed&) {
      } catch (const RunError& error) {
        failure_ = error.what();
      }
    });
  }
  void kill() {
    killed_ = true;
    wait_for_end();
  }
  void wait_for_end() {
    if (thread_.joinable()) thread_.join();
    coordinator_.reset();
  }

  std::string address() const { return coordinator_address(config_.run.dir); }

  protocol::Hello hello(int64_t machine = protocol::kNone,
                        uint64_t memory_id = 7) const {
    protocol::Hello hello;
    hello.run = parse_hash128(config_digest(config_));
    hello.machine = machine;
    hello.memory_id = memory_id;
    hello.pid = 77;
    hello.host = "a-host";
    return hello;
  }

  template <typename Event>
  std::vector<Event> events() const {
    std::vector<Event> found;
    JournalFollower(config_.run.dir).read_new([&](const JournalRecord& record) {
      if (const auto* e = std::get_if<Event>(&record.event)) {
        found.push_back(*e);
      }
    });
    return found;
  }
  template <typename Event>
  bool serve_until_there_is(FakeAgent& agent) {
    return agent.serve_until([this] { return !events<Event>().empty(); });
  }
  std::vector<int64_t> steps() const {
    std::vector<int64_t> steps;
    for (const StepMetrics& step : events<StepMetrics>()) {
      steps.push_back(step.step);
    }
    return steps;
  }

  // Ends the run as users do.
  void stop_at_once(FakeAgent& agent) {
    protocol::ask(address(), protocol::StopRequest{"enough", true},
                  kAskSeconds);
    ASSERT_TRUE(agent.serve_until([&] { return agent.orders().over; }));
    agent.leave();
    wait_for_end();
  }

  config::Config config_;
  std::atomic<bool> killed_{false}, stops_{false};
  // When it has heard of something, before it writes anything down.
  std::atomic<bool> dies_before_work_{false};
  std::string failure_;
  std::unique_ptr<RunCoordinator> coordinator_;
  std::thread thread_;
};

std::string step_line(int64_t step) {
  StepMetrics metrics;
  metrics.step = step;
  metrics.loss = 2;
  return encode_line({1000, metrics, {}});
}

TEST_F(RunCoordinatorTest, LeavesItsAddressWhileItWorks) {
  EXPECT_EQ(address(), "");
  start();
  EXPECT_TRUE(address().starts_with("127.0.0.1:")) << address();
  FakeAgent agent(address(), hello());
  ASSERT_TRUE(serve_until_there_is<RankStarted>(agent));
  stop_at_once(agent);
  EXPECT_EQ(address(), "");
  EXPECT_EQ(failure_, "");
}

TEST_F(RunCoordinatorTest, WritesARanksLinesOnceWhateverIsSentAgain) {
  start();
  {
    FakeAgent agent(address(), hello());
    ASSERT_TRUE(serve_until_there_is<RankStarted>(agent));
    const RankLines lines = {0, {step_line(1), step_line(2)}, {10, 20}};
    agent.say(lines);
    agent.say(lines);
    ASSERT_TRUE(agent.serve_until([&] { return agent.kept() == 20; }));
  }
  kill();
  start();
  FakeAgent agent(address(), hello(0));
  agent.say({0, {step_line(1), step_line(2), step_line(3)}, {10, 20, 30}});
  ASSERT_TRUE(agent.serve_until([&] { return agent.kept() == 30; }));
  // Another rank's ring has places of its own.
  agent.say({1, {step_line(4)}, {10}});
  ASSERT_TRUE(agent.serve_until([&] { return agent.kept() == 10; }));
  EXPECT_THAT(steps(), ElementsAre(1, 2, 3, 4));
}

TEST_F(RunCoordinatorTest, SaysThatALineIsDamagedAndGoesOn) {
  start();
  FakeAgent agent(address(), hello());
  std::string damaged = step_line(1);
  damaged[damaged.size() / 2] ^= 1;
  agent.say({0, {damaged, "", step_line(2)}, {10, 20, 30}});
  ASSERT_TRUE(agent.serve_until([&] { return agent.kept() == 30; }));
  EXPECT_THAT(steps(), ElementsAre(2));
  ASSERT_THAT(events<Remark>(), SizeIs(2));
  EXPECT_THAT(events<Remark>()[0].reason,
              HasSubstr("a report of rank 0 is damaged"));
}

TEST_F(RunCoordinatorTest, WritesDownOnceWhichProcessesStartAndEnd) {
  start();
  const protocol::RankEnd end = {0, 1000, 250'000, "rank 0 was killed", false};
  {
    FakeAgent agent(address(), hello());
    ASSERT_TRUE(serve_until_there_is<RankStarted>(agent));
    agent.add_end(end);
    // Its place is taken by the next one.
    ASSERT_TRUE(agent.serve_until(
        [this] { return events<RankStarted>().size() == 2; }));
  }
  kill();
  start();
  FakeAgent agent(address(), hello(0));
  agent.add_end(end);
  ASSERT_TRUE(agent.serve_until([&] { return !agent.orders().ranks.empty(); }));
  stop_at_once(agent);
  ASSERT_THAT(events<RankStarted>(), SizeIs(2));
  EXPECT_EQ(events<RankStarted>()[0].rank, 0);
  EXPECT_EQ(events<RankStarted>()[0].pid, 1000);
  EXPECT_EQ(events<RankStarted>()[1].rank, 1);
  ASSERT_THAT(events<RankEnded>(), SizeIs(1));
  EXPECT_EQ(events<RankEnded>()[0].reason, "rank 0 was killed");
  EXPECT_EQ(events<RankEnded>()[0].silent_seconds, 0.25);
  EXPECT_EQ(events<coordinator::RankLost>()[0].reason, "rank 0 was killed");
}

TEST_F(RunCoordinatorTest, WritesDownEachCoordinatorAndAnAgentOnce) {
  for (size_t life = 1; life <= 2; ++life) {
    start();
    FakeAgent agent(address(), hello(life == 1 ? protocol::kNone : 0));
    ASSERT_TRUE(agent.serve_until([&] { return agent.orders().version > 0; }));
    EXPECT_THAT(events<CoordinatorStarted>(), SizeIs(life));
    ASSERT_THAT(events<AgentStarted>(), SizeIs(1));
    EXPECT_EQ(events<AgentStarted>()[0].pid, 77);
    kill();
  }
}

TEST_F(RunCoordinatorTest, StopsAsAskedAndLeavesAfterItsAgents) {
  start();
  FakeAgent agent(address(), hello());
  ASSERT_TRUE(serve_until_there_is<coordinator::ViewBegun>(agent));
  stops_ = true;
  ASSERT_TRUE(agent.serve_until([&] { return agent.orders().over; }));
  agent.leave();
  wait_for_end();
  EXPECT_EQ(failure_, "");
  EXPECT_EQ(events<coordinator::StopAsked>()[0].reason, "SIGTERM");
  ASSERT_THAT(events<coordinator::RunEnded>(), SizeIs(1));
  EXPECT_FALSE(events<coordinator::RunEnded>()[0].failed);
}

TEST_F(RunCoordinatorTest, ASuccessorOfOneThatEndedTheRunSaysSoToo) {
  start();
  FakeAgent agent(address(), hello());
  ASSERT_TRUE(serve_until_there_is<RankStarted>(agent));
  protocol::ask(address(), protocol::StopRequest{"enough", true}, kAskSeconds);
  ASSERT_TRUE(serve_until_there_is<coordinator::RunEnded>(agent));
  kill();
  start();
  FakeAgent again(address(), hello(0));
  ASSERT_TRUE(again.serve_until([&] { return again.orders().over; }));
  again.leave();
  wait_for_end();
  EXPECT_THAT(events<coordinator::RunEnded>(), SizeIs(1));
}

TEST_F(RunCoordinatorTest, FailsWithTheReasonOfTheRankThatCannotGoOn) {
  start();
  FakeAgent agent(address(), hello());
  ASSERT_TRUE(serve_until_there_is<RankStarted>(agent));
  agent.add_end({0, 1000, 0, "rank 0: the disk is full", true});
  ASSERT_TRUE(agent.serve_until([&] { return agent.orders().over; }));
  agent.leave();
  wait_for_end();
  EXPECT_EQ(failure_, "rank 0: the disk is full");
  EXPECT_TRUE(events<coordinator::RunEnded>()[0].failed);
}

TEST_F(RunCoordinatorTest, FailsWithWhatTheRankSaidItself) {
  start();
  FakeAgent agent(address(), hello());
  ASSERT_TRUE(serve_until_there_is<RankStarted>(agent));
  const RunFailed failed{3, "the loss of step 3 is not finite"};
  agent.say({0, {encode_line({1000, failed, {}})}, {10}});
  ASSERT_TRUE(agent.serve_until([&] { return agent.kept() == 10; }));
  agent.add_end({0, 1000, 0, "rank 0: failed", true});
  ASSERT_TRUE(agent.serve_until([&] { return agent.orders().over; }));
  agent.leave();
  wait_for_end();
  EXPECT_EQ(failure_, failed.reason);
}

TEST_F(RunCoordinatorTest, GrowsToAsManyRanksAsThereAreShards) {
  start();
  FakeAgent agent(address(), hello());
  ASSERT_TRUE(serve_until_there_is<RankStarted>(agent));
  try {
    protocol::ask(address(), protocol::ResizeRequest{5, 0, "more"},
                  kAskSeconds);
    FAIL() << "five ranks for four shards";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("5 ranks cannot share 4 shards"));
  }
  EXPECT_THAT(events<coordinator::SizeAsked>(), SizeIs(1));
  protocol::ask(address(), protocol::ResizeRequest{4, 1, "more"}, kAskSeconds);
  ASSERT_TRUE(
      agent.serve_until([&] { return agent.orders().ranks.size() == 5; }));
  EXPECT_THAT(events<coordinator::SizeAsked>(), SizeIs(2));
}

TEST_F(RunCoordinatorTest, ReplacesASlowRankIfTheConfigAsksForIt) {
  config_.run.steps = 1'000'000;
  config_.run.replace_stragglers = true;
  Journal(real_file_system(), real_clock(), config_.run.dir)
      .write(coordinator::SizeAsked{3, 1, "more"});
  start();
  FakeAgent agent(address(), hello());
  ASSERT_TRUE(serve_until_there_is<coordinator::ViewBegun>(agent));
  agent.make_slow(1);
  ASSERT_TRUE(serve_until_there_is<coordinator::RankLost>(agent));
  EXPECT_EQ(events<coordinator::StragglerFound>().at(0).rank, 1);
  EXPECT_EQ(events<coordinator::RankLost>().at(0).rank, 1);
}

// Whoever asked may rely on it, whatever happens then.
TEST_F(RunCoordinatorTest, AnswersAWishWhenItIsInTheJournal) {
  start();
  protocol::ask(address(), protocol::ResizeRequest{3, 1, "more"}, kAskSeconds);
  EXPECT_THAT(events<coordinator::SizeAsked>(), SizeIs(2));
  protocol::ask(address(), protocol::StopRequest{"enough"}, kAskSeconds);
  EXPECT_THAT(events<coordinator::StopAsked>(), SizeIs(1));
}

TEST_F(RunCoordinatorTest, AWishThatDiesWithItIsAskedOfItsSuccessor) {
  start();
  dies_before_work_ = true;
  std::atomic<int> looks{0};
  auto asked = std::async(std::launch::async, [&] {
    return ask_run(config_.run.dir, protocol::ResizeRequest{3, 1, "more"},
                   kAskSeconds, [&looks] { return ++looks > 0; });
  });
  thread_.join();  // killed by the wish
  EXPECT_THAT(events<coordinator::SizeAsked>(), SizeIs(1));
  coordinator_.reset();
  dies_before_work_ = false;
  start();
  EXPECT_TRUE(asked.get());
  ASSERT_THAT(events<coordinator::SizeAsked>(), SizeIs(2));
  EXPECT_EQ(events<coordinator::SizeAsked>()[1].ranks, 3);
  EXPECT_GE(looks, 2);
}

TEST_F(RunCoordinatorTest, AWishThatIsAskedTwiceIsWrittenOnce) {
  start();
  const auto goes_on = [] { return true; };
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(ask_run(config_.run.dir, protocol::ResizeRequest{3, 1, "more"},
                        kAskSeconds, goes_on));
    EXPECT_TRUE(ask_run(config_.run.dir, protocol::StopRequest{"enough"},
                        kAskSeconds, goes_on));
  }
  EXPECT_THAT(events<coordinator::SizeAsked>(), SizeIs(2));
  EXPECT_THAT(events<coordinator::StopAsked>(), SizeIs(1));
}

TEST_F(RunCoordinatorTest, ARunThatIsOverCannotGrow) {
  start();
  FakeAgent agent(address(), hello());
  ASSERT_TRUE(serve_until_there_is<RankStarted>(agent));
  protocol::ask(address(), protocol::StopRequest{"enough", true}, kAskSeconds);
  EXPECT_THROW(protocol::ask(address(), protocol::ResizeRequest{2, 0, "more"},
                             kAskSeconds),
               UserError);
  agent.leave();
  wait_for_end();
  EXPECT_FALSE(ask_run(config_.run.dir, protocol::ResizeRequest{2, 0, "more"},
                       kAskSeconds, [] { return true; }));
}

TEST_F(RunCoordinatorTest, RefusesAgentsOfAnotherRun) {
  start();
  protocol::Hello other = hello();
  other.run.low ^= 1;
  FakeAgent agent(address(), other);
  EXPECT_THAT(agent.wait_for_refusal(),
              HasSubstr("the agent on a-host is of another run"));
  EXPECT_THAT(events<coordinator::MachineJoined>(), IsEmpty());
}

TEST_F(RunCoordinatorTest, RefusesAgentsWhoseRanksWouldComputeOtherBits) {
  start();
  protocol::Hello first = hello();
  first.numerics = "fma-1";
  FakeAgent agent(address(), first);
  ASSERT_TRUE(agent.serve_until([&] { return agent.welcomed(); }));
  protocol::Hello other = hello(protocol::kNone, 8);
  other.numerics = "nofma-1";
  FakeAgent refused(address(), other);
  EXPECT_THAT(refused.wait_for_refusal(),
              HasSubstr("the ranks on a-host would compute other bits "
                        "(nofma-1)"));
}

TEST_F(RunCoordinatorTest, NumbersMachinesAndKnowsThemByTheirMemory) {
  start();
  FakeAgent first(address(), hello(protocol::kNone, 7));
  ASSERT_TRUE(first.serve_until([&] { return first.welcomed(); }));
  FakeAgent second(address(), hello(protocol::kNone, 8));
  ASSERT_TRUE(second.serve_until([&] { return second.welcomed(); }));
  EXPECT_EQ(first.machine(), 0);
  EXPECT_EQ(second.machine(), 1);
  FakeAgent impostor(address(), hello(0, 9));
  EXPECT_THAT(impostor.wait_for_refusal(), HasSubstr("machine 0 is here"));
  FakeAgent successor(address(), hello(0, 7));
  ASSERT_TRUE(successor.serve_until([&] { return successor.welcomed(); }));
  EXPECT_EQ(successor.machine(), 0);
}

// Also to one whose agent was not heard of since.
TEST_F(RunCoordinatorTest, ASuccessorGivesNoMachinesNumberAgain) {
  start();
  {
    FakeAgent first(address(), hello());
    ASSERT_TRUE(serve_until_there_is<coordinator::MachineJoined>(first));
  }
  kill();
  start();
  FakeAgent second(address(), hello(protocol::kNone, 8));
  ASSERT_TRUE(second.serve_until([&] { return second.welcomed(); }));
  EXPECT_EQ(second.machine(), 1);
}

TEST_F(RunCoordinatorTest, RefusesAnAddressThatIsTaken) {
  start();
  RunCoordinatorOptions taken = options();
  taken.listen = address();
  EXPECT_THROW(RunCoordinator(config_, real_file_system(), real_clock(), taken),
               UserError);
}

}  // namespace
}  // namespace colossus::runtime
