#include "runtime/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "checkpoint/checkpoint_reader.h"
#include "kernels/cpu/cpu_backend.h"
#include "runtime/history.h"
#include "runtime/run_recorder.h"
#include "runtime/run_testing.h"

namespace colossus::runtime {
namespace {

using ::testing::HasSubstr;

class TrainerTest : public RunTest {
 protected:
  // Stops when the batches of `stop_at_step` are read (0: never).
  TrainingSummary run(const config::Config& config, bool resume,
                      int64_t stop_at_step = 0, int threads = 2,
                      const std::string& target = "auto") {
    const auto backend = kernels::make_cpu_backend(threads, target);
    std::atomic<bool> stop{false};
    TrainingData data = data_;
    data.batches = [&](int64_t step, int64_t shard, int64_t row,
                       int32_t* tokens, int32_t* targets) {
      if (stop_at_step > 0 && step >= stop_at_step) stop = true;
      data_.batches(step, shard, row, tokens, targets);
    };
    const Surroundings around{.fs = real_file_system(),
                              .clock = clock_,
                              .backend = *backend,
                              .stop = stop,
                              .stop_reason = [] { return "a test"; },
                              .out = out_,
                              .progress = {},
                              .machine = "test"};
    return train(config, data, around, resume);
  }

  void flip_a_bit(const std::string& path) const {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(5000);
    const char byte = static_cast<char>(file.get());
    file.seekp(5000);
    file.put(static_cast<char>(byte ^ 4));
  }

  TrainingData data_ = made_up_data();
  ManualClock clock_;
  std::ostringstream out_;
};

TEST_F(TrainerTest, LearnsAndLeavesACompleteRun) {
  const config::Config config = tiny_config(dir("a"));
  const TrainingSummary summary = run(config, false);
  EXPECT_TRUE(summary.finished);
  EXPECT_EQ(summary.step, 12);
  EXPECT_GT(summary.bits_per_byte, 0);
  EXPECT_EQ(checkpoint::list_checkpoints(dir("a")),
            (std::vector<int64_t>{4, 8, 12}));
  EXPECT_THAT(out_.str(), HasSubstr("memory planned"));
}

TEST_F(TrainerTest, TwiceGivesTheSameBits) {
  run(tiny_config(dir("a")), false);
  run(tiny_config(dir("b")), false);
  EXPECT_EQ(hash("a"), hash("b"));
}

TEST_F(TrainerTest, AStopAndAResumeGiveTheSameBits) {
  run(tiny_config(dir("quiet")), false);
  const TrainingSummary stopped = run(tiny_config(dir("cut")), false, 7);
  EXPECT_FALSE(stopped.finished);
  EXPECT_EQ(stopped.step, 7);
  EXPECT_TRUE(run(tiny_config(dir("cut")), true).finished);
  EXPECT_EQ(hash("quiet"), hash("cut"));
}

TEST_F(TrainerTest, ADamagedCheckpointIsNamedAndTheOneBeforeItUsed) {
  run(tiny_config(dir("quiet")), false);
  run(tiny_config(dir("cut")), false, 9);
  flip_a_bit(checkpoint::checkpoint_folder(dir("cut"), 9) +
             "/weights.safetensors");
  out_.str("");
  EXPECT_TRUE(run(tiny_config(dir("cut")), true).finished);
  EXPECT_THAT(out_.str(), HasSubstr("step 9 is damaged"));
  EXPECT_THAT(out_.str(), HasSubstr("resumed from the checkpoint of step 8"));
  EXPECT_EQ(hash("quiet"), hash("cut"));
}

TEST_F(TrainerTest, GroupsOfShardsThreadsAndTargetsGiveTheSameBits) {
  config::Config config = tiny_config(dir("a"));
  run(config, false);
  for (const int64_t together : {1, 2}) {
    const std::string name = "together" + std::to_string(together);
    config.run.dir = dir(name);
    config.kernels.shards_together = together;
    run(config, false, 0, 1);
    EXPECT_EQ(hash("a"), hash(name));
  }
  if (kernels::best_cpu_target() == "avx512") {
    config.run.dir = dir("avx2");
    run(config, false, 0, 2, "avx2");
    EXPECT_EQ(hash("a"), hash("avx2"));
  }
}

TEST_F(TrainerTest, ALossThatIsNotFiniteStopsWithTheStateBeforeItKept) {
  config::Config config = tiny_config(dir("a"));
  config.optimizer.learning_rate = 1e30;
  config.optimizer.min_learning_rate = 1e30;
  config.optimizer.warmup_steps = 0;
  config.optimizer.schedule = "constant";
  config.optimizer.weight_decay = 0;
  try {
    run(config, false);
    FAIL() << "a learning rate of 1e30 was survived";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), HasSubstr("not finite"));
    EXPECT_THAT(error.what(), HasSubstr("is kept in"));
  }
  EXPECT_FALSE(checkpoint::list_checkpoints(dir("a")).empty());
}

TEST_F(TrainerTest, RefusesToGoOnWithOtherData) {
  run(tiny_config(dir("a")), false, 5);
  data_.digest = "other";
  EXPECT_THROW(run(tiny_config(dir("a")), true), UserError);
}

TEST_F(TrainerTest, MicroBatchesArePartOfTheFunction) {
  config::Config config = tiny_config(dir("a"));
  config.run.micro_batches_per_shard = 2;
  config.run.num_shards = 2;
  EXPECT_TRUE(run(config, false).finished);
  config.run.dir = dir("b");
  run(config, false, 6);
  run(config, true);
  EXPECT_EQ(hash("a"), hash("b"));
}

// Four sequences as four shards, as four micro-batches, or as one batch: the
// same mean loss, so the same gradient norm before clipping, up to rounding.
TEST_F(TrainerTest, TheGradientNormIsThatOfTheMeanLossHoweverItIsCut) {
  config::Config config = tiny_config(dir("shards"));
  config.model.num_experts = 0;
  config.model.num_selected_experts = 0;
  config.model.dense_ffn_dim = 48;
  config.run.steps = 4;
  data_.batches = [&](int64_t step, int64_t shard, int64_t row, int32_t* tokens,
                      int32_t* targets) {
    made_up_batch(step, shard + row, 0, tokens, targets);
  };
  run(config, false);
  config.run.num_shards = 1;
  config.run.micro_batch_size = 4;
  config.run.dir = dir("batch");
  run(config, false);
  config.run.micro_batch_size = 1;
  config.run.micro_batches_per_shard = 4;
  config.run.dir = dir("micro");
  run(config, false);
  const double expected = load_history(dir("batch")).steps[0].grad_norm;
  for (const char* name : {"shards", "micro"}) {
    EXPECT_NEAR(load_history(dir(name)).steps[0].grad_norm, expected,
                1e-4 * expected)
        << name;
  }
}

}  // namespace
}  // namespace colossus::runtime
