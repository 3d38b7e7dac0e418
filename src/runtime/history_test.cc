#include "runtime/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace colossus::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

StepMetrics step_of(int64_t step, double loss) {
  StepMetrics metrics;
  metrics.step = step;
  metrics.loss = loss;
  metrics.seconds = 2;
  return metrics;
}

RunStarted start_at(int64_t step) {
  RunStarted started;
  started.step = step;
  started.resumed = step > 0;
  return started;
}

class Feeder {
 public:
  explicit Feeder(size_t max_expert_loads = 1024)
      : builder_(max_expert_loads) {}
  void feed(JournalEvent event) {
    builder_.add(JournalRecord{time_ += 1, std::move(event)});
  }
  void feed_steps(int64_t first, int64_t last, double loss) {
    for (int64_t step = first; step <= last; ++step) feed(step_of(step, loss));
  }
  RunHistory finish() { return std::move(builder_).finish(); }

 private:
  HistoryBuilder builder_;
  double time_ = 1000;
};

std::vector<double> losses(const RunHistory& history) {
  std::vector<double> losses;
  for (size_t i = 0; i < history.steps.size(); ++i) {
    EXPECT_EQ(history.steps[i].step, static_cast<int64_t>(i + 1));
    losses.push_back(history.steps[i].loss);
  }
  return losses;
}

TEST(History, ShowsEachStepOnceAsItWasDoneLast) {
  Feeder feeder;
  feeder.feed(start_at(0));
  feeder.feed_steps(1, 5, 1.0);
  feeder.feed(Validation{4, 9.0, 0, 0});
  feeder.feed(TextSample{5, "", "old"});
  feeder.feed(start_at(2));
  feeder.feed_steps(3, 4, 2.0);
  const RunHistory history = feeder.finish();
  EXPECT_THAT(losses(history), ElementsAre(1, 1, 2, 2));
  EXPECT_THAT(history.validations, SizeIs(0));
  EXPECT_THAT(history.samples, SizeIs(0));
  EXPECT_EQ(history.num_steps_redone, 3);
  EXPECT_EQ(history.seconds_redone, 6);
}

TEST(History, LaterStepsWinEvenWhereTheResumeWasLost) {
  Feeder feeder;
  feeder.feed_steps(1, 5, 1.0);
  feeder.feed_steps(3, 3, 2.0);
  EXPECT_THAT(losses(feeder.finish()), ElementsAre(1, 1, 2));
}

// As after a coordinator's death: a dead rank's last words are read among those
// of whoever took its shards.
TEST(History, PutsWhatIsReadLateInItsPlace) {
  Feeder feeder;
  const auto step = [&feeder](int64_t number, double loss, double at) {
    StepMetrics metrics;
    metrics.step = number;
    metrics.loss = loss;
    metrics.at = at;
    feeder.feed(metrics);
  };
  step(1, 1, 101);
  step(4, 4, 104);  // a view from step 3
  feeder.feed(Validation{4, 4.5, 0, 0});
  step(5, 5, 105);
  step(2, 2, 102);
  feeder.feed(Validation{2, 2.5, 0, 0});
  step(3, 3, 103);
  step(4, 9, 103.5);  // before it was redone
  feeder.feed(TextSample{3, "", "text"});
  feeder.feed(TextSample{3, "", "text"});
  step(6, 6, 106);
  const RunHistory history = feeder.finish();
  EXPECT_THAT(losses(history), ElementsAre(1, 2, 3, 4, 5, 6));
  ASSERT_THAT(history.validations, SizeIs(2));
  EXPECT_EQ(history.validations[0].step, 2);
  EXPECT_THAT(history.samples, SizeIs(1));
  EXPECT_EQ(history.num_steps_redone, 0);
}

