#include "config/reference_case.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace colossus::config {
namespace {

using testing::HasSubstr;

std::string good_case() {
  return R"({"purpose": "p", "model": {"vocab_size": 61, "model_dim": 24,
    "num_layers": 2, "num_q_heads": 6, "num_kv_heads": 2, "head_dim": 4,
    "expert_ffn_dim": 20, "num_experts": 4, "num_selected_experts": 2,
    "dense_ffn_dim": 28, "rope_theta": 208533496.0, "rms_norm_eps": 1e-05,
    "embedding_multiplier": 4.898979485566356, "attn_output_multiplier": 0.5,
    "output_multiplier": 0.5, "attn_logit_softcap": 30,
    "router_logit_softcap": 30.0, "final_logit_softcap": 50.0,
    "tie_embeddings": false, "renormalize_router": false,
    "load_balance_loss": 0.01, "router_z_loss": 0.001}, "train":
    {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.95, "eps": 1e-08,
    "weight_decay": 0.1, "max_grad_norm": 1.0, "steps": 10}})";
}

// The message after `from` in the good case became `to`.
std::string error_with(const std::string& from, const std::string& to) {
  std::string text = good_case();
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos);
  text.replace(at, from.size(), to);
  try {
    read_reference_case(text, "c.json");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ReferenceCase, ReadsEveryField) {
  const ReferenceCase c = read_reference_case(good_case(), "c.json");
  EXPECT_EQ(c.purpose, "p");
  EXPECT_EQ(c.model.vocab_size, 61);
  EXPECT_EQ(c.model.rope_theta, 208533496.0);
  EXPECT_EQ(c.model.attn_logit_softcap, 30.0);
  EXPECT_FALSE(c.model.tie_embeddings);
  EXPECT_EQ(c.optimizer.schedule, "constant");
  EXPECT_EQ(c.optimizer.learning_rate, 0.01);
  EXPECT_EQ(c.optimizer.min_learning_rate, 0.01);
  EXPECT_EQ(c.optimizer.warmup_steps, 0);
  EXPECT_EQ(c.steps, 10);
}

TEST(ReferenceCase, TakesADenseModelWithNoSelectedExperts) {
  EXPECT_EQ(error_with("\"num_experts\": 4, \"num_selected_experts\": 2",
                       "\"num_experts\": 0, \"num_selected_experts\": 0"),
            "no error");
}

TEST(ReferenceCase, NamesUnknownAndMissingKeys) {
  EXPECT_THAT(error_with("\"rope_theta\"", "\"rope_tetha\""),
              HasSubstr("'rope_theta' is missing"));
  EXPECT_THAT(error_with("\"steps\": 10", "\"steps\": 10, \"bata1\": 1"),
              HasSubstr("unknown key 'bata1'; did you mean 'beta1'?"));
  EXPECT_THAT(error_with("\"train\"", "\"trian\""), HasSubstr("'train'"));
}

TEST(ReferenceCase, RefusesWrongTypes) {
  EXPECT_THAT(error_with("\"head_dim\": 4", "\"head_dim\": 4.0"),
              HasSubstr("'head_dim' has the wrong type"));
  EXPECT_NE(error_with("\"head_dim\": 4", "\"head_dim\": 18446744073709551615"),
            "no error");
  EXPECT_NE(error_with("false", "0"), "no error");
  EXPECT_NE(error_with("1e-05", "\"1e-05\""), "no error");
  EXPECT_NE(error_with("1e-05", "null"), "no error");
}

TEST(ReferenceCase, RefusesAKeyThatStandsTwice) {
  EXPECT_THAT(error_with("\"steps\": 10", "\"steps\": 10, \"steps\": 11"),
              HasSubstr("'steps' stands twice"));
}

TEST(ReferenceCase, RefusesDepthAndTrailingText) {
  EXPECT_THAT(error_with("\"purpose\": \"p\"",
                         "\"purpose\": " + std::string(1000, '[')),
              HasSubstr("nested deeper"));
  EXPECT_THROW(read_reference_case(good_case() + "x", "c.json"), UserError);
  EXPECT_THROW(read_reference_case("", "c.json"), UserError);
  EXPECT_THROW(read_reference_case("[]", "c.json"), UserError);
}

TEST(ReferenceCase, HoldsTheModelToTheRules) {
  EXPECT_THAT(error_with("\"num_kv_heads\": 2", "\"num_kv_heads\": 4"),
              HasSubstr("c.json: model.num_q_heads = 6 must be a multiple"));
  EXPECT_THAT(error_with("\"beta1\": 0.9", "\"beta1\": 1.9"),
              HasSubstr("c.json: train.beta1 = 1.9"));
}

}  // namespace
}  // namespace colossus::config
