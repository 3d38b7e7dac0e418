#include "planner/plan_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "planner/plan_json.h"
#include "planner/plan_testing.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;

const Change* named(const std::vector<Change>& changes,
                    const std::string& name) {
  for (const Change& change : changes) {
    if (change.name == name) return &change;
  }
  return nullptr;
}

TEST(PlanDiff, OfAPlanAndItselfIsEmpty) {
  const Plan plan = plan_of(small_flags());
  const PlanDiff diff = diff_plans(plan, plan);
  EXPECT_TRUE(diff.is_empty());
  EXPECT_EQ(diff_text(diff, "a.json", "b.json"),
            "a.json and b.json say the same\n");
}

// Through JSON, as the command reads them.
TEST(PlanDiff, OfAPlanAndItsJsonIsEmpty) {
  PlanFlags flags = small_flags();
  flags.tokens = "1e10";
  const Plan plan = plan_of(flags);
  EXPECT_TRUE(
      diff_plans(plan, read_plan_json(plan_json(plan), "p.json")).is_empty());
}

// With the same layout, what changes is the exchange of gradients; the terms'
// differences add up to the step's.
TEST(PlanDiff, NamesTheTermsThatASlowerNetworkChanges) {
  PlanFlags flags = small_flags();
  flags.overrides = {"parallel.tensor=1", "parallel.pipeline=1",
                     "parallel.zero_stage=1"};
  const Plan before = plan_of(flags);
  flags.overrides.push_back("node.nic=50 Gb/s");
  const Plan after = plan_of(flags);
  const PlanDiff diff = diff_plans(before, after);
  const Change* nic = named(diff.inputs, "node.nic");
  ASSERT_NE(nic, nullptr);
  EXPECT_EQ(nic->before, "400 Gb/s (published)");
  EXPECT_EQ(nic->after, "50 Gb/s (given)");
  ASSERT_FALSE(diff.time.empty());
  EXPECT_EQ(diff.time[0].name, term_name(Term::kGradients));
  EXPECT_GT(diff.time[0].difference, 0);
  double sum = 0;
  for (const Change& change : diff.time) sum += change.difference;
  EXPECT_NEAR(sum,
              after.layouts[0].cost.seconds - before.layouts[0].cost.seconds,
              1e-12);
  EXPECT_TRUE(diff.calibration.empty());
  const std::string text = diff_text(diff, "a.json", "b.json");
  EXPECT_THAT(text, HasSubstr("node.nic"));
  EXPECT_THAT(text, HasSubstr("Time of a step: +"));
}

TEST(PlanDiff, ShowsLayoutMemoryRequestAndRun) {
  PlanFlags flags = small_flags();
  flags.tokens = "1e10";
  flags.overrides = {"parallel.tensor=1"};
  const Plan before = plan_of(flags);
  flags.tokens = "2e10";
  flags.overrides = {"parallel.tensor=2"};
  const PlanDiff diff = diff_plans(before, plan_of(flags));
  ASSERT_NE(named(diff.layout, "tensor"), nullptr);
  EXPECT_EQ(named(diff.layout, "tensor")->after, "2");
  EXPECT_FALSE(diff.memory.empty());
  ASSERT_NE(named(diff.request, "tokens of the run"), nullptr);
  EXPECT_DOUBLE_EQ(named(diff.request, "tokens of the run")->relative, 1);
  ASSERT_NE(named(diff.request, "rules"), nullptr);
  ASSERT_NE(named(diff.run, "gpu_hours"), nullptr);
  EXPECT_GT(named(diff.run, "gpu_hours")->relative, 0.9);
}

// The two days of a start lie before the same delivery, or after it: what was
// asked for differs in both, when it ends in one.
TEST(PlanDiff, ShowsWhenAGrowingRunStartsAndEnds) {
  PlanFlags flags = small_flags();
  flags.tokens = "1e13";
  flags.overrides = {"delivery.2024-09-01=32", "delivery.2024-09-03=64"};
  const Plan before = plan_of(flags);
  flags.start = "2024-08-01";
  const PlanDiff asked = diff_plans(before, plan_of(flags));
  ASSERT_EQ(asked.request.size(), 1U);
  EXPECT_EQ(asked.request[0].name, "first day");
  EXPECT_EQ(asked.request[0].before, "");
  EXPECT_EQ(asked.request[0].after, "2024-08-01");
  EXPECT_TRUE(asked.run.empty());
  flags.start = "2024-10-01";
  const PlanDiff later = diff_plans(before, plan_of(flags));
  const Change* end = named(later.run, "growing run ends");
  ASSERT_NE(end, nullptr);
  EXPECT_GT(end->difference, 1);
  EXPECT_LT(end->before, end->after);
  ASSERT_NE(named(later.run, "spent growing"), nullptr);
  EXPECT_LT(named(later.run, "spent growing")->difference, 0);
}

TEST(PlanDiff, ShowsAModelOfTheSameNameThatIsAnother) {
  const Plan before = plan_of(small_flags());
  Plan after = before;
  after.total_parameters *= 2;
  const PlanDiff diff = diff_plans(before, after);
  ASSERT_NE(named(diff.request, "parameters"), nullptr);
  EXPECT_EQ(named(diff.request, "parameters")->relative, 1);
}

// Model, precision and calibrated numbers are no figures of the cluster.
TEST(PlanDiff, NamesAChangeOnce) {
  PlanFlags flags = small_flags();
  const Plan before = plan_of(flags);
  flags.precision = "fp8";
  Plan after = plan_of(flags);
  after.request.calibration.nvlink_rate *= 1.1;
  for (Input& input : after.inputs) {
    if (input.key == "calibration.nvlink_rate") input.text = "0.9";
  }
  const PlanDiff diff = diff_plans(before, after);
  ASSERT_NE(named(diff.request, "precision"), nullptr);
  EXPECT_NE(named(diff.calibration, "nvlink_rate"), nullptr);
  EXPECT_TRUE(diff.inputs.empty());
}

TEST(PlanDiff, SaysWhatIsOnlyInOne) {
  PlanFlags flags = small_flags();
  const Plan before = plan_of(flags);
  flags.tokens = "1e10";
  const PlanDiff diff = diff_plans(before, plan_of(flags));
  ASSERT_NE(named(diff.run, "run"), nullptr);
  EXPECT_EQ(named(diff.run, "run")->before, "");
}

TEST(PlanDiff, ShowsACalibrationNumberByNumber) {
  const Plan before = plan_of(small_flags());
  Plan after = before;
  after.request.calibration.nvlink_rate *= 1.1;
  const PlanDiff diff = diff_plans(before, after);
  ASSERT_EQ(diff.calibration.size(), 1U);
  EXPECT_EQ(diff.calibration[0].name, "nvlink_rate");
  EXPECT_NEAR(diff.calibration[0].relative, 0.1, 1e-9);
}

}  // namespace
}  // namespace colossus::planner
