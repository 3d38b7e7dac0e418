#include "planner/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "config/toml.h"
#include "planner/cluster_file.h"

namespace colossus::planner {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Transformer dense() {
  Transformer m;
  m.num_layers = 126;
  m.model_dim = 16384;
  m.vocab_size = 128256;
  m.num_q_heads = 128;
  m.num_kv_heads = 8;
  m.head_dim = 128;
  m.dense_ffn_dim = 53248;
  return m;
}

Transformer experts() {
  Transformer m = dense();
  m.num_layers = 64;
  m.dense_ffn_dim = 0;
  m.num_experts = 8;
  m.num_selected_experts = 2;
  m.expert_ffn_dim = 32768;
  return m;
}

struct LayoutTest : testing::Test {
  Transformer model = dense();
  Cluster cluster = make_cluster("H100-SXM", 1024);
  int64_t batch = 512;
  int64_t seq_len = 8192;
  Layout layout = {.tensor = 8, .pipeline = 8, .data = 16};

  std::vector<std::string> found() const {
    return violations(model, cluster, batch, seq_len, layout);
  }
};

TEST_F(LayoutTest, ALegalLayoutBreaksNoRule) {
  EXPECT_THAT(found(), IsEmpty());
  EXPECT_THAT(warnings(model, cluster, layout), IsEmpty());
  EXPECT_EQ(num_micro_batches(layout, batch), 32);
}

TEST_F(LayoutTest, TheRanksAreTheClustersGpus) {
  layout.data = 8;
  EXPECT_THAT(found(),
              ElementsAre("tensor * pipeline * context * data = 8 * 8 * 1 * 8 "
                          "= 512 must be the cluster's 1024 GPUs"));
}

TEST_F(LayoutTest, HeadsAndWidthsDivideByTensor) {
  model.num_q_heads = 120;
  layout.tensor = 16;
  layout.data = 8;
  EXPECT_THAT(found(),
              ElementsAre("num_q_heads = 120 must be a multiple of tensor = "
                          "16"));
  model = dense();
  EXPECT_THAT(found(), IsEmpty()) << "8 key heads on 16 ranks are copied";
  model.num_kv_heads = 32;
  layout.tensor = 64;
  layout.data = 2;
  EXPECT_THAT(found(), IsEmpty());
  model.num_kv_heads = 24;
  EXPECT_THAT(found(), Contains("num_kv_heads = 24 and tensor = 64: one must "
                                "be a multiple of the other"));
  model = dense();
  model.dense_ffn_dim = 53250;
  EXPECT_THAT(found(), Contains(HasSubstr("dense_ffn_dim = 53250")));
}

TEST_F(LayoutTest, NoStageIsWithoutALayer) {
  layout = {.pipeline = 32, .virtual_stages = 4, .data = 32};
  batch = 4096;
  EXPECT_THAT(found(), ElementsAre("pipeline * virtual_stages = 32 * 4 = 128 "
                                   "chunks are more than the 126 layers"));
  layout.embedding_slot = layout.head_slot = true;
  EXPECT_THAT(found(), IsEmpty());
  layout = {.virtual_stages = 2, .data = 1024};
  batch = 1024;
  EXPECT_THAT(found(), ElementsAre("virtual_stages = 2 needs pipeline above "
                                   "1"));
}

TEST_F(LayoutTest, TheBatchDivides) {
  batch = 500;
  EXPECT_THAT(found(),
              ElementsAre("the global batch of 500 sequences must be a "
                          "multiple of data * micro_batch_size = 16 * 1 = 16"));
  batch = 64;
  EXPECT_THAT(found(), IsEmpty()) << "4 micro-batches in 8 stages: slow";
  layout.virtual_stages = 2;
  EXPECT_THAT(found(), ElementsAre("virtual_stages = 2: the 4 micro-batches of "
                                   "a step must be at least pipeline = 8"));
}

TEST_F(LayoutTest, ExpertsLieOverTheRanksOfAStage) {
  layout.expert = 8;
  EXPECT_THAT(found(), ElementsAre("expert = 8 must be 1: the model has no "
                                   "experts"));
  model = experts();
  EXPECT_THAT(found(), IsEmpty());
  layout.expert = 16;
  EXPECT_THAT(found(), ElementsAre("num_experts = 8 must be a multiple of "
                                   "expert = 16"));
  model.num_experts = 96;
  layout.expert = 96;
  EXPECT_THAT(found(),
              ElementsAre("tensor * context * data = 8 * 1 * 16 = 128 must be "
                          "a multiple of expert = 96"));
  layout.expert = 1;
  model.expert_ffn_dim = 1020;
  EXPECT_THAT(found(), ElementsAre(HasSubstr("expert_ffn_dim = 1020")));
}

TEST_F(LayoutTest, SequencesDivideByContextAndTensor) {
  layout = {.tensor = 8, .pipeline = 8, .data = 4, .context = 4};
  EXPECT_THAT(found(), IsEmpty());
  seq_len = 8196;
  EXPECT_THAT(found(), ElementsAre("seq_len = 8196 must be a multiple of 2 * "
                                   "context = 2 * 4"));
  seq_len = 8200;
  layout.sequence_parallel = true;
  EXPECT_THAT(found(),
              ElementsAre("sequence_parallel: seq_len = 8200 must be a "
                          "multiple of context * tensor = 4 * 8"));
  seq_len = 8192;
  model.learned_positions = 2048;
  EXPECT_THAT(found(), ElementsAre("seq_len = 8192 is beyond the model's table "
                                   "of 2048 positions"));
}

TEST_F(LayoutTest, EveryNumberOutOfItsRangeIsNamed) {
  for (const Field& field : fields_of(layout)) {
    auto* const* number = std::get_if<int64_t*>(&field.value);
    if (number == nullptr) continue;
    const int64_t good = **number;
    for (const int64_t bad : {int64_t{-1}, INT64_MAX, INT64_MIN}) {
      **number = bad;
      EXPECT_THAT(found(), Contains(HasSubstr(field.name + " = "))) << bad;
    }
    **number = good;
  }
  layout.recomputation = "some";
  EXPECT_THAT(found(), ElementsAre("recomputation = 'some' must be none, "
                                   "selective or full"));
  layout = {.tensor = int64_t{1} << 20, .data = int64_t{1} << 20};
  EXPECT_THAT(found(), ElementsAre(HasSubstr("must be at most 4294967296")));
}

TEST_F(LayoutTest, AllRulesAreToldAtOnce) {
  layout = {.tensor = 3, .pipeline = 5, .data = 7};
  EXPECT_GE(found().size(), 4U);
}

TEST_F(LayoutTest, TensorBeyondNvlinkIsAWarning) {
  layout = {.tensor = 16, .pipeline = 8, .data = 8};
  EXPECT_THAT(found(), IsEmpty());
  EXPECT_THAT(warnings(model, cluster, layout),
              ElementsAre("tensor = 16 reaches beyond the 8 GPUs that NVLink "
                          "joins"));
  layout = {.pipeline = 8, .data = 128, .sequence_parallel = true};
  EXPECT_THAT(warnings(model, cluster, layout),
              ElementsAre("sequence_parallel does nothing with tensor = 1"));
}

std::vector<int64_t> stages(int64_t layers, int64_t pipeline,
                            int64_t virtual_stages = 1, bool slots = false) {
  Transformer model = dense();
  model.num_layers = layers;
  return layers_of_stages(model, {.pipeline = pipeline,
                                  .virtual_stages = virtual_stages,
                                  .embedding_slot = slots,
                                  .head_slot = slots});
}

TEST(Stages, AreEvenWhereLayersDivide) {
  EXPECT_THAT(stages(12, 4), ElementsAre(3, 3, 3, 3));
  EXPECT_THAT(stages(16, 4, 2), ElementsAre(4, 4, 4, 4));
}

TEST(Stages, TakeEmbeddingAndHeadAsSlots) {
  EXPECT_THAT(stages(126, 16, 1, true),
              ElementsAre(7, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 7));
  EXPECT_THAT(stages(126, 16, 8, true),
              ElementsAre(7, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 7));
}

TEST(Stages, LeaveTheRestToTheLast) {
  EXPECT_THAT(stages(78, 12), ElementsAre(7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 1));
  EXPECT_THAT(stages(61, 4), ElementsAre(16, 16, 16, 13));
}

TEST(Stages, AreAsEvenAsTheyGoWhereTheLastWouldHaveNone) {
  EXPECT_THAT(stages(10, 6), ElementsAre(2, 2, 2, 2, 1, 1));
  EXPECT_THAT(stages(3, 4), IsEmpty());
}

TEST(Stages, HoldAllLayersWhateverTheSplit) {
  for (int64_t layers = 1; layers < 40; ++layers) {
    for (int64_t pipeline = 1; pipeline <= layers; ++pipeline) {
      for (int64_t chunks = 1; chunks * pipeline <= layers; ++chunks) {
        for (const bool slots : {false, true}) {
          const auto split = stages(layers, pipeline, chunks, slots);
          EXPECT_EQ(std::accumulate(split.begin(), split.end(), int64_t{0}),
                    layers);
          EXPECT_EQ(static_cast<int64_t>(split.size()), pipeline);
        }
      }
    }
  }
}

TEST(Slots, AreChosenIfOnlyThenLayersDivide) {
  Transformer model = dense();
  Layout layout = {.pipeline = 8, .virtual_stages = 8};
  choose_slots(model, layout);
  EXPECT_TRUE(layout.embedding_slot && layout.head_slot) << "126 + 2 = 128";
  layout.pipeline = 7;
  layout.virtual_stages = 1;
  choose_slots(model, layout);
  EXPECT_FALSE(layout.embedding_slot || layout.head_slot) << "126 = 18 * 7";
  layout.pipeline = 5;
  choose_slots(model, layout);
  EXPECT_FALSE(layout.embedding_slot) << "neither 126 nor 128";
}

TEST(LayoutFields, AreReadAndWrittenAsToml) {
  Layout layout, again;
  layout.tensor = 8;
  layout.recomputation = "full";
  layout.sequence_parallel = true;
  config::Origins origins;
  config::read_toml(config::write_toml(fields_of(layout)), "x",
                    fields_of(again), origins);
  EXPECT_EQ(again, layout);
  EXPECT_EQ(recomputation_of(again), Recomputation::kFull);
}

}  // namespace
}  // namespace colossus::planner
