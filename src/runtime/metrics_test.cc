#include "runtime/metrics.h"

#include <gtest/gtest.h>

namespace colossus::runtime {
namespace {

TEST(RateWindow, HasNoRateBeforeTimeHasPassed) {
  RateWindow window;
  EXPECT_EQ(window.per_second(), 0);
  window.add(5, 100);
  EXPECT_EQ(window.per_second(), 0);
  window.add(5, 200);
  EXPECT_EQ(window.per_second(), 0);
}

TEST(RateWindow, ForgetsWhatIsOlderThanTheWindow) {
  RateWindow window(10);
  window.add(0, 0);
  window.add(100, 100);  // 1 a second
  for (int i = 1; i <= 20; ++i) window.add(100 + i, 100 + 50 * i);
  EXPECT_DOUBLE_EQ(window.per_second(), 50);
}

TEST(RateWindow, MeasuresStepsLongerThanTheWindow) {
  RateWindow window(10);
  window.add(0, 0);
  window.add(60, 600);
  window.add(120, 1800);
  EXPECT_DOUBLE_EQ(window.per_second(), 20);
}

TEST(Mfu, IsModelFlopsPerSecondOverThePeak) {
  EXPECT_DOUBLE_EQ(mfu(1000, 30e6, 60e9), 0.5);
}

TEST(Mfu, IsZeroWhenThePeakIsUnknown) { EXPECT_EQ(mfu(1000, 30e6, 0), 0); }

TEST(SecondsLeft, IsMinusOneWithoutARate) {
  EXPECT_EQ(seconds_left(100, 0), -1);
  EXPECT_EQ(seconds_left(100, 50), 2);
}

}  // namespace
}  // namespace colossus::runtime
