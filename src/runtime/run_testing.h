// A tiny run for tests of this folder: a model of two layers on made-up text,
// trained in a second, whose every bit counts.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/random.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/compare.h"
#include "config/config.h"
#include "runtime/rank.h"

namespace colossus::runtime {

inline config::Config tiny_config(const std::string& dir) {
  config::Config c;
  c.model.vocab_size = 50;
  c.model.model_dim = 32;
  c.model.num_layers = 2;
  c.model.num_q_heads = 2;
  c.model.num_kv_heads = 1;
  c.model.head_dim = 16;
  c.model.expert_ffn_dim = 24;
  c.run.dir = dir;
  c.run.steps = 12;
  c.run.seq_len = 16;
  c.run.num_shards = 4;
  c.run.val_every = 5;
  c.run.val_sequences = 3;
  c.run.checkpoint_every = 4;
  c.run.keep_last = 3;
  c.optimizer.warmup_steps = 3;
  return c;
}

// A batch source from the numbers of (step, shard, row); learnable: each token
// follows from the one before.
inline void made_up_batch(int64_t step, int64_t shard, int64_t row,
                          int32_t* tokens, int32_t* targets) {
  const auto stream = static_cast<uint64_t>(shard * 1000 + row);
  auto token = static_cast<int32_t>(
      random_bits(9, stream, static_cast<uint64_t>(step)) % 50);
  for (int t = 0; t < 16; ++t) {
    tokens[t] = token;
    token = (token * 7 + 3) % 50;
    targets[t] = token;
  }
}

inline TrainingData made_up_data() {
  TrainingData data;
  data.batches = made_up_batch;
  data.validation.num_windows = 5;
  data.validation.total_tokens = 5 * 10;
  data.validation.total_bytes = 5 * 30;
  data.validation.fill = [](int64_t index, int32_t* tokens, int32_t* targets) {
    made_up_batch(1000, index, 0, tokens, targets);
    return int64_t{10};
  };
  data.digest = "made-up";
  return data;
}

// A folder for the runs of one test, removed behind it.
class RunTest : public ::testing::Test {
 protected:
  RunTest() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = ::testing::TempDir() + info->test_suite_name() + "_" +
            std::to_string(getpid()) + "_" + info->name();
    std::filesystem::create_directories(root_);
  }
  ~RunTest() override { std::filesystem::remove_all(root_); }

  std::string dir(const std::string& name) const { return root_ + "/" + name; }

  std::string hash(const std::string& name) const {
    return checkpoint::hash_checkpoint(
               checkpoint::resolve_checkpoint(dir(name)))
        .hex();
  }

  std::string root_;
};

}  // namespace colossus::runtime
