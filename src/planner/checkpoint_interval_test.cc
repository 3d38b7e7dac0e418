#include "planner/checkpoint_interval.h"

#include <gtest/gtest.h>

#include <cmath>

namespace colossus::planner {
namespace {

// A fault a day, a minute a checkpoint: sqrt(2 x 60 x 86400) = 3220 s.
TEST(CheckpointInterval, OfYoungIsARoot) {
  EXPECT_NEAR(young_interval(60, 1 / 86400.0), 3219.94, 0.01);
}

// x = 60 / (2 x 86400) = 3.4722e-4; its root 0.018634:
// 3219.94 (1 + 0.0062112 + 0.0000386) - 60 = 3180.06.
TEST(CheckpointInterval, OfDalyCorrectsIt) {
  EXPECT_NEAR(daly_interval(60, 1 / 86400.0), 3180.06, 0.01);
  EXPECT_EQ(daly_interval(250, 0.01), 100);  // beyond its series: 1 / rate
}

// rate 1, x = 0.5: cost = ln 2 - 0.5 = 0.193147.
TEST(CheckpointInterval, ExactlySolvesDalysEquation) {
  EXPECT_NEAR(exact_interval(std::log(2.0) - 0.5, 1), 0.5, 1e-9);
  // A rate of 1/h and the same share: 1800 s.
  EXPECT_NEAR(exact_interval(3600 * (std::log(2.0) - 0.5), 1 / 3600.0), 1800,
              1e-5);
}

TEST(CheckpointInterval, OfDalyIsCloseToTheExactOne) {
  for (const double cost : {0.1, 10.0, 600.0}) {
    const double exact = exact_interval(cost, 1 / 7200.0);
    EXPECT_NEAR(daly_interval(cost, 1 / 7200.0) / exact, 1, 2e-3) << cost;
  }
}

TEST(CheckpointInterval, IsTheBestOfItsNeighbours) {
  const double rate = 1 / 1800.0, cost = 90;
  const auto time = [&](double d) { return std::expm1(rate * (d + cost)) / d; };
  const double best = exact_interval(cost, rate);
  EXPECT_LT(time(best), time(best * 1.01));
  EXPECT_LT(time(best), time(best * 0.99));
}

}  // namespace
}  // namespace colossus::planner
