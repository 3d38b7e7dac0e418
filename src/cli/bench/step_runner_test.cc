#include "cli/bench/step_runner.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/cpu_backend.h"

namespace colossus::cli {
namespace {

config::Config small_config() {
  config::Config config;
  config.model.vocab_size = 50;
  config.model.model_dim = 32;
  config.model.num_layers = 1;
  config.model.head_dim = 8;
  config.model.expert_ffn_dim = 16;
  config.run.seq_len = 16;
  config.run.num_shards = 4;
  config.optimizer.warmup_steps = 0;
  return config;
}

TEST(StepRunner, CountsItsSteps) {
  const auto backend = kernels::make_cpu_backend(1);
  StepRunner runner(small_config(), *backend, 1);
  runner.run(2);
  runner.run(3);
  EXPECT_EQ(runner.step(), 5);
}

TEST(StepRunner, StartsAtTheLossOfAGuessAndMovesTheWeights) {
  const auto backend = kernels::make_cpu_backend(1);
  StepRunner runner(small_config(), *backend, 1);
  runner.run(1);
  const double first = runner.loss();
  EXPECT_NEAR(first, std::log(50.0), 1.0);
  runner.run(40);
  EXPECT_LT(runner.loss(), first);
}

TEST(StepRunner, TakesTheSameStepsHoweverTheyAreCut) {
  const auto backend = kernels::make_cpu_backend(2);
  StepRunner whole(small_config(), *backend, 2);
  StepRunner parts(small_config(), *backend, 2);
  whole.run(6);
  parts.run(1);
  parts.run(5);
  EXPECT_EQ(whole.loss(), parts.loss());
}

}  // namespace
}  // namespace colossus::cli
