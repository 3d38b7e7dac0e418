// The time of one training step, term by term. The formulas, with letters T1 to
// T17 and their sources, stand in docs/planner.md; layer_cost.h has those of a
// layer.
//
// What it does not know: real routing (experts are balanced), data loading,
// checkpoints, faults.
#pragma once

#include <array>
#include <cstddef>

#include "planner/calibration.h"
#include "planner/layer_cost.h"
#include "planner/workload.h"

namespace colossus::planner {

enum class Term {
  kAttentionProducts,
  kFeedForward,
  kAttentionCore,
  kMemoryBound,
  kWeightGradients,
  kPermute,
  kExpertBias,
  kAllToAll,
  kTensorParallel,
  kContextParallel,
  kRecompute,
  kHostWait,
  kHead,
  kImbalance,
  kShardedWeights,
  kSends,
  kBubble,
  kGradients,
  kOptimizer,
  kJitter
};
inline constexpr size_t kNumTerms = 20;
const char* term_name(Term term);  // "attention products"

struct StepCost {
  double seconds = 0;                     // the sum of the terms
  std::array<double, kNumTerms> terms{};  // seconds, by Term

  double of(Term term) const { return terms[static_cast<size_t>(term)]; }
};

// T17: stragglers, for each doubling beyond one node; of the other terms.
double jitter_share(double num_devices, const Calibration& calibration);

// Allocates nothing: a few microseconds. The layout keeps the rules of
// layout.h.
StepCost step_cost(const Workload& workload, const Calibration& calibration);

// The same from what layouts have in common that differ in pipeline, chunks,
// slots, data and ZeRO stage alone: the costs of a layer and of the head.
StepCost step_cost(const CostInputs& inputs, const LayerCost& layer,
                   double head_seconds);

}  // namespace colossus::planner
