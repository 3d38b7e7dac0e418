// The totals are those that each model's makers or transformers itself state;
// the texts are the shapes of the published config.json files.
#include "planner/hugging_face.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "planner/transformer_counts.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Transformer read(const std::string& text) {
  return read_hugging_face(text, "x/config.json").model;
}

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

int64_t total(const std::string& text) {
  return count_parameters(read(text)).total();
}

const std::string kLlama2 = R"({
  "architectures": ["LlamaForCausalLM"], "hidden_act": "silu",
  "hidden_size": 4096, "intermediate_size": 11008, "model_type": "llama",
  "num_attention_heads": 32, "num_hidden_layers": 32,
  "num_key_value_heads": 32, "rms_norm_eps": 1e-05, "rope_scaling": null,
  "tie_word_embeddings": false, "vocab_size": 32000})";

TEST(HuggingFace, Llama) {
  EXPECT_EQ(total(kLlama2), 6'738'415'616);
  const std::string llama3 = R"({
    "attention_bias": false, "hidden_size": 4096, "intermediate_size": 14336,
    "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32,
    "num_hidden_layers": 32, "num_key_value_heads": 8,
    "rope_scaling": {"factor": 8.0, "rope_type": "llama3"},
    "vocab_size": 128256})";
  EXPECT_EQ(total(llama3), 8'030'261'248);
  EXPECT_EQ(read(llama3).num_kv_heads, 8);
}

TEST(HuggingFace, MistralWithItsWindow) {
  const Transformer m = read(R"({
    "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336,
    "num_attention_heads": 32, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "sliding_window": 4096, "vocab_size": 32000})");
  EXPECT_EQ(count_parameters(m).total(), 7'241'732'096);
  EXPECT_EQ(m.window_of(0), 4096);
}

TEST(HuggingFace, Mixtral) {
  const Transformer m = read(R"({
    "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
    "num_attention_heads": 32, "num_experts_per_tok": 2,
    "num_hidden_layers": 32, "num_key_value_heads": 8, "num_local_experts": 8,
    "sliding_window": null, "tie_word_embeddings": false,
    "vocab_size": 32000})");
  EXPECT_EQ(count_parameters(m).total(), 46'702'792'704);
  EXPECT_EQ(m.sliding_window, 0);
}

TEST(HuggingFace, Qwen2HasBiasesOfQueriesKeysAndValues) {
  const Transformer m = read(R"({
    "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944,
    "max_window_layers": 28, "num_attention_heads": 28,
    "num_hidden_layers": 28, "num_key_value_heads": 4,
    "sliding_window": 131072, "tie_word_embeddings": false,
    "use_sliding_window": false, "vocab_size": 152064})");
  EXPECT_EQ(count_parameters(m).total(), 7'615'616'512);
  EXPECT_EQ(m.sliding_window, 0);
}

TEST(HuggingFace, Qwen2MoeHasASharedExpertWithAGate) {
  EXPECT_EQ(total(R"({
    "model_type": "qwen2_moe", "decoder_sparse_step": 1, "hidden_size": 2048,
    "intermediate_size": 5632, "moe_intermediate_size": 1408,
    "num_attention_heads": 16, "num_experts": 60, "num_experts_per_tok": 4,
    "num_hidden_layers": 24, "num_key_value_heads": 16,
    "shared_expert_intermediate_size": 5632, "vocab_size": 151936})"),
            14'315'784'192);
}

TEST(HuggingFace, Qwen3HasNormsOfQueriesAndKeys) {
  EXPECT_EQ(total(R"({
    "model_type": "qwen3", "attention_bias": false, "head_dim": 128,
    "hidden_size": 4096, "intermediate_size": 12288, "max_window_layers": 36,
    "num_attention_heads": 32, "num_hidden_layers": 36,
    "num_key_value_heads": 8, "sliding_window": null,
    "use_sliding_window": false, "vocab_size": 151936})"),
            8'190'735'360);
}

