#include "planner/power_swing.h"

#include <gtest/gtest.h>

#include "planner/cluster_file.h"

namespace colossus::planner {
namespace {

// 1000 devices of 700 W at 1300 W each: 600 W around. Computing all of it,
// waiting 40%, idle 10%: 1300, 880 and 670 kW.
Cluster plain_cluster() {
  Cluster cluster = make_cluster("H100-SXM", 1000);
  cluster.power.watts_per_device = 1300;
  cluster.power.compute_share = 1;
  cluster.power.wait_share = 0.4;
  cluster.power.idle_share = 0.1;
  cluster.power.swing_seconds = 0.01;
  return cluster;
}

// 8 s compute, 2 s wait: mean (8 x 1300 + 2 x 880) / 10 = 1216 kW. Batteries
// give 84 kW for 8 s and take 336 kW for 2 s: 672 kJ.
TEST(PowerSwing, IsWhatAllGpusDoTogether) {
  const PowerSwing swing =
      power_swing({8, 2, 0}, 1000, plain_cluster(), 0.5, 0, 600);
  EXPECT_DOUBLE_EQ(swing.peak_watts, 1.3e6);
  EXPECT_DOUBLE_EQ(swing.wait_watts, 0.88e6);
  EXPECT_DOUBLE_EQ(swing.idle_watts, 0.67e6);
  EXPECT_DOUBLE_EQ(swing.mean_watts, 1.216e6);
  EXPECT_DOUBLE_EQ(swing.busy_watts, 1.3e6);
  EXPECT_DOUBLE_EQ(swing.swing_watts, 0.42e6);
  EXPECT_DOUBLE_EQ(swing.ramp_watts_per_second, 42e6);
  EXPECT_DOUBLE_EQ(swing.smoothing_watts, 336e3);
  EXPECT_DOUBLE_EQ(swing.smoothing_joules, 672e3);
  EXPECT_DOUBLE_EQ(swing.smoothing_joules, 8 * (1.3e6 - 1.216e6));
  EXPECT_DOUBLE_EQ(swing.checkpoint_joules, 336e3 * 0.5);
  EXPECT_DOUBLE_EQ(swing.stop_watts, 546e3);
  EXPECT_DOUBLE_EQ(swing.stop_joules, 546e3 * 600);
}

// All wait for 100 s (336 kW are left over), then no job runs (546 kW).
TEST(PowerSwing, OfAStopIsFirstThatOfAWait) {
  const PowerSwing swing =
      power_swing({8, 2, 0}, 1000, plain_cluster(), 0.5, 100, 600);
  EXPECT_DOUBLE_EQ(swing.stop_joules, 336e3 * 100 + 546e3 * 600);
}

// Of 8 busy seconds 2 are waits of some: (6 x 1300 + 2 x 880) / 8 = 1195 kW.
TEST(PowerSwing, ScatteredWaitsLowerTheLevelNotTheValley) {
  const PowerSwing swing =
      power_swing({6, 2, 2}, 1000, plain_cluster(), 0.5, 0, 600);
  EXPECT_DOUBLE_EQ(swing.busy_watts, 1.195e6);
  EXPECT_DOUBLE_EQ(swing.swing_watts, 0.315e6);
  EXPECT_DOUBLE_EQ(swing.mean_watts, 1.132e6);
  EXPECT_DOUBLE_EQ(swing.peak_watts, 1.3e6);
}

TEST(PowerSwing, IsNoneWhereAllNeverWait) {
  const PowerSwing swing =
      power_swing({10, 0, 0}, 1000, plain_cluster(), 0, 0, 600);
  EXPECT_EQ(swing.swing_watts, 0);
  EXPECT_EQ(swing.smoothing_joules, 0);
  EXPECT_DOUBLE_EQ(swing.mean_watts, 1.3e6);
}

TEST(PowerSwing, OfASiteThatSaysNothingIsANodesDatasheet) {
  Cluster cluster = plain_cluster();
  cluster.power.watts_per_device = 0;
  cluster.power.node_over_devices = 1.5;
  EXPECT_DOUBLE_EQ(power_swing({1, 0, 0}, 1000, cluster, 0, 0, 0).peak_watts,
                   1.05e6);
  // A cap below the GPU's limit holds for the GPU.
  cluster.power.watts_per_device = 500;
  const PowerSwing capped = power_swing({1, 0, 0}, 1000, cluster, 0, 0, 0);
  EXPECT_DOUBLE_EQ(capped.peak_watts, 0.5e6);
  EXPECT_DOUBLE_EQ(capped.wait_watts, 0.2e6);
}

TEST(StepPhases, SumToTheStep) {
  StepCost cost;
  const auto set = [&](Term term, double seconds) {
    cost.terms[static_cast<size_t>(term)] = seconds;
    cost.seconds += seconds;
  };
  set(Term::kFeedForward, 5);
  set(Term::kGradients, 1);
  set(Term::kJitter, 0.5);
  set(Term::kBubble, 0.25);
  set(Term::kTensorParallel, 0.125);
  const StepPhases phases = step_phases(cost);
  EXPECT_EQ(phases.exposed_wait, 1.5);
  EXPECT_EQ(phases.scattered_wait, 0.375);
  EXPECT_EQ(phases.compute, 5);
}

}  // namespace
}  // namespace colossus::planner
