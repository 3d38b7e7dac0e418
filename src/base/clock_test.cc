#include "base/clock.h"

#include <gtest/gtest.h>

namespace colossus {
namespace {

TEST(Clock, RealSteadyTimeNeverRunsBackwards) {
  double before = real_clock().steady_seconds();
  for (int i = 0; i < 1000; ++i) {
    const double now = real_clock().steady_seconds();
    ASSERT_GE(now, before);
    before = now;
  }
}

TEST(Clock, RealWallTimeIsOfThisCentury) {
  EXPECT_GT(real_clock().wall_seconds(), 1.6e9);
  EXPECT_LT(real_clock().wall_seconds(), 4.1e9);
}

TEST(Clock, ManualClockMovesOnlyByHand) {
  ManualClock clock(1000);
  EXPECT_EQ(clock.wall_seconds(), 1000);
  clock.advance(2.5);
  EXPECT_EQ(clock.wall_seconds(), 1002.5);
  EXPECT_EQ(clock.steady_seconds(), 2.5);
  clock.set_wall(7);
  EXPECT_EQ(clock.steady_seconds(), 2.5);
}

TEST(Clock, WritesDatesInUtc) {
  EXPECT_EQ(utc_text(0), "1970-01-01 00:00 UTC");
  EXPECT_EQ(utc_text(1773500999.9), "2026-03-14 15:09 UTC");
}

TEST(Clock, RefusesDatesThatNoCalendarHolds) {
  EXPECT_EQ(utc_text(-1), "unknown time");
  EXPECT_EQ(utc_text(1e300), "unknown time");
}

}  // namespace
}  // namespace colossus
