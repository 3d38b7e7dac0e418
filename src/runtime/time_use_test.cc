#include "runtime/time_use.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"

namespace colossus::runtime {
namespace {

using coordinator::Loss;
using coordinator::PrepareBegun;
using coordinator::RankLost;
using coordinator::StragglerFound;
using coordinator::ViewBegun;

// A journal made by hand: times are seconds from the run's start.
class TimeBookTest : public ::testing::Test {
 protected:
  static constexpr double kStart = 1.8e9;

  void tell(double seconds, const JournalEvent& event) {
    book_.add({kStart + seconds, event});
  }

  void start(double seconds, int64_t step = 0) {
    RunStarted event;
    event.step = step;
    tell(seconds, event);
  }

  // As ranks tell it: the line is written 20 ms after it happened.
  void step(double seconds, int64_t step, double checkpoint_seconds = 0) {
    StepMetrics event;
    event.step = step;
    event.seconds = 0.9;
    event.at = kStart + seconds;
    event.checkpoint_seconds = checkpoint_seconds;
    tell(seconds + 0.02, event);
  }

  void view(double seconds, int64_t number, int64_t start_step,
            std::vector<int64_t> owners) {
    ViewBegun event;
    event.number = number;
    event.start_step = start_step;
    event.owners = std::move(owners);
    event.backups.assign(event.owners.size(), 1);
    tell(seconds, event);
  }

  void ready(double seconds, int64_t number, int64_t step) {
    tell(seconds + 0.02, ViewReady{number, step, kStart + seconds});
  }

  // Two seconds of a start, then steps of a second: step n at 2 + n.
  void run_until_step(int64_t last) {
    start(0);
    for (const int64_t rank : {0, 1, 2}) {
      tell(1, RankReady{rank, kStart + 1});
    }
    tell(1, PrepareBegun{1, -1, false, "the run starts"});
    view(1.5, 1, 0, {0, 0, 1, 1});
    ready(2, 1, 0);
    for (int64_t n = 1; n <= last; ++n) {
      step(2 + static_cast<double>(n), n);
    }
  }

  void tell_any(double seconds, int64_t kind, int64_t number, int64_t step_no) {
    switch (kind) {
      case 0:
        return start(seconds, step_no);
      case 1:
        return tell(seconds, RankReady{number, 0});
      case 2:
        return tell(seconds, RankEnded{number, 0, 1, 0.3, ""});
      case 3:
        return tell(seconds, RankLost{number, 0, ""});
      case 4:
        return tell(seconds, PrepareBegun{number, step_no - 2, false, ""});
      case 5:
        return view(seconds, number, step_no, {0, 1, 2, 3});
      case 6:
        return ready(seconds, number, step_no);
      case 7:
        return tell(seconds, StragglerFound{number, 300'000, 100'000, ""});
      default:
        return step(seconds, step_no, 0.1);
    }
  }

  double lost(Loss loss) const { return book_.use().lost(loss); }

