#include "cli/bench/step_runner.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "config/model_counts.h"
#include "model/parameters.h"
#include "optimizer/schedule.h"

namespace colossus::cli {
namespace {

constexpr uint64_t kSeed = 1;

uint64_t arena_bytes(const config::Config& config, kernels::Backend& backend) {
  tensor::Arena plan;
  const runtime::TrainingStep step(config, backend, plan);
  plan.take<float>(3 * step.padded_count(), "weights and moments");
  return plan.high_water_bytes();
}

// Uniform over the vocabulary: the same work as text, of which nothing can be
// learned.
runtime::BatchSource random_tokens(const config::Config& config) {
  return [vocab = static_cast<uint64_t>(config.model.vocab_size),
          seq_len = config.run.seq_len](int64_t step, int64_t shard,
                                        int64_t row, int32_t* tokens_T,
                                        int32_t* targets_T) {
    const auto stream = static_cast<uint64_t>(shard * 4096 + row);
    const auto token = [&](int64_t t) {
      const auto index = static_cast<uint64_t>(step * (seq_len + 1) + t);
      return static_cast<int32_t>(random_bits(kSeed, stream, index) % vocab);
    };
    for (int64_t t = 0; t < seq_len; ++t) {
      tokens_T[t] = token(t);
      targets_T[t] = token(t + 1);
    }
  };
}

}  // namespace

StepRunner::StepRunner(const config::Config& config, kernels::Backend& backend,
                       int num_threads)
    : config_(config),
      arena_(arena_bytes(config, backend)),
      training_step_(config_, backend, arena_),
      adamw_(config_.optimizer, training_step_.parameters().layout(),
             training_step_.padded_count(), config_.run.num_shards, backend) {
  const int64_t count = training_step_.padded_count();
  // Zeroed by the arena, as moments start.
  float* memory = arena_.take<float>(3 * count, "weights and moments");
  state_ = {memory, memory + count, memory + 2 * count};
  ThreadPool pool(num_threads);
  model::initialize(training_step_.parameters(), kSeed, count, state_.w, pool);
}

double StepRunner::run(int64_t num_steps) {
  const double begin = real_clock().steady_seconds();
  for (int64_t i = 0; i < num_steps; ++i) do_step();
  return real_clock().steady_seconds() - begin;
}

void StepRunner::do_step() {
  ++step_;
  const runtime::StepResult result =
      training_step_.compute(state_.w, step_, random_tokens(config_));
  const double grad_norm =
      result.mean_scale * adamw_.grad_norm(result.gradient);
  const double scale = result.mean_scale * adamw_.clip_scale(grad_norm);
  const double rate =
      optimizer::learning_rate(config_.optimizer, config_.run.steps, step_);
  for (int64_t slice = 0; slice < config_.run.num_shards; ++slice) {
    adamw_.update_slice(slice, step_, rate, scale, result.gradient, state_);
  }
  loss_ = result.loss;
}

double StepRunner::flops_per_step() const {
  return config::training_flops_per_token(config_.model, config_.run.seq_len) *
         static_cast<double>(config_.run.tokens_per_step());
}

}  // namespace colossus::cli
