#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "config/load_config.h"
#include "config/toml.h"

namespace colossus::config {
namespace {

using testing::HasSubstr;

// The message of what is wrong with the defaults after `assignments`.
std::string error_of(const std::vector<std::string>& assignments) {
  try {
    config_from_text("", "x.toml", assignments);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Config, ItsDefaultsAreValid) { EXPECT_EQ(error_of({}), "no error"); }

TEST(Config, MessagesPrintTheFormulaWithItsNumbers) {
  EXPECT_EQ(error_of({"model.num_q_heads=6", "model.num_kv_heads=4"}),
            "x.toml with --set: model.num_q_heads = 6 must be a multiple of "
            "model.num_kv_heads = 4");
  EXPECT_THAT(error_of({"model.num_experts=2", "model.num_selected_experts=3"}),
              HasSubstr("model.num_selected_experts = 3 must be from 1 to "
                        "model.num_experts = 2"));
  EXPECT_THAT(error_of({"run.num_shards=6"}),
              HasSubstr("run.num_shards = 6 must be a power of two"));
  EXPECT_THAT(error_of({"run.steps=50"}),
              HasSubstr("optimizer.warmup_steps = 100 must be at most "
                        "run.steps = 50"));
}

TEST(Config, NamesTheNearestSchedule) {
  EXPECT_THAT(error_of({"optimizer.schedule=cosin"}),
              HasSubstr("did you mean 'cosine'?"));
}

// Every integer field refuses what cannot be meant.
TEST(Config, RefusesNegativeIntegersEverywhere) {
  Config config;
  for (const Field& field : fields_of(config)) {
    if (!std::holds_alternative<int64_t*>(field.value)) continue;
    EXPECT_NE(error_of({field.name + "=-1"}), "no error") << field.name;
    EXPECT_NE(error_of({field.name + "=-9223372036854775808"}), "no error")
        << field.name;
  }
}

TEST(Config, RefusesNumbersThatAreNotFiniteEverywhere) {
  Config config;
  for (const Field& field : fields_of(config)) {
    if (!std::holds_alternative<double*>(field.value)) continue;
    for (const char* value : {"=nan", "=inf", "=-inf", "=1e300", "=-1"}) {
      EXPECT_NE(error_of({field.name + value}), "no error")
          << field.name << value;
    }
  }
}

TEST(Config, RefusesZeroWhereNothingWouldBeLeft) {
  for (const char* key : {"model.vocab_size",
                          "model.model_dim",
                          "model.num_layers",
                          "model.num_q_heads",
                          "model.num_kv_heads",
                          "model.head_dim",
                          "model.expert_ffn_dim",
                          "model.num_selected_experts",
                          "model.rope_theta",
                          "model.rms_norm_eps",
                          "model.output_multiplier",
                          "run.steps",
                          "run.seq_len",
                          "run.num_shards",
                          "run.micro_batch_size",
                          "run.micro_batches_per_shard",
                          "run.keep_last",
                          "optimizer.learning_rate",
                          "optimizer.eps",
                          "optimizer.max_grad_norm"}) {
    EXPECT_THAT(error_of({std::string(key) + "=0"}), HasSubstr(key)) << key;
  }
}

TEST(Config, RefusesAnOddHeadAndALayerWithoutFeedForward) {
  EXPECT_THAT(error_of({"model.head_dim=7"}), HasSubstr("must be even"));
  EXPECT_THAT(error_of({"model.num_experts=0"}),
              HasSubstr("a dense feed-forward, or both"));
}

TEST(Config, RefusesBetasThatRoundToOne) {
  EXPECT_THAT(error_of({"optimizer.beta2=1.0"}), HasSubstr("beta2"));
  EXPECT_THAT(error_of({"optimizer.beta2=0.9999999999"}), HasSubstr("beta2"));
  EXPECT_EQ(error_of({"optimizer.beta1=0"}), "no error");
}

TEST(Config, RefusesProductsThatOverflow) {
  EXPECT_NE(
      error_of({"model.vocab_size=2147483647", "model.model_dim=2147483647"}),
      "no error");
  EXPECT_NE(error_of({"model.num_q_heads=2147483646", "model.num_kv_heads=2",
                      "model.head_dim=2147483646"}),
            "no error");
  EXPECT_NE(error_of({"run.micro_batch_size=65536", "run.seq_len=65536"}),
            "no error");
  EXPECT_NE(
      error_of({"run.steps=1099511627776", "run.num_shards=1048576",
                "run.seq_len=1048576", "run.micro_batches_per_shard=1048576"}),
      "no error");
  EXPECT_NE(error_of({"model.num_layers=10000", "model.num_experts=65536"}),
            "no error");
}

TEST(Config, HoldsTheScheduleToTheRun) {
  EXPECT_THAT(error_of({"optimizer.schedule=wsd"}), HasSubstr("decay_steps"));
  EXPECT_NE(error_of({"optimizer.schedule=wsd", "optimizer.decay_steps=950"}),
            "no error");
  EXPECT_EQ(error_of({"optimizer.schedule=wsd", "optimizer.decay_steps=900"}),
            "no error");
}

TEST(Config, HoldsShardsTogetherToTheShards) {
  EXPECT_NE(error_of({"kernels.shards_together=3"}), "no error");
  EXPECT_NE(error_of({"kernels.shards_together=16"}), "no error");
  EXPECT_EQ(error_of({"kernels.shards_together=8"}), "no error");
}

TEST(Config, OverridesComeAfterTheFileAndKeepTheirOrigin) {
  const LoadedConfig loaded = config_from_text("[run]\nsteps = 500\nseed = 3\n",
                                               "x.toml", {"run.steps=600"});
  EXPECT_EQ(loaded.config.run.steps, 600);
  EXPECT_EQ(loaded.origins.at("run.steps"), "--set");
  EXPECT_EQ(loaded.origins.at("run.seed"), "x.toml:3");
  EXPECT_EQ(loaded.origins.at("run.dir"), "default");
}

TEST(Config, ReadsBackWhatItWrote) {
  LoadedConfig loaded = config_from_text(
      "", "x.toml", {"run.sample_prompt=\"a\\nb\"", "optimizer.eps=1e-9"});
  const std::string text = write_toml(fields_of(loaded.config));
  LoadedConfig again = config_from_text(text, "y.toml", {});
  EXPECT_EQ(write_toml(fields_of(again.config)), text);
}

bool changes(const std::string& key, const std::string& schedule,
             int64_t step) {
  Config before;
  before.run.steps = 1000;
  before.optimizer.schedule = schedule;
  before.optimizer.warmup_steps = 100;
  before.optimizer.decay_steps = 200;
  Config after = before;
  after.run.steps = 2000;
  return changes_bits(key, before, after, step);
}

TEST(ChangesBits, NotWhatOnlyWatchesOrComputesTheRun) {
  Config config;
  for (const char* key : {"kernels.threads", "kernels.target", "run.dir",
                          "run.val_every", "run.keep_last", "data.path"}) {
    EXPECT_FALSE(changes_bits(key, config, config, 500)) << key;
  }
}

TEST(ChangesBits, WhateverTheStepComputes) {
  Config config;
  for (const char* key :
       {"model.model_dim", "run.seed", "run.num_shards", "run.micro_batch_size",
        "optimizer.beta1", "optimizer.warmup_steps"}) {
    EXPECT_TRUE(changes_bits(key, config, config, 500)) << key;
  }
}

TEST(ChangesBits, TheRunsLengthOnceTheScheduleLooksAtIt) {
  EXPECT_FALSE(changes("run.steps", "constant", 999));
  EXPECT_FALSE(changes("run.steps", "wsd", 800));
  EXPECT_TRUE(changes("run.steps", "wsd", 801));
  EXPECT_FALSE(changes("run.steps", "cosine", 100));
  EXPECT_TRUE(changes("run.steps", "cosine", 101));
}

TEST(ChangedKeys, ListsBothValues) {
  Config before, after;
  after.run.dir = "runs/b";
  after.optimizer.beta2 = 0.99;
  const std::vector<ChangedKey> changed = changed_keys(before, after, 10);
  ASSERT_EQ(changed.size(), 2U);
  EXPECT_EQ(changed[0].key, "run.dir");
  EXPECT_FALSE(changed[0].changes_bits);
  EXPECT_EQ(changed[1].before, "0.95");
  EXPECT_EQ(changed[1].after, "0.99");
  EXPECT_TRUE(changed[1].changes_bits);
}

}  // namespace
}  // namespace colossus::config
