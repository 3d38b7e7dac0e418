#include "planner/goodput.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "planner/cluster_file.h"

namespace colossus::planner {
namespace {

// A fault each 1000 s; 60 s until it is known, 140 s to restart; no tails.
JobFaults plain_job() {
  JobFaults job;
  job.fault_rate = 1e-3;
  job.detection = {60, 1};
  job.restart = {140, 1};
  job.checkpoint_seconds = 10;
  return job;
}

TEST(RandomTimes, AreLogNormalByMedianAndMean) {
  // ln 4 = 1.386: sigma = sqrt(2.773) = 1.665.
  const RandomTime time = {10, 4};
  EXPECT_NEAR(time.sigma(), 1.66511, 1e-5);
  EXPECT_EQ(time.mean(), 40);
  EXPECT_EQ(time.at(0), 10);
  EXPECT_NEAR(time.at(1), 52.86, 0.01);  // 10 e^1.66511
  EXPECT_EQ((RandomTime{10, 1}).at(3), 10);
}

TEST(RandomTimes, AreDisturbedLessOftenThanTheirMeanSays) {
  EXPECT_NEAR((RandomTime{10, 1}).chance_undisturbed(0.01), std::exp(-0.1),
              1e-12);
  // To second order 1 - 0.04 + E[t^2] / 2 rate^2, E[t^2] = 10^2 e^(2 sigma^2)
  // = 100 x 4^4 = 25600: 1 - 0.004 + 0.000128 (less what the third order
  // takes).
  const double chance = RandomTime{10, 4}.chance_undisturbed(1e-4);
  EXPECT_NEAR(chance, 0.996, 1.3e-4);
  EXPECT_GT(chance, std::exp(-0.004));
}

TEST(Goodput, WithoutFaultsIsTheShareBetweenCheckpoints) {
  JobFaults job = plain_job();
  job.fault_rate = 0;
  const GoodputParts parts = goodput(job, 190, 1);
  EXPECT_DOUBLE_EQ(parts.useful, 0.95);
  EXPECT_DOUBLE_EQ(parts.checkpoint, 0.05);
}

// Segments of 100 s: work 90, checkpoint 10; e^0.1 - 1 = 0.105171 faults each.
// Recovery undisturbed: e^-0.2 = 0.818731. A segment takes
// 1000 x 0.105171 / 0.818731 = 128.456 s; lost 105.171 - 100 = 5.171 s, down
// 128.456 - 105.171 = 23.285 s: (1 - e^-0.06) / (1 - e^-0.2) = 0.321255 of it
// detection, which more attempts reach than restart.
TEST(Goodput, IsDalysExpectedTime) {
  const GoodputParts parts = goodput(plain_job(), 90, 1);
  EXPECT_NEAR(parts.useful, 90 / 128.456, 1e-5);
  EXPECT_NEAR(parts.checkpoint, 10 / 128.456, 1e-5);
  EXPECT_NEAR(parts.lost_work, 5.171 / 128.456, 1e-5);
  EXPECT_NEAR(parts.detection, 0.321255 * 23.285 / 128.456, 1e-5);
  EXPECT_NEAR(parts.recovery, 0.678745 * 23.285 / 128.456, 1e-5);
  EXPECT_NEAR(parts.sum(), 1, 1e-12);
}

// Written 50 s after its snapshot: a recovery lasts 50 s longer, e^-0.25 =
// 0.778801: 1000 x 0.105171 / 0.778801 = 135.042 s.
TEST(Goodput, ACheckpointServesOnceItIsWritten) {
  JobFaults job = plain_job();
  job.write_seconds = 50;
  const GoodputParts parts = goodput(job, 90, 1);
  EXPECT_NEAR(parts.useful, 90 / 135.042, 1e-5);
  // 0.105171 x (e^0.05 - 1) x 1000 = 5.392 s are made again.
  EXPECT_NEAR(parts.lost_work, (5.171 + 5.392) / 135.042, 1e-5);
}

// Steps of 10 s, faults each 1000 s, healed in 30 s; no copy is ever lost.
// e^0.01 - 1 = 0.01005017; e^-0.03 = 0.970446: a step takes
// 10.05017 / 0.970446 = 10.35624 s, and a checkpoint of 10 s each 990 s.
TEST(Goodput, OfHealingLosesPartsOfSteps) {
  JobFaults job = plain_job();
  job.strategy = Strategy::kHeal;
  job.step_seconds = 10;
  job.heal = {30, 1};
  const GoodputParts parts = goodput(job, 990, 1);
  EXPECT_NEAR(parts.useful, 10 / 10.35624 * 0.99, 1e-6);
  EXPECT_NEAR(parts.lost_work, 0.05017 / 10.35624 * 0.99, 1e-6);
  EXPECT_EQ(parts.detection, 0);
  EXPECT_NEAR(parts.sum(), 1, 1e-12);
}

// As above, but all restart, 200 s, and a copy adds 0.1 s a step: segments of
// 10.1 s: e^0.0101 - 1 = 0.01015118, over e^-0.2: 12.39867 s.
TEST(Goodput, OfCopiesInMemoryRestartsFromTheLastStep) {
  JobFaults job = plain_job();
  job.strategy = Strategy::kMemoryCopies;
  job.step_seconds = 10;
  job.copy_seconds = 0.1;
  const GoodputParts parts = goodput(job, 990, 1);
  EXPECT_NEAR(parts.useful, 10 / 12.39867 * 0.99, 1e-6);
  EXPECT_NEAR(parts.copies, 0.1 / 12.39867 * 0.99, 1e-6);
}

// One of 10 faults takes the copies: faults each 10,000 s throw work back to a
// checkpoint. The outer segment of 1000 s has e^0.1 - 1 = 0.105171 of them,
// each 1 / 1e-4 s, and (e^0.2 - 1) x 1000 = 221.403 s to restart, which all
// faults disturb: 1051.709 + 23.285 = 1074.994 s for 990 s. Inner faults, 9e-4:
// a step takes (e^0.009 - 1) / 9e-4 / e^-0.027 = 10.32005 s.
TEST(Goodput, CopiesThatAreLostNeedACheckpoint) {
  JobFaults job = plain_job();
  job.strategy = Strategy::kHeal;
  job.step_seconds = 10;
  job.heal = {30, 1};
  job.copies_lost = 0.1;
  EXPECT_NEAR(goodput(job, 990, 1).useful, 10 / 10.32005 * 990 / 1074.994,
              1e-5);
}

// A day has 0.1 silent corruptions: 1/864000 s. Each costs 3600 noticed + 450
// half an interval + 140: 4190 s. Slow: the same rate, 7200 s at 2/3 of the
// speed: 2400 + 140. Both befall computing, not saves. Planned: 1/86400 x
// (10 + 140).
TEST(Goodput, OtherProcessesCostWorkAndRestarts) {
  JobFaults job = plain_job();
  job.fault_rate = 0;
  job.silent_rate = 1 / 864000.0;
  job.silent_noticed_seconds = 3600;
  job.slow_rate = 1 / 864000.0;
  job.slow_seconds = 7200;
  job.slow_factor = 1.5;
  job.planned_rate = 1 / 86400.0;
  const GoodputParts parts = goodput(job, 900, 1);
  const double base = 910 / 900.0;
  const double silent = 4190 / 864000.0, slow = 2540 / 864000.0;
  const double planned = base * 150 / 86400;
  const double all = base + silent + slow + planned;
  EXPECT_NEAR(parts.silent, silent / all, 1e-12);
  EXPECT_NEAR(parts.slow, slow / all, 1e-12);
  EXPECT_NEAR(parts.planned, planned / all, 1e-12);
  EXPECT_NEAR(parts.useful, 1 / all, 1e-12);
}

// Faults each 1000 s, restarts of 140 s: 1 - e^-0.14 = 0.130642 of them are
// disturbed after some seconds and need a recovery of 221.403 s: 0.130642 x
// (1000 + 221.403) = 159.567 s each. A planned stop a day adds (10 + 159.567) /
// 86400 to the 128.456 / 90 of faults.
TEST(Goodput, AFaultMayDisturbAPlannedRestart) {
  JobFaults job = plain_job();
  job.planned_rate = 1 / 86400.0;
  const GoodputParts parts = goodput(job, 90, 1);
  const double more = 169.567 / 86400;
  EXPECT_NEAR(parts.useful, 90 / 128.456 / (1 + more), 1e-6);
  EXPECT_NEAR(parts.planned, more / (1 + more), 1e-7);
}

TEST(Goodput, WaitsWhereSparesDoNotSuffice) {
  JobFaults job = plain_job();
  job.fault_rate = 0;
  const GoodputParts parts = goodput(job, 190, 0.8);
  EXPECT_NEAR(parts.waiting, 0.2, 1e-12);
  EXPECT_NEAR(parts.useful, 0.95 * 0.8, 1e-12);
}

TEST(Goodput, OfAJobThatNeverGetsThroughIsNothing) {
  JobFaults job = plain_job();
  job.fault_rate = 10;
  const GoodputParts parts = goodput(job, 1e6, 0.999);
  EXPECT_LT(parts.useful, 1e-9);
  EXPECT_NEAR(parts.sum(), 1, 1e-9);
}

TEST(JobFaults, ScaleWithNodesOfEightDevices) {
  const Cluster cluster = make_cluster("H100-SXM", 16384);
  const JobFaults job = job_faults(failure_model_of(cluster), 16384, 10, 5e12);
  // Llama 3: 419 in 54 days.
  EXPECT_NEAR(job.fault_rate * 54 * 86400, 419, 2);
  EXPECT_NEAR(job.silent_rate * 54 * 86400, 6, 0.05);
  EXPECT_EQ(job.write_seconds, 50);
  EXPECT_EQ(job.strategy, Strategy::kRestart);
  EXPECT_THROW(strategy_named("reset"), UserError);
}

TEST(BestInterval, IsTheBestOfItsNeighboursButNotBelowAWrite) {
  JobFaults job = plain_job();
  const double best = best_interval(job);
  const auto useful = [&](double d) { return goodput(job, d, 1).useful; };
  EXPECT_GT(useful(best), useful(best * 1.05));
  EXPECT_GT(useful(best), useful(best / 1.05));
  job.write_seconds = 900;
  EXPECT_EQ(best_interval(job), 900);
}

}  // namespace
}  // namespace colossus::planner
