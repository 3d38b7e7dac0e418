#include "planner/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "config/load_config.h"
#include "planner/plan_flags.h"
#include "planner/plan_inputs.h"
#include "planner/plan_run.h"
#include "planner/train_config.h"
#include "planner/transformer_counts.h"

namespace colossus::planner {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

PlanRequest grok_on(const std::string& cluster,
                    const std::vector<std::string>& overrides = {}) {
  PlanFlags flags;
  flags.model = COLOSSUS_SOURCE_DIR "/configs/grok-1.toml";
  flags.cluster = cluster;
  flags.batch_tokens = "4Mi";
  flags.seq_len = 8192;
  flags.overrides = overrides;
  return read_plan_request(flags);
}

Plan plan_of(const PlanRequest& request) {
  ThreadPool pool(2);
  return make_plan(request, pool);
}

TEST(Plan, HasTheFastestLayoutsInOrder) {
  const Plan plan = plan_of(grok_on("H100-SXM:1024"));
  ASSERT_EQ(plan.layouts.size(), 10U);
  EXPECT_TRUE(std::is_sorted(plan.layouts.begin(), plan.layouts.end(),
                             [](const auto& a, const auto& b) {
                               return a.cost.seconds < b.cost.seconds;
                             }));
  for (const PlannedLayout& planned : plan.layouts) {
    EXPECT_TRUE(planned.fits);
    EXPECT_EQ(planned.num_devices, planned.layout.num_ranks());
  }
  EXPECT_EQ(plan.total_parameters, 315684820992);
  EXPECT_GT(plan.counts.legal, plan.counts.evaluated);
  EXPECT_FALSE(plan.run);
}

// 512 sequences of 8,192 tokens on 1,024 GPUs of 989.4 TFLOP/s.
TEST(Plan, RatesFollowFromTheTime) {
  const PlanRequest request = grok_on("H100-SXM:1024");
  const PlannedLayout best = plan_of(request).layouts.front();
  const double seconds = best.cost.seconds;
  EXPECT_DOUBLE_EQ(best.tokens_per_second, 512 * 8192 / seconds);
  const double flops =
      training_flops_per_token(request.model, 8192) * 512 * 8192;
  EXPECT_NEAR(best.flops_per_device / (flops / seconds / 1024), 1, 1e-12);
  EXPECT_NEAR(best.mfu / (best.flops_per_device / 989.4e12), 1, 1e-12);
}

TEST(Plan, OfOneLayoutIsThatLayout) {
  const Plan plan = plan_of(
      grok_on("H100-SXM:1024",
              {"parallel.tensor=8", "parallel.pipeline=16", "parallel.data=8",
               "parallel.context=1", "parallel.virtual_stages=1",
               "parallel.micro_batch_size=1", "parallel.expert=8",
               "parallel.zero_stage=1", "parallel.recomputation=full"}));
  ASSERT_EQ(plan.layouts.size(), 1U);
  const Layout& layout = plan.layouts.front().layout;
  EXPECT_EQ(layout.tensor, 8);
  EXPECT_EQ(layout.pipeline, 16);
  EXPECT_EQ(layout.recomputation, "full");
}

TEST(Plan, IsSlowerOnHalfTheNetwork) {
  const double full =
      plan_of(grok_on("H100-SXM:1024")).layouts.front().cost.seconds;
  const double by_nic = plan_of(grok_on("H100-SXM:1024", {"node.nic=200 Gb/s"}))
                            .layouts.front()
                            .cost.seconds;
  EXPECT_GT(by_nic, 1.01 * full);
  const Plan by_tier = plan_of(grok_on(
      "H100-SXM:1024",
      {"network.tier.leaf.gpus=256", "network.tier.leaf.bandwidth=200 Gb/s",
       "network.tier.spine.bandwidth=200 Gb/s"}));
  EXPECT_GT(by_tier.layouts.front().cost.seconds, 1.01 * full);
}

TEST(Plan, SaysThatItExtrapolates) {
  EXPECT_THAT(plan_of(grok_on("H100-SXM:1024")).layouts.front().extrapolates,
              StartsWith("1,024 GPUs: the largest timed run in public"));
  EXPECT_EQ(plan_of(grok_on("H200:256")).layouts.front().extrapolates, "");
}

TEST(Plan, LabelsEveryInput) {
  const PlanRequest request = grok_on("H100-SXM:64");
  const std::vector<Input> inputs = inputs_of(request);
  const auto key = [](const char* name) {
    return testing::Field(&Input::key, name);
  };
  for (const char* name : {"gpu.peak_bf16", "node.nic", "cluster.gpus", "model",
                           "software", "calibration.bf16_hopper"}) {
    EXPECT_THAT(inputs, Contains(key(name)));
  }
  EXPECT_THAT(assumed(inputs), Contains(key("software")));
  EXPECT_THAT(assumed(inputs), Contains(key("routing")));
  EXPECT_THAT(assumed(inputs), Not(Contains(key("gpu.peak_bf16"))));
}

// On 64 GPUs of 85 GB, 316 billion parameters at 16 bytes, 79 GB each, and
// contexts.
TEST(Plan, ShowsTheNearestWhereNothingFits) {
  const Plan plan = plan_of(grok_on("H100-SXM:64"));
  EXPECT_THAT(plan.layouts, IsEmpty());
  ASSERT_TRUE(plan.does_not_fit);
  const MissingMemory& missing = *plan.does_not_fit;
  EXPECT_GT(missing.missing_bytes, 0);
  EXPECT_THAT(missing.heaviest_part, StartsWith("states"));
  EXPECT_FALSE(missing.nearest_fitting);
  EXPECT_EQ(missing.devices_that_fit, 128);
  EXPECT_THAT(plan.sensitivities, IsEmpty());
}

TEST(Plan, ShowsWhatIsFasterButDoesNotFit) {
  const Plan plan = plan_of(grok_on("H100-SXM:256"));
  ASSERT_TRUE(plan.does_not_fit);
  const MissingMemory& missing = *plan.does_not_fit;
  EXPECT_LT(missing.planned.cost.seconds, plan.layouts.front().cost.seconds);
  EXPECT_FALSE(missing.planned.fits);
  ASSERT_TRUE(missing.nearest_fitting);
  EXPECT_TRUE(missing.nearest_fitting->fits);
  EXPECT_THAT(missing.changes, Not(IsEmpty()));
}

// A fixed layout that needs too much: its rules are dropped for the remedy.
TEST(Plan, OfAFixedLayoutThatDoesNotFitNamesOneThatDoes) {
  const Plan plan = plan_of(
      grok_on("H100-SXM:1024", {"parallel.tensor=1", "parallel.pipeline=1"}));
  EXPECT_THAT(plan.layouts, IsEmpty());
  ASSERT_TRUE(plan.does_not_fit);
  EXPECT_TRUE(plan.does_not_fit->nearest_fitting);
}

TEST(Plan, RefusesALayoutThatCannotBe) {
  try {
    plan_of(grok_on("H100-SXM:1024", {"parallel.tensor=7"}));
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("num_q_heads = 48 must be a multiple of tensor = 7"));
  }
}

