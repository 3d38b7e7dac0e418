#include "config/model_counts.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace colossus::config {
namespace {

ModelConfig grok1() {
  ModelConfig c;
  c.vocab_size = 131072;
  c.model_dim = 6144;
  c.num_layers = 64;
  c.num_q_heads = 48;
  c.num_kv_heads = 8;
  c.head_dim = 128;
  c.expert_ffn_dim = 32768;
  c.num_experts = 8;
  c.num_selected_experts = 2;
  c.dense_ffn_dim = 0;
  c.tie_embeddings = true;
  return c;
}

ModelConfig grok2() {
  ModelConfig c = grok1();
  c.model_dim = 8192;
  c.num_q_heads = 64;
  c.expert_ffn_dim = 16384;
  c.dense_ffn_dim = 32768;
  c.tie_embeddings = false;
  return c;
}

TEST(ModelCounts, GrokOneIsTheSpecsToTheLastParameter) {
  const ModelCounts counts = count_model(grok1());
  EXPECT_EQ(counts.total_parameters, 315'684'820'992);
  EXPECT_NEAR(static_cast<double>(counts.active_parameters), 83.8e9, 0.05e9);
}

TEST(ModelCounts, GrokTwoIsTheSpecs) {
  const ModelCounts counts = count_model(grok2());
  EXPECT_NEAR(static_cast<double>(counts.total_parameters), 269.5e9, 0.05e9);
  EXPECT_NEAR(static_cast<double>(counts.active_parameters), 113.8e9, 0.05e9);
}

// V 10, D 4, one layer, 2/1 heads of 2, 3 experts of 5 with 2 selected, dense
// 7, untied: counted by hand.
ModelConfig small() {
  ModelConfig c;
  c.vocab_size = 10;
  c.model_dim = 4;
  c.num_layers = 1;
  c.num_q_heads = 2;
  c.num_kv_heads = 1;
  c.head_dim = 2;
  c.expert_ffn_dim = 5;
  c.num_experts = 3;
  c.num_selected_experts = 2;
  c.dense_ffn_dim = 7;
  c.tie_embeddings = false;
  return c;
}

TEST(ModelCounts, CountsASmallModelAsByHand) {
  const int64_t attention = 16 + 8 + 8 + 16, router = 12, expert = 60;
  const int64_t dense = 84, norms = 4 * 4 + 4, table = 40;
  const ModelCounts counts = count_model(small());
  EXPECT_EQ(counts.total_parameters,
            attention + router + 3 * expert + dense + norms + 2 * table);
  EXPECT_EQ(counts.active_parameters,
            attention + router + 2 * expert + dense + norms + table);
  EXPECT_EQ(counts.active_matrix_parameters,
            attention + router + 2 * expert + dense + table);
  EXPECT_EQ(counts.weight_bytes(), 4 * counts.total_parameters);
}

TEST(ModelCounts, ATiedHeadIsOneParameterButAProduct) {
  ModelConfig tied = small();
  tied.tie_embeddings = true;
  const ModelCounts counts = count_model(tied), untied = count_model(small());
  EXPECT_EQ(counts.total_parameters, untied.total_parameters - 40);
  EXPECT_EQ(counts.active_matrix_parameters, untied.active_matrix_parameters);
}

TEST(ModelCounts, ADenseModelIsAllActiveButTheLookUp) {
  ModelConfig dense = small();
  dense.num_experts = 0;
  const ModelCounts counts = count_model(dense);
  EXPECT_EQ(counts.total_parameters, 48 + 84 + 20 + 80);
  EXPECT_EQ(counts.active_parameters, 48 + 84 + 20 + 40);
}

TEST(ModelCounts, FlopsAreSixPerMatrixParameterAndCausalAttention) {
  const double matrices = 48 + 12 + 120 + 84 + 40;
  EXPECT_EQ(training_flops_per_token(small(), 16),
            6 * matrices + 6.0 * 1 * 2 * 2 * 16);
}

TEST(ModelCounts, RefusesWhatOverflows) {
  ModelConfig c = grok1();
  c.model_dim = int64_t{1} << 31;
  c.vocab_size = int64_t{1} << 31;
  c.expert_ffn_dim = int64_t{1} << 31;
  EXPECT_FALSE(try_count_model(c).has_value());
  EXPECT_THROW(count_model(c), UserError);
}

}  // namespace
}  // namespace colossus::config
