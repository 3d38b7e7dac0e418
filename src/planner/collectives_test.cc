#include "planner/collectives.h"

#include <gtest/gtest.h>

#include "planner/cost_test_util.h"

namespace colossus::planner {
namespace {

TEST(Collectives, SendWhatARingSends) {
  const Link link = {1e11, 0};
  // 2 x 7/8 of 1 GB at 100 GB/s.
  EXPECT_DOUBLE_EQ(all_reduce_seconds(1e9, 8, link), 17.5e-3);
  EXPECT_DOUBLE_EQ(gather_seconds(1e9, 8, link), 8.75e-3);
  EXPECT_EQ(gather_seconds(1e9, 1, link), 0);
}

TEST(Collectives, WaitForAStepOfEachDoubling) {
  const Link link = {1e11, 1e-3};
  // 1024 ranks: 10 steps up, 10 down.
  EXPECT_NEAR(all_reduce_seconds(0, 1024, link), 20e-3, 1e-15);
  EXPECT_NEAR(gather_seconds(0, 1000, link), 10e-3, 1e-15);
  EXPECT_NEAR(send_seconds(1e8, link), 2e-3, 1e-15);
}

TEST(Links, AreThoseOfTheTierThatSpans) {
  Machine machine = plain_machine();
  machine.tiers[0] = {64, 1e10, 0, 0};
  machine.tiers[1] = {0, 4e9, 0.5, 2e-6};
  machine.num_tiers = 2;
  Calibration c = plain_calibration();
  c.network_rate = 0.75;
  EXPECT_EQ(link_across(machine, 8, c).bytes_per_second, 1e11);
  EXPECT_EQ(link_across(machine, 9, c).bytes_per_second, 0.75e10);
  EXPECT_EQ(link_across(machine, 64, c).bytes_per_second, 0.75e10);
  // A measured efficiency stands in place of the calibrated one.
  EXPECT_EQ(link_across(machine, 65, c).bytes_per_second, 2e9);
  EXPECT_EQ(link_across(machine, 65, c).latency_seconds, 2e-6);
}

TEST(Links, OfANodeAreSharedByItsRings) {
  const Machine machine = plain_machine();
  const Calibration c = plain_calibration();
  // 8 NICs of 1e10 for 2 rings: 4e10 each; for one ring 8e10; alone 1e10.
  EXPECT_EQ(shared_rings(machine, 16, 2, c).bytes_per_second, 4e10);
  EXPECT_EQ(shared_rings(machine, 16, 1, c).bytes_per_second, 8e10);
  EXPECT_EQ(shared_rings(machine, 16, 8, c).bytes_per_second, 1e10);
  EXPECT_EQ(shared_rings(machine, 8, 2, c).bytes_per_second, 1e11);
}

TEST(Links, GoNoFasterThanNvlink) {
  Machine machine = plain_machine();
  machine.tiers[0].bandwidth = 5e10;
  EXPECT_EQ(shared_rings(machine, 16, 1, plain_calibration()).bytes_per_second,
            1e11);
}

TEST(AllToAll, SendsEveryCopyWithinADomainAndOneANodeBeyond) {
  const Machine machine = plain_machine();
  const Calibration c = plain_calibration();
  // 2 experts, 3/4 of 4 ranks are others: 1e9 x 2 x 0.75 / 1e11.
  EXPECT_DOUBLE_EQ(all_to_all_seconds(1e9, 2, 4, machine, c), 15e-3);
  // 16 ranks are 2 nodes: 2 (1 - 1/4) = 1.5 reached, half of them others.
  EXPECT_DOUBLE_EQ(all_to_all_seconds(1e9, 2, 16, machine, c), 75e-3);
  EXPECT_EQ(all_to_all_seconds(1e9, 2, 1, machine, c), 0);
}

}  // namespace
}  // namespace colossus::planner