TEST(Plan, LeavesGpusIdleThatTheBatchCannotUse) {
  const Plan plan = plan_of(grok_on("H100-SXM:1000"));
  const PlannedLayout& best = plan.layouts.front();
  EXPECT_LT(best.num_devices, 1000);
  EXPECT_GT(2 * best.num_devices, 1000);
  // Idle ones make nothing harder to predict.
  EXPECT_THAT(best.extrapolates,
              StartsWith(std::to_string(best.num_devices) + " GPUs: "));
  EXPECT_EQ(512 % (best.layout.data * best.layout.micro_batch_size), 0);
}

bool is_in(const std::string& word, const std::vector<std::string>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

TEST(Sensitivities, AreOfEveryFigure) {
  const Plan plan = plan_of(grok_on("H100-SXM:1024"));
  ASSERT_EQ(plan.sensitivities.size(), 6U);
  double sum = 0;
  for (const Sensitivity& s : plan.sensitivities) {
    EXPECT_EQ(s.change, 0.01);
    const bool is_latency = s.figure == "network latency";
    EXPECT_GE(is_latency ? s.step_change : -s.step_change, 0) << s.figure;
    sum += s.step_change;
    if (is_in(s.figure, {"peak of matrix units", "memory bandwidth",
                         "network bandwidth"})) {
      EXPECT_LT(s.step_change, 0) << s.figure;
    }
    EXPECT_EQ(s.is_searched, s.figure == "memory size");
  }
  // A percent more of everything is at most a percent.
  EXPECT_GT(sum, -0.01);
  EXPECT_LT(sum, -0.001);
}

// Tiers that do not take the NIC's bandwidth are scaled with it.
TEST(Sensitivities, AreOfTheBandwidthOfTiers) {
  PlanRequest request = grok_on("H100-SXM:1024");
  for (NetworkTier& tier : request.cluster.cluster.network.tiers) {
    tier.bandwidth = request.cluster.cluster.node.nic_bandwidth / 2;
  }
  const Plan plan = plan_of(request);
  const auto network = std::find_if(
      plan.sensitivities.begin(), plan.sensitivities.end(),
      [](const Sensitivity& s) { return s.figure == "network bandwidth"; });
  ASSERT_NE(network, plan.sensitivities.end());
  EXPECT_LT(network->step_change, 0);
}

// 10^12 tokens of 2^22 a step are 238,419 steps; 315,684,820,992 parameters of
// 14 bytes.
TEST(PlanRun, NeedsWhatTheStepSays) {
  PlanRequest request = grok_on("H100-SXM:1024");
  request.num_tokens = 1e12;
  const Plan plan = plan_of(request);
  const RunNeeds needs = run_needs(request, plan.layouts.front());
  EXPECT_EQ(needs.num_steps, 238419);
  EXPECT_EQ(needs.step_seconds, plan.layouts.front().cost.seconds);
  EXPECT_EQ(needs.num_devices, plan.layouts.front().num_devices);
  EXPECT_EQ(needs.checkpoint_bytes, 14 * 315684820992.0);
  EXPECT_NEAR(needs.compute_seconds_of_step +
                  needs.exposed_wait_seconds_of_step +
                  needs.scattered_wait_seconds_of_step,
              needs.step_seconds, 1e-9 * needs.step_seconds);
  ASSERT_TRUE(plan.run);
  EXPECT_GT(plan.run->seconds.expected, 238419 * needs.step_seconds);
  EXPECT_FALSE(plan.growth);
}

// Twice the GPUs from the second day on end a run sooner.
TEST(PlanRun, GrowsWithDeliveries) {
  PlanRequest request = grok_on("H100-SXM:1024");
  request.num_tokens = 1e12;
  const auto days = [&](std::vector<Delivery> deliveries) {
    request.cluster.cluster.deliveries = std::move(deliveries);
    ThreadPool pool(2);
    const auto growth = growth_of(request, pool);
    EXPECT_TRUE(growth->ends);
    return growth->end_day - growth->start_day;
  };
  const double small = days({{100, 512}});
  const double grown = days({{100, 512}, {101, 1024}});
  EXPECT_LT(grown, small);
  EXPECT_GT(grown, small / 2);
  request.start_day = 101;
  EXPECT_LT(days({{100, 512}, {101, 1024}}), grown);
}

TEST(TrainConfigs, AreReadByTrain) {
  PlanRequest request = grok_on("H100-SXM:1024");
  request.num_tokens = 1e12;
  const Plan plan = plan_of(request);
  const TrainConfig train = train_config(plan);
  const config::Config config =
      config::config_from_text(train.toml, "x", {}).config;
  EXPECT_EQ(config.run.seq_len, 8192);
  EXPECT_EQ(config.run.global_batch_size(), 512);
  EXPECT_EQ(config.run.steps, 238419);
  EXPECT_EQ(config.run.micro_batch_size,
            plan.layouts.front().layout.micro_batch_size);
  EXPECT_EQ(config.model.num_layers, 64);
  EXPECT_THAT(train.toml, HasSubstr("#   tensor = "));
  EXPECT_THAT(train.not_yet, Not(IsEmpty()));
}

TEST(TrainConfigs, WantAModelThatTrainReads) {
  Plan plan = plan_of(grok_on("H100-SXM:1024"));
  plan.request.model_source = "x/config.json";
  EXPECT_THROW(train_config(plan), UserError);
}

}  // namespace
}  // namespace colossus::planner
