#include "planner/spares.h"

#include <gtest/gtest.h>

#include <cmath>

namespace colossus::planner {
namespace {

// Mean 2: e^-2 (1, 2, 2, 4/3, 2/3, ...) = .1353 .2707 .2707 .1804 .0902; sums
// .1353 .4060 .6767 .8571 .9473 .9834 .9955 .9989.
TEST(Spares, OfASteadyRateArePoisson) {
  EXPECT_NEAR(share_within(0, 2, 0), std::exp(-2), 1e-12);
  EXPECT_NEAR(share_within(3, 2, 0), 0.8571235, 1e-7);
  EXPECT_EQ(spares_for(0.85, 2, 0), 3);
  EXPECT_EQ(spares_for(0.86, 2, 0), 4);
  EXPECT_EQ(spares_for(0.99, 2, 0), 6);
  EXPECT_EQ(spares_for(0.999, 0, 0), 0);
}

// A rate of standard deviation 1 has gamma shape 1: geometric with mean 2,
// chances (1/3) (2/3)^k: sums 1/3, 5/9, 19/27, 65/81.
TEST(Spares, OfAVaryingRateAreNegativeBinomial) {
  EXPECT_NEAR(share_within(0, 2, 1), 1 / 3.0, 1e-12);
  EXPECT_NEAR(share_within(3, 2, 1), 65 / 81.0, 1e-12);
  EXPECT_EQ(spares_for(0.7, 2, 1), 2);
  EXPECT_EQ(spares_for(0.71, 2, 1), 3);
}

// 12,500 nodes, 3.8 per 1,000 node-days, 5.5 days: 261 away. About 3.09 sigmas
// of 16.2 more for 99.9%.
TEST(Spares, OfALargeFleetAreFewSigmasAboveTheMean) {
  EXPECT_NEAR(static_cast<double>(spares_for(0.999, 261.25, 0)),
              261.25 + 3.09 * 16.16 + 1.4, 2);
  EXPECT_EQ(spares_for(0.999, 1e6, 0) / 1000, 1003);
}

TEST(Spares, SufficeForTheShareThatWasAskedFor) {
  for (const double burstiness : {0.0, 0.64}) {
    for (const double mean : {0.3, 7.0, 261.0}) {
      const int64_t spares = spares_for(0.99, mean, burstiness);
      EXPECT_GE(share_within(spares, mean, burstiness), 0.99);
      EXPECT_LT(share_within(spares - 1, mean, burstiness), 0.99);
    }
  }
}

}  // namespace
}  // namespace colossus::planner