TEST(History, SaysThatAViewEndedWithoutNotice) {
  Feeder feeder;
  feeder.feed(start_at(0));
  feeder.feed_steps(1, 3, 1.0);
  feeder.feed(start_at(2));
  const RunHistory history = feeder.finish();
  ASSERT_THAT(history.notices, SizeIs(3));
  EXPECT_EQ(history.notices[1].title, "Ended without notice");
  EXPECT_EQ(history.notices[1].step, 3);
  EXPECT_EQ(history.notices[2].title, "Resumed");
}

TEST(History, PutsAnAbruptEndBeforeWhatTheResumeFound) {
  Feeder feeder;
  feeder.feed(start_at(0));
  feeder.feed_steps(1, 3, 1.0);
  feeder.feed(CheckpointDamaged{3, "step-3", "checksum"});
  feeder.feed(start_at(2));
  const RunHistory history = feeder.finish();
  ASSERT_THAT(history.notices, SizeIs(4));
  EXPECT_EQ(history.notices[1].title, "Ended without notice");
  EXPECT_EQ(history.notices[1].wall_seconds, 1004);
  EXPECT_EQ(history.notices[2].title, "Checkpoint damaged");
}

TEST(History, KnowsHowTheLastViewEnded) {
  Feeder feeder;
  feeder.feed(start_at(0));
  feeder.feed(RunStopped{3, "Ctrl-C"});
  feeder.feed(start_at(3));
  feeder.feed(RunFinished{});
  const RunHistory history = feeder.finish();
  EXPECT_EQ(history.state, "finished");
  EXPECT_TRUE(history.finished.has_value());
  EXPECT_THAT(history.notices, SizeIs(4));
}

TEST(History, AResumeReopensAFinishedRun) {
  Feeder feeder;
  feeder.feed(RunFinished{});
  feeder.feed(start_at(3));
  const RunHistory history = feeder.finish();
  EXPECT_EQ(history.state, "open");
  EXPECT_FALSE(history.finished.has_value());
}

TEST(History, TellsAReleasedRankFromALostOne) {
  Feeder feeder;
  feeder.feed(start_at(0));
  for (const int64_t rank : {0, 1, 2}) feeder.feed(RankStarted{rank, 0, 9});
  feeder.feed(coordinator::RankLost{0, 0, "killed"});
  feeder.feed(coordinator::RankReleased{1, "one is wanted"});
  const RunHistory history = feeder.finish();
  ASSERT_THAT(history.ranks, SizeIs(1));
  EXPECT_EQ(history.ranks[0].rank, 2);
  ASSERT_GE(history.notices.size(), 2U);
  const Notice& released = history.notices.back();
  EXPECT_EQ(released.kind, Notice::Kind::kNeutral);
  EXPECT_EQ(released.title, "Rank released");
  EXPECT_EQ((history.notices.end() - 2)->kind, Notice::Kind::kBad);
}

TEST(History, ForgetsTheAgentOfAMachineThatLeft) {
  Feeder feeder;
  feeder.feed(start_at(0));
  feeder.feed(AgentStarted{0, 8, "here"});
  feeder.feed(AgentStarted{1, 9, "there"});
  feeder.feed(coordinator::MachineLeft{1, "machine 1 has left"});
  const RunHistory history = feeder.finish();
  ASSERT_THAT(history.agents, SizeIs(1));
  EXPECT_EQ(history.agents[0].machine, 0);
  EXPECT_EQ(history.notices.back().kind, Notice::Kind::kNeutral);
}

TEST(History, ThinsExpertLoadOutEvenly) {
  Feeder feeder(4);
  for (int64_t step = 1; step <= 20; ++step) {
    StepMetrics metrics = step_of(step, 1);
    metrics.expert_load = {{1.0}};
    feeder.feed(metrics);
  }
  const RunHistory history = feeder.finish();
  std::vector<int64_t> steps;
  for (const ExpertLoadPoint& point : history.expert_loads) {
    steps.push_back(point.step);
  }
  EXPECT_THAT(steps, ElementsAre(8, 16));
  EXPECT_THAT(history.steps, SizeIs(20));
}

}  // namespace
}  // namespace colossus::runtime