std::string qwen3_moe(const std::string& rest) {
  return R"({"model_type": "qwen3_moe", "attention_bias": false,
    "decoder_sparse_step": 1, "head_dim": 128, "num_experts": 128,
    "num_experts_per_tok": 8, "num_key_value_heads": 4,
    "tie_word_embeddings": false, "vocab_size": 151936,)" +
         rest + "}";
}

const std::string kQwen30b = R"("hidden_size": 2048, "intermediate_size": 6144,
  "moe_intermediate_size": 768, "num_attention_heads": 32,
  "num_hidden_layers": 48)";

TEST(HuggingFace, Qwen3Moe) {
  const std::string small = qwen3_moe(kQwen30b + R"(, "mlp_only_layers": [])");
  EXPECT_EQ(total(small), 30'532'122'624);
  const std::string large = qwen3_moe(R"("hidden_size": 4096,
    "intermediate_size": 12288, "moe_intermediate_size": 1536,
    "num_attention_heads": 64, "num_hidden_layers": 94)");
  EXPECT_EQ(total(large), 235'093'634'560);
}

TEST(HuggingFace, LayersWithoutExpertsMayStandAtTheStartOnly) {
  const Transformer m =
      read(qwen3_moe(kQwen30b + R"(, "mlp_only_layers": [1, 0])"));
  EXPECT_EQ(m.first_dense_layers, 2);
  EXPECT_EQ(m.dense_ffn_dim, 6144);
  EXPECT_THAT(error_of(qwen3_moe(kQwen30b + R"(, "mlp_only_layers": [3])")),
              HasSubstr("'mlp_only_layers' has layer 3"));
  EXPECT_THAT(error_of(R"({"model_type": "llama4_text", "hidden_size": 5120,
        "num_attention_heads": 40, "num_hidden_layers": 48, "vocab_size": 100,
        "intermediate_size": 8192, "num_local_experts": 16,
        "num_experts_per_tok": 1, "interleave_moe_layer_step": 2})"),
              HasSubstr("'interleave_moe_layer_step' = 2"));
}

TEST(HuggingFace, GptNeox) {
  EXPECT_EQ(total(R"({
    "model_type": "gpt_neox", "hidden_act": "gelu_fast", "hidden_size": 6144,
    "intermediate_size": 24576, "num_attention_heads": 64,
    "num_hidden_layers": 44, "tie_word_embeddings": false,
    "vocab_size": 50432})"),
            20'554'567'680);
}

TEST(HuggingFace, Bloom) {
  EXPECT_EQ(total(R"({"model_type": "bloom", "n_layer": 70, "n_embed": 14336,
    "num_attention_heads": 112, "vocab_size": 250880})"),
            176'247'271'424);
}

std::string deepseek(const std::string& rest) {
  return R"({"architectures": ["DeepseekV3ForCausalLM"], "hidden_size": 7168,
    "intermediate_size": 18432, "kv_lora_rank": 512,
    "moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_shared_experts": 1,
    "num_experts_per_tok": 8, "num_hidden_layers": 61, "q_lora_rank": 1536,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "topk_method": "noaux_tc", "tie_word_embeddings": false, )" +
         rest + "}";
}

const std::string kDeepSeekV3 = R"("model_type": "deepseek_v3",
  "first_k_dense_replace": 3, "n_routed_experts": 256,
  "num_attention_heads": 128, "num_key_value_heads": 128,
  "vocab_size": 129280, "num_nextn_predict_layers": )";

