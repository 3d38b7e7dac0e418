#include "planner/user_calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "planner/calibration_file.h"
#include "planner/run_workload.h"
#include "planner/step_cost.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;

// Rows of one family, with the times that `truth` would give.
std::vector<PublishedRun> runs_under(const Calibration& truth,
                                     const std::string& family, size_t most) {
  std::vector<PublishedRun> runs;
  for (PublishedRun& run : shipped_runs()) {
    if (run.family != family || !run.step_seconds()) continue;
    if (runs.size() == most) break;
    const RunWorkload workload = workload_of(run);
    if (workload.why_not) continue;
    run.step_time_s = step_cost(workload.workload, truth).seconds;
    run.tokens_per_s_per_gpu.reset();
    run.mem_gib_per_gpu.reset();
    run.quality.clear();  // a user's own
    runs.push_back(run);
  }
  return runs;
}

size_t index_of(const std::string& name) {
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    if (calibrated_numbers()[i].name == name) return i;
  }
  return kNumCalibrated;
}

NcclTest test_of(const std::string& source, int64_t line) {
  NcclTest test;
  test.source = source;
  test.line = line;
  test.num_ranks = 8;
  test.num_hosts = 1;
  return test;
}

LinkMeasurement measured_by(const NcclTest& test) {
  LinkMeasurement measurement;
  measurement.test = &test;
  return measurement;
}

UserCalibration calibrate_runs(const std::vector<PublishedRun>& runs) {
  ThreadPool pool(2);
  return calibrate(runs, {}, false, pool);
}

// What was true on the user's machines is found again, and says so.
TEST(UserCalibration, FindsAMachineWhoseProductsAreSlower) {
  Calibration truth;
  truth.bf16_hopper *= 0.85;
  const UserCalibration result = calibrate_runs(runs_under(truth, "mpt", 60));
  ASSERT_EQ(result.runs.size(), 60U);
  const UserNumber& number = result.numbers[index_of("bf16_hopper")];
  EXPECT_NEAR(number.after / number.before, 0.85, 0.03);
  EXPECT_EQ(number.source, NumberSource::kRows);
  EXPECT_LT(number.remaining, 0.5);
  EXPECT_GT(number.from.size(), 10U);
  for (const CalibratedRun& run : result.runs) {
    EXPECT_LT(std::abs(run.after), 0.03) << run.id;
    EXPECT_LT(std::abs(*run.left_out), 0.05) << run.id;
  }
}

// bigscience's rows know the sum of several terms, but none of them alone: the
// calibration predicts its runs, and does not claim more.
TEST(UserCalibration, DoesNotClaimNumbersThatOnlyTheirSumShows) {
  Calibration truth;
  truth.bf16_ampere *= 0.85;
  const UserCalibration result =
      calibrate_runs(runs_under(truth, "bigscience", 40));
  const UserNumber& number = result.numbers[index_of("bf16_ampere")];
  EXPECT_LT(number.after, 0.95 * number.before);
  EXPECT_EQ(number.source, NumberSource::kMoved);
  for (const CalibratedRun& run : result.runs) {
    EXPECT_GT(std::abs(run.before), 0.05) << run.id;
    EXPECT_LT(std::abs(*run.left_out), 0.04) << run.id;
  }
}

// Runs on A100 say nothing of Blackwell or of experts.
TEST(UserCalibration, KeepsOursWhereTheRowsSayNothing) {
  Calibration truth;
  truth.bf16_ampere *= 0.85;
  const UserCalibration result =
      calibrate_runs(runs_under(truth, "bigscience", 10));
  for (const char* name : {"fp8_blackwell", "grouped", "flash2",
                           "permute_passes", "power_exponent"}) {
    const UserNumber& number = result.numbers[index_of(name)];
    EXPECT_EQ(number.source, NumberSource::kOurs) << name;
    EXPECT_EQ(number.after, number.before) << name;
    EXPECT_TRUE(number.from.empty()) << name;
  }
}

TEST(UserCalibration, OfOneRowDeterminesNothing) {
  Calibration truth;
  truth.bf16_ampere *= 0.85;
  const UserCalibration result =
      calibrate_runs(runs_under(truth, "bigscience", 1));
  ASSERT_EQ(result.runs.size(), 1U);
  EXPECT_LT(std::abs(result.runs[0].after), std::abs(result.runs[0].before));
  EXPECT_FALSE(result.runs[0].left_out);
  EXPECT_FALSE(result.one_factor_median);
  for (const UserNumber& number : result.numbers) {
    EXPECT_NE(number.source, NumberSource::kRows);
  }
}

