#include "planner/transformer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fields.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/temporary_folder.h"
#include "config/load_config.h"
#include "config/model_counts.h"
#include "planner/transformer_counts.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;

const std::string kConfigs = COLOSSUS_SOURCE_DIR "/configs";

void expect_the_trainers_counts(const config::ModelConfig& config,
                                int64_t seq_len) {
  const config::ModelCounts theirs = config::count_model(config);
  const Transformer model = transformer_of(config, "it");
  validate(model, "it.");
  const TransformerParameters ours = count_parameters(model);
  EXPECT_EQ(ours.total(), theirs.total_parameters);
  EXPECT_EQ(ours.active(), theirs.active_parameters);
  EXPECT_EQ(ours.active_matrix(), theirs.active_matrix_parameters);
  EXPECT_EQ(training_flops_per_token(model, seq_len),
            config::training_flops_per_token(config, seq_len));
}

TEST(Transformer, HasTheTrainersCountsForEveryShippedConfig) {
  int models = 0;
  for (const std::string& name : list_directory(kConfigs)) {
    const std::string text = read_file(join_path(kConfigs, name));
    if (text.find("[model]") == std::string::npos) continue;
    SCOPED_TRACE(name);
    const config::Config config =
        config::config_from_text(text, name, {}).config;
    expect_the_trainers_counts(config.model, config.run.seq_len);
    ++models;
  }
  EXPECT_GE(models, 8);
}