  TimeBook book_;
};

constexpr double kNear = 1e-4;

TEST_F(TimeBookTest, AnEmptyJournalSpendsNoTime) {
  EXPECT_EQ(book_.use().seconds, 0);
  EXPECT_EQ(book_.use().goodput, 1);
}

TEST_F(TimeBookTest, AQuietRunLosesOnlyItsStart) {
  run_until_step(8);
  EXPECT_NEAR(book_.use().seconds, 10, kNear);
  EXPECT_NEAR(book_.use().goodput, 0.8, kNear);
  EXPECT_NEAR(lost(Loss::kRebuild), 1.5, kNear);
  EXPECT_NEAR(lost(Loss::kAgree), 0.5, kNear);
}

TEST_F(TimeBookTest, BooksEachPartOfARecovery) {
  run_until_step(8);  // at 10
  tell(11, RankEnded{1, 0, 77, 0.4, "gave no sign of life"});
  tell(11, RankLost{1, 0, "was lost"});
  tell(11.1, PrepareBegun{2, -1, false, "rank 1 was lost"});
  view(11.3, 2, 8, {0, 0, 2, 2});
  ready(11.6, 2, 8);
  step(12.6, 9);
  EXPECT_NEAR(lost(Loss::kRedo), 0.6, kNear);    // 10 to 10.6, thrown away
  EXPECT_NEAR(lost(Loss::kDetect), 0.5, kNear);  // to 11.1
  EXPECT_NEAR(lost(Loss::kAgree), 0.5 + 0.2, kNear);
  EXPECT_NEAR(lost(Loss::kRebuild), 1.5 + 0.3, kNear);
  EXPECT_NEAR(book_.use().seconds, 12.6, kNear);
  EXPECT_NEAR(book_.use().goodput * 12.6, 8 + 1, kNear);
}

TEST_F(TimeBookTest, TheLossOfASpareCostsNothing) {
  run_until_step(8);
  tell(10.5, RankEnded{2, 0, 78, 9, "a spare"});
  tell(10.5, RankLost{2, 0, "a spare"});
  step(11, 9);
  EXPECT_EQ(lost(Loss::kDetect), 0);
  EXPECT_NEAR(book_.use().goodput * 11, 9, kNear);
}

TEST_F(TimeBookTest, AReleasedRankIsNotThereToGoOnWith) {
  run_until_step(8);
  tell(10, coordinator::RankReleased{2, "two are wanted"});
  for (const int64_t rank : {0, 1}) tell(11, RankLost{rank, 8, "killed"});
  tell(11, PrepareBegun{2, -1, false, "all are lost"});
  EXPECT_NEAR(book_.use(kStart + 13).lost(Loss::kWaitForSpare), 2, kNear);
}

TEST_F(TimeBookTest, BooksTheWaitUntilARankIsReady) {
  run_until_step(8);
  for (const int64_t rank : {0, 1, 2}) tell(10, RankLost{rank, 0, "killed"});
  tell(10, PrepareBegun{2, -1, false, "all are lost"});
  EXPECT_NEAR(book_.use(kStart + 13).lost(Loss::kWaitForSpare), 3, kNear);
  EXPECT_NEAR(book_.use(kStart + 13).seconds, 13, kNear);
  tell(15.02, RankReady{3, kStart + 15});
  view(15.1, 2, 8, {3, 3, 3, 3});
  ready(15.2, 2, 8);
  step(16.2, 9);
  EXPECT_NEAR(lost(Loss::kWaitForSpare), 5, kNear);
  EXPECT_NEAR(lost(Loss::kAgree), 0.5 + 0.1, kNear);
}

TEST_F(TimeBookTest, ALossInTheMidstOfARecoveryIsBookedOnce) {
  run_until_step(8);
  tell(10, RankLost{1, 0, "killed"});
  tell(10, PrepareBegun{2, -1, false, "rank 1 was lost"});
  view(10.1, 2, 8, {0, 0, 2, 2});
  tell(10.3, RankEnded{2, 0, 79, 0.1, "killed"});
  tell(10.3, RankLost{2, 0, "killed"});
  tell(10.3, PrepareBegun{3, -1, false, "rank 2 was lost"});
  view(10.4, 3, 8, {0, 0, 0, 0});
  ready(10.5, 3, 8);
  EXPECT_NEAR(lost(Loss::kAgree), 0.5 + 0.1 + 0.1, kNear);
  EXPECT_NEAR(lost(Loss::kRebuild), 1.5 + 0.1 + 0.1, kNear);
  EXPECT_NEAR(lost(Loss::kDetect), 0.1, kNear);
  EXPECT_EQ(lost(Loss::kRedo), 0);
}

TEST_F(TimeBookTest, AResizeAtACommitThrowsNoWorkAway) {
  run_until_step(8);
  tell(10.5, PrepareBegun{2, 9, false, "grows"});
  step(11, 9);
  view(11.2, 2, 9, {0, 1, 2, 3});
  ready(11.3, 2, 9);
  step(11.8, 10);
  EXPECT_EQ(lost(Loss::kRedo), 0);
  EXPECT_NEAR(lost(Loss::kAgree), 0.5 + 0.2, kNear);
  EXPECT_NEAR(book_.use().goodput * 11.8, 9.5, kNear);
}

TEST_F(TimeBookTest, StepsBeyondACheckpointAreMadeAgain) {
  run_until_step(8);
  tell(10, PrepareBegun{2, -1, false, "all memory was lost"});
  view(10, 2, 6, {0, 0, 0, 0});
  ready(10, 2, 6);
  step(11, 7);
  step(12, 8);
  step(13, 9);
  EXPECT_NEAR(lost(Loss::kRedo), 2, kNear);
}

TEST_F(TimeBookTest, AStepOfAnOlderViewThatIsToldLateIsPassedOver) {
  run_until_step(8);
  tell(10.5, PrepareBegun{2, -1, false, "a loss"});
  view(10.6, 2, 8, {0, 0, 0, 0});
  step(10.4, 9);  // was never committed
  ready(10.8, 2, 8);
  step(11.8, 9);
  EXPECT_NEAR(lost(Loss::kRebuild), 1.5 + 0.2, kNear);
  EXPECT_NEAR(lost(Loss::kRedo), 0.5, kNear);
}

TEST_F(TimeBookTest, CheckpointsAndStragglersAreTakenOutOfSteps) {
  run_until_step(8);
  step(11.3, 9, 0.3);
  EXPECT_NEAR(lost(Loss::kCheckpoint), 0.3, kNear);
  tell(11.3, StragglerFound{1, 300'000, 100'000, "slow"});
  step(12.3, 10);
  EXPECT_NEAR(lost(Loss::kStraggle), 0.4, kNear);  // of two shards
}

TEST_F(TimeBookTest, TheTimeBetweenTwoRunsIsNobodysLoss) {
  run_until_step(8);
  tell(10, RunStopped{8, "Ctrl-C"});
  tell(500, CheckpointDamaged{});
  start(1000, 8);
  tell(1001, ViewReady{0, 8, kStart + 1001});
  step(1002, 9);
  EXPECT_NEAR(book_.use().seconds, 12, kNear);
  EXPECT_NEAR(book_.use().goodput * 12, 9, kNear);
}

TEST_F(TimeBookTest, AnOlderJournalThatDoesNotSayWhenAViewIsReadyIsUnderstood) {
  start(0);
  StepMetrics event;
  event.step = 1;
  event.seconds = 0.9;
  tell(2, event);
  EXPECT_NEAR(lost(Loss::kRebuild), 1.1, kNear);
}

// The journal may be damaged or its clock set back: no reason to fall.
TEST_F(TimeBookTest, AnyOrderAndAnyTimesAreBorne) {
  const double bad[] = {0,
                        -1e300,
                        1e300,
                        5,
                        std::numeric_limits<double>::quiet_NaN(),
                        std::numeric_limits<double>::infinity()};
  for (int round = 0; round < 3; ++round) {
    for (const double time : bad) {
      for (const double other : bad) {
        StepMetrics step;
        step.at = other;
        step.seconds = time;
        step.checkpoint_seconds = other;
        tell(time, step);
        tell(other, ViewReady{1, 1, time});
        tell(time, RankEnded{0, 0, 0, other, ""});
        tell(time, PrepareBegun{1, round - 1, false, ""});
        view(other, round, -5, {0, 1});
        tell(time, StragglerFound{0, std::numeric_limits<int64_t>::max(),
                                  std::numeric_limits<int64_t>::min(), ""});
        tell(other, RankReady{round, time});
        tell(time, RankLost{round, 0, ""});
        start(time);
      }
    }
  }
  const TimeUse use = book_.use(1e300);
  EXPECT_GE(use.goodput, 0);
  EXPECT_LE(use.goodput, 1);
}

TEST_F(TimeBookTest, NoHistoryLosesMoreTimeThanPassed) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    book_ = TimeBook();
    uint64_t draws = 0;
    const auto below = [&](uint64_t count) {
      return static_cast<int64_t>(random_bits(seed, 1, draws++) % count);
    };
    double now = 0;
    for (int i = 0; i < 300; ++i) {
      now += static_cast<double>(below(20) - 2) / 10;
      tell_any(now, below(9), below(4), below(6) - 1);
    }
    const TimeUse use = book_.use();
    double lost = 0;
    for (const double seconds : use.lost_seconds) {
      EXPECT_GE(seconds, 0) << "seed " << seed;
      lost += seconds;
    }
    EXPECT_LE(lost, use.seconds + kNear) << "seed " << seed;
    EXPECT_NEAR(use.goodput * use.seconds, use.seconds - lost, kNear);
  }
}

TEST_F(TimeBookTest, TellsPeopleWhatWasLostAndHowMuch) {
  run_until_step(8);
  EXPECT_EQ(text_of(book_.use()),
            "goodput 80.0% of 10s; lost: 0.50 s agree, 1.50 s rebuild");
}

}  // namespace
}  // namespace colossus::runtime
