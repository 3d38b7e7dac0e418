#include "model/grok.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "model/decoder.h"
#include "model/model_testing.h"

namespace colossus::model {
namespace {

const BatchShape kFourShards{
    .num_shards = 4, .micro_batch_size = 2, .seq_len = 13};

std::vector<config::ModelConfig> all_forms() {
  return {small_config(), grok2_config(), dense_config()};
}

// The tree over shards by hand: each shard alone, then left + right.
std::vector<float> gradient_one_by_one(const config::ModelConfig& config,
                                       ModelRun& together,
                                       kernels::Backend& backend) {
  BatchShape one = kFourShards;
  one.num_shards = 1;
  ModelRun run(config, one, backend);
  std::vector<std::vector<float>> g;
  const int64_t per_shard = one.num_tokens();
  for (int64_t s = 0; s < 4; ++s) {
    const auto at = static_cast<int64_t>(s * per_shard);
    run.tokens.assign(together.tokens.begin() + at,
                      together.tokens.begin() + at + per_shard);
    run.targets.assign(together.targets.begin() + at,
                       together.targets.begin() + at + per_shard);
    g.push_back(run.gradient());
  }
  for (size_t i = 0; i < g[0].size(); ++i) {
    g[0][i] = (g[0][i] + g[1][i]) + (g[2][i] + g[3][i]);
  }
  return g[0];
}

TEST(Grok, ShardsTogetherGiveTheBitsOfShardsOneByOne) {
  const auto backend = kernels::make_cpu_backend(2);
  for (const auto& config : all_forms()) {
    ModelRun together(config, kFourShards, *backend);
    const std::vector<float> g = together.gradient();
    EXPECT_EQ(g, gradient_one_by_one(config, together, *backend));
  }
}

TEST(Grok, TheBitsDoNotDependOnTheNumberOfThreads) {
  for (const auto& config : all_forms()) {
    std::vector<std::vector<float>> g;
    for (const int threads : {1, 2, 3}) {
      const auto backend = kernels::make_cpu_backend(threads);
      g.push_back(ModelRun(config, kFourShards, *backend).gradient());
    }
    EXPECT_EQ(g[0], g[1]);
    EXPECT_EQ(g[0], g[2]);
  }
}

TEST(Grok, Avx512AndAvx2GiveTheSameBits) {
  if (kernels::best_cpu_target() != "avx512") {
    GTEST_SKIP() << "this processor has no AVX-512";
  }
  for (const auto& config : all_forms()) {
    std::vector<std::vector<float>> g;
    for (const char* target : {"avx2", "avx512"}) {
      const auto backend = kernels::make_cpu_backend(2, target);
      g.push_back(ModelRun(config, kFourShards, *backend).gradient());
    }
    EXPECT_EQ(g[0], g[1]);
  }
}

// d(loss + aux)/dw along a direction, by central differences.
TEST(Grok, TheGradientIsTheSlopeOfTheLoss) {
  const auto backend = kernels::make_cpu_backend(2);
  const BatchShape shape{.micro_batch_size = 2, .seq_len = 9};
  for (const auto& config : all_forms()) {
    ModelRun run(config, shape, *backend);
    const std::vector<float> g = run.gradient();
    double norm = 0;
    for (const float x : g) norm += double{x} * double{x};
    norm = std::sqrt(norm);
    const std::vector<float> w = run.weights;
    const auto loss_at = [&](double t) {
      for (size_t i = 0; i < w.size(); ++i) {
        run.weights[i] =
            static_cast<float>(double{w[i]} + t * double{g[i]} / norm);
      }
      std::vector<float> unused(w.size(), 0.0f);
      const BatchResult r = run.model.forward_backward(
          run.weights.data(), run.tokens, run.targets, unused.data(), false);
      return r.loss_P[0] + r.aux_loss_P[0];
    };
    const double h = 2e-3;
    EXPECT_NEAR((loss_at(h) - loss_at(-h)) / (2 * h), norm, 0.01 * norm);
  }
}

TEST(Grok, MicroBatchesGoOnInOneBuffer) {
  const auto backend = kernels::make_cpu_backend(1);
  const BatchShape shape{.micro_batch_size = 1, .seq_len = 11};
  for (const auto& config : all_forms()) {
    ModelRun run(config, shape, *backend);
    std::vector<float> twice = run.gradient();
    const std::vector<float> once = twice;
    run.model.forward_backward(run.weights.data(), run.tokens, run.targets,
                               twice.data(), true);
    for (size_t i = 0; i < once.size(); ++i) {
      ASSERT_NEAR(twice[i], 2 * once[i], 1e-4 * (1 + std::fabs(once[i])));
    }
  }
}

TEST(Decoder, CachedLogitsAgreeWithTheWholeForwardPass) {
  const auto backend = kernels::make_cpu_backend(2);
  const BatchShape shape{.micro_batch_size = 1, .seq_len = 145};
  for (const auto& config : all_forms()) {
    ModelRun run(config, shape, *backend);
    std::vector<float> losses(run.tokens.size());
    run.model.token_losses(run.weights.data(), run.tokens, run.targets, losses);
    const auto V = static_cast<size_t>(config.vocab_size);
    std::vector<float> expected(run.tokens.size() * V);
    run.model.logits(run.weights.data(), 0, 145, expected.data());

    tensor::Arena plan;
    const Decoder planned(config, 145, *backend, plan);
    tensor::Arena arena(plan.high_water_bytes());
    Decoder decoder(config, 145, *backend, arena);
    // A prompt longer than a chunk, then token by token.
    size_t done = 0;
    for (const size_t count : {138, 1, 1, 3, 1, 1}) {
      const std::span<const float> logits = decoder.append(
          run.weights.data(), std::span(run.tokens).subspan(done, count));
      done += count;
      for (size_t v = 0; v < V; ++v) {
        ASSERT_NEAR(logits[v], expected[(done - 1) * V + v], 2e-4);
      }
    }
  }
}

}  // namespace
}  // namespace colossus::model
