// Training steps on made-up tokens, exactly as a rank that is alone does them:
// forward and backward over the tree of shards, norm, clip, AdamW.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "config/config.h"
#include "runtime/rank_step.h"
#include "runtime/solo_link.h"
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
  uint64_t memory_bytes() const;
  double flops_per_step() const;

 private:
  checkpoint::SliceStore make_store();
  void initialize(int num_threads);

  const config::Config config_;
  const runtime::BatchSource batches_;
  tensor::Arena arena_, room_;
  runtime::TrainingStep training_step_;
  const uint64_t store_bytes_;
  tensor::Arena store_memory_;
  runtime::RankPlace place_;
  const std::atomic<bool> stop_{false};
  runtime::SoloLink link_;
  runtime::RankStep rank_step_;
  int64_t step_ = 0;
  double loss_ = 0;
};

}  // namespace colossus::cli
