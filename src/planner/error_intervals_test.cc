#include "planner/error_intervals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace colossus::planner {
namespace {

using testing::HasSubstr;

// The fits again, once for all tests: a second.
const Validation& shipped() {
  static const Validation* const kValidation = [] {
    ThreadPool pool(2);
    const std::vector<PublishedRun> runs = shipped_runs();
    return new Validation(validate_planner(runs, runs, pool));
  }();
  return *kValidation;
}

// Two units of one run and one of two: weights 1/2, 1/4, 1/4. Four fifths are
// reached with the last.
TEST(ErrorIntervals, WeighUnitsEqually) {
  EXPECT_EQ(half_interval_of({{"a", 0.1}, {"b", 0.2}, {"b", 0.3}}), 0.3);
  EXPECT_EQ(half_interval_of(
                {{"a", 0.1}, {"b", 0.2}, {"c", 0.3}, {"d", 0.4}, {"e", 0.5}}),
            0.4);
  EXPECT_EQ(half_interval_of({}), 0);
  std::vector<UnitError> ten;
  for (int i = 1; i <= 10; ++i) ten.push_back({std::to_string(i), 0.1 * i});
  EXPECT_EQ(half_interval_of(ten), ten[7].error);
}

TEST(ErrorIntervals, AreSymmetricInTheLogarithm) {
  const ErrorInterval interval = {std::log(1.25), "x", 1, 1};
  EXPECT_DOUBLE_EQ(interval.high(8), 10);
  EXPECT_DOUBLE_EQ(interval.low(8), 6.4);
}

TEST(ErrorIntervals, AreThoseOfTheValidation) {
  const Validation& validation = shipped();
  const IntervalTable computed = computed_intervals(validation);
  const IntervalTable& held = shipped_intervals();
  for (size_t i = 0; i < computed.kinds.size(); ++i) {
    const KindErrors &a = held.kinds[i], &b = computed.kinds[i];
    EXPECT_EQ(a.group, b.group);
    EXPECT_NEAR(a.half, b.half, 0.002) << source_of(computed);
    EXPECT_EQ(a.runs, b.runs);
    EXPECT_EQ(a.units, b.units);
    EXPECT_EQ(a.most_devices_id, b.most_devices_id);
    EXPECT_EQ(a.most_devices, b.most_devices);
    EXPECT_EQ(a.most_parameters_id, b.most_parameters_id);
    EXPECT_NEAR(a.most_parameters / b.most_parameters, 1, 1e-4);
  }
  EXPECT_NEAR(held.memory_half, computed.memory_half, 0.002);
  EXPECT_EQ(held.memory_runs, computed.memory_runs);
  EXPECT_EQ(held.memory_units, computed.memory_units);
}

// Each unit left out, the interval of the others of its kind holds most of it.
TEST(ErrorIntervals, HoldMostRunsThatTheyHaveNotSeen) {
  const Validation& validation = shipped();
  double held = 0, all = 0;
  for (const ScoredRun& run : validation.runs) {
    const RunKind kind = {run.has_experts, run.is_blackwell,
                          run.is_tensor_pipeline};
    double half = 0;
    for (const RunGroup group :
         {RunGroup::kTensorPipeline, RunGroup::kOtherDense, RunGroup::kExperts,
          RunGroup::kBlackwell}) {
      if (!run.is_in(group)) continue;
      std::vector<UnitError> others;
      for (const ScoredRun& other : validation.runs) {
        if (other.is_in(group) && other.unit != run.unit) {
          others.push_back({other.unit, std::abs(std::log(1 + other.cold))});
        }
      }
      half = std::max(half, half_interval_of(others));
    }
    held += std::abs(std::log(1 + run.cold)) <= half;
    ++all;
    EXPECT_GT(time_interval(kind).half, 0);
  }
  EXPECT_GE(held / all, 0.7);
  EXPECT_LE(held / all, 0.9);
}

TEST(ErrorIntervals, NameTheRunThatAPlanIsBeyond) {
  EXPECT_THAT(extrapolation({true, false, true}, 131072, 3e11),
              HasSubstr("131,072 GPUs: the largest timed run in public"));
  EXPECT_THAT(extrapolation({false, false, true}, 8, 1e14),
              HasSubstr("100000 billion parameters"));
  EXPECT_EQ(extrapolation({false, false, true}, 64, 7e9), "");
}

}  // namespace
}  // namespace colossus::planner
