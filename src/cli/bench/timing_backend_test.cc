#include "cli/bench/timing_backend.h"

#include <gtest/gtest.h>

#include <vector>

#include "cli/bench/step_runner.h"
#include "kernels/reference/reference_backend.h"

namespace colossus::cli {
namespace {

config::Config small_config() {
  config::Config config;
  config.model.vocab_size = 40;
  config.model.model_dim = 16;
  config.model.num_layers = 2;
  config.model.num_q_heads = 2;
  config.model.num_kv_heads = 1;
  config.model.head_dim = 8;
  config.model.expert_ffn_dim = 12;
  config.run.seq_len = 8;
  config.run.num_shards = 4;
  return config;
}

TEST(TimingBackend, ChangesNoResult) {
  const auto plain = kernels::make_reference_backend();
  TimingBackend timed(*plain);
  StepRunner expected(small_config(), *plain, 1);
  StepRunner got(small_config(), timed, 1);
  expected.run(3);
  got.run(3);
  EXPECT_EQ(got.loss(), expected.loss());
}

TEST(TimingBackend, BooksEveryCallUnderItsOperationAndShape) {
  const auto inner = kernels::make_reference_backend();
  TimingBackend timed(*inner);
  const std::vector<float> x(6, 1.0f), w(8, 1.0f);
  std::vector<float> y(12);
  for (int i = 0; i < 2; ++i) {
    timed.linear_forward({.rows = 3,
                          .in_dim = 2,
                          .out_dim = 4,
                          .x_RI = x.data(),
                          .w_OI = w.data(),
                          .y_RO = y.data()});
  }
  ASSERT_EQ(timed.times().size(), 1u);
  const auto& [name, time] = *timed.times().begin();
  EXPECT_EQ(name.operation, "linear_forward");
  EXPECT_EQ(name.shape, "3 x 2 -> 4");
  EXPECT_EQ(time.calls, 2);
  EXPECT_EQ(time.flops, 2 * 2.0 * 3 * 2 * 4);
  EXPECT_EQ(y, std::vector<float>(12, 2.0f));
}

TEST(TimingBackend, SeesEveryOperationOfAStep) {
  const auto inner = kernels::make_reference_backend();
  TimingBackend timed(*inner);
  StepRunner runner(small_config(), timed, 1);
  runner.run(1);
  std::map<std::string, int64_t> calls;
  for (const auto& [name, time] : timed.times()) {
    calls[name.operation] += time.calls;
  }
  for (const char* operation :
       {"embedding_forward", "attention_backward", "gated_linear_forward",
        "expert_combine_backward", "head_loss", "adamw_update"}) {
    EXPECT_GT(calls[operation], 0) << operation;
  }
  timed.reset();
  EXPECT_TRUE(timed.times().empty());
}

}  // namespace
}  // namespace colossus::cli