TEST(UserCalibration, LeavesWhatNcclTestsFixed) {
  TierFit nvlink;
  nvlink.tier = "NVLink";
  nvlink.efficiency = 0.6;
  nvlink.latency_seconds = 5e-6;
  const NcclTest test = test_of("one.txt", 7);
  nvlink.tests.push_back(measured_by(test));
  ThreadPool pool(2);
  const auto runs = runs_under(Calibration(), "bigscience", 8);
  const UserCalibration result = calibrate(runs, {nvlink}, false, pool);
  EXPECT_EQ(result.calibration.nvlink_rate, 0.6);
  const UserNumber& number = result.numbers[index_of("nvlink_rate")];
  EXPECT_EQ(number.source, NumberSource::kNcclTests);
  EXPECT_THAT(number.from, testing::ElementsAre("one.txt:7"));
}

TEST(UserCalibration, SaysWhyARowIsNotUsed) {
  std::vector<PublishedRun> runs = runs_under(Calibration(), "kort", 3);
  runs[0].quality = "C";
  runs[1].step_time_s.reset();
  const UserCalibration result = calibrate_runs(runs);
  EXPECT_EQ(result.runs.size(), 1U);
  ASSERT_EQ(result.unused.size(), 2U);
  EXPECT_EQ(result.unused[0].why, "quality is C");
  EXPECT_THAT(result.unused[1].why, HasSubstr("no step_time_s"));
  runs.resize(1);
  try {
    calibrate_runs(runs);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("quality is C"));
  }
}

// Reading the file gives the numbers back, with their grades.
TEST(UserCalibration, IsWrittenAsAFileThatReadsBack) {
  Calibration truth;
  truth.bf16_hopper *= 0.85;
  UserCalibration result = calibrate_runs(runs_under(truth, "mpt", 40));
  const NcclTest test = test_of("four.txt", 9);
  result.links.push_back({.tier = "leaf",
                          .efficiency = 0.8,
                          .latency_seconds = 15e-6,
                          .tests = {measured_by(test)},
                          .remark = ""});
  const std::string text = calibration_toml(result, {"my_runs.csv"});
  EXPECT_THAT(text, HasSubstr("from my_runs.csv."));
  EXPECT_THAT(text, HasSubstr(" rows: mpt-001, "));
  EXPECT_THAT(text, HasSubstr("ours; nothing measured speaks of it"));
  const LoadedCalibration loaded = read_calibration(text, "mine.toml");
  for (size_t i = 0; i < kNumCalibrated; ++i) {
    EXPECT_NEAR(calibrated_value(loaded.calibration, i) /
                    calibrated_value(result.calibration, i),
                1, 1e-5);
    const bool measured = result.numbers[i].source == NumberSource::kRows;
    EXPECT_EQ(loaded.inputs[i].grade,
              measured ? Grade::kMeasured : Grade::kAssumed);
  }
  ASSERT_EQ(loaded.tiers.size(), 1U);
  EXPECT_EQ(loaded.tiers[0].tier, "leaf");
  EXPECT_DOUBLE_EQ(loaded.tiers[0].efficiency, 0.8);
  EXPECT_DOUBLE_EQ(loaded.tiers[0].latency_seconds, 15e-6);
}

// Names from outside stay within their comments.
TEST(UserCalibration, ReadsBackWhateverItsNamesHold) {
  Calibration truth;
  truth.bf16_hopper *= 0.85;
  std::vector<PublishedRun> runs = runs_under(truth, "mpt", 12);
  for (PublishedRun& run : runs) {
    run.id = "\n[nvlink]\nlatency = \"9 s\"\r\x7f" + run.id;
  }
  const UserCalibration result = calibrate_runs(runs);
  const std::string text =
      calibration_toml(result, {"a.csv\nbf16_hopper = \"0.1\""});
  const LoadedCalibration read = read_calibration(text, "x.toml");
  EXPECT_EQ(read.nvlink_latency_seconds, 0);
  EXPECT_NEAR(read.calibration.bf16_hopper, result.calibration.bf16_hopper,
              1e-5);
}

// The errors are those of the calibration that is written, after numbers of
// which nothing speaks were put back.
TEST(UserCalibration, PrintsErrorsOfWhatItWrites) {
  Calibration truth;
  truth.bf16_ampere *= 0.85;
  const std::vector<PublishedRun> runs = runs_under(truth, "bigscience", 10);
  const UserCalibration result = calibrate_runs(runs);
  ASSERT_EQ(result.runs.size(), runs.size());
  for (size_t i = 0; i < runs.size(); ++i) {
    const RunWorkload workload = workload_of(runs[i]);
    const double seconds =
        step_cost(workload.workload, result.calibration).seconds;
    EXPECT_DOUBLE_EQ(result.runs[i].after,
                     seconds / *runs[i].step_seconds() - 1);
  }
}

}  // namespace
}  // namespace colossus::planner
