#include "cli/bench/step_runner.h"

#include "base/clock.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "config/model_counts.h"
#include "model/parameters.h"

namespace colossus::cli {
namespace {

constexpr uint64_t kSeed = 1;

uint64_t arena_bytes(const config::Config& config, kernels::Backend& backend) {
  tensor::Arena plan, room;
  const runtime::TrainingStep step(config, config.run.num_shards, backend, plan,
                                   room);
  plan.take<float>(step.padded_count(), "gradients");
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
      batches_(random_tokens(config)),
      arena_(arena_bytes(config, backend)),
      training_step_(config_, config.run.num_shards, backend, arena_, room_),
      store_bytes_(checkpoint::SliceStore::bytes(
          config.run.num_shards,
          training_step_.padded_count() / config.run.num_shards)),
      store_memory_(store_bytes_, tensor::Arena::Touch::kInUse),
      place_{.fs = real_file_system(),
             .clock = real_clock(),
             .backend = backend,
             .store = make_store()},
      link_(config.run.num_shards,
            {arena_.take<float>(training_step_.padded_count(), "gradients"),
             static_cast<size_t>(training_step_.padded_count())},
            {.step = 0, .of = config.run.steps}, stop_, nullptr, nullptr),
      rank_step_(config_, batches_, place_, training_step_, link_) {
  rank_step_.follow(*link_.next_view());
  initialize(num_threads);
}

checkpoint::SliceStore StepRunner::make_store() {
  auto* memory = store_memory_.take<std::byte>(
      static_cast<int64_t>(store_bytes_), "weights and moments");
  return checkpoint::SliceStore::create(
      {memory, store_bytes_}, config_.run.num_shards,
      training_step_.padded_count() / config_.run.num_shards);
}

// Moments start at zero, as fresh memory is.
void StepRunner::initialize(int num_threads) {
  ThreadPool pool(num_threads);
  model::initialize(training_step_.parameters(), kSeed, 0,
                    {place_.store.owners(0).w,
                     static_cast<size_t>(training_step_.padded_count())},
                    pool);
}

uint64_t StepRunner::memory_bytes() const {
  const auto flat = static_cast<uint64_t>(training_step_.padded_count());
  return arena_.high_water_bytes() + 6 * flat * sizeof(float);
}

double StepRunner::run(int64_t num_steps) {
  const double begin = real_clock().steady_seconds();
  for (int64_t i = 0; i < num_steps; ++i) {
    loss_ = rank_step_.run(++step_).metrics.loss;
  }
  return real_clock().steady_seconds() - begin;
}

double StepRunner::flops_per_step() const {
  return config::training_flops_per_token(config_.model, config_.run.seq_len) *
         static_cast<double>(config_.run.tokens_per_step());
}

}  // namespace colossus::cli
