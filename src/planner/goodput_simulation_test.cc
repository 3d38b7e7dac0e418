#include "planner/goodput_simulation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "planner/cluster_file.h"
#include "planner/spares.h"

namespace colossus::planner {
namespace {

// A fault each hour, no tails, nothing but faults.
JobFaults plain_job() {
  JobFaults job;
  job.fault_rate = 1 / 3600.0;
  job.detection = {60, 1};
  job.restart = {300, 1};
  job.heal = {90, 1};
  job.repair = {86400, 1};
  job.checkpoint_seconds = 5;
  job.write_seconds = 60;
  job.step_seconds = 20;
  job.copy_seconds = 0.2;
  job.copies_lost = 0.05;
  return job;
}

// 20 days of useful time, 200 times.
SimulationOptions plain_options(const JobFaults& job) {
  return {.useful_seconds = 20 * 86400.0,
          .interval = best_interval(job),
          .num_runs = 200};
}

// The simulation's mean lies within four standard errors of the closed form,
// and `more`, which says how far the form is from exact.
void expect_agreement(const JobFaults& job, double more = 0.0005) {
  ThreadPool pool(2);
  const SimulationOptions options = plain_options(job);
  const Simulation simulation = simulate_goodput(job, options, pool);
  const GoodputParts closed = goodput(job, options.interval, 1);
  EXPECT_NEAR(simulation.mean.useful, closed.useful,
              4 * simulation.standard_error + more)
      << "standard error " << simulation.standard_error;
  EXPECT_LT(simulation.standard_error, 0.001);
  const double each = 4 * simulation.standard_error + 2 * more;
  EXPECT_NEAR(simulation.mean.copies, closed.copies, each);
  EXPECT_NEAR(simulation.mean.checkpoint, closed.checkpoint, each);
  EXPECT_NEAR(simulation.mean.lost_work, closed.lost_work, each);
  EXPECT_NEAR(simulation.mean.detection, closed.detection, each);
  EXPECT_NEAR(simulation.mean.recovery, closed.recovery, each);
  EXPECT_NEAR(simulation.mean.silent, closed.silent, each);
  EXPECT_NEAR(simulation.mean.slow, closed.slow, each);
  EXPECT_NEAR(simulation.mean.planned, closed.planned, each);
}

TEST(GoodputSimulation, WithoutFaultsIsArithmetic) {
  JobFaults job = plain_job();
  job.fault_rate = 0;
  // 10 intervals of 95 s and nine saves of 5 s between them.
  const SimulatedRun run =
      simulate_run(job, {.useful_seconds = 950, .interval = 95}, 0);
  EXPECT_DOUBLE_EQ(run.seconds, 995);
  EXPECT_EQ(run.faults, 0);
  EXPECT_DOUBLE_EQ(run.parts.useful, 950 / 995.0);
  EXPECT_DOUBLE_EQ(run.parts.checkpoint, 45 / 995.0);
}

TEST(GoodputSimulation, EveryGapBetweenFaultsIsOfTheRate) {
  const JobFaults job = plain_job();
  ThreadPool pool(2);
  const Simulation simulation = simulate_goodput(job, plain_options(job), pool);
  double faults = 0, hours = 0;
  for (const SimulatedRun& run : simulation.runs) {
    faults += static_cast<double>(run.faults);
    hours += run.seconds / 3600;
    EXPECT_NEAR(run.parts.sum(), 1, 1e-9);
  }
  // 100,000 faults: 4 sigmas are 1.3%.
  EXPECT_NEAR(faults / hours, 1, 0.013);
}

TEST(GoodputSimulation, AgreesWithTheClosedFormOfRestarts) {
  JobFaults job = plain_job();
  expect_agreement(job);
  job.write_seconds = 0;
  job.fault_rate *= 3;
  expect_agreement(job);
}

TEST(GoodputSimulation, AgreesWithTheClosedFormOfCopiesInMemory) {
  JobFaults job = plain_job();
  job.strategy = Strategy::kMemoryCopies;
  expect_agreement(job);
}

TEST(GoodputSimulation, AgreesWithTheClosedFormOfHealing) {
  JobFaults job = plain_job();
  job.strategy = Strategy::kHeal;
  expect_agreement(job);
  job.fault_rate *= 4;
  expect_agreement(job);
}

TEST(GoodputSimulation, AgreesWhereTimesOfRecoveryHaveTails) {
  // The closed form knows laws, not only means: exact for restarts.
  JobFaults job = plain_job();
  job.detection = {20, 7};
  job.restart = {300, 1.5};
  expect_agreement(job);
}

TEST(GoodputSimulation, AgreesOnSilentCorruptionSlowNodesAndPlannedStops) {
  JobFaults job = plain_job();
  job.fault_rate /= 20;
  job.silent_rate = 1 / 86400.0;
  job.silent_noticed_seconds = 1800;
  job.slow_rate = 1 / 86400.0;
  job.slow_seconds = 3600;
  job.slow_factor = 1.34;
  job.planned_rate = 1 / 86400.0;
  // First order in their rates: products of two are left out.
  expect_agreement(job, 0.003);
  job.fault_rate *= 20;
  expect_agreement(job, 0.004);
}

// A stop of 5 + 300 s after each hour.
TEST(GoodputSimulation, AgreesOnPlannedStopsAlone) {
  JobFaults job = plain_job();
  job.fault_rate = 0;
  job.planned_rate = 1 / 3600.0;
  expect_agreement(job);
  EXPECT_NEAR(goodput(job, best_interval(job), 1).planned, 305 / 3905.0, 1e-5);
}

// After each hour a minute at 1 / 1.34 of the speed, and a restart.
TEST(GoodputSimulation, AgreesOnSlowNodesAlone) {
  JobFaults job = plain_job();
  job.fault_rate = 0;
  job.slow_rate = 1 / 3600.0;
  job.slow_seconds = 60;
  job.slow_factor = 1.34;
  expect_agreement(job);
  const double lost = 60 * (1 - 1 / 1.34) + 300;
  EXPECT_NEAR(goodput(job, best_interval(job), 1).slow, lost / (3600 + lost),
              1e-5);
}

// 24 away in the mean: with 24 spares, enough for 0.5540 of the time (Poisson).
TEST(GoodputSimulation, WaitsForRepairsAsPoissonSays) {
  JobFaults job = plain_job();
  job.strategy = Strategy::kHeal;
  job.copies_lost = 0;
  ThreadPool pool(2);
  SimulationOptions options = plain_options(job);
  options.spare_nodes = 24;
  options.num_runs = 400;
  const double enough = share_within(24, 24, 0);
  EXPECT_NEAR(enough, 0.5540, 1e-4);
  const Simulation simulation = simulate_goodput(job, options, pool);
  // At the start of a run nothing is away yet: some hours of many days.
  EXPECT_NEAR(1 - simulation.mean.waiting, enough, 0.03);
  options.spare_nodes = spares_for(0.999, 24, 0);
  EXPECT_LT(simulate_goodput(job, options, pool).mean.waiting, 0.002);
}

TEST(GoodputSimulation, BurstsSpreadRunsButKeepTheMeanRate) {
  JobFaults job = plain_job();
  ThreadPool pool(2);
  const SimulationOptions options = plain_options(job);
  const Simulation steady = simulate_goodput(job, options, pool);
  job.burstiness = 0.64;
  const Simulation bursts = simulate_goodput(job, options, pool);
  EXPECT_GT(bursts.high - bursts.low, 3 * (steady.high - steady.low));
  EXPECT_NEAR(bursts.mean.useful, steady.mean.useful,
              4 * bursts.standard_error + 0.01);
}

TEST(GoodputSimulation, OfOneSeedIsOneHistory) {
  JobFaults job = plain_job();
  job.burstiness = 0.64;
  const SimulationOptions options = plain_options(job);
  const SimulatedRun once = simulate_run(job, options, 7);
  const SimulatedRun again = simulate_run(job, options, 7);
  EXPECT_EQ(once.seconds, again.seconds);
  EXPECT_EQ(once.faults, again.faults);
  EXPECT_NE(once.seconds, simulate_run(job, options, 8).seconds);
}

TEST(GoodputSimulation, GivesUpARunWithoutProgress) {
  JobFaults job = plain_job();
  job.fault_rate = 0.1;
  const SimulatedRun run =
      simulate_run(job, {.useful_seconds = 3600, .interval = 60}, 0);
  EXPECT_LT(run.parts.useful, 1e-3);
  EXPECT_FALSE(run.finished);
}

// Runs that give up after 300,000 faults are shorter than others that end.
TEST(GoodputSimulation, RangeIsOfGoodputWhereRunsGiveUp) {
  JobFaults job = plain_job();
  job.burstiness = 1;
  job.fault_rate = 0.03;
  ThreadPool pool(2);
  const Simulation simulation = simulate_goodput(
      job, {.useful_seconds = 3 * 86400.0, .interval = 60, .num_runs = 20},
      pool);
  EXPECT_GT(simulation.num_given_up(), 2);
  EXPECT_LT(simulation.num_given_up(), 18);
  EXPECT_LT(simulation.low, simulation.high);
  EXPECT_LE(simulation.low, simulation.mean.useful);
  EXPECT_GE(simulation.high, simulation.mean.useful);
}

}  // namespace
}  // namespace colossus::planner
