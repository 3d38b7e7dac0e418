#include "planner/published_goodput.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace colossus::planner {
namespace {

TEST(PublishedGoodput, WallAndUptimeDiffer) {
  EXPECT_NEAR(goodput_of_wall(18, 10), 0.444, 0.001);
  EXPECT_NEAR(goodput_of_uptime(18, 10), 0.643, 0.001);
  EXPECT_EQ(goodput_of_wall(10, 18), 0);
}

TEST(PublishedGoodput, StepsBetweenKills) {
  // Gaps of always 60 s, steps of 15: a quarter of them is hit.
  EXPECT_EQ(undisturbed_share(Gaps::kRegular, 60, 15), 0.75);
  // Of 0 to 120 s: (1 - 15/120)^2 = 49/64.
  EXPECT_EQ(undisturbed_share(Gaps::kUniform, 60, 15), 49 / 64.0);
  EXPECT_EQ(undisturbed_share(Gaps::kExponential, 60, 15), std::exp(-0.25));
  EXPECT_EQ(undisturbed_share(Gaps::kUniform, 60, 130), 0);
}

// 1 fault a day, 12 min to restart, 48 min between saves of 4 min:
// (1 - 36/1440) / (1 + 4/48) = 0.9.
TEST(PublishedGoodput, OfRscIsFirstOrder) {
  EXPECT_NEAR(expected_ettr(1 / 86400.0, 720, 2880, 240), 0.9, 1e-12);
}

TEST(PublishedGoodput, NamesGaps) {
  EXPECT_EQ(gaps_named("uniform"), Gaps::kUniform);
  EXPECT_THROW(gaps_named("odd"), UserError);
}

}  // namespace
}  // namespace colossus::planner