config::ModelConfig random_config(uint64_t seed) {
  uint64_t draws = 0;
  const auto from = [&](int64_t low, int64_t high) {
    const double u = random_uniform(seed, 0, draws++);
    return low + static_cast<int64_t>(u * static_cast<double>(high - low + 1));
  };
  config::ModelConfig c;
  c.vocab_size = from(1, 200'000);
  c.model_dim = from(1, 20'000);
  c.num_layers = from(1, 130);
  c.num_kv_heads = from(1, 16);
  c.num_q_heads = c.num_kv_heads * from(1, 8);
  c.head_dim = 2 * from(1, 128);
  c.num_experts = from(0, 1) * from(1, 256);
  c.num_selected_experts =
      c.num_experts == 0 ? from(0, 3) : from(1, c.num_experts);
  c.expert_ffn_dim = from(1, 40'000);
  c.dense_ffn_dim = c.num_experts == 0 ? from(1, 60'000) : from(0, 1) * 777;
  c.tie_embeddings = from(0, 1) == 1;
  return c;
}

TEST(Transformer, HasTheTrainersCountsForAnyConfig) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    const config::ModelConfig config = random_config(seed);
    config::validate(config);
    expect_the_trainers_counts(config, 1 + static_cast<int64_t>(seed) * 7);
    if (HasFailure()) return;
  }
}

// D 4, two layers, 2/1 heads of 2, 3 experts of 5 with 2 selected, one shared
// of 6, first layer dense of 7, V 10: counted by hand.
Transformer small() {
  Transformer m;
  m.num_layers = 2;
  m.model_dim = 4;
  m.vocab_size = 10;
  m.num_q_heads = 2;
  m.num_kv_heads = 1;
  m.head_dim = 2;
  m.dense_ffn_dim = 7;
  m.first_dense_layers = 1;
  m.num_experts = 3;
  m.num_selected_experts = 2;
  m.expert_ffn_dim = 5;
  m.num_shared_experts = 1;
  m.shared_expert_ffn_dim = 6;
  return m;
}

TEST(TransformerCounts, CountEachPartAsByHand) {
  const TransformerParameters counts = count_parameters(small());
  const LayerParameters& dense = counts.dense_layer;
  const LayerParameters& experts = counts.expert_layer;
  EXPECT_EQ(dense.attention, (Parameters{16 + 8 + 8 + 16, 0}));
  EXPECT_EQ(dense.dense_ffn, (Parameters{3 * 4 * 7, 0}));
  EXPECT_EQ(dense.norms, (Parameters{0, 8}));
  EXPECT_EQ(dense.num_experts, 0);
  EXPECT_EQ(experts.dense_ffn, (Parameters{0, 0}));
  EXPECT_EQ(experts.router, (Parameters{12, 0}));
  EXPECT_EQ(experts.shared_experts, (Parameters{72, 0}));
  EXPECT_EQ(experts.expert, (Parameters{60, 0}));
  EXPECT_EQ(counts.total(), (48 + 84 + 8) + (48 + 12 + 72 + 180 + 8) + 4 + 80);
  EXPECT_EQ(counts.active(), (48 + 84 + 8) + (48 + 12 + 72 + 120 + 8) + 4 + 40);
  EXPECT_EQ(counts.active_matrix(), counts.active() - 20);
}

TEST(TransformerCounts, BiasesAndNormsAreVectors) {
  Transformer m = small();
  m.gated_ffn = false;
  m.layer_norm = m.qk_norm = m.qkv_bias = m.attention_output_bias = true;
  m.ffn_bias = m.router_bias = m.attention_sinks = true;
  m.shared_expert_gate = true;
  const LayerParameters layer = layer_parameters(m, true);
  const int64_t qkv = 4 + 2 + 2, output = 4, qk_norms = 4 * 2, sinks = 2;
  EXPECT_EQ(layer.attention, (Parameters{48, qkv + output + qk_norms + sinks}));
  EXPECT_EQ(layer.expert, (Parameters{2 * 4 * 5, 5 + 4}));
  EXPECT_EQ(layer.shared_experts, (Parameters{2 * 4 * 6, 6 + 4}));
  EXPECT_EQ(layer.router, (Parameters{12 + 4, 3}));
  EXPECT_EQ(layer.norms, (Parameters{0, 2 * 2 * 4}));
}

TEST(TransformerCounts, LatentAttentionIsItsFiveProducts) {
  Transformer m = small();
  m.num_kv_heads = m.head_dim = 0;
  m.latent = {.q_lora_rank = 3,
              .kv_lora_rank = 5,
              .qk_nope_head_dim = 2,
              .qk_rope_head_dim = 1,
              .v_head_dim = 4};
  const Parameters attention = layer_parameters(m, false).attention;
  EXPECT_EQ(attention.matrix,
            4 * 3 + 3 * 2 * 3 + 4 * (5 + 1) + 5 * 2 * (2 + 4) + 2 * 4 * 4);
  EXPECT_EQ(attention.vector, 3 + 5);
  m.latent.q_lora_rank = 0;
  EXPECT_EQ(layer_parameters(m, false).attention.matrix,
            4 * 2 * 3 + 4 * (5 + 1) + 5 * 2 * (2 + 4) + 2 * 4 * 4);
  EXPECT_EQ(layer_flops(m, 0, 8).attention_scores, 2.0 * 2 * (3 + 4) * 4);
}

TEST(TransformerCounts, AWindowedQuerySeesLessThanHalfTheSequence) {
  EXPECT_EQ(mean_keys(8, 0), 4);
  EXPECT_EQ(mean_keys(8, 8), 4);
  EXPECT_EQ(mean_keys(8, 100), 4);
  EXPECT_EQ(mean_keys(8, 2), 2 - 4.0 / 16);
  Transformer m = small();
  m.sliding_window = 2;
  m.full_attention_every = 2;
  EXPECT_EQ(m.window_of(0), 2);
  EXPECT_EQ(m.window_of(1), 0);
  EXPECT_EQ(layer_flops(m, 0, 8).attention_scores, 2.0 * 2 * 4 * 1.75);
  EXPECT_EQ(layer_flops(m, 1, 8).attention_scores, 2.0 * 2 * 4 * 4);
}

TEST(TransformerCounts, MultiTokenPredictionIsALayerAProductAndAHead) {
  Transformer with = small(), without = small();
  with.num_mtp_layers = 1;
  const int64_t layer = 48 + 12 + 72 + 180 + 8, product = 2 * 4 * 4;
  EXPECT_EQ(count_parameters(with).total(),
            count_parameters(without).total() + layer + product + 3 * 4);
  const double active = 48 + 12 + 72 + 120, head = 40, scores = 2 * 4 * 4;
  EXPECT_EQ(forward_flops_per_token(with, 8).total(),
            forward_flops_per_token(without, 8).total() +
                2 * (active + product + scores + head));
}

TEST(TransformerCounts, PartsOfTheFlopsAddUp) {
  const ForwardFlops flops = forward_flops_per_token(small(), 8);
  EXPECT_EQ(flops.layers.attention_products, 2 * 2 * 48);
  EXPECT_EQ(flops.layers.attention_scores, 2 * 2 * 2 * 4 * 4);
  EXPECT_EQ(flops.layers.dense_ffn, 2 * 84);
  EXPECT_EQ(flops.layers.router, 2 * 12);
  EXPECT_EQ(flops.layers.shared_experts, 2 * 72);
  EXPECT_EQ(flops.layers.experts, 2 * 120);
  EXPECT_EQ(flops.head, 2 * 40);
  EXPECT_EQ(flops.mtp, 0);
  EXPECT_EQ(training_flops_per_token(small(), 8), 3 * flops.total());
}

std::string error_of(const Transformer& model) {
  try {
    validate(model, "x: ");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(TransformerRules, NameTheFieldAndItsNumbers) {
  EXPECT_EQ(error_of(small()), "no error");
  Transformer m = small();
  m.num_q_heads = 3;
  m.num_kv_heads = 2;
  EXPECT_EQ(error_of(m),
            "x: num_q_heads = 3 must be a multiple of x: num_kv_heads = 2");
  m = small();
  m.num_selected_experts = 4;
  EXPECT_EQ(error_of(m), "x: num_selected_experts = 4 must be from 1 to 3");
  m = small();
  m.dense_ffn_dim = 0;
  EXPECT_THAT(error_of(m), HasSubstr("dense_ffn_dim = 0"));
  m = small();
  m.latent.kv_lora_rank = 4;
  EXPECT_THAT(error_of(m), HasSubstr("latent.qk_nope_head_dim = 0"));
}

TEST(TransformerRules, RefuseEveryNumberThatIsNegativeOrAbsurd) {
  Transformer model = small();
  model.latent = {.q_lora_rank = 1,
                  .kv_lora_rank = 1,
                  .qk_nope_head_dim = 1,
                  .qk_rope_head_dim = 1,
                  .v_head_dim = 1};
  ASSERT_EQ(error_of(model), "no error");
  for (const Field& field : fields_of(model)) {
    auto* const* number = std::get_if<int64_t*>(&field.value);
    if (number == nullptr) continue;
    // Unused with latent attention.
    if (field.name == "num_kv_heads" || field.name == "head_dim") continue;
    const int64_t good = **number;
    for (const int64_t bad : {int64_t{-1}, int64_t{1} << 40, INT64_MAX}) {
      **number = bad;
      EXPECT_THAT(error_of(model), HasSubstr("x: ")) << field.name << bad;
    }
    **number = good;
  }
}

TEST(TransformerRules, RefuseCountsThatDoNotFit) {
  Transformer m = small();
  m.model_dim = m.vocab_size = (int64_t{1} << 31) - 1;
  EXPECT_THAT(error_of(m), HasSubstr("parameters in the embedding"));
  m = small();
  m.num_experts = 65'536;
  m.model_dim = 1 << 20;
  m.expert_ffn_dim = 1 << 24;
  EXPECT_THAT(error_of(m), HasSubstr("parameters in the experts"));
}

TEST(LoadTransformer, TakesTomlAndJson) {
  const Transformer grok =
      load_transformer(join_path(kConfigs, "grok-1.toml")).model;
  EXPECT_EQ(grok.name, "grok-1");
  EXPECT_EQ(count_parameters(grok).total(), 315'684'820'992);
  const TemporaryFolder folder;
  const std::string path = folder / "gpt2.json";
  write_file_atomically(real_file_system(), path,
                        R"({"model_type": "gpt2", "n_layer": 12, "n_embd": 768,
                            "n_head": 12, "n_positions": 1024,
                            "vocab_size": 50257})");
  EXPECT_EQ(count_parameters(load_transformer(path).model).total(),
            124'439'808);
  EXPECT_THROW(load_transformer(folder / "missing.json"), UserError);
}

}  // namespace
}  // namespace colossus::planner
