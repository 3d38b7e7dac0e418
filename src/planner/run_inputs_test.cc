#include "planner/run_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "planner/transformer_counts.h"

namespace colossus::planner {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

RunInputs shipped(const std::string& id) {
  for (const PublishedRun& run : shipped_runs()) {
    if (run.id == id) return inputs_of(run);
  }
  ADD_FAILURE() << id;
  return {};
}

TEST(RunInputs, EveryFirstHandTimedRowButTheImpossibleIsComplete) {
  for (const PublishedRun& run : shipped_runs()) {
    if (!run.is_timed() || !run.is_first_hand()) continue;
    const RunInputs inputs = inputs_of(run);
    EXPECT_EQ(inputs.why_not.empty(), run.id != "mbridge-104")
        << run.id << ": " << inputs.why_not;
  }
}

TEST(RunInputs, NearlyAllKeepTheRules) {
  std::map<std::string, std::string> broken;
  for (const PublishedRun& run : shipped_runs()) {
    const RunInputs inputs = inputs_of(run);
    if (!inputs.broken_rules.empty()) broken[run.id] = inputs.broken_rules[0];
  }
  for (const auto& [id, rule] : broken) {
    // README.md, Known oddities: a batch that does not divide, and printed
    // replicas that contradict the GPUs.
    EXPECT_TRUE(id == "neox-001" || id.starts_with("nemolong-00")) << rule;
  }
}

TEST(RunInputs, ParametersAreThoseThatWerePublished) {
  for (const PublishedRun& run : shipped_runs()) {
    const RunInputs inputs = inputs_of(run);
    if (!inputs.why_not.empty() || !run.params_b) continue;
    const double counted =
        static_cast<double>(count_parameters(inputs.model).total()) / 1e9;
    // Names are rounded, and one layer of multi-token prediction is in none.
    const bool mtp = inputs.model.num_mtp_layers > 0;
    EXPECT_NEAR(counted / *run.params_b, 1, mtp ? 0.03 : 0.08)
        << run.id << " " << run.model_name << " " << counted << " "
        << *run.params_b;
    if (!run.active_params_b) continue;
    const double active =
        static_cast<double>(count_parameters(inputs.model).active()) / 1e9;
    EXPECT_NEAR(active / *run.active_params_b, 1, 0.15)
        << run.id << " " << run.model_name << " " << active;
  }
}

TEST(RunInputs, AFullRowIsTakenAsItIs) {
  const RunInputs inputs = shipped("kort-001");
  EXPECT_THAT(inputs.filled,
              ElementsAre(Filled{"internode_network", "DGX-A100",
                                 "the words name no speed: the GPU's usual "
                                 "node"}));
  EXPECT_EQ(inputs.layout.tensor, 8);
  EXPECT_EQ(inputs.layout.recomputation, "full");
  EXPECT_EQ(inputs.cluster.device.name, "A100-80GB");
  EXPECT_EQ(inputs.cluster.node.name, "DGX-A100");
  EXPECT_EQ(inputs.seq_len, 2048);
  EXPECT_FALSE(inputs.model.gated_ffn);
}

TEST(RunInputs, NetworksAreReadFromTheirWords) {
  EXPECT_EQ(shipped("bloomtest-040").cluster.node.nic_bandwidth, 6.25e9);
  const Cluster vtrain = shipped("vtrain-001").cluster;
  EXPECT_EQ(vtrain.node.nic_bandwidth, 12.5e9);
  EXPECT_EQ(vtrain.network.name, "flat");
  const RunInputs titan = shipped("titan-011");
  EXPECT_EQ(titan.cluster.node.nic_bandwidth, 50e9);
  EXPECT_FALSE(titan.was_filled("internode_network"));
  const RunInputs bridge = shipped("mbridge-001");
  EXPECT_EQ(bridge.cluster.node.name, "GB300-NVL72");
  EXPECT_EQ(bridge.cluster.node.nic_bandwidth, 100e9);
  EXPECT_TRUE(bridge.was_filled("internode_network"));
}

TEST(RunInputs, UnevenModelsUseEmbeddingAndHeadAsSlots) {
  const RunInputs inputs = shipped("bloomtest-110");
  const Layout& layout = inputs.layout;
  const int64_t layers = inputs.model.num_layers;
  EXPECT_NE(layers % layout.pipeline, 0);
  EXPECT_EQ((layers + 2) % layout.pipeline, 0);
  EXPECT_TRUE(layout.embedding_slot && layout.head_slot);
}

TEST(RunInputs, ModelsWithPartsOfTheirOwnAreKnownByName) {
  PublishedRun run;
  run.gpu = "H100-SXM 80GB";
  run.model_name = "DeepSeek-V3 (w/o MTP)";
  run.layers = 61;
  run.hidden = 7168;
  run.ffn_hidden = 2048;
  run.heads = 128;
  run.vocab = 129280;
  run.experts = 256;
  run.topk = 8;
  run.seq_len = 4096;
  run.global_batch_sequences = 1024;
  run.num_gpus = 1024;
  run.kind = "moe";
  run.mlp_type = "gated";
  run.ep = 64;
  const RunInputs without = inputs_of(run);
  EXPECT_EQ(without.why_not, "");
  EXPECT_EQ(count_parameters(without.model).total(), 671'026'419'200);
  run.model_name = "DeepSeekV3";
  EXPECT_EQ(inputs_of(run).model.num_mtp_layers, 1);
}

PublishedRun bare() {
  PublishedRun run;
  run.id = "mine";
  run.gpu = "B200";
  run.model_name = "Newcomer 13B";
  run.layers = 40;
  run.hidden = 5120;
  run.seq_len = 4096;
  run.global_batch_sequences = 512;
  run.num_gpus = 64;
  return run;
}

TEST(RunInputs, WhatIsFilledIsNamed) {
  const RunInputs inputs = inputs_of(bare());
  EXPECT_EQ(inputs.why_not, "");
  EXPECT_THAT(inputs.broken_rules, IsEmpty());
  std::vector<std::string> columns;
  for (const Filled& field : inputs.filled) columns.push_back(field.column);
  EXPECT_THAT(columns, ElementsAre("tp", "pp", "micro_batch", "zero_or_fsdp",
                                   "recompute", "precision", "vocab", "heads",
                                   "kv_heads", "mlp_type", "ffn_hidden",
                                   "internode_network", "gpus_per_node"));
  EXPECT_EQ(inputs.model.num_q_heads, 40);
  EXPECT_EQ(inputs.model.dense_ffn_dim, 4 * 5120);
  EXPECT_EQ(inputs.model.vocab_size, 51200);
  EXPECT_EQ(inputs.layout.data, 64);
  EXPECT_THAT(inputs.filled,
              Contains(Filled{"heads", "40", "head_dim nearest to 128"}));
}

TEST(RunInputs, AnEmptyRowButForItsGpusAndSizeIsStillTaken) {
  PublishedRun run;
  run.gpu = "A100 80GB";
  run.num_gpus = 256;
  run.model_name = "Newcomer-175B";
  run.year = 2022;
  run.pp = 8;
  const RunInputs inputs = inputs_of(run);
  EXPECT_EQ(inputs.why_not, "");
  EXPECT_THAT(inputs.broken_rules, IsEmpty());
  EXPECT_EQ(inputs.seq_len, 2048);
  EXPECT_EQ(inputs.global_batch_sequences, 32 * 64);
  EXPECT_NEAR(
      static_cast<double>(count_parameters(inputs.model).total()) / 175e9, 1,
      0.03);
  run.layers = 80;
  EXPECT_EQ(inputs_of(run).model.num_layers, 80);
  EXPECT_NEAR(
      static_cast<double>(count_parameters(inputs_of(run).model).total()) /
          175e9,
      1, 0.03);
}

TEST(RunInputs, AContradictionIsSettledByTheGpus) {
  PublishedRun run = bare();
  run.dp = 8;
  EXPECT_EQ(inputs_of(run).layout.data, 64);
  EXPECT_TRUE(inputs_of(run).was_filled("dp"));
  run.tp = 3;
  EXPECT_THAT(inputs_of(run).broken_rules,
              Contains(HasSubstr("= 63 must be the cluster's 64 GPUs")));
}

TEST(RunInputs, ZeroStagesAreReadFromEachSpelling) {
  const std::map<std::string, int64_t> stages = {
      {"ZeRO-1", 1},
      {"FSDP FULL_SHARD (ZeRO-3)", 3},
      {"FSDP SHARD_GRAD_OP (ZeRO-2)", 2},
      {"DDP (no FSDP)", 0},
      {"none", 0},
      {"HSDP", 3},
      {"FSDP(shard group 64)", 3},
      {"ZeRO (stage not stated)", 1}};
  for (const auto& [words, stage] : stages) {
    PublishedRun run = bare();
    run.zero_or_fsdp = words;
    const RunInputs inputs = inputs_of(run);
    EXPECT_EQ(inputs.layout.zero_stage, stage) << words;
    EXPECT_EQ(inputs.was_filled("zero_or_fsdp"),
              words == "ZeRO (stage not stated)");
  }
  PublishedRun run = bare();
  run.framework = "megatron-bridge";
  EXPECT_EQ(inputs_of(run).layout.zero_stage, 1);
}

TEST(RunInputs, SayWhyARowCannotBePredicted) {
  const auto why = [](auto change) {
    PublishedRun run = bare();
    change(run);
    return inputs_of(run).why_not;
  };
  EXPECT_EQ(why([](PublishedRun& r) { r.num_gpus.reset(); }),
            "num_gpus, and so is dp, which is not published");
  EXPECT_EQ(why([](PublishedRun& r) { r.gpu = "MI300X"; }),
            "the GPU 'MI300X' is not known");
  const auto no_shape = [](PublishedRun& r) {
    r.layers.reset();
    r.model_name = "Newcomer";
  };
  EXPECT_EQ(why(no_shape),
            "neither the model's shape nor its size is published");
  EXPECT_THAT(why([](PublishedRun& r) { r.kv_heads = 3; }),
              HasSubstr("num_q_heads = 40 must be a multiple"));
  EXPECT_THAT(shipped("mbridge-104").why_not, HasSubstr("282 of 288 GB"));
}

}  // namespace
}  // namespace colossus::planner
