// Every part by numbers worked out by hand (cost_test_util.h): 128 tokens, h
// 256, f 1024, 4 heads of 64, 4 layers of 786,432 parameters, tables of
// 262,144.
#include "planner/memory.h"

#include <gtest/gtest.h>

#include "planner/cost_test_util.h"

namespace colossus::planner {
namespace {

MemoryUse use_of(const PlainWorkload& plain) {
  return memory_use(plain.workload, plain.calibration);
}

constexpr double kParameters = 4 * 786432 + 2 * 262144;

// M1.
TEST(MemoryUse, StatesAreSixteenBytesAParameter) {
  PlainWorkload plain;
  EXPECT_EQ(use_of(plain).states, 16 * kParameters);
  plain.model.tie_embeddings = true;
  EXPECT_EQ(use_of(plain).states, 16 * (kParameters - 262144));
  plain.workload.software.gradient_sum_bytes = 4;
  EXPECT_EQ(use_of(plain).states, 20 * (kParameters - 262144));
}

TEST(MemoryUse, ZeroDividesTheOptimizerOrEverything) {
  PlainWorkload plain;
  plain.workload.layout.data = 8;
  plain.workload.layout.zero_stage = 1;
  EXPECT_EQ(use_of(plain).states, (4 + 12.0 / 8) * kParameters);
  EXPECT_EQ(use_of(plain).gathered, 0);
  plain.workload.layout.zero_stage = 3;
  EXPECT_EQ(use_of(plain).states, 2 * kParameters);
  // M2: 8 bytes of a layer, 3 of the tables.
  EXPECT_EQ(use_of(plain).gathered, 8 * 786432 + 3 * 524288);
}

// Experts of 2 x 256 x 256 parameters, 2 a rank, over 2 replicas of 8 ranks;
// stage 0 shares nothing.
TEST(MemoryUse, ExpertsHaveTheirOwnReplicas) {
  PlainWorkload plain;
  plain.workload.layout.data = 8;
  const double dense = 4 * 262144 + 2 * 262144;
  plain.model.num_experts = 8;
  plain.model.num_selected_experts = 2;
  plain.model.expert_ffn_dim = 256;
  plain.workload.layout.expert = 4;
  const double experts = 4 * 2 * 131072;
  EXPECT_EQ(use_of(plain).states, 16 * (dense + experts));
  plain.workload.layout.zero_stage = 1;
  EXPECT_EQ(use_of(plain).states,
            (4 + 12.0 / 8) * dense + (4 + 12.0 / 2) * experts);
}

// M3: a layer keeps 4 x 2 x 256 + 2 x (16 x 64 + 2 x 1024) bytes a token =
// 8192, or its input of 512. M4: 12 bytes x 128 x 1024 = 1,572,864 > the
// layer's 1,048,576.
TEST(MemoryUse, ActivationsAreWhatTheBackwardPassReads) {
  PlainWorkload plain;
  plain.calibration.logit_bytes = 12;
  EXPECT_EQ(use_of(plain).activations, 4 * 128 * 8192);
  EXPECT_EQ(use_of(plain).live, 1572864);
  plain.calibration.fused_loss_bytes = 6;
  plain.workload.software.fuses_loss = true;
  EXPECT_EQ(use_of(plain).live, 1048576);
  plain.workload.recomputation = Recomputation::kFull;
  EXPECT_EQ(use_of(plain).activations, 4 * 128 * 512);
}

// 5 bytes x 4 heads x 128 keys a token.
TEST(MemoryUse, UnfusedAttentionKeepsItsScores) {
  PlainWorkload plain;
  plain.workload.software.attention = AttentionKernel::kUnfused;
  EXPECT_EQ(use_of(plain).activations, 4 * 128 * (8192 + 2560));
  plain.workload.recomputation = Recomputation::kSelective;
  EXPECT_EQ(use_of(plain).activations, 4 * 128 * 8192);
}

// 4 stages of a layer: 4 micro-batches in flight; interleaved with 2 chunks
// 4 x (1 + 3/8) = 5.5.
TEST(MemoryUse, TheFirstStageHoldsManyMicroBatches) {
  PlainWorkload plain;
  plain.model.num_layers = 8;
  plain.workload.layout.pipeline = 4;
  plain.workload.global_batch_sequences = 16;
  plain.workload.stages = stage_layers(8, plain.workload.layout);
  EXPECT_EQ(use_of(plain).activations, 2 * 4 * 128 * 8192);
  plain.workload.layout.virtual_stages = 2;
  EXPECT_EQ(use_of(plain).activations, 2 * 5.5 * 128 * 8192);
  plain.workload.global_batch_sequences = 3;
  EXPECT_EQ(use_of(plain).activations, 2 * 3 * 128 * 8192);
  // The last stage: one micro-batch, and logits of 1000 bytes.
  plain.calibration.logit_bytes = 1000;
  EXPECT_EQ(use_of(plain).activations, 2 * 128 * 8192);
  EXPECT_EQ(use_of(plain).live, 131072000);
}

// 11 layers and the embedding on 4 stages: 2, 3, 3, 3. The second holds 3
// layers of 786,432 parameters and 3 micro-batches, the first 2, the table and
// 4.
TEST(MemoryUse, TheSecondStageCanBeTheHeaviest) {
  PlainWorkload plain;
  plain.model.num_layers = 11;
  plain.workload.layout.pipeline = 4;
  plain.workload.layout.embedding_slot = true;
  plain.workload.global_batch_sequences = 16;
  plain.workload.stages = stage_layers(11, plain.workload.layout);
  EXPECT_EQ(use_of(plain).states, 16 * 3 * 786432);
  EXPECT_EQ(use_of(plain).activations, 3 * 3 * 128 * 8192);
  // A wide table makes it the last, which has 3 layers and the head.
  plain.model.vocab_size = 65536;
  EXPECT_EQ(use_of(plain).states, 16 * (3 * 786432 + 65536 * 256));
}

// M2: the stage's weights stay whole, gradients of two layers do for a while.
TEST(MemoryUse, ShardedGradientsLeaveTheWeightsWhole) {
  PlainWorkload plain;
  plain.workload.layout.data = 8;
  plain.workload.layout.zero_stage = 2;
  EXPECT_EQ(use_of(plain).states, 2 * kParameters);
  EXPECT_EQ(use_of(plain).gathered, 2 * kParameters + 4 * 786432);
}

// With sequence parallelism of 4: norms 2 x 4 x 64, heads and feed-forward a
// quarter of 6144; 3 inputs of 2 x 256 gathered.
TEST(MemoryUse, SequenceParallelismCutsTheNormsToo) {
  PlainWorkload plain;
  plain.workload.layout.tensor = 4;
  EXPECT_EQ(use_of(plain).activations, 4 * 128 * (2048 + 1536));
  plain.workload.layout.sequence_parallel = true;
  EXPECT_EQ(use_of(plain).activations, 4 * 128 * (512 + 1536));
  plain.workload.software.fuses_loss = true;
  EXPECT_EQ(use_of(plain).live, 128 * (2048 + 1536));
}

// M5, M6.
TEST(MemoryUse, WhatIsSeenDependsOnWhoLooks) {
  PlainWorkload plain;
  plain.calibration.reserve = 1.25;
  plain.calibration.context_bytes = 1000;
  plain.calibration.unreturned_reserve = 0.5;
  const MemoryUse use = use_of(plain);
  EXPECT_EQ(use.reserved(), 1.25 * use.allocated());
  EXPECT_EQ(use.on_device(), 1.25 * use.allocated() + 1000);
  EXPECT_EQ(use.needed(), 1.125 * use.allocated() + 1000);
  plain.workload.software.bucket_bytes = 500;
  EXPECT_EQ(use_of(plain).buffers, 0);
  plain.workload.layout.zero_stage = 1;
  EXPECT_EQ(use_of(plain).buffers, 500);
}

}  // namespace
}  // namespace colossus::planner
