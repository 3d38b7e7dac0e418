// All memory of a training process, planned before step 1: a planning pass over
// the same constructors, then one arena of exactly that size.
#pragma once

#include <memory>
#include <span>

#include "config/config.h"
#include "optimizer/sharded_adamw.h"
#include "runtime/step.h"
#include "tensor/arena.h"

namespace colossus::runtime {

// What a run holds; pointers into the arena given to it.
struct RunBuffers {
  RunBuffers(const config::Config& config, kernels::Backend& backend,
             tensor::Arena& arena);

  int64_t padded_count() const { return step.padded_count(); }
  std::span<float> weights() const { return flat(state.w); }
  std::span<float> m() const { return flat(state.m); }
  std::span<float> v() const { return flat(state.v); }

  TrainingStep step;
  optimizer::OptimizerState state;
  std::span<float> snapshot;  // 3 flat vectors, for the checkpoint writer

 private:
  std::span<float> flat(float* x) const {
    return {x, static_cast<size_t>(padded_count())};
  }
};

// Bytes by purpose: the arena's, the backend's workspace, and the program
// itself as it stands now.
tensor::MemoryPlan plan_memory(const config::Config& config,
                               kernels::Backend& backend);

// Several lines for people: largest first, with the total.
std::string memory_plan_text(const tensor::MemoryPlan& plan);

// Throws UserError if the plan exceeds `available_bytes` (0: unknown).
void check_memory(const tensor::MemoryPlan& plan, uint64_t available_bytes);

}  // namespace colossus::runtime
