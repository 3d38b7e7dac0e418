#include "drawing/axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace colossus::drawing {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> labels;
  for (const Tick& tick : axis.ticks) labels.push_back(tick.label);
  return labels;
}

TEST(RoundAxis, CoversTheValuesWithRoundEnds) {
  const Axis axis = round_axis(2.13, 7.62, 6);
  EXPECT_EQ(axis.low, 2);
  EXPECT_EQ(axis.high, 8);
  EXPECT_THAT(labels(axis), ElementsAre("2", "3", "4", "5", "6", "7", "8"));
}

TEST(RoundAxis, GivesAllLabelsTheDecimalsOfTheStep) {
  EXPECT_THAT(labels(round_axis(0, 0.004, 5)),
              ElementsAre("0", "0.001", "0.002", "0.003", "0.004"));
  EXPECT_THAT(labels(round_axis(1.41, 1.73, 5)),
              ElementsAre("1.4", "1.5", "1.6", "1.7", "1.8"));
}

TEST(RoundAxis, ShortensLargeNumbers) {
  EXPECT_THAT(labels(round_axis(0, 4.2e6, 5)),
              ElementsAre("0", "1M", "2M", "3M", "4M", "5M"));
}

TEST(RoundAxis, MakesRoomAroundASingleValue) {
  for (const double value : {0.0, 5.0, -3.0, 1e-12, 1e12}) {
    const Axis axis = round_axis(value, value, 5);
    EXPECT_LT(axis.low, axis.high) << value;
    EXPECT_GE(axis.position(value), 0) << value;
    EXPECT_LE(axis.position(value), 1) << value;
  }
}

TEST(StepAxis, EndsWhereTheRunEnds) {
  const Axis axis = step_axis(1, 1500, 6);
  EXPECT_EQ(axis.position(1), 0);
  EXPECT_EQ(axis.position(1500), 1);
  EXPECT_THAT(labels(axis), ElementsAre("500", "1,000", "1,500"));
}

TEST(StepAxis, NeverMarksHalfAStep) {
  EXPECT_THAT(labels(step_axis(1, 3, 6)), ElementsAre("1", "2", "3"));
  EXPECT_THAT(labels(step_axis(7, 7, 6)), ElementsAre("7", "8"));
}

TEST(LogAxis, PlacesEqualRatiosAtEqualDistances) {
  const Axis axis = log_axis(0.1, 10);
  EXPECT_NEAR(axis.position(1), 0.5, 1e-12);
  EXPECT_THAT(labels(axis),
              ElementsAre("0.1", "0.2", "0.5", "1", "2", "5", "10"));
}

TEST(LogAxis, HasTicksWhereItIsShort) {
  EXPECT_THAT(labels(log_axis(0.23, 0.4)), ElementsAre("0.3", "0.4"));
  EXPECT_THAT(labels(log_axis(60'000, 85'000)),
              ElementsAre("60,000", "70,000", "80,000", "90,000"));
}

TEST(LogAxis, MarksFewTicksOverManyDecades) {
  EXPECT_LE(log_axis(1e-30, 1e30).ticks.size(), 8u);
}

}  // namespace
}  // namespace colossus::drawing
