#include "optimizer/schedule.h"

#include <gtest/gtest.h>

namespace colossus::optimizer {
namespace {

config::OptimizerConfig make(const char* schedule) {
  config::OptimizerConfig c;
  c.learning_rate = 1.0;
  c.min_learning_rate = 0.1;
  c.schedule = schedule;
  c.warmup_steps = 10;
  c.decay_steps = 20;
  return c;
}

TEST(Schedule, WarmUpIsLinearAndReachesThePeak) {
  const auto c = make("cosine");
  EXPECT_DOUBLE_EQ(learning_rate(c, 100, 1), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(c, 100, 5), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(c, 100, 10), 1.0);
}

TEST(Schedule, CosineFallsToTheMinimumAtTheLastStep) {
  const auto c = make("cosine");
  EXPECT_NEAR(learning_rate(c, 110, 60), 0.55, 1e-12);  // half way
  EXPECT_NEAR(learning_rate(c, 110, 110), 0.1, 1e-12);
}

TEST(Schedule, WsdStaysAtThePeakAndThenFallsInALine) {
  const auto c = make("wsd");
  EXPECT_DOUBLE_EQ(learning_rate(c, 100, 80), 1.0);
  EXPECT_NEAR(learning_rate(c, 100, 90), 0.55, 1e-12);
  EXPECT_NEAR(learning_rate(c, 100, 100), 0.1, 1e-12);
}

TEST(Schedule, ConstantStaysAtThePeak) {
  EXPECT_DOUBLE_EQ(learning_rate(make("constant"), 100, 99), 1.0);
}

TEST(Schedule, NoWarmUpStartsAtThePeakOfTheCurve) {
  auto c = make("wsd");
  c.warmup_steps = 0;
  EXPECT_DOUBLE_EQ(learning_rate(c, 100, 1), 1.0);
}

}  // namespace
}  // namespace colossus::optimizer
