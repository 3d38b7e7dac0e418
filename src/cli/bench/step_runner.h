// Training steps on made-up tokens, exactly as the trainer does them: forward
// and backward over the tree of shards, norm, clip, AdamW.
#pragma once

#include <cstdint>

#include "config/config.h"
#include "optimizer/sharded_adamw.h"
#include "runtime/step.h"
#include "tensor/arena.h"

namespace colossus::cli {

class StepRunner {
 public:
  // Takes all its memory and initial weights. `backend` must outlive it.
  StepRunner(const config::Config& config, kernels::Backend& backend,
             int num_threads);

  // Seconds of `num_steps` steps.
  double run(int64_t num_steps);

  double loss() const { return loss_; }  // of the newest step
  int64_t step() const { return step_; }
  uint64_t memory_bytes() const { return arena_.high_water_bytes(); }
  double flops_per_step() const;

 private:
  void do_step();

  const config::Config config_;
  tensor::Arena arena_;
  runtime::TrainingStep training_step_;
  optimizer::OptimizerState state_;
  const optimizer::ShardedAdamW adamw_;
  int64_t step_ = 0;
  double loss_ = 0;
};

}  // namespace colossus::cli