TEST(HuggingFace, DeepSeekV3) {
  const Transformer m = read(deepseek(kDeepSeekV3 + "1"));
  const TransformerParameters counts = count_parameters(m);
  const int64_t main =
      count_parameters(read(deepseek(kDeepSeekV3 + "0"))).total();
  EXPECT_EQ(main, 671'026'419'200);
  EXPECT_NEAR(static_cast<double>(counts.total() - main), 11.5e9, 0.15e9);
  EXPECT_EQ(counts.num_dense_layers, 3);
}

TEST(HuggingFace, KimiK2) {
  EXPECT_EQ(total(deepseek(R"("model_type": "kimi_k2",
    "first_k_dense_replace": 1, "n_routed_experts": 384,
    "num_attention_heads": 64, "num_key_value_heads": 64,
    "vocab_size": 163840, "num_nextn_predict_layers": 0)")),
            1'026'408'232'448);
}

std::string gpt_oss(const std::string& rest) {
  return R"({"model_type": "gpt_oss", "attention_bias": true, "head_dim": 64,
    "hidden_size": 2880, "intermediate_size": 2880, "num_attention_heads": 64,
    "num_experts_per_tok": 4, "num_key_value_heads": 8, "sliding_window": 128,
    "tie_word_embeddings": false, "vocab_size": 201088, )" +
         rest + "}";
}

TEST(HuggingFace, GptOss) {
  const std::string large =
      gpt_oss(R"("num_hidden_layers": 36, "num_local_experts": 128)");
  EXPECT_EQ(total(large), 116'829'156'672);
  EXPECT_EQ(read(large).window_of(0), 128);
  EXPECT_EQ(read(large).window_of(1), 0);
  EXPECT_EQ(
      total(gpt_oss(R"("num_hidden_layers": 24, "num_local_experts": 32)")),
      20'914'757'184);
}

std::string with_layer_types(const std::string& list) {
  return gpt_oss(R"("num_hidden_layers": 4, "num_local_experts": 8,
    "layer_types": )" +
                 list);
}

TEST(HuggingFace, LayerTypesSayWhichLayersHaveTheWindow) {
  const Transformer m = read(with_layer_types(
      R"(["sliding_attention", "sliding_attention", "full_attention",
          "sliding_attention"])"));
  EXPECT_EQ(m.full_attention_every, 3);
  EXPECT_EQ(m.sliding_window, 128);
  EXPECT_EQ(read(with_layer_types(
                     R"(["full_attention", "full_attention", "full_attention",
          "full_attention"])"))
                .sliding_window,
            0);
  EXPECT_EQ(read(with_layer_types(
                     R"(["sliding_attention", "sliding_attention",
          "sliding_attention", "sliding_attention"])"))
                .full_attention_every,
            0);
  EXPECT_THAT(error_of(with_layer_types(
                  R"(["full_attention", "sliding_attention",
                      "full_attention", "sliding_attention"])")),
              HasSubstr("'layer_types' of layer 2"));
  EXPECT_THAT(error_of(with_layer_types(R"(["full_attention"])")),
              HasSubstr("1 entries for 4 layers"));
  EXPECT_THAT(error_of(with_layer_types(
                  R"(["sliding_attention", "linear_attention",
                      "full_attention", "full_attention"])")),
              HasSubstr("'linear_attention'"));
}

TEST(HuggingFace, GrokOneAndGrokTwo) {
  EXPECT_EQ(total(R"({
    "architectures": ["Grok1ModelForCausalLM"], "model_type": "grok-1",
    "hidden_size": 6144, "intermediate_size": 32768,
    "num_attention_heads": 48, "num_experts": 8, "num_experts_per_tok": 2,
    "num_hidden_layers": 64, "num_key_value_heads": 8,
    "tie_word_embeddings": true, "vocab_size": 131072})"),
            315'684'820'992);
  const Transformer m = read(R"({
    "architectures": ["Grok1ForCausalLM"], "model_type": "git",
    "hidden_size": 8192, "intermediate_size": 32768, "head_dim": 128,
    "moe_intermediate_size": 16384, "num_attention_heads": 64,
    "num_local_experts": 8, "num_experts_per_tok": 2,
    "num_hidden_layers": 64, "num_key_value_heads": 8, "residual_moe": true,
    "sliding_window_size": -1, "vocab_size": 131072})");
  EXPECT_NEAR(static_cast<double>(count_parameters(m).total()), 269.5e9,
              0.05e9);
  EXPECT_TRUE(m.dense_beside_experts);
}

const std::string kUnknown = R"("hidden_size": 4096,
  "intermediate_size": 14336, "num_attention_heads": 32,
  "num_hidden_layers": 32, "num_key_value_heads": 8, "vocab_size": 128256)";

