#include "planner/layout_remedies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace colossus::planner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

PlanRequest dense_on(const std::string& cluster) {
  PlanRequest request;
  Transformer& m = request.model;
  m.name = "dense";
  m.num_layers = 32;
  m.model_dim = 4096;
  m.vocab_size = 32000;
  m.num_q_heads = 32;
  m.num_kv_heads = 8;
  m.head_dim = 128;
  m.dense_ffn_dim = 14336;
  request.cluster = cluster_of(cluster, {});
  request.global_batch_sequences = 64;
  request.seq_len = 8192;
  return request;
}

std::string no_layout(PlanRequest request,
                      const std::vector<std::string>& rules) {
  for (const std::string& rule : rules) add_layout_rule(rule, request.rules);
  try {
    throw_no_layout(request);
  } catch (const UserError& error) {
    return error.what();
  }
}

TEST(NoLayout, NamesTheRuleThatIsBroken) {
  const PlanRequest request = dense_on("H100-SXM:64");
  EXPECT_THAT(no_layout(request, {"tensor=24"}),
              StartsWith("no layout of dense on 64 GPUs can be with "
                         "parallel.tensor=24: num_q_heads = 32 must be a "
                         "multiple of tensor = 24"));
  EXPECT_THAT(no_layout(request, {"pipeline=40"}),
              HasSubstr("pipeline * virtual_stages = 40 * 1 = 40 chunks are "
                        "more than the 32 layers"));
  EXPECT_THAT(
      no_layout(request, {"micro_batch_size=7"}),
      HasSubstr("the global batch of 64 sequences must be a multiple of "
                "data * micro_batch_size"));
  EXPECT_THAT(no_layout(request, {"expert=2"}),
              HasSubstr("expert = 2 must be 1: the model has no experts"));
  EXPECT_THAT(no_layout(request, {"data=128"}),
              HasSubstr("must be the cluster's 64 GPUs"));
}

TEST(NoLayout, SaysThatABatchIsTooSmall) {
  PlanRequest request = dense_on("H100-SXM:4096");
  request.global_batch_sequences = 1;
  for (const char* rule : {"tensor<=8", "pipeline=1", "context=1"}) {
    add_layout_rule(rule, request.rules);
  }
  EXPECT_THAT(no_layout(request, {}),
              HasSubstr("the global batch of 1 sequences must be a multiple of "
                        "data * micro_batch_size"));
}

// 7.24 billion parameters at 16 bytes on a GPU of 85 GB: 116 GB of states.
TEST(MissingMemory, NamesTheHeaviestPartAndTheNearestLayoutThatFits) {
  const PlanRequest request = dense_on("H100-SXM:8");
  Layout layout;
  layout.data = 8;
  layout.recomputation = "full";
  ThreadPool pool(2);
  const MissingMemory missing = missing_memory(request, layout, false, pool);
  EXPECT_FALSE(missing.planned.fits);
  EXPECT_THAT(missing.heaviest_part, StartsWith("states"));
  EXPECT_NEAR(missing.heaviest_bytes, 16 * 7.24e9, 16 * 0.01e9);
  EXPECT_DOUBLE_EQ(missing.missing_bytes,
                   missing.planned.memory.needed() -
                       request.cluster.cluster.device.memory_bytes);
  ASSERT_TRUE(missing.nearest_fitting);
  EXPECT_TRUE(missing.nearest_fitting->fits);
  // One dimension alone is enough, and the optimizer over replicas is fastest.
  EXPECT_THAT(missing.changes, ElementsAre("zero_stage 0 -> 1"));
}

// Of three rules, the one that keeps the optimizer whole is in the way.
TEST(MissingMemory, NamesTheRuleThatIsInTheWay) {
  PlanRequest request = dense_on("H100-SXM:8");
  for (const char* rule : {"tensor=1", "zero_stage=0", "pipeline=1"}) {
    add_layout_rule(rule, request.rules);
  }
  ThreadPool pool(2);
  Layout layout;
  layout.data = 8;
  const MissingMemory missing = missing_memory(request, layout, true, pool);
  ASSERT_TRUE(missing.nearest_fitting);
  EXPECT_THAT(missing.dropped_rules, ElementsAre("parallel.zero_stage=0"));
  EXPECT_TRUE(missing.nearest_fitting->fits);
  EXPECT_EQ(missing.devices_that_fit, 0);
}

// Without the rule none fits either, so it is not in the way.
TEST(MissingMemory, BlamesNoRuleWhereNothingFitsWithoutIt) {
  PlanRequest request = dense_on("H100-SXM:8");
  request.cluster.cluster.device.memory_bytes = 12e9;
  add_layout_rule("tensor<=4", request.rules);
  ThreadPool pool(2);
  Layout layout;
  layout.data = 8;
  const MissingMemory missing = missing_memory(request, layout, true, pool);
  EXPECT_FALSE(missing.nearest_fitting);
  EXPECT_THAT(missing.dropped_rules, IsEmpty());
  EXPECT_GT(missing.devices_that_fit, 8);
}

TEST(MissingMemory, SaysHowManyGpusWouldDo) {
  PlanRequest request = dense_on("H100-SXM:8");
  request.cluster.cluster.device.memory_bytes = 12e9;
  ThreadPool pool(2);
  Layout layout;
  layout.data = 8;
  const MissingMemory missing = missing_memory(request, layout, true, pool);
  EXPECT_FALSE(missing.nearest_fitting);
  ASSERT_GT(missing.devices_that_fit, 8);
  request.cluster.cluster.num_devices = missing.devices_that_fit;
  EXPECT_TRUE(make_plan(request, pool).layouts.front().fits);
}

TEST(Changes, AreDimensionsBeforeAndAfter) {
  Layout before, after;
  after.tensor = 4;
  after.recomputation = "full";
  EXPECT_THAT(
      changes_between(before, after),
      ElementsAre("tensor 1 -> 4", "recomputation \"none\" -> \"full\""));
}

}  // namespace
}  // namespace colossus::planner
