// Every term by numbers worked out by hand on a plain machine
// (cost_test_util.h): 128 tokens, h 256, f 1024, 4 heads of 64, 4 layers.
#include "planner/step_cost.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "planner/cost_test_util.h"

namespace colossus::planner {
namespace {

double term(const PlainWorkload& plain, Term which) {
  return step_cost(plain.workload, plain.calibration).of(which);
}

void lay_out(PlainWorkload& plain) {
  plain.workload.stages =
      stage_layers(plain.model.num_layers, plain.workload.layout);
}

TEST(StepCost, TermsSumToTheTime) {
  PlainWorkload plain;
  plain.workload.layout.data = 64;
  plain.workload.global_batch_sequences = 256;
  plain.calibration = Calibration();
  const StepCost cost = step_cost(plain.workload, plain.calibration);
  const double sum = std::accumulate(cost.terms.begin(), cost.terms.end(), 0.0);
  EXPECT_NEAR(sum, cost.seconds, 1e-15 * cost.seconds * kNumTerms);
  EXPECT_GT(cost.of(Term::kJitter), 0);
}

// T2: a layer's products have 256 x (768 + 256) and 2 x 256 x 1024 weights, 6
// FLOPs each a token.
TEST(StepCost, ProductsAreSixFlopsAWeight) {
  const PlainWorkload plain;
  EXPECT_DOUBLE_EQ(term(plain, Term::kAttentionProducts),
                   4 * 6 * 128 * 262144 / 1e12);
  EXPECT_DOUBLE_EQ(term(plain, Term::kFeedForward),
                   4 * 6 * 128 * 524288.0 / 1e12);
}

TEST(StepCost, ThinnerArithmeticIsFasterInTheLayersAlone) {
  PlainWorkload plain;
  plain.workload.arithmetic = Arithmetic::k8Bit;
  EXPECT_DOUBLE_EQ(term(plain, Term::kFeedForward),
                   4 * 6 * 128 * 524288.0 / 2e12);
  EXPECT_NEAR(term(plain, Term::kHead), 6 * 128 * 262144 / 1e12, 1e-9);
}

// T3: 4 heads x 128^2 / 2 = 32,768 scores; forward 4 x 64 FLOPs and one
// exponential each, backward 10 x 64 and one: 898 of 1e-12 s.
TEST(StepCost, FlashAttentionIsProductsAndExponentials) {
  const PlainWorkload plain;
  EXPECT_DOUBLE_EQ(term(plain, Term::kAttentionCore),
                   4 * 32768 * (256 + 1 + 640 + 1) / 1e12);
}

// Half of the layers see the whole sequence, the others next to nothing.
TEST(StepCost, WindowsHalveTheScores) {
  PlainWorkload plain;
  plain.model.sliding_window = 16;
  plain.model.full_attention_every = 2;
  EXPECT_DOUBLE_EQ(term(plain, Term::kAttentionCore), 4 * 16384 * 898 / 1e12);
}

// T3: both products over the square, 2 x 2 x 4 x 128^2 x 64 FLOPs (128 x 64
// outputs fill half a tile of 128 x 128, or two of 64 x 64), three times; 2.3
// softmaxes of 1 byte x 65,536 scores at 1e15 B/s.
TEST(StepCost, UnfusedAttentionWritesItsScores) {
  PlainWorkload plain;
  plain.workload.software.attention = AttentionKernel::kUnfused;
  EXPECT_DOUBLE_EQ(term(plain, Term::kAttentionCore),
                   4 * (3 * 16777216 / 1e12 + 2.3 * 65536 / 1e15));
  // Heads that are no multiple of four: a slower softmax.
  plain.workload.layout.micro_batch_size = 1;
  plain.model.num_q_heads = plain.model.num_kv_heads = 2;
  plain.calibration.unfused_softmax = 10;
  EXPECT_DOUBLE_EQ(term(plain, Term::kAttentionCore),
                   4 * (3 * 8388608 / 1e12 + 23 * 32768 / 1e15));
}

// T4: 2 bytes x 128 tokens x (12 x 256 + 2 x 256 + 3 x 1024) = 1,703,936 bytes,
// three times. T5: 128 x (2 x 256 + 256 + 1024) bytes, three times.
TEST(StepCost, MemoryBoundWorkIsBytes) {
  PlainWorkload plain;
  EXPECT_DOUBLE_EQ(term(plain, Term::kMemoryBound), 4 * 3 * 1703936 / 1e15);
  plain.workload.arithmetic = Arithmetic::k8Bit;
  EXPECT_DOUBLE_EQ(term(plain, Term::kMemoryBound),
                   4 * 3 * (1703936 + 229376) / 1e15);
}

// T6: 4 bytes of each of 786,432 weights.
TEST(StepCost, GradientsAreAddedUpEachMicroBatch) {
  PlainWorkload plain;
  EXPECT_EQ(term(plain, Term::kWeightGradients), 0);
  plain.workload.software.accumulates_gradients = true;
  plain.workload.global_batch_sequences = 2;
  EXPECT_DOUBLE_EQ(term(plain, Term::kWeightGradients),
                   2 * 4 * 4 * 786432 / 1e15);
}

PlainWorkload& with_experts(PlainWorkload& plain) {
  plain.model.num_experts = 8;
  plain.model.num_selected_experts = 2;
  plain.model.expert_ffn_dim = 256;
  plain.model.dense_ffn_dim = 0;
  plain.workload.software.graph = GraphCapture::kWholeStep;
  plain.workload.seq_len = 512;  // 128 tokens an expert
  return plain;
}

// T2, T7: 1,024 routed tokens x 2 x 256 x 256 weights; permuted in 1 pass of 2
// bytes x 256, forward and twice backward.
TEST(StepCost, ExpertsComputeRoutedTokens) {
  PlainWorkload plain;
  with_experts(plain);
  EXPECT_DOUBLE_EQ(term(plain, Term::kFeedForward),
                   4 * 6 * 1024 * 131072.0 / 1e12);
  EXPECT_DOUBLE_EQ(term(plain, Term::kPermute), 4 * 3 * 2 * 1024 * 256 / 1e15);
  EXPECT_EQ(term(plain, Term::kAllToAll), 0);
}

// T7: 2 ways x 2 bytes x 512 tokens x 256, two copies, 3/4 of them away, both
// directions, at 1e11.
TEST(StepCost, ExpertsOnManyRanksExchangeTokens) {
  PlainWorkload plain;
  with_experts(plain);
  plain.workload.layout.data = 4;
  plain.workload.layout.expert = 4;
  plain.workload.global_batch_sequences = 4;
  EXPECT_DOUBLE_EQ(term(plain, Term::kAllToAll),
                   4 * 2 * 2 * 2 * 512 * 256 * 2 * 0.75 / 1e11);
  plain.workload.software.hides_all_to_all = true;
  EXPECT_EQ(term(plain, Term::kAllToAll), 0);
}

// T7: 2 bytes x 1,024 tokens x 256, in 6 passes; a faulty kernel of 3 times
// adds two products of 1,024 x 256 x 256.
TEST(StepCost, ExpertBiasesCostPasses) {
  PlainWorkload plain;
  with_experts(plain);
  plain.model.ffn_bias = true;
  plain.calibration.expert_bias_passes = 6;
  EXPECT_DOUBLE_EQ(term(plain, Term::kExpertBias),
                   4 * 6 * 2 * 1024 * 256 / 1e15);
  plain.workload.software.slow_biased_gradient = true;
  plain.workload.software.fuses_expert_bias = true;
  plain.calibration.biased_gradient_slowdown = 3;
  EXPECT_DOUBLE_EQ(term(plain, Term::kExpertBias),
                   4 * 2 * 2 * 1024 * 65536.0 / 1e12);
}

// T11: a layer takes at least what the host needs.
TEST(StepCost, TheHostBoundsLayersOfExpertsWithoutGraphs) {
  PlainWorkload plain;
  with_experts(plain);
  plain.calibration.moe_host_seconds = 0.5;
  const StepCost with_graph = step_cost(plain.workload, plain.calibration);
  plain.workload.software.graph = GraphCapture::kNone;
  const StepCost without = step_cost(plain.workload, plain.calibration);
  const double layers = with_graph.seconds - with_graph.of(Term::kHead) -
                        with_graph.of(Term::kOptimizer);
  EXPECT_NEAR(without.of(Term::kHostWait), 4 * 0.5 - layers, 1e-12);
}

// T8: four all-reduces of 2 bytes x 128 x 256, 2 x 3/4 of it each.
TEST(StepCost, TensorRanksReduceTwiceADirection) {
  PlainWorkload plain;
  plain.workload.layout.tensor = 4;
  EXPECT_DOUBLE_EQ(term(plain, Term::kTensorParallel),
                   4 * 4 * 1.5 * 65536 / 1e11);
  plain.workload.software.overlaps_tensor = true;
  plain.calibration.tensor_exposed = 0.25;
  EXPECT_DOUBLE_EQ(term(plain, Term::kTensorParallel), 4 * 1.5 * 65536 / 1e11);
}

// T9: with 2 ranks, 64 tokens x 2 x 2 bytes x 256 at 1e11 = 0.655 us forward
// and twice that backward; the core hides 4 x 128^2 / 4 scores of 257 and 641
// FLOPs and exponentials at 1e12 (4.2 us) - all of it. At a tenth of the links,
// 6.5536 of 4.210688 us and 13.1072 of 10.502144 us show.
TEST(StepCost, ContextRanksHideTheirRing) {
  PlainWorkload plain;
  plain.workload.layout.context = 2;
  EXPECT_EQ(term(plain, Term::kContextParallel), 0);
  plain.machine.nvlink_bandwidth = 1e10;
  EXPECT_NEAR(term(plain, Term::kContextParallel),
              4 * (6.5536e-6 - 4.210688e-6 + 13.1072e-6 - 10.502144e-6), 1e-18);
}

// T10: the forward pass again: products 2 FLOPs a weight, the core, the passes.
TEST(StepCost, FullRecomputationRepeatsTheForwardPass) {
  PlainWorkload plain;
  plain.workload.recomputation = Recomputation::kFull;
  EXPECT_NEAR(
      term(plain, Term::kRecompute),
      4 * (2 * 128 * 786432 / 1e12 + 32768 * 257 / 1e12 + 1703936 / 1e15),
      1e-15);
}

TEST(StepCost, SelectiveRecomputationDependsOnTheFramework) {
  PlainWorkload plain;
  plain.workload.recomputation = Recomputation::kSelective;
  EXPECT_DOUBLE_EQ(term(plain, Term::kRecompute), 4 * 32768 * 257 / 1e12);
  plain.workload.software.selective =
      SelectiveRecomputation::kHalfOfTheProducts;
  EXPECT_NEAR(term(plain, Term::kRecompute),
              4 * (128 * 786432 / 1e12 + 1703936 / 1e15), 1e-15);
  plain.workload.software.selective = SelectiveRecomputation::kHalfOfTheLayers;
  EXPECT_NEAR(
      term(plain, Term::kRecompute),
      2 * (2 * 128 * 786432 / 1e12 + 32768 * 257 / 1e12 + 1703936 / 1e15),
      1e-15);
}

// T12: 6 FLOPs of each of 262,144 weights a token, and 1 byte a logit; twice
// with one layer of MTP.
TEST(StepCost, TheHeadIsAProductAndItsLoss) {
  PlainWorkload plain;
  EXPECT_DOUBLE_EQ(term(plain, Term::kHead),
                   6 * 128 * 262144 / 1e12 + 131072 / 1e15);
  const double once = term(plain, Term::kHead);
  plain.model.num_mtp_layers = 1;
  EXPECT_DOUBLE_EQ(term(plain, Term::kHead), 2 * once);
}

TEST(StageLayers, DealLayersAndSlots) {
  Layout layout;
  layout.pipeline = 12;
  // 78 layers on 12 stages are 7 x 11 + 1.
  StageLayers stages = stage_layers(78, layout);
  EXPECT_EQ(stages.heaviest, 7);
  EXPECT_EQ(stages.last, 1);
  // 70 layers with embedding and head as slots: 6 each, the ends one less.
  layout.embedding_slot = layout.head_slot = true;
  stages = stage_layers(70, layout);
  EXPECT_EQ(stages.heaviest, 6);
  EXPECT_EQ(stages.first, 5);
  EXPECT_EQ(stages.second, 6);
  EXPECT_EQ(stages.last, 5);
}

// The closed form is the list of chunks, for every way to deal up to 20 layers.
TEST(StageLayers, AreTheSumsOfTheirChunks) {
  Transformer model;
  Layout layout;
  for (int i = 0; i < 20 * 8 * 8 * 4; ++i) {
    model.num_layers = 1 + i % 20;
    layout.pipeline = 2 + i / 20 % 8;
    layout.virtual_stages = 1 + i / 160 % 8;
    layout.embedding_slot = i / 1280 % 2 == 1;
    layout.head_slot = i / 2560 == 1;
    const std::vector<int64_t> list = layers_of_stages(model, layout);
    if (list.empty()) continue;
    const StageLayers stages = stage_layers(model.num_layers, layout);
    EXPECT_EQ(stages.first, list.front());
    EXPECT_EQ(stages.second, list[1]);
    EXPECT_EQ(stages.last, list.back());
    const int64_t most = *std::max_element(list.begin() + 1, list.end());
    EXPECT_EQ(stages.heaviest,
              std::max(list.front() + layout.embedding_slot, most));
  }
}

// T13, T15: 2 stages of 2 layers; the last has the head too. The bubble is one
// micro-batch of the mean stage.
TEST(StepCost, StagesWaitForTheSlowest) {
  PlainWorkload plain;
  const StepCost one = step_cost(plain.workload, plain.calibration);
  const double head = one.of(Term::kHead);
  const double layers = one.seconds - head - one.of(Term::kOptimizer);
  plain.workload.layout.pipeline = 2;
  plain.workload.global_batch_sequences = 3;
  lay_out(plain);
  EXPECT_NEAR(term(plain, Term::kImbalance), 3 * head / 2, 1e-12);
  EXPECT_NEAR(term(plain, Term::kBubble), (layers + head) / 2, 1e-12);
  EXPECT_EQ(term(plain, Term::kSends), 0);  // within NVLink
  plain.workload.layout.virtual_stages = 2;
  lay_out(plain);
  EXPECT_NEAR(term(plain, Term::kBubble), (layers + head) / 4, 1e-12);
}

// T15: beyond NVLink 2 x 2 bytes x 128 x 256 at 1e10 a micro-batch, a quarter
// of it with 4 tensor ranks, unless each sends the whole.
TEST(StepCost, StagesSendActivationsAndGradients) {
  PlainWorkload plain;
  plain.workload.layout.tensor = 4;
  plain.workload.layout.pipeline = 4;
  plain.workload.global_batch_sequences = 3;
  lay_out(plain);
  EXPECT_DOUBLE_EQ(term(plain, Term::kSends), 3 * 32768 / 1e10);
  plain.workload.software.sends_slices = false;
  EXPECT_DOUBLE_EQ(term(plain, Term::kSends), 3 * 131072 / 1e10);
}

// T14: 4 x 786,432 + 2 x 262,144 = 3,670,016 parameters of 2 bytes, gathered
// twice and scattered once a micro-batch, behind work at 1e12; at a slowdown of
// 1 all of it counts again.
TEST(StepCost, ShardedWeightsComeForEveryMicroBatch) {
  PlainWorkload plain;
  plain.workload.layout.data = 16;
  plain.workload.layout.zero_stage = 3;
  plain.workload.global_batch_sequences = 32;
  EXPECT_NEAR(term(plain, Term::kShardedWeights), 0, 1e-18);
  plain.calibration.fsdp_slowdown = 1;
  // One ring over 8 NICs of 1e10.
  EXPECT_NEAR(term(plain, Term::kShardedWeights), 2 * 3 * 7340032 / 8e10,
              1e-12);
  EXPECT_EQ(term(plain, Term::kGradients), 0);
  plain.workload.layout.zero_stage = 2;  // gathered once
  EXPECT_NEAR(term(plain, Term::kShardedWeights),
              2 * 7340032 / 8e10 + 7340032 / 8e10, 1e-12);
}

// 4 layers' gathers and scatters wait for log2 16 steps of 1 us each.
TEST(StepCost, ShardedWeightsComeLayerByLayer) {
  PlainWorkload plain;
  plain.workload.layout.data = 16;
  plain.workload.layout.zero_stage = 3;
  plain.workload.global_batch_sequences = 16;
  plain.calibration.fsdp_slowdown = 1;
  const double without = term(plain, Term::kShardedWeights);
  plain.machine.tiers[0].latency = 1e-6;
  EXPECT_NEAR(term(plain, Term::kShardedWeights) - without, 3 * 4 * 4e-6,
              1e-12);
}

// T16: FSDP leaves experts to their 2 replicas: 4 bytes of 4 layers x 2 experts
// x 131,072, half of it.
TEST(StepCost, ShardedWeightsLeaveExpertsToTheirReplicas) {
  PlainWorkload plain;
  with_experts(plain);
  plain.workload.layout.data = 8;
  plain.workload.layout.expert = 4;
  plain.workload.layout.zero_stage = 3;
  plain.workload.global_batch_sequences = 8;
  EXPECT_DOUBLE_EQ(term(plain, Term::kGradients),
                   4 * 4 * 2 * 131072.0 / 2 / 1e10);
}

// T16: an all-reduce of 2 bytes a parameter over 8 ranks at 1e11; with a
// sharded optimizer, gradients scattered and weights gathered: the same bytes;
// DeepSpeed: an all-reduce and a gather.
TEST(StepCost, ReplicasExchangeGradients) {
  PlainWorkload plain;
  plain.workload.layout.data = 8;
  plain.workload.global_batch_sequences = 8;
  const double once = 3670016 * 7 / 8 / 1e11;
  EXPECT_DOUBLE_EQ(term(plain, Term::kGradients), 4 * once);
  EXPECT_DOUBLE_EQ(term(plain, Term::kOptimizer), 30 * 3670016 / 1e15);
  plain.workload.layout.zero_stage = 1;
  EXPECT_DOUBLE_EQ(term(plain, Term::kGradients), 4 * once);
  EXPECT_DOUBLE_EQ(term(plain, Term::kOptimizer), 30 * 458752 / 1e15);
  plain.workload.software.all_reduces_for_zero1 = true;
  EXPECT_DOUBLE_EQ(term(plain, Term::kGradients), 6 * once);
}

// Stage 0 shares nothing, not of experts either: gradients of 4 bytes are
// all-reduced, and every rank updates all that it holds.
TEST(StepCost, ExpertsShareAnOptimizerWithZeroAlone) {
  PlainWorkload plain;
  with_experts(plain);
  plain.workload.layout.data = 8;
  plain.workload.layout.expert = 4;
  plain.workload.global_batch_sequences = 8;
  plain.workload.software.gradient_bytes = 4;
  const double dense = 6 * 262144, experts = 4 * 2 * 131072;
  const double once = dense * 7 / 8 / 1e11 + experts / 2 / 1e10;
  EXPECT_DOUBLE_EQ(term(plain, Term::kGradients), 8 * once);
  EXPECT_DOUBLE_EQ(term(plain, Term::kOptimizer),
                   30 * (dense + experts) / 1e15);
  plain.workload.layout.zero_stage = 1;
  EXPECT_DOUBLE_EQ(term(plain, Term::kGradients), 6 * once);
  EXPECT_DOUBLE_EQ(term(plain, Term::kOptimizer),
                   30 * (dense / 8 + experts / 2) / 1e15);
}

// T17: 64 GPUs are three doublings of 8.
TEST(StepCost, JitterGrowsWithEachDoubling) {
  PlainWorkload plain;
  plain.workload.layout.data = 64;
  plain.workload.global_batch_sequences = 64;
  const double without = step_cost(plain.workload, plain.calibration).seconds;
  plain.calibration.jitter = 0.01;
  EXPECT_NEAR(term(plain, Term::kJitter), 0.03 * without, 1e-15);
}

}  // namespace
}  // namespace colossus::planner
