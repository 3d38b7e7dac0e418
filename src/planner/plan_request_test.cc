#include "planner/plan_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace colossus::planner {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

template <typename Do>
std::string refusal(Do act) {
  try {
    act();
  } catch (const UserError& error) {
    return error.what();
  }
  return "nothing was refused";
}

LayoutRules rules_of(const std::vector<std::string>& texts) {
  LayoutRules rules;
  for (const std::string& text : texts) add_layout_rule(text, rules);
  return rules;
}

std::string refused_rules(const std::vector<std::string>& texts) {
  return refusal([&] { rules_of(texts); });
}

TEST(LayoutRules, FixAndCapDimensions) {
  const LayoutRules rules = rules_of(
      {"parallel.tensor=8", "parallel.pipeline<=16", "data>=2",
       "recomputation=full", "sequence_parallel=true", "zero_stage=0"});
  EXPECT_TRUE(rules.tensor.is_fixed());
  Layout layout = {.tensor = 8, .pipeline = 16, .data = 2};
  layout.recomputation = "full";
  layout.sequence_parallel = true;
  EXPECT_TRUE(rules.allow(layout));
  const auto refused = [&](auto change) {
    Layout other = layout;
    change(other);
    return !rules.allow(other);
  };
  EXPECT_TRUE(refused([](Layout& l) { l.tensor = 4; }));
  EXPECT_TRUE(refused([](Layout& l) { l.pipeline = 17; }));
  EXPECT_TRUE(refused([](Layout& l) { l.data = 1; }));
  EXPECT_TRUE(refused([](Layout& l) { l.recomputation = "none"; }));
  EXPECT_TRUE(refused([](Layout& l) { l.sequence_parallel = false; }));
  EXPECT_TRUE(refused([](Layout& l) { l.zero_stage = 1; }));
  EXPECT_FALSE(refused([](Layout& l) { l.expert = 8; }));
  EXPECT_THAT(rules_of({"tensor<=4"}).texts, ElementsAre("parallel.tensor<=4"));
}

TEST(LayoutRules, NameWhatIsWrong) {
  EXPECT_THAT(refused_rules({"parallel.tensr=8"}),
              HasSubstr("a layout has no 'tensr'; did you mean 'tensor'?"));
  EXPECT_THAT(refused_rules({"parallel.tensor"}), HasSubstr("key=value"));
  EXPECT_THAT(refused_rules({"parallel.tensor<8"}), HasSubstr("=, <= or >="));
  EXPECT_THAT(refused_rules({"parallel.tensor=0"}),
              HasSubstr("parallel.tensor = 0 must be from 1"));
  EXPECT_THAT(refused_rules({"parallel.tensor=-8"}), HasSubstr("not above 0"));
  EXPECT_THAT(refused_rules({"parallel.tensor=2.5"}), HasSubstr("not whole"));
  EXPECT_THAT(refused_rules({"parallel.tensor=8 GB"}),
              HasSubstr("unknown unit"));
  EXPECT_THAT(refused_rules({"parallel.tensor=1e300"}), HasSubstr("beyond"));
  EXPECT_THAT(refused_rules({"parallel.zero_stage=4"}),
              HasSubstr("parallel.zero_stage = 4 must be from 0 to 3"));
  EXPECT_THAT(refused_rules({"parallel.recomputation=ful"}),
              HasSubstr("did you mean 'full'?"));
  EXPECT_THAT(refused_rules({"parallel.recomputation<=full"}),
              HasSubstr("words want ="));
  EXPECT_THAT(refused_rules({"parallel.sequence_parallel=1"}),
              HasSubstr("must be true or false"));
  EXPECT_THAT(refused_rules({"tensor<=4", "tensor>=8"}),
              HasSubstr("at least 8 and at most 4"));
  EXPECT_THAT(refused_rules({"recomputation=full", "recomputation=none"}),
              HasSubstr("'full' by the rule before"));
}

TEST(BatchTokens, AreSequences) {
  EXPECT_EQ(parse_batch_tokens("33554432", 8192).sequences, 4096);
  EXPECT_EQ(parse_batch_tokens("4M", 2000).sequences, 2000);
  EXPECT_EQ(parse_batch_tokens("4M", 2000).note, "");
  EXPECT_EQ(parse_batch_tokens("32Mi", 8192).sequences, 4096);
}