TEST(HuggingFace, AnUnknownArchitectureIsReadByItsCommonKeysAndSaysSo) {
  const LoadedTransformer loaded = read_hugging_face(
      R"({"model_type": "newcomer", )" + kUnknown + "}", "runs/newcomer.json");
  EXPECT_EQ(count_parameters(loaded.model).total(), 8'030'261'248);
  EXPECT_EQ(loaded.model.name, "newcomer");
  ASSERT_EQ(loaded.notes.size(), 1U);
  EXPECT_THAT(loaded.notes[0], HasSubstr("'newcomer' is not known"));
  EXPECT_FALSE(
      read(R"({"model_type": "n", "hidden_act": "relu", )" + kUnknown + "}")
          .gated_ffn);
  EXPECT_THAT(error_of(R"({"model_type": "newcomer", "hidden_size": 64})"),
              HasSubstr("x/config.json: 'num_hidden_layers' is missing"));
}

TEST(HuggingFace, ADecoderInsideALargerModelIsFound) {
  EXPECT_EQ(total(R"({"model_type": "sees", "vision_config": {},
    "text_config": {"model_type": "llama", )" +
                  kUnknown + "}}"),
            8'030'261'248);
}

TEST(HuggingFace, TheModelIsNamedAfterItsFileOrFolder) {
  EXPECT_THAT(read_hugging_face(kLlama2, "a/llama-2/config.json").notes,
              IsEmpty());
  EXPECT_EQ(read_hugging_face(kLlama2, "a/llama-2/config.json").model.name,
            "llama-2");
  EXPECT_EQ(read_hugging_face(kLlama2, "config.json").model.name, "config");
}

std::string changed(const std::string& from, const std::string& to) {
  std::string text = kLlama2;
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(HuggingFace, NamesWhatIsWrong) {
  EXPECT_THAT(error_of(changed("11008", "\"many\"")),
              HasSubstr("'intermediate_size' must be an integer"));
  EXPECT_THAT(error_of(changed("11008", "-5")),
              HasSubstr("'intermediate_size' = -5 must be from 0"));
  EXPECT_THAT(error_of(changed("11008", "99999999999999999999")),
              HasSubstr("'intermediate_size' must be an integer"));
  EXPECT_THAT(error_of(changed("11008", "1e5")),
              HasSubstr("'intermediate_size' must be an integer"));
  EXPECT_THAT(error_of(changed("11008", "0")),
              HasSubstr("dense_ffn_dim = 0 must be at least 1"));
  EXPECT_THAT(error_of(changed("11008", "null")),
              HasSubstr("'intermediate_size' is missing"));
  EXPECT_THAT(error_of(changed("\"num_attention_heads\": 32",
                               "\"num_attention_heads\": 0")),
              HasSubstr("'num_attention_heads' = 0"));
  EXPECT_THAT(error_of(changed("false", "\"no\"")),
              HasSubstr("'tie_word_embeddings' must be true or false"));
  EXPECT_THAT(error_of(changed("4096", "4097")),
              HasSubstr("'hidden_size' = 4097 is no multiple"));
  EXPECT_THAT(error_of("[]"), HasSubstr("must be an object"));
  EXPECT_THAT(error_of("{"), HasSubstr("x/config.json: "));
  EXPECT_THAT(error_of(R"({"a": 1, "a": 2})"), HasSubstr("stands twice"));
  EXPECT_THAT(error_of(std::string(2 << 20, ' ')), HasSubstr("bytes"));
  EXPECT_THAT(error_of(std::string(1000, '[')), HasSubstr("nested deeper"));
}

TEST(HuggingFace, ACutFileIsRefusedAtEveryByte) {
  for (size_t length = 0; length < kLlama2.size(); ++length) {
    EXPECT_NE(error_of(kLlama2.substr(0, length)), "no error") << length;
  }
}

}  // namespace
}  // namespace colossus::planner
