#include "planner/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "planner/error_intervals.h"

namespace colossus::planner {
namespace {

// Once for all tests: a few seconds.
const Validation& shipped() {
  static const Validation* validation = [] {
    ThreadPool pool(2);
    const std::vector<PublishedRun> runs = shipped_runs();
    return new Validation(validate_planner(runs, runs, pool));
  }();
  return *validation;
}

double mean_over_units(RunGroup group, double (*get)(const GroupErrors&)) {
  double sum = 0;
  int units = 0;
  for (const GroupErrors& errors : shipped().groups) {
    if (errors.group != group || errors.rows < 5) continue;
    sum += get(errors);
    ++units;
  }
  return sum / units;
}
double cold_median(const GroupErrors& g) { return g.cold.median; }
double cold_p90(const GroupErrors& g) { return g.cold.p90; }
double anchored_median(const GroupErrors& g) { return g.anchored->median; }
double baseline_median(const GroupErrors& g) { return g.baseline_cold->median; }

TEST(Errors, AreMedianNearestRankAndBias) {
  const Errors errors = errors_of({-0.4, 0.1, -0.2, 0.3, -0.5});
  EXPECT_DOUBLE_EQ(errors.median, 0.3);
  EXPECT_DOUBLE_EQ(errors.p90, 0.5);
  EXPECT_DOUBLE_EQ(errors.bias, -0.2);
}

TEST(Validation, DeclinesOnlyTheImpossibleRow) {
  ASSERT_EQ(shipped().unpredicted.size(), 1U);
  EXPECT_THAT(shipped().unpredicted[0].why, testing::HasSubstr("tp 1, pp 1"));
  EXPECT_EQ(shipped().runs.size(), 605U);
}

// Rows and errors that shared/data/README.md prints of the baseline.
TEST(Validation, HasTheReadmesBaseline) {
  EXPECT_NEAR(mean_over_units(RunGroup::kTensorPipeline, baseline_median), 0.49,
              0.005);
  bool found = false;
  for (const GroupErrors& errors : shipped().groups) {
    if (errors.group != RunGroup::kTensorPipeline) continue;
    if (errors.unit == "bigscience") {
      found = true;
      EXPECT_EQ(errors.rows, 119);
      EXPECT_NEAR(errors.baseline_cold->median, 0.24, 0.005);
      EXPECT_NEAR(errors.baseline_cold->p90, 0.43, 0.005);
      EXPECT_NEAR(errors.baseline_anchored->median, 0.14, 0.006);
    }
  }
  EXPECT_TRUE(found);
}

// The bars.
TEST(Validation, ReachesWhatIsAsked) {
  const RunGroup split = RunGroup::kTensorPipeline;
  EXPECT_LT(mean_over_units(split, cold_median), 0.15);
  EXPECT_LT(mean_over_units(split, cold_p90), 0.35);
  EXPECT_LT(mean_over_units(split, anchored_median), 0.10);
  EXPECT_LT(mean_over_units(RunGroup::kOtherDense, anchored_median), 0.10);
  EXPECT_LT(mean_over_units(RunGroup::kBlackwell, anchored_median), 0.12);
  EXPECT_LT(mean_over_units(split, cold_median),
            mean_over_units(split, baseline_median) / 3);
}

TEST(Validation, KnowsWhatFits) {
  const Fitting& fitting = shipped().fitting;
  EXPECT_EQ(fitting.runs, 605);
  EXPECT_GE(fitting.fitting, 0.98 * 605);
  EXPECT_EQ(fitting.out_of_memory, 6);
  EXPECT_GE(fitting.not_fitting, 5);
}

// kort's mean and worst, vtrain's mean, memory's median and 90th percentile.
TEST(Validation, ReachesWhatIsAskedOfSingleFamilies) {
  std::vector<double> memory;
  double kort = 0, worst = 0, vtrain = 0;
  int kort_rows = 0, vtrain_rows = 0;
  for (const ScoredRun& run : shipped().runs) {
    if (run.memory) memory.push_back(*run.memory);
    if (!run.anchored) continue;
    const double error = std::abs(*run.anchored);
    if (run.unit == "vtrain") {
      vtrain += error;
      ++vtrain_rows;
    } else if (run.unit == "kort") {
      kort += error;
      ++kort_rows;
      worst = std::max(worst, error);
    }
  }
  ASSERT_EQ(kort_rows, 7);
  ASSERT_EQ(vtrain_rows, 50);
  kort /= kort_rows;
  vtrain /= vtrain_rows;
  EXPECT_LT(kort, 0.05);
  EXPECT_LT(worst, 0.10);
  EXPECT_LT(vtrain, 0.147);
  ASSERT_EQ(memory.size(), 103U);
  EXPECT_LT(errors_of(memory).median, 0.08);
  EXPECT_LT(errors_of(memory).p90, 0.15);
}

TEST(Validation, ItsIntervalHoldsMostRows) {
  int inside = 0;
  for (const ScoredRun& run : shipped().runs) {
    inside += std::abs(std::log(1 + run.cold)) <= run.interval;
  }
  EXPECT_GE(inside, 0.7 * 605);
  EXPECT_LE(inside, 0.9 * 605);
}

// The fit to all rows is what calibration.cc holds.
TEST(Validation, FindsTheDefaultsAgain) {
  const Calibration defaults;
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    const CalibratedNumber& number = calibrated_numbers()[i];
    if (number.sigma == 0) continue;
    const double ratio =
        calibrated_value(shipped().calibration, i) / number.value;
    EXPECT_NEAR(std::log(ratio) / number.sigma, 0, 0.1) << number.name;
  }
}

// A family's first row by id gives its factor.
TEST(Validation, AnchorsAreNotScored) {
  for (const ScoredRun& run : shipped().runs) {
    const bool is_anchor = run.run.id == "kort-001" ||
                           run.run.id == "titan-001" ||
                           run.run.id == "bloom-001";
    if (is_anchor) {
      EXPECT_FALSE(run.anchored) << run.run.id;
    }
    if (run.run.id == "kort-002") {
      EXPECT_TRUE(run.anchored);
    }
  }
}

// What foreign rows measured does not set how wide their intervals are, and the
// shipped rows are their baseline.
TEST(Validation, GivesForeignRowsTheIntervalsOfPlans) {
  std::vector<PublishedRun> runs;
  for (PublishedRun run : shipped_runs()) {
    if (run.family != "kort" || !run.is_first_hand()) continue;
    run.id = "mine-" + run.id;
    run.family = "mine";
    if (run.step_time_s) *run.step_time_s *= 1.5;
    runs.push_back(run);
  }
  ThreadPool pool(2);
  const Validation validation = validate_planner(runs, shipped_runs(), pool);
  ASSERT_EQ(validation.runs.size(), 8U);
  for (const ScoredRun& run : validation.runs) {
    EXPECT_NEAR(run.interval, time_interval({false, false, true}).half, 1e-12);
    EXPECT_TRUE(run.baseline_cold);
  }
}

// A row may leave open what the baseline needs; the planner fills it.
TEST(Validation, GivesRowsThatLeaveMuchOpenNoBaseline) {
  const std::vector<PublishedRun> runs = read_published_runs(
      "id,gpu,num_gpus,model_name,params_b,step_time_s\n"
      "mine,A100 80GB,64,Newcomer 13B,13,12\n",
      "my_runs.csv");
  const Validation validation = validate_calibration(runs, Calibration());
  ASSERT_EQ(validation.runs.size(), 1U);
  EXPECT_FALSE(validation.runs[0].baseline_cold);
}

// A user's rows have no grade, and are scored under the calibration given.
TEST(Validation, ScoresRowsWithoutAGradeUnderACalibration) {
  std::vector<PublishedRun> runs;
  for (PublishedRun run : shipped_runs()) {
    run.quality.clear();
    if (run.family == "mpt" && runs.size() < 5) runs.push_back(run);
  }
  const Validation ours = validate_calibration(runs, Calibration());
  ASSERT_EQ(ours.runs.size(), 5U);
  EXPECT_FALSE(ours.is_left_out);
  Calibration slower;
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    if (std::string(calibrated_numbers()[i].name).starts_with("bf16")) {
      calibrated_value(slower, i) /= 2;
    }
  }
  const Validation other = validate_calibration(runs, slower);
  EXPECT_GT(other.runs[0].predicted_seconds,
            1.3 * ours.runs[0].predicted_seconds);
}

}  // namespace
}  // namespace colossus::planner