TEST(BatchTokens, OfAPowerOfTwoAreWhatPeopleMean) {
  const Batch batch = parse_batch_tokens("32M", 8192);
  EXPECT_EQ(batch.sequences, 4096);
  EXPECT_THAT(batch.note, AllOf(HasSubstr("33,554,432 tokens"),
                                HasSubstr("32,000,000 is no multiple")));
}

TEST(BatchTokens, NameTheNearestThatCanBe) {
  EXPECT_THAT(refusal([] { parse_batch_tokens("10000", 8192); }),
              HasSubstr("--batch-tokens = 10000 must be a multiple of "
                        "--seq-len = 8192: 8192 or 16384"));
  EXPECT_THAT(refusal([] { parse_batch_tokens("3M", 7); }),
              HasSubstr("must be a multiple"));
  EXPECT_THAT(refusal([] { parse_batch_tokens("0", 8192); }),
              HasSubstr("not above 0"));
  EXPECT_THAT(refusal([] { parse_batch_tokens("many", 8192); }),
              HasSubstr("no figure"));
  EXPECT_THAT(refusal([] { parse_batch_tokens("8192", 0); }),
              HasSubstr("--seq-len = 0 must be from 1"));
  EXPECT_THAT(refusal([] { parse_batch_tokens("8192", -1); }),
              HasSubstr("--seq-len = -1 must be from 1"));
}

TEST(ClusterOf, TakesAGpuAndACount) {
  const Cluster cluster = cluster_of("H100-SXM:1024", {}).cluster;
  EXPECT_EQ(cluster.num_devices, 1024);
  EXPECT_EQ(cluster.node.num_devices, 8);
  EXPECT_EQ(cluster_of("H100-SXM:4", {}).cluster.node.num_devices, 4);
  EXPECT_EQ(cluster_of("H100-SXM:16", {"cluster.gpus=32"}).cluster.num_devices,
            32);
  EXPECT_EQ(cluster_of("H100-SXM:16", {"node.nic=200 Gb/s"})
                .cluster.node.nic_bandwidth,
            25e9);
}

TEST(ClusterOf, NamesWhatIsWrong) {
  const auto refused = [](const char* text) {
    return refusal([&] { cluster_of(text, {}); });
  };
  EXPECT_THAT(refused("H100-SMX:8"), HasSubstr("did you mean 'H100-SXM'?"));
  EXPECT_THAT(refused("H100-SXM:0"), HasSubstr("not above 0"));
  EXPECT_THAT(refused("H100-SXM:"), HasSubstr("no figure"));
  EXPECT_THAT(refused("H100-SXM:12"), HasSubstr("multiple of 'node.gpus' = 8"));
  EXPECT_THAT(refused("H100-SXM"), HasSubstr("Write H100-SXM:1024"));
  EXPECT_THAT(refused("no-such.toml"), HasSubstr("no-such.toml"));
}

PlanRequest valid_request() {
  PlanRequest request;
  request.cluster = cluster_of("H100-SXM:8", {});
  request.global_batch_sequences = 8;
  request.seq_len = 2048;
  return request;
}

TEST(PlanRequests, AreCheckedBeyondTheirFiles) {
  validate(valid_request());
  const auto refused = [](auto change) {
    PlanRequest request = valid_request();
    change(request);
    return refusal([&] { validate(request); });
  };
  EXPECT_THAT(refused([](PlanRequest& r) { r.seq_len = 0; }),
              HasSubstr("--seq-len = 0"));
  EXPECT_THAT(refused([](PlanRequest& r) { r.num_tokens = 100; }),
              HasSubstr("at least the 16384 of one step"));
  EXPECT_THAT(refused([](PlanRequest& r) { r.num_layouts = 0; }),
              HasSubstr("--layouts = 0"));
  EXPECT_THAT(refused([](PlanRequest& r) { r.model.learned_positions = 1024; }),
              HasSubstr("beyond the model's table of 1024 positions"));
  EXPECT_THAT(refused([](PlanRequest& r) { r.precision = Precision::kFp4; }),
              HasSubstr("--precision fp4: H100-SXM has no such matrix units"));
}

}  // namespace
}  // namespace colossus::planner
